"""Trace: one search for whatever somebody has in hand, and where each thing it names has its whole story."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select, text
from werkzeug.wrappers import Response

from gateway.admin import access, customer_search, office_scope, searches
from gateway.admin.listing import Asked
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation.bills import Bill
from reconciliation.customers import Customer
from reconciliation.debits import MEANT, Debit
from reconciliation.inbox import Delivery
from reconciliation.mandates import Mandate
from reconciliation.mismatches import Mismatch
from reconciliation.payments import Allocation, Payment
from reconciliation.webhook_endpoints import Endpoint
from reconciliation.webhook_events import Event, Sending

blueprint = Blueprint("trace", __name__, url_prefix="/trace")
_CASE = re.compile(r"(?:(?P<code>[Mm][0-9]{2}) ?)?#(?P<number>[0-9]{1,18})", re.ASCII)
"""A case as pages name it."""
_MOST = 20
"""Things of one kind that are shown; a longer list has its own page, whose search takes the same words."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing: its name, table, the page of one, the address's name for its id, and the page of all, if any.

    `state` is what its states are called by; a customer has none.
    """

    name: Any
    model: type[Any]
    page: str
    key: str
    listing: str
    state: str = ""
    has_moment: bool = False
    """Whether it has a moment instead of a day."""
    narrowed: bool = False
    """Whether the page of one is a list, to be searched for the same."""

    def address(self, number: int, search: str) -> str:
        """Return the address of the page of one, by its number, that `search` has found."""
        asked: dict[str, Any] = {self.key: number, "q": search.lower() if self.narrowed else None}
        return url_for(self.page, **asked)


@dataclass(frozen=True, slots=True)
class Found:
    """The things of one kind that a search names; `more` where not all of them are shown."""

    kind: Kind
    rows: Sequence[Any]
    more: bool


BILLS = Kind(_("Bills"), Bill, "admin.bills.page", "bill_id", "admin.bills.listing", "bill")
PAYMENTS = Kind(_("Payments"), Payment, "admin.payments.page", "payment_id", "admin.payments.listing", "payment")
DEBITS = Kind(_("Debits"), Debit, "admin.debits.page", "debit_id", "", "debit")
MANDATES = Kind(_("Mandates"), Mandate, "admin.mandates.page", "mandate_id", "admin.mandates.listing", "mandate")
DELIVERIES = Kind(
    _("Deliveries"),
    Delivery,
    "admin.deliveries.page",
    "delivery_id",
    "admin.deliveries.listing",
    "delivery",
    has_moment=True,
)
CASES = Kind(
    _("Mismatches"), Mismatch, "admin.mismatches.page", "mismatch_id", "", "mismatch", has_moment=True,
)  # fmt: skip
TOLD = Kind(
    _("Webhooks"), Endpoint, "admin.webhooks.page", "endpoint_id", "", "webhook", has_moment=True, narrowed=True
)  # fmt: skip
CUSTOMERS = Kind(_("Customers"), Customer, "admin.sms_wishes.page", "customer_id", "admin.sms_wishes.listing")


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment for who may not open payments: what it came to and which bills it settles, if any."""

    payment: Payment
    bills: Sequence[Bill]


@blueprint.get("/")
def page() -> str | Response:
    """Find what is searched for; the one thing that it names is shown at once.

    Every look is by an index; an amount names bills and payments that are over just as much.
    """
    asked = Asked.of_request()
    found = [one for kind, wanted in _looks(asked) if (one := _found(kind, wanted))] if asked.search else []
    paid = _paid(asked) if asked.search and not found and not access.may_open(PAYMENTS.page) else []
    if len(found) == 1 and len(found[0].rows) == 1:
        [one] = found
        return redirect(one.kind.address(one.rows[0].id, asked.search), 303)
    return render_template("admin/trace.html", asked=asked, found=found, paid=paid)


