"""The SMS carriers: how each does, and a person's word to try an ill one again."""

from flask import Blueprint, abort, current_app, redirect, render_template, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from gateway import bell, carrier_desk
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import carriers

blueprint = Blueprint("carriers", __name__, url_prefix="/carriers")
STATES = {
    "new": _("never asked"),
    "well": _("well"),
    "ill": _("ill: gets no new messages"),
    "stopped": _("stopped: a person has to act"),
}


@blueprint.get("/")
def page() -> str:
    """Show every carrier: share, pace, health, the figures of the last five minutes."""
    wiring = current_app.extensions["doisoat"]
    lines = carrier_desk.lines(db(), wiring.settings.sms.carriers, now=wiring.clock())
    return render_template("admin/carriers.html", lines=lines, states=STATES)


@blueprint.post("/<name>/retry")
def retry(name: str) -> Response:
    """Let an ill carrier be tried again at once."""
    wiring = current_app.extensions["doisoat"]
    if name not in wiring.settings.sms.carriers:
        abort(404)
    allowed = carriers.allow(db(), name, by=current_user.username, now=wiring.clock())
    db().commit()
    if allowed:
        bell.ring(wiring.valkey, "messages")
    return redirect(url_for(".page"), 303)
