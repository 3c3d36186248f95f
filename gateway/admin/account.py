"""My account: my password, second factors and sessions, and the tries to sign in under my name."""

import base64
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, current_app, redirect, render_template, request, session, url_for
from flask_login import current_user
from sqlalchemy import select
from werkzeug.wrappers import Response

from gateway import passkeys, second_factors, signing_in, staff_desk, web_sessions
from gateway.admin import entering, sign_in_log
from gateway.languages import gettext
from gateway.request_session import db
from gateway.staff_desk import StaffRefused
from reconciliation import audit
from reconciliation.factors import Passkey
from reconciliation.staff import Staff

blueprint = Blueprint("account", __name__, url_prefix="/account")
_WAITING = "waiting_totp"
_SEALED = "web_sessions.totp"


@blueprint.get("/")
def page() -> str:
    """Show my account."""
    return show()


@blueprint.post("/prove")
def prove() -> Response | tuple[str, int]:
    """Take my password once more, before I change what signs me in."""
    if not _is_my_password("password"):
        return show(gettext("The password is not right, or it is paused after too many tries.")), 401
    entering.note_proven()
    return redirect(url_for(".page", _anchor="factors"), 303)


@blueprint.post("/password")
def password() -> Response | tuple[str, int]:
    """Change my password; every other session of mine ends."""
    if not _is_my_password("old"):
        return show(gettext("The present password is not right, or it is paused after too many tries.")), 401
    new = request.form.get("new", "")
    if new != request.form.get("again", ""):
        return show(gettext("The new password was typed in two ways.")), 400
    if new == request.form.get("old", ""):
        return show(gettext("Choose another password than the present one.")), 400
    now = current_app.extensions["doisoat"].clock()
    try:
        staff_desk.set_password(db(), me(), new, by=current_user.username, now=now)
    except StaffRefused:
        db().rollback()
        return show(gettext("Choose a password of at least %(count)s characters.", count=staff_desk.MIN_PASSWORD)), 400
    web_sessions.end_sessions(db(), current_user.id, but=web_sessions.own_id(session))
    db().commit()
    web_sessions.begin_anew(session)
    entering.note_proven()
    return redirect(url_for(".page", done="password"), 303)


@blueprint.post("/sessions/<row:session_id>/end")
def end_session(session_id: int) -> Response:
    """End one other session of mine."""
    if not web_sessions.end_session(db(), current_user.id, session_id):
        abort(404)
    _note_ended(1)
    return redirect(url_for(".page", _anchor="sessions"), 303)


@blueprint.post("/sessions/end-others")
def end_others() -> Response:
    """End every session of mine but this one."""
    if ended := web_sessions.end_sessions(db(), current_user.id, but=web_sessions.own_id(session)):
        _note_ended(ended)
    return redirect(url_for(".page", _anchor="sessions"), 303)


def me() -> Staff:
    """Return the row of the person who is signed in."""
    return db().get_one(Staff, current_user.id, with_for_update=True, populate_existing=True)


def keep_waiting(secret: str) -> None:
    """Keep a secret for one-time codes in this session, sealed, until a code of it was typed; "" forgets it."""
    if secret:
        sealed = current_app.extensions["doisoat"].sealer.seal(secret.encode(), _SEALED)
        session[_WAITING] = base64.b64encode(sealed).decode()
    else:
        session.pop(_WAITING, None)


def waiting_secret() -> str:
    """Return the secret that waits for its first code in this session, "" where none does."""
    kept = session.get(_WAITING)
    return current_app.extensions["doisoat"].sealer.open(base64.b64decode(kept), _SEALED).decode() if kept else ""


def show(problem: str = "", **more: Any) -> str:
    """Return my account's page; `problem` is what was wrong with the act that was just asked for."""
    wiring = current_app.extensions["doisoat"]
    person, now, fresh = db().get_one(Staff, current_user.id), wiring.clock(), entering.is_fresh()
    mine = select(Passkey).where(Passkey.staff_id == person.id).order_by(Passkey.id)
    return render_template(
        "admin/account.html",
        problem=problem,
        row=person,
        fresh=fresh,
        passkeys=db().scalars(mine).all(),
        codes_left=second_factors.codes_left(db(), person.id),
        sessions=web_sessions.sessions_of(db(), person.id, now),
        own_session=web_sessions.own_id(session),
        tries=sign_in_log.tries_of(db(), person.id),
        least=staff_desk.MIN_PASSWORD,
        changed=request.args.get("done") == "password",
        **_to_set_up(person, fresh),
        **more,
    )


def _to_set_up(person: Staff, fresh: bool) -> Mapping[str, Any]:
    """Return what the forms for new factors need; nothing for whoever has to prove themselves first."""
    wiring, place = current_app.extensions["doisoat"], entering.place()
    secret = waiting_secret() if fresh else ""
    issuer = wiring.settings.brand
    address = second_factors.address_of(secret, username=person.username, issuer=issuer) if secret else ""
    options = (
        passkeys.ask_to_make(db(), session, place, person, sealer=wiring.sealer, now=wiring.clock())
        if fresh and place else ""
    )  # fmt: skip
    return {
        "place": place,
        "secret": secret,
        "picture": second_factors.picture_of(address) if secret else "",
        "options": options,
    }


def _is_my_password(field: str) -> bool:
    if entering.too_many_tries():
        return False
    now = current_app.extensions["doisoat"].clock()
    found = signing_in.check_password(
        db(), username=current_user.username, password=request.form.get(field, ""), source=entering.source(), now=now
    )
    db().commit()
    return found is not None


def _note_ended(ended: int) -> None:
    now, subject = current_app.extensions["doisoat"].clock(), f"staff:{current_user.id}"
    facts = {"sessions": ended}
    audit.append(db(), actor=current_user.username, action="sessions_ended", subject=subject, facts=facts, now=now)
    db().commit()
