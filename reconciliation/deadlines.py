"""Deadlines: what was expected and has not come in time becomes a question; before that it is no exception."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import bank_days, business_days, mismatches, statement_deadlines
from reconciliation.business_days import Calendar, end_of
from reconciliation.pairing import CALLBACK_WITHIN
from reconciliation.statement_deadlines import StatementDeadlines

_OVERDUE = """
    SELECT CASE WHEN p.state = 'reported' THEN 'M01' ELSE 'M02' END, 'payment:' || p.id || '/other-door', p.source,
        p.minor, p.currency, p.id,
        jsonb_build_object('expected_by', p.due_at, 'paid', p.minor, 'reference', p.source_reference)
    FROM payments p
    WHERE p.id = ANY(:ids) AND (p.state = 'reported' OR (p.source_reference LIKE 'line:%' AND p.matched_minor > 0))
"""


@dataclass(frozen=True, slots=True)
class ExpectedFile:
    """A bank that owes a statement for certain days since `since`, by `by` (local time) on the next business day.

    `days` is "business", "daily", or weekdays as `date.weekday` counts them, public holidays left out.
    """

    bank: str
    since: date
    by: time
    days: str | frozenset[int] = "business"

    def owes(self, day: date, calendar: Calendar) -> bool:
        """Tell whether the bank owes a statement for `day`."""
        if isinstance(self.days, str):
            return self.days == "daily" or calendar.is_business_day(day)
        return day.weekday() in self.days and not calendar.is_holiday(day)

    def due_at(self, day: date, calendar: Calendar) -> datetime:
        """Return when the statement of `day` must have come."""
        return datetime.combine(calendar.after(day, 1), self.by, business_days.LOCAL)


# The day a payment's deadline is counted from: that on which an undone import left it waiting again, else that on which
# it was paid by the callback, else that of the statement or notice that showed it first.
_COUNTED_FROM = """
    SELECT p.id, p.due_at, p.state, p.source, p.business_date, coalesce(
        (SELECT CAST(t.at AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date) FROM transitions t
         WHERE t.kind = 'payment' AND t.subject_id = p.id AND t.to_state = 'reported' ORDER BY t.sort_key DESC LIMIT 1),
        CASE WHEN p.origin = 'callback' THEN p.business_date END,
        (SELECT coalesce(s.closing_on, s.to_on) FROM statement_lines l JOIN statements s ON s.id = l.statement_id
         WHERE l.payment_id = p.id ORDER BY l.id LIMIT 1),
        CAST(p.created_at AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date)) AS day
    FROM payments p WHERE {which}
"""
_REDATE = """
    WITH counted AS MATERIALIZED ({counted}), right_ones AS (
        SELECT * FROM unnest(CAST(:days AS date[]), CAST(:states AS text[]), CAST(:sources AS text[]),
            CAST(:paid AS date[]), CAST(:dues AS timestamptz[])) AS r (day, state, source, business_date, due_at)
    )
    UPDATE payments p SET due_at = r.due_at FROM counted c JOIN right_ones r USING (day, state, source, business_date)
    WHERE p.id = c.id AND p.due_at IS DISTINCT FROM r.due_at RETURNING p.id
"""


def redate(session: Session, calendar: Calendar, *, since: date) -> int:
    """Count anew every deadline of a payment that lies on `since` or later; return how many moved."""
    return _redate(session, calendar, "p.due_at >= :since", {"since": end_of(since - timedelta(days=1))})


def _redate(session: Session, calendar: Calendar, which: str, values: dict[str, object]) -> int:
    counted = _COUNTED_FROM.format(which=which)
    query = f"SELECT DISTINCT day, state, source, business_date FROM ({counted}) c"  # noqa: S608 - constants
    found, until = session.execute(text(query), values).all(), statement_deadlines.read(session, calendar)
    right = {
        "days": [row.day for row in found], "states": [row.state for row in found],
        "sources": [row.source for row in found], "paid": [row.business_date for row in found],
        "dues": [_due(until, row) for row in found],
    }  # fmt: skip
    return len(session.scalars(text(_REDATE.format(counted=counted)), {**values, **right}).all())


def _due(until: StatementDeadlines, row: Row[Any]) -> datetime:
    """Return when the other door must have spoken of a payment in this state, counted from this day."""
    if row.state == "confirmed":
        return end_of(until.calendar.after(row.day, CALLBACK_WITHIN))
    return until.of(row.source, row.business_date, row.day)


_ASKED_EARLY = """
    SELECT m.id AS question, c.* FROM mismatches m JOIN ({counted}) c ON c.id = m.payment_id
    WHERE m.code IN ('M01', 'M02') AND m.state = 'open' AND m.subject = 'payment:' || m.payment_id || '/other-door'
      AND c.due_at IS NULL AND c.state IN ('reported', 'confirmed')
