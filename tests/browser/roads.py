"""The way to every page of the finance app: whose it is, where it has something to show, and its picture's name."""

from collections.abc import Iterator

from flask import Flask

from gateway.admin import access
from tests.browser.conftest import Served

FILES = {
    "admin.audit_trail.file", "admin.closes.minutes", "admin.run_lists.file", "admin.mandates.paper",
    "admin.marks.file", "admin.remarking.evidence", "admin.reports.file", "assets.send",
}  # fmt: skip
"""What is fetched, not looked at."""
FIRST_ROWS = {
    "admin.bills.page": "SELECT bill_id FROM allocations ORDER BY id LIMIT 1",
    "admin.payments.page": "SELECT payment_id FROM allocations ORDER BY id LIMIT 1",
    "admin.debit_runs.page": "SELECT min(id) FROM debit_runs",
    "admin.run_lists.debits": "SELECT min(id) FROM debit_runs",
    "admin.run_lists.left_out": "SELECT max(id) FROM debit_runs",
    "admin.debits.page": "SELECT min(id) FROM debits WHERE state <> 'paid'",
    "admin.deliveries.page": "SELECT min(delivery_id) FROM statements",
    "admin.contents.page": "SELECT max(delivery_id) FROM delivery_chunks",
    "admin.deliveries.ask_undo": "SELECT min(delivery_id) FROM statements",
    "admin.mandates.page": "SELECT min(id) FROM mandates",
    "admin.messages.page": "SELECT min(id) FROM messages",
    "admin.people.page": "SELECT min(id) FROM staff",
    "admin.sms_wishes.page": "SELECT min(id) FROM customers",
    "admin.webhooks.page": "SELECT min(id) FROM webhook_endpoints",
}
"""Endpoint of one row's page → which row is shown."""
ADDRESSES = {
    "admin.bank_pages.page": ["/admin/banks/standard"],
    "admin.nowhere": ["/admin/no/such/page"],
    "admin.closes.page": ["/admin/closes/standard/2026-11-18", "/admin/closes/purse/2026-11-17",
                          "/admin/closes/standard/2026-11"],
    "admin.debit_runs.preview": ["/admin/debits/preview?bank=standard&day=2026-11-27"],
    "admin.trace.page": ["/admin/trace/?q=HD0001", "/admin/trace/"],
    "admin.mismatches.listing": ["/admin/mismatches/?state=unsettled"],
    "admin.closes.listing": ["/admin/closes/?bank=standard&month=2026-11"],
    "admin.texts.page": ["/admin/texts/", "/admin/texts/?event=before_debit&language=vi"],
}  # fmt: skip
"""Endpoint → the addresses at which it has something to show."""
ROLES = (("accountant", "ketoan"), ("administrator", "quantri"), ("chief_accountant", "ketoantruong"))
ALONE = {
    "admin.sign_in.form": "sign-in", "admin.second_step.page": "second-step", "account-key": "account-key",
    "recovery-codes": "recovery-codes",
}  # fmt: skip
"""Pages of signing in, which have a walk of their own → their picture."""


def looked_at(app: Flask) -> list[str]:
    """Return the endpoints of all pages that are looked at by whoever is signed in."""
    return sorted(
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and rule.endpoint not in FILES
        and not rule.endpoint.startswith("admin.sign_in.") and rule.endpoint != "admin.second_step.page"
    )  # fmt: skip


def picture(endpoint: str) -> str:
    """Return the name of a page's picture: "admin.bank_pages.page" → "bank-pages.page"."""
    return ALONE.get(endpoint, endpoint.removeprefix("admin.").replace("_", "-"))


def roads(served: Served) -> Iterator[tuple[str, str]]:
    """Yield endpoint and address of every page; raises AssertionError for one that nobody knows the way to."""
    adapter = served.app.url_map.bind("localhost")
    pages = looked_at(served.app)
    for rule in sorted(served.app.url_map.iter_rules(), key=lambda one: one.rule):
        if rule.endpoint not in pages or rule.endpoint == "admin.mismatches.page":
            continue  # of the latter there is one for each code
        if rule.endpoint in ADDRESSES:
            yield from ((rule.endpoint, one) for one in ADDRESSES[rule.endpoint])
        elif rule.endpoint in FIRST_ROWS:
            row = served.books.one(FIRST_ROWS[rule.endpoint])
            assert row, f"{rule.endpoint}: the house has no such row"
            [name] = rule.arguments
            yield rule.endpoint, adapter.build(rule.endpoint, {name: row})
        else:
            assert not rule.arguments, f"no way is known to {rule.endpoint}"
            yield rule.endpoint, adapter.build(rule.endpoint)
    for code, row in served.books.rows("SELECT code, min(id) FROM mismatches GROUP BY code ORDER BY code"):
        yield f"admin.mismatches.page-{code}", f"/admin/mismatches/{row}"


def who_opens(endpoint: str) -> str:
    """Return somebody who may open a page: whoever does the work there before whoever only may look."""
    allowed = access.RULES[endpoint.partition("-")[0]]
    return next(username for role, username in ROLES if role in allowed)
