"""Debit runs: what one would hold now, those there are, and each with its figures, its files and what is decided."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask_login import current_user
from sqlalchemy import or_, select
from werkzeug.wrappers import Response

from gateway import composing, debit_desk, reports
from gateway.admin import access, answer_form, debit_words
from gateway.admin.answer_form import Unreadable
from gateway.admin.banks import bank_choices, meaning_at
from gateway.admin.listing import SIZE, Asked, Filter, answered, listed
from gateway.clock import local_date
from gateway.database import insist
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from gateway.written_days import a_day
from reconciliation import bank_days, debit_choice, debit_figures, debit_rules, debit_runs
from reconciliation.audit import AuditEntry
from reconciliation.bills import Bill
from reconciliation.business_days import local_day
from reconciliation.debit_choice import REASONS
from reconciliation.debit_runs import NothingDue, RunRefused
from reconciliation.debits import Debit, DebitFile, DebitRun, Exclusion

blueprint = Blueprint("debit_runs", __name__, url_prefix="/debits")
HELD = "none"
"""The "reason" of bills that a run would hold."""


@blueprint.get("/")
def listing() -> tuple[str, int]:
    """List the runs, newest first."""
    asked = Asked.of_request(
        Filter("bank", _("Bank"), bank_choices()),
        Filter("state", _("State"), debit_words.RUN_STATES),
        Filter("day", _("Day")),
    )
    wanted = select(DebitRun)
    if asked["bank"]:
        wanted = wanted.where(DebitRun.bank == asked["bank"])
    if asked["state"]:
        wanted = wanted.where(DebitRun.state == asked["state"])
    if asked["day"]:
        wanted = wanted.where(DebitRun.charge_on == asked.day())
    if asked.search:
        number = asked.search.removeprefix("#")
        of_bill = select(Bill.id).where(Bill.number.in_(asked.spellings()))
        wanted = wanted.where(
            or_(
                DebitRun.id == (int(number) if number.isascii() and number.isdigit() and len(number) <= 18 else 0),
                DebitRun.id.in_(select(Debit.run_id).where(Debit.bill_number.in_(asked.spellings()))),
                DebitRun.id.in_(select(Exclusion.run_id).where(Exclusion.bill_id.in_(of_bill))),
            )
        )
    form = _form(asked["bank"], asked.day() or local_date(_wiring().clock()))
    troubled = select(DebitFile).where(DebitFile.state == "claimed", DebitFile.attempts > 0).order_by(DebitFile.id)
    return answered(
        "admin/debit_runs.html",
        listed(db(), wanted, DebitRun.id, asked),
        troubled=db().scalars(troubled.limit(SIZE)).all(),
        **form,
    )


@blueprint.get("/preview")
def preview() -> str | Response:
    """Show what a run of a bank and day would hold now, and, of one reason, which bills it would leave out."""
    bank, day = request.args.get("bank", ""), _day(request.args.get("day", ""))
    if bank not in debit_desk.banks(_wiring()) or day is None:
        return redirect(url_for(".listing"), 303)
    return _preview(bank, day)


@blueprint.post("/propose")
def propose() -> Response | tuple[str, int]:
    """Choose the debits of a bank and day as they stand now, for another person to approve."""
    bank, day = request.form.get("bank", ""), _day(request.form.get("day", ""))
    if bank not in debit_desk.banks(_wiring()) or day is None:
        abort(400)  # no form of ours sends it
    wanted = debit_desk.wanted(_wiring(), bank, day)
    try:
        made = _do(lambda now: debit_runs.propose(db(), wanted, by=current_user.username, now=now))
    except NothingDue:
        return _preview(bank, day, str(debit_words.NOT_DONE["no_bills"])), 409
    except RunRefused:
        obstacle = "day_over" if day < local_day(_wiring().clock()) else "run_open"
        return _preview(bank, day, str(debit_words.NOT_DONE[obstacle])), 409
    return redirect(url_for(".page", run_id=made.id), 303)


@blueprint.get("/<row:run_id>")
def page(run_id: int) -> str:
    """Show one run."""
    return _page(_run(run_id))


@blueprint.post("/<row:run_id>/approve")
def approve(run_id: int) -> Response | tuple[str, int]:
    """Let a run leave on its day that somebody else has proposed."""
    return _decide(run_id, debit_runs.approve)


@blueprint.post("/<row:run_id>/refuse")
def refuse(run_id: int) -> Response | tuple[str, int]:
    """Turn a run down, or take one's own back."""
    if _run(run_id).maker != current_user.username and not access.may_open("admin.debit_runs.approve"):
        abort(403)
    return _decide(run_id, debit_runs.refuse)


