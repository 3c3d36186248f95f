"""One-time codes by SMS: whoever opens or ends a mandate proves to hold the phone known for the customer code.

A right question and a wrong one are kept alike and answered alike, so that nobody learns who is a customer, or with
which phone: only the message is missing. A code is known by its digest alone, holds for minutes, works once, and is
locked after five wrong tries by the database itself.
"""

from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit
from reconciliation.db import Base, Id

VALID = timedelta(minutes=5)
MOST_TRIES = 5
BETWEEN = timedelta(minutes=1)
AFTER_LOCK = timedelta(minutes=15)
MOST_ASKED, ASKED_WITHIN = 5, timedelta(hours=1)
"""So many codes for one customer code within that time, whoever asks."""
PROOF_LASTS = timedelta(minutes=30)
_KEPT = timedelta(days=30)


class NoSuchCustomer(ValueError):
    """A customer code that nobody has; says what was expected and what arrived."""


class MandateCode(Base):
    """One code that was asked for, known to the browser by `handle`; `customer_id` None where nobody was told of it."""

    __tablename__ = "mandate_codes"
    __table_args__ = (
        UniqueConstraint("handle"),
        # Two questions at one moment are one question.
        UniqueConstraint("code_hash", "number"),
        UniqueConstraint("mandate_id"),
        Index(None, "asked_at"),
        CheckConstraint(f"tries BETWEEN 0 AND {MOST_TRIES}", name="tries"),
        CheckConstraint("expires_at > asked_at", name="expires"),
        CheckConstraint("used_at IS NULL OR customer_id IS NOT NULL", name="proves_somebody"),
    )

    id: Mapped[Id]
    handle: Mapped[UUID]
    code_hash: Mapped[bytes]
    """The customer code's blind index, that of a code nobody has as well."""
    number: Mapped[int]
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    digest: Mapped[bytes]
    tries: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    mandate_id: Mapped[int | None] = mapped_column(ForeignKey("mandates.id"))
    """What was opened with it: one mandate at most."""
    released_at: Mapped[datetime | None]
    """When a person took it off the counts that make people wait."""


class Question(NamedTuple):
    """Who says to be which customer: everything by its blind index but the code, which is looked up."""

    handle: UUID
    customer_code: str
    code_hash: bytes
    phone_hash: bytes
    digest: bytes


class Letter(NamedTuple):
    """The message that tells the code, composed; it is kept for the real customer alone."""

    template: str
    body: str
    encoding: str
    parts: int


class Tried(Enum):
    """What became of a try."""

    RIGHT = "right"
    WRONG = "wrong"
    OVER = "over"
    """Locked, expired, used, or never asked for."""


class Proof(NamedTuple):
    """A customer who has proven to hold the phone, and what they have opened since."""

    customer_id: int
    mandate_id: int | None


_WAIT = """
    SELECT greatest(
        max(asked_at) + :between,
        max(asked_at) FILTER (WHERE tries = :most_tries AND used_at IS NULL) + :after_lock,
        (array_agg(asked_at ORDER BY asked_at DESC))[:most_asked] + :within)
    FROM mandate_codes WHERE code_hash = :code_hash AND released_at IS NULL
"""
# One statement: how long it takes must not tell a customer from nobody, and of two at one moment, either the second
# sees the first, or both take the same number.
_ASK = f"""
    WITH made AS (
        INSERT INTO mandate_codes (handle, code_hash, number, customer_id, digest, asked_at, expires_at)
        SELECT :handle, :code_hash,
            1 + coalesce((SELECT max(number) FROM mandate_codes WHERE code_hash = :code_hash), 0),
            (SELECT id FROM customers WHERE code = :customer_code AND msisdn_hash = :phone_hash),
            :digest, :now, :until
        WHERE coalesce(({_WAIT}), :now) <= :now
        ON CONFLICT DO NOTHING RETURNING id, customer_id
    ), told AS (
        INSERT INTO messages (event_key, version, event, customer_id, facts, template, body, encoding, parts,
            not_after, created_at)
        SELECT 'mandate_code:' || id, 1, 'mandate_code', customer_id, '{{}}', :template, :body, :encoding, :parts,
            :until, :now
        FROM made WHERE customer_id IS NOT NULL
    )
    SELECT id FROM made
"""  # noqa: S608 - put together from constants
_TRY = """
    UPDATE mandate_codes SET tries = tries + 1,
        used_at = CASE WHEN digest = :digest AND customer_id IS NOT NULL THEN CAST(:now AS timestamptz) END
    WHERE handle = :handle AND used_at IS NULL AND tries < :most AND expires_at > :now
    RETURNING tries, used_at
"""
_PROOF = "SELECT customer_id, mandate_id FROM mandate_codes WHERE handle = :handle AND used_at > :since"
_RELEASE = """
    UPDATE mandate_codes SET released_at = :now WHERE code_hash = :code_hash AND released_at IS NULL RETURNING id
"""
# As the database does by itself once a message has left for certain.
_FORGET = r"""
    UPDATE messages SET body = regexp_replace(body, '\m[0-9]{6}\M', '······', 'g')
    WHERE event = 'mandate_code' AND state = 'unsure' AND not_after <= :now AND body ~ '\m[0-9]{6}\M'
"""


