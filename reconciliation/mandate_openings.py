"""Opening mandates: what a customer agrees to becomes a mandate that is submitted, or another version of one."""

from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import audit, mandate_orders
from reconciliation.business_days import local_day
from reconciliation.lifecycle import MANDATE, move
from reconciliation.mandates import OPEN, NotMoved

_CAP_TIMES = 3
_CAP_STEP = 500_000


class Terms(NamedTuple):
    """What is agreed; account and holder come sealed, hashed and cut from the shell."""

    account_sealed: bytes
    account_hash: bytes
    account_tail: str
    holder_sealed: bytes | None
    cap_minor: int
    valid_from: date
    valid_to: date | None


class Consent(NamedTuple):
    """To which version of the text the customer agreed, by which channel, and who helped ("" for nobody)."""

    text: str
    channel: str
    assisted_by: str = ""


_NEWEST_BILL = """
    SELECT minor FROM bills WHERE customer_id = :customer AND state IN ('open', 'part_paid', 'paid')
    ORDER BY issued_on DESC, id DESC LIMIT 1
"""
# Locked: of two browsers that open a mandate for one customer, the second one sees what the first has done.
_CUSTOMER = "SELECT id FROM customers WHERE id = :id FOR NO KEY UPDATE"
_OPEN_ONE = f"""
    SELECT id, bank, reference, state FROM mandates WHERE customer_id = :customer AND {OPEN} ORDER BY id LIMIT 1
"""  # noqa: S608 - put together from constants
_INSERT = """
    INSERT INTO mandates (bank, reference, customer_id, created_at) VALUES (:bank, :reference, :customer, :now)
    RETURNING id
"""
_VERSION = """
    INSERT INTO mandate_versions (mandate_id, version, account_sealed, account_hash, account_tail, holder_sealed,
        cap_minor, valid_from, valid_to, consent_text, consent_at, consent_channel, assisted_by, made_by, made_at)
    VALUES (:mandate, :version, :account_sealed, :account_hash, :account_tail, :holder_sealed, :cap_minor,
        :valid_from, :valid_to, :text, :now, :channel, :assisted_by, :by, :now)
"""
_LOCKED = """
    SELECT m.id, m.bank, m.reference, m.state, m.version, v.account_hash, v.cap_minor, v.valid_from, v.valid_to
    FROM mandates m JOIN mandate_versions v ON v.mandate_id = m.id AND v.version = m.version
    WHERE m.id = :id FOR UPDATE OF m
"""
_TERMS = f"""
    SELECT {", ".join("v." + name for name in Terms._fields)} FROM mandates m
    JOIN mandate_versions v ON v.mandate_id = m.id AND v.version = m.version WHERE m.id = :id
"""  # noqa: S608 - put together from constants
_OF_CUSTOMER = """
    SELECT m.id, m.bank, m.reference, m.state, v.version, v.account_tail, v.cap_minor, v.valid_from, v.valid_to
    FROM mandates m JOIN mandate_versions v ON v.mandate_id = m.id AND v.version = m.version
    WHERE m.customer_id = :customer ORDER BY m.id DESC LIMIT 5
"""


def proposed_cap(session: Session, customer_id: int) -> int:
    """Return the cap to begin with: three times the newest bill, rounded up to half a million đồng."""
    newest = int(session.scalar(text(_NEWEST_BILL), {"customer": customer_id}) or 1)
    return -(-newest * _CAP_TIMES // _CAP_STEP) * _CAP_STEP


def of_customer(session: Session, customer_id: int) -> list[Row[tuple[object, ...]]]:
    """Return a customer's latest mandates with their newest terms, accounts by their tails."""
    return list(session.execute(text(_OF_CUSTOMER), {"customer": customer_id}).all())


def submit(
    session: Session,
    customer_id: int,
    terms: Terms,
    consent: Consent,
    *,
    bank: str,
    reference: str,
    by: str,
    now: datetime,
) -> int:
    """Make a mandate that waits for its bank, and return its number; raises NotMoved, having changed nothing.

    One that is open already, in force or with its bank, has to end before.
    """
    _check_days(terms, now)
    session.execute(text(_CUSTOMER), {"id": customer_id})
    other = session.execute(text(_OPEN_ONE), {"customer": customer_id}).one_or_none()
    if other is not None:
        raise NotMoved(
            f"expected a customer without an open mandate, got one with mandate {other.id}"
            f" ({other.reference} of {other.bank}), which is {other.state}; end that first",
            "other",
        )
    values = {"bank": bank, "reference": reference, "customer": customer_id, "now": now}
    made = int(session.execute(text(_INSERT), values).scalar_one())
    _add(session, made, 1, terms, consent, by=by, now=now)
    move(session, MANDATE, [made], "submitted", by=by, why=f"opened by {consent.channel}", now=now)
    facts = {"bank": bank, "reference": reference, **_told(terms, consent)}
    audit.append(session, actor=by, action="mandate_opened", subject=f"mandate:{made}", facts=facts, now=now)
    return made


def renew(session: Session, mandate_id: int, terms: Terms, consent: Consent, *, by: str, now: datetime) -> int:
    """Add a version with other terms and a consent of its own; return its number. Raises NotMoved."""
    _check_days(terms, now)
    one = session.execute(text(_LOCKED), {"id": mandate_id}).one_or_none()
    if one is None:
        raise NotMoved(f"expected the number of a mandate, got {mandate_id}")
    if one.state not in ("submitted", "active", "paused"):
        raise NotMoved(f"expected a mandate that is not over, got one that is {one.state}")
    was = (bytes(one.account_hash), one.cap_minor, one.valid_from, one.valid_to)
    if was == (terms.account_hash, terms.cap_minor, terms.valid_from, terms.valid_to):
        raise NotMoved("expected another account, cap or validity, got the terms as they are", "same")
    _add(session, mandate_id, one.version + 1, terms, consent, by=by, now=now)
    facts = {"bank": one.bank, "reference": one.reference, "version": one.version + 1, **_told(terms, consent)}
    audit.append(session, actor=by, action="mandate_renewed", subject=f"mandate:{mandate_id}", facts=facts, now=now)
    return int(one.version) + 1


def terms_of(session: Session, mandate_id: int) -> Terms:
    """Return the newest terms of a mandate; raises NotMoved where there are none."""
    found = session.execute(text(_TERMS), {"id": mandate_id}).one_or_none()
    if found is None:
        raise NotMoved(f"expected the number of a mandate, got {mandate_id}")
    return Terms(*found)


def _check_days(terms: Terms, now: datetime) -> None:
    if terms.valid_to is not None and terms.valid_to < max(terms.valid_from, local_day(now)):
        first = max(terms.valid_from, local_day(now))
        raise NotMoved(f"expected a last day from {first} on, got {terms.valid_to}", "days")


def _add(
    session: Session, mandate: int, version: int, terms: Terms, consent: Consent, *, by: str, now: datetime
) -> None:
    values = {**terms._asdict(), **consent._asdict(), "mandate": mandate, "version": version, "by": by, "now": now}
    session.execute(text(_VERSION), values)
    mandate_orders.promise_registration(session, mandate, version, now=now)


def _told(terms: Terms, consent: Consent) -> dict[str, object]:
    """Return what the audit keeps of terms: no account, not even sealed."""
    return {
        "account": f"···{terms.account_tail}", "cap": terms.cap_minor, "from": terms.valid_from.isoformat(),
        "to": terms.valid_to.isoformat() if terms.valid_to else "", "consent": consent.text,
        "channel": consent.channel, "assisted_by": consent.assisted_by,
    }  # fmt: skip
