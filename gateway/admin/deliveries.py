"""Deliveries: everything banks sent, kept sealed; people see that it came and what became of it, never its bytes."""

from datetime import datetime, time, timedelta

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask_login import current_user
from sqlalchemy import Select, func, select
from sqlalchemy.orm import load_only
from werkzeug.wrappers import Response

from gateway import composing
from gateway.admin import searches, words
from gateway.admin.banks import bank_choices
from gateway.admin.listing import Asked, Filter, answered, listed
from gateway.clock import LOCAL
from gateway.database import insist
from gateway.languages import gettext
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import import_preview, import_undo, large_statements, story
from reconciliation.import_undo import NotUndone
from reconciliation.inbox import FOR_PEOPLE, Delivery, DeliveryChunk
from reconciliation.mismatches import Mismatch
from reconciliation.payments import Payment
from reconciliation.statements import Line, Statement

blueprint = Blueprint("deliveries", __name__, url_prefix="/deliveries")
_SHOWN = load_only(
    Delivery.source, Delivery.kind, Delivery.event_id, Delivery.name, Delivery.digest, Delivery.size,
    Delivery.answer_status, Delivery.answer_type, Delivery.conflicts_with, Delivery.state, Delivery.reason,
    Delivery.attempts, Delivery.received_at, Delivery.read_at, raiseload=True,
)  # fmt: skip
"""All but the sealed bytes, which are not even fetched."""
MOST_WORDS = 500
SHOWN = 20
"""Payments of a delivery that its page names."""
READ = ("read", "unreadable", "set_aside")
"""States in which a file may be read anew, once nothing of it stands in the books."""


@blueprint.get("/")
def listing() -> tuple[str, int]:
    """List deliveries, newest first."""
    asked = Asked.of_request(
        Filter("bank", _("Bank"), bank_choices()),
        Filter("kind", _("Kind"), words.KINDS),
        Filter("state", _("State"), words.DELIVERY_STATES),
        Filter("day", _("Received on")),
        Filter("closing", _("Statement of"), quiet=True),
        Filter("waits", _("Waits for"), {"person": _("a person")}, quiet=True),
    )
    wanted = select(Delivery).options(_SHOWN)
    if asked["bank"]:
        wanted = wanted.where(Delivery.source == asked["bank"])
    if asked["kind"]:
        wanted = wanted.where(Delivery.kind == asked["kind"])
    if asked["state"]:
        wanted = wanted.where(Delivery.state == asked["state"])
    if asked["waits"]:
        wanted = wanted.where(Delivery.state.in_(FOR_PEOPLE))
    day = asked.day()
    if day is not None:
        begins = datetime.combine(day, time(), LOCAL)
        wanted = wanted.where(Delivery.received_at >= begins, Delivery.received_at < begins + timedelta(days=1))
    if asked["closing"]:
        of_day = func.coalesce(Statement.closing_on, Statement.to_on) == asked.day("closing")
        told = select(Statement.delivery_id).where(Statement.kind == "statement", of_day)
        wanted = wanted.where(Delivery.id.in_(told))
    if asked.search:
        wanted = wanted.where(searches.among(Delivery.id, searches.deliveries(asked)))
    return answered("admin/deliveries.html", listed(db(), wanted, Delivery.id, asked))


