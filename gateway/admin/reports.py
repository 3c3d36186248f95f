"""Reports to download: whole lists, as CSV or XLSX, in the reader's language."""

from flask import Blueprint, Response, abort, current_app, render_template

from gateway import reports
from gateway.admin import report_words
from gateway.admin.banks import bank_choices
from gateway.admin.listing import Asked, Filter
from gateway.clock import local_date
from gateway.languages import lazy_gettext as _
from reconciliation.reports import REPORTS

blueprint = Blueprint("reports", __name__, url_prefix="/reports")


@blueprint.get("/")
def listing() -> tuple[str, int]:
    """List the reports there are."""
    asked = _asked()
    odd = "; ".join(asked.odd())
    shown = render_template(
        "admin/reports.html", names=REPORTS, titles=report_words.TITLES, meanings=report_words.MEANINGS,
        formats=reports.FORMATS, asked=asked, odd=odd,
    )  # fmt: skip
    return shown, 400 if odd else 200


@blueprint.get("/<name>.<form>")
def file(name: str, form: str) -> Response | tuple[str, int]:
    """Give one report, of one bank or of all."""
    if name not in REPORTS or form not in reports.FORMATS:
        abort(404)
    wiring = current_app.extensions["doisoat"]
    asked = _asked()
    if asked.odd():
        return listing()
    bank = asked["bank"]
    answer = Response(
        reports.pieces(wiring, reports.in_words(name), form, bank=bank), content_type=reports.FORMATS[form]
    )
    title = "-".join(part for part in (name, bank, f"{local_date(wiring.clock()):%Y%m%d}") if part)
    answer.headers["Content-Disposition"] = f'attachment; filename="{title}.{form}"'
    return answer


def _asked() -> Asked:
    return Asked.of_request(Filter("bank", _("Bank"), bank_choices()))
