"""Every page of the finance app: nothing serious for axe, light and dark; its weight; nothing in line; its picture."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest

from gateway.admin import access
from tests.browser.conftest import CHROMIUM, Served

axe = pytest.importorskip("axe_playwright_python")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]
MOST_BYTES = 250 * 1024
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
    "admin.closes.page": ["/admin/closes/purse/2026-11-17", "/admin/closes/standard/2026-11-18",
                          "/admin/closes/standard/2026-11"],
    "admin.debit_runs.preview": ["/admin/debits/preview?bank=standard&day=2026-11-27"],
    "admin.trace.page": ["/admin/trace/?q=HD0001", "/admin/trace/"],
    "admin.mismatches.listing": ["/admin/mismatches/?state=unsettled"],
    "admin.closes.listing": ["/admin/closes/?bank=standard&month=2026-11"],
    "admin.texts.page": ["/admin/texts/", "/admin/texts/?event=before_debit&language=vi"],
}  # fmt: skip
"""Endpoint → the addresses at which it has something to show."""
ROLES = (("accountant", "ketoan"), ("administrator", "quantri"), ("chief_accountant", "ketoantruong"))
_RUN = """async (rules) => {
    const found = await axe.run(document, { resultTypes: ["violations"], preload: false,
        ...(rules && { runOnly: { type: "rule", values: rules } }) });
    return found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
        .flatMap((one) => one.nodes.map((node) =>
            `${one.id}: ${node.target} ${node.html.slice(0, 160)} ${node.any[0]?.message ?? ""}`));
}"""
_IN_LINE = """() => [...document.querySelectorAll("*")].flatMap((one) =>
    [...one.attributes].filter((a) => a.name === "style" || a.name.startsWith("on"))
    .map((a) => `${one.tagName} ${a.name}`)
    .concat(one.matches("script:not([src]), style") ? [`${one.tagName} in line`] : []))"""
_WEIGHT = """() => performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"))
    .map((one) => [one.name, one.encodedBodySize])"""


def roads(served: Served) -> Iterator[tuple[str, str]]:
    """Yield endpoint and address of every page; raises AssertionError for one that nobody knows the way to."""
    adapter = served.app.url_map.bind("localhost")
    for rule in sorted(served.app.url_map.iter_rules(), key=lambda one: one.rule):
        if "GET" not in (rule.methods or ()) or rule.endpoint in FILES or rule.endpoint.startswith("admin.sign_in."):
            continue
        if rule.endpoint in ("admin.second_step.page", "admin.mismatches.page"):
            continue  # the first has a story below, of the second there is one for each code
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


@pytest.fixture(scope="module")
def look() -> Callable[[Any, str], list[str]]:
    """Look at the page that is open; return what is wrong with it."""
    source = (Path(axe.__file__).parent / "axe.min.js").read_text("utf-8")

    def looked(page: Any, endpoint: str) -> list[str]:
        weights = dict(page.evaluate(_WEIGHT))
        wrong = [f"in line: {one}" for one in page.evaluate(_IN_LINE)]
        if sum(weights.values()) > MOST_BYTES:
            wrong.append(
                f"weighs {sum(weights.values())} bytes: {sorted(weights.items(), key=lambda one: -one[1])[:3]}"
            )
        page.evaluate(source)
        wrong += page.evaluate(_RUN, None)
        _show(page, endpoint)
        page.emulate_media(color_scheme="dark")
        wrong += [f"dark {one}" for one in page.evaluate(_RUN, ["color-contrast", "link-in-text-block"])]
        page.emulate_media(color_scheme="light")
        return [f"{endpoint} {page.url}: {one}" for one in wrong]

    return looked


def _show(page: Any, endpoint: str) -> None:
    folder = os.environ.get("DOISOAT_TEST_SCREENSHOTS")
    if folder:
        name = endpoint.removeprefix("admin.").replace("_", "-")
        place = Path(folder) / f"{name}.png"
        seen = getattr(_show, "seen", set())
        if place not in seen:  # the first address of an endpoint is the one that shows most
            page.screenshot(path=place)
            _show.seen = seen | {place}  # type: ignore[attr-defined]


def _policy(answer: Any, endpoint: str) -> list[str]:
    policy = answer.headers.get("content-security-policy", "")
    scripts = re.search(r"script-src ([^;]*)", policy)
    fine = scripts is not None and scripts[1].strip() == "'self'" and "unsafe" not in policy
    return [] if fine else [f"{endpoint}: its policy is {policy!r}"]


def test_every_page_is_open_to_everybody_light_and_dark_and_is_light_to_load(
    served: Served, look: Callable[[Any, str], list[str]]
) -> None:
    wrong, seen = [], set()
    for endpoint, address in roads(served):
        page = served.seat(who_opens(endpoint))
        answer = page.goto(address)
        assert answer.status == (404 if endpoint == "admin.nowhere" else 200), (endpoint, address, answer.status)
        wrong += _policy(answer, endpoint) + look(page, endpoint)
        seen.add(endpoint)
    assert wrong == [], "\n".join(wrong)
    assert len([one for one in seen if one.startswith("admin.mismatches.page-")]) >= 12
    assert len(seen) > 45
    assert [one for one in served.complaints if "404" not in one] == []


def test_signing_in_by_two_steps_too(served: Served, look: Callable[[Any, str], list[str]]) -> None:
    page = served.page()
    wrong = _policy(page.goto("/admin/sign-in"), "sign-in") + look(page, "admin.sign_in.form")
    served.enter(page, "nganhang")
    page.locator("nav.menu").wait_for()
    page.goto("/admin/account/")
    page.locator("form[action$='/codes/begin'] button").click()
    app = pyotp.TOTP(page.locator("#key").inner_text().replace(" ", ""))
    wrong += look(page, "account-key")
    page.locator("[name=code]").fill(app.at(served.books.now))
    page.keyboard.press("Enter")
    page.locator(".codes").wait_for()
    wrong += look(page, "recovery-codes")
    page.context.clear_cookies()
    served.enter(page, "nganhang")
    page.wait_for_url("**/admin/sign-in/second/")
    wrong += look(page, "admin.second_step.page")
    page.context.close()
    assert wrong == [], "\n".join(wrong)
