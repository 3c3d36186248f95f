"""Promises to tell a customer: written with the fact that causes them, unique by event and version."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Index, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import Base, Id, Label, Moves, one_of
from reconciliation.lifecycle import MESSAGE, move

CONFIRM_WITHIN = timedelta(days=3)
"""A confirmation that could not leave for so long tells the customer nothing new: it expires."""


TEST_REFERENCE = "test-"
"""So begins the reference of what went to a test number: it left for nobody."""


EVENTS = [
    "before_debit", "bill_held", "debit_failed", "mandate_code", "overdue", "payment_recorded", "payment_returned",
]  # fmt: skip
"""What customers are told of."""


class Message(Base):
    """One SMS: `facts` are frozen with the promise, `body` in the same transaction; `request_id` is our key.

    A confirmation that has not left yet follows the match it tells of; what was taken back unsent may be promised again
    under the next version.
    """

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("event_key", "version"),
        UniqueConstraint("request_id"),
        Index("uq_messages_provider_provider_ref", "provider", "provider_ref", unique=True,
              postgresql_where=text("provider_ref IS NOT NULL")),
        Index("ix_messages_queued", "not_after", "id", postgresql_where=text("state = 'queued'")),
        # Notices may wait for days in their hundred thousands; what else is due is found without passing them.
        Index("ix_messages_queued_others", "not_after", "id", postgresql_where=text(
            "state = 'queued' AND event NOT IN ('mandate_code', 'before_debit')")),
        Index("ix_messages_uncomposed", "id", postgresql_where=text("body IS NULL AND state = 'queued'")),
        Index("ix_messages_routed", "carrier", "id",
              postgresql_where=text("state = 'queued' AND carrier IS NOT NULL")),
        Index("ix_messages_under_way", "state", "carrier", "id",
              postgresql_where=text("state IN ('sending', 'unsure')")),
        Index("ix_messages_codes", "not_after", "id",
              postgresql_where=text("event = 'mandate_code' AND state IN ('queued', 'unsure')")),
        Index(None, "bill_id"),
        Index(None, "payment_id", postgresql_where=text("payment_id IS NOT NULL")),
        Index(None, "customer_id"),
        Index(None, "created_at", postgresql_using="brin"),
        one_of("event", EVENTS),
        one_of("state", MESSAGE.states),
        CheckConstraint("resent_of IS NULL OR version > 1", name="resent"),
        {"postgresql_with": {"fillfactor": 70}},
    )  # fmt: skip

    id: Mapped[Id]
    event_key: Mapped[str]
    version: Mapped[int] = mapped_column(SmallInteger)
    event: Mapped[str]
    customer_id: Mapped[int]
    """There, as are bill and payment: a trigger asks once a statement."""
    bill_id: Mapped[int | None]
    payment_id: Mapped[int | None]
    resent_of: Mapped[int | None]
    """The message that it repeats on a person's word."""
    facts: Mapped[dict[str, object]] = mapped_column(JSONB)
    template: Mapped[Label]
    body: Mapped[str | None]
    encoding: Mapped[Label]
    parts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    not_after: Mapped[datetime]
    request_id: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    carrier: Mapped[str | None]
    """Which carrier it goes to; it changes while the message is queued alone: after that a byte may have left."""
    refused_by: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    """Carriers that will never take it."""
    asked_at: Mapped[datetime | None]
    """When its carrier was first asked, or could have been."""
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


ABOUT_DEBITS = "('before_debit', 'debit_failed')"
"""Words on whether and when a bill is debited: the last of them holds."""
DUNNING_EVENTS = ("before_debit", "debit_failed", "overdue")
DUNNING = "('before_debit', 'debit_failed', 'overdue')"
"""Words that nobody gets who owes nothing."""
OF_OWED_BILLS = ("before_debit", "bill_held", "debit_failed", "overdue")
"""Words that a bill's customer gets while it is owed as it stands."""
OVER = "('withdrawn', 'expired', 'failed')"
"""The states of a word that did not leave and will not."""
TOLD = "('sending', 'sent', 'unsure', 'delivered', 'undelivered')"
"""The states of a word that has left, or may have."""

