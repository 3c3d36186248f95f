"""The finance pages in a real browser: by keyboard, on a phone, in both languages, under the strict policy."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from gateway import staff_desk
from gateway.bank_settings import BankSettings
from gateway.carrier_settings import CarrierSettings
from gateway.settings import Settings, SmsSettings
from reconciliation.bills import Bill
from reconciliation.carrier_balances import CarrierBalance
from reconciliation.customers import Customer
from reconciliation.mismatches import Mismatch
from reconciliation.outbox import Message
from reconciliation.payments import Allocation, Payment
from reconciliation.sealing import Sealer
from tests.browser.conftest import CHROMIUM, finance_app, listening, quick_passwords

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]
NOW = datetime(2026, 11, 19, 2, 0, tzinfo=UTC)
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 375, "height": 740}


@pytest.fixture
def address(any_state: None, engine: Engine, tmp_path: Path) -> Iterator[str]:
    """The pages served on this machine, with sixty payments, their bills and one question."""
    settings = Settings(
        tmp_path, sandbox=True, banks={"saomai": BankSettings("saomai", "Ngân hàng Sao Mai")},
        sms=SmsSettings("http://carrier.example", declared={"esms": CarrierSettings("esms", "esms")}),
    )  # fmt: skip
    with quick_passwords():
        with Session(engine) as session:
            _fill(session)
            session.commit()
        sealer = Sealer([b"s" * 32], b"i" * 32)
        app = finance_app(settings, clock=lambda: NOW, wall_clock=lambda: NOW, engine=engine, sealer=sealer)
        with listening(app) as address:
            yield address


def _fill(session: Session) -> None:
    session.add(
        CarrierBalance(name="esms", balance_minor=1_234_567, told_at=NOW - timedelta(minutes=5), asked_at=NOW,
                       untold_why="timed out", untold_since=NOW)
    )  # fmt: skip
    one = staff_desk.SANDBOX_STAFF[0]
    staff_desk.create_person(
        session, username=one.username, name=one.name, role=one.role, password=staff_desk.SANDBOX_PASSWORD,
        by="sandbox", now=NOW,
    )  # fmt: skip
    for n in range(60):
        code, minor = f"PA{n:011}", 100_000 + n
        customer = Customer(code=code, created_at=NOW, updated_at=NOW)
        session.add(customer)
        session.flush()
        bill = Bill(
            number=f"HD2611-{n:04}", version=1, customer_id=customer.id, payment_code=f"{code}11126",
            period="11-1/2026",
            kwh=300, charge_minor=minor, tax_minor=0, arrears_minor=0, minor=minor, issued_on=date(2026, 11, 16),
            due_on=date(2026, 11, 26), bank="saomai", created_at=NOW - timedelta(days=2),
        )  # fmt: skip
        payment = Payment(
            source="saomai", source_reference=f"FT26323018{n:04}", minor=minor, currency="VND", origin="callback",
            business_date=date(2026, 11, 18), reported_at=NOW, created_at=NOW,
        )  # fmt: skip
        session.add_all([bill, payment])
        session.flush()
        if n:
            link = Allocation(
                payment_id=payment.id, bill_id=bill.id, minor=minor, rule="payment_code", quoted=bill.payment_code,
                evidence="quoted", by="matching", at=NOW,
            )  # fmt: skip
            told = Message(
                event_key=f"p:{n}", version=1, event="payment_recorded", customer_id=customer.id, bill_id=bill.id,
                facts={}, body="Dien luc: da ghi nhan " + "x" * 120, not_after=NOW, created_at=NOW, state="sent",
            )  # fmt: skip
            session.add_all([link, told])
        else:
            session.add(
                Mismatch(
                    code="M12", subject="payment:1", source="saomai", payment_id=payment.id, minor=minor, opened_at=NOW
                )
            )


@pytest.fixture
def desk(chromium: Any, address: str) -> Iterator[Any]:
    """A signed-in page at a desk; whatever the browser complains of fails the test."""
    context = chromium.new_context(viewport=DESK, base_url=address, locale="vi-VN")
    context.set_default_timeout(10_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.extend(_failure(request)))
    page.goto("/admin/")
    page.get_by_label("Tên đăng nhập").fill(staff_desk.SANDBOX_STAFF[0].username)
    page.get_by_label("Mật khẩu").fill(staff_desk.SANDBOX_PASSWORD)
    page.keyboard.press("Enter")
    page.locator("nav.menu").wait_for()
    yield page
    context.close()
    assert complaints == []


def _failure(request: Any) -> list[str]:
    """Return what failed about a request; one that the browser gave up by leaving its page did not fail."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"{request.url} failed: {request.failure}"]