@blueprint.get("/<row:delivery_id>")
def page(delivery_id: int) -> str:
    """Show one delivery: when it came, what its sender was told, what was read from it."""
    delivery = db().scalars(select(Delivery).options(_SHOWN).where(Delivery.id == delivery_id)).first()
    if delivery is None:
        abort(404)
    chunks = select(func.count()).where(DeliveryChunk.delivery_id == delivery_id)
    statements = db().scalars(select(Statement).where(Statement.delivery_id == delivery_id)).all()
    states = {one.state for one in statements}
    return render_template(
        "admin/delivery.html",
        delivery=delivery,
        chunks=db().scalar(chunks),
        payments=db().scalars(_payments(delivery).order_by(Payment.id).limit(SHOWN)).all(),
        statements=statements,
        in_work={
            one.id: large_statements.progress(one, current_app.extensions["doisoat"].clock())
            for one in statements
            if one.booking_from is not None
        },
        undoable="accepted" in states,
        readable=delivery.kind == "statement" and delivery.state in READ and "accepted" not in states,
        questions=db().scalars(select(Mismatch).where(Mismatch.delivery_id == delivery_id)).all(),
        moves=story.moves_of(db(), "delivery", [delivery_id]),
    )


def _payments(delivery: Delivery) -> Select[Payment]:
    """Return the query of the payments that a delivery told of: a callback by itself, a file by its lines."""
    if delivery.kind == "callback":
        by_it = select(Payment).where(Payment.delivery_id == delivery.id)
        return by_it.where(Payment.source_reference.not_like("line:%"))
    # Its first lines alone: a file may have hundreds of thousands.
    of_these = select(Statement.id).where(Statement.delivery_id == delivery.id)
    told = select(Line.payment_id).where(Line.statement_id.in_(of_these), Line.payment_id.is_not(None))
    first = told.order_by(Line.statement_id, Line.entry, Line.transaction).limit(SHOWN)
    return select(Payment).where(Payment.id.in_(first))


@blueprint.get("/<row:delivery_id>/undo")
def ask_undo(delivery_id: int) -> str:
    """Show what would go back."""
    return _undo_page(delivery_id)


@blueprint.post("/<row:delivery_id>/undo")
def undo(delivery_id: int) -> Response | tuple[str, int]:
    """Undo the import of this file, with the reason that was given."""
    wiring = current_app.extensions["doisoat"]
    why = " ".join(request.form.get("why", "").split())[:MOST_WORDS]
    if not why:
        return _undo_page(delivery_id, problem=gettext("Say why: it is kept with your name.")), 400

    def work() -> None:
        db().rollback()
        chosen = _chosen(delivery_id)
        following = "following" in request.form
        import_undo.undo(db(), chosen, by=current_user.username, why=why, now=wiring.clock(), with_following=following)
        composing.compose_promises(db(), wiring.settings)
        db().commit()

    try:
        insist(work)
    except NotUndone:
        db().rollback()
        said = gettext("Other statements follow on from this one: say that they are undone as well.")
        return _undo_page(delivery_id, problem=said), 409
    return redirect(url_for(".page", delivery_id=delivery_id), 303)


@blueprint.post("/<row:delivery_id>/read-anew")
def read_anew(delivery_id: int) -> Response:
    """Let the kept file be read once more; the schedule rings for it within a second."""
    why = " ".join(request.form.get("why", "").split())[:MOST_WORDS]
    if not why:
        abort(400)
    try:
        import_undo.read_anew(
            db(), delivery_id, by=current_user.username, why=why, now=current_app.extensions["doisoat"].clock()
        )
    except NotUndone:
        abort(409)
    db().commit()
    return redirect(url_for(".page", delivery_id=delivery_id), 303)


def _chosen(delivery_id: int) -> list[Statement]:
    try:
        return import_undo.chosen(db(), f"delivery:{delivery_id}")
    except NotUndone:
        abort(404)


def _undo_page(delivery_id: int, *, problem: str = "") -> str:
    chosen = _chosen(delivery_id)
    gone = import_undo.plan(db(), chosen, with_following=True)
    lines = sum(one.lines for one in gone)
    return render_template(
        "admin/undo_import.html", delivery_id=delivery_id, problem=problem, lines=lines,
        counted=import_preview.preview(db(), gone) if lines <= import_preview.MOST else None,
        own=[one for one in gone if one.delivery_id == delivery_id],
        following=[one for one in gone if one.delivery_id != delivery_id],
    )  # fmt: skip
