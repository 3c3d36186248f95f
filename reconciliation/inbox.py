"""Deliveries: everything a bank ever sent, kept byte for byte (sealed) before anyone tries to understand it."""

import hashlib
import io
import zlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from sqlalchemy import ForeignKey, Index, SmallInteger, UniqueConstraint, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import mismatches
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
        # A bank's last calls, and how many came within the hour, without a look at the others' of that time.
        Index(None, "source", "kind", "received_at"),
        Index("ix_deliveries_for_people", "source", "received_at",
              postgresql_where=text("state IN ('set_aside', 'conflicting', 'unreadable')")),
        Index(None, "name", postgresql_where=text("name <> ''")),
        one_of("kind", ["callback", "statement"]),
        one_of("state", DELIVERY.states),
        {"postgresql_with": {"fillfactor": 80}},
    )  # fmt: skip

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
    __table_args__ = (Index(None, "received_at"), Index(None, "source", "received_at"))

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
FOR_PEOPLE = ("set_aside", "conflicting", "unreadable")
"""States in which the bank was told that we have it, and nothing is booked: a person must know."""
FOR_PEOPLE_SQL = "('set_aside', 'conflicting', 'unreadable')"
_FREE = "kind = :kind AND state = 'received' AND (lease_until IS NULL OR lease_until < :now)"
_ASKED = "code, subject, source, delivery_id, facts"
_ASK = """
    SELECT CASE kind WHEN 'callback' THEN 'M16' ELSE 'M15' END, 'delivery:' || id, source, id,
        jsonb_build_object('state', state, 'reasons', jsonb_build_array(reason))
    FROM deliveries WHERE id = ANY(:ids)
"""
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


def chunk_of(sealer: Sealer, sealed: bytes) -> bytes:
    """Return the bytes of one piece of a kept file."""
    return zlib.decompress(sealer.open(sealed, "delivery_chunks.body"))


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
            self._rest = chunk_of(self._sealer, sealed)
            self._ordinal += 1
        taken = min(len(view), len(self._rest))
        view[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken


def claim(session: Session, kind: str, *, limit: int, lease: timedelta, now: datetime) -> list[int]:
    """Take up to `limit` waiting deliveries for `lease`; the caller commits, so that a crash costs one attempt each.

    Those whose reader has ended twice go in groups an eighth as large each time, the last of them alone, so that the
    one that ends its reader is found without reading thousands one by one; it is set aside for a person after
    MAX_ATTEMPTS.
    """
    values = {"kind": kind, "now": now, "until": now + lease, "limit": limit, "most": MAX_ATTEMPTS}
    worn_out = session.scalars(
        text(
            f"""
            SELECT id FROM (
                SELECT id, attempts FROM deliveries WHERE {_FREE} ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED
            ) first WHERE attempts >= :most ORDER BY id
            """  # noqa: S608 - our own text
        ),
        values,
    ).all()
    finish(session, list(worn_out), "set_aside", reason=f"reading it ended its reader {MAX_ATTEMPTS} times", now=now)
    taken = session.scalars(
        text(
            f"""
            WITH free AS (
                SELECT id, attempts, row_number() OVER (ORDER BY id) AS place FROM (
                    SELECT id, attempts FROM deliveries WHERE {_FREE} ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
                ) locked
            )
            UPDATE deliveries d SET lease_until = :until, attempts = d.attempts + 1
            FROM free, (SELECT attempts FROM free WHERE place = 1) first
            WHERE d.id = free.id AND CASE WHEN first.attempts <= 1 THEN free.attempts <= 1
                ELSE free.attempts = first.attempts
                    AND free.place <= greatest(1, CAST(:limit AS int) >> 3 * (first.attempts - 1)) END
            RETURNING d.id
            """  # noqa: S608 - put together from constants
        ),
        values,
    )
    return sorted(taken)


def hold(session: Session, delivery_id: int, *, until: datetime) -> None:
    """Keep a delivery that is being read for its reader; it has come further, so that its tries count anew."""
    session.execute(
        text("UPDATE deliveries SET lease_until = :until, attempts = 1 WHERE id = :id AND state = 'received'"),
        {"id": delivery_id, "until": until},
    )


def finish(session: Session, ids: list[int], state: str, *, reason: str, now: datetime) -> list[int]:
    """Say what became of deliveries; only those still waiting move, so that reading twice changes nothing.

    What is left for a person becomes a question; one that was asked about and has been read after all is answered.
    """
    noting = "reason = :why, read_at = :now, lease_until = NULL"
    moved = move(session, DELIVERY, ids, state, by="reader", why=reason, now=now, noting=noting)
    if moved:
        if state in FOR_PEOPLE:
            mismatches.ask(session, _ASKED, _ASK, {"ids": moved, "now": now})
        else:
            answered = session.scalars(
                text("SELECT id FROM mismatches WHERE subject = ANY(:subjects) AND state <> 'resolved'"),
                {"subjects": [f"delivery:{one}" for one in moved]},
            ).all()
            mismatches.resolve(session, answered, by="reader", resolution="it was read after all", now=now)
    return moved


def changed_bytes(session: Session, sealer: Sealer) -> int:
    """Return how many deliveries don't open to what arrived: every sealed byte is opened, every file hashed anew."""
    changed = 0
    calls = select(Delivery.head, Delivery.body, Delivery.size).where(Delivery.kind == "callback")
    for head, body, size in session.execute(calls.execution_options(yield_per=1000)):
        if head is not None and body is not None:
            opened = _opened(sealer, head, "deliveries.head") is not None and _opened(sealer, body, "deliveries.body")
            changed += opened is False or opened is None or len(opened) != size
    files = select(Delivery.id, Delivery.digest, Delivery.size).where(Delivery.kind == "statement", Delivery.size > 0)
    for delivery_id, digest, size in session.execute(files).all():
        changed += not _is_whole(session, sealer, delivery_id, digest, size)
    return changed


def _is_whole(session: Session, sealer: Sealer, delivery_id: int, digest: bytes, size: int) -> bool:
    hashed, length = hashlib.sha256(), 0
    try:
        with KeptFile(session, delivery_id, sealer) as file:
            while piece := file.read(CHUNK):
                hashed.update(piece)
                length += len(piece)
    except (InvalidTag, KeyError, zlib.error):
        return False
    return (hashed.digest(), length) == (digest, size)


def _opened(sealer: Sealer, sealed: bytes, purpose: str) -> bytes | None:
    try:
        return sealer.open(sealed, purpose)
    except (InvalidTag, KeyError):
        return None


def waiting(session: Session, kind: str) -> int:
    """Return how many deliveries of `kind` nobody has read yet."""
    count = session.scalar(
        text("SELECT count(*) FROM deliveries WHERE kind = :kind AND state = 'received'"), {"kind": kind}
    )
    return int(count or 0)
