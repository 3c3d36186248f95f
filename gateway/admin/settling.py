"""Settling: how a person answers a question about a payment's money, and another one approves it."""

import re
from collections.abc import Callable

from flask import Blueprint, abort, current_app, redirect, request, url_for
from flask_login import current_user
from sqlalchemy import or_, select
from werkzeug.wrappers import Response

from gateway import composing
from gateway.admin import mismatches
from gateway.admin.answers import ROWS
from gateway.database import insist
from gateway.languages import gettext, money
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import settlements
from reconciliation.bills import Bill
from reconciliation.settlement_checks import NotSettled
from reconciliation.settlements import Settlement

blueprint = Blueprint("settling", __name__, url_prefix="/mismatches")
MOST_WORDS = 500
_AMOUNT = re.compile(r"[0-9]{1,3}(?:[ .,\u00a0][0-9]{3})*|[0-9]{1,15}", re.ASCII)


NOT_SETTLED = {
    "no_payment": _("This question is not about a payment's money."),
    "not_open": _("This question has been answered or is being answered: look at it again."),
    "own": _("Another person approves than the one who proposed it."),
    "no_match": _("A match was undone meanwhile: look at it again."),
    "nothing": _("Choose a match to undo or a bill to settle."),
    "no_bill": _("There is no such bill."),
    "not_counting": _("The payment is not in đồng, or the bank has taken it back."),
    "not_owed": _("Bill %(number)s is not owed any more."),
    "twice": _("The payment settles part of bill %(number)s already: undo that match as well."),
    "too_much": _("Bill %(number)s takes at most %(most)s."),
    "over": _("The payment has at most %(most)s to give."),
}
"""Why an answer can't be, for the person who gave it."""


class _Unreadable(ValueError):
    """A field of the form that can't be read; says so in the person's language."""


@blueprint.post("/<row:mismatch_id>/settle")
def propose(mismatch_id: int) -> Response | tuple[str, int]:
    """Answer the question: undo matches of its payment, settle bills with it."""
    now = current_app.extensions["doisoat"].clock()
    try:
        why, undoes, shares = _why(), _undoes(), _shares()
        return _done(
            mismatch_id,
            lambda: settlements.propose(
                db(), mismatch_id, undoes=undoes, settles=shares, why=why, by=current_user.username, now=now
            ),
        )
    except _Unreadable as problem:
        return mismatches.show(mismatch_id, problem=str(problem)), 400


@blueprint.post("/<row:mismatch_id>/approve/<row:settlement_id>")
def approve(mismatch_id: int, settlement_id: int) -> Response | tuple[str, int]:
    """Carry out what somebody else has proposed."""
    _of_question(mismatch_id, settlement_id)
    now = current_app.extensions["doisoat"].clock()
    return _done(mismatch_id, lambda: settlements.approve(db(), settlement_id, by=current_user.username, now=now))


@blueprint.post("/<row:mismatch_id>/refuse/<row:settlement_id>")
def refuse(mismatch_id: int, settlement_id: int) -> Response | tuple[str, int]:
    """Turn a proposal down, or take one's own back."""
    made = _of_question(mismatch_id, settlement_id)
    if made.maker != current_user.username and current_user.role != "chief_accountant":
        abort(403)
    now = current_app.extensions["doisoat"].clock()
    try:
        why = _why()
    except _Unreadable as problem:
        return mismatches.show(mismatch_id, problem=str(problem)), 400
    return _done(
        mismatch_id, lambda: settlements.refuse(db(), settlement_id, by=current_user.username, why=why, now=now)
    )


def _done(mismatch_id: int, act: Callable[[], Settlement]) -> Response | tuple[str, int]:
    wiring = current_app.extensions["doisoat"]

    def work() -> None:
        db().rollback()
        act()
        composing.compose_promises(db(), wiring.settings)
        db().commit()

    try:
        insist(work)
    except NotSettled as problem:
        db().rollback()
        return mismatches.show(mismatch_id, problem=_said(problem)), 409
    return redirect(url_for("admin.mismatches.page", mismatch_id=mismatch_id), 303)


def _said(problem: NotSettled) -> str:
    facts = {name: money(fact, "VND") if isinstance(fact, int) else fact for name, fact in problem.facts.items()}
    return str(NOT_SETTLED[problem.reason]) % facts


def _of_question(mismatch_id: int, settlement_id: int) -> Settlement:
    made = db().get(Settlement, settlement_id)
    if made is None or made.mismatch_id != mismatch_id:
        abort(404)
    return made


def _why() -> str:
    why = " ".join(request.form.get("why", "").split())[:MOST_WORDS]
    if not why:
        raise _Unreadable(gettext("Say why: it is kept with your name."))
    return why


def _typed(name: str) -> str:
    return request.form.get(name, "").replace("\0", "").strip()[:40]


def _undoes() -> list[int]:
    chosen = request.form.getlist("undo")
    if not all(one.isascii() and one.isdigit() and len(one) <= 18 for one in chosen):
        abort(400)  # no form of ours sends it
    return [int(one) for one in chosen]


def _shares() -> dict[int, int]:
    """Return bill id → đồng, as the form's rows name a bill (by number or payment code) and its part."""
    shares: dict[int, int] = {}
    for row in range(1, ROWS + 1):
        number, written = (_typed(f"{name}{row}") for name in ("bill", "amount"))
        if not number and not written:
            continue
        if not number:
            raise _Unreadable(gettext("Name the bill that %(amount)s is for.", amount=written))
        named = or_(Bill.number.in_([number, number.upper()]), Bill.payment_code == number.upper())
        bill = db().scalar(select(Bill).where(named).order_by(Bill.version.desc(), Bill.id.desc()).limit(1))
        if bill is None:
            raise _Unreadable(gettext("No bill has the number or payment code %(number)s.", number=number))
        amount = _AMOUNT.fullmatch(written.removesuffix("₫").removesuffix("đ").strip())
        if amount is None or not amount[0].strip("0"):
            raise _Unreadable(gettext("Write the part of bill %(number)s in whole đồng.", number=bill.number))
        if bill.id in shares:
            raise _Unreadable(gettext("Bill %(number)s stands in two rows.", number=bill.number))
        shares[bill.id] = int(re.sub(r"\D", "", amount[0]))
    return shares
