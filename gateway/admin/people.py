"""People: who may sign in, with which role and for which office; taken on, changed and helped by an administrator."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask_login import current_user
from sqlalchemy import exists, func, or_, select
from werkzeug.wrappers import Response

from gateway import second_factors, staff_desk, web_sessions
from gateway.admin import role_table, sign_in_log, words
from gateway.admin.listing import Asked, Filter, answered, listed, values_of
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from gateway.staff_desk import StaffRefused
from reconciliation import audit
from reconciliation.customers import Customer
from reconciliation.factors import Passkey
from reconciliation.staff import Staff
from reconciliation.vietnamese_order import place

blueprint = Blueprint("people", __name__, url_prefix="/people")
_STATES = {"active": _("may sign in"), "inactive": _("no longer works here")}
REFUSED: Mapping[str, Any] = {
    "username": _("Write a user name of 2 to 32 small letters, digits and the signs . _ -"),
    "taken": _("Somebody has this user name."),
    "name": _("Write the person's name."),
    "role": _("Choose a role."),
    "no_office": _("An office manager sees the customers of one office: choose which."),
    "all_offices": _("An administrator belongs to no single power office: choose none."),
    "office": _("Write the office's name in at most 100 characters."),
    "unknown_office": _("No customer is of this power office: choose one of the list."),
    "oneself": _("Nobody changes their own role or office, or lets themselves go: ask another administrator."),
    "last": _("This is the last active administrator: make somebody else one first."),
}


@blueprint.get("/")
def listing() -> tuple[str, int]:
    """List people, the newest first, and what each role may do."""
    return _listing()


@blueprint.post("/")
def add() -> tuple[str, int]:
    """Take on a person; their one-time password is shown this once."""
    wiring = current_app.extensions["doisoat"]
    fields = ("username", "name", "role", "office")
    typed = {name: request.form.get(name, "").replace("\0", "").strip() for name in fields}
    try:
        person = staff_desk.create_person(
            db(), username=typed["username"], name=typed["name"], role=typed["role"], office=typed["office"],
            password=staff_desk.made_password(), must_change=True, by=current_user.username, now=wiring.clock(),
        )  # fmt: skip
    except StaffRefused as refused:
        db().rollback()
        page, _status = _listing(str(REFUSED[refused.reason]))
        return page, 400
    return _with_password(person), 201


@blueprint.get("/<row:person_id>")
def page(person_id: int) -> str:
    """Show one person: role, factors, sessions and tries to sign in."""
    return _page(person_id)


@blueprint.post("/<row:person_id>")
def change(person_id: int) -> Response | tuple[str, int]:
    """Give a person another role or office, let them go, or take them back."""
    try:
        person = staff_desk.change_person(
            db(), person_id, role=request.form.get("role", ""), office=request.form.get("office", "").replace("\0", ""),
            active="active" in request.form, by=current_user.username, now=current_app.extensions["doisoat"].clock(),
        )  # fmt: skip
    except StaffRefused as refused:
        db().rollback()
        if refused.reason == "nobody":
            abort(404)
        return _page(person_id, str(REFUSED[refused.reason])), 400 if refused.reason in (
            "role",
            "office",
            "no_office",
            "all_offices",
            "unknown_office",
        ) else 409
    if not person.active:
        web_sessions.end_sessions(db(), person_id)
    db().commit()
    return _back(person_id)


@blueprint.post("/<row:person_id>/password")
def password(person_id: int) -> str | tuple[str, int]:
    """Make a one-time password for a person who has forgotten theirs; their sessions end."""
    person = _person(person_id)
    if person.id == current_user.id:
        return _page(person_id, str(REFUSED["oneself"])), 409
    web_sessions.end_sessions(db(), person_id)
    return _with_password(person)


@blueprint.post("/<row:person_id>/reset-factors")
def reset_factors(person_id: int) -> str | tuple[str, int]:
    """Forget the second factors of a person who has lost theirs; their sessions end.

    Their password was known to whatever device they have lost: they get one for once.
    """
    person = _person(person_id)
    if person.id == current_user.id:
        return _page(person_id, str(REFUSED["oneself"])), 409
    now = current_app.extensions["doisoat"].clock()
    second_factors.reset(db(), person, by=current_user.username, now=now)
    web_sessions.end_sessions(db(), person_id)
    return _with_password(person)


@blueprint.post("/<row:person_id>/end-sessions")
def end_sessions(person_id: int) -> Response:
    """Sign a person out everywhere."""
    person, now = _person(person_id), current_app.extensions["doisoat"].clock()
    facts = {"sessions": web_sessions.end_sessions(db(), person_id)}
    subject = f"staff:{person.id}"
    audit.append(db(), actor=current_user.username, action="sessions_ended", subject=subject, facts=facts, now=now)
    db().commit()
    return _back(person_id)


def _listing(problem: str = "") -> tuple[str, int]:
    asked = Asked.of_request(Filter("role", _("Role"), words.ROLES), Filter("state", _("State"), _STATES))
    has_passkey = exists().where(Passkey.staff_id == Staff.id)
    wanted = select(Staff, has_passkey.label("has_passkey"))
    if asked["role"]:
        wanted = wanted.where(Staff.role == asked["role"])
    if asked["state"]:
        wanted = wanted.where(Staff.active == (asked["state"] == "active"))
    if asked.search:
        named = Staff.name.icontains(asked.search, autoescape=True)
        wanted = wanted.where(or_(Staff.username == asked.search.lower(), named))
    return answered(
        "admin/people.html",
        listed(db(), wanted, Staff.id, asked),
        problem=problem,
        offices=sorted(values_of(db(), Customer.office), key=place),
        typed=request.form,
        areas=role_table.of_areas(current_app),
        area_names=role_table.AREAS,
    )


def _page(person_id: int, problem: str = "") -> str:
    person, now = _person(person_id, lock=False), current_app.extensions["doisoat"].clock()
    passkeys = select(func.count()).where(Passkey.staff_id == person_id)
    return render_template(
        "admin/person.html",
        row=person,
        problem=problem,
        passkeys=db().scalar(passkeys),
        codes_left=second_factors.codes_left(db(), person_id),
        sessions=web_sessions.sessions_of(db(), person_id, now),
        tries=sign_in_log.tries_of(db(), person_id),
        offices=sorted(values_of(db(), Customer.office), key=place),
        now=now,
    )


def _with_password(person: Staff) -> str:
    now = current_app.extensions["doisoat"].clock()
    made = staff_desk.one_time_password(db(), person, by=current_user.username, now=now)
    db().commit()
    return render_template("admin/one_time_password.html", row=person, made=made, days=staff_desk.ONE_TIME_LASTS.days)


def _person(person_id: int, *, lock: bool = True) -> Staff:
    person = db().get(Staff, person_id, with_for_update=lock)
    if person is None:
        abort(404)
    return person


def _back(person_id: int) -> Response:
    return redirect(url_for(".page", person_id=person_id), 303)
