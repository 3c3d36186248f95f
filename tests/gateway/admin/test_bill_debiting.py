"""A bill's debiting on its page, the questions about debits, and what the overview says waits."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from reconciliation import audit, debit_asking, debit_figures, debit_sending, mismatches
from tests.gateway.admin.conftest import NOW
from tests.gateway.admin.debit_house import act, house, in_english, main, page_settings, ready
from tests.reconciliation import debits_made as made
from tests.reconciliation.books import a_bill
from tests.reconciliation.debits_made import CHARGE_ON

__all__ = ["house", "page_settings", "ready"]


def page_of(books, number):
    return f"/admin/bills/{books.one('SELECT id FROM bills WHERE number = :number', number=number)}"


def live_holds(books):
    return books.rows("SELECT bill_id, kind FROM bill_holds WHERE released_at IS NULL ORDER BY id")


def test_a_bill_is_held_by_care_and_released_by_a_bookkeeper(as_role, accountant, ready):
    path = page_of(ready, "HD0001")
    care = as_role("care")
    said = main(care.page(path))
    for expected in ("Trích nợ tự động Ngày trích nợ 20/11/2026", "UQ1 , Ngân hàng Mẫu, đang hiệu lực", "5.000.000 ₫"):
        assert expected in said, (expected, said)
    assert act(care, path, "hold", kind="dispute", why=" ").status_code == 400
    assert act(care, path, "hold", kind="abnormal").status_code == 400
    assert act(care, path, "hold", kind="dispute").status_code == 303
    again = act(care, path, "hold", kind="dispute")
    assert (again.status_code, "không còn như trang này đã hiển thị" in again.text) == (409, True)
    assert "Đang giữ: khách hàng khiếu nại. đã xem Người care" in main(care.page(path))
    assert not care.page(path).select_one("form[action$=release]")
    assert act(care, path, "release", kind="dispute").status_code == 403
    assert act(accountant, path, "release", kind="dispute").status_code == 303
    assert len(live_holds(ready)) == 1, "the one that was held before"
    said = main(in_english(accountant, path))
    assert "bill held Người care: đã xem" in said
    assert "bill released Người accountant: đã xem" in said
    assert ready.one("SELECT count(*) FROM messages WHERE body IS NULL AND state = 'queued'") == 0


def test_a_bill_is_put_off_to_a_day_to_come_and_its_customer_told_anew(as_role, accountant, ready):
    path = page_of(ready, "HD0002")
    assert act(accountant, path, "postpone", to="soon").status_code == 400
    refused = act(accountant, path, "postpone", to="2026-11-19")
    assert (refused.status_code, "Hãy chọn một ngày còn kịp báo lại khách hàng" in refused.text) == (409, True)
    assert act(as_role("care"), path, "postpone", to="2026-11-23").status_code == 403
    assert act(accountant, path, "postpone", to="2026-11-23").status_code == 303
    said = main(accountant.page(path))
    assert "Ngày trích nợ 23/11/2026 Ban đầu 20/11/2026 Lùi đến 23/11/2026 đã xem Người accountant" in said
    told = "SELECT facts->>'debit_on', body <> '' FROM messages WHERE bill_id = :id AND state = 'queued'"
    assert ready.rows(told, id=int(path.rpartition("/")[2])) == [("2026-11-23", True)]
    run = made.propose(ready)
    assert act(accountant, page_of(ready, "HD0001"), "postpone", to="2026-11-23").status_code == 409, "it is planned"
    assert "dự kiến" in main(accountant.page(page_of(ready, "HD0001")))
    assert f"/admin/debits/debit/{ready.one('SELECT min(id) FROM debits')}" in str(
        accountant.page(page_of(ready, "HD0001"))
    )
    assert run.debits == 2


def test_a_printed_notice_is_recorded_once_and_not_of_days_to_come(as_role, ready):
    path, care = page_of(ready, "HD0003"), as_role("care")
    assert "thông báo giấy không được tính" in main(care.page(path))
    for handed, status in (("yesterday", 400), ("2026-11-19T09:01", 400), ("2026-11-18T15:30", 303)):
        assert act(care, path, "printed", handed=handed).status_code == status, handed
    assert act(care, path, "printed", handed="2026-11-18T15:30").status_code == 409
    assert "100.000 ₫, 20/11/2026; giao lúc 18/11/2026 15:30 Người care" in main(care.page(path))
    assert act(as_role("auditor"), path, "printed", handed="2026-11-18T15:30").status_code == 403


@pytest.mark.parametrize(
    ("handed", "said"),
    [
        ("0001-01-01T00:00", "các năm 1900 đến 2999; nhận được “0001-01-01T00:00”"),
        ("9999-12-31T23:59", "các năm 1900 đến 2999; nhận được “9999-12-31T23:59”"),
        ("2026-11-15T23:59", "từ 16/11/2026, ngày phát hành hóa đơn, đến bây giờ; nhận được 15/11/2026 23:59"),
        ("2026-11-19T09:01", "đến bây giờ; nhận được 19/11/2026 09:01"),
        ("", "Hãy ghi ngày giờ đã giao."),
    ],
)
def test_a_printed_notice_of_an_impossible_moment_is_refused_for_its_moment(as_role, ready, handed, said):
    path, care = page_of(ready, "HD0003"), as_role("care")
    refused = act(care, path, "printed", handed=handed)
    assert refused.status_code == 400
    assert said in refused.text.replace("\u00a0", " "), refused.text
    assert ready.one("SELECT count(*) FROM printed_notices") == 0
    assert care.get(path).status_code == 200


@pytest.mark.parametrize("to", ["0001-01-01", "9999-12-31"])
def test_a_bill_is_not_put_off_to_a_day_beyond_reckoning(accountant, ready, to):
    refused = act(accountant, page_of(ready, "HD0002"), "postpone", to=to)
    assert (refused.status_code, f"nhận được “{to}”" in refused.text) == (400, True)


def test_the_trail_shows_a_moment_that_no_clock_of_ours_can_show(as_role, ready):
    facts = {"charge_on": "2026-11-20", "minor": 100_000, "handed_at": "0001-01-01T00:00:00+07:06"}
    ready.run(lambda session: audit.append(
        session, actor="care", action="notice_printed", subject="bill:HD0003", facts=facts, now=NOW,
    ))  # fmt: skip
    assert "01/01/1 00:00" in as_role("auditor").page("/admin/audit/").text.replace("\u00a0", " ")
    assert as_role("care").get(page_of(ready, "HD0003")).status_code == 200


def test_readers_and_bills_that_are_not_debited_show_no_form(as_role, accountant, ready):
    auditor = as_role("auditor")
    assert not auditor.page(page_of(ready, "HD0004")).select("main form")
    ready.issue(a_bill("HD0099", code="PA00000000099X1", customer_code="PA00000000099"))
    other = accountant.page(page_of(ready, "HD0099"))
    assert not other.select_one("#debiting")
    assert not other.select("main form[method=post]:not([action$=unmask])")
    assert act(accountant, "/admin/bills/999", "hold", kind="person").status_code == 404


@pytest.fixture
def silent(ready):
    """A debit that its bank has never answered for, and the path of the question about it."""
    run = made.propose(ready)
    made.approve(ready, run.id)
    made.send(ready, run.id)
    ready.now = NOW + timedelta(days=1, minutes=1)
    ready.run(lambda session: debit_asking.time_out(session, now=ready.now))
    while ready.run(lambda session: debit_asking.to_ask(session, limit=99, now=ready.now)):
        ready.now += timedelta(days=1)
    ready.now = NOW
    return f"/admin/mismatches/{ready.one('SELECT min(id) FROM mismatches WHERE code = :code', code='M16')}"


def test_a_debit_that_was_never_answered_is_told_in_words_and_answered_on_the_spot(as_role, accountant, silent, ready):
    liaison = as_role("liaison")
    said = main(liaison.page(silent))
    for expected in (
        "Đã yêu cầu Ngân hàng Mẫu trích nợ 100.000 ₫ cho hóa đơn HD0001 vào ngày 20/11/2026.",
        "Ngân hàng chưa trả lời, dù đã hỏi lại 8 lần.",
        "Mở lần trích nợ chưa rõ kết quả",
    ):
        assert expected in said, (expected, said)
    assert not accountant.page(silent).select_one("form[action$=answer]")
    action = liaison.page(silent).select_one("form[action$=answer]")["action"]
    assert act(liaison, action, verdict="rejected", code="AC04", why="công văn 12").status_code == 303
    assert ready.rows("SELECT state, reason FROM debits ORDER BY id LIMIT 1") == [("rejected", "AC04")]
    said = main(liaison.page(silent))
    assert "ngân hàng đã trả lời trích nợ" in said
    assert "It may have carried it out" in main(in_english(liaison, silent))


def test_ids_that_are_none_of_ours_are_told_in_words(accountant, house):
    delivery = house.delivery("standard", "statement")
    asked = house.run(lambda session: mismatches.ask_one(
        session, code="M16", subject=f"report:{delivery}", source="standard", delivery_id=delivery,
        facts={"unknown": 2, "debits": ["X1", "X2"]}, now=NOW,
    ))  # fmt: skip
    said = main(accountant.page(f"/admin/mismatches/{asked}"))
    assert "Báo cáo của Ngân hàng Mẫu nêu 2 mã không thuộc lần trích nợ nào" in said
    assert "Một số mã trong đó X1, X2" in said


def test_a_mandate_that_keeps_a_bill_out_is_told_in_words_and_leads_to_the_bill(accountant, ready):
    with ready.owner.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE mandate_versions SET cap_minor = 99000 WHERE mandate_id = ("
                                "SELECT id FROM mandates WHERE reference = 'UQ2')"))  # fmt: skip
    made.approve(ready, made.propose(ready).id)
    path = f"/admin/mismatches/{ready.one('SELECT id FROM mismatches WHERE code = :code', code='M17')}"
    page = accountant.page(path)
    said = main(page)
    for expected in (
        "Hóa đơn HD0002 phải trích nợ ngày 20/11/2026 nhưng bị loại: vượt hạn mức của ủy quyền.",
        "Hạn mức của ủy quyền 99.000 ₫",
        "Ngày trích nợ 20/11/2026",
    ):
        assert expected in said, (expected, said)
    link = page.select_one("a.button[href*=debiting]")["href"]
    assert link == f"{page_of(ready, 'HD0002')}#debiting"
    assert "99.000 ₫ thấp hơn hóa đơn" in main(accountant.page(page_of(ready, "HD0002")))


def test_the_overview_says_what_waits_and_leads_to_it(accountant, silent, ready):
    def waits():
        links = accountant.page("/admin/").select("section[aria-labelledby=debits-title] a")
        return {link.text: link["href"] for link in links}

    ready.run(lambda session: debit_sending.not_handed(
        session, debit_sending.waiting_file(session, now=ready.now), said="no route", again_at=ready.now,
    ))  # fmt: skip
    made.issue(ready, 1, first=7, charge_on=CHARGE_ON + timedelta(days=3))
    made.propose(ready, CHARGE_ON + timedelta(days=3))
    ready.as_owner("UPDATE bill_holds SET kind = 'abnormal'")
    ready.as_owner("UPDATE debits SET ask_at = :now WHERE bill_number = 'HD0003'", now=NOW)
    found = waits()
    assert list(found) == [
        "1 lượt trích nợ chờ duyệt", "1 tệp không giao được", "1 lần trích nợ chưa rõ kết quả: đang hỏi lại ngân hàng",
        "3 lần trích nợ ngân hàng không trả lời", "1 hóa đơn đang giữ vì điện năng bất thường",
    ]  # fmt: skip
    for href in found.values():
        assert accountant.page(href.partition("#")[0]).select("tbody tr"), href
    assert "no route" in main(accountant.page("/admin/debits/"))
    ready.as_owner("UPDATE bills SET charge_on = '2026-11-18' WHERE number IN ('HD0001', 'HD0004')")
    ready.run(lambda session: debit_figures.count_missed(session, now=NOW))
    missed = waits()["1 hóa đơn đã qua ngày trích nợ mà chưa trích"]
    assert [link.text for link in accountant.page(missed).select("tbody th a")] == ["HD0004"], "HD0001 was debited"
    assert "đã qua" in main(accountant.page(page_of(ready, "HD0004")))
