"""Expectations: what must still come, from whom and by when; nothing of it is a mismatch before its deadline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import bank_days, deadlines
from reconciliation.business_days import end_of, local_day
from reconciliation.deadlines import ExpectedFile

KINDS = ("statement_line", "callback", "file", "debit", "bill", "answer")
"""A line for what a bank told, a callback for what its statement shows, a file, a bank's word on a debit that it has, a
bill's money, a person's answer."""
LONG_AGO = timedelta(days=31)
"""What is overdue for longer stands together, under the day so long ago."""


@dataclass(frozen=True, slots=True)
class Expected:
    """So many things of one kind, from one bank, by one moment; `minor` is their money in đồng, `day` a file's day."""

    kind: str
    bank: str
    deadline: datetime
    count: int
    minor: int
    overdue: bool
    day: date | None = None


_WAITING = """
    SELECT CASE state WHEN 'confirmed' THEN 'callback' ELSE 'statement_line' END AS kind, source AS bank,
        greatest(due_at, :floor) AS deadline, count(*) AS things,
        CAST(coalesce(sum(minor) FILTER (WHERE currency = 'VND'), 0) AS bigint) AS minor
    FROM payments WHERE due_at IS NOT NULL GROUP BY 1, 2, 3
    UNION ALL
    SELECT 'debit', bank, greatest(ask_at, :floor), count(*), CAST(sum(minor) AS bigint)
    FROM debits WHERE ask_at IS NOT NULL GROUP BY 1, 2, 3
    UNION ALL
    SELECT 'answer', source, greatest(due_at, rests_until, :floor), count(*),
        CAST(coalesce(sum(minor) FILTER (WHERE currency = 'VND'), 0) AS bigint)
    FROM mismatches WHERE state IN ('open', 'proposed') AND due_at IS NOT NULL GROUP BY 1, 2, 3
"""
# Millions of bills may be owed: the schedule adds them up (`counted_months.count_owed`).
_OWED = """
    SELECT bank, greatest(due_on, CAST(:floor AS date)) AS due_on, CAST(sum(bills) AS bigint) AS things,
        CAST(sum(minor) AS bigint) AS minor
    FROM owed_days GROUP BY 1, 2
"""


def expected(session: Session, files: Sequence[ExpectedFile], *, now: datetime) -> list[Expected]:
    """Return everything that is expected, by kind, bank and deadline: what is overdue first, then the nearest.

    Bills are told as the schedule counted them last.
    """
    oldest = local_day(now) - LONG_AGO
    found = [
        Expected(row.kind, row.bank, row.deadline, row.things, row.minor, row.deadline <= now)
        for row in session.execute(text(_WAITING), {"floor": end_of(oldest)})
    ]
    for row in session.execute(text(_OWED), {"floor": oldest}):
        deadline = end_of(row.due_on)
        found.append(Expected("bill", row.bank, deadline, row.things, row.minor, deadline <= now))
    found += files_missing(session, files, now=now)
    return sorted(found, key=lambda one: (not one.overdue, one.deadline, KINDS.index(one.kind), one.bank))


def files_missing(session: Session, files: Sequence[ExpectedFile], *, now: datetime) -> Iterator[Expected]:
    """Yield each statement that is owed and has not come, and the one of today, which will be."""
    calendar, today = bank_days.calendar(session), local_day(now)
    days = [(one, day, due) for one in files for day, due in deadlines.owed(one, calendar, now=now)]
    days += [(one, today, one.due_at(today, calendar)) for one in files if one.owes(today, calendar)]
    came = deadlines.came(session, [(one.bank, day) for one, day, _ in days])
    for one, day, due in days:
        if (one.bank, day) not in came:
            yield Expected("file", one.bank, due, 1, 0, due <= now, day)


def shown(day: date, now: datetime) -> bool:
    """Tell whether a deadline of `day` stands for all that is older, too."""
    return day <= local_day(now) - LONG_AGO
