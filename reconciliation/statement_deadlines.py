"""Statement deadlines: until when a payment that was told of may wait for the line that shows it.

T+2, by business days. A source that pays many by one line has until the statement of the last day on which, by the
agreement that counts for the payment's day, that line may be booked, if that is later.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import bank_days
from reconciliation.business_days import Calendar, end_of

STATEMENT_WITHIN = 2
"""Business days a reported payment may wait for its statement line: T+2."""
_REACHES = """
    SELECT source, since, within_days + CASE WHEN cut_off IS NULL THEN 0 ELSE 1 END AS days,
        nullif(until, 'infinity') AS until
    FROM lump_terms ORDER BY source, since
"""
_WAITING = "SELECT DISTINCT source, business_date FROM payments WHERE id = ANY(:ids)"
_WAIT = """
    UPDATE payments p SET due_at = d.due_at
    FROM unnest(CAST(:sources AS text[]), CAST(:days AS date[]), CAST(:dues AS timestamptz[]))
        AS d (source, business_date, due_at)
    WHERE p.id = ANY(:ids) AND p.source = d.source AND p.business_date = d.business_date
"""


@dataclass(frozen=True, slots=True)
class StatementDeadlines:
    """The deadlines by a calendar; `reaches` holds how many days after a payment its source may settle it.

    Each counts for payments from one day until the day before another one.
    """

    calendar: Calendar
    reaches: Mapping[str, Sequence[tuple[date, date, int]]]

    def of(self, source: str, paid_on: date, since: date | None = None) -> datetime:
        """Return until when a payment may wait; `since` is the day from which it waits again."""
        last = self.calendar.after(since or paid_on, STATEMENT_WITHIN)
        for begins, ends, reach in self.reaches.get(source, ()):
            if begins <= paid_on < ends:
                # What is booked on a day stands on a statement that comes on the next business day.
                last = max(last, self.calendar.after(paid_on + timedelta(days=reach), 1))
        return end_of(last)


def read(session: Session, calendar: Calendar | None = None) -> StatementDeadlines:
    """Return the deadlines as they stand for this transaction."""
    reaches: dict[str, list[tuple[date, date, int]]] = defaultdict(list)
    for row in session.execute(text(_REACHES)):
        reaches[row.source].append((row.since, row.until or date.max, row.days))
    return StatementDeadlines(calendar or bank_days.calendar(session), reaches)


def wait_again(session: Session, payment_ids: Sequence[int], *, since: date) -> None:
    """Give payments that wait for their line again, from the day `since` on, their deadline."""
    if not payment_ids:
        return
    until = read(session)
    rows = session.execute(text(_WAITING), {"ids": list(payment_ids)}).all()
    values = {
        "ids": list(payment_ids), "sources": [row.source for row in rows], "days": [row.business_date for row in rows],
        "dues": [until.of(row.source, row.business_date, since) for row in rows],
    }  # fmt: skip
    session.execute(text(_WAIT), values)
