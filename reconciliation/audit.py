"""The audit trail: what people did, chained by hashes so that a changed, missing or cut entry shows."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Index, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import AdvisoryLock, Base, Id, Label


class AuditEntry(Base):
    """One act; `hash` covers the act and the previous entry's hash."""

    __tablename__ = "audit"
    __table_args__ = (
        Index(None, "subject"),
        Index(None, "at"),
        Index(None, "actor", "id"),
        Index(None, "action", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Counted without gaps under a lock: a missing number is a missing act."""
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[Label]
    facts: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}")
    previous: Mapped[bytes]
    hash: Mapped[bytes]


class AuditCheckpoint(Base):
    """The chain's length and last hash at a moment, signed, so that a cut tail shows; a copy is kept outside."""

    __tablename__ = "audit_checkpoints"

    id: Mapped[Id]
    at: Mapped[datetime]
    last_id: Mapped[int]
    hash: Mapped[bytes]
    signature: Mapped[bytes]


GENESIS = bytes(32)


class Kept(NamedTuple):
    """A checkpoint as it was noted outside the database: the chain's length and its last hash."""

    last_id: int
    hash: bytes


def append(
    session: Session, *, actor: str, action: str, subject: str, facts: Mapping[str, object], now: datetime
) -> None:
    """Add one act to the chain; acts of several sessions wait for each other, so that the chain has no branch."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": AdvisoryLock.AUDIT})
    last = session.execute(select(AuditEntry.id, AuditEntry.hash).order_by(AuditEntry.id.desc()).limit(1)).first()
    number, previous = (last[0] + 1, bytes(last[1])) if last else (1, GENESIS)
    entry = AuditEntry(
        id=number, at=now, actor=actor, action=action, subject=subject, facts=dict(facts), previous=previous
    )
    entry.hash = digest(entry)
    session.add(entry)
    session.flush()


def digest(entry: AuditEntry) -> bytes:
    """Return the hash an entry must carry: over all its fields and the hash before it."""
    written = json.dumps(
        [entry.id, entry.at.astimezone(UTC).isoformat(), entry.actor, entry.action, entry.subject, entry.facts],
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return hashlib.sha256(entry.previous + written.encode()).digest()


def checkpoint(session: Session, key: bytes, now: datetime) -> AuditCheckpoint | None:
    """Sign the chain as it stands, once per length; returns None when nothing has come since the last time."""
    last = session.execute(select(AuditEntry.id, AuditEntry.hash).order_by(AuditEntry.id.desc()).limit(1)).first()
    known = session.scalar(select(AuditCheckpoint.last_id).order_by(AuditCheckpoint.id.desc()).limit(1))
    if last is None or last[0] == known:
        return None
    made = AuditCheckpoint(at=now, last_id=last[0], hash=last[1], signature=sign(key, last[0], last[1]))
    session.add(made)
    session.flush()
    return made


def sign(key: bytes, last_id: int, last_hash: bytes) -> bytes:
    """Return the signature of a checkpoint."""
    return hmac.digest(key, f"{last_id}\0".encode() + last_hash, "sha256")


def faults(session: Session, key: bytes | None, kept: Iterable[Kept] = ()) -> list[str]:
    """Return what is wrong with the chain, in words; empty when it verifies against itself and its checkpoints.

    `kept` are checkpoints noted outside: they show a tail that was cut off together with the database's own marks.
    """
    found: list[str] = []
    previous, number = GENESIS, 0
    hashes: dict[int, bytes] = {}
    for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.id).execution_options(yield_per=1000)):
        number += 1
        if entry.id != number or entry.previous != previous or digest(entry) != entry.hash:
            found.append(f"audit entry {entry.id} does not follow from the one before it")
            number = entry.id
        previous = entry.hash
        hashes[entry.id] = previous
    for mark in session.scalars(select(AuditCheckpoint)):
        if hashes.get(mark.last_id) != mark.hash:
            found.append(f"the chain no longer holds entry {mark.last_id} as signed on {mark.at:%Y-%m-%d %H:%M} UTC")
        elif key is not None and not hmac.compare_digest(sign(key, mark.last_id, mark.hash), mark.signature):
            found.append(f"the signature of the checkpoint at entry {mark.last_id} is not ours")
    for note in kept:
        if hashes.get(note.last_id) != note.hash:
            found.append(f"the chain no longer holds entry {note.last_id} as noted outside the database")
    return found
