"""Callback health: when each bank last called, what was refused within the hour, and what waits for a person."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session, load_only

from reconciliation.business_days import end_of, local_day
from reconciliation.inbox import FOR_PEOPLE_SQL, Delivery, Refusal

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CallbackHealth:
    """How the calls of one bank go: counts are of the last hour, those for people of the current local day."""

    bank: str
    last_at: datetime | None
    """When its last proven call came."""
    received: int
    refused: int
    for_people: int
    """Callbacks and files of today that nobody could book: set aside, contradicting, unreadable."""


# Each figure is one look into an index, however many deliveries there are.
_HEALTH = f"""
    SELECT b.bank,
        (SELECT max(d.received_at) FROM deliveries d WHERE d.source = b.bank AND d.kind = 'callback') AS last_at,
        (SELECT count(*) FROM deliveries d
         WHERE d.source = b.bank AND d.kind = 'callback' AND d.received_at > :since) AS received,
        (SELECT count(*) FROM refusals r WHERE r.source = b.bank AND r.received_at > :since) AS refused,
        (SELECT count(*) FROM deliveries d
         WHERE d.source = b.bank AND d.state IN {FOR_PEOPLE_SQL} AND d.received_at >= :today) AS for_people
    FROM unnest(CAST(:banks AS text[])) WITH ORDINALITY AS b (bank, place) ORDER BY b.place
"""  # noqa: S608 - put together from constants


def of_banks(session: Session, banks: Iterable[str], *, now: datetime) -> dict[str, CallbackHealth]:
    """Return how the calls of each of `banks` go at `now`, in their order."""
    asked = {"banks": list(banks), "since": now - HOUR, "today": end_of(local_day(now) - timedelta(days=1))}
    return {row.bank: CallbackHealth(**row._asdict()) for row in session.execute(text(_HEALTH), asked)}


def last_callbacks(session: Session, bank: str, *, most: int) -> list[Delivery]:
    """Return the last proven calls of a bank, the newest first, without their sealed bytes."""
    shown = load_only(
        Delivery.event_id, Delivery.size, Delivery.answer_status, Delivery.state, Delivery.reason,
        Delivery.received_at, raiseload=True,
    )  # fmt: skip
    wanted = select(Delivery).options(shown).where(Delivery.source == bank, Delivery.kind == "callback")
    return list(session.scalars(wanted.order_by(Delivery.received_at.desc(), Delivery.id.desc()).limit(most)))


def last_refusals(session: Session, bank: str, *, most: int) -> list[Refusal]:
    """Return the last calls that did not prove to be the bank's, the newest first, without their sealed bytes."""
    shown = load_only(Refusal.outcome, Refusal.reason, Refusal.remote, Refusal.received_at, raiseload=True)
    wanted = select(Refusal).options(shown).where(Refusal.source == bank)
    return list(session.scalars(wanted.order_by(Refusal.received_at.desc(), Refusal.id.desc()).limit(most)))
