"""Statements and their lines: what a bank says was booked, with its balances."""

from datetime import date, datetime

from sqlalchemy import Computed, ForeignKey, Index, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from reconciliation.db import Base, Id, Label, Minor, Moves, one_of
from reconciliation.lifecycle import STATEMENT


class Statement(Base):
    """One statement (camt.053) or notice (camt.052/054); an account's id is accepted once a year."""

    __tablename__ = "statements"
    __table_args__ = (
        Index(
            "uq_statements_accepted",
            "bank", "account_hash", "kind", "statement_id", "page", "year",
            unique=True,
            postgresql_where=text("state = 'accepted'"),
        ),
        Index(None, "bank", "account_hash", "closing_on"),
        Index(None, "delivery_id"),
        Index(None, "statement_id"),
        Index("ix_statements_in_work", "bank", postgresql_where=text("booking_from IS NOT NULL")),
        one_of("kind", ["statement", "notice"]),
        one_of("state", STATEMENT.states),
    )  # fmt: skip

    id: Mapped[Id]
    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id"))
    bank: Mapped[str]
    account_hash: Mapped[bytes]
    account_tail: Mapped[Label]
    kind: Mapped[str]
    format: Mapped[str]
    statement_id: Mapped[str]
    message_id: Mapped[Label]
    sequence: Mapped[int | None]
    page: Mapped[int] = mapped_column(server_default="1")
    currency: Mapped[str]
    from_on: Mapped[date | None]
    to_on: Mapped[date | None]
    closing_on: Mapped[date | None]
    year: Mapped[int] = mapped_column(Computed("coalesce(EXTRACT(year FROM closing_on), 0)::bigint", persisted=True))
    """Part of the identity: banks begin their numbering anew each year."""
    opening_minor: Mapped[int | None]
    closing_minor: Mapped[int | None]
    credit_minor: Mapped[Minor] = mapped_column(server_default="0")
    debit_minor: Mapped[Minor] = mapped_column(server_default="0")
    """Zero or negative."""
    lines: Mapped[int] = mapped_column(server_default="0")
    left_out: Mapped[int] = mapped_column(server_default="0")
    difference_minor: Mapped[int | None]
    state: Mapped[str] = mapped_column(server_default=STATEMENT.start)
    reason: Mapped[Label]
    only_gap: Mapped[bool] = mapped_column(server_default="false")
    """Held for no other reason than an opening balance that follows from a statement not seen yet."""
    booking_from: Mapped[int | None]
    """While a large statement is being booked by the piece: the first of its lines that is not booked yet."""
    booked_lines: Mapped[int] = mapped_column(server_default="0")
    """How many of them are booked, while it is so."""
    booking_since: Mapped[datetime | None]
    moves: Mapped[Moves]
    created_at: Mapped[datetime]


BOOKED = "coalesce(l.id < s.booking_from, true)"
"""Whether line `l` of an accepted statement `s` is booked; one that is not waits for its piece, and counts nowhere."""


class Line(Base):
    """One booked transaction; `minor` is signed, positive came in. Names and account numbers stand masked."""

    __tablename__ = "statement_lines"
    __table_args__ = (
        UniqueConstraint("statement_id", "entry", "transaction"),
        # One line a turn on statements; of notices, which only tell, as many as come: nothing equals NULL.
        Index("uq_statement_lines_payment", "payment_id", "direction", "turn",
              text("NULLIF(counts, false)"), unique=True,
              postgresql_where=text("payment_id IS NOT NULL")),
        Index("ix_statement_lines_out", "statement_id", postgresql_where=text("direction = 'out' AND counts")),
        Index("ix_statement_lines_pending", "statement_id", postgresql_where=text("state = 'pending'")),
        Index(None, "booked_on", "statement_id"),
        Index("ix_statement_lines_undated", "statement_id", postgresql_where=text("booked_on IS NULL")),
        Index(None, "bank_reference", postgresql_where=text("bank_reference <> ''")),
        Index(None, "mandate_id", postgresql_where=text("mandate_id <> '' AND payment_id IS NOT NULL")),
        one_of("state", ["pending", "matched", "mismatch", "rejected"]),
        one_of("direction", ["in", "out"]),
    )  # fmt: skip

    id: Mapped[Id]
    statement_id: Mapped[int]
    """There when the line comes, and for good: triggers see to it, once a statement instead of once a row."""
    entry: Mapped[int]
    transaction: Mapped[int]
    direction: Mapped[str]
    counts: Mapped[bool]
    """True on a statement, which books money; False on a notice, which only tells early."""
    minor: Mapped[Minor]
    currency: Mapped[str]
    booked_on: Mapped[date | None]
    value_on: Mapped[date | None]
    reversal: Mapped[bool]
    bank_reference: Mapped[Label]
    end_to_end_id: Mapped[Label]
    mandate_id: Mapped[Label]
    return_reason: Mapped[Label]
    counterparty: Mapped[Label]
    counterparty_tail: Mapped[Label]
    counterparty_hash: Mapped[bytes | None]
    narrative: Mapped[Label]
    quoted: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    payment_id: Mapped[int | None]
    """There when the line is given it, and for good: a trigger asks once a statement."""
    turn: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    """Money may be returned and come again: which of the payment's lines of this direction it is."""
    state: Mapped[str] = mapped_column(server_default="pending")
    reason: Mapped[Label]