"""


def take_back(session: Session, calendar: Calendar, *, now: datetime) -> int:
    """Take back the questions about a missing door whose deadline, counted anew, has not passed; return how many."""
    rows = session.execute(text(_ASKED_EARLY.format(counted=_COUNTED_FROM.format(which="true")))).all()
    until = statement_deadlines.read(session, calendar)
    dues = {row: _due(until, row) for row in rows}
    early = {row: due for row, due in dues.items() if due > now}
    session.execute(
        text(
            "UPDATE payments p SET due_at = e.due_at FROM unnest(CAST(:ids AS bigint[]), CAST(:dues AS timestamptz[]))"
            " AS e (id, due_at) WHERE p.id = e.id"
        ),
        {"ids": [row.id for row in early], "dues": list(early.values())},
    )
    questions = [row.question for row in early]
    return len(mismatches.resolve(session, questions, by="deadlines", resolution="the deadline moved", now=now))


_PASSED = "SELECT id FROM payments WHERE due_at <= :now ORDER BY id FOR UPDATE"


def pass_deadlines(session: Session, *, now: datetime) -> int:
    """Ask about payments whose other door has not spoken in time: M01 without a statement line, M02 without a callback.

    A payment first seen on the statement that already settles its bill needs nobody: M02 is noted and closed at once.
    One without a bill is asked about as M12 already.
    """
    columns = "code, subject, source, minor, currency, payment_id, facts"
    # The very ones that are asked about, and no other that has come since, have their deadline behind them.
    overdue = list(session.scalars(text(_PASSED), {"now": now}))
    if not overdue:
        return 0
    # Whoever counted a deadline while the calendar was edited may have counted by the old one.
    _redate(session, bank_days.calendar(session), "p.id = ANY(:ids)", {"ids": overdue})
    overdue = list(session.scalars(text(_PASSED), {"now": now}))
    asked = mismatches.ask(session, columns, _OVERDUE, {"ids": overdue, "now": now})
    session.execute(text("UPDATE payments SET due_at = NULL WHERE id = ANY(:ids)"), {"ids": overdue})
    settled = session.scalars(text("SELECT id FROM mismatches WHERE id = ANY(:ids) AND code = 'M02'"), {"ids": asked})
    mismatches.resolve(
        session, settled, by="deadlines", resolution="booked from the statement line; no callback came", now=now
    )
    return len(asked)


# A file of no lines is a file; one that was withdrawn is none any more.
_CAME = """
    EXISTS (SELECT 1 FROM statements s WHERE s.bank = {bank} AND s.kind = 'statement'
            AND s.state IN ('accepted', 'quarantined', 'resent') AND coalesce(s.closing_on, s.to_on) = {day})
"""
_COME = f"""
    SELECT d.bank, d.day FROM unnest(CAST(:banks AS text[]), CAST(:days AS date[])) AS d (bank, day)
    WHERE {_CAME.format(bank="d.bank", day="d.day")}
"""  # noqa: S608 - put together from constants
_LATE = f"""
    SELECT m.id FROM mismatches m WHERE m.code = 'M13' AND m.state <> 'resolved' AND m.subject LIKE 'file:%'
      AND {_CAME.format(bank="m.source", day="CAST(m.facts->>'day' AS date)")}
"""  # noqa: S608 - put together from constants
_OPEN = """
    SELECT id, source, CAST(facts->>'day' AS date) AS day FROM mismatches
    WHERE code = 'M13' AND state <> 'resolved' AND subject LIKE 'file:%' AND source = ANY(:banks)
"""
# What was asked before is not asked again: a person's answer stands.
_KNOWN = f"""
    SELECT {_CAME.format(bank=":bank", day=":day")} OR EXISTS (SELECT 1 FROM mismatches WHERE subject = :subject)
"""  # noqa: S608 - put together from constants


def came(session: Session, wanted: Sequence[tuple[str, date]]) -> set[tuple[str, date]]:
    """Return those of `wanted` (bank, day) whose statement has come."""
    columns = {"banks": [bank for bank, _ in wanted], "days": [day for _, day in wanted]}
    return {(row.bank, row.day) for row in session.execute(text(_COME), columns)}


def missing_files(session: Session, expected: Sequence[ExpectedFile], *, now: datetime) -> int:
    """Ask about statements that a bank owes and that are late (M13); close the question when the file has come.

    A question about a day that turned out to be no business day is closed too.
    """
    late = session.scalars(text(_LATE)).all()
    mismatches.resolve(session, late, by="deadlines", resolution="the file came", now=now)
    calendar = bank_days.calendar(session)
    banks = {one.bank: one for one in expected}
    open_ones = session.execute(text(_OPEN), {"banks": list(banks)}).all()
    idle = [row.id for row in open_ones if not banks[row.source].owes(row.day, calendar)]
    mismatches.resolve(session, idle, by="deadlines", resolution="the day is no business day", now=now)
    asked = 0
    for one in expected:
        for day, owed_at in owed(one, calendar, now=now):
            if now >= owed_at:
                asked += look_for(session, one.bank, day, owed_at, now)
    return asked


def owed(one: ExpectedFile, calendar: Calendar, *, now: datetime) -> Iterator[tuple[date, datetime]]:
    """Yield each day before today whose statement a bank owes, and when it must have come."""
    day = one.since
    while day < business_days.local_day(now):
        if one.owes(day, calendar):
            yield day, one.due_at(day, calendar)
        day += timedelta(days=1)


def look_for(session: Session, bank: str, day: date, owed_at: datetime, now: datetime) -> int:
    """Ask about a bank's statement of `day` unless it came or was asked about before; return 1 if asked, else 0."""
    subject = f"file:{bank}:{day.isoformat()}"
    if session.scalar(text(_KNOWN), {"bank": bank, "day": day, "subject": subject}):
        return 0
    asked = mismatches.ask_one(
        session, code="M13", subject=subject, source=bank, now=now,
        facts={"day": day.isoformat(), "expected_by": owed_at.isoformat()},
    )  # fmt: skip
    return 1 if asked else 0
