"""Deliveries: everything a bank ever sent, kept byte for byte (sealed) before anyone tries to understand it."""

import hashlib
import io
import zlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, Index, SmallInteger, UniqueConstraint, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import Base, Id, Label, Moves, one_of
from reconciliation.lifecycle import DELIVERY, move
from reconciliation.sealing import Sealer

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Delivery(Base):
    """One callback or one file. `digest` covers event id and bytes; `answer_*` is what the sender was told."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("source", "kind", "digest"),
        UniqueConstraint("source", "event_id"),
        Index("ix_deliveries_waiting", "kind", "id", postgresql_where=text("state = 'received'")),
        Index(None, "received_at"),
        one_of("kind", ["callback", "statement"]),
        one_of("state", DELIVERY.states),
        {"postgresql_with": {"fillfactor": 80}},
    )

    id: Mapped[Id]
    source: Mapped[str]
    kind: Mapped[str]
    event_id: Mapped[str | None]
    name: Mapped[Label]
    """The file's name on the bank's server; empty for a callback."""
    digest: Mapped[bytes]
    size: Mapped[int]
    head: Mapped[bytes | None]
    """Sealed JSON: method, query and headers of a callback."""
    body: Mapped[bytes | None]
    """Sealed bytes of a callback; a file's bytes stand in delivery_chunks."""
    answer_status: Mapped[int | None] = mapped_column(SmallInteger)
    answer_type: Mapped[Label]
    answer_body: Mapped[bytes | None]
    conflicts_with: Mapped[int | None] = mapped_column(ForeignKey("deliveries.id"))
    state: Mapped[str] = mapped_column(server_default=DELIVERY.start)
    reason: Mapped[Label]
    moves: Mapped[Moves]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    lease_until: Mapped[datetime | None]
    received_at: Mapped[datetime]
    read_at: Mapped[datetime | None]


class DeliveryChunk(Base):
    """One sealed, compressed piece of a file, so that a large file never has to stand in memory whole."""

    __tablename__ = "delivery_chunks"

    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[bytes]


class Refusal(Base):
    """A call that did not prove its sender: kept for a person, acted on by nobody."""

    __tablename__ = "refusals"
    __table_args__ = (Index(None, "received_at"),)

    id: Mapped[Id]
    source: Mapped[str]
    outcome: Mapped[str]
    reason: Mapped[str]
    remote: Mapped[Label]
    head: Mapped[bytes | None]
    body: Mapped[bytes | None]
    received_at: Mapped[datetime]


class RemoteFile(Base):
    """A file seen on a bank's server and already fetched, so that a poll takes only what is new."""

    __tablename__ = "remote_files"
    __table_args__ = (UniqueConstraint("bank", "name", "size", "modified_at"),)

    id: Mapped[Id]
    bank: Mapped[str]
    name: Mapped[str]
    size: Mapped[int]
    modified_at: Mapped[int]
    """Seconds since the epoch, as the bank's server tells it."""
    delivery_id: Mapped[int | None] = mapped_column(ForeignKey("deliveries.id"))
    fetched_at: Mapped[datetime]


CHUNK = 1 << 20
MAX_ATTEMPTS = 5
"""A delivery that ended its reader so often is set aside for a person instead of ending it again."""


def keep_file(session: Session, *, source: str, name: str, path: Path, sealer: Sealer, now: datetime) -> int | None:
    """Keep a fetched file byte for byte, sealed in pieces; return its delivery's id, None for known bytes."""
    size, digest = 0, hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            size += len(piece)
            digest.update(piece)
        kept: int | None = session.scalar(
            insert(Delivery)
            .values(source=source, kind="statement", name=name, digest=digest.digest(), size=size, received_at=now)
            .on_conflict_do_nothing()
            .returning(Delivery.id)
        )
        if kept is None:
            return None
        file.seek(0)
        ordinal = 0
        while piece := file.read(CHUNK):
            body = sealer.seal(zlib.compress(piece, 1), "delivery_chunks.body")
            session.execute(insert(DeliveryChunk).values(delivery_id=kept, ordinal=ordinal, body=body))
            ordinal += 1
    return kept


class KeptFile(io.RawIOBase):
    """A kept file as a stream of its bytes, opened piece by piece."""

    def __init__(self, session: Session, delivery_id: int, sealer: Sealer) -> None:
        super().__init__()
        self._session, self._delivery_id, self._sealer = session, delivery_id, sealer
        self._ordinal, self._rest = 0, b""

    def readable(self) -> bool:
        """Return True: that is what it is for."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill `buffer` with the bytes that follow; return how many, 0 at the end."""
        view = memoryview(buffer).cast("B")
        if not self._rest:
            sealed = self._session.scalar(
                select(DeliveryChunk.body).where(
                    DeliveryChunk.delivery_id == self._delivery_id, DeliveryChunk.ordinal == self._ordinal
                )
            )
            if sealed is None:
                return 0
            self._rest = zlib.decompress(self._sealer.open(sealed, "delivery_chunks.body"))
            self._ordinal += 1
        taken = min(len(view), len(self._rest))
        view[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken


def claim(session: Session, kind: str, *, limit: int, lease: timedelta, now: datetime) -> list[int]:
    """Take up to `limit` waiting deliveries for `lease`; the caller commits, so that a crash costs one attempt each."""
    taken = session.scalars(
        text(
            """
            UPDATE deliveries SET lease_until = :until, attempts = attempts + 1
            WHERE id IN (SELECT id FROM deliveries WHERE kind = :kind AND state = 'received'
                         AND (lease_until IS NULL OR lease_until < :now)
                         ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
            RETURNING id
            """
        ),
        {"kind": kind, "now": now, "until": now + lease, "limit": limit},
    )
    return sorted(taken)


def finish(session: Session, ids: list[int], state: str, *, reason: str, now: datetime) -> list[int]:
    """Say what became of deliveries; only those still waiting move, so that reading twice changes nothing."""
    moved = move(session, DELIVERY, ids, state, by="reader", why=reason, now=now)
    if moved:
        session.execute(
            text("UPDATE deliveries SET reason = :reason, read_at = :now, lease_until = NULL WHERE id = ANY(:ids)"),
            {"reason": reason, "now": now, "ids": moved},
        )
    return moved


def waiting(session: Session, kind: str) -> int:
    """Return how many deliveries of `kind` nobody has read yet."""
    count = session.scalar(
        text("SELECT count(*) FROM deliveries WHERE kind = :kind AND state = 'received'"), {"kind": kind}
    )
    return int(count or 0)
