"""Stories of the mismatch desk in a real browser: a sitting by keyboard alone, two people on one case, many at once."""

import os
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from gateway import staff_desk
from gateway.bank_settings import BankSettings
from gateway.database import owner_engine
from gateway.settings import Settings, SmsSettings
from reconciliation import settlements
from reconciliation.sealing import Sealer
from tests import emptied
from tests.browser.cases import bill, seed
from tests.browser.conftest import CHROMIUM, finance_app, listening, quick_passwords
from tests.reconciliation.books import Books, a_line

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]
PASSWORD = "mat khau cua toi"
QUEUE = "/admin/mismatches/?state=unsettled"
PEOPLE = (("lan", "Nguyễn Thị Lan", "accountant"), ("hoa", "Trần Văn Hòa", "accountant"),
          ("chi", "Lê Thị Chi", "chief_accountant"))  # fmt: skip


@pytest.fixture
def books(engine: Engine, database_url: str, sealer: Sealer, now: datetime) -> Iterator[Books]:
    """Books of a house of its own, with three people; they hold when the story ends."""
    owner = owner_engine(emptied.as_superuser(database_url))
    made = Books(engine, owner, sealer, now)
    with quick_passwords():
        for username, name, role in PEOPLE:
            made.run(
                lambda s, u=username, n=name, r=role: staff_desk.create_person(
                    s, username=u, name=n, role=r, password=PASSWORD, by="sandbox", now=now
                )
            )
        yield made
    assert made.broken() == []
    owner.dispose()


@pytest.fixture
def address(books: Books, tmp_path: Path) -> Iterator[str]:
    """The pages served on this machine, over the books."""
    banks = {
        "standard": BankSettings("standard", "Ngân hàng Sao Mai"), "wallet": BankSettings("wallet", "Ví Điện"),
    }  # fmt: skip
    settings = Settings(tmp_path, sandbox=True, banks=banks, sms=SmsSettings("http://carrier.example"))
    app = finance_app(settings, clock=lambda: books.now, engine=books.engine, sealer=books.sealer)
    with listening(app) as address:
        yield address


@pytest.fixture
def sit_down(chromium: Any, address: str) -> Iterator[Callable[[str], Any]]:
    """Return a browser of one's own for a person who signs in; what it complains of fails the test."""
    contexts, complaints = [], []

    def seated(username: str) -> Any:
        context = chromium.new_context(viewport={"width": 1280, "height": 800}, base_url=address, locale="vi-VN")
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda one: complaints.append(one.text) if "409" not in one.text else None)
        page.goto("/admin/")
        page.get_by_label("Tên đăng nhập").fill(username)
        page.get_by_label("Mật khẩu").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.locator("nav.menu").wait_for()
        contexts.append(context)
        return page

    yield seated
    for one in contexts:
        one.close()
    assert complaints == []


