"""Closes: a bank's days and months with their state, one close with everything behind it, and its minutes."""

import io
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request, send_file, url_for
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as Answer

from gateway import close_desk
from gateway.admin import close_totals, close_words
from gateway.admin.banks import bank_choices
from gateway.admin.listing import asked_choice, asked_month
from gateway.close_desk import Period
from gateway.languages import day as written_day
from gateway.languages import gettext, money, number
from gateway.request_session import db
from reconciliation import business_days, closes, closing, day_figures, month_figures, story
from reconciliation.closes import DIFFERENCE, MONTH, QUESTION, Close, CloseItem
from reconciliation.closing import NotClosed
from reconciliation.lifecycle import CLOSE, Transition
from reconciliation.statements import Line, Statement

blueprint = Blueprint("closes", __name__, url_prefix="/closes")
LISTED = 200
"""Rows shown on a page; the workbook has them all."""
MOST_WORDS = 500
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@blueprint.get("/")
def listing() -> tuple[str, int]:
    """List the days of one bank in one month, and the month itself; 400 for an address that asks for neither."""
    banks = bank_choices()
    bank, no_bank = asked_choice(gettext("Bank"), "bank", banks, next(iter(banks), ""))
    today = business_days.local_day(_now())
    asked, no_month = asked_month()
    odd = " ".join(one for one in (no_bank, no_month) if one)
    month = asked or today.replace(day=1)
    last = month_figures.last_day(month)
    owed = close_desk.owed_days(db(), _wiring(), bank, month, min(last, today))
    shown = render_template(
        "admin/closes.html",
        banks=banks,
        bank=bank,
        month=month,
        odd=odd,
        before=(month - timedelta(days=1)).replace(day=1),
        after=last + timedelta(days=1),
        days=closes.listed(db(), bank, month, min(last, today), owed=owed),
        versions=closes.versions(db(), bank, MONTH, month),
        open_before=_open_before(bank, month),
        close_words=close_words,
    )
    return shown, 400 if odd else 200


@blueprint.get("/<bank>/<period>")
def page(bank: str, period: str) -> str:
    """Show one day or month: as it is now while it is open, as it was kept since."""
    return show(_period(bank, period))


@blueprint.post("/<bank>/<period>/balance")
def balance(bank: str, period: str) -> Answer | tuple[str, int]:
    """Keep the figures as they are, for another person to sign."""
    return _act(bank, period, lambda s, p: close_desk.balance(s, _wiring(), p, by=current_user.username))


@blueprint.post("/<bank>/<period>/sign")
def sign(bank: str, period: str) -> Answer | tuple[str, int]:
    """Sign what somebody else has balanced."""
    return _act(bank, period, lambda s, p: close_desk.sign(s, _wiring(), p, by=current_user.username))


@blueprint.post("/<bank>/<period>/withdraw")
def withdraw(bank: str, period: str) -> Answer | tuple[str, int]:
    """Take a balance back, or turn it down."""
    return _act(bank, period, lambda s, p: close_desk.withdraw(s, _wiring(), p, by=current_user.username, why=_why()))


@blueprint.post("/<bank>/<period>/reopen")
def reopen(bank: str, period: str) -> Answer | tuple[str, int]:
    """Open a signed period again, as another version."""
    return _act(bank, period, lambda s, p: close_desk.reopen(s, _wiring(), p, by=current_user.username, why=_why()))


@blueprint.get("/minutes/<row:close_id>.<any(pdf, xlsx):form>")
def minutes(close_id: int, form: str) -> Response:
    """Send the minutes of one version."""
    from gateway.minutes import contents, workbook

    made = db().get(Close, close_id)
    if made is None or not made.maker:
        abort(404)
    said = contents.of(db(), made, _wiring().settings)
    if form == "pdf":
        document = io.BytesIO(close_desk.minutes(db(), _wiring(), made))
        return send_file(document, "application/pdf", as_attachment=True, download_name=f"{said.name}.pdf")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "minutes.xlsx"
        workbook.write(db(), said, path)
        # Opened before the folder goes; the file lives until it has been sent.
        return send_file(path.open("rb"), _XLSX, as_attachment=True, download_name=f"{said.name}.xlsx")


def show(period: Period, *, problem: str = "") -> str:
    """Return the page of a period; `problem` is what was wrong with the act that was just asked for."""
    versions = closes.versions(db(), period.bank, period.kind, period.day)
    kept = next((one for one in versions if one.id == request.args.get("close", type=int)), None)
    kept = kept or next((one for one in reversed(versions) if one.state in ("balanced", "signed")), None)
    figures, rows, obstacles = _kept(kept) if kept is not None else _as_it_is(period)
    differences, questions = rows
    return render_template(
        "admin/close.html",
        period=period,
        monthly=period.kind == MONTH,
        kept=kept,
        latest=versions[-1] if versions else None,
        reopened=next((one for one in reversed(versions) if one.state == "reopened"), None),
        versions=versions,
        withdrawn=_withdrawn(versions),
        figures=figures,
        totals=close_totals,
        differences=differences[:LISTED],
        questions=questions[:LISTED],
        cut={"differences": len(differences) > LISTED, "questions": len(questions) > LISTED},
        deliveries=_deliveries([*differences[:LISTED], *questions[:LISTED]]),
        obstacles=[(said(one), _queues(period.bank, one)) for one in obstacles],
        problem=problem,
        close_words=close_words,
    )


