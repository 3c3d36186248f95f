"""Mismatches: the questions for people, the oldest first, each with what was expected and what arrived."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Any

from flask import Blueprint, abort, current_app, render_template, request
from flask_login import current_user
from sqlalchemy import select

from gateway.admin import (
    answer_form,
    answer_parts,
    answers,
    case_history,
    case_offers,
    case_story,
    debit_words,
    desk_queue,
    office_scope,
    question_words,
    settlement_lines,
    statement_words,
    verdicts,
    words,
)
from gateway.admin.banks import bank_title
from gateway.admin.listing import counted
from gateway.languages import day, deadline, moment, money
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import acknowledgements, case_links, case_sides, case_versions, remarks, story, usual_answers
from reconciliation.bills import Bill
from reconciliation.debits import Debit
from reconciliation.mandates import Mandate
from reconciliation.mismatches import Mismatch
from reconciliation.payments import Payment
from reconciliation.remarks import Remark
from reconciliation.statements import Line, Statement

blueprint = Blueprint("mismatches", __name__, url_prefix="/mismatches")
_TYPED = {"why": _("Reason"), "said": _("Words"), "bill1": _("Bill"), "amount1": _("Part"), "sum1": _("Amount")}
_OF_OTHERS = {"candidates", "items", "unknown", "debits", "lines", "file", "statement"}
"""Facts that may name other customers or a whole file: not for who belongs to an office."""


@blueprint.get("/")
def listing() -> tuple[str, int]:
    """List cases: by age, and what is unsettled also by amount and by deadline."""
    return show_queue(), 400 if desk_queue.odd(desk_queue.asked()) else 200


def show_queue(*, problem: str = "") -> str:
    """Return the queue's page; `problem` is what was in the way of what was just asked of it."""
    held, now = desk_queue.asked(), current_app.extensions["doisoat"].clock()
    page = desk_queue.page(held, now)
    resolved = desk_queue.wanted(held, now).where(Mismatch.state == "resolved")
    return render_template(
        "admin/mismatches.html",
        page=page,
        settled=0
        if held["state"] != desk_queue.EVERY
        else counted(db(), resolved, Mismatch.id, most=desk_queue.COUNTED)[0],
        every="" if held["state"] == desk_queue.EVERY else held.link(state=desk_queue.EVERY),
        spans=() if page.problems else desk_queue.spans(held, now),
        kept={"queue": "1", **{name: value for name, value in {"q": held.search, **held.values}.items() if value}},
        people=remarks.assignees(db(), by=current_user.username),
        raised=case_links.raised_by_undoing(db(), [row[0].id for row in page.rows]),
        off=_off(row[0] for row in page.rows),
        undo=_done(),
        decided=_decided(),
        problem=problem,
        now=now,
    )


@blueprint.get("/<row:mismatch_id>")
def page(mismatch_id: int) -> str:
    """Show one question with everything needed to answer it."""
    shown = show(mismatch_id)
    db().commit()  # that the person looks at it
    return shown


def show(mismatch_id: int, *, problem: str = "", meanwhile: Sequence[Any] = (), checking: bool = False) -> str:
    """Return a question's page.

    `problem` is what was wrong with the answer that was just given, `meanwhile` what others did before it came;
    `checking` computes what the answer that was typed would leave.
    """
    mismatch = db().get(Mismatch, mismatch_id)
    if mismatch is None:
        abort(404)
    now = current_app.extensions["doisoat"].clock()
    line = db().get(Line, mismatch.line_id) if mismatch.line_id else None
    bill = db().get(Bill, mismatch.bill_id) if mismatch.bill_id else None
    # What the linked bill says itself is not said twice.
    mine = office_scope.office()
    hidden = {"ranked"} | (_OF_OTHERS if mine else set())
    told = {name: value for name, value in mismatch.facts.items() if name not in hidden}
    raised_by = case_links.raised_by_undoing(db(), [mismatch_id]).get(mismatch_id)
    taken_from = answer_parts.applied(raised_by) if raised_by and not mine else None
    if raised_by:
        told["verdict"] = verdicts.TAKEN_BACK
    shown = {name: value for name, value in told.items() if bill is None or value != bill.number}
    payment = db().get(Payment, mismatch.payment_id) if mismatch.payment_id else None
    statement_id = mismatch.statement_id or (line.statement_id if line else None)
    settling = answers.NOTHING if mine else answers.offered(mismatch, payment)
    suggested = [part["bill"] for one in settling.get("ranked", ())[:1] for part in one.bills]
    before, after = desk_queue.beside(mismatch_id, now) if desk_queue.carried() else (None, None)
    answer = None if mine else usual_answers.usual(db(), mismatch, now=now)
    taken_back = _numbered("undone")
    return render_template(
        "admin/mismatch.html",
        mismatch=mismatch,
        sides=sides(shown, mismatch.currency),
        off=_off([mismatch]).get(mismatch.id),
        bill=bill,
        debit=_debit(mismatch),
        mandate=_mandate(mismatch),
        charge_on=_written(told.get("charge_on", ""), "day", mismatch.currency),
        finding=verdicts.VERDICTS.get(str(told.get("verdict", ""))),
        payment=payment,
        settling=settling,
        usual=answer if answer is not None and case_offers.may_give(answer) else None,
        enough=mismatch.state == "open" and acknowledgements.is_enough(db(), mismatch, payment),
        problem=problem,
        meanwhile=meanwhile,
        typed=[(name, request.form[field]) for field, name in _TYPED.items() if request.form.get(field)],
        checked=answer_form.remaining(settling) if checking else None,
        version=case_versions.version(db(), mismatch),
        company=case_offers.company(mismatch_id),
        beside=case_story.of(mismatch, payment, suggested),
        rests_on_nothing=lambda case: remarks.rests_on_nothing(db(), case),
        people=remarks.assignees(db(), by=current_user.username),
        kept=desk_queue.carried(),
        previous=desk_queue.address(before) if before else "",
        following=desk_queue.address(after) if after else "",
        undo=_done() or case_offers.undo_line(mismatch_id),
        decided=_decided(),
        line=line,
        settlement=None if mine else settlement_lines.settlement(mismatch.line_id),
        statement=db().get(Statement, statement_id) if statement_id else None,
        remarks=db().scalars(select(Remark).where(Remark.mismatch_id == mismatch.id).order_by(Remark.id)).all(),
        moves=story.moves_of(db(), "mismatch", [mismatch.id]),
        history=case_history.of(mismatch, whole=not mine),
        raised=raised_by is not None,
        taken_from=taken_from,
        taken_parts=answer_parts.of([taken_from]) if taken_from else None,
        taken_back=taken_back,
        undone=case_history.undone(taken_back, mismatch_id) if taken_back else "",
        now=now,
    )


