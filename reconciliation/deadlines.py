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
    """A bank that owes a statement for each business day since `since`, by `by` (local time) on the next one."""

    bank: str
    since: date
    by: time


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


def missing_files(session: Session, expected: Sequence[ExpectedFile], *, now: datetime) -> int:
    """Ask about statements that a bank owes and that are late (M13); close the question when the file has come."""
    asked = 0
    for one in expected:
        day = one.since
        while day < business_days.local_day(now):
            owed_at = datetime.combine(business_days.after(day, 1), one.by, business_days.LOCAL)
            if business_days.is_business_day(day) and now >= owed_at:
                asked += _look_for(session, one.bank, day, owed_at, now)
            day += timedelta(days=1)
    return asked


def _look_for(session: Session, bank: str, day: date, owed_at: datetime, now: datetime) -> int:
    subject = f"file:{bank}:{day.isoformat()}"
    came = session.scalar(
        text(
            """
            SELECT EXISTS (SELECT 1 FROM statements WHERE bank = :bank AND kind = 'statement' AND state <> 'loading'
                           AND coalesce(closing_on, to_on) = :day)
            """
        ),
        {"bank": bank, "day": day},
    )
    if came:
        late = session.scalars(
            text("SELECT id FROM mismatches WHERE code = 'M13' AND subject = :subject AND state <> 'resolved'"),
            {"subject": subject},
        )
        mismatches.resolve(session, late, by="deadlines", resolution="the file came", now=now)
        return 0
    if session.scalar(text("SELECT EXISTS (SELECT 1 FROM mismatches WHERE subject = :subject)"), {"subject": subject}):
        return 0  # asked before; a person's answer stands
    asked = mismatches.ask_one(
        session, code="M13", subject=subject, source=bank, now=now, due_at=owed_at,
        facts={"day": day.isoformat(), "expected_by": owed_at.isoformat()},
    )  # fmt: skip
    return 1 if asked else 0