# What a payment settles now, in the words of its confirmation; one settlement speaks for all of a payment. Payment by
# payment through its index: within a large load no statistics tell how many there are.
_SETTLED = """
    SELECT a.id AS allocation_id, p.id AS payment_id, b.id AS bill_id, c.id AS customer_id,
        c.consent AND c.msisdn_sealed IS NOT NULL AND 'payment_recorded' <> ALL(c.refused) AS reachable,
        jsonb_build_object('customer_code', c.code, 'period', b.period, 'amount', a.minor, 'paid_on', p.business_date,
            'reference', coalesce(nullif(p.bank_reference, ''), p.source_reference)) AS facts
    FROM payments p CROSS JOIN LATERAL (
        SELECT * FROM allocations l WHERE l.payment_id = p.id AND l.undone_at IS NULL ORDER BY l.id LIMIT 1
    ) a JOIN bills b ON b.id = a.bill_id JOIN customers c ON c.id = b.customer_id
    WHERE p.id = ANY(:payments)
"""

# IS TRUE keeps it to the payment's own messages, instead of all that are queued.
_UNSETTLED = """
    SELECT m.id FROM unnest(CAST(:payments AS bigint[])) AS p (id) CROSS JOIN LATERAL (
        SELECT id FROM messages
        WHERE payment_id = p.id AND event = 'payment_recorded' AND (state = 'queued') IS TRUE OFFSET 0
    ) m
    WHERE NOT EXISTS (SELECT 1 FROM allocations a WHERE a.payment_id = p.id AND a.undone_at IS NULL)
"""

# Under a key of its own: no carrier may take the new text for one it refused before.
_REWRITE = f"""
    WITH other AS MATERIALIZED (
        SELECT q.id, s.* FROM ({_SETTLED}) s CROSS JOIN LATERAL (
            SELECT id FROM messages
            WHERE payment_id = s.payment_id AND event = 'payment_recorded' AND (state = 'queued') IS TRUE
              AND (customer_id, bill_id, facts) IS DISTINCT FROM (s.customer_id, s.bill_id, s.facts)
            OFFSET 0
        ) q
    )
    UPDATE messages m SET customer_id = other.customer_id, bill_id = other.bill_id, facts = other.facts, body = NULL,
        request_id = gen_random_uuid()
    FROM other WHERE m.id = other.id AND (m.state = 'queued') IS TRUE
"""  # noqa: S608 - put together from constants, here and below

# Who was told of a line whose import was then undone is not told again when the line is read anew.
_CONFIRM = f"""
    INSERT INTO messages (event_key, version, event, customer_id, bill_id, payment_id, facts, not_after, created_at)
    SELECT told.key, 1 + coalesce((SELECT max(m.version) FROM messages m WHERE m.event_key = told.key), 0),
        'payment_recorded', s.customer_id, s.bill_id, s.payment_id, s.facts, :not_after, :now
    FROM ({_SETTLED}) s CROSS JOIN LATERAL (SELECT 'payment:' || s.payment_id || '/recorded' AS key) told
    WHERE s.reachable
      AND s.payment_id = ANY (ARRAY(SELECT a.payment_id FROM allocations a WHERE a.id = ANY(:allocations)))
      AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.event_key = told.key AND m.state <> 'withdrawn')
      AND NOT EXISTS (
        SELECT 1 FROM messages m JOIN payments q ON q.id = m.payment_id
        WHERE m.bill_id = s.bill_id AND m.event = 'payment_recorded' AND q.state = 'denied'
          AND q.source_reference LIKE 'line:%' AND m.facts - 'reference' = s.facts - 'reference'
          AND m.state IN {TOLD})
    ORDER BY s.allocation_id
    ON CONFLICT (event_key, version) DO NOTHING
"""  # noqa: S608

# What the customer was told last of the payment, if anything.
_LAST_TOLD = f"""
    SELECT * FROM messages t WHERE t.payment_id = {{payment}} AND t.event IN ('payment_recorded', 'payment_returned')
      AND t.state IN {TOLD} ORDER BY t.id DESC LIMIT 1
"""  # noqa: S608 - put together from constants

