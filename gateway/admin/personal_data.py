"""What of people is shown masked, who may see it in full, and what this one answer shows so."""

from collections.abc import Mapping
from typing import Any

from flask import g
from flask_login import current_user

from reconciliation.roles import BOOKKEEPERS

MAY: Mapping[str, frozenset[str]] = {
    "phone": BOOKKEEPERS | {"liaison", "care", "office_manager"},
    "account": frozenset({"chief_accountant", "liaison", "care"}),
    "contents": frozenset({"chief_accountant", "liaison", "auditor"}),
    "narrative": BOOKKEEPERS | {"liaison", "auditor"},
}
"""What may be shown in full, each time for a reason, and to which roles."""


LEAST_REASON, MOST_REASON = 10, 500
"""How many characters the reason has."""


def may(what: str) -> bool:
    """Tell whether the person who is signed in may see `what` in full."""
    return current_user.is_authenticated and current_user.role in MAY[what]


def shown() -> Mapping[str, Any]:
    """Return what this one answer shows in full, by what it is."""
    found: Mapping[str, Any] = g.get("unmasked", {})
    return found
