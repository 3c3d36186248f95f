"""Closes on the pages: days listed by state, one close with every row behind it, each act by its role, its minutes."""

import io
from datetime import date, timedelta

import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from gateway.minutes import certificate, verifying
from tests.gateway.admin.conftest import NOW

DAY = "/admin/closes/vidien/2026-11-18"


@pytest.fixture(autouse=True)
def _home(page_settings, tmp_path):
    page_settings.home = tmp_path


@pytest.fixture
def told(books, session):
    """A payment that waits for its statement, at a bank that owes none: told, booked, nothing shown."""
    payment = books.payment(844_960, bank="vidien", due_at=None)
    books.entry(f"payment:{payment.id}:reported", "bank:vidien:reported", "suspense", 844_960)
    asked = books.mismatch("M12", f"payment:{payment.id}", payment_id=payment.id, minor=844_960, source="vidien")
    session.commit()
    return payment, asked


def act(person, name, **fields):
    return person.post(f"{DAY}/{name}", token_from=DAY, **fields)


def test_what_keeps_a_day_open_names_its_questions(accountant, told, books, session):
    books.mismatch("M13", "file:vidien:2026-11-18", source="vidien", owner="liaison", facts={"day": "2026-11-18"})
    books.mismatch("M15", "statement:7", source="vidien", opened_at=NOW - timedelta(days=1))
    session.commit()
    kept_open = accountant.page(DAY).select_one("main .warn-text").text
    assert kept_open.startswith("Còn 2 việc (M13, M15) làm cho ngày chưa rõ")
    queues = accountant.page(DAY).select("main .obstacles .warn-text a")
    assert [link.text for link in queues] == ["Mở các việc M13", "Mở các việc M15"]
    for link, code in zip(queues, ("M13", "M15"), strict=True):
        [row] = accountant.page(link["href"]).select("main tbody tr")
        assert code in row.text


def test_a_day_is_balanced_signed_and_reopened_each_by_its_role(as_role, told, session):
    payment, asked = told
    accountant, chief, administrator, auditor = map(
        as_role, ("accountant", "chief_accountant", "administrator", "auditor")
    )
    page = accountant.page(DAY)
    assert page.select_one(f"a[href='/admin/payments/{payment.id}']").text == payment.source_reference
    assert page.select_one(f"a[href='/admin/mismatches/{asked.id}']")
    assert "chờ sao kê" in page.text
    assert not auditor.page(DAY).select_one("form[action$='/balance']")
    assert act(auditor, "balance").status_code == 403
    assert act(administrator, "balance").status_code == 403
    assert act(accountant, "balance").status_code == 303
    assert act(accountant, "sign").status_code == 403
    assert not accountant.page(DAY).select_one("form[action$='/sign']")
    assert act(chief, "sign").status_code == 303
    assert act(chief, "reopen", why="x").status_code == 403
    assert act(administrator, "reopen").status_code == 409
    listed = auditor.page("/admin/closes/?bank=vidien&month=2026-11")
    assert [row.select_one(".state").text for row in listed.select("tbody tr")] == ["chưa khóa sổ", "đã ký"]
    assert act(administrator, "reopen", why="sao kê đến muộn").status_code == 303
    page = auditor.page(DAY)
    assert "sao kê đến muộn" in page.text
    session.rollback()
    assert [tuple(row) for row in session.execute(text("SELECT version, state FROM closes ORDER BY id"))] == [
        (1, "reopened"), (2, "open"),
    ]  # fmt: skip


def test_what_keeps_a_day_open_is_told_in_words(as_role, told, books, session, clock):
    chief = as_role("chief_accountant")
    books.delivery(bank="vidien")
    session.commit()
    page = chief.page(DAY)
    assert "Còn 1 bản tin của ngân hàng này chưa được đọc." in page.text
    assert not page.select_one("form[action$='/balance']")
    refused = act(chief, "balance")
    assert (refused.status_code, "Còn 1 bản tin" in refused.text) == (409, True)
    session.execute(text("UPDATE deliveries SET state = 'read'"))
    session.commit()
    assert act(chief, "balance").status_code == 303
    refused = act(chief, "sign")
    assert (refused.status_code, "Người ký duyệt phải khác" in refused.text) == (409, True)
    assert act(chief, "withdraw", why="nhầm").status_code == 303
    clock.now -= timedelta(days=1)
    assert "Kỳ này chưa kết thúc." in chief.page(DAY).text


def test_a_bank_that_sends_files_owes_one_for_the_day(accountant, books, session):
    books.statement(bank="saomai", closing_on=date(2026, 11, 16))
    session.execute(text("UPDATE deliveries SET state = 'read'"))
    session.commit()
    assert "Chưa có sao kê của ngân hàng cho ngày này (M13)." in accountant.page("/admin/closes/saomai/2026-11-18").text
    assert "Chưa có sao kê" not in accountant.page("/admin/closes/saomai/2026-11-15").text  # a Sunday


