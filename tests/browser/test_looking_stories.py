"""Stories of one person on the finance pages: an auditor's trace, a language that stays, a day's work on a phone."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import jobs
from gateway.wiring import Wiring
from tests.browser.company import DAY, REFERENCE, Company, at_work, open_case, open_day, post, words
from tests.browser.conftest import CHROMIUM
from tests.gateway.samples import a_statement

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def company(wiring: Wiring, chromium: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """The company on the morning after the day."""
    monkeypatch.setattr(jobs, "wiring", lambda: wiring)
    with at_work(wiring, chromium) as made:
        yield made


def test_an_auditor_traces_one_payment_to_its_whole_story_and_changes_nothing(company: Company) -> None:
    company.hear(REFERENCE, narrative="NGUYEN VAN HUNG 0912345678 TT TIEN DIEN")
    company.read(a_statement((1, 100_000), on=DAY).replace(b"SK1-1", REFERENCE.encode()))
    auditor = company.seat("kiemtoan")
    auditor.get_by_role("link", name="Tra cứu").click()
    auditor.wait_for_url("**/admin/trace/", wait_until="load")  # keys work once their script has come
    auditor.keyboard.press("/")
    auditor.keyboard.type(REFERENCE)
    auditor.keyboard.press("Enter")
    auditor.wait_for_url("**/admin/trace/?q=*")
    auditor.get_by_role("link", name=REFERENCE).first.click()
    auditor.wait_for_url(re.compile(r"/admin/payments/\d+$"))
    told = words(auditor)
    for expected in ("Thông báo từ Ngân hàng Sao Mai", "Dòng sao kê 100.000 ₫", "Khớp 100.000 ₫", "HD2611-0000001"):
        assert expected in told, told
    auditor.locator(".story summary", has_text="Bút toán").first.click()
    assert "100.000" in auditor.locator("table.postings:visible").inner_text()
    source = auditor.content()
    assert re.search("N·+ V·+ H·+", source)
    assert not {"HUNG", "0912345678"} & set(re.findall(r"\w+", source))

    auditor.get_by_role("link", name=re.compile("bản tin #")).first.click()
    auditor.wait_for_url(re.compile(r"/admin/deliveries/\d+$"))
    assert "0912345678" not in auditor.content()
    auditor.go_back()
    auditor.get_by_role("link", name="HD2611-0000001").first.click()
    auditor.wait_for_url(re.compile(r"/admin/bills/\d+$"))
    assert "···001" in words(auditor)
    assert "0912340001" not in auditor.content()
    open_day(auditor)
    for path in ("/admin/payments/1", "/admin/deliveries/1", "/admin/bills/1", f"/admin/closes/standard/{DAY}"):
        auditor.goto(path)
        forms = auditor.locator("main form[method=post]")
        asks = [one.get_attribute("action") for one in forms.all() if not one.locator("[name=unmask_why]").count()]
        assert asks == [], path
    before = company.rows("SELECT count(*) FROM audit")
    for path, fields in {
        "/admin/mismatches/payment/1/doubt": {"why": "thử"},
        "/admin/deliveries/2/undo": {"why": "thử"},
        "/admin/bills/1/hold": {"why": "thử"},
        f"/admin/closes/standard/{DAY}/balance": {},
    }.items():
        assert post(auditor, path, **fields)[0] == 403, path
    assert company.rows("SELECT count(*) FROM audit") == before
    assert company.rows("SELECT state FROM payments") == [("confirmed",)]


def test_a_language_once_chosen_stays_from_page_to_page(company: Company) -> None:
    company.read(a_statement((8, 30_000), on=DAY))
    page = company.seat("ketoan")
    open_case(page)
    assert (page.evaluate("document.documentElement.lang"), "Dự kiến" in words(page)) == ("vi", True)
    place = page.url
    page.get_by_role("button", name="EN").click()
    page.get_by_role("heading", name="What was expected").wait_for()
    assert page.url == place
    for name, heading in (("Closes", "Closes 11"), ("Payments", "Payments"), ("Overview", "Tuesday")):
        page.locator("nav.menu").get_by_role("link", name=name).click()
        page.get_by_role("heading", name=re.compile(heading)).first.wait_for()
        assert page.evaluate("document.documentElement.lang") == "en"
    page.get_by_role("button", name="VI", exact=True).click()
    page.get_by_role("heading", name=re.compile("Thứ Ba")).wait_for()


def test_the_days_work_is_done_on_a_phone(company: Company) -> None:
    company.read(a_statement((1, 100_000), (8, 30_000), on=DAY))
    page = company.seat("ketoan")
    page.set_viewport_size(PHONE)

    def fits() -> None:
        wide = page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1] == PHONE["width"], page.url

    def press(button: Any) -> None:
        box = button.bounding_box()
        assert (box["x"] >= 0, box["x"] + box["width"] <= PHONE["width"]) == (True, True), page.url
        assert box["height"] >= 24, "a finger finds it"
        button.click()

    page.goto("/admin/")
    fits()
    press(page.locator("nav.menu").get_by_role("link", name="Chênh lệch"))
    page.locator("tbody [data-row]").first.click()
    page.wait_for_url(re.compile(r"/admin/mismatches/\d+"))
    fits()
    press(page.locator(".usual .primary"))
    page.get_by_text("Bạn đã xử lý việc").wait_for()
    fits()
    open_day(page)
    fits()
    press(page.get_by_role("button", name="Cân đối và chuyển ký duyệt"))
    page.locator(".heading .state", has_text="đã cân đối").wait_for()
    fits()
