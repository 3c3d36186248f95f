"""The history of a case: taken back and come back, what an answer left, what undoing raised, each linked."""

import pytest
from sqlalchemy import text

from tests.gateway.admin.test_casework import give, rows, undo
from tests.gateway.admin.test_placed_money import credit, twice, words

__all__ = ["twice"]


@pytest.fixture
def taken_back(as_role, twice, session):
    """Return (person, number of the old case, number of the one that came back, where undoing led)."""
    path, _payment, _bill = twice
    person = as_role("accountant")
    person.send(f"{path}/remarks", kind="comment", said="khách xin chuyển kỳ sau")
    credit(person, path, session)
    led = undo(person, path).location
    old = int(path.rpartition("/")[2])
    [(now,)] = rows(session, "SELECT id FROM mismatches WHERE state <> 'resolved'")
    return person, old, now, led


def test_the_old_case_says_that_its_answer_was_taken_back_and_leads_on(taken_back):
    person, old, now, _led = taken_back
    page = person.page(f"/admin/mismatches/{old}")
    assert "Cách xử lý đã được rút lại bởi Người accountant, 19/11/2026 09:00" in words(page)
    assert page.select_one(f".alarm a[href='/admin/mismatches/{now}']")
    assert "Sau đó đã rút lại" in words(page)


def test_the_new_case_says_where_it_comes_from_and_keeps_the_story(taken_back):
    person, old, now, led = taken_back
    assert led == f"/admin/mismatches/{now}?undone={old}"
    page = person.page(led)
    assert f"Đã hoàn tác: cách xử lý của bạn cho #{old} được rút lại." in words(page.select_one(".undo"))
    assert f"Việc này mở lại từ #{old}" in words(page)
    before = page.select_one("section.before")
    assert "khách xin chuyển kỳ sau" in words(before)
    assert "ghi có cho khách hàng: 100.000 ₫" in words(before)
    assert "Đã hoàn tác" not in words(person.page(f"/admin/mismatches/{now}")), "it is said once"


def test_the_doubt_that_undoing_raised_is_labelled_where_it_is_shown(taken_back, session):
    person, old, _now, _led = taken_back
    [(doubt,)] = rows(session, "SELECT to_id FROM case_links WHERE kind = 'doubt'")
    page = person.page("/admin/mismatches/?state=resolved")
    row = page.select_one(f"tr:has(a[href^='/admin/mismatches/{doubt}?'])")
    assert f"mở để rút lại cách xử lý của #{old}" in words(row)
    assert "Không ai hỏi việc này" in words(person.page(f"/admin/mismatches/{doubt}"))
    payment = rows(session, "SELECT payment_id FROM case_links l JOIN mismatches m ON m.id = l.to_id")[0][0]
    shown = person.page(f"/admin/payments/{payment}")
    assert not shown.select_one(f"ol.story .asked a[href='/admin/mismatches/{doubt}']")


def test_what_is_left_of_a_payment_is_said_and_linked(accountant, books, session):
    bill = books.bill(200_000)
    payment = books.payment(675_622, state="confirmed", confirmed_minor=675_622)
    asked = books.mismatch("M12", f"payment:{payment.id}", payment_id=payment.id, minor=675_622)
    session.commit()
    path = f"/admin/mismatches/{asked.id}"
    fields = {"bill1": bill.number, "amount1": "200000", "why": "giấy báo có"}
    assert accountant.send(f"{path}/settle", **fields).status_code == 303
    [(left,)] = rows(session, "SELECT id FROM mismatches WHERE state <> 'resolved'")
    page = accountant.page(path)
    said = words(page.select_one("form.undo"))
    assert f"Còn lại 475.622 ₫, theo dõi ở việc #{left}" in said
    assert page.select_one(f"form.undo a[href='/admin/mismatches/{left}']")
    assert f"Đây là phần mà cách xử lý của #{asked.id}" in words(accountant.page(f"/admin/mismatches/{left}"))


