"""Mandates: a customer's word that the bank may take bills from an account, in versions, and what becomes of it.

What was agreed is never edited: a change is a new version with a consent of its own, and the newest one holds. At most
one mandate of a customer is in force.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit, mandate_orders, mismatches
from reconciliation.business_days import local_day
from reconciliation.db import Base, Id, Label, Minor, Moves, one_of
from reconciliation.lifecycle import MANDATE, move

IN_FORCE = "state IN ('active', 'paused')"
OPEN = "state IN ('draft', 'submitted', 'active', 'paused')"
CHANNELS = ("app", "bank", "counter", "paper", "phone", "web")
"""How a customer gave consent."""
QUESTION = "'mandate_answer:' || {bank} || ':' || {reference}"
"""What a question about a bank's answer is about, in SQL."""
SEALED = "mandate_versions.account"
"""What an account number is sealed for."""
HOLDER_SEALED = "mandate_versions.holder"


class NotMoved(ValueError):
    """A mandate can't become what is asked; says what was expected and what arrived.

    `reason` names the kind of obstacle for a page's own words.
    """

    def __init__(self, said: str, reason: str = "state") -> None:
        self.reason = reason
        super().__init__(said)


class Mandate(Base):
    """One mandate by its reference with the bank; `version` and `valid_to` are those of its newest version."""

    __tablename__ = "mandates"
    __table_args__ = (
        UniqueConstraint("bank", "reference"),
        Index("uq_mandates_in_force", "customer_id", unique=True, postgresql_where=text(IN_FORCE)),
        Index(None, "customer_id"),
        Index(None, "valid_to", postgresql_where=text(f"{OPEN} AND valid_to IS NOT NULL")),
        CheckConstraint("state = 'draft' OR version > 0", name="says_what_was_agreed"),
        one_of("state", MANDATE.states),
    )

    id: Mapped[Id]
    bank: Mapped[str]
    reference: Mapped[str]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    version: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    valid_to: Mapped[date | None]
    """The last day; None for one without an end. Kept by the database, like `version`."""
    state: Mapped[str] = mapped_column(server_default=MANDATE.start)
    moves: Mapped[Moves]
    created_at: Mapped[datetime]


class MandateVersion(Base):
    """What was agreed, and by which consent; the account stands sealed, findable by its hash, shown by its tail."""

    __tablename__ = "mandate_versions"
    __table_args__ = (
        UniqueConstraint("mandate_id", "version"),
        Index(None, "account_hash"),
        CheckConstraint("cap_minor > 0", name="cap"),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="begins_before_it_ends"),
        CheckConstraint("consent_text <> ''", name="consent"),
        one_of("consent_channel", list(CHANNELS)),
    )

    id: Mapped[Id]
    mandate_id: Mapped[int] = mapped_column(ForeignKey("mandates.id"))
    version: Mapped[int] = mapped_column(SmallInteger)
    account_sealed: Mapped[bytes]
    account_hash: Mapped[bytes]
    account_tail: Mapped[Label]
    holder_sealed: Mapped[bytes | None]
    """The name the account is held by; None where a file told none."""
    cap_minor: Mapped[Minor]
    """The most that one debit may take, in đồng."""
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    consent_text: Mapped[str]
    """Which version of the text the customer agreed to."""
    consent_at: Mapped[datetime]
    consent_channel: Mapped[str]
    assisted_by: Mapped[Label]
    """Who helped the customer; empty for one who needed nobody."""
    made_by: Mapped[str]
    made_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Act:
    """What a person may do with a mandate: from which states, to which one, and how the audit calls it."""

    sources: tuple[str, ...]
    to: str
    action: str


ACTS: Mapping[str, Act] = {
    "confirm": Act(("submitted",), "active", "mandate_confirmed"),
    "refuse": Act(("submitted",), "refused", "mandate_refused"),
    "pause": Act(("active",), "paused", "mandate_paused"),
    "resume": Act(("paused",), "active", "mandate_resumed"),
    "end": Act(("draft", "submitted", "active", "paused"), "ended", "mandate_ended"),
}

