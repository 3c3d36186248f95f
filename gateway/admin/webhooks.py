"""Webhooks: which systems are told what happens, what each of them took, and a person's word to send it again."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from gateway import bell, webhook_desk
from gateway.admin import words
from gateway.admin.listing import Asked, Filter, listed
from gateway.languages import gettext
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import webhook_endpoints, webhook_events, webhook_sending
from reconciliation.webhook_endpoints import TYPES, Endpoint, NotAdded
from reconciliation.webhook_events import Event, Sending
from reconciliation.webhook_sending import MOST_AGAIN, Again

blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks")
TYPE_WORDS = {
    "payment.matched": _("a payment settles bills"),
    "payment.reversed": _("what it settled is owed again"),
    "day.closed": _("a bank's day is signed"),
    "day.reopened": _("a signed day is reopened"),
    "ping": _("a try of the road"),
}
STATES = {"live": _("live"), "ailing": _("ailing: an event was never taken"), "disabled": _("disabled")}
SENDING_STATES = words.STATES["webhook"]
TONES = {"live": "good", "delivered": "good", "ailing": "warn", "failed": "bad", "disabled": "faded"}
MOST_WORDS = 300


@blueprint.get("/")
def listing() -> str:
    """Show every endpoint."""
    return _listing()


@blueprint.post("/")
def add() -> tuple[str, int]:
    """Add an endpoint and show its key, this once."""
    wiring = current_app.extensions["doisoat"]
    url, events = request.form.get("url", "").replace("\0", ""), request.form.getlist("event")
    try:
        made, key = webhook_desk.add(db(), wiring, url, events, by=current_user.username)
    except NotAdded:
        db().rollback()
        return _listing(problem=_problem(events)), 400
    db().commit()
    return _page(made, key=key), 201


@blueprint.get("/<row:endpoint_id>")
def page(endpoint_id: int) -> str:
    """Show one endpoint and the log of what it was sent."""
    found = db().get(Endpoint, endpoint_id)
    if found is None:
        abort(404)
    return _page(found)


@blueprint.post("/<row:endpoint_id>/rotate")
def rotate(endpoint_id: int) -> str:
    """Give an endpoint a new key and show it, this once."""
    wiring, endpoint = current_app.extensions["doisoat"], _locked(endpoint_id)
    by, now = current_user.username, wiring.clock()
    key = webhook_endpoints.rotate(db(), endpoint, sealer=wiring.sealer, by=by, now=now)
    db().commit()
    return _page(endpoint, key=key)


@blueprint.post("/<row:endpoint_id>/disable")
def disable(endpoint_id: int) -> Response | tuple[str, int]:
    """Send an endpoint nothing any more."""
    why = " ".join(request.form.get("why", "").split())[:MOST_WORDS].replace("\0", "")
    endpoint = _locked(endpoint_id)
    if not why:
        return _page(endpoint, problem=gettext("Say why: it is kept with your name.")), 400
    return _done(endpoint, lambda by, now: webhook_endpoints.disable(db(), endpoint, why=why, by=by, now=now))


@blueprint.post("/<row:endpoint_id>/enable")
def enable(endpoint_id: int) -> Response:
    """Send an endpoint what waits for it, and what happens from now on."""
    endpoint = _locked(endpoint_id)
    return _done(endpoint, lambda by, now: webhook_endpoints.enable(db(), endpoint, by=by, now=now))


@blueprint.post("/<row:endpoint_id>/test")
def ping(endpoint_id: int) -> Response:
    """Send an endpoint an event that only tries the road."""
    endpoint = _locked(endpoint_id)
    return _done(endpoint, lambda _by, now: webhook_events.ping(db(), endpoint, now=now))


@blueprint.post("/<row:endpoint_id>/replay")
def replay(endpoint_id: int) -> Response | str | tuple[str, int]:
    """Send an endpoint one event once more, or those since a time: so many at once, and the page goes on from there."""
    endpoint, uid = _locked(endpoint_id), request.form.get("event", "").replace("\0", "")
    if uid:
        return _done(
            endpoint, lambda by, now: webhook_sending.replay(db(), uid, endpoint_id=endpoint_id, by=by, now=now)
        )
    try:
        since = webhook_desk.place(request.form.get("since", ""), request.form.get("after", "0"))
    except ValueError:
        return _page(endpoint, problem=gettext("Choose from when on events are sent again.")), 400
    made: list[Again] = []
    done = _done(
        endpoint, lambda by, now: made.append(webhook_sending.replay_since(db(), endpoint, since, by=by, now=now))
    )
    return _page(endpoint, again=made[0]) if made[0].further else done


def _locked(endpoint_id: int) -> Endpoint:
    found = webhook_endpoints.locked(db(), endpoint_id)
    if found is None:
        abort(404)
    return found


def _done(endpoint: Endpoint, act: Callable[[str, Any], object]) -> Response:
    wiring, number = current_app.extensions["doisoat"], endpoint.id
    act(current_user.username, wiring.clock())
    db().commit()
    bell.ring(wiring.valkey, "webhooks")
    return redirect(url_for(".page", endpoint_id=number), 303)


def _problem(events: list[str]) -> str:
    if not events or not set(events) <= set(TYPES):
        return gettext("Choose what it hears of.")
    return gettext("Give an address on the internet that begins with https://, without a user or password in it.")


def _listing(problem: str = "") -> str:
    types = {one: TYPE_WORDS[one] for one in TYPES}
    return render_template(
        "admin/webhooks.html", endpoints=webhook_endpoints.every(db()), types=types, states=STATES, tones=TONES,
        problem=problem,
    )  # fmt: skip


def _page(endpoint: Endpoint, *, problem: str = "", key: str = "", again: Again | None = None) -> str:
    asked = Asked.of_request(Filter("state", _("State"), SENDING_STATES), Filter("type", _("Event"), TYPE_WORDS))
    wanted = webhook_desk.log_of(endpoint.id)
    if asked["state"]:
        wanted = wanted.where(Sending.state == asked["state"])
    if asked["type"]:
        wanted = wanted.where(Event.type == asked["type"])
    if asked.search:
        wanted = wanted.where(Event.uid == asked.search)
    page = listed(db(), wanted, Sending.id, asked)
    return render_template(
        "admin/webhook.html", endpoint=endpoint, page=page, types=TYPE_WORDS,
        tries=webhook_desk.tries(db(), [row[0].id for row in page.rows]), states=STATES,
        sending_states=SENDING_STATES, tones=TONES, problem=problem, key=key,
        again=again, most_again=MOST_AGAIN, now=current_app.extensions["doisoat"].clock(),
    )  # fmt: skip