def test_why_it_was_taken_back_is_said_in_the_readers_language(taken_back, session):
    person, old, _now, _led = taken_back
    [(doubt,)] = rows(session, "SELECT to_id FROM case_links WHERE kind = 'doubt'")
    assert rows(session, "SELECT why FROM case_links WHERE kind = 'doubt'") == [("taken back",)]
    assert "taken back" not in words(person.page(f"/admin/mismatches/{doubt}"))
    session.execute(text("UPDATE staff SET language = 'en'"))
    session.commit()
    said = words(person.page(f"/admin/mismatches/{doubt}"))
    assert "rút lại" not in said
    assert "taken back" in said
    assert old


def test_words_that_are_taken_back_are_linked_too(accountant, books, session):
    payment = books.payment(90_000)
    asked = books.mismatch("M03", f"payment:{payment.id}/amount", payment_id=payment.id, minor=5)
    session.commit()
    path = f"/admin/mismatches/{asked.id}"
    assert give(accountant, path).status_code == 303
    led = undo(accountant, path).location
    assert f"Việc này mở lại từ #{asked.id}" in words(accountant.page(led))


def test_the_payments_and_the_bills_story_say_what_was_taken_back_by_whom_and_why(taken_back, session):
    person, old, _now, _led = taken_back
    [(payment, bill)] = rows(session, f"SELECT payment_id, bill_id FROM mismatches WHERE id = {old}")
    for path in (f"/admin/payments/{payment}", f"/admin/bills/{bill}"):
        page = person.page(path)
        told = [words(one) for one in page.select("ol.story .taken_back")]
        assert len(told) == 1, path
        assert "Đã rút lại cách xử lý M06 Hóa đơn đã thanh toán" in told[0]
        assert "accountant: đã rút lại" in told[0]
        assert "đã rút lại 19/11/2026 09:00" in words(page.select_one("ol.story .settled"))


def test_the_payments_story_says_that_closing_by_words_was_taken_back(accountant, books, session):
    payment = books.payment(90_000)
    asked = books.mismatch("M03", f"payment:{payment.id}/amount", payment_id=payment.id, minor=5)
    session.commit()
    path = f"/admin/mismatches/{asked.id}"
    give(accountant, path)
    story = f"/admin/payments/{payment.id}"
    assert not accountant.page(story).select("ol.story .taken_back")
    assert "đã rút lại" not in words(accountant.page(story).select_one("ol.story .settled"))
    undo(accountant, path)
    assert "accountant" in words(accountant.page(story).select_one("ol.story .taken_back"))


def test_undoing_above_the_limit_is_asked_for_and_not_said_to_be_done(as_role, books, session):
    accountant, chief = as_role("accountant"), as_role("chief_accountant")
    payment = books.payment(2_000_001, state="confirmed", confirmed_minor=2_000_001)
    asked = books.mismatch("M12", f"payment:{payment.id}", payment_id=payment.id, minor=2_000_001)
    session.commit()
    path = f"/admin/mismatches/{asked.id}"
    assert give(accountant, path).status_code == 303
    [(first,)] = rows(session, "SELECT id FROM settlements")
    assert chief.send(f"{path}/approve/{first}").status_code == 303
    led = undo(accountant, path).location
    assert rows(session, "SELECT state FROM settlements ORDER BY id") == [("applied",), ("proposed",)]
    said = words(accountant.page(led).select_one(".undo"))
    assert f"Bạn đã đề nghị rút lại cách xử lý của mình cho #{asked.id}: việc này chờ người khác duyệt" in said
    assert "Đã hoàn tác" not in words(accountant.page(led))
    story = f"/admin/payments/{payment.id}"
    assert not accountant.page(story).select("ol.story .taken_back"), "the answer stands until then"
    assert "M05 Rút lại cách xử lý" in words(accountant.page(story).select_one("ol.story"))
    assert chief.send(f"{led.partition('?')[0]}/approve/{first + 1}").status_code == 303
    assert "Đã hoàn tác" in words(accountant.page(led)), "now it is"
    told = words(accountant.page(story).select_one("ol.story .taken_back"))
    assert "accountant: đã rút lại · Người duyệt: Người chief_accountant" in told
    assert "Đã hoàn tác" not in words(accountant.page(f"{path}?undone=999")), "nothing was"