def _show(page: Any, name: str) -> None:
    folder = os.environ.get("DOISOAT_TEST_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def left(books: Books) -> int:
    return int(books.one(
        "SELECT count(*) FROM mismatches WHERE state = 'open' AND (rests_until IS NULL OR rests_until <= :now)",
        now=books.now))  # fmt: skip


def test_an_accountant_clears_the_queue_in_one_sitting_by_keyboard_alone(
    books: Books, sit_down: Callable[[str], Any]
) -> None:
    seed(books)
    codes = [code for (code,) in books.rows("SELECT code FROM mismatches WHERE state = 'open' ORDER BY id")]
    assert len(codes) >= 24, codes
    assert {*codes} >= {f"M{n:02}" for n in (1, 3, 4, 5, 6, 7, 9, 11, 12, 13, 15, 16, 17)}, codes
    desk = sit_down("lan")
    keys = desk.keyboard
    keys.press("g")
    keys.press("m")
    desk.wait_for_url("**/admin/mismatches/")
    desk.goto(f"{QUEUE}&sort=amount")
    _show(desk, "desk-queue")
    keys.press("j")
    keys.press("Enter")
    desk.wait_for_url(re.compile(r"/admin/mismatches/\d+\?"))
    _show(desk, "desk-case")
    seen: list[str] = []
    for _ in range(60):
        here = desk.url
        if "queue=1" not in here:
            if not left(books):
                break
            keys.press("j")
            keys.press("Enter")
        else:
            seen.append(here)
            keys.press("m")
            assert desk.evaluate("document.activeElement.matches('.usual .primary')"), desk.locator("h1").inner_text()
            keys.press("Enter")
        desk.wait_for_function("before => location.href !== before", arg=here)
        desk.wait_for_load_state()
    assert left(books) == 0
    assert len({one.partition("?")[0] for one in seen}) >= 24
    assert desk.locator("tbody tr").count() == 0
    assert books.broken() == []
    acts = dict(books.rows("SELECT state, count(*) FROM settlements GROUP BY 1 ORDER BY 1"))
    assert acts["applied"] >= 10, acts

    done = int(re.search(r"done=(\d+)", desk.url)[1])  # type: ignore[index]
    was = books.one("SELECT state FROM mismatches WHERE id = :id", id=done)
    keys.press("u")
    desk.wait_for_url(re.compile(r"/admin/mismatches/\d+"))
    assert left(books) == 1, f"#{done} was {was}"
    assert books.broken() == []


def deposit(books: Books, reference: str, minor: int) -> int:
    books.read(a_line(minor, reference, "tien dien"), id=f"S-{reference}")
    return int(books.one("SELECT max(id) FROM mismatches"))


def test_two_people_on_one_case_see_each_other_and_cannot_both_win(
    books: Books, sit_down: Callable[[str], Any]
) -> None:
    case = deposit(books, "T1", 30_000)
    lan, hoa = sit_down("lan"), sit_down("hoa")
    lan.goto(f"/admin/mismatches/{case}")
    hoa.goto(f"/admin/mismatches/{case}")
    assert "Nguyễn Thị Lan đang xem việc này từ" in hoa.locator(".company").inner_text()
    lan.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    lan.wait_for_function("() => document.querySelector('.company').textContent.includes('Trần Văn Hòa')")
    lan.keyboard.press("m")
    lan.keyboard.press("Enter")
    lan.get_by_text("Bạn đã xử lý việc").wait_for()
    hoa.get_by_label("Lý do").first.fill("khách đã gọi lại")
    hoa.keyboard.press("m")
    hoa.keyboard.press("Enter")
    hoa.locator(".meanwhile").wait_for()
    told = hoa.locator("main").inner_text()
    assert "Việc này đã được xử lý từ khi bạn mở" in told
    assert "Nguyễn Thị Lan" in hoa.locator(".meanwhile .rows").inner_text()
    assert "khách đã gọi lại" in told, "what was typed is kept"
    assert books.rows("SELECT maker, state FROM settlements") == [("lan", "applied")]


def test_nobody_approves_their_own_proposal(books: Books, sit_down: Callable[[str], Any]) -> None:
    case = deposit(books, "T1", 3_000_000)
    chi = sit_down("chi")
    chi.goto(f"/admin/mismatches/{case}")
    chi.keyboard.press("m")
    chi.keyboard.press("Enter")
    chi.get_by_text("Bạn đã đề xuất").wait_for()
    made = int(books.one("SELECT id FROM settlements"))
    assert chi.locator(f"form[action$='/approve/{made}']").count() == 0
    refused = chi.evaluate(
        """async (path) => {
            const csrf_token = document.querySelector("[name=csrf_token]").value;
            const answer = await fetch(path, { method: "POST", body: new URLSearchParams({ csrf_token }) });
            return [answer.status, await answer.text()];
        }""",
        f"/admin/mismatches/{case}/approve/{made}",
    )
    assert refused[0] == 409
    assert "Người duyệt phải khác người đề xuất." in refused[1]
    assert books.rows("SELECT state FROM settlements") == [("proposed",)]
    chi.keyboard.press("u")
    chi.locator(".undo", has_text="Đã hoàn tác").wait_for()
    assert books.rows("SELECT state FROM settlements") == [("withdrawn",)]


def test_alike_cases_are_settled_together_and_one_of_them_taken_back(
    books: Books, sit_down: Callable[[str], Any]
) -> None:
    for n in range(3):
        deposit(books, f"T{n}", 30_000 + n)
    deposit(books, "T9", 3_000_000)
    desk = sit_down("lan")
    desk.goto(QUEUE)
    desk.keyboard.press("j")
    desk.keyboard.press("Shift+X")
    assert desk.locator("[data-chosen]").inner_text() == "4"
    desk.keyboard.press("b")
    desk.locator(".usual").wait_for()
    assert "4 việc, tổng cộng 3.090.003" in desk.locator(".books").inner_text()
    _show(desk, "desk-together")
    desk.keyboard.press("m")
    desk.keyboard.press("Enter")
    desk.get_by_text("Kết quả").first.wait_for()
    assert books.rows("SELECT state, count(*) FROM settlements GROUP BY 1 ORDER BY 1") == [
        ("applied", 3), ("proposed", 1),
    ]  # fmt: skip
    desk.locator("tbody").get_by_role("button", name="Hoàn tác").first.click()
    desk.wait_for_url(re.compile(r"/admin/mismatches/\d+"))
    assert books.one("SELECT count(*) FROM mismatches WHERE state = 'open'") == 1


def test_the_total_is_told_while_an_answer_is_put_together_and_keys_stay_out_of_fields(
    books: Books, sit_down: Callable[[str], Any]
) -> None:
    bill(books, 1)
    case = deposit(books, "T1", 130_000)
    books.run(lambda s: settlements.lock(s, 1))
    desk = sit_down("lan")
    desk.goto(f"/admin/mismatches/{case}")
    told = desk.locator("[data-unallocated]")
    assert told.inner_text() == "130.000\u00a0₫"
    desk.locator("[name=amount1]").fill("100.000")
    assert told.inner_text() == "30.000\u00a0₫"
    desk.locator("summary", has_text="Hoặc").click()
    desk.locator("[name=place1]").select_option("difference")
    desk.locator("[name=sum1]").fill("40000")
    assert told.inner_text() == "−10.000\u00a0₫"
    desk.locator("[name=whose1]").fill("HD0001")
    assert told.inner_text() == "30.000\u00a0₫", "it is written off the bill"
    part = desk.locator("[name=amount1]")
    for unread in ("abc", "-5", "12x", "9" * 18, "1.50", "0"):
        part.fill(unread)
        assert part.get_attribute("aria-invalid") == "true", unread
        assert "đồng" in desk.locator("#amount1-unread").inner_text()
        assert told.inner_text() == "chưa tính được cho đến khi đọc được mọi số tiền"
    for read, left in (("", "130.000"), (" 100.000 ₫ ", "30.000")):
        part.fill(read)
        assert part.get_attribute("aria-invalid") is None
        assert desk.locator(".unread").count() == 0
        assert told.inner_text() == f"{left}\u00a0₫"
    desk.locator("[name=said]").first.fill("")
    desk.keyboard.type("muasxc?")
    assert desk.locator("[name=said]").first.input_value() == "muasxc?"
    assert not desk.locator("dialog#help").is_visible()
    desk.locator("h1").click()
    desk.keyboard.press("?")
    assert "cách xử lý thông thường" in desk.locator("dialog#help").inner_text()
    _show(desk, "desk-help")


def test_a_case_is_taken_let_rest_and_commented_on_by_keys(books: Books, sit_down: Callable[[str], Any]) -> None:
    case = deposit(books, "T1", 30_000)
    desk = sit_down("lan")
    desk.goto(f"/admin/mismatches/{case}")
    desk.keyboard.press("a")
    desk.get_by_text("Bạn đã đổi người nhận việc").wait_for()
    desk.keyboard.press("c")
    desk.keyboard.type("khách hẹn gọi lại")
    desk.keyboard.press("Tab")
    desk.keyboard.press("Enter")
    desk.locator("#remarks-title + ul", has_text="khách hẹn gọi lại").wait_for()
    desk.keyboard.press("s")
    assert desk.evaluate("document.activeElement.name") == "until"
    until = (books.now + timedelta(days=5)).date()
    desk.evaluate("(day) => { document.activeElement.value = day; }", until.isoformat())
    desk.locator("[name=said]:visible").last.fill("chờ khách")
    desk.keyboard.press("Enter")
    desk.get_by_text("Bạn đã cho việc").wait_for()
    assert books.rows("SELECT assignee, rests_until IS NOT NULL FROM mismatches") == [("lan", True)]
    desk.keyboard.press("u")
    desk.locator(".undo", has_text="Bạn đã cho việc").wait_for(state="detached")
    assert books.one("SELECT rests_until IS NULL FROM mismatches") is True
