"""Customers: who is billed, how they are reached, and in which language."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from reconciliation.db import Base, Id, Label, one_of


class Customer(Base):
    """One customer code; the phone number stands sealed, findable by its blind index, shown by its tail."""

    __tablename__ = "customers"
    __table_args__ = (UniqueConstraint("code"), Index(None, "msisdn_hash"), one_of("language", ["vi", "en"]))

    id: Mapped[Id]
    code: Mapped[str]
    office: Mapped[Label]
    name_masked: Mapped[Label]
    """What of the name a cashier may read out; the rest is never kept. Empty where billing tells none."""
    language: Mapped[str] = mapped_column(server_default="vi")
    msisdn_sealed: Mapped[bytes | None]
    msisdn_hash: Mapped[bytes | None]
    msisdn_tail: Mapped[Label]
    consent: Mapped[bool] = mapped_column(server_default="true")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
