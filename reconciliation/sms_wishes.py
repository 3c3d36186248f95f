"""SMS wishes: what one customer does not want to be told, and whether texts to them bear Vietnamese signs."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import audit

MAY_BE_REFUSED = ("before_debit", "bill_held", "debit_failed", "overdue", "payment_recorded", "payment_returned")
"""Events that a customer may refuse; a one-time code comes to whoever has just asked for it."""

_FIND = "SELECT id, refused, diacritics, consent FROM customers WHERE code = :code FOR UPDATE"
_NOTE = "UPDATE customers SET refused = :refused, diacritics = :diacritics, updated_at = :now WHERE code = :code"


class NotWished(ValueError):
    """A wish that can't be noted; says what was expected and what arrived."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a customer wishes; `consent` is what billing says, and without it nobody is told anything."""

    consent: bool
    refused: frozenset[str]
    diacritics: bool


def of(session: Session, code: str) -> Wishes:
    """Return the wishes of the customer `code`, whom nobody else changes until the transaction ends.

    Raises NotWished when there is none.
    """
    found = session.execute(text(_FIND), {"code": code}).one_or_none()
    if found is None:
        raise NotWished(f"expected a customer we know, got {code[:40]!r}")
    return Wishes(found.consent, frozenset(found.refused), found.diacritics)


def refuse(session: Session, code: str, event: str, *, by: str, why: str, now: datetime) -> Wishes:
    """Tell the customer nothing of `event` any more, and return their wishes; raises NotWished.

    What is queued already is withdrawn before it would leave. Who refuses notices is not debited, unless told on paper.
    """
    known = _of_event(session, code, event)
    if event in known.refused:
        raise NotWished(f"expected an event of which {code} is told, got {event}, which is refused already")
    return _note(session, code, replace(known, refused=known.refused | {event}), by=by, why=why, now=now)


def allow(session: Session, code: str, event: str, *, by: str, why: str, now: datetime) -> Wishes:
    """Tell the customer of `event` again, and return their wishes; raises NotWished."""
    known = _of_event(session, code, event)
    if event not in known.refused:
        raise NotWished(f"expected an event that {code} has refused, got {event}")
    return _note(session, code, replace(known, refused=known.refused - {event}), by=by, why=why, now=now)


def write(session: Session, code: str, *, diacritics: bool, by: str, why: str, now: datetime) -> Wishes:
    """Write to the customer with or without Vietnamese signs from the next promise on, and return their wishes."""
    return _note(session, code, replace(of(session, code), diacritics=diacritics), by=by, why=why, now=now)


def _of_event(session: Session, code: str, event: str) -> Wishes:
    if event not in MAY_BE_REFUSED:
        raise NotWished(f"expected an event of {', '.join(MAY_BE_REFUSED)}, got {event[:40]!r}")
    return of(session, code)


def _note(session: Session, code: str, wishes: Wishes, *, by: str, why: str, now: datetime) -> Wishes:
    refused = sorted(wishes.refused)
    values = {"code": code, "refused": refused, "diacritics": wishes.diacritics, "now": now}
    session.execute(text(_NOTE), values)
    facts = {"refused": refused, "diacritics": wishes.diacritics, "why": why}
    audit.append(session, actor=by, action="sms_wishes", subject=f"customer:{code}", facts=facts, now=now)
    return wishes