def _queues(bank: str, problem: NotClosed) -> dict[str, str]:
    """Return code → the queue of the bank's open cases of it, for each code that an obstacle names."""
    codes = str(problem.facts.get("codes", ""))
    return {
        code: url_for("admin.mismatches.listing", bank=bank, code=code, state="unsettled")
        for code in codes.split(", ") if code
    }  # fmt: skip


def said(problem: NotClosed) -> str:
    """Return what keeps a close from going on, in the person's language."""
    facts: dict[str, str] = {}
    for name, fact in problem.facts.items():
        if isinstance(fact, date):
            facts[name] = written_day(fact)
        elif isinstance(fact, str):
            facts[name] = fact
        elif isinstance(fact, int):
            facts[name] = money(fact) if name == "minor" else number(fact)
    return str(close_words.NOT_CLOSED[problem.reason]) % facts


def _kept(made: Close) -> tuple[dict[str, Any], tuple[Sequence[Any], Sequence[Any]], list[NotClosed]]:
    items = select(CloseItem).where(CloseItem.close_id == made.id).order_by(CloseItem.id).limit(LISTED + 1)
    differences = db().scalars(items.where(CloseItem.kind == DIFFERENCE)).all()
    questions = items.where(CloseItem.kind == QUESTION, CloseItem.mismatch_id.not_in(_asked(differences)))
    return made.figures, (differences, db().scalars(questions).all()), []


def _as_it_is(period: Period) -> tuple[dict[str, Any], tuple[Sequence[Any], Sequence[Any]], list[NotClosed]]:
    if period.kind == MONTH:
        found = close_desk.obstacles(db(), _wiring(), period)
        return month_figures.of_month(db(), period.bank, period.day), ([], []), found
    asked = close_desk.asked_of(db(), _wiring(), period.bank, period.day)
    seen = day_figures.look(db(), period.bank, period.day, tells=asked["tells"], most=LISTED + 1)
    obstacles = closing.obstacles(db(), period.bank, period.day, now=_now(), unanswered=seen.unanswered, **asked)
    return seen.figures, (seen.differences, seen.questions), obstacles


def _asked(differences: Sequence[Any]) -> list[int]:
    """Return the questions that stand beside a difference: they are not listed a second time."""
    return [one.mismatch_id for one in differences[:LISTED] if one.mismatch_id]


def _open_before(bank: str, month: date) -> dict[date, int]:
    """Return earlier months of the past year with days that are still to be signed, and how many; the latest first.

    A day that is closed with its month is none of them, nor one on which nothing was booked and nothing is owed.
    """
    first = month.replace(year=month.year - 1)
    last = min(month - timedelta(days=1), business_days.local_day(_now()))
    owed = close_desk.owed_days(db(), _wiring(), bank, first, last)
    return dict(Counter(day.replace(day=1) for day in closes.unsigned(db(), bank, first, last, owed=owed)))


def _withdrawn(versions: Sequence[Close]) -> dict[int, Transition]:
    """Return who took a version back, when and why."""
    gone = [one.id for one in versions if one.state == "withdrawn"]
    return {one.subject_id: one for one in story.moves_of(db(), CLOSE.kind, gone) if one.to_state == "withdrawn"}


def _deliveries(items: Sequence[Any]) -> dict[int, int]:
    """Return the delivery in which each line without a payment came."""
    lines = [one.line_id for one in items if one.line_id and not one.payment_id]
    wanted = select(Line.id, Statement.delivery_id).join(Statement, Statement.id == Line.statement_id)
    return {row.id: row.delivery_id for row in db().execute(wanted.where(Line.id.in_(lines)))}


def _act(bank: str, written: str, act: Callable[[Session, Period], Close]) -> Answer | tuple[str, int]:
    period = _period(bank, written)
    try:
        db().rollback()
        close_desk.done(_wiring(), lambda session: act(session, period))
    except NotClosed as problem:
        return show(period, problem=said(problem)), 409
    return redirect(url_for("admin.closes.page", bank=bank, period=written), 303)


def _period(bank: str, written: str) -> Period:
    if bank not in bank_choices():
        abort(404)
    try:
        return Period.read(bank, written)
    except ValueError:
        abort(404)


def _why() -> str:
    why = " ".join(request.form.get("why", "").split())[:MOST_WORDS].replace("\0", "")
    if not why:
        raise NotClosed("why", "expected a reason, got none")
    return why


def _wiring() -> Any:
    return current_app.extensions["doisoat"]


def _now() -> Any:
    return _wiring().clock()
