"""Customers by what somebody types into a search: a whole customer code, or a whole mobile number."""

from contextlib import suppress

from flask import current_app
from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import aliased

from gateway.admin.listing import Asked
from reconciliation.customers import Customer
from sms.numbers import Unreachable, to_e164


def named(asked: Asked) -> Select[int]:
    """Return a query of the ids of those that a search names; it may stand within another one."""
    customer = aliased(Customer)
    meant: list[ColumnElement[bool]] = [customer.code.in_(asked.spellings())]
    with suppress(Unreachable):
        # A phone number is never compared in clear: its blind index is.
        hashed = current_app.extensions["doisoat"].sealer.blind(to_e164(asked.search), "msisdn")
        meant.append(customer.msisdn_hash == hashed)
    return select(customer.id).where(or_(*meant))
