"""Messages to customers: found by phone, bill or customer, each with its way; the desk for those nobody is sure of."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask_login import current_user
from sqlalchemy import CompoundSelect, select, union
from werkzeug.wrappers import Response

from gateway import bell, claiming, composing
from gateway.admin import customer_search, message_words, office_scope, searches, words
from gateway.admin.listing import Asked, Filter, answered, listed
from gateway.clock import LOCAL
from gateway.database import insist
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from gateway.setting_tables import SettingsError
from gateway.wiring import Wiring
from reconciliation import message_desk, sending, story
from reconciliation.bills import Bill
from reconciliation.customers import Customer
from reconciliation.message_desk import NotSaid
from reconciliation.message_parts import MessagePart
from reconciliation.outbox import TEST_REFERENCE, Message

blueprint = Blueprint("messages", __name__, url_prefix="/messages")
MOST_WORDS = 300
PROBLEMS: Mapping[str, Any] = {
    "no_reason": _("Say why: it is kept with your name."),
    "not_unsure": _("What became of it is known meanwhile."),
    "being_asked": _("Its carrier is being asked again at this moment: look once more in a few minutes."),
    "not_over": _("Its fate is still open: it can't be sent again."),
    "waiting": _("A newer one is on its way."),
    "untrue": _("What it says is no longer so."),
    "late": _("The day of its debit has begun: it would tell nothing new."),
    "not_to_be_told": _("The customer does not want SMS, or has no number."),
    "code": _("A one-time code is not sent again: the customer asks for a new one."),
}


@blueprint.get("/")
def listing() -> tuple[str, int]:
    """List messages, newest first; a search may be a phone number, a bill, a customer code or a reference.

    An address that asks what the list does not know lists nothing: it says what was expected, in the form as it is.
    """
    carriers = {name: name for name in current_app.extensions["doisoat"].settings.sms.carriers}
    asked = Asked.of_request(
        Filter("state", _("State"), words.MESSAGE_STATES),
        Filter("event", _("Event"), words.EVENTS),
        Filter("carrier", _("Carrier"), carriers),
        Filter("day", _("Day")),
    )
    wanted = (
        select(Message, Customer.code.label("customer"), Bill.number.label("bill"))
        .join(Customer, Customer.id == Message.customer_id)
        .outerjoin(Bill, Bill.id == Message.bill_id)
    )
    for name, column in (("state", Message.state), ("event", Message.event), ("carrier", Message.carrier)):
        if asked[name]:
            wanted = wanted.where(column == asked[name])
    day = asked.day()
    if day is not None:
        begins = datetime.combine(day, time(), LOCAL)
        wanted = wanted.where(Message.created_at >= begins, Message.created_at < begins + timedelta(days=1))
    if asked.search:
        wanted = wanted.where(Message.id.in_(_meant(asked)))
    return answered("admin/messages.html", listed(db(), office_scope.within(wanted, Message), Message.id, asked))


@blueprint.get("/<row:message_id>")
def page(message_id: int) -> str:
    """Show one message: its text, its way, and the other versions of its event."""
    return show(message_id)


@blueprint.post("/<row:message_id>/resolve")
def resolve(message_id: int) -> Response | tuple[str, int]:
    """Take a person's word on an unsure message: it arrived, or it did not."""
    arrived = request.form.get("arrived", "")
    if arrived not in ("yes", "no"):
        abort(400)

    def act() -> int:
        said = {"by": current_user.username, "why": _why(), "now": _now()}
        message_desk.resolve(db(), message_id, arrived=arrived == "yes", **said)
        return message_id

    return _done(message_id, act)


@blueprint.post("/<row:message_id>/again")
def again(message_id: int) -> Response | tuple[str, int]:
    """Send a message again as a new version, with a reason."""
    wiring = current_app.extensions["doisoat"]

    def act() -> int:
        made = message_desk.send_again(db(), message_id, by=current_user.username, why=_why(), now=_now())
        composing.compose_promises(db(), wiring.settings)
        return made

    answer = _done(message_id, act)
    if isinstance(answer, Response):
        bell.ring(wiring.valkey, "messages")
    return answer


def _done(message_id: int, act: Callable[[], int]) -> Response | tuple[str, int]:
    def work() -> int:
        db().rollback()
        shown = act()
        db().commit()
        return shown

    try:
        shown = insist(work)
    except NotSaid as refused:
        db().rollback()
        if refused.code == "gone":
            abort(404)
        return show(message_id, problem=str(PROBLEMS[refused.code])), 400 if refused.code == "no_reason" else 409
    return redirect(url_for(".page", message_id=shown), 303)


def show(message_id: int, *, problem: str = "") -> str:
    """Return a message's page; `problem` is what was wrong with the act that was just asked for."""
    message = db().get(Message, message_id)
    if message is None:
        abort(404)
    wiring = current_app.extensions["doisoat"]
    versions = db().scalars(
        select(Message).where(Message.event_key == message.event_key).order_by(Message.version.desc())
    )
    return render_template(
        "admin/message.html",
        message=message,
        problem=problem,
        customer=db().get_one(Customer, message.customer_id),
        bill=db().get(Bill, message.bill_id) if message.bill_id else None,
        versions=versions.all(),
        moves=story.moves_of(db(), "message", [message_id]),
        went_to_a_test_number=_went_to_a_test_number(message),
        waits=message_words.waits(db(), wiring, message),
        asked_again_at=_asked_again_at(wiring, message),
        may_go_again=message.state in message_desk.AGAIN and message.event != "mandate_code",
    )


def _asked_again_at(wiring: Wiring, message: Message) -> datetime | None:
    """Return when a carrier that knows our key again will be asked by itself what became of an unsure message."""
    with suppress(SettingsError):  # a secret that this process can't read: the senders say so
        if message.state == "unsure":
            return sending.asked_again_at(db(), message, memories=claiming.memories(wiring), now=_now())
    return None


def _meant(asked: Asked) -> CompoundSelect[Any]:
    found = [
        select(Message.id).where(Message.bill_id.in_(searches.bills(asked))),
        select(Message.id).where(Message.customer_id.in_(customer_search.named(asked))),
        select(Message.id).where(Message.provider_ref == asked.search),
    ]
    with suppress(ValueError):
        found.append(select(Message.id).where(Message.request_id == UUID(asked.search)))
    return union(*found)


def _went_to_a_test_number(message: Message) -> bool:
    """Tell whether nothing left, by the mark in its reference: by SMPP each part has one, and the message none."""
    named = select(MessagePart.id).where(
        MessagePart.message_id == message.id, MessagePart.provider_ref.startswith(TEST_REFERENCE)
    )
    return (message.provider_ref or "").startswith(TEST_REFERENCE) or db().scalar(named.limit(1)) is not None


def _why() -> str:
    return " ".join(request.form.get("why", "").split())[:MOST_WORDS]


def _now() -> datetime:
    moment: datetime = current_app.extensions["doisoat"].clock()
    return moment
