"""Events for other systems: what the database noted in the transaction of the fact becomes one frozen event, once.

As marks are: a trigger notes which allocations came and went and which days were signed or reopened, in one
statement for however many, and only while an endpoint wants to know. One gatherer turns what has been committed into
events and gives each to the endpoints that hear of its type.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import AdvisoryLock, Base, Id, Label, metadata, one_of
from reconciliation.payments import REFERENCE
from reconciliation.webhook_endpoints import PING, Endpoint

AT_ONCE = 5_000
"""Notes that one transaction turns into events, and old events that one clears away."""
KEPT = timedelta(days=90)
"""How long an event stays that every endpoint has taken; one that was not taken stays for good."""
STATES = ["waiting", "delivered", "failed"]
Place = tuple[datetime, int]
"""A place in the events by their moments: the moment and id of the one before it."""
FIRST: Place = (datetime(1, 1, 1, tzinfo=UTC), 0)

waiting = Table(
    "webhook_waiting",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_id", BigInteger, nullable=False),
    Column("payment_id", BigInteger),
    Column("transaction", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)
"""What no event tells yet: an allocation that came or went, or a close. No index, as `marks_waiting` has none."""


class Event(Base):
    """One event: `uid` is the webhook-id, the same however often it is sent, and `body` the bytes; both for good."""

    __tablename__ = "webhook_events"
    __table_args__ = (UniqueConstraint("uid"), UniqueConstraint("event_key"), Index(None, "at", "id"))

    id: Mapped[Id]
    uid: Mapped[str]
    type: Mapped[str]
    event_key: Mapped[str]
    """Which fact it tells of: one event for each."""
    body: Mapped[str]
    at: Mapped[datetime]


class Sending(Base):
    """One event on its way to one endpoint: how often it was tried, and when it goes (again) while it waits."""

    __tablename__ = "webhook_sendings"
    __table_args__ = (
        UniqueConstraint("event_id", "endpoint_id"),
        Index("ix_webhook_sendings_due", "endpoint_id", "next_at", "id", postgresql_where=text("state = 'waiting'")),
        Index(None, "endpoint_id", "id"),
        one_of("state", STATES),
    )

    id: Mapped[Id]
    event_id: Mapped[int] = mapped_column(ForeignKey("webhook_events.id"))
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("webhook_endpoints.id"))
    state: Mapped[str] = mapped_column(server_default="waiting")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """Since it was last asked for: a replay begins anew."""
    next_at: Mapped[datetime]
    asked_by: Mapped[Label]
    """Who last asked for it anew; empty while nobody has."""


class Attempt(Base):
    """One try: what the endpoint answered, in how many milliseconds, and when the next one is; never edited."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (Index(None, "sending_id", "id"),)

    id: Mapped[Id]
    sending_id: Mapped[int] = mapped_column(ForeignKey("webhook_sendings.id"))
    at: Mapped[datetime]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    said: Mapped[Label]
    """The beginning of the answer, or why there was none."""
    took_ms: Mapped[int]
    next_at: Mapped[datetime | None]
    asked_by: Mapped[Label]
    """Who had asked for it anew when it was claimed; empty for what goes by itself."""


_WRITTEN = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24\\:MI\\:SS\"Z\"')"
REASONS = ("returned", "denied", "bill_replaced", "amount_corrected", "matched_otherwise", "undone_by_person")
"""Why a payment no longer settles what it did. Never the words that a person typed: they may name anybody."""
_REASON = """CASE
    WHEN t.undone_by = 'billing' THEN 'bill_replaced'
    WHEN t.undone_by = 'matching' THEN 'matched_otherwise'
    WHEN t.undone_by IN ('callback', 'statement') THEN 'amount_corrected'
    WHEN p.state IN ('returned', 'denied') THEN p.state
    ELSE 'undone_by_person' END"""
