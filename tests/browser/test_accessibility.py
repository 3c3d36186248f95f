"""Every page of the finance app: nothing serious for axe, light and dark; its weight; nothing in line; its picture."""

import os
import re
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyotp
import pytest

from tests.browser.conftest import CHROMIUM, Served
from tests.browser.roads import picture, roads, who_opens
from tests.docs.pictures import PLACE, pictured

axe = pytest.importorskip("axe_playwright_python")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]
MOST_BYTES = 250 * 1024
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
        place = Path(folder) / f"{picture(endpoint)}.webp"
        seen = getattr(_show, "seen", set())
        if place not in seen:  # the first address of an endpoint is the one that shows most
            asked = {"format": "webp", "quality": 70}
            drawn = page.context.new_cdp_session(page).send("Page.captureScreenshot", asked)
            place.write_bytes(b64decode(drawn["data"]))
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
    assert {picture(one) for one in seen} - pictured() == set(), f"{PLACE} lacks them: draw them by `make pictures`"


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
