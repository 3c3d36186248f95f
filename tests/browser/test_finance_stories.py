"""Stories of two persons on the finance pages: one answers and another approves; one closes a day and another signs."""

import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openpyxl import load_workbook

from gateway import jobs
from gateway.minutes import certificate, verifying
from gateway.wiring import Wiring
from tests.browser.company import DAY, REFERENCE, Company, at_work, fetched, open_case, open_day, post, words
from tests.browser.conftest import CHROMIUM
from tests.gateway.samples import a_statement

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]


@pytest.fixture
def company(wiring: Wiring, chromium: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """The company on the morning after the day."""
    monkeypatch.setattr(jobs, "wiring", lambda: wiring)
    with at_work(wiring, chromium) as made:
        yield made


def proven(company: Company, minutes: bytes) -> dict[str, Any]:
    """Prove the signature of minutes, away from the browser's event loop; return what they say."""
    with ThreadPoolExecutor(1) as aside:
        own = certificate.own(company.wiring.settings)
        return dict(aside.submit(verifying.prove, minutes, own).result().said)


def test_a_large_answer_waits_for_another_person_whoever_gave_it(company: Company) -> None:
    company.read(a_statement((8, 3_000_000), (9, 4_000_000), on=DAY))
    accountant = company.seat("ketoan")
    case = open_case(accountant)
    assert "Phải có người khác duyệt." in words(accountant)
    accountant.keyboard.press("m")
    accountant.keyboard.press("Enter")
    accountant.get_by_text("Bạn đã đề xuất").wait_for()
    accountant.goto(case)
    assert "Số tiền vượt mức một người được tự quyết: cần người khác duyệt." in words(accountant)
    assert accountant.get_by_role("button", name="Duyệt", exact=True).count() == 0
    assert post(accountant, f"{case}/approve/1")[0] == 403

    chief = company.seat("ketoantruong")
    chief.goto(case)
    chief.get_by_role("button", name="Duyệt", exact=True).click()
    chief.get_by_text("đã xử lý", exact=False).first.wait_for()
    assert company.rows("SELECT maker, checker, state FROM settlements") == [("ketoan", "ketoantruong", "applied")]

    # A chief accountant may approve, but not what is her own.
    case = open_case(chief)
    chief.keyboard.press("m")
    chief.keyboard.press("Enter")
    chief.get_by_text("Bạn đã đề xuất").wait_for()
    chief.goto(case)
    assert chief.get_by_role("button", name="Duyệt", exact=True).count() == 0
    status, said = post(chief, f"{case}/approve/2")
    assert (status, "Người duyệt phải khác người đề xuất." in said) == (409, True)
    other = company.seat("phoketoan")
    other.goto(case)
    other.get_by_role("button", name="Duyệt", exact=True).click()
    other.get_by_role("heading", name="Đã xử lý thế nào").wait_for()
    assert company.rows("SELECT maker, checker, state FROM settlements ORDER BY id")[1:] == [
        ("ketoantruong", "phoketoan", "applied")
    ]


def test_a_day_is_closed_by_two_locked_and_reopened_with_both_versions_kept(company: Company) -> None:
    company.hear(REFERENCE)
    company.read(a_statement((1, 100_000), on=DAY).replace(b"SK1-1", REFERENCE.encode()))
    maker, signer, opener = map(company.seat, ("ketoantruong", "phoketoan", "quantri"))
    open_day(maker)
    assert "chưa khóa" in words(maker)
    maker.get_by_role("button", name="Cân đối và chuyển ký duyệt").click()
    maker.get_by_text("người cân đối").first.wait_for()
    assert maker.get_by_role("button", name="Ký duyệt").count() == 0
    assert "Người ký duyệt phải khác người cân đối." in words(maker)
    path = f"/admin/closes/standard/{DAY}"
    status, said = post(maker, f"{path}/sign")
    assert (status, "Người ký duyệt phải khác người cân đối." in said) == (409, True)
    open_day(signer)
    signer.get_by_role("button", name="Ký duyệt: không ghi sổ thêm").click()
    signer.locator(".heading .state", has_text="đã ký").wait_for()

    # The day is locked: what is heard of it later is told on the page of the next day.
    status, said = post(signer, f"{path}/balance")
    assert (status, "Đã có người xử lý tiếp: hãy xem lại." in said) == (409, True)
    first = words(signer)
    company.sleep()
    company.read(a_statement((2, 70_000), ref="FT26321009925", on=DAY))
    maker, signer, opener = map(company.seat, ("ketoantruong", "phoketoan", "quantri"))
    open_day(signer)
    assert words(signer) == first
    open_day(signer, "Thứ Tư, 18/11/2026")
    assert "ghi sổ sau khi ngày của nó đã khóa" in words(signer)

    open_day(signer)
    told = proven(company, fetched(signer, "Biên bản PDF"))
    assert (told["maker"], told["checker"]) == ("ketoantruong", "phoketoan")
    book = load_workbook(io.BytesIO(fetched(signer, "Biên bản XLSX")))
    assert "100000" in {str(cell.value) for sheet in book for row in sheet for cell in row}

    assert signer.get_by_role("button", name="Mở lại").count() == 0
    open_day(opener)
    opener.get_by_label("Lý do").fill("ngân hàng gửi thiếu một dòng")
    opener.get_by_role("button", name="Mở lại thành bản mới").click()
    opener.get_by_text("ngân hàng gửi thiếu một dòng").first.wait_for()
    open_day(maker)
    maker.get_by_role("button", name="Cân đối và chuyển ký duyệt").click()
    maker.get_by_text("người cân đối").first.wait_for()
    open_day(signer)
    signer.get_by_role("button", name="Ký duyệt: không ghi sổ thêm").click()
    signer.locator(".heading .state", has_text="đã ký").wait_for()
    assert "170.000 ₫" in words(signer)
    versions = signer.locator("section", has=signer.get_by_role("heading", name="Các phiên bản"))
    told = [" ".join(one.split()) for one in versions.locator("tbody tr").all_inner_texts()]
    assert [re.sub(r", [\d/]+ \d\d:\d\d(:\d\d)?|, \d\d:\d\d(:\d\d)? [\d/]+", "", one) for one in told] == [
        "1 đã mở lại Trần Quốc Bình Hoàng Thị Ngọc Đỗ Thanh Sơn: ngân hàng gửi thiếu một dòng PDF XLSX",
        "2 đã ký Trần Quốc Bình Hoàng Thị Ngọc – PDF XLSX",
    ]
    versions.get_by_role("link", name="1").click()
    signer.locator(".heading .state", has_text="đã mở lại").wait_for()
    assert "170.000 ₫" not in words(signer)
