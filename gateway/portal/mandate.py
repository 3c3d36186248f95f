"""A customer's mandate: opened with consent to a text shown in full, seen masked, and ended."""

import io
from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response

from gateway import consents, mandate_desk
from gateway.admin import mandate_form
from gateway.admin.answer_form import Unreadable
from gateway.languages import gettext, language
from gateway.portal import proof
from gateway.request_session import db
from reconciliation import mandate_codes, mandate_openings, mandates
from reconciliation.business_days import local_day
from reconciliation.customers import Customer
from reconciliation.mandate_codes import Proof
from reconciliation.mandate_openings import Consent, Terms
from reconciliation.mandates import NotMoved

blueprint = Blueprint("mandate", __name__)
OPEN = ("draft", "submitted", "active", "paused")
BY = "customer"
"""Who does what a customer does without help."""


@blueprint.get("/mandate/")
def page() -> str | Response:
    """Show the mandate that is open, or the form of a new one."""
    given = proof.given()
    return _page(given[1]) if given else _again()


@blueprint.post("/mandate/")
def submit() -> Response | tuple[str, int]:
    """Open a mandate: from draft to submitted, with what was agreed and how."""
    given = proof.given()
    if given is None:
        return _again()
    handle, proven = given
    if proven.mandate_id is not None:  # the form was sent twice
        return redirect(url_for("portal.mandate.page"), 303)
    try:
        bank, consent = _bank(), _consent()
        terms = mandate_form.terms(_wiring().sealer, local_day(_now()))
    except Unreadable as problem:
        return _page(proven, str(problem)), 400
    try:
        _open(handle, proven, bank, terms, consent)
    except NotMoved:
        db().rollback()
        return _page(proven, gettext("There is a mandate already: see below.")), 409
    return redirect(url_for("portal.mandate.page"), 303)


@blueprint.get("/mandate/paper.pdf")
def paper() -> Response:
    """Send the paper of the customer's newest mandate."""
    from gateway import mandate_paper

    given = proof.given()
    found = mandate_openings.of_customer(db(), given[1].customer_id) if given else []
    if not found:
        return _again()
    made = mandate_paper.make(db(), _wiring(), found[0].id)
    return send_file(io.BytesIO(made.document), "application/pdf", as_attachment=True, download_name=made.name)


@blueprint.post("/mandate/end")
def end() -> Response | tuple[str, int]:
    """End the customer's own open mandate."""
    given = proof.given()
    if given is None:
        return _again()
    standing = _open_one(given[1])
    if standing is not None:
        why = "the customer asked at the counter" if proof.helper() else "the customer asked in the portal"
        try:
            mandates.carry_out(db(), standing.id, "end", by=proof.helper() or BY, why=why, now=_now())
            db().commit()
        except NotMoved:  # somebody else was quicker, or a debit is on its way
            db().rollback()
            return _page(given[1], gettext("The mandate could not be ended just now. Please look again below.")), 409
    return redirect(url_for("portal.mandate.page"), 303)


def _open(handle: UUID, proven: Proof, bank: str, terms: Terms, consent: Consent) -> None:
    now = _now()
    made = mandate_openings.submit(
        db(), proven.customer_id, terms, consent, bank=bank, reference=mandate_desk.new_reference(local_day(now)),
        by=proof.helper() or BY, now=now,
    )  # fmt: skip
    mandate_codes.spend(db(), handle, made)
    db().commit()


def _page(proven: Proof, problem: str = "") -> str:
    known = db().get_one(Customer, proven.customer_id)
    found = mandate_openings.of_customer(db(), proven.customer_id)
    standing = next((one for one in found if one.state in OPEN), None)
    return render_template(
        "portal/mandate.html",
        problem=problem,
        customer=known,
        standing=standing,
        last=found[0] if found and standing is None else None,
        spent=proven.mandate_id is not None,
        banks=mandate_desk.banks(_settings()),
        cap=mandate_openings.proposed_cap(db(), proven.customer_id),
        today=local_day(_now()),
        consent=consents.current(language()),
        typed=request.form,
    )


def _open_one(proven: Proof) -> Any:
    found = mandate_openings.of_customer(db(), proven.customer_id)
    return next((one for one in found if one.state in OPEN), None)


def _bank() -> str:
    bank = request.form.get("bank", "")
    if bank not in mandate_desk.banks(_settings()):
        raise Unreadable(gettext("Choose the bank of the account."))
    return bank


def _consent() -> Consent:
    text = consents.current(language())
    # What was ticked names the text that stood beside it: a newer one has to be read first.
    if request.form.get("agrees") != f"{text.version}/{language()}":
        raise Unreadable(gettext("Read the text below and tick that you agree to it."))
    helper = proof.helper()
    return Consent(f"{text.version}/{language()}", "counter" if helper else "web", helper)


def _again() -> Response:
    return redirect(url_for("portal.proof.start"), 303)


def _wiring() -> Any:
    return current_app.extensions["doisoat"]


def _settings() -> Any:
    return _wiring().settings


def _now() -> Any:
    return _wiring().clock()
