"""A person's word on a settlement line, given on its question's page, and another one's approval."""

from collections.abc import Callable
from datetime import datetime

from flask import Blueprint, abort, current_app, request
from flask_login import current_user
from werkzeug.wrappers import Response

from gateway.admin import answer_form, mismatches, settlement_lines, settling
from gateway.admin.answer_form import Unreadable
from gateway.request_session import db
from reconciliation import lump_choices
from reconciliation.mismatches import Mismatch

blueprint = Blueprint("lumps", __name__, url_prefix="/mismatches")


@blueprint.post("/<row:mismatch_id>/explode")
def propose(mismatch_id: int) -> Response | tuple[str, int]:
    """Say which payments the line settles: those of a day, or those named."""
    try:
        why = answer_form.why()
        day = answer_form.day("day") if request.form.get("day", "").strip() else None
    except Unreadable as problem:
        return mismatches.show(mismatch_id, problem=str(problem)), 400
    references = request.form.get("payments", "").replace("\0", "").replace(",", " ").split()
    return _do(
        mismatch_id,
        lambda line, now: lump_choices.propose(
            db(), line, day=day, references=references, why=why, by=current_user.username, now=now
        ),
    )


@blueprint.post("/<row:mismatch_id>/explode/not-day")
def deny_day(mismatch_id: int) -> Response | tuple[str, int]:
    """Say that the line is not the settlement of a day."""
    return _of_day(mismatch_id, lump_choices.deny_day)


@blueprint.post("/<row:mismatch_id>/explode/day-again")
def allow_day(mismatch_id: int) -> Response | tuple[str, int]:
    """Take back that the line is not the settlement of a day."""
    return _of_day(mismatch_id, lump_choices.allow_day)


@blueprint.post("/<row:mismatch_id>/explode/no-settlement")
def disown(mismatch_id: int) -> Response | tuple[str, int]:
    """Say that the line is no settlement, whatever its words."""
    return _with_reason(
        mismatch_id, lambda line, why, now: lump_choices.disown(db(), line, why=why, by=current_user.username, now=now)
    )


@blueprint.post("/<row:mismatch_id>/explode/undo")
def undo(mismatch_id: int) -> Response | tuple[str, int]:
    """Take back what a person said the line settles, or that it settles nothing."""
    return _with_reason(
        mismatch_id,
        lambda line, why, now: lump_choices.take_back(db(), line, why=why, by=current_user.username, now=now),
    )


@blueprint.post("/<row:mismatch_id>/explode/approve")
def approve(mismatch_id: int) -> Response | tuple[str, int]:
    """Carry out what somebody else has proposed."""
    return _do(
        mismatch_id, lambda line, now: lump_choices.approve(db(), line, by=current_user.username, now=now), decided=True
    )


@blueprint.post("/<row:mismatch_id>/explode/refuse")
def refuse(mismatch_id: int) -> Response | tuple[str, int]:
    """Turn a proposal down, or take one's own back."""
    found = settlement_lines.settlement(_line(mismatch_id))
    waits = found["waits"] if found else None
    if waits is not None and waits.maker != current_user.username and current_user.role != "chief_accountant":
        abort(403)
    return _with_reason(
        mismatch_id,
        lambda line, why, now: lump_choices.refuse(db(), line, by=current_user.username, why=why, now=now),
        decided=True,
    )


def _of_day(mismatch_id: int, act: Callable[..., object]) -> Response | tuple[str, int]:
    try:
        why, day = answer_form.why(), answer_form.day("day")
    except Unreadable as problem:
        return mismatches.show(mismatch_id, problem=str(problem)), 400
    return _do(mismatch_id, lambda line, now: act(db(), line, day, why=why, by=current_user.username, now=now))


def _with_reason(
    mismatch_id: int, act: Callable[[int, str, datetime], object], *, decided: bool = False
) -> Response | tuple[str, int]:  # fmt: skip
    try:
        why = answer_form.why()
    except Unreadable as problem:
        return mismatches.show(mismatch_id, problem=str(problem)), 400
    return _do(mismatch_id, lambda line, now: act(line, why, now), decided=decided)


def _do(
    mismatch_id: int, act: Callable[[int, datetime], object], *, decided: bool = False
) -> Response | tuple[str, int]:  # fmt: skip
    line, now = _line(mismatch_id), current_app.extensions["doisoat"].clock()
    return settling.done(mismatch_id, lambda: act(line, now), decided=decided)


def _line(mismatch_id: int) -> int:
    asked = db().get(Mismatch, mismatch_id)
    if asked is None or asked.line_id is None:
        abort(404)
    return asked.line_id
