"""Deliveries: everything banks sent, kept sealed; people see that it came and what became of it, never its bytes."""

from datetime import datetime, time, timedelta

from flask import Blueprint, abort, render_template
from sqlalchemy import func, or_, select
from sqlalchemy.orm import load_only

from gateway.admin import words
from gateway.admin.banks import bank_choices
from gateway.admin.listing import Asked, Filter, page_of
from gateway.clock import LOCAL
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import story
from reconciliation.inbox import Delivery, DeliveryChunk
from reconciliation.mismatches import Mismatch
from reconciliation.payments import Payment
from reconciliation.statements import Statement

blueprint = Blueprint("deliveries", __name__, url_prefix="/deliveries")
_SHOWN = load_only(
    Delivery.source, Delivery.kind, Delivery.event_id, Delivery.name, Delivery.digest, Delivery.size,
    Delivery.answer_status, Delivery.answer_type, Delivery.conflicts_with, Delivery.state, Delivery.reason,
    Delivery.attempts, Delivery.received_at, Delivery.read_at, raiseload=True,
)  # fmt: skip
"""All but the sealed bytes, which are not even fetched."""


@blueprint.get("/")
def listing() -> str:
    """List deliveries, newest first."""
    asked = Asked.of_request(
        Filter("bank", _("Bank"), bank_choices()),
        Filter("kind", _("Kind"), words.KINDS),
        Filter("state", _("State"), words.DELIVERY_STATES),
        Filter("day", _("Received on")),
    )
    wanted = select(Delivery).options(_SHOWN)
    if asked["bank"]:
        wanted = wanted.where(Delivery.source == asked["bank"])
    if asked["kind"]:
        wanted = wanted.where(Delivery.kind == asked["kind"])
    if asked["state"]:
        wanted = wanted.where(Delivery.state == asked["state"])
    day = asked.day()
    if day is not None:
        begins = datetime.combine(day, time(), LOCAL)
        wanted = wanted.where(Delivery.received_at >= begins, Delivery.received_at < begins + timedelta(days=1))
    if asked.search:
        number = asked.search.removeprefix("#")
        reported = select(Payment.delivery_id).where(Payment.source_reference.in_(asked.spellings()))
        found = [
            Delivery.event_id.in_(asked.spellings()),
            Delivery.name == asked.search,
            Delivery.id.in_(reported),
            func.encode(Delivery.digest, "hex") == asked.search.lower(),
        ]
        if number.isascii() and number.isdigit() and len(number) <= 18:
            found.append(Delivery.id == int(number))
        wanted = wanted.where(or_(*found))
    return render_template("admin/deliveries.html", page=page_of(db(), wanted, Delivery.id, asked))


@blueprint.get("/<row:delivery_id>")
def page(delivery_id: int) -> str:
    """Show one delivery: when it came, what its sender was told, what was read from it."""
    delivery = db().scalars(select(Delivery).options(_SHOWN).where(Delivery.id == delivery_id)).first()
    if delivery is None:
        abort(404)
    payments = select(Payment).where(Payment.delivery_id == delivery_id).order_by(Payment.id).limit(20)
    chunks = select(func.count()).where(DeliveryChunk.delivery_id == delivery_id)
    return render_template(
        "admin/delivery.html",
        delivery=delivery,
        chunks=db().scalar(chunks),
        payments=db().scalars(payments).all(),
        statements=db().scalars(select(Statement).where(Statement.delivery_id == delivery_id)).all(),
        questions=db().scalars(select(Mismatch).where(Mismatch.delivery_id == delivery_id)).all(),
        moves=story.moves_of(db(), "delivery", [delivery_id]),
    )
