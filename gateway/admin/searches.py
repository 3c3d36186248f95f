"""What somebody types into a search, as queries of the ids it names: each way to be named goes by its own index.

One condition that asks for a number or a customer or a payment's reference would read every row there is.
"""

from typing import Any

from flask import current_app
from sqlalchemy import ARRAY, ColumnElement, CompoundSelect, Select, Text, literal, select, union

from gateway.admin import customer_search
from gateway.admin.listing import Asked
from reconciliation.bills import Bill
from reconciliation.mismatches import Mismatch
from reconciliation.payments import Allocation, Payment
from reconciliation.statements import Line

Ids = CompoundSelect[Any]


def bills(asked: Asked) -> Ids:
    """Return the query of bills by number, payment code, end-to-end id or customer (code or phone)."""
    codes = asked.spellings()
    return union(
        select(Bill.id).where(Bill.number.in_(codes)),
        select(Bill.id).where(Bill.payment_code.in_(codes)),
        select(Bill.id).where(Bill.end_to_end_id.in_(codes)),
        select(Bill.id).where(Bill.customer_id.in_(customer_search.named(asked))),
    )


def payments(asked: Asked) -> Ids:
    """Return the query of payments by their references, by what settles or shows them, or by a code left unmatched."""
    codes, banks = asked.spellings(), list(current_app.extensions["doisoat"].settings.banks)
    of_bank = Payment.source.in_(banks)
    return union(
        select(Allocation.payment_id).where(Allocation.bill_id.in_(bills(asked))),
        select(Payment.id).where(of_bank, Payment.source_reference.in_(codes)),
        select(Payment.id).where(of_bank, Payment.bank_reference != "", Payment.bank_reference.in_(codes)),
        select(Payment.id).where(of_bank, Payment.end_to_end_id != "", Payment.end_to_end_id.in_(codes)),
        select(Payment.id).where(Payment.matched_minor < Payment.minor, _quotes(codes)),
        select(Line.payment_id).where(
            Line.payment_id.is_not(None), Line.bank_reference != "", Line.bank_reference.in_(codes)
        ),
    )


def _quotes(codes: list[str]) -> ColumnElement[bool]:
    return Payment.quoted.bool_op("&&")(literal(codes, ARRAY(Text)))


def mismatches(asked: Asked) -> Ids:
    """Return the query of questions by code, subject, bill or payment, or by the amount in question."""
    of_amount: list[Select[Any]] = []
    if (amount := asked.amount()) is not None:
        of_amount.append(select(Mismatch.id).where(Mismatch.minor == amount))
    return union(
        select(Mismatch.id).where(Mismatch.code.in_(asked.spellings())),
        select(Mismatch.id).where(Mismatch.subject == asked.search),
        select(Mismatch.id).where(Mismatch.bill_id.in_(bills(asked))),
        select(Mismatch.id).where(Mismatch.payment_id.in_(payments(asked))),
        *of_amount,
    )


def with_amount(found: Ids, asked: Asked, model: type[Bill] | type[Payment]) -> Ids:
    """Return `found` with the rows of `model` over the amount that was typed, if one was."""
    amount = asked.amount()
    return found if amount is None else union(found, select(model.id).where(model.minor == amount))
