"""One debit: what was asked of the bank, how the customer was told before, what the bank said, and its money."""

from typing import Any

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask_login import current_user
from sqlalchemy import or_, select
from werkzeug.wrappers import Response

from gateway import composing, debit_desk, debit_outcomes
from gateway.admin import answer_form, debit_words
from gateway.admin.answer_form import Unreadable
from gateway.admin.banks import bank_choices, meaning_at
from gateway.admin.listing import Asked, Filter, answered, listed
from gateway.database import insist
from gateway.languages import gettext
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from reconciliation import debit_figures, debit_reports, story
from reconciliation.debit_notices import PrintedNotice
from reconciliation.debit_recalls import Recall
from reconciliation.debit_reports import NoDebit
from reconciliation.debits import Debit, DebitFile, DebitReport
from reconciliation.mandates import Mandate, MandateVersion
from reconciliation.outbox import Message

blueprint = Blueprint("debits", __name__, url_prefix="/debits/debit")


@blueprint.get("/unknown")
def unknown() -> tuple[str, int]:
    """List the debits of which nobody knows what became, while their banks are asked again; the newest first."""
    asked = Asked.of_request(Filter("bank", _("Bank"), bank_choices()))
    wanted = select(Debit).where(Debit.state == "unknown", Debit.ask_at.is_not(None))
    if asked["bank"]:
        wanted = wanted.where(Debit.bank == asked["bank"])
    if asked.search:
        wanted = wanted.where(or_(Debit.bill_number.in_(asked.spellings()), Debit.end_to_end_id == asked.search))
    return answered("admin/debits_unknown.html", listed(db(), wanted, Debit.id, asked))


@blueprint.get("/<row:debit_id>")
def page(debit_id: int) -> str:
    """Show one debit."""
    return _page(_debit(debit_id))


@blueprint.post("/<row:debit_id>/answer")
def answer(debit_id: int) -> Response | tuple[str, int]:
    """Note what the bank said of the debit by telephone or letter."""
    debit, wiring = _debit(debit_id), current_app.extensions["doisoat"]
    verdict, code = request.form.get("verdict", ""), _code(debit.bank)
    try:
        why = answer_form.why()
        if verdict not in debit_words.VERDICTS:
            raise Unreadable(gettext("Choose what the bank said."))
    except Unreadable as problem:
        return _page(debit, str(problem)), 400

    def work() -> None:
        db().rollback()
        debit_reports.say(
            db(), debit.end_to_end_id, verdict, reason=code, why=why,
            by=current_user.username, now=wiring.clock(),
        )  # fmt: skip
        composing.compose_promises(db(), wiring.settings)
        db().commit()

    try:
        insist(work)
    except NoDebit:
        db().rollback()
        return _page(_debit(debit_id), str(debit_words.NOT_DONE["not_sent"])), 409
    debit_outcomes.follow_all(wiring)
    return redirect(url_for(".page", debit_id=debit_id), 303)


def _page(debit: Debit, problem: str = "") -> str:
    said = select(DebitReport).where(DebitReport.debit_id == debit.id).order_by(DebitReport.id)
    recall = db().scalars(select(Recall).where(Recall.debit_id == debit.id)).one_or_none()
    version = select(MandateVersion).where(
        MandateVersion.mandate_id == debit.mandate_id, MandateVersion.version == debit.mandate_version
    )
    return render_template(
        "admin/debit.html",
        debit=debit,
        problem=problem,
        meaning=meaning_at(debit.bank),
        mandate=db().get_one(Mandate, debit.mandate_id),
        agreed=db().scalars(version).one_or_none(),
        file=_named(DebitFile, debit.file_id),
        notice=_named(Message, debit.notice_id),
        printed=_named(PrintedNotice, debit.printed_id),
        said=db().scalars(said).all(),
        recall=recall,
        recall_file=_named(DebitFile, recall.file_id if recall else None),
        recalled=story.moves_of(db(), "recall", [recall.id]) if recall else [],
        payments=debit_figures.payments_of(db(), debit.id),
        moves=story.moves_of(db(), "debit", [debit.id]),
    )


def _code(bank: str) -> str:
    """Return the code that was typed: as the bank writes its own, else in capitals."""
    code = "".join(request.form.get("code", "").replace("\0", "").split())[:35]
    return code if code in debit_desk.own_reasons(current_app.extensions["doisoat"], bank) else code.upper()


def _named(kind: Any, row_id: int | None) -> Any:
    return None if row_id is None else db().get(kind, row_id)


def _debit(debit_id: int) -> Debit:
    debit = db().get(Debit, debit_id, populate_existing=True)
    if debit is None:
        abort(404)
    return debit
