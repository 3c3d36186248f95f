"""The story beside a case: the customer's last bills, payments and messages, so that nobody has to look them up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from gateway.admin import office_scope
from gateway.request_session import db
from reconciliation.bills import Bill
from reconciliation.customers import Customer
from reconciliation.mismatches import Mismatch
from reconciliation.outbox import Message
from reconciliation.payments import Allocation, Payment

SHOWN = 4
"""Rows of each sort."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What is known of the customer a case is about, the newest first."""

    customer: Customer
    bills: Sequence[Bill]
    payments: Sequence[Any]
    messages: Sequence[Message]


def of(mismatch: Mismatch, payment: Payment | None, suggested: Sequence[str]) -> Beside | None:
    """Return the story of the customer of the bill asked about, of what the payment settles, or of `suggested` bills.

    None when the case is about no one customer, or about one of another office: who belongs to an office may see a
    case whose payment quotes somebody else's code.
    """
    customer_id = _of_bills(mismatch, payment, suggested)
    customer = db().get(Customer, customer_id) if customer_id else _quoted(payment)
    if customer is None or (office_scope.office() and not office_scope.sees("customer_id", customer.id)):
        return None
    bills = select(Bill).where(Bill.customer_id == customer.id).order_by(Bill.issued_on.desc(), Bill.id.desc())
    paid = (
        select(Payment, Allocation.minor.label("part"), Bill.number)
        .join(Allocation, Allocation.payment_id == Payment.id)
        .join(Bill, Bill.id == Allocation.bill_id)
        .where(Bill.customer_id == customer.id, Allocation.undone_at.is_(None))
        .order_by(Allocation.at.desc(), Allocation.id.desc())
    )
    told = select(Message).where(Message.customer_id == customer.id).order_by(Message.id.desc())
    return Beside(
        customer,
        db().scalars(bills.limit(SHOWN)).all(),
        db().execute(paid.limit(SHOWN)).all(),
        db().scalars(told.limit(SHOWN)).all(),
    )


def _of_bills(mismatch: Mismatch, payment: Payment | None, suggested: Sequence[str]) -> int | None:
    if mismatch.bill_id is not None:
        return db().scalar(select(Bill.customer_id).where(Bill.id == mismatch.bill_id))
    owners = select(Bill.customer_id).distinct().limit(2)
    found: Sequence[int] = []
    if payment is not None:
        settled = owners.join(Allocation, Allocation.bill_id == Bill.id)
        live = settled.where(Allocation.payment_id == payment.id, Allocation.undone_at.is_(None))
        found = db().scalars(live).all()
    if not found and suggested:
        found = db().scalars(owners.where(Bill.number.in_(suggested))).all()
    return found[0] if len(found) == 1 else None


def _quoted(payment: Payment | None) -> Customer | None:
    if payment is None or not payment.quoted:
        return None
    found = db().scalars(select(Customer).where(Customer.code.in_(payment.quoted)).order_by(Customer.id).limit(2)).all()
    return found[0] if len(found) == 1 else None
