"""Payments: what came in, by whichever door it was heard, and which bills it settles."""

from typing import Any

from flask import Blueprint, abort, render_template, request
from sqlalchemy import case, func, select

from gateway.admin import office_scope, searches, words
from gateway.admin.banks import bank_choices
from gateway.admin.listing import Asked, Filter, answered, listed
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import story
from reconciliation.overview import PAYMENT_VIEWS
from reconciliation.payments import Payment
from reconciliation.placements import Placement

blueprint = Blueprint("payments", __name__, url_prefix="/payments")
NOT_TOLD = "none"
"""What an address calls payments of which no channel was told."""
MOST_CHANNEL = 50
OF_A_DAY = 50_000
"""Payments of one day are counted and summed up to here, so that a day's figure can be checked by its list."""
IN_DONG = case((Payment.currency == "VND", Payment.minor), else_=0)
_PUT = (
    select(func.coalesce(func.sum(Placement.minor), 0))
    .where(Placement.payment_id == Payment.id, Placement.undone_at.is_(None))
    .correlate(Payment)
    .scalar_subquery()
)
"""What people put elsewhere than in bills, of each payment by the index."""
_LEFT_OVER = case((Payment.currency == "VND", Payment.minor - Payment.matched_minor), else_=0)
_CONFIRMED = case((Payment.currency == "VND", Payment.confirmed_minor), else_=0)
_MATCHED = case((Payment.currency == "VND", Payment.matched_minor - _PUT), else_=0)
_PLACED = case((Payment.currency == "VND", _PUT), else_=0)
AMOUNTS = {
    "open": _LEFT_OVER, "unexplained": _LEFT_OVER, "confirmed": _CONFIRMED, "matched": _MATCHED, "placed": _PLACED,
}  # fmt: skip
"""What the payments behind a figure come to, as it does: of what is matched or placed the part of each that is."""


@blueprint.get("/")
def listing() -> tuple[str, int]:
    """List payments in the order in which they were heard of, the last first, whatever their days."""
    asked = Asked.of_request(
        Filter("bank", _("Bank"), bank_choices()),
        Filter("state", _("State"), words.PAYMENT_STATES),
        Filter("view", _("Figure"), words.VIEWS),
        Filter("channel", _("Channel"), _channels(), quiet=True),
        Filter("currency", _("Currency"), {"VND": "VND"}, quiet=True),
        Filter("day", _("Business day")),
        Filter("until", _("until"), quiet=True, since="day"),
    )
    wanted = select(Payment)
    if asked["bank"]:
        wanted = wanted.where(Payment.source == asked["bank"])
    if asked["state"]:
        wanted = wanted.where(Payment.state == asked["state"])
    if asked["view"]:
        wanted = wanted.where(PAYMENT_VIEWS[asked["view"]])
    if asked["channel"]:
        wanted = wanted.where(Payment.channel == ("" if asked["channel"] == NOT_TOLD else asked["channel"]))
    if asked["currency"]:
        wanted = wanted.where(Payment.currency == asked["currency"])
    wanted = asked.between(wanted, Payment.business_date, "day", "until")
    if asked.search:
        wanted = wanted.where(
            searches.among(Payment.id, searches.with_amount(searches.payments(asked), asked, Payment))
        )
    amount = AMOUNTS.get(asked["view"], IN_DONG)
    mine = office_scope.within(wanted, Payment)
    few = _of_one_day(asked)
    # What is matched or placed is looked up payment by payment: too dear for all that every bank brings in a day.
    summed = few and (asked["bank"] or asked["view"] not in ("matched", "placed"))
    most = office_scope.counted() or (OF_A_DAY if summed else None)
    found = listed(db(), mine, Payment.id, asked, amount=amount, most=most, few=few)
    return answered("admin/payments.html", found)


def _of_one_day(asked: Asked) -> bool:
    return bool(asked["day"]) and asked["until"] in ("", asked["day"])


def _channels() -> dict[str, Any]:
    """Return the channels with their names; one that a bank has declared by another name is asked for as it is."""
    named = request.args.get("channel", "").replace("\0", "").strip()[:MOST_CHANNEL]
    return {**({named: named} if named else {}), **words.CHANNELS, NOT_TOLD: _("not told")}


@blueprint.get("/<row:payment_id>")
def page(payment_id: int) -> str:
    """Show one payment and everything that happened to it."""
    return show(payment_id)


def show(payment_id: int, *, problem: str = "") -> str:
    """Return a payment's page; `problem` is what was wrong with the act that was just asked for."""
    payment = db().get(Payment, payment_id)
    if payment is None:
        abort(404)
    return render_template(
        "admin/payment.html", payment=payment, story=story.of_payment(db(), payment), problem=problem
    )
