"""My second factors: one-time codes of an app, passkeys and recovery codes; each change asks for a fresh proof."""

from collections.abc import Callable
from functools import wraps

from flask import Blueprint, abort, current_app, redirect, render_template, request, session, url_for
from flask_login import current_user
from sqlalchemy import func, select
from werkzeug.wrappers import Response

from gateway import passkeys, second_factors
from gateway.admin import account, entering
from gateway.languages import gettext
from gateway.passkeys import MOST_NAME, NotProven
from gateway.request_session import db
from reconciliation.factors import Passkey
from reconciliation.staff import Staff

blueprint = Blueprint("factors", __name__, url_prefix="/account")
Answer = Response | str | tuple[str, int]
MOST_PASSKEYS = 20


def freshly(view: Callable[..., Answer]) -> Callable[..., Answer]:
    """Ask for the password again before `view`, unless it was given a short while ago."""

    @wraps(view)
    def asked(**given: int) -> Answer:
        if not entering.is_fresh():
            return account.show(gettext("Give your password once more before you change this.")), 403
        return view(**given)

    return asked


@blueprint.post("/codes/begin")
@freshly
def begin_codes() -> Answer:
    """Make a secret for one-time codes; it holds once a code of it was typed."""
    account.keep_waiting(second_factors.new_secret())
    return _back("codes")


@blueprint.post("/codes/confirm")
@freshly
def confirm_codes() -> Answer:
    """Take the first code of the new secret: the app is set up."""
    wiring, secret = current_app.extensions["doisoat"], account.waiting_secret()
    if not secret:
        abort(400)
    step = second_factors.step_of(secret, request.form.get("code", ""), after=0, now=wiring.wall_clock())
    if step is None:
        problem = gettext("This is not the code of this moment: check the clock of your phone and type the next one.")
        return account.show(problem), 400
    person = account.me()
    second_factors.begin_codes(db(), wiring.sealer, person, secret, step=step, now=wiring.clock())
    account.keep_waiting("")
    return _done(person, "codes")


@blueprint.post("/codes/end")
@freshly
def end_codes() -> Answer:
    """Give up one-time codes."""
    person = account.me()
    if person.totp_sealed is not None:
        second_factors.end_codes(
            db(), person, by=person.username, now=current_app.extensions["doisoat"].clock()
        )  # fmt: skip
        db().commit()
    return _back("codes")


@blueprint.post("/passkeys")
@freshly
def add_passkey() -> Answer:
    """Take the passkey my browser has made."""
    wiring, place, person = current_app.extensions["doisoat"], entering.place(), account.me()
    held = db().scalar(select(func.count()).where(Passkey.staff_id == person.id)) or 0
    if place is None or held >= MOST_PASSKEYS:
        abort(400)
    answer, name = request.form.get("credential", ""), _name()
    try:
        passkeys.make(db(), session, place, person, answer, name=name, now=wiring.clock())
    except NotProven:
        db().rollback()
        return account.show(gettext("The browser made no passkey: try again, on a device that knows you.")), 400
    return _done(person, "passkeys")


@blueprint.post("/passkeys/<row:passkey_id>/name")
@freshly
def name_passkey(passkey_id: int) -> Answer:
    """Call one of my passkeys by another name."""
    mine = select(Passkey).where(Passkey.id == passkey_id, Passkey.staff_id == current_user.id)
    passkey = db().scalar(mine)
    if passkey is None:
        abort(404)
    passkey.name = _name()
    db().commit()
    return _back("passkeys")


@blueprint.post("/passkeys/<row:passkey_id>/remove")
@freshly
def remove_passkey(passkey_id: int) -> Answer:
    """Give up one of my passkeys."""
    now, person = current_app.extensions["doisoat"].clock(), account.me()
    if not second_factors.remove_passkey(db(), person, passkey_id, by=person.username, now=now):
        abort(404)
    db().commit()
    return _back("passkeys")


@blueprint.post("/recovery-codes")
@freshly
def recovery_codes() -> Answer:
    """Make ten new recovery codes and show them this once."""
    person = account.me()
    if not second_factors.has_one(db(), person):
        abort(409)
    return _codes(person)


def _done(person: Staff, anchor: str) -> Answer:
    """Commit a new factor; whoever has no recovery codes gets them along with it."""
    if second_factors.codes_left(db(), person.id) == 0:
        return _codes(person)
    db().commit()
    return _back(anchor)


def _codes(person: Staff) -> str:
    wiring = current_app.extensions["doisoat"]
    codes = second_factors.new_recovery_codes(db(), wiring.sealer, person, wiring.clock())
    db().commit()
    return render_template("admin/recovery_codes.html", codes=codes, row=person)


def _name() -> str:
    return " ".join(request.form.get("name", "").replace("\0", "").split())[:MOST_NAME] or gettext("Passkey")


def _back(anchor: str) -> Response:
    return redirect(url_for("admin.account.page", _anchor=anchor), 303)
