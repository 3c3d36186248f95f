"""The counter: banks and wallets that collect on the utility's behalf ask what is owed, pay it, and take it back.

A bank's reference is one payment for ever, the same one that its callback and its statement tell of. What is accepted
is kept in the inbox byte for byte with its answer, in the transaction that books it; a refusal leaves nothing behind.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import astuple, dataclass
from datetime import date, datetime
from typing import Literal, NoReturn

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from banks.money import dong
from banks.records import Answer, PaymentNotice
from reconciliation import bills, business_days, denials, inbox, matching, payments
from reconciliation.sealing import Sealer

MOST_BILLS = 100


class Refused(Exception):
    """What can't be done, and why: `code` is one of the counter's own, `expected` and `got` say it in values."""

    def __init__(self, code: str, expected: str, got: str) -> None:
        self.code, self.expected, self.got = code, expected, got
        super().__init__(f"{code}: expected {expected}, got {got}")


@dataclass(frozen=True, slots=True)
class OwedBill:
    """One bill as it is owed now; `minor` is what is still missing, in đồng."""

    number: str
    payment_code: str
    period: str
    kwh: int
    minor: int
    due_on: date


@dataclass(frozen=True, slots=True)
class Owing:
    """A customer and the bills they owe, oldest first; the name is masked, and empty where billing told none."""

    customer_code: str
    name: str
    office: str
    owed: list[OwedBill]


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it is kept: who called, its bytes and what stood around them, sealed."""

    source: str
    size: int
    head: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Paying:
    """What a bank says it has collected, for the bill that `bill` names by its payment code or its number."""

    reference: str
    named_by: Literal["payment_code", "bill_number"]
    bill: str
    minor: int
    paid_at: datetime
    channel: str


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment that settles one bill whole."""

    reference: str
    bill_number: str
    payment_code: str
    minor: int
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class Reversing:
    """A payment a bank takes back; the reason is one of a few words, so that no name can stand in it."""

    reference: str
    reason: str


_OWED = f"""
    SELECT b.number, b.payment_code, b.period, b.kwh, b.minor - b.paid_minor AS minor, b.due_on
    FROM bills b JOIN customers c ON c.id = b.customer_id
    WHERE c.code = :code AND {bills.LIVE} AND b.paid_minor < b.minor
    ORDER BY b.issued_on, b.due_on, b.number LIMIT :most
"""  # noqa: S608 - put together from constants, here and below
_BILL = """
    SELECT id, number, payment_code, state, minor - paid_minor AS owed FROM bills
    WHERE number = (SELECT number FROM bills WHERE {column} = :bill ORDER BY {live} DESC, id DESC LIMIT 1)
    ORDER BY version DESC LIMIT 1 FOR UPDATE
"""
_BILLS = {
    "payment_code": _BILL.format(column="payment_code", live=bills.LIVE),
    "bill_number": _BILL.format(column="number", live=bills.LIVE),
}
_PAYMENT = """
    SELECT id, state, origin, delivery_id, minor, currency, business_date FROM payments
    WHERE source = :source AND source_reference = :reference
"""
_SETTLED = """
    SELECT minor FROM allocations WHERE payment_id = :payment AND bill_id = :bill AND undone_at IS NULL
"""
_KEPT = """
    SELECT id, digest, answer_status, answer_type, answer_body FROM deliveries
    WHERE source = :source AND event_id = :event
"""
_IS_KEPT = """
    SELECT EXISTS (SELECT 1 FROM deliveries WHERE source = :source AND kind = 'callback' AND digest = :digest)
"""
_KEEP = """
    INSERT INTO deliveries (source, kind, event_id, digest, size, head, body, received_at, answer_status, answer_type,
        answer_body, conflicts_with)
    VALUES (:source, 'callback', :event, :digest, :size, :head, :body, :now, :status, :type, :answer, :conflicts_with)
    RETURNING id
"""


def inquire(session: Session, customer_code: str) -> Owing:
    """Return what a customer owes; raise Refused for a code we don't know."""
    found = session.execute(
        text("SELECT code, name_masked, office FROM customers WHERE code = :code"), {"code": customer_code}
    ).one_or_none()
    if found is None:
        raise Refused("unknown_customer", "the code of a customer of ours", customer_code)
    rows = session.execute(text(_OWED), {"code": customer_code, "most": MOST_BILLS})
    return Owing(found.code, found.name_masked, found.office, [OwedBill(*row) for row in rows])


def pay(
    session: Session, call: Call, paying: Paying, *, answered: Callable[[Paid], Answer], sealer: Sealer, now: datetime
) -> Answer:
    """Book one payment that settles one bill exactly, and return the answer that is kept with it.

    The same again gets the first answer word for word. Raises Refused when it is not to be taken; the caller then rolls
    back, and books nothing.
    """
    payments.lock_sources(session, {call.source})
    event, digest = _event("pay", paying.reference), _digest(paying)
    known = _kept(session, call.source, event)
    if _kept(session, call.source, _event("reverse", paying.reference)) is not None:
        raise Refused("reversed", "a reference of its own for a new payment", paying.reference)
    if known is not None:
        return _repeated(known, digest)
    bill = session.execute(text(_BILLS[paying.named_by]), {"bill": paying.bill}).one_or_none()
    if bill is None:
        raise Refused("unknown_bill", f"the {paying.named_by} of a bill of ours", paying.bill)
    answer = answered(Paid(paying.reference, bill.number, bill.payment_code, paying.minor, paying.paid_at))
    delivery = _keep(session, call, event, digest, answer=answer, now=now)
    notice = PaymentNotice(
        source_reference=paying.reference, amount=dong(paying.minor), paid=True, paid_at=paying.paid_at,
        payment_code=bill.payment_code, channel=paying.channel,
    )  # fmt: skip
    payments.report(session, [payments.Heard(call.source, delivery, notice)], sealer=sealer, now=now)
    payment = _payment(session, call.source, paying.reference)
    is_new = payment.origin == "callback" and payment.delivery_id == delivery
    if is_new:
        _check_owed(bill, paying.minor)
    matching.match(session, [payment.id], now=now)
    settled = session.scalar(text(_SETTLED), {"payment": payment.id, "bill": bill.id})
    if settled != paying.minor or payment.minor != paying.minor:
        _refuse_unsettled(bill, paying, is_new)
    return answer