_LOCKED = "SELECT id, bank, reference, customer_id, valid_to, state FROM mandates WHERE id = :id FOR UPDATE"
_OTHER = f"""
    SELECT id, bank, reference FROM mandates WHERE customer_id = :customer AND id <> :id AND {IN_FORCE} LIMIT 1
"""  # noqa: S608 - put together from constants, here and below
_ASKED = f"""
    SELECT id FROM mismatches WHERE code = 'M17' AND state <> 'resolved'
      AND subject = {QUESTION.format(bank="CAST(:bank AS text)", reference="CAST(:reference AS text)")}
"""  # noqa: S608
# Locked: a version that prolongs a mandate must not come between the question and the answer.
_OVER = f"SELECT id FROM mandates WHERE {OPEN} AND valid_to < :today ORDER BY id FOR UPDATE"  # noqa: S608


def carry_out(session: Session, mandate_id: int, name: str, *, by: str, why: str, now: datetime) -> str:
    """Do what ACTS calls `name` with a mandate, and return its new state; raises NotMoved, having changed nothing."""
    act = ACTS[name]
    one = session.execute(text(_LOCKED), {"id": mandate_id}).one_or_none()
    if one is None:
        raise NotMoved(f"expected the number of a mandate, got {mandate_id}")
    if one.state not in act.sources:
        raise NotMoved(f"expected a mandate that is {' or '.join(act.sources)}, got one that is {one.state}")
    if act.to == "active":
        _check_valid(one.valid_to, now)
        _check_alone(session, mandate_id, one.customer_id)
    move(session, MANDATE, [mandate_id], act.to, by=by, why=why, now=now)
    facts = {"bank": one.bank, "reference": one.reference, "from": one.state, "to": act.to, "why": why}
    audit.append(session, actor=by, action=act.action, subject=f"mandate:{mandate_id}", facts=facts, now=now)
    if name == "end":
        mandate_orders.promise_cancellation(session, mandate_id, now=now)
    settle(session, one.bank, one.reference, by=by, how="a person has moved the mandate", now=now)
    return act.to


def settle(session: Session, bank: str, reference: str, *, by: str, how: str, now: datetime) -> int:
    """Close the open question about a bank's answer on a mandate, if there is one; return how many were closed."""
    asked = session.scalars(text(_ASKED), {"bank": bank, "reference": reference}).all()
    return len(mismatches.resolve(session, asked, by=by, resolution=how, now=now))


def expire(session: Session, *, now: datetime) -> int:
    """Let mandates whose last day has passed in Vietnam expire; return how many."""
    over = session.scalars(text(_OVER), {"today": local_day(now)}).all()
    return len(move(session, MANDATE, over, "expired", by="schedule", why="its last day has passed", now=now))


def _check_valid(valid_to: date | None, now: datetime) -> None:
    if valid_to is not None and valid_to < local_day(now):
        raise NotMoved(f"expected a mandate that is still valid, got one whose last day was {valid_to}", "days")


def _check_alone(session: Session, mandate_id: int, customer_id: int) -> None:
    other = session.execute(text(_OTHER), {"customer": customer_id, "id": mandate_id}).one_or_none()
    if other is not None:
        raise NotMoved(
            f"expected a customer without another mandate in force, got one with mandate {other.id}"
            f" ({other.reference} of {other.bank}); end that first",
            "other",
        )


BROKEN = {
    "customers with several mandates in force": f"""SELECT count(*) FROM (SELECT 1 FROM mandates WHERE {IN_FORCE}
        GROUP BY customer_id HAVING count(*) > 1) t""",  # noqa: S608
    "mandates of another version than their newest": """SELECT count(*) FROM mandates m LEFT JOIN LATERAL (
            SELECT count(*) AS made, max(v.version) AS newest, max(v.valid_to) FILTER (WHERE v.version = m.version)
                AS valid_to FROM mandate_versions v WHERE v.mandate_id = m.id) v ON true
        WHERE m.version <> v.made OR m.version <> coalesce(v.newest, 0)
           OR m.valid_to IS DISTINCT FROM v.valid_to OR (m.version = 0 AND m.state <> 'draft')""",
}
"""Queries of `doisoat verify` that must each count zero."""
