"""Mandates: what customers let banks take, one with its versions and moves, and what people do with it."""

import io
from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, current_app, redirect, render_template, request, send_file, url_for
from flask_login import current_user
from sqlalchemy import and_, select
from werkzeug.wrappers import Response

from gateway import consents
from gateway.admin import access, answer_form, mandate_form, mandate_words, office_scope, searches
from gateway.admin.answer_form import Unreadable
from gateway.admin.banks import bank_choices
from gateway.admin.listing import Asked, Filter, answered, listed
from gateway.database import insist
from gateway.languages import gettext
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import mandate_openings, mandates
from reconciliation.business_days import local_day
from reconciliation.customers import Customer
from reconciliation.lifecycle import Transition
from reconciliation.mandate_openings import Consent
from reconciliation.mandates import ACTS, Mandate, MandateVersion, NotMoved

blueprint = Blueprint("mandates", __name__, url_prefix="/mandates")
NOTED_BY_STAFF = ("counter", "paper", "phone")
"""How a customer agrees to what a person then notes; the other ways note it themselves."""


@blueprint.get("/")
def listing() -> tuple[str, int]:
    """List mandates, newest first."""
    asked = Asked.of_request(
        Filter("bank", _("Bank"), bank_choices()), Filter("state", _("State"), mandate_words.STATES)
    )
    wanted = (
        select(Mandate, MandateVersion, Customer.code)
        .join(Customer, Customer.id == Mandate.customer_id)
        .outerjoin(
            MandateVersion,
            and_(MandateVersion.mandate_id == Mandate.id, MandateVersion.version == Mandate.version),
        )
    )
    for name, column in (("bank", Mandate.bank), ("state", Mandate.state)):
        if asked[name]:
            wanted = wanted.where(column == asked[name])
    if asked.search:
        wanted = wanted.where(searches.among(Mandate.id, searches.mandates(asked)))
    return answered("admin/mandates.html", listed(db(), office_scope.within(wanted, Mandate), Mandate.id, asked))


@blueprint.get("/<row:mandate_id>")
def page(mandate_id: int) -> str:
    """Show one mandate."""
    return show(mandate_id)


@blueprint.post("/<row:mandate_id>/renew")
def renew(mandate_id: int) -> Response | tuple[str, int]:
    """Note other terms that the customer has agreed to: another version."""
    wiring = current_app.extensions["doisoat"]
    now, channel = wiring.clock(), request.form.get("channel", "")
    if channel not in NOTED_BY_STAFF:
        abort(400)  # no form of ours sends it
    text = consents.current("vi")
    try:
        if request.form.get("agrees") != text.version:
            raise Unreadable(gettext("Tick that the customer has read the text and agrees to it."))
        read = mandate_form.terms(wiring.sealer, local_day(now), standing=_standing(mandate_id))
    except Unreadable as problem:
        return show(mandate_id, problem=str(problem)), 400
    agreed = Consent(f"{text.version}/vi", channel, current_user.username)
    return _done(
        mandate_id,
        lambda: mandate_openings.renew(db(), mandate_id, read, agreed, by=current_user.username, now=now),
    )


@blueprint.get("/<row:mandate_id>/<row:version>.pdf")
def paper(mandate_id: int, version: int) -> Response:
    """Send the paper of a version, account and holder masked."""
    from gateway import mandate_paper

    try:
        made = mandate_paper.make(db(), current_app.extensions["doisoat"], mandate_id, version=version)
    except NotMoved:
        abort(404)
    return send_file(io.BytesIO(made.document), "application/pdf", as_attachment=True, download_name=made.name)


@blueprint.post("/<row:mandate_id>/for-bank")
def for_bank(mandate_id: int) -> Response:
    """Send the bank's copy of the newest version, in full; the audit says who made it."""
    from gateway import mandate_paper

    try:
        made = mandate_paper.make_for_bank(
            db(), current_app.extensions["doisoat"], mandate_id, by=current_user.username
        )
    except NotMoved:
        abort(404)
    db().commit()
    return send_file(io.BytesIO(made.document), "application/pdf", as_attachment=True, download_name=made.name)


def show(mandate_id: int, *, problem: str = "") -> str:
    """Return the page of a mandate; `problem` is what was wrong with the act that was just asked for."""
    mandate = db().get(Mandate, mandate_id)
    if mandate is None:
        abort(404)
    versions = select(MandateVersion).where(MandateVersion.mandate_id == mandate_id)
    moves = select(Transition).where(Transition.kind == "mandate", Transition.subject_id == mandate_id)
    return render_template(
        "admin/mandate.html",
        mandate=mandate,
        customer=db().get_one(Customer, mandate.customer_id),
        versions=db().scalars(versions.order_by(MandateVersion.version.desc())).all(),
        moves=db().scalars(moves.order_by(Transition.sort_key)).all(),
        acts=[
            name
            for name, act in ACTS.items()
            if mandate.state in act.sources and access.may_open(f"admin.mandates.{name}")
        ],
        channels={name: mandate_words.CHANNELS[name] for name in NOTED_BY_STAFF},
        text=consents.current("vi"),
        typed=request.form,
        problem=problem,
    )


def _act(name: str) -> Callable[[int], Response | tuple[str, int]]:
    def act(mandate_id: int) -> Response | tuple[str, int]:
        try:
            why = answer_form.why()
        except Unreadable as problem:
            return show(mandate_id, problem=str(problem)), 400
        now = current_app.extensions["doisoat"].clock()
        return _done(
            mandate_id,
            lambda: mandates.carry_out(db(), mandate_id, name, by=current_user.username, why=why, now=now),
        )

    return act


for _name in ACTS:
    blueprint.add_url_rule(f"/<row:mandate_id>/{_name}", _name, _act(_name), methods=["POST"])


def _done(mandate_id: int, act: Callable[[], object]) -> Response | tuple[str, int]:
    """Do one act in one transaction and return to the mandate, or show it with what is in the way."""

    def work() -> None:
        db().rollback()
        act()
        db().commit()

    try:
        insist(work)
    except NotMoved as problem:
        db().rollback()
        return show(mandate_id, problem=str(mandate_words.NOT_MOVED[problem.reason])), 409
    return redirect(url_for("admin.mandates.page", mandate_id=mandate_id), 303)


def _standing(mandate_id: int) -> Any:
    try:
        return mandate_openings.terms_of(db(), mandate_id)
    except NotMoved:
        abort(404)
