"""Debit runs and debits on their pages: previewed, proposed, approved by another, sent, answered; in both languages."""

import pytest
from sqlalchemy import text

from banks.records import Verdict
from reconciliation import debit_sending
from tests.gateway.admin.conftest import NOW
from tests.gateway.admin.debit_house import act, house, in_english, main, page_settings, ready
from tests.reconciliation import debits_made as made
from tests.reconciliation.books import a_line, a_notice
from tests.reconciliation.debits_made import CHARGE_ON

__all__ = ["house", "page_settings", "ready"]
PREVIEW = f"/admin/debits/preview?bank=standard&day={CHARGE_ON}"


def propose(person):
    return act(person, "/admin/debits", "propose", bank="standard", day=str(CHARGE_ON))


def test_without_a_bank_that_debits_and_without_runs_the_page_says_so(accountant, page_settings):
    del page_settings.banks["standard"]
    said = main(accountant.page("/admin/debits/"))
    assert "Chưa có ngân hàng nào nhận lệnh trích nợ" in said
    assert "Một người đề xuất từ bản xem trước, người khác duyệt" in said
    assert accountant.get(PREVIEW).location == "/admin/debits/"


def test_a_preview_counts_what_a_run_would_hold_and_leads_to_the_bills_behind_each_reason(accountant, ready):
    page = accountant.page(PREVIEW)
    said = main(page)
    assert "Sẽ trích nợ 300.000 ₫ 3 lần trích nợ" in said
    assert "đang giữ: khách hàng khiếu nại 1 100.000 ₫" in said
    behind = accountant.page(page.select_one("tbody a")["href"].partition("#")[0])
    assert [link.text for link in behind.select("#behind tbody a")] == ["HD0004"]
    held = accountant.page(page.select_one("a.figure")["href"].partition("#")[0])
    assert [link.text for link in held.select("#behind tbody a")] == ["HD0001", "HD0002", "HD0003"]
    english = main(in_english(accountant, PREVIEW))
    assert "held: its customer disputes it 1 ₫100,000" in english.replace("100,000 ₫", "₫100,000")
    empty = accountant.page(PREVIEW.replace(str(CHARGE_ON), "2026-11-27"))
    assert "No bill of this bank is to be debited on this day." in main(empty)
    assert not empty.select_one("form[action$=propose]")


def test_a_run_is_proposed_by_one_and_approved_by_another(as_role, accountant, ready, session):
    assert accountant.page(PREVIEW).select_one("form[action$=propose]")
    answer = propose(accountant)
    assert answer.status_code == 303
    path = answer.location
    page = accountant.page(path)
    assert "chờ duyệt" in main(page)
    assert "Người khác sẽ duyệt." in main(page)
    assert not page.select_one("form[action$=approve]")
    assert act(accountant, path, "approve").status_code == 403
    refused = propose(accountant)
    assert (refused.status_code, "đang chờ duyệt" in refused.text) == (409, True)
    assert f"{path}" in {link.get("href") for link in accountant.page(PREVIEW).select("main a")}

    chief = as_role("chief_accountant")
    assert chief.page(path).select_one("form[action$=approve]")
    assert act(chief, path, "approve", why=" ").status_code == 400
    assert act(chief, path, "stop").status_code == 409
    assert act(chief, path, "approve").status_code == 303
    assert session.execute(text("SELECT state, maker, checker, checked_why FROM debit_runs")).all() == [
        ("approved", "accountant", "chief_accountant", "đã xem")
    ]
    page = chief.page(path)
    assert "duyệt lượt trích nợ Người chief_accountant: đã xem" in main(page)
    again = act(chief, path, "approve")
    assert (again.status_code, "không còn như trang này đã hiển thị" in again.text) == (409, True)
    assert act(chief, path, "stop").status_code == 303
    assert "đã rút lại" in main(chief.page(path))
    listed = main(accountant.page("/admin/debits/?bank=standard&state=withdrawn&q=HD0001"))
    assert (
        f"#{path.rpartition('/')[2]} Ngân hàng Mẫu 20/11/2026 3 300.000 ₫ Người accountant Người chief_accountant"
        in listed
    )
    assert "Không có kết quả" not in listed
    assert not accountant.page("/admin/debits/?state=sent").select("tbody tr")


