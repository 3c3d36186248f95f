"""Debit notices on paper: recorded by people for customers whom no SMS reaches, where the utility's rule allows it."""

from datetime import date, datetime, time

from sqlalchemy import CheckConstraint, UniqueConstraint, text
from sqlalchemy.orm import Mapped, Session

from reconciliation import audit
from reconciliation.business_days import LOCAL
from reconciliation.db import Base, Id, Minor
from reconciliation.debit_days import DAY


class NotNoted(ValueError):
    """A notice that can't be recorded; says what was expected and what arrived."""


class NotToldThen(NotNoted):
    """A moment at which nobody can have been told: before the day `first`, on which the bill was issued, or to come."""

    def __init__(self, said: str, first: date) -> None:
        super().__init__(said)
        self.first = first


class PrintedNotice(Base):
    """A notice on paper for a customer whom no SMS reaches: the same amount and day, and when it was handed over."""

    __tablename__ = "printed_notices"
    __table_args__ = (
        UniqueConstraint("bill_id", "charge_on", "minor"),
        CheckConstraint("made_by <> ''", name="by_somebody"),
    )

    id: Mapped[Id]
    bill_id: Mapped[int]
    charge_on: Mapped[date]
    minor: Mapped[Minor]
    handed_at: Mapped[datetime]
    made_by: Mapped[str]
    noted_at: Mapped[datetime]


_NOTE = f"""
    INSERT INTO printed_notices (bill_id, charge_on, minor, handed_at, made_by, noted_at)
    SELECT b.id, {DAY.format(bill="b")}, b.minor, :handed, :by, :now FROM bills b
    WHERE b.number = :number AND b.live AND b.state = 'open' AND b.paid_minor = 0 AND {DAY.format(bill="b")} IS NOT NULL
    ON CONFLICT (bill_id, charge_on, minor) DO NOTHING RETURNING charge_on, minor
"""  # noqa: S608 - put together from constants


def note_printed(session: Session, number: str, *, handed_at: datetime, by: str, now: datetime) -> None:
    """Record that the customer of a bill was told of its debit on paper at `handed_at`; raises NotNoted."""
    issued = session.scalar(text("SELECT issued_on FROM bills WHERE number = :number AND live"), {"number": number})
    if issued is not None and not datetime.combine(issued, time(), LOCAL) <= handed_at <= now:
        raise NotToldThen(f"expected a moment from {issued}, when the bill was issued, to now, got {handed_at}", issued)
    made = session.execute(text(_NOTE), {"number": number, "handed": handed_at, "by": by, "now": now}).one_or_none()
    if made is None:
        raise NotNoted(
            f"expected the number of a bill that is owed, is to be debited and has no such notice, got {number[:40]!r}"
        )
    facts = {"charge_on": str(made.charge_on), "minor": made.minor, "handed_at": handed_at.isoformat()}
    audit.append(session, actor=by, action="notice_printed", subject=f"bill:{number}", facts=facts, now=now)