def test_a_month_whose_statement_is_missing_is_refused_and_names_the_day(as_role, books, session, clock):
    clock.now += timedelta(days=20)  # in December
    accountant = as_role("accountant")
    books.statement(bank="saomai", closing_on=date(2026, 11, 30))
    books.mismatch("M13", "file:saomai:2026-11-28", source="saomai", owner="liaison", facts={"day": "2026-11-28"})
    session.execute(text("UPDATE deliveries SET state = 'read'"))
    session.commit()
    month = "/admin/closes/saomai/2026-11"
    kept_open = [one.text for one in accountant.page(month).select("main .warn-text")]
    assert kept_open == [
        "Trong tháng còn 1 việc (M13) làm cho ngày chưa rõ, trước hết là ngày 28/11/2026. Mở các việc M13",
        "Chưa ký đủ các ngày trong tháng: còn 1 ngày, trước hết là 30/11/2026.",
    ]
    refused = accountant.post(f"{month}/balance", token_from=month)
    assert (refused.status_code, "28/11/2026" in refused.text) == (409, True)


def test_a_quiet_day_of_a_signed_month_is_closed_with_it(as_role, told, clock):
    clock.now += timedelta(days=20)
    accountant, chief, month = as_role("accountant"), as_role("chief_accountant"), "/admin/closes/vidien/2026-11"
    for path in (DAY, month):
        for person, name in ((accountant, "balance"), (chief, "sign")):
            assert person.post(f"{path}/{name}", token_from=path).status_code == 303, (path, name)
    listed = accountant.page("/admin/closes/?bank=vidien&month=2026-11").select("tbody tr")
    states = {row.select_one("a")["href"][-10:]: row.select_one(".state").text for row in listed}
    assert (states["2026-11-18"], states["2026-11-20"]) == ("đã ký", "khóa theo tháng")
    quiet = "/admin/closes/vidien/2026-11-20"
    assert "Tháng đã ký: phải mở lại tháng trước." in accountant.page(quiet).text
    assert accountant.post(f"{quiet}/balance", token_from=DAY).status_code == 409


def test_minutes_are_handed_out_signed_once_two_have(as_role, told, page_settings, monkeypatch):
    monkeypatch.setenv("DOISOAT_SECRET_MINUTES_KEY", certificate.make_test())
    accountant = as_role("accountant")
    act(accountant, "balance")

    def minutes(form):
        link = accountant.page(DAY).select_one(f"a[href$='.{form}']")["href"]
        return accountant.get(link, buffered=True)

    draft = minutes("pdf")
    with pytest.raises(verifying.NotProven, match="without a signature"):
        verifying.prove(draft.data, certificate.own(page_settings))
    act(as_role("chief_accountant"), "sign")
    signed = minutes("pdf")
    assert "filename=bien-ban-doi-soat-vidien-2026-11-18-v1.pdf" in signed.headers["Content-Disposition"]
    proven = verifying.prove(signed.data, certificate.own(page_settings))
    assert (proven.said["maker"], proven.said["checker"]) == ("accountant", "chief_accountant")
    sheet = load_workbook(io.BytesIO(minutes("xlsx").data))["Từng dòng"]
    assert sheet.max_row == 3  # a head, the difference, the question


def test_what_is_no_period_is_not_found(accountant):
    for path in ("vidien/2026-13-01", "vidien/x", "nobody/2026-11-18", "minutes/99.pdf"):
        assert accountant.get(f"/admin/closes/{path}").status_code == 404
    answer = accountant.get("/admin/closes/?bank=x&month=zz")
    assert (answer.status_code, "Khóa sổ 11/2026" in answer.text) == (400, True)
    assert "Tháng (month): cần một tháng từ 1900-01 đến 2999-12, ví dụ 2026-11, nhận được “zz”" in answer.text


def test_every_business_day_since_the_first_is_listed_whatever_happened_on_it(as_role, told, books, clock, session):
    clock.now += timedelta(days=6)  # the 25th
    accountant = as_role("accountant")
    books.statement(bank="vidien", closing_on=date(2026, 11, 17))
    session.execute(text("INSERT INTO closes (bank, period, day, version, created_at)"
                         " VALUES ('vidien', 'day', '2026-11-22', 1, now())"))  # fmt: skip
    session.commit()
    rows = accountant.page("/admin/closes/?bank=vidien&month=2026-11").select("tbody tr")
    days = [row.select_one("a")["href"][-2:] for row in rows]
    assert days == ["25", "23", "22", "20", "19", "18", "17"]  # the 24th is a holiday, the 22nd a Sunday with a close
    assert [day for day, row in zip(days, rows, strict=True) if "chưa có bút toán" not in row.text] == ["18"]
    assert not accountant.page("/admin/closes/?bank=vidien&month=2026-10").select("tbody tr")