def test_nobody_approves_their_own_and_an_empty_run_is_approved_too(as_role, accountant, house):
    made.issue(house, 1)
    house.now = NOW
    chief = as_role("chief_accountant")
    path = propose(chief).location
    refused = act(chief, path, "approve")
    assert (refused.status_code, "Người duyệt phải khác người lập" in refused.text) == (409, True)
    assert act(accountant, path, "refuse").status_code == 403
    assert act(chief, path, "refuse").status_code == 303
    house.hear(a_notice(code=made.code_of(1)))
    path = propose(accountant).location
    assert "Lượt này không trích nợ hóa đơn nào của ngày." in main(chief.page(path))
    assert act(chief, path, "approve").status_code == 303


def test_readers_see_runs_and_change_nothing_and_forms_need_their_token(as_role, accountant, ready, session):
    run = made.propose(ready, by="someone")
    path = f"/admin/debits/{run.id}"
    for role in ("auditor", "liaison", "administrator"):
        reader = as_role(role)
        assert not reader.page(path).select("main form")
        assert not reader.page(PREVIEW).select("main form[method=post]")
        assert {act(reader, path, name).status_code for name in ("approve", "refuse", "stop")} == {403}
        assert propose(reader).status_code == 403
    care = as_role("care")
    assert care.get(path).status_code == care.get("/admin/debits/").status_code == 403
    assert accountant.client.post(f"{path}/refuse", data={"why": "x"}).status_code == 400
    assert (
        accountant.get("/admin/debits/999").status_code == accountant.get("/admin/debits/debit/999").status_code == 404
    )
    assert act(accountant, "/admin/debits", "propose", bank="x", day="y").status_code == 400
    assert session.execute(text("SELECT count(*), min(state) FROM debit_runs")).all() == [(1, "proposed")]


@pytest.fixture
def answered(ready):
    """A run that has left: one debit is paid, one met a code of the bank's own, one was never heard of; its page."""
    run = made.propose(ready)
    made.approve(ready, run.id)
    made.send(ready, run.id)
    ready.read(a_line(100_000, "L1", end_to_end_id="HD0001-1", booked_on=CHARGE_ON), on=CHARGE_ON)
    made.report(ready, made.outcome("HD0002-1", Verdict.REJECTED, "51"))
    return f"/admin/debits/{run.id}"


def test_a_run_tells_what_became_of_its_debits_and_whether_its_files_agree(accountant, answered, ready):
    page = accountant.page(answered)
    said = main(page)
    for expected in (
        "đã trả – 1 100.000 ₫",
        "không thực hiện được 51 số dư tài khoản không đủ 1 100.000 ₫",
        "đã gửi ngân hàng – 1 100.000 ₫",
        "lượt khi lập 3 300.000 ₫",
        "các tệp 3 300.000 ₫",
        "Khớp.",
        "đang giữ: khách hàng khiếu nại 1 100.000 ₫",
        "chờ giao",
    ):
        assert expected in said, (expected, said)
    rejected = next(link for link in page.select("tbody a") if "reason=51" in link["href"])
    listed = accountant.page(rejected["href"])
    assert [link.text for link in listed.select("tbody th a")] == ["HD0002-1"]
    assert accountant.page(f"{answered}/debits?q=HD0003").select("tbody th a")[0].text == "HD0003-1"
    assert accountant.page(listed.select_one("main a.button[href]")["href"]).select("tbody tr")
    out = accountant.page(f"{answered}/left-out?reason=held_dispute")
    assert [link.text for link in out.select("tbody th a")] == ["HD0004"]
    ready.run(lambda session: debit_sending.not_handed(
        session, debit_sending.waiting_file(session, now=ready.now), said="no route to the bank", again_at=ready.now,
    ))  # fmt: skip
    assert "no route to the bank" in main(accountant.page(answered))
    ready.as_owner("UPDATE debit_files SET total_minor = total_minor + 1")
    assert "Không khớp." in main(accountant.page(answered))
    ready.as_owner("UPDATE debit_files SET total_minor = total_minor - 1")


