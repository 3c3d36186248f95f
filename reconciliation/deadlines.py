"""Deadlines: what was expected and has not come in time becomes a question; before that it is no exception."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import business_days, mismatches

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

    def owes(self, day: date) -> bool:
        """Tell whether the bank owes a statement for `day`."""
        if isinstance(self.days, str):
            return self.days == "daily" or business_days.is_business_day(day)
        return day.weekday() in self.days and not business_days.is_holiday(day)


def pass_deadlines(session: Session, *, now: datetime) -> int:
    """Ask about payments whose other door has not spoken in time: M01 without a statement line, M02 without a callback.

    A payment first seen on the statement that already settles its bill needs nobody: M02 is noted and closed at once.
    One without a bill is asked about as M12 already.
    """
    columns = "code, subject, source, minor, currency, payment_id, facts"
    # The very ones that are asked about, and no other that has come since, have their deadline behind them.
    overdue = session.scalars(
        text("SELECT id FROM payments WHERE due_at <= :now ORDER BY id FOR UPDATE"), {"now": now}
    ).all()
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
_LATE = f"""
    SELECT m.id FROM mismatches m WHERE m.code = 'M13' AND m.state <> 'resolved' AND m.subject LIKE 'file:%'
      AND {_CAME.format(bank="m.source", day="CAST(m.facts->>'day' AS date)")}
"""  # noqa: S608 - put together from constants
# What was asked before is not asked again: a person's answer stands.
_KNOWN = f"""
    SELECT {_CAME.format(bank=":bank", day=":day")} OR EXISTS (SELECT 1 FROM mismatches WHERE subject = :subject)
"""  # noqa: S608 - put together from constants


def missing_files(session: Session, expected: Sequence[ExpectedFile], *, now: datetime) -> int:
    """Ask about statements that a bank owes and that are late (M13); close the question when the file has come."""
    came = session.scalars(text(_LATE)).all()
    mismatches.resolve(session, came, by="deadlines", resolution="the file came", now=now)
    asked = 0
    for one in expected:
        day = one.since
        while day < business_days.local_day(now):
            owed_at = datetime.combine(business_days.after(day, 1), one.by, business_days.LOCAL)
            if one.owes(day) and now >= owed_at:
                asked += look_for(session, one.bank, day, owed_at, now)
            day += timedelta(days=1)
    return asked


def look_for(session: Session, bank: str, day: date, owed_at: datetime, now: datetime) -> int:
    """Ask about a bank's statement of `day` unless it came or was asked about before; return 1 if asked, else 0."""
    subject = f"file:{bank}:{day.isoformat()}"
    if session.scalar(text(_KNOWN), {"bank": bank, "day": day, "subject": subject}):
        return 0
    asked = mismatches.ask_one(
        session, code="M13", subject=subject, source=bank, now=now, due_at=owed_at,
        facts={"day": day.isoformat(), "expected_by": owed_at.isoformat()},
    )  # fmt: skip
    return 1 if asked else 0
