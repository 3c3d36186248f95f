"""The API's tokens: which of the utility's own systems may ask what, made and revoked by an administrator."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import api_tokens
from reconciliation.api_tokens import SCOPES, ApiToken, NotMade

blueprint = Blueprint("api_tokens", __name__, url_prefix="/api")
SCOPE_WORDS: Mapping[str, Any] = {
    "bills:read": _("read bills"),
    "bills:write": _("hand over bills"),
    "payments:read": _("read payments"),
    "mismatches:read": _("read mismatches"),
    "mismatches:write": _("add remarks to mismatches"),
    "closes:read": _("read closes"),
    "messages:read": _("read how messages went"),
    "marks": _("fetch and acknowledge marks"),
    "webhooks": _("read outgoing events and have them sent again"),
}
STATES = {"live": _("live"), "expired": _("expired"), "revoked": _("revoked")}
PROBLEMS: Mapping[str, Any] = {
    "name": _("Give it a name of 1 to 60 characters: that of the system which will use it."),
    "scopes": _("Choose what it may do."),
    "lasts": _("Choose for how many days it is good: 1 to 3660, or leave it empty."),
    "taken": _("A live token has this name already."),
}


@blueprint.get("/")
def page() -> str:
    """Show every token there is or was."""
    return _page()


@blueprint.post("/")
def make() -> tuple[str, int]:
    """Make a token and show it, this once."""
    wanted, days = request.form.getlist("scope"), request.form.get("days", "").strip()
    try:
        made, token = api_tokens.make(
            db(), request.form.get("name", "").replace("\0", ""), wanted, lasts=_lasts(days),
            by=current_user.username, now=current_app.extensions["doisoat"].clock(),
        )  # fmt: skip
    except NotMade as problem:
        db().rollback()
        return _page(problem=str(PROBLEMS[problem.reason])), 409 if problem.reason == "taken" else 400
    db().commit()
    return _page(made=made, token=token), 201


@blueprint.post("/<row:token_id>/revoke")
def revoke(token_id: int) -> Response:
    """Revoke a token for good."""
    if db().get(ApiToken, token_id) is None:
        abort(404)
    api_tokens.revoke(db(), token_id, by=current_user.username, now=current_app.extensions["doisoat"].clock())
    db().commit()
    return redirect(url_for(".page"), 303)


def _lasts(days: str) -> timedelta | None:
    if not days:
        return None
    if not (days.isascii() and days.isdigit() and len(days) <= 5):
        raise NotMade("lasts", "expected a number of days")
    return timedelta(days=int(days))


def _state(token: ApiToken) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "live" if token.is_live(current_app.extensions["doisoat"].clock()) else "expired"


def _page(problem: str = "", made: ApiToken | None = None, token: str = "") -> str:
    found = [(one, _state(one)) for one in api_tokens.every(db())]
    return render_template(
        "admin/api_tokens.html", tokens=found, states=STATES, scopes={one: SCOPE_WORDS[one] for one in SCOPES},
        problem=problem, made=made, token=token,
    )  # fmt: skip
