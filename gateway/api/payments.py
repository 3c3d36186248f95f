"""/api/v1/payments: what came in, by whichever door it was heard, and which bills it settles."""

from typing import Any

from sqlalchemy import Row, select, text

from gateway.api import customers, kinds, paging, shapes
from gateway.api.operations import Asked, Done, operation
from gateway.api.problems import Problem
from reconciliation.bills import Bill
from reconciliation.lifecycle import PAYMENT
from reconciliation.payments import OF_A_LINE, Allocation, Payment

_REFERENCE = kinds.text("[!-~]{1,255}", "a bank's reference", slashes=True)
_FIELDS = {
    "id": shapes.ID, "bank": shapes.TEXT, "reference": shapes.TEXT, "bank_reference": shapes.MAYBE_TEXT,
    "end_to_end_id": shapes.MAYBE_TEXT, "state": shapes.one_of(PAYMENT.states),
    "heard_by": shapes.one_of(["callback", "notice", "statement"]), "amount": shapes.AMOUNT, "matched": shapes.AMOUNT,
    "confirmed": shapes.AMOUNT, "currency": shapes.CURRENCY, "paid_at": shapes.MAYBE_MOMENT,
    "business_date": shapes.DAY, "channel": shapes.MAYBE_TEXT, "payer_tail": shapes.TAIL, "created_at": shapes.MOMENT,
}  # fmt: skip
PAYMENT_SCHEMA = shapes.of(**_FIELDS)
_SETTLED = shapes.of(
    number=shapes.TEXT, version=shapes.ID, amount=shapes.AMOUNT, rule=shapes.TEXT, matched_at=shapes.MOMENT
)
_WHOLE = shapes.of(**_FIELDS, bills=shapes.some(_SETTLED))
_EXAMPLE = {
    "id": 31, "bank": "standard", "reference": "FT26322000481", "bank_reference": None, "end_to_end_id": None,
    "state": "confirmed", "heard_by": "callback", "amount": 100000, "matched": 100000, "confirmed": 100000,
    "currency": "VND", "paid_at": "2026-11-18T01:59:00Z", "business_date": "2026-11-18", "channel": "transfer",
    "payer_tail": "4321", "created_at": "2026-11-18T02:00:00Z",
}  # fmt: skip
_WHOLE_EXAMPLE = {**_EXAMPLE, "bills": [{
    "number": "HD2611-0000001", "version": 1, "amount": 100000, "rule": "payment_code",
    "matched_at": "2026-11-18T02:00:01Z",
}]}  # fmt: skip


@operation(
    "GET", "/payments", "payments:read", name="listPayments", answer=paging.page_of(PAYMENT_SCHEMA),
    example={"items": [_EXAMPLE], "next": None},
    query={
        "state": kinds.choice(PAYMENT.states),
        "bank": kinds.BANK,
        "customer": kinds.CODE,
        "matched": kinds.choice(["wholly", "not_wholly"], "Whether all of it settles bills."),
        "since": kinds.day("Of this business day or later."),
        "until": kinds.day("Of this business day or earlier."),
        **paging.QUERY,
    },
)  # fmt: skip
def listing(asked: Asked) -> Done:
    """List payments, those of the last business day first."""
    wanted = select(Payment.id, Payment.business_date).where(*paging.days(asked, Payment.business_date))
    if asked["state"]:
        wanted = wanted.where(Payment.state == asked["state"])
    if asked["bank"]:
        wanted = wanted.where(Payment.source == asked["bank"])
    if asked["matched"]:
        whole = Payment.matched_minor < Payment.minor
        wanted = wanted.where(whole if asked["matched"] == "not_wholly" else ~whole)
    if asked["customer"]:
        settled = (
            select(Allocation.payment_id)
            .join(Bill, Bill.id == Allocation.bill_id)
            .where(Bill.customer_id == customers.of_code(asked["customer"]), Allocation.undone_at.is_(None))
        )
        wanted = wanted.where(Payment.id.in_(settled))
    # What is not wholly matched is little, and found by its own index.
    day = None if asked["matched"] == "not_wholly" else Payment.business_date
    return paging.page(asked, wanted, select(Payment), Payment.id, lambda row: written(row[0]), day=day)


@operation(
    "GET", "/payments/{id}", "payments:read", name="getPayment", answer=_WHOLE, example=_WHOLE_EXAMPLE,
    inside={"id": kinds.ID}, problems=(404,),
)  # fmt: skip
def one(asked: Asked) -> Done:
    """Return a payment by its number here, with the bills that it settles."""
    return _whole(asked, asked.session.get(Payment, asked["id"]))


@operation(
    "GET", "/payments/{bank}/{reference}", "payments:read", name="getPaymentByReference", answer=_WHOLE,
    example=_WHOLE_EXAMPLE, inside={"bank": kinds.BANK, "reference": _REFERENCE},
    problems=(404,),
)  # fmt: skip
def by_reference(asked: Asked) -> Done:
    """Return a payment by its bank and that bank's reference."""
    of_bank = select(Payment).where(Payment.source == asked["bank"])
    found = asked.session.scalar(of_bank.where(Payment.source_reference == asked["reference"]))
    if found is None:
        # Shown by a statement alone, under a reference that lines may share: several are told apart by their numbers.
        shown = of_bank.where(
            Payment.bank_reference == asked["reference"], Payment.bank_reference != "", text(OF_A_LINE)
        )
        named = asked.session.scalars(shown.order_by(Payment.id).limit(2)).all()
        if len(named) > 1:
            raise Problem(404, "no such payment", ["reference: expected that of one payment; ask by its number"])
        found = named[0] if named else None
    return _whole(asked, found)


def _whole(asked: Asked, payment: Payment | None) -> Done:
    if payment is None:
        raise Problem(404, "no such payment", ["expected the number or the bank and reference of a payment"])
    settled = asked.session.execute(
        select(Allocation, Bill.number, Bill.version)
        .join(Bill, Bill.id == Allocation.bill_id)
        .where(Allocation.payment_id == payment.id, Allocation.undone_at.is_(None))
        .order_by(Allocation.id)
    )
    return Done({**written(payment), "bills": [_settled(row) for row in settled]})


def _settled(row: Row[*tuple[Any, ...]]) -> dict[str, object]:
    part, number, version = row
    at = shapes.moment(part.at)
    return {"number": number, "version": version, "amount": part.minor, "rule": part.rule, "matched_at": at}


def written(payment: Payment) -> dict[str, object]:
    """Return one payment as it is told: of the payer, the last digits alone."""
    return {
        "id": payment.id, "bank": payment.source, "reference": payment.reference,
        "bank_reference": payment.bank_reference or None, "end_to_end_id": payment.end_to_end_id or None,
        "state": payment.state, "heard_by": payment.origin, "amount": payment.minor, "matched": payment.matched_minor,
        "confirmed": payment.confirmed_minor, "currency": payment.currency, "paid_at": shapes.moment(payment.paid_at),
        "business_date": shapes.day(payment.business_date), "channel": payment.channel or None,
        "payer_tail": payment.payer_tail, "created_at": shapes.moment(payment.created_at),
    }  # fmt: skip