def test_a_run_is_downloaded_whole(accountant, answered):
    links = [link["href"] for link in accountant.page(answered).select("a[download]")]
    assert links == [f"{answered}.csv", f"{answered}.xlsx"]
    written = accountant.get(links[0]).data.decode("utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in written] == ["Hóa đơn", "HD0001", "HD0002", "HD0003", "HD0004"]
    assert (
        "HD0002,2026-11-20,100000,HD0002-1,1,không thực hiện được,51,số dư tài khoản không đủ,TN20261120-" in written[2]
    )
    assert "đang giữ: khách hàng khiếu nại" in written[4]
    assert accountant.get(links[1]).data.startswith(b"PK")


def test_a_debit_s_page_tells_its_notice_its_answers_and_its_money(accountant, answered, ready):
    paid, rejected, silent = (
        f"/admin/debits/debit/{row[0]}" for row in ready.rows("SELECT id FROM debits ORDER BY id")
    )
    said = main(accountant.page(paid))
    for expected in (
        "HD0001-1",
        "SMS trước khi trích nợ",
        "UQ1",
        "···2233",
        "5.000.000 ₫",
        "L1 100.000 ₫",
        "tiền đã về",
    ):
        assert expected in said, (expected, said)
    said = main(in_english(accountant, rejected))
    assert "not carried out : 51 not enough money on the account RJCT" in said
    assert "the bank took nothing: 51" in said
    assert not accountant.page(silent).select("main form"), "an accountant does not answer for the bank"


def test_a_liaison_passes_on_what_the_bank_said(as_role, accountant, answered, ready, session):
    number = ready.one("SELECT id FROM debits WHERE state = 'sent'")
    silent = f"/admin/debits/debit/{number}"
    liaison = as_role("liaison")
    assert liaison.page(silent).select_one("form[action$=answer]")
    assert act(accountant, silent, "answer", verdict="rejected").status_code == 403
    assert act(liaison, silent, "answer", verdict="paid").status_code == 400
    assert act(liaison, silent, "answer", verdict="rejected", why=" ").status_code == 400
    assert act(liaison, silent, "answer", verdict="rejected", code=" ac04 ", why="chị Hà,\0 9 giờ").status_code == 303
    session.rollback()
    assert session.execute(text("SELECT state, reason FROM debits ORDER BY id DESC LIMIT 1")).all() == [
        ("rejected", "AC04")
    ]
    said = main(liaison.page(silent))
    assert "AC04 tài khoản đã đóng c·· H·, 9 g·· Người liaison" in said
    told = "SELECT b.number, m.body <> '' FROM messages m JOIN bills b ON b.id = m.bill_id WHERE event = 'debit_failed'"
    assert ready.rows(f"{told} ORDER BY 1") == [("HD0002", True), ("HD0003", True)]


def test_a_code_is_kept_as_the_bank_writes_it(as_role, answered, ready):
    number = ready.one("SELECT id FROM debits WHERE state = 'sent'")
    liaison, silent = as_role("liaison"), f"/admin/debits/debit/{number}"
    assert act(liaison, silent, "answer", verdict="rejected", code="e7").status_code == 303
    assert "e7 tài khoản bị phong tỏa" in main(liaison.page(silent))


def test_nothing_is_answered_of_a_debit_that_was_not_sent(as_role, ready):
    made.propose(ready)
    path = f"/admin/debits/debit/{ready.one('SELECT min(id) FROM debits')}"
    liaison = as_role("liaison")
    assert not liaison.page(path).select_one("form[action$=answer]")
    assert act(liaison, path, "answer", verdict="accepted").status_code == 409


def test_what_is_wanted_back_is_told_with_its_bill(accountant, answered, ready):
    silent = ready.one("SELECT id FROM debits WHERE state = 'sent'")
    ready.hear(a_notice("T9", 100_000, made.code_of(3)), source="wallet")
    made.follow(ready)
    said = main(accountant.page(f"/admin/debits/debit/{silent}"))
    assert "Yêu cầu thu hồi cần yêu cầu ngân hàng hóa đơn HD0003 đã thanh toán" in said
