"""Sequence gaps: a bank numbers its statements, and a number that never came is asked about even if balances agree."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import business_days, mismatches

MOST = 31
"""Numbers that jump further are another way of numbering (a date, a new series), not that many missing files."""
_CAME = "the statement of this number came"

# A number that stands on several statements is one of pages or currencies; the earliest stands for it.
_JUMPS = """
    WITH numbered AS (
        SELECT sequence, min(closing_on) AS day FROM statements
        WHERE bank = :bank AND account_hash = :account AND kind = 'statement' AND state = 'accepted'
          AND sequence IS NOT NULL AND closing_on IS NOT NULL
        GROUP BY year, sequence
    ), paired AS (
        SELECT lag(sequence) OVER chain AS before, lag(day) OVER chain AS before_on, sequence AS after, day AS after_on
        FROM numbered WINDOW chain AS (ORDER BY day, sequence)
    )
    SELECT * FROM paired WHERE after - before BETWEEN 2 AND :most + 1 ORDER BY after_on, after
"""

_ASKED = "SELECT id, subject, state, resolved_by FROM mismatches WHERE code = 'M13' AND subject LIKE :of_account"


@dataclass(frozen=True, slots=True)
class Missing:
    """One number that did not come, between two statements that did; `year` is that of the one before it."""

    number: int
    year: int
    after: date
    before: date


def missing(session: Session, *, bank: str, account: bytes) -> list[Missing]:
    """Return the numbers that lack between an account's accepted statements; a numbering begun anew lacks none."""
    rows = session.execute(text(_JUMPS), {"bank": bank, "account": account, "most": MOST}).all()
    return [
        Missing(number, row.before_on.year, row.before_on, row.after_on)
        for row in rows
        if not _counts_days(row.after - row.before, row.before_on, row.after_on)
        for number in range(row.before + 1, row.after)
    ]


def _counts_days(jump: int, before: date, after: date) -> bool:
    """Tell whether the numbers are days of the year or month, and only days without banking lie between."""
    between = [before + timedelta(days=days) for days in range(1, (after - before).days)]
    return jump == (after - before).days and not any(business_days.is_business_day(day) for day in between)


def look(session: Session, *, bank: str, account: bytes, now: datetime) -> int:
    """Ask about each missing number of an account (M13), and close those that came; return how many were asked.

    What a person has answered is not asked again.
    """
    stem = f"sequence:{bank}:{account.hex()[:12]}:"
    lacking = {f"{stem}{one.year}:{one.number}": one for one in missing(session, bank=bank, account=account)}
    known = session.execute(text(_ASKED), {"of_account": stem.replace("_", r"\_") + "%"}).all()
    came = [row.id for row in known if row.state != "resolved" and row.subject not in lacking]
    mismatches.resolve(session, came, by="reader", resolution=_CAME, now=now)
    settled = {row.subject for row in known if row.state != "resolved" or row.resolved_by != "reader"}
    asked = 0
    for subject, one in lacking.items():
        if subject not in settled:
            facts = {"number": one.number, "after": one.after.isoformat(), "before": one.before.isoformat()}
            asked += bool(mismatches.ask_one(session, code="M13", subject=subject, source=bank, now=now, facts=facts))
    return asked
