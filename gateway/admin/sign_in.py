"""Signing in and out, and choosing a language."""

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from flask_login import current_user, login_user, logout_user
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sqlalchemy import update
from werkzeug.wrappers import Response

from gateway import staff_desk
from gateway.admin import access
from gateway.languages import LANGUAGES, gettext
from gateway.request_session import db
from gateway.web_sessions import begin_anew
from reconciliation.staff import Staff

blueprint = Blueprint("sign_in", __name__)
TRIES_PER_MINUTE = 20
"""Per address, whoever is asked for: a whole office may share one address, a guessing machine must not."""


@blueprint.get("/sign-in")
def form() -> str | Response:
    """Ask for a name and a password."""
    if current_user.is_authenticated:
        return redirect(access.home(), 303)
    return _form()


@blueprint.post("/sign-in")
def enter() -> str | Response | tuple[str, int]:
    """Check the name and the password; every outcome is written to the audit."""
    if not _limiter().hit(RateLimitItemPerMinute(TRIES_PER_MINUTE), "sign-in", request.remote_addr or ""):
        return _form(gettext("Too many tries from this address. Please wait a minute.")), 429
    person = staff_desk.sign_in(
        db(), username=request.form.get("username", ""), password=request.form.get("password", ""),
        remote=request.remote_addr or "", now=current_app.extensions["doisoat"].clock(),
    )  # fmt: skip
    db().commit()
    if person is None:
        problem = gettext("The name or the password is not right, or sign-in is paused after too many tries.")
        return _form(problem), 401
    wanted = _inside(request.form.get("next"))
    kept = {"language": session["language"]} if "language" in session else {}
    session.clear()
    session.update(kept)
    begin_anew(session)
    login_user(
        access.Person(
            id=person.id, username=person.username, name=person.name, role=person.role, language=person.language
        )
    )
    return redirect(wanted or access.home(), 303)


@blueprint.post("/sign-out")
def leave() -> Response:
    """End the session: its row is deleted, so that a copied cookie ends with it."""
    staff_desk.sign_out(
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
    return redirect(_inside(request.form.get("back")) or url_for("admin.sign_in.form"), 303)


def _form(problem: str = "") -> str:
    wiring = current_app.extensions["doisoat"]
    return render_template(
        "admin/sign_in.html",
        problem=problem,
        username=request.form.get("username", "")[:64],
        wanted=_inside(request.values.get("next")) or "",
        sandbox=staff_desk.SANDBOX_STAFF if wiring.settings.sandbox else (),
        sandbox_password=staff_desk.SANDBOX_PASSWORD,
    )


def _inside(address: str | None) -> str | None:
    # Only a path of these pages: an address that leads elsewhere would make our sign-in page a phisher's helper.
    if address and address.startswith("/admin/") and not set(address) & set("\\\r\n\t"):
        return address
    return None


def _limiter() -> MovingWindowRateLimiter:
    limiter: MovingWindowRateLimiter = current_app.extensions.setdefault(
        "doisoat_sign_in_limiter", MovingWindowRateLimiter(MemoryStorage())
    )
    return limiter
