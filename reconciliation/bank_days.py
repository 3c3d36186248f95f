"""Bank days: what people have noted of single days, over the library's holidays; the calendar of a transaction."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.business_days import Calendar
from reconciliation.db import Base


class BankDay(Base):
    """One day on which banks book although the library says otherwise (`open`), or don't."""

    __tablename__ = "bank_days"
    __table_args__ = (CheckConstraint("why <> '' AND by <> ''", name="said_by_somebody_for_a_reason"),)

    day: Mapped[date] = mapped_column(primary_key=True)
    open: Mapped[bool]
    why: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]


def calendar(session: Session) -> Calendar:
    """Return the calendar as it stands for this transaction; ask anew in the next one."""
    rows = session.execute(select(BankDay.day, BankDay.open)).all()
    return Calendar({row.day: row.open for row in rows})
