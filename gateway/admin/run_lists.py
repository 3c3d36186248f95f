"""What a run of debits consists of: its debits and the bills it leaves out, page by page, and both as one file."""

from typing import Any

from flask import Blueprint, Response, abort, current_app
from sqlalchemy import ColumnElement, or_, select

from gateway import reports
from gateway.admin import debit_words
from gateway.admin.banks import meaning_at
from gateway.admin.listing import Asked, Filter, answered, listed
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import debit_figures
from reconciliation.bills import Bill
from reconciliation.debits import Debit, DebitRun, Exclusion
from reconciliation.reports import DEBIT_RUN

blueprint = Blueprint("run_lists", __name__, url_prefix="/debits")


@blueprint.get("/<row:run_id>/debits")
def debits(run_id: int) -> tuple[str, int]:
    """List a run's debits, in the order in which they were chosen."""
    run = _run(run_id)
    codes = {one.reason: one.reason for one in debit_figures.outcomes(db(), run_id) if one.state != "dropped"}
    asked = Asked.of_request(
        Filter("state", _("State"), debit_words.DEBIT_STATES),
        Filter("reason", _("The bank's code"), {code: code for code in codes if code}),
    )
    wanted = select(Debit).where(Debit.run_id == run_id)
    if asked["state"]:
        wanted = wanted.where(Debit.state == asked["state"])
    if asked["reason"]:
        wanted = wanted.where(Debit.reason == asked["reason"])
    if asked.search:
        wanted = wanted.where(_named(Debit.bill_number, Debit.end_to_end_id, asked=asked, minor=Debit.minor))
    found = listed(db(), wanted, Debit.id, asked, newest_first=False)
    return answered("admin/run_debits.html", found, run=run, meaning=meaning_at(run.bank))


@blueprint.get("/<row:run_id>/left-out")
def left_out(run_id: int) -> tuple[str, int]:
    """List the bills that a run leaves out."""
    asked = Asked.of_request(Filter("reason", _("Left out because"), debit_words.EXCLUSIONS))
    wanted = select(Exclusion, Bill).join(Bill, Bill.id == Exclusion.bill_id).where(Exclusion.run_id == run_id)
    if asked["reason"]:
        wanted = wanted.where(Exclusion.reason == asked["reason"])
    if asked.search:
        wanted = wanted.where(_named(Bill.number, Bill.payment_code, asked=asked, minor=Exclusion.minor))
    found = listed(db(), wanted, Exclusion.bill_id, asked, newest_first=False)
    return answered("admin/run_left_out.html", found, run=_run(run_id))


@blueprint.get("/<row:run_id>.<any(csv, xlsx):form>")
def file(run_id: int, form: str) -> Response:
    """Give every debit of a run and every bill that it leaves out."""
    run = _run(run_id)
    wiring = current_app.extensions["doisoat"]
    pieces = reports.pieces(wiring, reports.in_words(DEBIT_RUN.name), form, bank=run.bank, run=run.id)
    answer = Response(pieces, content_type=reports.FORMATS[form])
    name = f"debits-{run.bank}-{run.charge_on:%Y%m%d}-{run.id}.{form}"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _named(*columns: Any, asked: Asked, minor: Any) -> ColumnElement[bool]:
    found = [column.in_(asked.spellings()) for column in columns]
    if (amount := asked.amount()) is not None:
        found.append(minor == amount)
    return or_(*found)


def _run(run_id: int) -> DebitRun:
    run = db().get(DebitRun, run_id)
    if run is None:
        abort(404)
    return run
