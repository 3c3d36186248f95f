"""What people do to one bill's debiting, on the bill's page: hold and release it, put it off, note a printed notice."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, current_app, redirect, request, url_for
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from gateway import composing, debit_desk
from gateway.admin import answer_form, bills, debit_words
from gateway.admin.answer_form import Unreadable
from gateway.database import insist
from gateway.languages import day as words_of_day
from gateway.languages import gettext
from gateway.languages import moment as words_of_moment
from gateway.request_session import db
from reconciliation import bill_holds, debit_figures, debit_notices
from reconciliation.bill_holds import NotHeld
from reconciliation.bills import Bill
from reconciliation.debit_days import NotMovable
from reconciliation.debit_notices import NotNoted, NotToldThen

blueprint = Blueprint("bill_debiting", __name__, url_prefix="/bills")
Act = Callable[[Session, Bill, str, datetime], object]
"""Does something to a bill, for a reason, at a moment."""
_REFUSALS = {NotHeld: "not_held", NotMovable: "not_movable", NotNoted: "not_noted"}


@blueprint.post("/<row:bill_id>/hold")
def hold(bill_id: int) -> Response | tuple[str, int]:
    """Keep the bill from being debited until it is released."""
    kind = _one_of(bill_holds.DISPUTE, bill_holds.PERSON)
    return _do(
        bill_id,
        lambda session, bill, why, now: bill_holds.hold(
            session, bill.number, kind, by=current_user.username, why=why, now=now
        ),
    )


@blueprint.post("/<row:bill_id>/release")
def release(bill_id: int) -> Response | tuple[str, int]:
    """Let the bill be debited again; its customer is told before."""
    kind = _one_of(*bill_holds.KINDS)
    return _do(
        bill_id,
        lambda session, bill, why, now: bill_holds.release(
            session, bill.number, kind, by=current_user.username, why=why, now=now
        ),
    )


@blueprint.post("/<row:bill_id>/postpone")
def postpone(bill_id: int) -> Response | tuple[str, int]:
    """Debit the bill on another day; its customer is told anew."""

    def act(session: Session, bill: Bill, why: str, _now: datetime) -> None:
        to, day = answer_form.day("to"), debit_figures.of_bill(session, bill).day
        if day is None:
            raise NotMovable("expected a bill that is to be debited, got one that is not")
        debit_desk.postpone(
            session, _wiring(), bill.bank, day, to, number=bill.number, by=current_user.username, why=why
        )

    return _do(bill_id, act)


@blueprint.post("/<row:bill_id>/printed")
def printed(bill_id: int) -> Response | tuple[str, int]:
    """Record that the customer was told of the debit on paper."""

    def act(session: Session, bill: Bill, _why: str, now: datetime) -> None:
        handed = _moment()
        try:
            debit_notices.note_printed(session, bill.number, handed_at=handed, by=current_user.username, now=now)
        except NotToldThen as refused:
            raise Unreadable(
                gettext(
                    "Handed over: expected a moment from %(first)s, when the bill was issued, to now; got %(got)s.",
                    first=words_of_day(refused.first), got=words_of_moment(handed),
                )
            ) from refused  # fmt: skip

    return _do(bill_id, act, needs_why=False)


def _do(bill_id: int, act: Act, *, needs_why: bool = True) -> Response | tuple[str, int]:
    wiring = _wiring()

    def work() -> None:
        db().rollback()
        bill = db().get(Bill, bill_id, populate_existing=True)
        if bill is None:
            abort(404)
        act(db(), bill, why, wiring.clock())
        composing.compose_promises(db(), wiring.settings)
        db().commit()

    try:
        why = answer_form.why() if needs_why else ""
        insist(work)
    except Unreadable as problem:
        db().rollback()
        return bills.show(bill_id, problem=str(problem)), 400
    except (NotHeld, NotMovable, NotNoted) as refused:
        db().rollback()
        return bills.show(bill_id, problem=str(debit_words.NOT_DONE[_REFUSALS[type(refused)]])), 409
    return redirect(url_for("admin.bills.page", bill_id=bill_id, _anchor="debiting"), 303)


def _one_of(*kinds: str) -> str:
    kind = request.form.get("kind", "")
    if kind not in kinds:
        abort(400)  # no form of ours sends it
    return kind


def _moment() -> datetime:
    found = answer_form.moment("handed")
    if found is None:
        raise Unreadable(gettext("Write the day and the time at which it was handed over."))
    return found


def _wiring() -> Any:
    return current_app.extensions["doisoat"]
