"""Receipts as a carrier told them over its link: kept before they are understood, applied once their part is known.

A receipt may come before the answer to its part is recorded, twice, in any order, or with an id written in another
way than the answer's. It waits until it is clear which part it means, and it never makes a message leave again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.types import Text

from reconciliation.db import Base, Id, Label, one_of
from reconciliation.message_parts import follow

WAITS = timedelta(days=3)
"""A receipt that fits nothing for so long is of no message of ours."""


class CarrierReceipt(Base):
    """One receipt, sealed as it came, beside what was read of it. Told again word for word it is the same one."""

    __tablename__ = "carrier_receipts"
    __table_args__ = (
        UniqueConstraint("provider", "digest"),
        Index("ix_carrier_receipts_waiting", "provider", "next_at", postgresql_where=text("state = 'waiting'")),
        Index(None, "part_id"),
        one_of("said", ["delivered", "undelivered", "under_way"]),
        one_of("state", ["waiting", "applied", "unmatched"]),
    )

    id: Mapped[Id]
    provider: Mapped[str]
    digest: Mapped[bytes]
    raw_sealed: Mapped[bytes]
    provider_ref: Mapped[Label]
    ref_key: Mapped[Label]
    other_keys: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """The id read as hexadecimal and written in decimal, and the other way round."""
    number_hash: Mapped[bytes | None]
    """The customer's number by its blind index, as in `customers`."""
    said: Mapped[str]
    code: Mapped[Label]
    told_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default="waiting")
    part_id: Mapped[int | None]
    """There: a trigger asks once a statement."""
    next_at: Mapped[datetime]
    """When it is looked at again."""


class Heard(NamedTuple):
    """A receipt to keep."""

    digest: bytes
    raw_sealed: bytes
    ref: str
    ref_key: str
    other_keys: list[str]
    number_hash: bytes | None
    said: str
    code: str
    told_at: datetime | None


_KEEP = """
    INSERT INTO carrier_receipts (provider, digest, raw_sealed, provider_ref, ref_key, other_keys, number_hash, said,
        code, told_at, received_at, next_at)
    SELECT :provider, digest, raw_sealed, ref, ref_key, string_to_array(other_keys, ' '), number_hash, said, code,
        told_at, :now, :look_at
    FROM unnest(CAST(:digests AS bytea[]), CAST(:raws AS bytea[]), CAST(:refs AS text[]), CAST(:ref_keys AS text[]),
        CAST(:other_keys AS text[]), CAST(:number_hashes AS bytea[]), CAST(:saids AS text[]), CAST(:codes AS text[]),
        CAST(:told_ats AS timestamptz[]))
        AS h (digest, raw_sealed, ref, ref_key, other_keys, number_hash, said, code, told_at)
    ON CONFLICT (provider, digest) DO NOTHING
"""
_DUE = """
    SELECT id FROM carrier_receipts WHERE provider = :provider AND state = 'waiting' AND next_at <= :now
    ORDER BY next_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
"""
_BY_ID = """
    SELECT r.id, p.id AS part_id FROM carrier_receipts r
    JOIN message_parts p ON p.provider = r.provider AND p.ref_key = r.ref_key
    WHERE r.id = ANY(:ids)
"""
# Nothing to this number is on its way to the carrier: the answer that would name the part by itself is recorded.
_SETTLED = """
    r.number_hash IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM customers c JOIN messages m ON m.customer_id = c.id
        WHERE c.msisdn_hash = r.number_hash AND m.carrier = r.provider AND m.state = 'sending')
"""
_BY_OTHER_SPELLING = f"""
    SELECT r.id, min(p.id) AS part_id FROM carrier_receipts r
    JOIN message_parts p ON p.provider = r.provider AND p.ref_key = ANY(r.other_keys)
    JOIN messages m ON m.id = p.message_id
    JOIN customers c ON c.id = m.customer_id AND c.msisdn_hash = r.number_hash
    WHERE r.id = ANY(:ids) AND {_SETTLED}
    GROUP BY r.id HAVING count(*) = 1
"""  # noqa: S608 - put together from constants, here and below
# Parts whose reference nobody knows: their answer was lost, or never named them. When all of them to one number are one
# message's, so are the receipts that came since it was claimed; which of its parts each is of makes no difference.
_BY_NUMBER = f"""
    WITH lost AS (
        SELECT DISTINCT ON (r.ref_key) r.* FROM carrier_receipts r
        WHERE r.id = ANY(:ids) AND r.ref_key <> '' AND {_SETTLED} ORDER BY r.ref_key, r.id
    ), numbers AS (
        SELECT DISTINCT number_hash, provider FROM lost
    ), unnamed AS (
        SELECT n.number_hash, m.id AS message_id, g.ordinal
        FROM numbers n JOIN customers c ON c.msisdn_hash = n.number_hash
        JOIN messages m ON m.customer_id = c.id AND m.carrier = n.provider AND m.state IN ('unsure', 'sent')
        CROSS JOIN LATERAL generate_series(1, greatest(m.parts, 1)) AS g (ordinal)
        LEFT JOIN message_parts p ON p.message_id = m.id AND p.ordinal = g.ordinal
        WHERE CASE WHEN p.id IS NULL THEN m.state = 'unsure'
            ELSE p.ref_key IS NULL AND p.state IN ('unsure', 'accepted') END
    ), meant AS (
        SELECT number_hash, min(message_id) AS message_id, array_agg(ordinal ORDER BY ordinal) AS ordinals
        FROM unnamed GROUP BY number_hash HAVING min(message_id) = max(message_id)
    ), fits AS (
        SELECT l.*, meant.message_id, meant.ordinals,
            row_number() OVER (PARTITION BY l.number_hash ORDER BY l.id) AS place
        FROM lost l JOIN meant USING (number_hash)
        WHERE l.received_at >= (
            SELECT max(t.at) FROM transitions t
            WHERE t.kind = 'message' AND t.subject_id = meant.message_id AND t.to_state = 'sending')
    )
    INSERT INTO message_parts AS p (message_id, ordinal, provider, provider_ref, ref_key, state, reason, answered_at)
    SELECT message_id, ordinals[place], provider, provider_ref, ref_key, 'accepted', '', :now
    FROM fits WHERE place <= cardinality(ordinals)
    ON CONFLICT (message_id, ordinal) DO UPDATE
        SET provider_ref = EXCLUDED.provider_ref, ref_key = EXCLUDED.ref_key, state = 'accepted', reason = ''
    RETURNING p.message_id
"""  # noqa: S608
_APPLY = """
    WITH met AS (
        SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:part_ids AS bigint[])) AS m (id, part_id)
    ), noted AS (
        UPDATE carrier_receipts r SET state = 'applied', part_id = met.part_id FROM met WHERE r.id = met.id
        RETURNING r.id, r.part_id, r.said, r.code
    ), first AS (
        SELECT DISTINCT ON (part_id) part_id, said, code FROM noted WHERE said <> 'under_way' ORDER BY part_id, id
    )
    UPDATE message_parts p SET state = first.said, reason = first.code, told_at = :now
    FROM first WHERE p.id = first.part_id AND p.state = 'accepted' RETURNING p.message_id
"""
_LATER = """
    UPDATE carrier_receipts SET next_at = :now + greatest(interval '1 second', :now - received_at),
        state = CASE WHEN received_at <= :now - CAST(:waits AS interval) THEN 'unmatched' ELSE state END
    WHERE id = ANY(:ids)
"""


