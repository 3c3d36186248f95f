"""Edits of the calendar: who noted which day, why, and every open deadline counted anew."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from reconciliation import audit, bank_days, deadlines, mismatches
from reconciliation.bank_days import BankDay
from reconciliation.business_days import Calendar


class NotNoted(ValueError):
    """An edit that can't be; says what was expected and what arrived."""


@dataclass(frozen=True, slots=True)
class Redated:
    """What one edit moved: deadlines of payments, deadlines of questions, questions that were asked too early."""

    payments: int = 0
    questions: int = 0
    withdrawn: int = 0


def note(session: Session, day: date, *, opens: bool, why: str, by: str, now: datetime) -> Redated:
    """Note that banks book on `day`, or don't, whatever the library says; raises NotNoted without a reason."""
    until_now = bank_days.calendar(session)
    said = {"open": opens, "before": until_now.noted.get(day), "why": _reason(why)}
    session.merge(BankDay(day=day, open=opens, why=why, by=by, at=now))
    _keep(session, "bank_day_noted", day, said, by=by, now=now)
    return _count_anew(session, until_now, day, now)


def forget(session: Session, day: date, *, why: str, by: str, now: datetime) -> Redated:
    """Take back what was noted of `day`, so that the library counts again; raises NotNoted when nothing was."""
    noted = session.get(BankDay, day, with_for_update=True)
    if noted is None:
        raise NotNoted(f"expected a day that was noted, got {day.isoformat()}")
    until_now = bank_days.calendar(session)
    said = {"open": noted.open, "why": _reason(why)}
    session.delete(noted)
    _keep(session, "bank_day_forgotten", day, said, by=by, now=now)
    return _count_anew(session, until_now, day, now)


def _reason(why: str) -> str:
    if not why.strip():
        raise NotNoted("expected a reason, got none")
    return why


def _keep(session: Session, action: str, day: date, said: Mapping[str, object], *, by: str, now: datetime) -> None:
    session.flush()
    facts = {"day": day.isoformat(), **said}
    audit.append(session, actor=by, action=action, subject=f"bank_day:{day.isoformat()}", facts=facts, now=now)


def _count_anew(session: Session, until_now: Calendar, day: date, now: datetime) -> Redated:
    calendar = bank_days.calendar(session)
    return Redated(
        deadlines.redate(session, calendar, since=day),
        mismatches.redate(session, until_now, calendar),
        deadlines.take_back(session, calendar, now=now),
    )