def test_the_first_of_a_month_names_what_is_open_in_earlier_ones(as_role, told, books, clock, session):
    clock.now += timedelta(days=12)  # the 1st of December
    payment = books.payment(5_000, bank="vidien", due_at=None)
    payment.business_date = date(2026, 10, 30)
    books.mismatch("M12", f"payment:{payment.id}", payment_id=payment.id, minor=5_000, source="vidien")
    books.entry(f"payment:{payment.id}:reported", "bank:vidien:reported", "suspense", 5_000, on=date(2026, 10, 30))
    session.commit()
    accountant, chief = as_role("accountant"), as_role("chief_accountant")

    def open_before(more=""):
        page = accountant.page(f"/admin/closes/?bank=vidien{more}")
        lines = [one for one in page.select("main p.soft") if "chưa ký" in one.text]
        return [(" ".join(one.text.split()), [link["href"] for link in one.select("a")]) for one in lines]

    address = "/admin/closes/?bank=vidien&month=2026-"
    assert open_before() == [
        ("Các tháng trước còn 2 ngày chưa ký: 11/2026 (1), 10/2026 (1)", [f"{address}11", f"{address}10"])
    ]
    assert open_before("&month=2026-11")[0][1] == [f"{address}10"]
    assert open_before("&month=2029-11") == [], "days to come are not open yet"
    for day in ("2026-10-30", "2026-11-18"):
        path = f"/admin/closes/vidien/{day}"
        for person, name in ((accountant, "balance"), (chief, "sign")):
            assert person.post(f"{path}/{name}", token_from=path).status_code == 303
    assert open_before() == []


def cells(row):
    return [" ".join(one.text.split()) for one in row.select("th, td")]


def table_of(page, title):
    """The rows of the table under a heading, head, body and foot, each as its cells' words."""
    section = next(one.parent for one in page.select("main h2") if one.text == title)
    return [cells(row) for row in section.select("tr")]


def test_every_version_tells_who_did_what_when_and_has_its_minutes(as_role, told, clock):
    accountant, chief, administrator = map(as_role, ("accountant", "chief_accountant", "administrator"))
    act(accountant, "balance")
    act(accountant, "withdraw", why="nhầm")
    act(accountant, "balance")
    act(chief, "sign")
    clock.pass_by(minutes=5)
    act(administrator, "reopen", why="sao kê đến muộn")
    page = accountant.page(DAY)
    head = " ".join(page.select_one("main .lead").text.split())
    assert head == "Đã từng khóa sổ: bản 2 do Người administrator mở lại, 19/11/2026 09:05: sao kê đến muộn"
    at = "19/11/2026 09:00"
    _, first, second, third = table_of(page, "Các phiên bản")
    assert first[1:5] == ["đã rút lại", f"Người accountant, {at}", "–", f"Người accountant, {at}: nhầm"]
    assert second[1:5] == ["đã mở lại", f"Người accountant, {at}", f"Người chief_accountant, {at}",
                           "Người administrator, 19/11/2026 09:05: sao kê đến muộn"]  # fmt: skip
    assert third[1:] == ["chưa khóa sổ", "–", "–", "–", "–"]
    for form in ("pdf", "xlsx"):
        links = [one["href"] for one in page.select(f"a[href$='.{form}']")]
        assert len(links) == 2, form
        assert accountant.get(links[1], buffered=True).status_code == 200


def test_the_rows_of_the_tie_out_add_up_apart_from_the_questions(accountant, told, books, session):
    payment, _ = told
    beside = books.mismatch("M01", f"payment:{payment.id}", payment_id=payment.id, minor=844_960, source="vidien")
    session.commit()
    for state in ("open", "balanced"):
        page = accountant.page(DAY)
        _, row, total = table_of(page, "Từng dòng")
        assert row[0] == "M01", state
        assert page.select(f"a[href='/admin/mismatches/{beside.id}']")
        assert row[3:] == total[1:] == ["844.960 ₫", "844.960 ₫", "0 ₫", "−844.960 ₫", "844.960 ₫"]
        assert table_of(page, "Lý do chênh lệch")[-1] == [
            "Chênh lệch = tổng cộng", "", "1", "844.960 ₫", "844.960 ₫", "0 ₫", "−844.960 ₫", "844.960 ₫",
        ]  # fmt: skip
        head, sides = table_of(page, "Đối chiếu ba bên")
        assert head[-2:] == ["Sao kê trừ thông báo", "Sổ cái trừ sao kê"]
        assert sides[-2:] == ["−844.960 ₫", "844.960 ₫"]
        _, listed, above, of_all = table_of(page, "Việc còn mở, từng việc")
        assert (listed[0], listed[-1]) == ("M12", "844.960 ₫")
        assert above == ["1 việc đã nêu ở các dòng chênh lệch trên", "844.960 ₫"]
        assert of_all == ["Tổng cộng, 2 việc", "1.689.920 ₫"]
        act(accountant, "balance")


def test_a_close_on_paper_names_the_utility_the_bank_the_period_and_who_signed(as_role, told):
    act(as_role("accountant"), "balance")
    act(as_role("chief_accountant"), "sign")
    page = as_role("auditor").page(DAY)
    printed = [" ".join(one.text.split()) for one in page.select("main .printed, main .path, main .heading")]
    assert printed == [
        "Công ty Điện lực", "Khóa sổ / Ví Điện", "Thứ Tư, 18/11/2026 đã ký",
        "Người lậpNgười accountant, 19/11/2026 09:00 Người duyệtNgười chief_accountant, 19/11/2026 09:00",
    ]  # fmt: skip
