"""Customers' wishes of SMS: found by code or phone, what each is told and how, who changed it when, and the change."""

from collections.abc import Callable, Sequence
from datetime import datetime

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from gateway.admin import answer_form, customer_search, office_scope
from gateway.admin.answer_form import Unreadable
from gateway.admin.listing import Asked, page_of
from gateway.database import insist
from gateway.languages import gettext
from gateway.request_session import db
from reconciliation import credit, sms_wishes
from reconciliation.audit import AuditEntry
from reconciliation.customers import Customer
from reconciliation.sms_wishes import MAY_BE_REFUSED, NotWished

blueprint = Blueprint("sms_wishes", __name__, url_prefix="/sms-wishes")
_SHOWN = 50
_SIGNS = {"with": True, "without": False}


@blueprint.get("/")
def listing() -> str | Response:
    """Find customers by code or phone; the one that a search means is shown at once, and nobody without a search."""
    asked = Asked.of_request()
    if not asked.search:
        return render_template("admin/sms_wishes.html", page=None, asked=asked)
    wanted = office_scope.within(select(Customer).where(Customer.id.in_(customer_search.named(asked))), Customer)
    found = page_of(db(), wanted, Customer.id, asked)
    if found.total == 1 and found.rows:
        return redirect(url_for(".page", customer_id=found.rows[0][0].id), 303)
    return render_template("admin/sms_wishes.html", page=found, asked=asked)


@blueprint.get("/<row:customer_id>")
def page(customer_id: int) -> str:
    """Show one customer's wishes."""
    return show(customer_id)


@blueprint.post("/<row:customer_id>")
def change(customer_id: int) -> Response | tuple[str, int]:
    """Note one wish: an event refused, one allowed again, or with or without Vietnamese signs; with a reason."""
    customer = _customer(customer_id)
    act = _asked_for(customer.code)
    try:
        why = answer_form.why()
    except Unreadable as problem:
        return _page(customer, str(problem)), 400
    wiring = current_app.extensions["doisoat"]

    def work() -> None:
        db().rollback()
        act(db(), current_user.username, why, wiring.clock())
        db().commit()

    try:
        insist(work)
    except NotWished:  # the customer is there and the event is one: then it is as asked already
        db().rollback()
        return _page(_customer(customer_id), gettext("It is so already: look at the page once more.")), 409
    return redirect(url_for(".page", customer_id=customer_id), 303)


def _asked_for(code: str) -> Callable[[Session, str, str, datetime], object]:
    """Return what the pressed button asks for; 400 for what no form of ours sends."""
    refused, allowed, signs = (request.form.get(name, "") for name in ("refuse", "allow", "signs"))
    if refused in MAY_BE_REFUSED:
        return lambda session, by, why, now: sms_wishes.refuse(session, code, refused, by=by, why=why, now=now)
    if allowed in MAY_BE_REFUSED:
        return lambda session, by, why, now: sms_wishes.allow(session, code, allowed, by=by, why=why, now=now)
    if signs not in _SIGNS:
        abort(400)
    kept = _SIGNS[signs]
    return lambda session, by, why, now: sms_wishes.write(session, code, diacritics=kept, by=by, why=why, now=now)


def show(customer_id: int, *, problem: str = "") -> str:
    """Return the page of a customer's wishes; `problem` is what was wrong with the act that was just asked for."""
    return _page(_customer(customer_id), problem)


def _page(customer: Customer, problem: str = "") -> str:
    return render_template(
        "admin/customer_wishes.html", customer=customer, events=MAY_BE_REFUSED, history=_history(customer.code),
        credit=credit.of_customer(db(), customer.id),
        why=request.form.get("why", ""), problem=problem,
    )  # fmt: skip


def _history(code: str) -> Sequence[AuditEntry]:
    """Return who changed the wishes and when, newest first, by the page or the command."""
    noted = select(AuditEntry).where(AuditEntry.subject == f"customer:{code}", AuditEntry.action == "sms_wishes")
    return db().scalars(noted.order_by(AuditEntry.id.desc()).limit(_SHOWN)).all()


def _customer(customer_id: int) -> Customer:
    customer = db().get(Customer, customer_id)
    if customer is None:
        abort(404)
    return customer