def _show(page: Any, name: str) -> None:
    folder = os.environ.get("DOISOAT_TEST_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_an_accountant_walks_from_the_day_to_a_bills_story_by_keyboard_alone(desk: Any) -> None:
    assert desk.locator("h1").inner_text() == "Thứ Tư, 18/11/2026"
    assert "0 ₫" in desk.locator(".verdict.calm").inner_text().replace("\u00a0", " ")
    _show(desk, "overview")
    desk.keyboard.press("j")
    desk.keyboard.press("Enter")
    desk.wait_for_url(re.compile(r"/admin/payments/\?.*bank=saomai"))
    desk.goto("/admin/bills/")
    desk.keyboard.press("j")
    desk.keyboard.press("j")
    desk.keyboard.press("k")
    assert desk.evaluate("document.activeElement.textContent") == "HD2611-0059"
    desk.keyboard.press("n")
    desk.wait_for_url("**/admin/bills/?after=*")
    desk.keyboard.press("p")
    desk.wait_for_url("**/admin/bills/?before=*")
    desk.keyboard.press("/")
    desk.keyboard.type("HD2611-0007")
    desk.keyboard.press("Enter")
    desk.wait_for_url("**/admin/bills/?q=HD2611-0007")
    desk.keyboard.press("j")
    desk.keyboard.press("Enter")
    desk.wait_for_url(re.compile(r"/admin/bills/\d+$"))
    _show(desk, "story")
    assert "Có ghi mã thanh toán PA0000000000711126." in desk.locator(".story").inner_text()
    desk.keyboard.press("?")
    assert desk.locator("dialog#help").is_visible()
    desk.keyboard.press("Escape")
    assert not desk.locator("dialog#help").is_visible()


def test_a_row_opens_where_it_is_clicked_and_the_language_changes_in_place(desk: Any) -> None:
    desk.goto("/admin/mismatches/?state=unsettled")
    desk.locator("tbody tr td").last.click()
    desk.wait_for_url(re.compile(r"/admin/mismatches/\d+\?queue=1&state=unsettled$"))
    assert "Tiền chưa xác định" in desk.locator("h1").inner_text()
    place = desk.url
    desk.get_by_role("button", name="EN").click()
    desk.wait_for_function("document.documentElement.lang === 'en'")
    assert desk.url == place
    assert "Unidentified deposit" in desk.locator("h1").inner_text()
    desk.get_by_role("button", name="Sign out").click()
    desk.wait_for_url(re.compile("/admin/sign-in$"))


def test_a_match_is_undone_by_its_box_which_stands_beside_its_words_and_a_reference_on_one_line(desk: Any) -> None:
    desk.goto("/admin/mismatches/?state=unsettled")
    cell = desk.locator("tbody td.mono.long").first
    lines = "(cell) => { const range = document.createRange(); range.selectNodeContents(cell);"
    assert cell.evaluate(f"{lines} return range.getClientRects().length; }}") == 1
    desk.goto("/admin/payments/7")
    desk.get_by_text("Khoản này gạch nợ chưa đúng").click()
    desk.get_by_label("Lý do").fill("khách báo nhầm")
    desk.get_by_role("button", name="Mở chênh lệch để xử lý").click()
    desk.wait_for_url(re.compile(r"/admin/mismatches/\d+$"))
    box, label = desk.locator("[name=undo]"), desk.locator("label:has([name=undo])")
    assert box.bounding_box()["width"] < 25
    assert label.bounding_box()["height"] < 30
    label.click()
    assert box.is_checked()
    _show(desk, "mismatch")


def test_the_first_stop_of_the_tab_key_leads_past_the_menu(desk: Any) -> None:
    desk.goto("/admin/payments/")
    desk.keyboard.press("Tab")
    desk.keyboard.press("Enter")
    assert desk.evaluate("document.activeElement.id") == "main"


def test_no_page_scrolls_sideways_on_a_phone_and_the_font_is_ours(desk: Any) -> None:
    desk.set_viewport_size(PHONE)
    paths = [
        "",
        "payments/",
        "bills/",
        "deliveries/",
        "mandates/",
        "mismatches/",
        "bills/7",
        "payments/7",
        "mismatches/1",
        "closes/?bank=saomai&month=2026-11",
        "closes/saomai/2026-11-18",
        "closes/saomai/2026-11",
        "expected/",
        "calendar/",
        "marks/",
        "debits/",
        "reports/",
        "messages/",
        "messages/?q=HD2611-0007",
        "messages/3",
        "messages/costs/",
        "carriers/",
        "sms-wishes/",
        "sms-wishes/1",
        "trace/",
        "trace/?q=HD2611-0007",
        "texts/",
        "texts/?event=before_debit&language=vi",
    ]
    for path in paths:
        assert desk.goto(f"/admin/{path}").status == 200
        wide = desk.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE["width"], f"{path} is {wide} px wide"
        _show(desk, f"phone-{re.sub('[/?&=]', '-', path)}")
    assert desk.evaluate("document.fonts.check('14px \"Hanken Grotesk\"', 'Đối soát')")


def _luminance(colour: str) -> float:
    channels = [int(one) / 255 for one in re.findall(r"\d+", colour)[:3]]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


_COLOURS = """() => [...document.querySelectorAll('main *, header *, .practice')].flatMap((element) => {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!text || !element.checkVisibility()) return [];
    let ground = element;
    while (ground && getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
    return [[element.className + ' ' + element.textContent.trim().slice(0, 30), getComputedStyle(element).color,
             getComputedStyle(ground ?? document.body).backgroundColor]];
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_stands_out_from_its_ground(desk: Any, scheme: str) -> None:
    desk.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    seen = 0
    paths = ("", "payments/", "bills/", "bills/7", "mismatches/1", "closes/saomai/2026-11-18", "reports/", "messages/",
             "messages/3", "carriers/", "sms-wishes/1", "trace/?q=HD2611-0007", "texts/")  # fmt: skip
    for path in paths:
        desk.goto(f"/admin/{path}")
        for words, ink, ground in desk.evaluate(_COLOURS):
            if not (ink.startswith("rgb(") and ground.startswith("rgb(")):
                continue  # mixed colours stand only on hovered rows and heads of tables
            light, dark = sorted((_luminance(ink), _luminance(ground)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{path}: {words}: {ink} on {ground}"
            seen += 1
    assert seen > 300