@blueprint.post("/<row:run_id>/stop")
def stop(run_id: int) -> Response | tuple[str, int]:
    """Take an approved run back while nothing of it has left."""
    return _decide(run_id, debit_runs.stop)


def _form(bank: str, day: date) -> dict[str, object]:
    names = bank_choices()
    return {"debiting": {name: names[name] for name in debit_desk.banks(_wiring())}, "bank": bank, "day": day}


def _preview(bank: str, day: date, problem: str = "") -> str:
    wanted, rules, reason = debit_desk.wanted(_wiring(), bank, day), debit_rules.rules(db()), _reason()
    bills: Sequence[Any] = []
    if reason is not None:
        after = request.args.get("after", 0, type=int)
        bills = debit_choice.bills(db(), wanted, rules, reason, after=after, at_most=SIZE + 1)
    found = debit_choice.preview(db(), wanted, rules)
    waits = select(DebitRun).where(DebitRun.bank == bank, DebitRun.charge_on == day, DebitRun.state == "proposed")
    return render_template(
        "admin/debit_preview.html",
        found=found,
        waits=db().scalars(waits).one_or_none(),
        rests=not bank_days.calendar(db()).is_business_day(day),
        over=day < local_day(_wiring().clock()),
        asks=any(one in found.left_out for one in debit_choice.MANDATE_REASONS),
        problem=problem,
        reason=reason,
        bills=bills[:SIZE],
        next=bills[SIZE - 1].bill_id if len(bills) > SIZE else None,
        **_form(bank, day),
    )


def _reason() -> str | None:
    """Return of which reason the bills are asked for; "" for those that a run would hold, None for none."""
    asked = request.args.get("reason", "")
    return "" if asked == HELD else asked if asked in REASONS else None


def _page(run: DebitRun, problem: str = "") -> str:
    return render_template(
        "admin/debit_run.html",
        run=run,
        problem=problem,
        meaning=meaning_at(run.bank),
        formats=reports.FORMATS,
        outcomes=debit_figures.outcomes(db(), run.id),
        left_out=debit_figures.left_out(db(), run.id),
        control=debit_figures.control(db(), run.id),
        files=db().scalars(select(DebitFile).where(DebitFile.run_id == run.id).order_by(DebitFile.id)).all(),
        acts=db().scalars(
            select(AuditEntry).where(AuditEntry.subject == f"debit_run:{run.id}").order_by(AuditEntry.id)
        ).all(),
    )  # fmt: skip


def _decide(run_id: int, act: Callable[..., DebitRun]) -> Response | tuple[str, int]:
    run = _run(run_id)
    try:
        why = answer_form.why()
    except Unreadable as problem:
        return _page(run, str(problem)), 400
    try:
        _do(lambda now: act(db(), run_id, by=current_user.username, why=why, now=now))
    except RunRefused:
        run = _run(run_id)
        return _page(run, str(debit_words.NOT_DONE[_obstacle(run, act)])), 409
    return redirect(url_for(".page", run_id=run_id), 303)


def _obstacle(run: DebitRun, act: Callable[..., DebitRun]) -> str:
    own = act is debit_runs.approve and run.state == "proposed" and run.maker == current_user.username
    return "own_run" if own else "run_moved"


def _do(act: Callable[[datetime], DebitRun]) -> DebitRun:
    """Do one act in one transaction, and write what its customers are told."""
    wiring = _wiring()

    def work() -> DebitRun:
        db().rollback()
        made = act(wiring.clock())
        composing.compose_promises(db(), wiring.settings)
        db().commit()
        return made

    try:
        return insist(work)
    except RunRefused:
        db().rollback()
        raise


def _run(run_id: int) -> DebitRun:
    run = db().get(DebitRun, run_id, populate_existing=True)
    if run is None:
        abort(404)
    return run


def _day(written: str) -> date | None:
    return a_day(written.strip())


def _wiring() -> Any:
    return current_app.extensions["doisoat"]
