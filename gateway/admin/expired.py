"""A form whose session was over: what was typed is shown once more, to be copied; nothing of it was done or is kept."""

from typing import Any

from flask import render_template, request
from flask_wtf.csrf import CSRFError

from gateway.languages import lazy_gettext as _

_SHOWN: dict[str, Any] = {
    "why": _("Reason"), "said": _("Words"), "bill": _("Bill"), "amount": _("Part"), "sum": _("Amount"),
    "whose": _("Customer"), "until": _("until"), "day": _("Business day"), "name": _("Name"),
}  # fmt: skip
"""Fields that are shown, rows of them too ("bill2"): never one that holds a password, a code, an account or a token."""
_MOST, _MOST_LETTERS = 40, 2000


def answer(_problem: CSRFError) -> tuple[str, int]:
    """Say that the form was not accepted, and what it held."""
    return render_template("admin/problem.html", code=400, expired=True, typed=_typed()), 400


def _typed() -> list[tuple[Any, str]]:
    """Return label and words of each field that is shown; none of what another site has sent in somebody's name."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return []
    fields = [(_SHOWN.get(name.rstrip("0123456789")), said.strip()) for name, said in request.form.items(multi=True)]
    return [(label, said[:_MOST_LETTERS]) for label, said in fields if label is not None and said][:_MOST]
