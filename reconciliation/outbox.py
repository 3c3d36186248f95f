"""Promises to tell a customer: written with the fact that causes them, unique by event and version."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import Base, Id, Label, Moves, one_of
from reconciliation.lifecycle import MESSAGE, move

CONFIRM_WITHIN = timedelta(days=3)
"""A confirmation that could not leave for so long tells the customer nothing new: it expires."""


class Message(Base):
    """One SMS: `facts` are frozen with the promise, `body` in the same transaction; `request_id` is our key."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("event_key", "version"),
        UniqueConstraint("request_id"),
        UniqueConstraint("provider", "provider_ref"),
        Index("ix_messages_waiting", "id", postgresql_where=text("state IN ('queued', 'sending')")),
        Index("ix_messages_uncomposed", "id", postgresql_where=text("body IS NULL AND state = 'queued'")),
        Index(None, "bill_id"),
        Index(None, "customer_id"),
        one_of("event", ["before_debit", "payment_recorded"]),
        one_of("state", MESSAGE.states),
        {"postgresql_with": {"fillfactor": 70}},
    )

    id: Mapped[Id]
    event_key: Mapped[str]
    version: Mapped[int] = mapped_column(SmallInteger)
    event: Mapped[str]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    bill_id: Mapped[int | None] = mapped_column(ForeignKey("bills.id"))
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"))
    facts: Mapped[dict[str, object]] = mapped_column(JSONB)
    template: Mapped[Label]
    body: Mapped[str | None]
    encoding: Mapped[Label]
    parts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    not_after: Mapped[datetime]
    request_id: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    provider: Mapped[str | None]
    provider_ref: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    lease_until: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    """When a refused message may be tried again."""
    state: Mapped[str] = mapped_column(server_default=MESSAGE.start)
    reason: Mapped[Label]
    moves: Mapped[Moves]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]


_CONFIRM = """
    INSERT INTO messages (event_key, version, event, customer_id, bill_id, payment_id, facts, not_after, created_at)
    SELECT 'payment:' || p.id || '/recorded', 1, 'payment_recorded', c.id, b.id, p.id,
        jsonb_build_object('customer_code', c.code, 'period', b.period, 'amount', a.minor,
            'paid_on', p.business_date, 'reference', coalesce(nullif(p.bank_reference, ''), p.source_reference)),
        :not_after, :now
    FROM allocations a JOIN payments p ON p.id = a.payment_id JOIN bills b ON b.id = a.bill_id
    JOIN customers c ON c.id = b.customer_id
    WHERE a.id = ANY(:ids) AND c.consent AND c.msisdn_sealed IS NOT NULL
    ORDER BY a.id
    ON CONFLICT (event_key, version) DO NOTHING
"""

_NOTICE = """
    INSERT INTO messages (event_key, version, event, customer_id, bill_id, facts, not_after, created_at)
    SELECT 'bill:' || b.number || '/before', b.version, 'before_debit', c.id, b.id,
        jsonb_build_object('customer_code', c.code, 'period', b.period, 'kwh', b.kwh, 'amount', b.minor,
            'bank', b.bank, 'debit_on', b.charge_on),
        (b.charge_on::timestamp AT TIME ZONE 'Asia/Ho_Chi_Minh'), :now
    FROM bills b JOIN customers c ON c.id = b.customer_id
    WHERE b.id = ANY(:ids) AND b.charge_on IS NOT NULL AND b.bank <> '' AND b.state = 'open' AND b.paid_minor = 0
      AND c.consent AND c.msisdn_sealed IS NOT NULL
    ORDER BY b.id
    ON CONFLICT (event_key, version) DO NOTHING
"""


def promise_confirmations(session: Session, allocation_ids: list[int], *, now: datetime) -> None:
    """Promise each payer one word that the payment is recorded: once per payment, however many bills it settles."""
    if allocation_ids:
        session.execute(text(_CONFIRM), {"ids": allocation_ids, "now": now, "not_after": now + CONFIRM_WITHIN})


def promise_notices(session: Session, bill_ids: list[int], *, now: datetime) -> None:
    """Promise the notice before the debit, once per version of a bill; it expires when the day of the debit begins."""
    if bill_ids:
        session.execute(text(_NOTICE), {"ids": bill_ids, "now": now})


def withdraw_notices(session: Session, bill_ids: list[int], *, why: str, now: datetime) -> None:
    """Take back notices not yet sent for these bills: nobody is told of a debit for a bill that is paid or replaced."""
    if not bill_ids:
        return
    waiting = session.scalars(
        text("SELECT id FROM messages WHERE bill_id = ANY(:ids) AND event = 'before_debit' AND state = 'queued'"),
        {"ids": bill_ids},
    )
    move(session, MESSAGE, waiting, "withdrawn", by="outbox", why=why, now=now)
