"""What each role may do, read from the rules and the routes: for the people page and for the docs."""

from collections.abc import Mapping
from typing import Any

from flask import Flask

from gateway.admin import access
from gateway.languages import lazy_gettext as _
from reconciliation.roles import ROLES

READS, ACTS = "reads", "acts"
AREAS: Mapping[str, Any] = {
    "overview": _("Overview"),
    "month": _("Month"),
    "trace": _("Trace"),
    "mismatches": _("Mismatches"),
    "casework": _("Work on a case"),
    "together": _("Many cases at once"),
    "settling": _("Answers to mismatches"),
    "remarking": _("Remarks and evidence"),
    "lumps": _("Lump sums"),
    "expectations": _("Expected"),
    "calendar": _("Bank days"),
    "closes": _("Closes"),
    "payments": _("Payments"),
    "bills": _("Bills"),
    "bill_debiting": _("Debiting of single bills"),
    "debit_runs": _("Debit runs"),
    "run_lists": _("Lists of a debit run"),
    "debits": _("Debits"),
    "mandates": _("Mandates"),
    "bank_pages": _("Banks"),
    "bank_trying": _("Samples tried against a bank's profile"),
    "deliveries": _("Deliveries"),
    "contents": _("What deliveries brought"),
    "marks": _("Marks"),
    "messages": _("Messages"),
    "message_costs": _("Costs of messages"),
    "sms_wishes": _("Wishes of SMS"),
    "texts": _("Texts of messages"),
    "carriers": _("SMS carriers"),
    "reports": _("Reports"),
    "api_tokens": _("Tokens of the API"),
    "webhooks": _("Outgoing webhooks"),
    "unmasking": _("Personal data in full"),
    "audit_trail": _("Audit trail"),
    "people": _("People"),
}
"""A module of pages → what people call it; what everybody does about themselves has no row."""


def of_areas(app: Flask) -> Mapping[str, Mapping[str, str]]:
    """Return, for each area, the roles that may read it or act in it."""
    table: dict[str, dict[str, str]] = {}
    for rule in app.url_map.iter_rules():
        area = (
            rule.endpoint.split(".")[1] if rule.endpoint.startswith("admin.") and rule.endpoint.count(".") > 1 else ""
        )
        if rule.endpoint in access.OWN or rule.endpoint in access.OPEN_TO_VISITORS or not area:
            continue
        kind = READS if "GET" in (rule.methods or ()) else ACTS
        row = table.setdefault(area, {})
        for role in access.RULES.get(rule.endpoint, ()):
            if row.get(role) != ACTS:
                row[role] = kind
    return {area: table[area] for area in sorted(table, key=lambda one: (list(AREAS).index(one), one))}


def markdown(app: Flask) -> str:
    """Return the whole table of roles and routes for the docs."""
    head = "| route | " + " | ".join(ROLES) + " |"
    lines = [
        "# Roles", "",
        "Which role may open what: drawn by `make roles` from the rules and the routes; a test keeps it current.",
        "What is not marked is refused with 403. Everybody changes their own password, factors and sessions.",
        "A person with an office set is refused every route that is not marked `office`, and sees only rows of it.", "",
        head, "|---|" + "---|" * len(ROLES),
    ]  # fmt: skip
    rules = [
        one for one in app.url_map.iter_rules()
        if one.endpoint in access.RULES and one.endpoint not in access.OWN and one.endpoint != "admin.nowhere"
    ]  # fmt: skip
    for rule in sorted(rules, key=lambda one: (one.rule, one.endpoint)):
        method = "GET" if "GET" in (rule.methods or ()) else "POST"
        office = " office" if rule.endpoint in access.OF_AN_OFFICE else ""
        marks = " | ".join("●" if role in access.RULES[rule.endpoint] else "" for role in ROLES)
        lines.append(f"| `{method} {rule.rule}`{office} | {marks} |")
    return "\n".join(lines) + "\n"