def reverse(
    session: Session, call: Call, reversing: Reversing, *, answered: Callable[[Reversing], Answer], now: datetime
) -> Answer:
    """Take back a payment that was taken today and that no statement has shown; return the answer kept with it.

    The same again gets the first answer word for word; raises Refused as `pay` does.
    """
    payments.lock_sources(session, {call.source})
    event, digest = _event("reverse", reversing.reference), _digest(reversing)
    known = _kept(session, call.source, event)
    if known is not None:
        return _repeated(known, digest)
    if _kept(session, call.source, _event("pay", reversing.reference)) is None:
        raise Refused("unknown_payment", "the reference of a payment taken by /pay", reversing.reference)
    payment = _payment(session, call.source, reversing.reference)
    if payment.state != "reported":
        raise Refused("confirmed", "a payment that no statement has shown yet", f"one that is {payment.state}")
    today = business_days.local_day(now)
    if payment.business_date != today:
        raise Refused("too_late", f"a payment of {today.isoformat()}", payment.business_date.isoformat())
    why = f"the bank took it back: {reversing.reason}"
    if not denials.deny(session, payment.id, by=call.source, why=why, now=now):
        raise Refused("confirmed", "a payment that no statement has shown yet", "one that has just been confirmed")
    answer = answered(reversing)
    _keep(session, call, event, digest, answer=answer, now=now)
    return answer


def standing(session: Session, source: str, reference: str) -> Answer | None:
    """Return the latest answer this bank was given about a reference, None when it never paid under it."""
    for verb in ("reverse", "pay"):
        known = _kept(session, source, _event(verb, reference))
        if known is not None:
            return _answer(known)
    return None


def keep_conflict(session: Session, call: Call, paying: Paying, answer: Answer, *, now: datetime) -> None:
    """Keep for a person a payment whose reference is taken by another one; the same once more is kept once."""
    payments.lock_sources(session, {call.source})
    # Apart from that of the same call taken, should it ever be.
    digest = hashlib.sha256(b"conflict\0" + _digest(paying)).digest()
    if session.scalar(text(_IS_KEPT), {"source": call.source, "digest": digest}):
        return
    known = _kept(session, call.source, _event("pay", paying.reference))
    first = known.id if known else None
    _keep(session, call, None, digest, answer=answer, now=now, state="conflicting", conflicts_with=first)


# What makes two calls the same is what they say, not how their JSON is spaced.
def _digest(said: Paying | Reversing) -> bytes:
    written = [type(said).__name__, *map(str, astuple(said))]
    return hashlib.sha256(json.dumps(written).encode()).digest()


def _event(verb: str, reference: str) -> str:
    return f"collect/{verb}/{reference}"


def _kept(session: Session, source: str, event: str) -> Row[tuple[int, bytes, int, str, bytes]] | None:
    return session.execute(text(_KEPT), {"source": source, "event": event}).one_or_none()


def _payment(session: Session, source: str, reference: str) -> Row[tuple[int, str, str, int, int, str, date]]:
    return session.execute(text(_PAYMENT + " FOR UPDATE"), {"source": source, "reference": reference}).one()


def _answer(known: Row[tuple[int, bytes, int, str, bytes]]) -> Answer:
    return Answer(known.answer_status, known.answer_type, bytes(known.answer_body))


def _repeated(known: Row[tuple[int, bytes, int, str, bytes]], digest: bytes) -> Answer:
    if bytes(known.digest) != digest:
        raise Refused("conflict", "the same content as the first call with this reference", "other content")
    return _answer(known)


def _keep(
    session: Session, call: Call, event: str | None, digest: bytes, *, answer: Answer, now: datetime,
    state: str = "read", conflicts_with: int | None = None,
) -> int:  # fmt: skip
    values = {
        "source": call.source, "event": event, "digest": digest, "size": call.size, "head": call.head,
        "body": call.body, "now": now, "status": answer.status, "type": answer.content_type, "answer": answer.body,
        "conflicts_with": conflicts_with,
    }  # fmt: skip
    made: int = session.execute(text(_KEEP), values).scalar_one()
    reason = "the reference is known with other content" if state == "conflicting" else ""
    inbox.finish(session, [made], state, reason=reason, now=now)
    return made


def _check_owed(bill: Row[tuple[int, str, str, str, int]], minor: int) -> None:
    if bill.state in ("cancelled", "replaced"):
        raise Refused("bill_withdrawn", "a bill that is owed", f"one that is {bill.state}")
    if not bill.owed:
        raise Refused("already_paid", "a bill that is owed", "one that is paid")
    if bill.owed != minor:
        raise Refused("wrong_amount", str(bill.owed), str(minor))


def _refuse_unsettled(bill: Row[tuple[int, str, str, str, int]], paying: Paying, is_new: bool) -> NoReturn:
    if is_new:
        got = "another claim that comes first, or a code that names no bill or several"
        raise Refused("not_settled", f"bill {bill.number} settled by its payment code", got)
    raise Refused(
        "conflict", f"the payment that {paying.reference} is known to be", f"{paying.minor} for bill {bill.number}"
    )
