"""Mismatches: the questions for people, the oldest first, each with what was expected and what arrived."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import Any

from flask import Blueprint, abort, current_app, render_template
from sqlalchemy import and_, not_, or_, select

from gateway.admin import answers, debit_words, office_scope, question_words, settlement_lines, verdicts, words
from gateway.admin.banks import bank_choices, bank_title
from gateway.admin.listing import Asked, Filter, counted, page_of
from gateway.languages import day, deadline, moment, money
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import ageing, story
from reconciliation.bills import Bill
from reconciliation.customers import Customer
from reconciliation.debits import Debit
from reconciliation.mandates import Mandate
from reconciliation.mismatches import CARE, Mismatch
from reconciliation.payments import Payment
from reconciliation.remarks import Remark
from reconciliation.statements import Line, Statement

blueprint = Blueprint("mismatches", __name__, url_prefix="/mismatches")
UNSETTLED = "unsettled"
_OWNERS = {role: words.ROLES[role] for role in sorted({care.owner for care in CARE.values()})}
_DUE = {"overdue": _("overdue")}
_STATES = {UNSETTLED: _("not settled"), **words.QUESTION_STATES}


_OF_OTHERS = {"candidates", "items", "unknown", "debits", "lines", "file", "statement"}
"""Facts that may name other customers or a whole file: not for who belongs to an office."""


@blueprint.get("/")
def listing() -> str:
    """List mismatches, the oldest first: that is the one to take up next."""
    asked = Asked.of_request(
        Filter("bank", _("Bank"), bank_choices()),
        Filter("state", _("State"), _STATES),
        Filter("age", _("Age"), words.AGES),
        Filter("owner", _("In the hands of"), _OWNERS),
        Filter("due", _("Deadline"), _DUE),
        Filter("code", _("Code"), {code: f"{code} {one.name}" for code, one in question_words.MISMATCHES.items()}),
    )
    wanted = (
        select(Mismatch, Bill.number, Payment.source_reference, Payment.bank_reference)
        .outerjoin(Bill, Bill.id == Mismatch.bill_id)
        .outerjoin(Payment, Payment.id == Mismatch.payment_id)
    )
    if asked["bank"]:
        wanted = wanted.where(Mismatch.source == asked["bank"])
    now = current_app.extensions["doisoat"].clock()
    rests = and_(Mismatch.rests_until.is_not(None), Mismatch.rests_until > now)
    if asked["state"] == UNSETTLED:
        wanted = wanted.where(Mismatch.state != "resolved", not_(rests))
    elif asked["state"] == words.RESTING:
        wanted = wanted.where(Mismatch.state != "resolved", rests)
    elif asked["state"]:
        wanted = wanted.where(Mismatch.state == asked["state"])
    if asked["age"]:
        since, until = ageing.bounds(asked["age"], now)
        wanted = wanted.where(Mismatch.opened_at < until)
        if since is not None:
            wanted = wanted.where(Mismatch.opened_at >= since)
    if asked["owner"]:
        wanted = wanted.where(Mismatch.owner == asked["owner"])
    if asked["due"]:
        wanted = wanted.where(Mismatch.state != "resolved", not_(rests), Mismatch.due_at <= now)
    if asked["code"]:
        wanted = wanted.where(Mismatch.code == asked["code"])
    if asked.search:
        codes = asked.spellings()
        owing = select(Bill.id).join(Customer, Customer.id == Bill.customer_id).where(Customer.code.in_(codes))
        found = [
            Mismatch.code.in_(codes),
            Mismatch.subject == asked.search,
            Bill.number.in_(codes),
            Bill.payment_code.in_(codes),
            Mismatch.bill_id.in_(owing),
            Payment.source_reference.in_(codes),
            Payment.bank_reference.in_(codes),
        ]
        if (amount := asked.amount()) is not None:
            found.append(Mismatch.minor == amount)
        wanted = wanted.where(or_(*found))
    wanted = office_scope.within(wanted, Mismatch)
    page = page_of(db(), wanted, Mismatch.id, asked, newest_first=False)
    # The spans count every office's questions: who belongs to one is not told of the others'.
    spans = [] if office_scope.office() else ageing.aged(db(), source=asked["bank"], now=now)
    settled = 0 if asked["state"] else counted(db(), wanted.where(Mismatch.state == "resolved"), Mismatch.id)
    return render_template("admin/mismatches.html", page=page, settled=settled, spans=spans, now=now)


@blueprint.get("/<row:mismatch_id>")
def page(mismatch_id: int) -> str:
    """Show one question with everything needed to answer it."""
    return show(mismatch_id)


def show(mismatch_id: int, *, problem: str = "") -> str:
    """Return a question's page; `problem` is what was wrong with the answer that was just given."""
    mismatch = db().get(Mismatch, mismatch_id)
    if mismatch is None:
        abort(404)
    line = db().get(Line, mismatch.line_id) if mismatch.line_id else None
    bill = db().get(Bill, mismatch.bill_id) if mismatch.bill_id else None
    # What the linked bill says itself is not said twice.
    hidden = {"ranked"} | (_OF_OTHERS if office_scope.office() else set())
    told = {name: value for name, value in mismatch.facts.items() if name not in hidden}
    shown = {name: value for name, value in told.items() if bill is None or value != bill.number}
    payment = db().get(Payment, mismatch.payment_id) if mismatch.payment_id else None
    statement_id = mismatch.statement_id or (line.statement_id if line else None)
    return render_template(
        "admin/mismatch.html",
        mismatch=mismatch,
        sides=sides(shown, mismatch.currency),
        bill=bill,
        debit=_debit(mismatch),
        mandate=_mandate(mismatch),
        charge_on=_written(told.get("charge_on", ""), "day", mismatch.currency),
        payment=payment,
        settling=answers.NOTHING if office_scope.office() else answers.offered(mismatch, payment),
        problem=problem,
        line=line,
        settlement=None if office_scope.office() else settlement_lines.settlement(mismatch.line_id),
        statement=db().get(Statement, statement_id) if statement_id else None,
        remarks=db().scalars(select(Remark).where(Remark.mismatch_id == mismatch.id).order_by(Remark.id)).all(),
        moves=story.moves_of(db(), "mismatch", [mismatch.id]),
        now=current_app.extensions["doisoat"].clock(),
    )


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
    "reason": lambda value: str(debit_words.EXCLUSIONS.get(value, value)),
}


def _written(value: Any, kind: str, currency: str) -> str:
    with suppress(TypeError, ValueError):  # a fact of another shape than its name promises is shown as it is
        if kind == "money":
            return money(int(value), currency)
        if kind in _WRITTEN:
            return _WRITTEN[kind](value)
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return str(value)