def _done() -> Mapping[str, str] | None:
    """Return what can be taken back of the case that was just seen to."""
    done = _numbered("done")
    return case_offers.undo_line(done) if done else None


def _decided() -> str:
    """Return what was decided of the case that was just seen to; "" for nothing."""
    done = _numbered("done")
    return case_offers.decided(done) if done else ""


def _numbered(name: str) -> int | None:
    """Return the number of a case that the address names, if it names one."""
    said = request.args.get(name, "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 18 else None


def _off(cases: Iterable[Mismatch]) -> dict[int, int]:
    """Return of each case about another amount what arrived less what was expected, where both are known.

    The amount of a case has no sign: it is what is to be decided, money left over or what is still owed.
    """
    both = case_sides.of(db(), [one for one in cases if one.code == "M03"])
    return {number: one.difference for number, one in both.items() if one.difference}


def _debit(mismatch: Mismatch) -> Debit | None:
    kind, _colon, number = mismatch.subject.partition(":")
    return db().get(Debit, int(number)) if kind == "debit" and number.isdigit() else None


def _mandate(mismatch: Mismatch) -> Mandate | None:
    reference = question_words.mandate_of(mismatch.subject)
    if not reference:
        return None
    bank = mismatch.source
    return db().scalar(select(Mandate).where(Mandate.bank == bank, Mandate.reference == reference))


def sides(facts: Mapping[str, Any], currency: str) -> dict[str, list[tuple[str, str]]]:
    """Return a mismatch's facts as (name, value) pairs under "expected" and "arrived"; unknown ones as they are."""
    found: dict[str, list[tuple[str, str]]] = {"expected": [], "arrived": []}
    if facts.get("verdict") == "match" and facts.get("owed") == 0:
        facts = {**facts, "verdict": "paid_before"}
    for name, (side, kind, label) in verdicts.FACTS.items():
        if name in facts and facts[name] not in (None, "", []):
            found[side].append((str(label), _written(facts[name], kind, currency)))
    for name, value in facts.items():
        if name not in verdicts.FACTS:
            found["arrived"].append((name, _written(value, "text", currency)))
    return found


_WRITTEN: Mapping[str, Callable[[Any], str]] = {
    "bank": bank_title,
    "day": lambda value: day(date.fromisoformat(value)),
    "days": lambda value: ", ".join(day(date.fromisoformat(one)) for one in value),
    "moment": lambda value: moment(datetime.fromisoformat(value)),
    "deadline": lambda value: deadline(datetime.fromisoformat(value)),
    "verdict": lambda value: str(verdicts.VERDICTS.get(value, value)),
    "reference": lambda value: words.payment_name(value, ""),
    "reason": lambda value: str(debit_words.EXCLUSIONS.get(value) or words.why(value)),
}


def _written(value: Any, kind: str, currency: str) -> str:
    with suppress(TypeError, ValueError):  # a fact of another shape than its name promises is shown as it is
        if kind == "money":
            return money(int(value), currency)
        if kind == "held":
            return "; ".join(statement_words.said(one, currency) for one in value)
        if kind in _WRITTEN:
            return _WRITTEN[kind](value)
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return str(value)