def keep(
    session: Session, heard: Sequence[Heard], *, provider: str, now: datetime, look_at: datetime | None = None
) -> None:
    """Keep receipts; the carrier is told so once the caller has committed. They may be applied from `look_at` on."""
    if heard:
        values = {
            "digests": [one.digest for one in heard], "raws": [one.raw_sealed for one in heard],
            "refs": [one.ref for one in heard], "ref_keys": [one.ref_key for one in heard],
            "other_keys": [" ".join(one.other_keys) for one in heard],
            "number_hashes": [one.number_hash for one in heard], "saids": [one.said for one in heard],
            "codes": [one.code for one in heard], "told_ats": [one.told_at for one in heard],
        }  # fmt: skip
        session.execute(text(_KEEP), {**values, "provider": provider, "now": now, "look_at": look_at or now})


def apply(session: Session, *, provider: str, now: datetime, limit: int = 500) -> int:
    """Let up to `limit` receipts that are due tell what they know; return how many were looked at.

    By their id; else by their id in another spelling, to the same number; else they are of the one message to that
    number which nobody knows to have left. What fits nothing yet waits twice as long each time.
    """
    due = list(session.scalars(text(_DUE), {"provider": provider, "now": now, "limit": limit}))
    left = _by(session, _BY_ID, due, provider, now) if due else []
    left = _by(session, _BY_OTHER_SPELLING, left, provider, now) if left else []
    if left:
        found = sorted(set(session.scalars(text(_BY_NUMBER), {"ids": left, "now": now})))
        if found:
            follow(session, found, provider=provider, now=now)
            left = _by(session, _BY_ID, left, provider, now)
    if left:
        session.execute(text(_LATER), {"ids": left, "now": now, "waits": WAITS})
    return len(due)


def _by(session: Session, query: str, ids: list[int], provider: str, now: datetime) -> list[int]:
    """Apply those of `ids` that `query` finds a part for; return the others."""
    met = {row.id: row.part_id for row in session.execute(text(query), {"ids": ids})}
    if met:
        told = session.scalars(text(_APPLY), {"ids": [*met], "part_ids": [*met.values()], "now": now})
        if messages := sorted(set(told)):
            follow(session, messages, provider=provider, now=now)
    return [one for one in ids if one not in met]