def test_what_undoing_raised_is_titled_for_what_it_is(taken_back, as_role, books, session):
    person, _old, _now, _led = taken_back
    [(doubt,)] = rows(session, "SELECT to_id FROM case_links WHERE kind = 'doubt'")
    page = person.page(f"/admin/mismatches/{doubt}")
    assert words(page.select_one("h1")) == "M05 Rút lại cách xử lý"
    assert "đã rút lại, hoặc đề nghị rút lại, một cách xử lý" in words(page.select_one("p.lead"))
    said = words(page.select_one("main"))
    assert "có người rút lại cách đã xử lý" in said
    assert "ghi có cho khách hàng: 100.000 ₫" in words(page.select_one("dt:-soup-contains('được rút lại') + dd"))
    assert "Rút lại 100.000 ₫ → ghi có cho khách hàng" in said
    for wrong in ("nghi ngờ", "Không có căn cứ chờ khoản này", "Số lần khớp"):
        assert wrong not in said
    listed = person.page("/admin/mismatches/?state=resolved")
    assert "Rút lại cách xử lý" in words(listed.select_one(f"tr:has(a[href^='/admin/mismatches/{doubt}?'])"))
    bill, payment = books.settled(70_000)
    session.commit()
    led = person.send(f"/admin/mismatches/payment/{payment.id}/doubt", why="nghi nhầm người").location
    assert words(person.page(led).select_one("h1")) == "M05 Cách gạch nợ bị nghi ngờ"
    assert "Có người nghi ngờ khoản này" in words(person.page(led).select_one("p.lead"))
    assert "Cách gạch nợ bị nghi ngờ" in words(person.page(f"/admin/bills/{bill.id}"))
    asked = books.mismatch("M05", "payment:999", minor=5)
    session.commit()
    assert "Sai mã khách hàng" in words(person.page(f"/admin/mismatches/{asked.id}").select_one("h1"))


def test_the_overview_names_a_code_by_what_its_open_cases_ask(accountant, as_role, books, session):
    def row():
        page = accountant.page("/admin/")
        return words(page.select_one("a[href*='code=M05']"))

    books.mismatch("M05", "payment:999", minor=5)
    session.commit()
    assert row() == "M05 Sai mã khách hàng"
    payment = books.payment(2_000_001, state="confirmed", confirmed_minor=2_000_001)
    asked = books.mismatch("M12", f"payment:{payment.id}", payment_id=payment.id, minor=2_000_001)
    session.commit()
    path = f"/admin/mismatches/{asked.id}"
    give(accountant, path)
    [(first,)] = rows(session, "SELECT id FROM settlements")
    as_role("chief_accountant").send(f"{path}/approve/{first}")
    undo(accountant, path)
    assert row() == "M05 Sai mã khách hàng / Rút lại cách xử lý"
    choice = accountant.page("/admin/mismatches/").select_one("select[name=code] option[value=M05]")
    assert words(choice) == "M05 Sai mã khách hàng / Cách gạch nợ bị nghi ngờ / Rút lại cách xử lý"


def test_who_did_what_stands_with_their_full_name(taken_back, session):
    person, old, now, _led = taken_back
    session.execute(text("UPDATE staff SET name = 'Trần Thị Kế' WHERE username = 'accountant'"))
    session.commit()
    [(payment,)] = rows(session, f"SELECT payment_id FROM mismatches WHERE id = {old}")
    person.send(f"/admin/mismatches/{now}/assign", to="accountant")
    for path in (f"/admin/mismatches/{old}", f"/admin/mismatches/{now}", f"/admin/payments/{payment}"):
        main = person.page(path).select_one("main")
        for choice in main.select("select"):
            choice.decompose()
        assert "Trần Thị Kế" in words(main), path
        assert "accountant" not in words(main), path