_RETURNED = f"""
    INSERT INTO messages (event_key, version, event, customer_id, bill_id, payment_id, facts, not_after, created_at)
    SELECT 'return:' || r.id, 1, 'payment_returned', told.customer_id, told.bill_id, r.payment_id,
        told.facts - 'paid_on' || jsonb_build_object('returned_on', r.returned_on), :not_after, :now
    FROM returns r CROSS JOIN LATERAL ({_LAST_TOLD.format(payment="r.payment_id")}) told
    JOIN payments p ON p.id = r.payment_id JOIN customers c ON c.id = told.customer_id
    WHERE r.id = ANY(:returns) AND p.state = 'returned' AND told.event = 'payment_recorded'
      AND c.consent AND c.msisdn_sealed IS NOT NULL AND 'payment_returned' <> ALL(c.refused)
    ORDER BY r.id
    ON CONFLICT (event_key, version) DO NOTHING
"""  # noqa: S608
_PAID_AGAIN = f"""
    INSERT INTO messages (event_key, version, event, customer_id, bill_id, payment_id, facts, not_after, created_at)
    SELECT told.event_key || '/again', 1, 'payment_recorded', s.customer_id, s.bill_id, s.payment_id, s.facts,
        :not_after, :now
    FROM ({_SETTLED}) s CROSS JOIN LATERAL ({_LAST_TOLD.format(payment="s.payment_id")}) told
    WHERE s.reachable AND told.event = 'payment_returned'
    ORDER BY s.payment_id
    ON CONFLICT (event_key, version) DO NOTHING
"""  # noqa: S608
_OVERTAKEN = f"""
    WITH refused AS (
        SELECT m.id, m.payment_id FROM messages m JOIN payments p ON p.id = m.payment_id
        WHERE m.id = :id AND m.event = 'payment_recorded' AND m.state IN ('queued', 'failed') AND p.state = 'returned'
    )
    SELECT id FROM refused UNION
    SELECT m.id FROM refused JOIN messages m USING (payment_id)
    WHERE m.event = 'payment_returned' AND m.state = 'queued' AND NOT EXISTS (
        SELECT 1 FROM messages t
        WHERE t.payment_id = m.payment_id AND t.event = 'payment_recorded' AND t.state IN {TOLD})
"""  # noqa: S608
_NOT_RETURNED = """
    SELECT m.id FROM messages m JOIN payments p ON p.id = m.payment_id
    WHERE m.payment_id = ANY(:payments) AND m.event = 'payment_returned' AND (m.state = 'queued') IS TRUE
      AND p.state <> 'returned'
"""


def promise_confirmations(
    session: Session, payment_ids: list[int], allocation_ids: list[int], *, now: datetime, new: bool = False
) -> None:
    """Promise to confirm the new settlements `allocation_ids`, once per payment that nobody has been told of yet.

    What was promised for `payment_ids` and has not left says what they settle now, or is taken back when that is
    nothing; so the word goes to the payer whose bill it is. Nothing was promised for payments that are `new`.
    """
    values = {"payments": payment_ids, "allocations": allocation_ids, "not_after": now + CONFIRM_WITHIN, "now": now}
    if not new:
        unsettled = session.scalars(text(_UNSETTLED), values)
        move(session, MESSAGE, unsettled, "withdrawn", by="outbox", why="the match was undone", now=now)
        session.execute(text(_REWRITE), values)
    if allocation_ids:
        session.execute(text(_CONFIRM), values)


def promise_returned(session: Session, return_ids: Sequence[int], *, now: datetime) -> None:
    """Promise one word on each return to whoever was told that the payment was recorded, and to nobody else."""
    if return_ids:
        values = {"returns": list(return_ids), "not_after": now + CONFIRM_WITHIN, "now": now}
        session.execute(text(_RETURNED), values)


def promise_paid_again(session: Session, payment_ids: Sequence[int], *, now: datetime) -> None:
    """Promise to confirm anew payments that count again, to whoever was told of their return.

    A word on the return that has not left is taken back instead.
    """
    if not payment_ids:
        return
    values = {"payments": list(payment_ids), "not_after": now + CONFIRM_WITHIN, "now": now}
    untrue = session.scalars(text(_NOT_RETURNED), values)
    move(session, MESSAGE, untrue, "withdrawn", by="outbox", why="the money came back", now=now)
    session.execute(text(_PAID_AGAIN), values)


def withdraw_untrue(session: Session, message_id: int, *, now: datetime) -> None:
    """Take back a word that was on its way while its payment was returned, and the word that would correct it.

    For one that its carrier has just refused: nothing left, so there is nothing to correct.
    """
    these = {"id": message_id}
    overtaken = session.scalars(text(_OVERTAKEN), these).all()
    move(session, MESSAGE, overtaken, "withdrawn", by="outbox", why="the payment was returned", now=now)
