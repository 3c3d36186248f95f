"""Customers: who is billed, how they are reached, and in which language."""

from datetime import datetime

from sqlalchemy import ARRAY, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from reconciliation.db import Base, Id, Label, one_of


class Customer(Base):
    """One customer code; the phone number stands sealed, findable by its blind index, shown by its tail."""

    __tablename__ = "customers"
    __table_args__ = (
        UniqueConstraint("code"),
        Index(None, "msisdn_hash"),
        Index(None, "office", "id"),
        one_of("language", ["vi", "en"]),
        CheckConstraint("NOT 'mandate_code' = ANY (refused)", name="refused"),
    )

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
    refused: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    """Events of which the customer does not want to be told."""
    diacritics: Mapped[bool] = mapped_column(server_default="false")
    """Whether texts keep their Vietnamese signs, and cost more parts."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
