"""Bills: what a customer owes for one period, in versions; a replaced bill is superseded, never edited."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Computed, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from reconciliation.db import Base, Id, Label, Minor, Moves, one_of
from reconciliation.lifecycle import BILL

LIVE = "state IN ('open', 'part_paid', 'paid')"


class Bill(Base):
    """One version of one bill; `paid_minor` is kept by the database from the live allocations alone.

    No index asks what changes when it is paid: it then changes in place, and no index is written.
    """

    __tablename__ = "bills"
    __table_args__ = (
        UniqueConstraint("number", "version"),
        UniqueConstraint("end_to_end_id"),
        Index("uq_bills_live_number", "number", unique=True, postgresql_where=text("live")),
        Index("uq_bills_live_payment_code", "payment_code", unique=True, postgresql_where=text("live")),
        Index(None, "payment_code"),
        Index(None, "customer_id"),
        Index(None, "minor"),
        Index(None, "issued_on", "id"),
        Index(None, "due_on", "id"),
        Index("ix_bills_withdrawn", "id", postgresql_where=text("NOT live")),
        Index(None, "charge_on", "bank", postgresql_where=text("charge_on IS NOT NULL")),
        CheckConstraint("paid_minor >= 0 AND paid_minor <= minor", name="paid_within_amount"),
        CheckConstraint("paid_minor = 0 OR state NOT IN ('cancelled', 'replaced')", name="withdrawn_unpaid"),
        CheckConstraint("minor > 0 AND minor = charge_minor + tax_minor + arrears_minor", name="components_sum"),
        CheckConstraint("kwh >= 0", name="usage"),
        one_of("state", BILL.states),
        {"postgresql_with": {"fillfactor": 70}},
    )

    id: Mapped[Id]
    number: Mapped[str]
    version: Mapped[int] = mapped_column(SmallInteger)
    customer_id: Mapped[int]
    """There when the bill is issued, and for good: triggers see to it, once a statement instead of once a row."""
    payment_code: Mapped[str]
    end_to_end_id: Mapped[str] = mapped_column(Computed("number || '-' || version", persisted=True))
    period: Mapped[str]
    """Written "M/YYYY", with "-N" behind the month when a customer has several periods in one: "11-2/2026"."""
    kwh: Mapped[int]
    charge_minor: Mapped[Minor]
    tax_minor: Mapped[Minor]
    arrears_minor: Mapped[Minor]
    minor: Mapped[Minor]
    paid_minor: Mapped[Minor] = mapped_column(server_default="0")
    currency: Mapped[str] = mapped_column(server_default="VND")
    issued_on: Mapped[date]
    due_on: Mapped[date]
    charge_on: Mapped[date | None]
    """The day the bank is asked to debit; None for a customer who pays by other means."""
    bank: Mapped[Label]
    state: Mapped[str] = mapped_column(server_default=BILL.start)
    live: Mapped[bool] = mapped_column(Computed("state NOT IN ('cancelled', 'replaced')", persisted=True))
    moves: Mapped[Moves]
    created_at: Mapped[datetime]


class OwedBill(Base):
    """A live bill that is not wholly paid; rows come and go with it, by a trigger that nobody else may stand in for."""

    __tablename__ = "owed_bills"
    __table_args__ = (Index("ix_owed_bills_debited", "bill_id", postgresql_where=text("bank <> ''")),)

    bill_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bank: Mapped[str]
    due_on: Mapped[date]
