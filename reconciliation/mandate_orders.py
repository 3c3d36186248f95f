"""What banks are told of mandates: take this one on, cancel that one; noted with its cause, told once, in files.

An order waits without a file. A file is made of the orders that wait and never changes; until it was handed over,
every next try is about that same file.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ForeignKey, Index, Row, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit
from reconciliation.business_days import local_day
from reconciliation.db import AdvisoryLock, Base, Id, one_of

ACTIONS = ("register", "cancel")


class MandateFile(Base):
    """One file of orders to a bank; `digest` (SHA-256) holds its bytes to those first tried."""

    __tablename__ = "mandate_files"
    __table_args__ = (
        UniqueConstraint("name"),
        Index("uq_mandate_files_under_way", "bank", unique=True, postgresql_where=text("handed_at IS NULL")),
    )

    id: Mapped[Id]
    bank: Mapped[str]
    name: Mapped[str]
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    digest: Mapped[bytes | None]
    handed_at: Mapped[datetime | None]


class MandateOrder(Base):
    """One thing a bank is to do with a mandate: once for each version that is registered, once to cancel it."""

    __tablename__ = "mandate_orders"
    __table_args__ = (
        UniqueConstraint("mandate_id", "action", "version"),
        Index("uq_mandate_orders_cancel", "mandate_id", unique=True, postgresql_where=text("action = 'cancel'")),
        Index("ix_mandate_orders_waiting", "id", postgresql_where=text("file_id IS NULL")),
        Index(None, "file_id"),
        one_of("action", list(ACTIONS)),
    )

    id: Mapped[Id]
    mandate_id: Mapped[int] = mapped_column(ForeignKey("mandates.id"))
    action: Mapped[str]
    version: Mapped[int] = mapped_column(SmallInteger)
    file_id: Mapped[int | None] = mapped_column(ForeignKey("mandate_files.id"))
    made_at: Mapped[datetime]


class Handed(NamedTuple):
    """What a file tells: its name, and how many mandates are to be registered and cancelled."""

    name: str
    registered: int
    cancelled: int


_REGISTER = """
    INSERT INTO mandate_orders (mandate_id, action, version, made_at) VALUES (:mandate, 'register', :version, :now)
"""
# A bank that was never told of a mandate need not cancel it; one that told us of it itself knows it.
_CANCEL = """
    INSERT INTO mandate_orders (mandate_id, action, version, made_at)
    SELECT m.id, 'cancel', m.version, :now FROM mandates m
    WHERE m.id = :mandate AND m.version > 0
      AND (NOT EXISTS (SELECT 1 FROM mandate_orders o WHERE o.mandate_id = m.id AND o.action = 'register')
        OR EXISTS (SELECT 1 FROM mandate_orders o WHERE o.mandate_id = m.id AND o.file_id IS NOT NULL))
    ON CONFLICT DO NOTHING
"""
_UNDER_WAY = "SELECT id FROM mandate_files WHERE bank = :bank AND handed_at IS NULL"
# Terms that a newer version has overtaken are not told, nor is a mandate that ended before it was.
_WAITING = """
    SELECT o.id FROM mandate_orders o JOIN mandates m ON m.id = o.mandate_id
    WHERE o.file_id IS NULL AND m.bank = :bank AND (o.action = 'cancel'
        OR o.version = m.version AND m.state IN ('submitted', 'active', 'paused'))
    ORDER BY m.id FOR UPDATE OF m
"""
_NUMBER = "SELECT count(*) + 1 FROM mandate_files WHERE bank = :bank"
_FILE = "INSERT INTO mandate_files (bank, name, made_at, made_by) VALUES (:bank, :name, :now, :by) RETURNING id"
_ROWS = """
    SELECT o.action, m.reference, c.code, v.account_sealed, v.holder_sealed, v.cap_minor, v.valid_from, v.valid_to,
        v.consent_text, v.consent_at
    FROM mandate_orders o JOIN mandates m ON m.id = o.mandate_id JOIN customers c ON c.id = m.customer_id
    JOIN mandate_versions v ON v.mandate_id = o.mandate_id AND v.version = o.version
    WHERE o.file_id = :file ORDER BY o.id
"""
_COUNTED = """
    SELECT count(*) FILTER (WHERE action = 'register') AS registered, count(*) FILTER (WHERE action = 'cancel')
        AS cancelled FROM mandate_orders WHERE file_id = :file
"""


def promise_registration(session: Session, mandate_id: int, version: int, *, now: datetime) -> None:
    """Let a mandate's bank be told of a version."""
    session.execute(text(_REGISTER), {"mandate": mandate_id, "version": version, "now": now})


def promise_cancellation(session: Session, mandate_id: int, *, now: datetime) -> None:
    """Let a mandate's bank be told that it has ended, once, and only if the bank may know of it."""
    session.execute(text(_CANCEL), {"mandate": mandate_id, "now": now})


def hold(session: Session) -> None:
    """Let no one else hand orders over before this transaction has ended: two at once would share a file."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": AdvisoryLock.MANDATES})


def next_file(session: Session, bank: str, *, by: str, now: datetime) -> int | None:
    """Return the file of `bank` that is under way, else one made of all that waits; None when nothing does."""
    under_way: int | None = session.scalar(text(_UNDER_WAY), {"bank": bank})
    if under_way is not None:
        return under_way
    waiting = list(session.scalars(text(_WAITING), {"bank": bank}))
    if not waiting:
        return None
    number = int(session.scalar(text(_NUMBER), {"bank": bank}) or 0)
    name = f"UQ-{bank}-{local_day(now):%Y%m%d}-{number:04}.csv"
    made = int(session.execute(text(_FILE), {"bank": bank, "name": name, "now": now, "by": by}).scalar_one())
    taken = text("UPDATE mandate_orders SET file_id = :file WHERE id = ANY(:ids)")
    session.execute(taken, {"file": made, "ids": waiting})
    return made


def rows(session: Session, file_id: int) -> Iterator[Row[Any]]:
    """Yield what a file tells, in its order, without holding it all; account and holder are sealed."""
    yield from session.execute(text(_ROWS), {"file": file_id}, execution_options={"yield_per": 1000})


def handed_over(session: Session, file: MandateFile, *, by: str, now: datetime) -> Handed:
    """Note that a file has reached its bank, and return what it tells."""
    file.handed_at = now
    session.flush()
    counted = session.execute(text(_COUNTED), {"file": file.id}).one()
    facts = {"file": file.name, "register": counted.registered, "cancel": counted.cancelled}
    audit.append(
        session, actor=by, action="mandates_handed_over", subject=f"bank:{file.bank}", facts=facts, now=now
    )  # fmt: skip
    return Handed(file.name, counted.registered, counted.cancelled)
