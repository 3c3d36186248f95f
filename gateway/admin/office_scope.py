"""The office a person belongs to: what they see is cut to its customers, in every list and on every page.

A list asks `within`; single rows are checked by the guard of all pages, by the names addresses give them, so that a
page can't forget to. A person without an office sees every office.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVarTuple

from flask_login import current_user
from sqlalchemy import ColumnElement, Select, and_, exists, false, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from gateway.request_session import db
from reconciliation.bills import Bill
from reconciliation.customers import Customer
from reconciliation.mandates import Mandate
from reconciliation.mismatches import Mismatch
from reconciliation.outbox import Message
from reconciliation.payments import Allocation, Payment

Columns = TypeVarTuple("Columns")
COUNTED_ROW_BY_ROW = 100
"""Rows of a large list that are counted for a person with an office, of which one in dozens is theirs."""


def office() -> str:
    """Return the office of the person who is signed in; "" for every office."""
    return str(current_user.office) if current_user.is_authenticated else ""


def within(wanted: Select[*Columns], model: type[Any]) -> Select[*Columns]:
    """Return `wanted`, a query of rows of `model`, cut to the office of the person who is signed in."""
    mine = office()
    return wanted.where(_OF[model](mine)) if mine else wanted


def counted() -> int | None:
    """Return how far a list that asks row by row is counted for a person with an office; None for everybody else."""
    return COUNTED_ROW_BY_ROW if office() else None


def sees(name: str, number: int) -> bool:
    """Tell whether a person with an office may see the row an address calls `name`; none of an unknown kind."""
    model = ROWS.get(name)
    if model is None:
        return False
    return db().scalar(within(select(model.id).where(model.id == number), model)) is not None


def _by_customer(column: InstrumentedAttribute[int]) -> Callable[[str], ColumnElement[bool]]:
    customer = aliased(Customer)
    return lambda mine: exists().where(customer.id == column, customer.office == mine)


def _of_payment(mine: str, payment_id: InstrumentedAttribute[Any] = Payment.id) -> ColumnElement[bool]:
    # It settles bills of the office's customers and of nobody else's: matches that were undone count, for they show.
    return _whose(payment_id, lambda customer: func.bool_and(customer.office == mine))


def _whose(
    payment_id: InstrumentedAttribute[Any], fold: Callable[[type[Customer]], ColumnElement[bool]]
) -> ColumnElement[bool]:
    """Return what `fold` says of the customers whose bills a payment settles; false for one that settles none.

    Asked row by row, as a value: a list in order would be joined whole with all links, bills and customers otherwise.
    """
    link, bill, customer = aliased(Allocation), aliased(Bill), aliased(Customer)
    theirs = (
        select(fold(customer)).select_from(link)
        .join(bill, bill.id == link.bill_id).join(customer, customer.id == bill.customer_id)
        .where(link.of(payment_id))
    )  # fmt: skip
    said: ColumnElement[bool] = func.coalesce(theirs.scalar_subquery(), false())
    return said


def _of_mismatch(mine: str) -> ColumnElement[bool]:
    # What it is about is the office's: its bill, and its payment as far as it has one.
    bill, customer = aliased(Bill), aliased(Customer)
    whose_bill = select(customer.office).join(bill, bill.customer_id == customer.id).where(bill.id == Mismatch.bill_id)
    of_bill = whose_bill.scalar_subquery() == mine
    of_payment = _of_payment(mine, Mismatch.payment_id)
    strange = _whose(Mismatch.payment_id, lambda customer: func.bool_or(customer.office != mine))
    return or_(and_(of_bill, ~strange), and_(Mismatch.bill_id.is_(None), of_payment))


_OF: Mapping[type[Any], Callable[[str], ColumnElement[bool]]] = {
    Customer: lambda mine: Customer.office == mine,
    Bill: _by_customer(Bill.customer_id),
    Message: _by_customer(Message.customer_id),
    Mandate: _by_customer(Mandate.customer_id),
    Payment: _of_payment,
    Mismatch: _of_mismatch,
}
"""A table → how a row is told to be an office's."""
ROWS: Mapping[str, type[Any]] = {
    "bill_id": Bill,
    "customer_id": Customer,
    "mandate_id": Mandate,
    "message_id": Message,
    "mismatch_id": Mismatch,
    "payment_id": Payment,
}
"""What addresses call a row's number → its table."""
