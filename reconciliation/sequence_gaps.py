"""Sequence gaps: a bank numbers its statements, and a number that never came is asked about even if balances agree."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import bank_days, deadlines, mismatches

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
    """One number that did not come, between two statements that did; `year` is that of the one before it.

    `day` is the one it stands for where the numbers go with the days, as those of the day of the year do.
    """

    number: int
    year: int
    after: date
    before: date
    day: date | None


def missing(session: Session, *, bank: str, account: bytes) -> list[Missing]:
    """Return the numbers that lack between an account's accepted statements; a numbering begun anew lacks none.

    Nor does one that stands for a day on which banks rest: what was accepted opens where the one before it closed.
    """
    rows = session.execute(text(_JUMPS), {"bank": bank, "account": account, "most": MOST}).all()
    if not rows:
        return []
    calendar = bank_days.calendar(session)
    lacking = [
        Missing(number, row.before_on.year, row.before_on, row.after_on, _day_of(number, row))
        for row in rows
        for number in range(row.before + 1, row.after)
    ]
    return [one for one in lacking if one.day is None or calendar.is_business_day(one.day)]


def _day_of(number: int, row: Row[Any]) -> date | None:
    if row.after - row.before != (row.after_on - row.before_on).days:
        return None
    day: date = row.before_on + timedelta(days=number - row.before)
    return day


def look(session: Session, *, bank: str, account: bytes, now: datetime) -> int:
    """Ask about each missing number of an account (M13), and close those that came; return how many were asked.

    A number that stands for a day is that day's file: one question, whoever asks it first.
    What a person has answered is not asked again.
    """
    stem = f"sequence:{bank}:{account.hex()[:12]}:"
    lacking = missing(session, bank=bank, account=account)
    numbered = {f"{stem}{one.year}:{one.number}": one for one in lacking if one.day is None}
    known = session.execute(text(_ASKED), {"of_account": stem.replace("_", r"\_") + "%"}).all()
    came = [row.id for row in known if row.state != "resolved" and row.subject not in numbered]
    mismatches.resolve(session, came, by="reader", resolution=_CAME, now=now)
    settled = {row.subject for row in known if row.state != "resolved" or row.resolved_by != "reader"}
    asked = 0
    for subject, one in numbered.items():
        if subject not in settled:
            facts = {"number": one.number, "after": one.after.isoformat(), "before": one.before.isoformat()}
            asked += bool(mismatches.ask_one(session, code="M13", subject=subject, source=bank, now=now, facts=facts))
    for one in lacking:
        if one.day is not None:
            asked += deadlines.look_for(session, bank, one.day, now, now)
    return asked