def _paid(asked: Asked) -> list[Paid]:
    """Return the payments that a reference names, each with its bills: what may be told without the payments' pages."""
    named = office_scope.within(select(Payment).where(searches.among(Payment.id, searches.payments(asked))), Payment)
    payments = db().scalars(named.order_by(Payment.id.desc()).limit(_MOST)).all()
    settled = (
        select(Allocation.payment_id, Bill)
        .join(Bill, Bill.id == Allocation.bill_id)
        .where(Allocation.payment_id.in_([one.id for one in payments]), Allocation.undone_at.is_(None))
        .order_by(Allocation.id)
    )
    bills: dict[int, list[Bill]] = {}
    for payment_id, bill in db().execute(office_scope.within(settled, Bill)):
        bills.setdefault(payment_id, []).append(bill)
    return [Paid(one, bills.get(one.id, ())) for one in payments]


def _found(kind: Kind, wanted: Select[*tuple[Any, ...]]) -> Found | None:
    if not access.may_open(kind.page):
        return None
    rows = db().execute(office_scope.within(wanted, kind.model).limit(_MOST + 1)).all()
    return Found(kind, rows[:_MOST], len(rows) > _MOST) if rows else None


def _looks(asked: Asked) -> Sequence[tuple[Kind, Select[*tuple[Any, ...]]]]:
    """Return how each kind is looked for: rows of id, name, state, moment or day, and đồng where there are any."""
    codes = asked.spellings()
    customers = db().scalars(customer_search.named(asked)).all()
    bill_ids = db().scalars(searches.bills(asked).limit(1000)).all()
    return (
        (CUSTOMERS, select(Customer.id, Customer.code.label("name"), Customer.office.label("state"))
         .where(Customer.id.in_(customers)).order_by(Customer.code)),
        (BILLS, select(Bill.id, Bill.number.label("name"), Bill.state, Bill.issued_on.label("at"), Bill.minor)
         .where(searches.among(Bill.id, searches.with_amount(searches.bills(asked), asked, Bill)))
         .order_by(Bill.id.desc())),
        (PAYMENTS, select(Payment.id, Payment.source_reference.label("name"), Payment.bank_reference, Payment.state,
                          Payment.business_date.label("at"), Payment.minor)
         .where(searches.among(Payment.id, searches.with_amount(searches.payments(asked), asked, Payment)))
         .order_by(Payment.id.desc())),
        (DEBITS, select(Debit.id, Debit.end_to_end_id.label("name"), Debit.state, Debit.charge_on.label("at"),
                        Debit.minor)
         .where(or_(Debit.bill_id.in_(bill_ids), and_(text(MEANT), Debit.end_to_end_id.in_(codes))))
         .order_by(Debit.id.desc())),
        (MANDATES, select(Mandate.id, Mandate.reference.label("name"), Mandate.state)
         .where(searches.among(Mandate.id, searches.mandates(asked)))
         .order_by(Mandate.id.desc())),
        (CASES, select(Mismatch.id, func.concat(Mismatch.code, " #", Mismatch.id).label("name"), Mismatch.state,
                       Mismatch.opened_at.label("at"), Mismatch.minor)
         .where(*_cases(asked.search)).order_by(Mismatch.id)),
        (TOLD, select(Endpoint.id, Endpoint.url.label("name"), Sending.state, Event.at)
         .join(Sending, Sending.endpoint_id == Endpoint.id).join(Event, Event.id == Sending.event_id)
         .where(Event.uid == asked.search.lower()).order_by(Endpoint.id)),
        (DELIVERIES, select(Delivery.id, Delivery.name, Delivery.state, Delivery.received_at.label("at"))
         .where(searches.among(Delivery.id, searches.sent(asked))).order_by(Delivery.id.desc())),
    )  # fmt: skip


def _cases(search: str) -> Sequence[ColumnElement[bool]]:
    """Return what the case that "#20" or "M03 #20" asks for is; nothing is it for anything else."""
    named = _CASE.fullmatch(search)
    if named is None:
        return [false()]
    code = [] if named["code"] is None else [Mismatch.code == named["code"].upper()]
    return [Mismatch.id == int(named["number"]), *code]
