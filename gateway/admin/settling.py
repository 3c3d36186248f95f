"""Settling: how a person answers a question about a payment's money, and another one approves it."""

from collections.abc import Callable

from flask import Blueprint, abort, current_app, redirect, request, url_for
from flask_login import current_user
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from gateway import composing
from gateway.admin import answer_form, desk_queue, mismatches
from gateway.admin.answer_form import Unreadable
from gateway.admin.settling_words import NOT_REMARKED, NOT_SETTLED
from gateway.database import insist
from gateway.languages import money
from gateway.request_session import db
from reconciliation import case_versions, placements, settlement_checks, settlements
from reconciliation.mismatches import Mismatch, NotSettled
from reconciliation.payments import Payment
from reconciliation.remarks import NotRemarked
from reconciliation.settlements import Settlement

blueprint = Blueprint("settling", __name__, url_prefix="/mismatches")


@blueprint.post("/<row:mismatch_id>/settle")
def propose(mismatch_id: int) -> Response | str | tuple[str, int]:
    """Answer the question: undo matches of its payment, settle bills with it; or only tell what it would leave."""
    now, checking = current_app.extensions["doisoat"].clock(), "check" in request.form
    try:
        if checking:
            return mismatches.show(mismatch_id, problem=_complaint(mismatch_id), checking=True)
        why, shares, places = answer_form.why(), answer_form.shares(), answer_form.places()
        undoes, lifts = answer_form.chosen("undo"), answer_form.chosen("lift")
    except Unreadable as problem:
        return mismatches.show(mismatch_id, problem=str(problem)), 400
    return done(
        mismatch_id,
        lambda: settlements.propose(
            db(), mismatch_id, undoes=undoes, settles=shares, lifts=lifts, places=places, why=why,
            by=current_user.username, now=now,
        ),
    )  # fmt: skip


@blueprint.post("/<row:mismatch_id>/deny")
def deny(mismatch_id: int) -> Response | tuple[str, int]:
    """Answer that the money a callback told of never came."""
    now = current_app.extensions["doisoat"].clock()
    try:
        why = answer_form.why()
    except Unreadable as problem:
        return mismatches.show(mismatch_id, problem=str(problem)), 400
    return done(
        mismatch_id,
        lambda: settlements.propose_denial(db(), mismatch_id, why=why, by=current_user.username, now=now),
    )


@blueprint.post("/<row:mismatch_id>/pays-out/<row:placement_id>")
def pay_out(mismatch_id: int, placement_id: int) -> Response | tuple[str, int]:
    """Say that the outgoing line in question pays out a refund that is owed."""
    now = current_app.extensions["doisoat"].clock()
    return done(
        mismatch_id, lambda: placements.answer(db(), mismatch_id, placement_id, by=current_user.username, now=now)
    )


@blueprint.post("/payment/<row:payment_id>/doubt")
def doubt(payment_id: int) -> Response:
    """Doubt what a payment settles: open the question that an answer can take it apart by."""
    wiring = current_app.extensions["doisoat"]
    if db().get(Payment, payment_id) is None:
        abort(404)
    try:
        why = answer_form.why()
    except Unreadable:
        abort(400)

    def work() -> int:
        db().rollback()
        asked = settlements.raise_question(db(), payment_id, why=why, by=current_user.username, now=wiring.clock())
        db().commit()
        return asked

    return redirect(url_for("admin.mismatches.page", mismatch_id=insist(work)), 303)


@blueprint.post("/<row:mismatch_id>/approve/<row:settlement_id>")
def approve(mismatch_id: int, settlement_id: int) -> Response | tuple[str, int]:
    """Carry out what somebody else has proposed."""
    _of_question(mismatch_id, settlement_id)
    now = current_app.extensions["doisoat"].clock()
    return done(
        mismatch_id, lambda: settlements.approve(db(), settlement_id, by=current_user.username, now=now), decided=True
    )


