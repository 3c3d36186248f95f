"""Who is it? A customer code and the phone known for it, then the code that was sent there."""

import re
from ipaddress import ip_address, ip_network
from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from flask_login import current_user
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.wrappers import Response

from gateway import bell, mandate_desk
from gateway.languages import LANGUAGES, clock_time, gettext, language, ngettext
from gateway.request_session import db
from gateway.web_sessions import begin_anew
from reconciliation import mandate_codes
from reconciliation.mandate_codes import Proof, Tried
from reconciliation.roles import KEEPERS_OF_MANDATES
from sms.numbers import Unreachable

blueprint = Blueprint("proof", __name__)
PER_ADDRESS = RateLimitItemPerMinute(30, 10)
"""Questions and tries together: many phones share one address of their carrier, a guessing machine must not."""
_HANDLE = "mandate_code"
_CODE = re.compile(r"[A-Z0-9]{6,20}", re.ASCII)
_SIX = re.compile(r"[0-9]{6}", re.ASCII)


@blueprint.get("/")
def start() -> str:
    """Say what auto-debit is, and ask who it is."""
    return _start()


@blueprint.post("/mandate/code")
def ask() -> Response | tuple[str, int]:
    """Promise a code if customer code and phone belong together, and answer alike if they don't."""
    if not _within_limits():
        return _start(gettext("Too many tries from this address. Please wait a few minutes.")), 429
    customer_code = "".join(request.form.get("customer_code", "").upper().split())
    if not _CODE.fullmatch(customer_code):
        return _start(gettext("Write the customer code as it stands on the bill: letters and digits only.")), 400
    try:
        handle, wait = mandate_desk.ask_code(
            db(), _wiring(), customer_code, request.form.get("phone", "")[:40], language()
        )
    except Unreachable:
        return _start(gettext("Write the number of a mobile phone in Vietnam, such as 0912 345 678.")), 400
    db().commit()
    if wait is not None:
        return _start(gettext("A code was asked for a short while ago. You can ask again at %(time)s.",
                              time=clock_time(wait))), 429  # fmt: skip
    bell.ring(_wiring().valkey, "messages")
    session[_HANDLE] = str(handle)
    return redirect(url_for("portal.proof.form"), 303)


@blueprint.get("/mandate/code")
def form() -> str | Response:
    """Ask for the code."""
    return _form() if _handle() else redirect(url_for("portal.proof.start"), 303)


@blueprint.post("/mandate/proof")
def enter() -> Response | tuple[str, int]:
    """Try the code; the try counts whatever becomes of the rest."""
    handle = _handle()
    if handle is None:
        return redirect(url_for("portal.proof.start"), 303)
    if not _within_limits():
        return _form(gettext("Too many tries from this address. Please wait a few minutes.")), 429
    code = "".join(request.form.get("code", "").split())
    if not _SIX.fullmatch(code):
        return _form(gettext("Write the six digits of the code.")), 400
    tried, left = mandate_desk.try_code(db(), _wiring(), handle, code)
    if tried is Tried.RIGHT:
        begin_anew(session)
        return redirect(url_for("portal.mandate.page"), 303)
    if left:
        said = ngettext(
            "This is not the code. %(num)s try is left.", "This is not the code. %(num)s tries are left.", left
        )
        return _form(said), 401
    over = gettext("This code is over: used, too old, or locked after five wrong tries. Please ask for another one.")
    return _form(over, over=True), 401


@blueprint.post("/mandate/leave")
def leave() -> Response:
    """Forget the proof in this browser."""
    session.pop(_HANDLE, None)
    return redirect(url_for("portal.proof.start"), 303)


@blueprint.post("/mandate/language")
def choose_language() -> Response:
    """Remember a language in this browser."""
    wanted, back = request.form.get("language", ""), request.form.get("back", "")
    if wanted in LANGUAGES:
        session["language"] = wanted
    inside = back in ("/mandate/code", "/mandate/")
    return redirect(back if inside else url_for("portal.proof.start"), 303)


def helper() -> str:
    """Return the name of the person signed in who helps a customer; "" where the customer needs nobody."""
    helps = current_user.is_authenticated and current_user.role in KEEPERS_OF_MANDATES
    return str(current_user.username) if helps else ""


def given() -> tuple[UUID, Proof] | None:
    """Return the code's handle and whom it has proven; None where nobody is proven, or no longer."""
    handle = _handle()
    proof = mandate_codes.proven(db(), handle, now=_wiring().clock()) if handle else None
    return (handle, proof) if handle and proof else None


def _handle() -> UUID | None:
    kept = session.get(_HANDLE)
    return UUID(kept) if kept else None


def _start(problem: str = "") -> str:
    typed = {name: request.form.get(name, "")[:40] for name in ("customer_code", "phone")}
    return render_template("portal/start.html", problem=problem, typed=typed)


def _form(problem: str = "", *, over: bool = False) -> str:
    return render_template("portal/code.html", problem=problem, over=over)


def _within_limits() -> bool:
    """Tell whether this address may ask once more; a person who helps at a counter has customers one after another."""
    limiter: MovingWindowRateLimiter = current_app.extensions.setdefault(
        "doisoat_portal_limiter", MovingWindowRateLimiter(MemoryStorage())
    )
    return bool(helper()) or limiter.hit(PER_ADDRESS, "portal", _network(request.remote_addr or "::"))


def _network(address: str) -> str:
    """Return the address, or for IPv6 the network of 64 bits that one household has to itself."""
    one = ip_address(address.partition("%")[0])
    return str(one if one.version == 4 else ip_network((one, 64), strict=False))


def _wiring() -> Any:
    return current_app.extensions["doisoat"]