# An allocation made and undone in one transaction tells nothing; several of one payment are told together.
_GATHER = f"""
    WITH taken AS (
        DELETE FROM webhook_waiting
        WHERE ctid = ANY(ARRAY(SELECT ctid FROM webhook_waiting ORDER BY id LIMIT :most))
        RETURNING *
    ), kept AS (
        SELECT * FROM (
            SELECT *, count(*) OVER (PARTITION BY subject_id, transaction, payment_id IS NULL) AS times FROM taken
        ) t WHERE times = 1 OR payment_id IS NULL
    ), parts AS (
        SELECT k.kind, k.payment_id, min(k.id) AS turn, max(k.at) AS at, min(a.id) AS first,
            sum(a.minor)::bigint AS minor,
            max(a.undone_by) AS undone_by,
            json_agg(json_build_object('number', b.number, 'version', b.version, 'customer', c.code,
                'amount', a.minor) ORDER BY a.id) AS bills
        FROM kept k JOIN allocations a ON a.id = k.subject_id JOIN bills b ON b.id = a.bill_id
        JOIN customers c ON c.id = b.customer_id
        WHERE k.payment_id IS NOT NULL GROUP BY k.kind, k.payment_id, k.transaction
    ), told AS (
        SELECT t.turn, t.kind, t.kind || '\\:' || t.first AS event_key, t.at, json_build_object(
            'payment', json_build_object('id', p.id, 'bank', p.source, 'reference', {REFERENCE},
                'amount', p.minor, 'currency', p.currency, 'business_date', p.business_date),
            'amount', t.minor, 'currency', p.currency, 'bills', t.bills,
            'reason', CASE WHEN t.kind = 'payment.reversed' THEN {_REASON} END) AS data
        FROM parts t JOIN payments p ON p.id = t.payment_id
        UNION ALL
        SELECT k.id, k.kind, k.kind || '\\:' || c.id, k.at, json_build_object(
            'bank', c.bank, 'day', c.day, 'version', c.version, 'entries', c.entries, 'booked', c.booked_minor,
            'digest', c.digest, 'balanced_by', c.maker, 'signed_by', c.checker,
            'signed_at', {_WRITTEN.format("c.signed_at")})
        FROM kept k JOIN closes c ON c.id = k.subject_id WHERE k.payment_id IS NULL
    ), made AS (
        INSERT INTO webhook_events (uid, type, event_key, body, at)
        SELECT 'evt_' || replace(gen_random_uuid()::text, '-', ''), kind, event_key,
            json_build_object('type', kind, 'timestamp', {_WRITTEN.format("at")}, 'data', data)::text, at
        FROM told WHERE EXISTS (
            SELECT 1 FROM webhook_endpoints p WHERE p.state <> 'disabled' AND told.kind = ANY(p.events))
        ORDER BY turn
        ON CONFLICT (event_key) DO NOTHING RETURNING id, type
    ), sent AS (
        INSERT INTO webhook_sendings (event_id, endpoint_id, next_at)
        SELECT m.id, p.id, :now FROM made m
        JOIN webhook_endpoints p ON p.state <> 'disabled' AND m.type = ANY(p.events) ORDER BY m.id, p.id
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM taken) AS taken, (SELECT count(*) FROM sent) AS sent
""".replace("::text", "\\:\\:text").replace("::bigint", "\\:\\:bigint")  # noqa: S608 - put together from constants


def gather(session: Session, *, now: datetime) -> int:
    """Turn some of what has been noted and committed into events; return how many notes were taken, at most AT_ONCE.

    Takes a lock until the end of the transaction; nobody else waits for it.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": AdvisoryLock.WEBHOOKS})
    return int(session.execute(text(_GATHER), {"most": AT_ONCE, "now": now}).one().taken)


def are_noted(session: Session) -> bool:
    """Tell whether something waits to become an event."""
    return bool(session.scalar(text("SELECT EXISTS (SELECT 1 FROM webhook_waiting)")))


def clear_told(session: Session, after: Place = FIRST, *, now: datetime) -> tuple[int, Place | None]:
    """Clear away what was taken and is older than KEPT, with its tries, looking at AT_ONCE events past `after`.

    Return how many events are gone, and from where to go on; None at the end. What is being sent again just now stays.
    """
    values = {"at": after[0], "id": after[1], "before": now - KEPT, "most": AT_ONCE}
    row = session.execute(
        text("SELECT cleared, last_at, last_id FROM clear_told_webhooks(:at, :id, :before, :most)"), values
    ).one()
    return int(row.cleared), None if row.last_id is None else (row.last_at, row.last_id)


_PING = f"""
    WITH made AS (
        INSERT INTO webhook_events (uid, type, event_key, body, at)
        SELECT uid, :type, uid, json_build_object('type', CAST(:type AS text), 'timestamp', {_WRITTEN.format("CAST(:now AS timestamptz)")},
            'data', json_build_object('endpoint', CAST(:endpoint AS bigint)))\\:\\:text, :now
        FROM (SELECT 'evt_' || replace(gen_random_uuid()\\:\\:text, '-', '') AS uid) one RETURNING id
    )
    INSERT INTO webhook_sendings (event_id, endpoint_id, next_at) SELECT id, :endpoint, :now FROM made RETURNING id
"""  # noqa: S608, E501


def ping(session: Session, endpoint: Endpoint, *, now: datetime) -> int:
    """Make an event that only tries the road to one endpoint; return the number of its sending."""
    values = {"endpoint": endpoint.id, "type": PING, "now": now}
    return int(session.execute(text(_PING), values).scalar_one())
