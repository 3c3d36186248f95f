"""What the steps of signing in share: the tries of an address, the half-open door, and the session that follows."""

from datetime import datetime

from flask import current_app, redirect, request, session
from flask_login import login_user
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.wrappers import Response

from gateway import second_factors, signing_in
from gateway.admin import access
from gateway.languages import gettext
from gateway.passkeys import Place
from gateway.request_session import db
from gateway.signing_in import Source
from gateway.web_sessions import begin_anew
from reconciliation.staff import Staff

TRIES_PER_MINUTE = 20
"""Per address, whoever is asked for: a whole office may share one address, a guessing machine must not."""
_HALF = "half"
_PROVED = "proved_at"


def too_many_tries() -> bool:
    """Count one try of this address, and tell whether it has had too many."""
    return not _limiter().hit(RateLimitItemPerMinute(TRIES_PER_MINUTE), "sign-in", request.remote_addr or "")


def slow_down() -> str:
    """Return what an address with too many tries is told."""
    return gettext("Too many tries from this address. Please wait a minute.")


def source() -> Source:
    """Return from where and with what this request comes."""
    return Source(request.remote_addr or "", request.user_agent.string)


def place() -> Place | None:
    """Return where passkeys hold: the address of the settings, else this request's own; None where none can be."""
    return Place.of(current_app.extensions["doisoat"].settings.web_origin or request.host_url)


def begin_half(person: Staff, wanted: str | None) -> None:
    """Open the door by half: the password was right, and the second factor has five minutes."""
    _begin_session()
    until = current_app.extensions["doisoat"].clock() + signing_in.HALF_LASTS
    session[_HALF] = {
        "id": person.id, "until": until.isoformat(), "next": wanted, "of": signing_in.mark_of(person),
    }  # fmt: skip


def half() -> tuple[Staff, str | None] | None:
    """Return who stands in the half-open door, locked until the transaction ends, and where they want to go.

    The password that opened it must still be theirs.
    """
    kept = session.get(_HALF)
    if kept is None or datetime.fromisoformat(kept["until"]) <= current_app.extensions["doisoat"].clock():
        session.pop(_HALF, None)
        return None
    person = db().get(Staff, kept["id"], with_for_update=True)
    if person is None or kept.get("of") != signing_in.mark_of(person):
        session.pop(_HALF, None)
        return None
    return person, kept["next"]


def finish(person: Staff, factor: str, wanted: str | None) -> Response:
    """Sign a person in, `factor` being the last thing they proved, and lead them to what they wanted. Commits."""
    now = current_app.extensions["doisoat"].clock()
    signing_in.admit(db(), person, factor=factor, source=source(), now=now)
    db().commit()
    _begin_session()
    signed_in = access.person_of(person)
    login_user(signed_in)
    note_proven()
    return redirect(wanted or access.home(), 303)


def note_proven() -> None:
    """Note that the person of this session has just proven themselves."""
    session[_PROVED] = current_app.extensions["doisoat"].clock().isoformat()


def is_fresh() -> bool:
    """Tell whether the person of this session proved themselves a short while ago."""
    at = session.get(_PROVED)
    now: datetime = current_app.extensions["doisoat"].clock()
    return at is not None and now - datetime.fromisoformat(at) < second_factors.FRESH


def inside(address: str | None) -> str | None:
    """Return an address of these pages, None for any other: our sign-in page must not become a phisher's helper."""
    if address and address.startswith("/admin/") and not set(address) & set("\\\r\n\t"):
        return address
    return None


def _begin_session() -> None:
    kept = {"language": session["language"]} if "language" in session else {}
    session.clear()
    session.update(kept)
    begin_anew(session)


def _limiter() -> MovingWindowRateLimiter:
    limiter: MovingWindowRateLimiter = current_app.extensions.setdefault(
        "doisoat_sign_in_limiter", MovingWindowRateLimiter(MemoryStorage())
    )
    return limiter
