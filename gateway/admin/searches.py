"""What somebody types into a search, as queries of the ids it names: each way to be named goes by its own index.

One condition that asks for a number or a customer or a payment's reference would read every row there is.
"""

import re
from typing import Any

from flask import current_app
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    Text,
    any_,
    literal,
    select,
    tuple_,
    union,
)
from sqlalchemy.orm import InstrumentedAttribute

from gateway.admin import customer_search
from gateway.admin.listing import Asked
from gateway.request_session import db
from reconciliation.bills import Bill
from reconciliation.inbox import Delivery, RemoteFile
from reconciliation.mandates import Mandate
from reconciliation.mismatches import Mismatch
from reconciliation.payments import Allocation, Payment
from reconciliation.statements import Line, Statement

Ids = CompoundSelect[Any]
MOST = 10_000
"""Rows of one search that are looked up ahead of its list; who searches for something finds fewer."""
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_DIGEST = re.compile(r"(?:[0-9a-fA-F]{2}){32}", re.ASCII)


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


def mandates(asked: Asked) -> Ids:
    """Return the query of mandates by reference or customer (code or phone)."""
    banks = list(current_app.extensions["doisoat"].settings.banks)
    return union(
        select(Mandate.id).where(Mandate.bank.in_(banks), Mandate.reference.in_(asked.spellings())),
        select(Mandate.id).where(Mandate.customer_id.in_(customer_search.named(asked))),
    )


def sent(asked: Asked) -> Ids:
    """Return the query of deliveries by event, file name, statement's number, or the reference of a line in them."""
    codes, banks = asked.spellings(), list(current_app.extensions["doisoat"].settings.banks)
    return union(
        select(Delivery.id).where(Delivery.source.in_(banks), Delivery.event_id.in_(codes)),
        select(Delivery.id).where(Delivery.name != "", Delivery.name == asked.search),
        select(RemoteFile.delivery_id).where(RemoteFile.bank.in_(banks), RemoteFile.name == asked.search),
        select(Statement.delivery_id)
        .join(Line, Line.statement_id == Statement.id)
        .where(Line.bank_reference != "", Line.bank_reference.in_(codes)),
        select(Statement.delivery_id).where(Statement.statement_id.in_({*codes, asked.search})),
    )


def deliveries(asked: Asked) -> Ids:
    """Return the query of deliveries as `sent` does, and by number, digest, or a payment's reference."""
    codes, banks = asked.spellings(), list(current_app.extensions["doisoat"].settings.banks)
    number = asked.search.removeprefix("#")
    more = [select(Payment.delivery_id).where(Payment.source.in_(banks), Payment.source_reference.in_(codes))]
    if _NUMBER.fullmatch(number):
        more.append(select(Delivery.id).where(Delivery.id == int(number)))
    if _DIGEST.fullmatch(asked.search):
        # A digest is unique with its source and kind.
        known = [(bank, kind) for bank in banks for kind in ("callback", "statement")]
        digest = bytes.fromhex(asked.search)
        more.append(
            select(Delivery.id).where(tuple_(Delivery.source, Delivery.kind).in_(known), Delivery.digest == digest)
        )
    return union(sent(asked), *more)


def among(key: InstrumentedAttribute[int], found: Ids | Select[int]) -> ColumnElement[bool]:
    """Return the condition that a row is among what a search names.

    Up to MOST of them are looked up first: a list in order with a search inside it would be read from its end to find a
    row or two. What names more than that is found soon enough from the end.
    """
    ids = found.subquery()
    wanted = select(ids.c[0]).where(ids.c[0].is_not(None))
    named = db().scalars(wanted.limit(MOST + 1)).all()
    return key.in_(wanted) if len(named) > MOST else key == any_(literal(list(named), ARRAY(BigInteger)))


def with_amount(found: Ids, asked: Asked, model: type[Bill] | type[Payment]) -> Ids:
    """Return `found` with the rows of `model` over the amount that was typed, if one was."""
    amount = asked.amount()
    return found if amount is None else union(found, select(model.id).where(model.minor == amount))
