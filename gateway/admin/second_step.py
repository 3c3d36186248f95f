"""The second step of signing in: a one-time code, a passkey or a recovery code, before anything is open."""

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from sqlalchemy import exists, select
from werkzeug.wrappers import Response

from gateway import passkeys, second_factors, signing_in
from gateway.admin import entering
from gateway.languages import gettext
from gateway.passkeys import NotProven
from gateway.request_session import db
from reconciliation.factors import PASSKEY, RECOVERY, TOTP, Passkey
from reconciliation.staff import Staff

blueprint = Blueprint("second_step", __name__, url_prefix="/sign-in/second")


@blueprint.get("/")
def page() -> str | Response:
    """Ask for the second factor of whoever's password was right just now."""
    found = entering.half()
    return _page(found[0]) if found else _back()


@blueprint.post("/code")
def code() -> str | Response | tuple[str, int]:
    """Take a one-time code of the person's app, or a recovery code."""
    found, wiring = entering.half(), current_app.extensions["doisoat"]
    if found is None:
        return _back()
    person, wanted = found
    if entering.too_many_tries():
        return _page(person, entering.slow_down()), 429
    typed, factor = request.form.get("code", "")[:40], RECOVERY if request.form.get("kind") == RECOVERY else TOTP
    now, source = wiring.clock(), entering.source()
    if signing_in.may_try(db(), person, factor=factor, source=source, now=now):
        if factor == TOTP:
            proven = second_factors.use_code(db(), wiring.sealer, person, typed, wiring.wall_clock())
        else:
            proven = second_factors.use_recovery_code(db(), wiring.sealer, person, typed, now)
        if proven:
            return entering.finish(person, factor, wanted)
        signing_in.refuse(db(), person, factor=factor, source=source, now=now)
    db().commit()
    return _page(person, _refused()), 401


@blueprint.post("/passkey")
def passkey() -> str | Response | tuple[str, int]:
    """Take a signature by one of the person's own passkeys."""
    found, now, source = entering.half(), current_app.extensions["doisoat"].clock(), entering.source()
    if found is None:
        return _back()
    person, wanted = found
    if entering.too_many_tries():
        return _page(person, entering.slow_down()), 429
    place, answer = entering.place(), request.form.get("credential", "")
    if signing_in.may_try(db(), person, factor=PASSKEY, source=source, now=now):
        named = passkeys.named(db(), answer)
        try:
            if place is None or named is None or named.staff_id != person.id:
                raise NotProven("expected a passkey of this person, got another or none")
            passkeys.sign(session, place, named, answer, now=now)
            return entering.finish(person, PASSKEY, wanted)
        except NotProven:
            signing_in.refuse(db(), person, factor=PASSKEY, source=source, now=now)
    db().commit()
    return _page(person, _refused()), 401


def _page(person: Staff, problem: str = "") -> str:
    place = entering.place()
    holds = db().scalar(select(exists().where(Passkey.staff_id == person.id)))
    now = current_app.extensions["doisoat"].clock()
    return render_template(
        "admin/second_step.html",
        problem=problem,
        has_codes=person.totp_sealed is not None,
        options=passkeys.ask_to_sign(db(), session, place, now=now, person=person) if place and holds else "",
        holds_passkey=holds,
        recovery=second_factors.codes_left(db(), person.id) > 0,
    )


def _refused() -> str:
    return gettext("That did not prove it is you, or sign-in is paused after too many tries.")


def _back() -> Response:
    return redirect(url_for("admin.sign_in.form"), 303)
