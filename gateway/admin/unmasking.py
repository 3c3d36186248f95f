"""Personal data in full: shown on its page for one answer, for a reason that is kept, and never written anywhere."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, abort, current_app, g, request
from flask_login import current_user
from sqlalchemy import select

from gateway import kept_contents
from gateway.admin import bills, contents, mandates, messages, mismatches, payments, personal_data, sms_wishes
from gateway.languages import gettext
from gateway.request_session import db
from reconciliation import audit
from reconciliation.bills import Bill
from reconciliation.customers import Customer
from reconciliation.inbox import Delivery
from reconciliation.mandates import HOLDER_SEALED, SEALED, MandateVersion
from reconciliation.mismatches import Mismatch
from reconciliation.outbox import Message
from reconciliation.payments import Payment
from reconciliation.sealing import Sealer
from reconciliation.statements import Line

blueprint = Blueprint("unmasking", __name__)
PHONE_SEALED = "customers.msisdn"
Answer = str | tuple[str, int]
Found = tuple[str, Mapping[str, Any]]
"""Whose data it is, as the audit names them, and the values by what each is."""


@blueprint.post("/bills/<row:bill_id>/unmask")
def of_bill(bill_id: int) -> Answer:
    """Show the phone number of a bill's customer on the bill's page."""
    return _show(
        "phone", lambda: _phone(_row(Bill, bill_id).customer_id), lambda said: bills.show(bill_id, problem=said)
    )


@blueprint.post("/messages/<row:message_id>/unmask")
def of_message(message_id: int) -> Answer:
    """Show the phone number of a message's customer on the message's page."""
    return _show(
        "phone", lambda: _phone(_row(Message, message_id).customer_id),
        lambda said: messages.show(message_id, problem=said),
    )  # fmt: skip


@blueprint.post("/sms-wishes/<row:customer_id>/unmask")
def of_customer(customer_id: int) -> Answer:
    """Show a customer's phone number on the page of their wishes."""
    return _show("phone", lambda: _phone(customer_id), lambda said: sms_wishes.show(customer_id, problem=said))


@blueprint.post("/mandates/<row:mandate_id>/unmask")
def of_mandate(mandate_id: int) -> Answer:
    """Show the accounts and holders of a mandate on its page."""
    return _show("account", lambda: _accounts(mandate_id), lambda said: mandates.show(mandate_id, problem=said))


@blueprint.post("/payments/<row:payment_id>/unmask")
def of_payment(payment_id: int) -> Answer:
    """Show what a payer wrote on the payment's page."""

    def find() -> Found:
        text = _row(Payment, payment_id).narrative
        return f"payment:{payment_id}", {"narrative": text} if text else {}

    return _show("narrative", find, lambda said: payments.show(payment_id, problem=said))


@blueprint.post("/mismatches/<row:mismatch_id>/unmask")
def of_mismatch(mismatch_id: int) -> Answer:
    """Show what the payer of a question wrote on the question's page."""

    def find() -> Found:
        asked = _row(Mismatch, mismatch_id)
        payment = db().get(Payment, asked.payment_id) if asked.payment_id else None
        line = db().get(Line, asked.line_id) if asked.line_id else None
        text = payment.narrative if payment is not None else line.narrative if line is not None else ""
        return f"mismatch:{mismatch_id}", {"narrative": text} if text else {}

    return _show("narrative", find, lambda said: mismatches.show(mismatch_id, problem=said))


@blueprint.post("/deliveries/<row:delivery_id>/contents/unmask")
def of_delivery(delivery_id: int) -> Answer:
    """Show a window of what came as it came on the page of its contents."""

    def find() -> Found:
        text = kept_contents.window(db(), _sealer(), _row(Delivery, delivery_id), contents.start()).text
        return f"delivery:{delivery_id}", {"contents": text} if text else {}

    return _show("contents", find, lambda said: contents.show(delivery_id, problem=said))


def _show(what: str, find: Callable[[], Found], page: Callable[[str], str]) -> Answer:
    if not personal_data.may(what):
        abort(403)
    why = " ".join(request.form.get("unmask_why", "").replace("\0", "").split())[: personal_data.MOST_REASON]
    if len(why) < personal_data.LEAST_REASON:
        return page(gettext("Say in at least %(count)s characters why you need it: it is kept with your name.",
                            count=personal_data.LEAST_REASON)), 400  # fmt: skip
    whose, values = find()
    if not values:
        return page(gettext("There is nothing more to show.")), 409
    facts = {"what": sorted(values), "why": why, "page": request.full_path.rstrip("?")}
    now = current_app.extensions["doisoat"].clock()
    audit.append(db(), actor=current_user.username, action="unmasked", subject=whose, facts=facts, now=now)
    db().commit()  # first it is kept who looks, then it is shown
    g.unmasked = values
    return page("")


def _phone(customer_id: int) -> Found:
    customer = _row(Customer, customer_id)
    sealed = customer.msisdn_sealed
    return f"customer:{customer.code}", {"phone": _sealer().open(sealed, PHONE_SEALED).decode()} if sealed else {}


def _accounts(mandate_id: int) -> Found:
    wanted = select(MandateVersion).where(MandateVersion.mandate_id == mandate_id).order_by(MandateVersion.version)
    versions: Sequence[MandateVersion] = db().scalars(wanted).all()
    accounts = {one.version: _sealer().open(one.account_sealed, SEALED).decode() for one in versions}
    holders = {
        one.version: _sealer().open(one.holder_sealed, HOLDER_SEALED).decode() for one in versions if one.holder_sealed
    }
    return f"mandate:{mandate_id}", {"account": accounts, "holder": holders} if versions else {}


def _row(model: Any, number: int) -> Any:
    found = db().get(model, number)
    if found is None:
        abort(404)
    return found


def _sealer() -> Sealer:
    sealer: Sealer = current_app.extensions["doisoat"].sealer
    return sealer
