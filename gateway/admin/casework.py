"""Casework: the usual answer by one press, closing by words, whose case it is, taking back, and who else is there."""

from flask import Blueprint, Response, abort, current_app, jsonify, redirect, request
from flask_login import current_user
from werkzeug.wrappers import Response as Answer

from gateway import composing
from gateway.admin import answer_form, case_offers, desk_queue, mismatches, settling
from gateway.admin.answer_form import Unreadable
from gateway.database import insist
from gateway.languages import gettext
from gateway.request_session import db
from reconciliation import acknowledgements, case_versions, remarks, undoing, usual_answers
from reconciliation.mismatches import Mismatch, NotSettled
from reconciliation.remarks import NotRemarked

blueprint = Blueprint("casework", __name__, url_prefix="/mismatches")


@blueprint.post("/<row:mismatch_id>/usual")
def usual(mismatch_id: int) -> Answer | tuple[str, int]:
    """Give the usual answer, as it was shown."""
    now, key = current_app.extensions["doisoat"].clock(), request.form.get("usual", "")
    try:
        why = answer_form.why()
    except Unreadable as problem:
        return mismatches.show(mismatch_id, problem=str(problem)), 400

    def act() -> None:
        asked, answer = usual_answers.same(db(), mismatch_id, key, now=now)
        if not case_offers.may_give(answer):
            abort(403)
        usual_answers.carry_out(db(), asked, answer, why=why, by=current_user.username, now=now)

    return settling.done(mismatch_id, act)


@blueprint.post("/<row:mismatch_id>/acknowledge")
def acknowledge(mismatch_id: int) -> Answer | tuple[str, int]:
    """Close a case that needs no booking, by words."""
    now = current_app.extensions["doisoat"].clock()
    try:
        why = answer_form.why()
    except Unreadable as problem:
        return mismatches.show(mismatch_id, problem=str(problem)), 400
    return settling.done(
        mismatch_id,
        lambda: acknowledgements.acknowledge(db(), mismatch_id, why=why, by=current_user.username, now=now),
    )


@blueprint.post("/<row:mismatch_id>/assign")
def assign(mismatch_id: int) -> Answer | tuple[str, int]:
    """Give the case to somebody, to oneself, or to nobody."""
    to, now = request.form.get("to", "")[:64], current_app.extensions["doisoat"].clock()
    return settling.done(
        mismatch_id,
        lambda: remarks.assign(db(), mismatch_id, to, by=current_user.username, now=now),
        checked=False,
    )


@blueprint.post("/<row:mismatch_id>/undo")
def undo(mismatch_id: int) -> Answer | tuple[str, int]:
    """Take back what the person did last with the case, and go to what it asks then."""
    wiring, key = current_app.extensions["doisoat"], request.form.get("act", "")
    kind = key.partition("-")[0]
    if kind in undoing.KINDS and not case_offers.may_take_back(kind):
        abort(403)
    seen: list[int] = []

    def work() -> None:
        db().rollback()
        seen[:] = [
            undoing.undo(
                db(), mismatch_id, key, why="taken back", by=current_user.username, now=wiring.clock()
            )
        ]  # fmt: skip
        composing.compose_promises(db(), wiring.settings)
        db().commit()

    try:
        insist(work)
    except (NotSettled, NotRemarked) as problem:
        db().rollback()
        return mismatches.show(mismatch_id, problem=settling.said(problem)), 409
    return redirect(desk_queue.address(seen[0], undone=mismatch_id), 303)


@blueprint.post("/<row:mismatch_id>/here")
def here(mismatch_id: int) -> Response:
    """Note that the person still looks at the case; return who else does, and the version it has by now."""
    asked = db().get(Mismatch, mismatch_id)
    if asked is None:
        abort(404)
    said = case_offers.company(mismatch_id)
    version = str(case_versions.version(db(), asked))
    db().commit()
    return jsonify(company=said, version=version, changed=gettext("This case has changed meanwhile: load it anew."))
