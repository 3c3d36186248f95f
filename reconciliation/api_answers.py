"""Answers kept by idempotency key: what asks for the same thing again is answered the same, and does nothing twice."""

from datetime import datetime, timedelta

from sqlalchemy import Index, SmallInteger, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import Base, Id

KEPT_FOR = timedelta(days=7)
"""How long a key is remembered."""
_SWEEP = 20
"""Old rows cleared away for each new one, so that the table cleans itself."""


class KeptAnswer(Base):
    """One request of one token under one key: `digest` is that of what was asked, the rest is what was answered.

    `token_id` is 0 for the token that stands in the settings.
    """

    __tablename__ = "api_idempotency"
    __table_args__ = (UniqueConstraint("token_id", "key"), Index(None, "at"))

    id: Mapped[Id]
    token_id: Mapped[int]
    key: Mapped[str]
    digest: Mapped[bytes]
    status: Mapped[int] = mapped_column(SmallInteger)
    content_type: Mapped[str]
    body: Mapped[bytes]
    at: Mapped[datetime]


def begin(session: Session, token_id: int, key: str) -> bool:
    """Be the only one at work under this key until the transaction ends; return whether nobody else is."""
    mine = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:mine, 0))")
    return bool(session.scalar(mine, {"mine": f"api key {token_id} {key}"}))


def known(session: Session, token_id: int, key: str) -> KeptAnswer | None:
    """Return what was answered under this key."""
    found: KeptAnswer | None = session.scalar(
        select(KeptAnswer).where(KeptAnswer.token_id == token_id, KeptAnswer.key == key)
    )
    return found


def keep(session: Session, answer: KeptAnswer, *, now: datetime) -> None:
    """Keep an answer with the work it answers, and forget some that are old."""
    session.add(answer)
    session.flush()
    session.execute(
        text(
            "DELETE FROM api_idempotency WHERE id IN"
            " (SELECT id FROM api_idempotency WHERE at < :before ORDER BY at LIMIT :most FOR UPDATE SKIP LOCKED)"
        ),
        {"before": now - KEPT_FOR, "most": _SWEEP},
    )
