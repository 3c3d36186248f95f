"""Signing in by name and password or by a passkey alone, signing out, and choosing a language."""

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from flask_login import current_user, logout_user
from sqlalchemy import update
from werkzeug.wrappers import Response

from gateway import passkeys, second_factors, signing_in, staff_desk
from gateway.admin import access, entering
from gateway.languages import LANGUAGES, gettext
from gateway.passkeys import NotProven
from gateway.request_session import db
from reconciliation.factors import PASSKEY, PASSWORD
from reconciliation.staff import Staff

blueprint = Blueprint("sign_in", __name__)


@blueprint.get("/sign-in")
def form() -> str | Response:
    """Ask for a name and a password, or for a passkey."""
    if current_user.is_authenticated:
        return redirect(access.home(), 303)
    return _form()


@blueprint.post("/sign-in")
def enter() -> str | Response | tuple[str, int]:
    """Check the name and the password; whoever has a second factor is asked for it next."""
    if entering.too_many_tries():
        return _form(entering.slow_down()), 429
    now, source = current_app.extensions["doisoat"].clock(), entering.source()
    person = signing_in.check_password(
        db(), username=request.form.get("username", ""), password=request.form.get("password", ""), source=source,
        now=now,
    )  # fmt: skip
    if person is None:
        db().commit()
        problem = gettext("The name or the password is not right, or sign-in is paused after too many tries.")
        return _form(problem), 401
    if signing_in.is_expired(db(), person, source=source, now=now):
        db().commit()
        return _form(gettext("This one-time password has expired: ask an administrator for a new one.")), 401
    wanted = entering.inside(request.form.get("next"))
    if second_factors.has_one(db(), person):
        signing_in.note_half(db(), person, source=source, now=now)
        db().commit()
        entering.begin_half(person, wanted)
        return redirect(url_for("admin.second_step.page"), 303)
    return entering.finish(person, PASSWORD, wanted)


@blueprint.post("/sign-in/passkey")
def by_passkey() -> Response | tuple[str, int]:
    """Sign in with a passkey alone: its device has recognised its owner."""
    if entering.too_many_tries():
        return _form(entering.slow_down()), 429
    now, source = current_app.extensions["doisoat"].clock(), entering.source()
    place, answer = entering.place(), request.form.get("credential", "")
    passkey = passkeys.named(db(), answer)
    if place is not None and passkey is not None:
        person = db().get_one(Staff, passkey.staff_id, with_for_update=True)
        if signing_in.may_try(db(), person, factor=PASSKEY, source=source, now=now):
            try:
                passkeys.sign(session, place, passkey, answer, now=now)
                return entering.finish(person, PASSKEY, entering.inside(request.form.get("next")))
            except NotProven:
                signing_in.refuse(db(), person, factor=PASSKEY, source=source, now=now)
        db().commit()
    return _form(gettext("The passkey did not open anything: try again, or sign in with your password.")), 401


@blueprint.post("/sign-out")
def leave() -> Response:
    """End the session: its row is deleted, so that a copied cookie ends with it."""
    signing_in.sign_out(
        db(), current_user.id, current_user.username,
        remote=request.remote_addr or "", now=current_app.extensions["doisoat"].clock(),
    )  # fmt: skip
    db().commit()
    logout_user()
    session.clear()
    return redirect(url_for("admin.sign_in.form"), 303)


@blueprint.post("/language")
def language() -> Response:
    """Remember a language: in this session, and for good when someone is signed in."""
    wanted = request.form.get("language", "")
    if wanted in LANGUAGES:
        session["language"] = wanted
        if current_user.is_authenticated:
            db().execute(update(Staff).where(Staff.id == current_user.id).values(language=wanted))
            db().commit()
    return redirect(entering.inside(request.form.get("back")) or url_for("admin.sign_in.form"), 303)


def _form(problem: str = "") -> str:
    wiring, place = current_app.extensions["doisoat"], entering.place()
    return render_template(
        "admin/sign_in.html",
        problem=problem,
        username=request.form.get("username", "")[:64],
        wanted=entering.inside(request.values.get("next")) or "",
        options=passkeys.ask_to_sign(db(), session, place, now=wiring.clock()) if place else "",
        sandbox=staff_desk.SANDBOX_STAFF if wiring.settings.sandbox else (),
        sandbox_password=staff_desk.SANDBOX_PASSWORD,
    )
