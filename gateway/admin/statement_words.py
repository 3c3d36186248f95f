"""Statements' words: why one is held or set aside, in the reader's language, with its amounts as money."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.admin import words
from gateway.languages import lazy_gettext as _
from gateway.languages import money
from reconciliation.import_undo import RESOLUTION

_SAID: Mapping[re.Pattern[str], Any] = {
    re.compile(
        r"the balances differ from the lines by (?P<by>-?\d+) \(minor units of (?P<currency>[A-Z]{3})\):"
        r" opening (?P<opening>-?\d+), lines (?P<lines>-?\d+), closing (?P<closing>-?\d+)"
    ): _("the balances differ from the lines by %(by)s: opening %(opening)s, lines %(lines)s, closing %(closing)s"),
    re.compile(
        r"expected the opening balance (?P<due>-?\d+) at which statement (?P<other>.+) closed, got (?P<opening>-?\d+)"
    ): _("it opens with %(opening)s, but statement %(other)s before it closed with %(due)s"),
    re.compile(
        r"expected the closing balance (?P<due>-?\d+) at which statement (?P<other>.+) opened, got (?P<closing>-?\d+)"
    ): _("it closes with %(closing)s, but statement %(other)s after it opened with %(due)s"),
    re.compile(r"statement (?P<other>.+) was accepted before with other lines or balances"): _(
        "statement %(other)s was accepted before with other lines or balances"
    ),
    re.compile(r"the same lines as statement (?P<other>\d+), accepted before"): _(
        "the same lines as statement no. %(other)s, accepted before"
    ),
}
_AMOUNTS = {"by", "opening", "lines", "closing", "due"}


def said(reasons: str, currency: str = "VND") -> str:
    """Return the reasons of a statement, as kept with "; " between them; one that is not ours stays as it is."""
    if reasons.startswith(f"{RESOLUTION}: "):
        return words.why(reasons)  # what a person wrote may hold "; " itself
    return "; ".join(_one(reason, currency) for reason in reasons.split("; "))


def _one(reason: str, currency: str) -> str:
    for pattern, ours in _SAID.items():
        if found := pattern.fullmatch(reason):
            told = {"currency": currency, **found.groupdict()}
            facts = {name: money(int(one), told["currency"]) if name in _AMOUNTS else one for name, one in told.items()}
            return str(ours) % facts
    return reason