def ask(session: Session, question: Question, letter: Letter, *, now: datetime) -> datetime | None:
    """Keep a question and promise its code; return until when to wait instead, where too many were asked before.

    The caller can't tell, and must not, whether anybody will hear of it.
    """
    values = {
        **question._asdict(), **letter._asdict(), "now": now, "until": now + VALID, "between": BETWEEN,
        "after_lock": AFTER_LOCK, "most_tries": MOST_TRIES, "within": ASKED_WITHIN, "most_asked": MOST_ASKED,
    }  # fmt: skip
    if session.scalar(text(_ASK), values) is not None:
        return None
    wait: datetime | None = session.scalar(text(_WAIT), values)
    return wait if wait is not None and wait > now else now + BETWEEN


def try_code(session: Session, handle: UUID, digest: bytes, *, now: datetime) -> tuple[Tried, int]:
    """Try a code, and return what became of it and how many tries are left; the caller commits whatever it was."""
    values = {"handle": handle, "digest": digest, "most": MOST_TRIES, "now": now}
    tried = session.execute(text(_TRY), values).one_or_none()
    if tried is None:
        return Tried.OVER, 0
    return (Tried.WRONG if tried.used_at is None else Tried.RIGHT), MOST_TRIES - tried.tries


def proven(session: Session, handle: UUID, *, now: datetime) -> Proof | None:
    """Return whom the code of `handle` has proven lately; None for nobody."""
    found = session.execute(text(_PROOF), {"handle": handle, "since": now - PROOF_LASTS}).one_or_none()
    return None if found is None else Proof(*found)


def spend(session: Session, handle: UUID, mandate_id: int) -> None:
    """Note what was opened with a code; the database refuses a second mandate."""
    statement = text("UPDATE mandate_codes SET mandate_id = :mandate WHERE handle = :handle")
    session.execute(statement, {"handle": handle, "mandate": mandate_id})


def release(session: Session, customer_code: str, code_hash: bytes, *, by: str, why: str, now: datetime) -> int:
    """Let a customer ask for a code again at once, whatever was asked and tried before; return how many codes went."""
    customer = session.scalar(text("SELECT id FROM customers WHERE code = :code"), {"code": customer_code})
    if customer is None:
        raise NoSuchCustomer(f"expected a customer we know, got {customer_code[:40]!r}")
    released = len(session.scalars(text(_RELEASE), {"code_hash": code_hash, "now": now}).all())
    audit.append(
        session, actor=by, action="mandate_codes_released", subject=f"customer:{customer}",
        facts={"codes": released, "why": why}, now=now,
    )  # fmt: skip
    return released


def forget(session: Session, *, now: datetime) -> None:
    """Take out of messages the codes that are over though nobody knows whether they left, and let old questions go."""
    session.execute(text(_FORGET), {"now": now})
    session.execute(text("DELETE FROM mandate_codes WHERE asked_at < :before"), {"before": now - _KEPT})