@blueprint.post("/<row:mismatch_id>/refuse/<row:settlement_id>")
def refuse(mismatch_id: int, settlement_id: int) -> Response | tuple[str, int]:
    """Turn a proposal down, or take one's own back."""
    made = _of_question(mismatch_id, settlement_id)
    if made.maker != current_user.username and current_user.role != "chief_accountant":
        abort(403)
    now = current_app.extensions["doisoat"].clock()
    try:
        why = answer_form.why()
    except Unreadable as problem:
        return mismatches.show(mismatch_id, problem=str(problem)), 400
    return done(
        mismatch_id,
        lambda: settlements.refuse(db(), settlement_id, by=current_user.username, why=why, now=now),
        decided=True,
    )


def done(
    mismatch_id: int, act: Callable[[], object], *, checked: bool = True, decided: bool = False
) -> Response | tuple[str, int]:  # fmt: skip
    """Give an answer in one transaction and go where the queue leads, or show the case with what is in the way.

    A form that carries the case's version is refused once the case has changed, unless it is not `checked`. Whoever
    `decided` somebody's proposal is told so where they go.
    """
    wiring = current_app.extensions["doisoat"]
    read = case_versions.Version.of(request.form.get("version", "")) if checked else None

    def work() -> None:
        db().rollback()
        if read is not None:
            case_versions.hold(db(), mismatch_id, read)
        act()
        composing.compose_promises(db(), wiring.settings)
        db().commit()

    try:
        insist(work)
    except (NotSettled, NotRemarked) as problem:
        db().rollback()
        meanwhile = problem.meanwhile if isinstance(problem, case_versions.Changed) else ()
        status = 409 if isinstance(problem, NotSettled) else 400
        return mismatches.show(mismatch_id, problem=_obstacle(problem, mismatch_id), meanwhile=meanwhile), status
    except IntegrityError as problem:
        db().rollback()
        if "uq_settlements_" not in str(problem.orig):
            raise
        return mismatches.show(mismatch_id, problem=str(NOT_SETTLED["not_open"])), 409
    return redirect(desk_queue.after(mismatch_id, decided=decided), 303)


def _complaint(mismatch_id: int) -> str:
    """Return what is in the way of the answer as it was typed, "" for nothing; raises Unreadable.

    What it would leave stands beside it: an answer of nothing yet, or of too much, needs no words of its own.
    """
    asked = db().get(Mismatch, mismatch_id)
    shares, places = answer_form.shares(), answer_form.places()
    undoes, lifts = answer_form.chosen("undo"), answer_form.chosen("lift")
    if asked is None or asked.payment_id is None:
        return ""
    try:
        settlement_checks.check(db(), asked.payment_id, undoes=undoes, lifts=lifts, shares=shares, places=places)
    except NotSettled as problem:
        return "" if problem.reason in ("nothing", "over") else said(problem)
    finally:
        db().rollback()  # the bills that it locked
    return ""


def _obstacle(problem: NotSettled | NotRemarked, mismatch_id: int) -> str:
    """Return why an answer can't be; who comes too late for a case that is settled is not told to answer again."""
    asked = db().get(Mismatch, mismatch_id)
    if isinstance(problem, case_versions.Changed) and asked is not None and asked.state == "resolved":
        return str(NOT_SETTLED["settled_meanwhile"])
    return said(problem)


def said(problem: NotSettled | NotRemarked) -> str:
    """Return why an answer or a remark can't be, in the person's language."""
    if isinstance(problem, NotRemarked):
        return str(NOT_REMARKED[problem.reason])
    facts = {name: money(fact, "VND") if isinstance(fact, int) else fact for name, fact in problem.facts.items()}
    return str(NOT_SETTLED[problem.reason]) % facts


def _of_question(mismatch_id: int, settlement_id: int) -> Settlement:
    made = db().get(Settlement, settlement_id)
    if made is None or made.mismatch_id != mismatch_id:
        abort(404)
    return made
