"""Debit days: when a bill is debited, if not on its own day; after too small a balance, on days people are paid."""

import calendar as months
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import CheckConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit, debit_rules
from reconciliation.business_days import Calendar, local_day
from reconciliation.db import Base, Id
from reconciliation.debit_rules import Rules
from reconciliation.debits import LIVE

DAY = """coalesce((SELECT d.charge_on FROM debit_dates d WHERE d.bill_id = {bill}.id ORDER BY d.ordinal DESC LIMIT 1),
        {bill}.charge_on)"""
"""The day on which a bill is debited, in terms of a row of bills named in its place."""

DUE_BILLS = """(
        SELECT b.* FROM bills b
        WHERE b.charge_on = :day AND NOT EXISTS (SELECT 1 FROM debit_dates d WHERE d.bill_id = b.id)
        UNION ALL
        SELECT b.* FROM debit_dates d JOIN bills b ON b.id = d.bill_id
        WHERE d.charge_on = :day
          AND NOT EXISTS (SELECT 1 FROM debit_dates l WHERE l.bill_id = d.bill_id AND l.ordinal > d.ordinal)
    ) b"""
"""The bills, as b, that are debited on :day: by their own day, or by the last that they were given instead."""


class NotMovable(ValueError):
    """A day of debits that can't be; says what was expected and what arrived."""


class DebitDate(Base):
    """The day on which a bill is debited instead of its own: after too small a balance, or as a person says."""

    __tablename__ = "debit_dates"
    __table_args__ = (
        UniqueConstraint("bill_id", "ordinal"),
        Index(None, "charge_on"),
        CheckConstraint("made_by <> '' AND why <> ''", name="by_somebody_for_a_reason"),
    )

    id: Mapped[Id]
    bill_id: Mapped[int]
    ordinal: Mapped[int] = mapped_column(SmallInteger)
    charge_on: Mapped[date]
    why: Mapped[str]
    made_by: Mapped[str]
    at: Mapped[datetime]


_DATE = """
    INSERT INTO debit_dates (bill_id, ordinal, charge_on, why, made_by, at)
    SELECT w.bill_id, 1 + coalesce((SELECT max(d.ordinal) FROM debit_dates d WHERE d.bill_id = w.bill_id), 0),
        w.charge_on, :why, :by, :now
    FROM unnest(CAST(:bills AS bigint[]), CAST(:days AS date[])) AS w (bill_id, charge_on) ORDER BY w.bill_id
"""
# Bills of that day which no bank has in its hands, and none has taken.
_LEFT = f"""
    SELECT w.id FROM bills w WHERE w.id IN (
        SELECT b.id FROM {DUE_BILLS} WHERE b.bank = :bank AND (:number = '' OR b.number = :number)
    ) AND w.state = 'open' AND w.paid_minor = 0
      AND NOT EXISTS (SELECT 1 FROM debits d WHERE d.bill_number = w.number AND (d.{LIVE} OR d.state = 'paid'))
    ORDER BY w.id FOR UPDATE OF w
"""  # noqa: S608

_AS_IT_IS = f"""
    SELECT b.bank, b.state, b.paid_minor, {DAY.format(bill="b")} AS day, EXISTS (
        SELECT 1 FROM debits d WHERE d.bill_number = b.number AND (d.{LIVE} OR d.state = 'paid')) AS debited
    FROM bills b WHERE b.number = :number AND b.live
"""  # noqa: S608


def date_anew(session: Session, days: dict[int, date], *, by: str, why: str, now: datetime) -> None:
    """Debit these bills (id → day) on that day instead of the one they had."""
    values = {"bills": list(days), "days": list(days.values()), "why": why, "by": by, "now": now}
    session.execute(text(_DATE), values)


def postpone(
    session: Session,
    bank: str,
    day: date,
    to: date,
    *,
    number: str = "",
    ahead: timedelta = timedelta(0),
    by: str,
    why: str,
    now: datetime,
) -> list[int]:
    """Debit what was to be debited on `day` and was not on `to`, or one bill of it; return their ids.

    `ahead` is how long before its day the bank gets its debits. Raises NotMovable for a day before which no new notice
    has its time, or when there is nothing to postpone.
    """
    soonest = local_day(now + debit_rules.rules(session).lead + ahead) + timedelta(days=1)
    if to < soonest:
        raise NotMovable(f"expected {soonest} or a later day, which leaves time for a new notice, got {to}")
    left = session.scalars(text(_LEFT), {"bank": bank, "day": day, "number": number}).all()
    if not left:
        raise NotMovable(_what_is_wrong(session, bank, day, number))
    date_anew(session, dict.fromkeys(left, to), by=by, why=why, now=now)
    facts = {"bank": bank, "day": str(day), "to": str(to), "bills": len(left), "bill": number, "why": why}
    audit.append(session, actor=by, action="debits_postponed", subject=f"bank:{bank}", facts=facts, now=now)
    return list(left)


def _what_is_wrong(session: Session, bank: str, day: date, number: str) -> str:
    found = session.execute(text(_AS_IT_IS), {"number": number}).one_or_none()
    if not number:
        return f"expected bills of {bank} that are owed whole, were to be debited on {day} and are in no run, got none"
    if found is None:
        return f"expected the number of a bill that stands, got {number}"
    if found.bank != bank:
        return f"expected a bill that {bank} is to debit, got {number}, which {found.bank or 'no bank'} is"
    if found.state != "open" or found.paid_minor:
        return f"expected a bill that is owed whole, got {number}, which is {found.state}"
    if found.debited:
        return f"expected a bill without a debit that is under way or paid, got {number}, which has one"
    return f"expected a bill that was to be debited on {day}, got {number}, whose day is {found.day or 'not set'}"


def next_try(
    rules: Rules, calendar: Calendar, *, first: date, earlier: Sequence[date], lead: timedelta, now: datetime
) -> date | None:
    """Return when a debit that met too small a balance is tried again, None when there is no such day any more.

    `first` is the day of the bill's first debit, `earlier` those of all its debits so far. The notice before it must
    still have its time before the file leaves, `lead` before the day; the days of a retry are the first business days
    from a payday on.
    """
    if len(earlier) > rules.retries:
        return None
    soonest, last = local_day(now + rules.lead) + timedelta(days=1) + lead, first + timedelta(days=rules.retry_days)
    for day in _paydays(rules, calendar, first, last):
        if day >= soonest and day > max(earlier, default=first) and day <= last:
            return day
    return None


def _paydays(rules: Rules, calendar: Calendar, start: date, end: date) -> Iterator[date]:
    day = start - timedelta(days=10)  # a payday within a long holiday moves to the days behind it
    while day <= end:
        ending = months.monthrange(day.year, day.month)[1]
        if any(min(payday, ending) == day.day for payday in rules.paydays):
            yield day if calendar.is_business_day(day) else calendar.after(day, 1)
        day += timedelta(days=1)
