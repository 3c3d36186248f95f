"""What we expect: lines, callbacks, files, bills' money and answers, by bank and deadline, the overdue first."""

from flask import Blueprint, current_app, render_template

from gateway.admin.banks import bank_choices
from gateway.admin.listing import Asked, Filter
from gateway.languages import lazy_gettext as _
from gateway.request_session import db
from gateway.schedule import expected_files
from reconciliation import expectations
from reconciliation.business_days import local_day

blueprint = Blueprint("expectations", __name__, url_prefix="/expected")
KINDS = {
    "statement_line": _("Statement lines of what banks told"),
    "callback": _("Callbacks of what statements show"),
    "file": _("Statement files"),
    "debit": _("Banks' words on debits"),
    "bill": _("Money of bills"),
    "answer": _("Answers to questions"),
}


@blueprint.get("/")
def page() -> tuple[str, int]:
    """Show everything that is expected, summed by kind, bank and deadline."""
    wiring = current_app.extensions["doisoat"]
    now = wiring.clock()
    asked = Asked.of_request(Filter("kind", _("Kind"), KINDS), Filter("bank", _("Bank"), bank_choices()))
    odd = "; ".join(asked.odd())
    rows = [
        one
        for one in expectations.expected(db(), expected_files(db(), wiring), now=now)
        if (not asked["kind"] or one.kind == asked["kind"]) and (not asked["bank"] or one.bank == asked["bank"])
    ]
    overdue = [one for one in rows if one.overdue]
    shown = render_template(
        "admin/expected.html",
        rows=rows,
        asked=asked,
        odd=odd,
        kinds=KINDS,
        overdue=sum(one.count for one in overdue),
        overdue_minor=sum(one.minor for one in overdue),
        long_ago=local_day(now) - expectations.LONG_AGO,
    )
    return shown, 400 if odd else 200
