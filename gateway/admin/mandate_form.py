"""The form of a mandate's terms, read: for the customer's own pages and for whoever notes another version."""

from datetime import date

from flask import request

from gateway import mandate_desk
from gateway.admin.answer_form import Unreadable, amount_of
from gateway.languages import gettext
from gateway.mandate_desk import NotTerms
from gateway.written_days import a_day
from reconciliation.mandate_openings import Terms
from reconciliation.sealing import Sealer


def terms(sealer: Sealer, today: date, *, standing: Terms | None = None) -> Terms:
    """Return what the form says; an account left empty is that of `standing`. Raises Unreadable."""
    valid_from = standing.valid_from if standing else today
    valid_to = _last_day()
    if valid_to is not None and valid_to <= max(today, valid_from):
        raise Unreadable(gettext("Choose a last day after today, or none."))
    try:
        cap = mandate_desk.checked_cap(amount_of(_typed("cap")))
        if standing is not None and not _typed("account"):
            return standing._replace(cap_minor=cap, valid_from=valid_from, valid_to=valid_to)
        return mandate_desk.terms(
            sealer, account=_typed("account"), holder=_typed("holder"), cap=cap, valid_from=valid_from,
            valid_to=valid_to,
        )  # fmt: skip
    except NotTerms as wrong:
        said = {
            "account": gettext("Write the account number: 7 to 24 digits or letters."),
            "holder": gettext("Write the account holder's name as the bank has it."),
            "cap": gettext("Write the cap in whole đồng, more than 0."),
        }
        raise Unreadable(said[wrong.field]) from None


def _typed(name: str) -> str:
    return request.form.get(name, "").replace("\0", "").strip()


def _last_day() -> date | None:
    written = _typed("valid_to")
    found = a_day(written)
    if written and found is None:
        raise Unreadable(gettext("Choose a last day after today, or none."))
    return found
