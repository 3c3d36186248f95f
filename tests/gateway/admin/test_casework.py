"""Casework on the page: the usual answer, words, versions, undo, whose case it is, and who else looks at it."""

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import text

from reconciliation import remarks
from reconciliation.mismatches import Mismatch
from tests.gateway.admin.conftest import NOW
from tests.unordered import as_found


@pytest.fixture
def deposit(books, session):
    """Return (page, case) of confirmed money that nobody could place."""

    def made(minor=100_000, **columns):
        payment = books.payment(minor, state="confirmed", confirmed_minor=minor)
        asked = books.mismatch("M12", f"payment:{payment.id}", payment_id=payment.id, minor=minor, **columns)
        session.commit()
        return f"/admin/mismatches/{asked.id}", asked.id

    return made


def rows(session, query):
    session.rollback()
    return as_found(query, session.execute(text(query)))


def usual_form(person, path):
    form = person.page(path).select_one("section.usual form")
    assert form is not None
    return {field["name"]: field["value"] for field in form.select("input")}


def give(person, path, **fields):
    shown = usual_form(person, path) | fields
    shown.pop("csrf_token")
    where, _mark, query = path.partition("?")
    return person.send(f"{where}/usual?{query}", **shown)


def undo(person, path):
    form = person.page(path).select_one("form.undo")
    return person.send(form["action"], act=form.select_one("[name=act]")["value"])


def test_who_has_left_the_books_takes_nothing_of_them_back(accountant, deposit, session):
    path, _case = deposit()
    assert give(accountant, path).status_code == 303
    form = accountant.page(path).select_one("form.undo")
    assert form is not None
    session.execute(text("UPDATE staff SET role = 'liaison' WHERE username = 'accountant'"))
    session.commit()
    assert accountant.page(path).select_one("form.undo") is None
    assert accountant.send(form["action"], act=form.select_one("[name=act]")["value"]).status_code == 403
    assert rows(session, "SELECT undone_by FROM placements") == [("",)]
    other, _case = deposit()
    assert accountant.send(f"{other}/assign", to="accountant").status_code == 303
    assert undo(accountant, other).status_code == 303, "their own part of the desk they keep"


def test_the_usual_answer_says_what_it_books_and_books_it(accountant, deposit, session):
    path, _case = deposit()
    said = accountant.page(path).select_one("section.usual")
    assert "Ghi 100.000 ₫: treo chờ xử lý." in said.text.replace("\u00a0", " ")
    assert said.select_one("button.primary")["data-key"] == "m"
    assert give(accountant, path).status_code == 303
    assert rows(session, "SELECT kind, minor, by FROM placements") == [("held", 100_000, "accountant")]
    assert accountant.page(path).select_one("section.usual") is None


def test_above_the_limit_it_says_that_another_person_approves_and_becomes_a_proposal(accountant, deposit, session):
    path, _case = deposit(2_000_001)
    assert "Phải có người khác duyệt." in accountant.page(path).text
    assert give(accountant, path).status_code == 303
    assert rows(session, "SELECT state FROM settlements") == [("proposed",)]


def test_a_reason_is_needed_and_another_answer_than_the_one_shown_is_not_given(accountant, deposit, session):
    path, _case = deposit()
    assert give(accountant, path, why=" ").status_code == 400
    refused = give(accountant, path, usual="0" * 16)
    assert refused.status_code == 409
    assert "Cách xử lý thông thường vừa thay đổi" in refused.text
    assert rows(session, "SELECT count(*) FROM settlements") == [(0,)]


def test_a_case_that_changed_is_refused_with_who_did_what_and_what_was_typed(as_role, deposit, session, clock):
    path, case = deposit()
    accountant, chief = as_role("accountant"), as_role("chief_accountant")
    held = usual_form(accountant, path)
    clock.pass_by(minutes=1)
    chief.send(f"{path}/remarks", kind="comment", said="khách hẹn gọi lại lúc trưa")
    refused = accountant.send(f"{path}/usual", version=held["version"], usual=held["usual"], why="lý do của tôi")
    assert refused.status_code == 409
    assert "khách hẹn gọi lại lúc trưa" in refused.text
    assert "chief_accountant" in refused.text
    assert 'value="lý do của tôi"' in refused.text, "the form still holds it"
    assert give(chief, path).status_code == 303
    late = accountant.send(f"{path}/settle", version=held["version"], why="lý do khác", place1="held", sum1="5")
    assert late.status_code == 409
    assert "Bạn đã nhập" in late.text
    assert "Việc này đã được xử lý từ khi bạn mở" in late.text
    assert "rồi xử lý lại" not in late.text
    assert "lý do khác" in late.text
    assert rows(session, "SELECT maker FROM settlements") == [("chief_accountant",)]
    assert case


def test_a_version_that_is_none_of_ours_checks_nothing_but_the_state(accountant, deposit, session):
    path, _case = deposit()
    assert give(accountant, path, version="x").status_code == 303
    assert rows(session, "SELECT state FROM mismatches") == [("resolved",)]


def test_a_case_is_closed_by_words_where_nothing_is_left_to_book_only(accountant, deposit, books, session):
    path, _case = deposit()
    assert accountant.send(f"{path}/acknowledge", why="x").status_code == 409
    payment = books.payment(90_000)
    asked = books.mismatch("M03", f"payment:{payment.id}/amount", payment_id=payment.id, minor=5)
    session.commit()
    other = f"/admin/mismatches/{asked.id}"
    assert accountant.page(other).select_one(f"form[action='{other}/acknowledge']")
    assert accountant.send(f"{other}/acknowledge", why=" ").status_code == 400
    assert accountant.send(f"{other}/acknowledge", why="theo sao kê").status_code == 303
    assert rows(session, "SELECT state FROM mismatches ORDER BY id") == [("open",), ("resolved",)]
    assert undo(accountant, other).status_code == 303
    assert rows(session, "SELECT state FROM mismatches ORDER BY id") == [("open",), ("resolved",), ("open",)]


def test_a_case_goes_to_a_person_and_back(as_role, deposit, session):
    path, _case = deposit()
    accountant = as_role("accountant")
    assert accountant.page(path).select_one("button[data-key=a]")
    assert accountant.send(f"{path}/assign", to="accountant").status_code == 303
    assert accountant.page(path).select_one("button[data-key=a]") is None
    assert accountant.send(f"{path}/assign", to="auditor").status_code == 400
    assert rows(session, "SELECT assignee FROM mismatches") == [("accountant",)]
    assert undo(accountant, path).status_code == 303
    assert rows(session, "SELECT assignee FROM mismatches") == [("",)]
    assert as_role("auditor").send(f"{path}/assign", to="").status_code == 403


def test_what_was_done_is_taken_back_once_and_by_nobody_else(as_role, deposit, session):
    path, case = deposit()
    accountant, chief = as_role("accountant"), as_role("chief_accountant")
    give(accountant, path)
    form = accountant.page(path).select_one("form.undo")
    assert f"Bạn đã xử lý #{case}" in form.text or f"Bạn đã xử lý việc #{case}" in form.text
    act = form.select_one("[name=act]")["value"]
    assert chief.page(path).select_one("form.undo") is None
    assert chief.send(form["action"], act=act).status_code == 409
    assert accountant.send(form["action"], act=act).status_code == 303
    again = accountant.send(form["action"], act=act)
    assert again.status_code == 409
    assert "Không hoàn tác được nữa" in again.text
    assert rows(session, "SELECT matched_minor FROM payments") == [(0,)]


def test_a_liaison_asks_the_bank_and_books_nothing(as_role, deposit, books, session):
    path, _case = deposit()
    liaison = as_role("liaison")
    assert liaison.page(path).select_one("section.usual") is None
    assert liaison.send(f"{path}/usual", usual="x", why="y").status_code == 409
    asked = books.mismatch("M13", "file:saomai:2026-11-18")
    session.commit()
    assert give(liaison, f"/admin/mismatches/{asked.id}").status_code == 303
    assert rows(session, "SELECT kind, by FROM remarks") == [("trace", "liaison")]


def test_a_booking_answer_is_no_liaisons_even_by_its_key(as_role, deposit):
    path, _case = deposit()
    held = usual_form(as_role("accountant"), path)
    held.pop("csrf_token")
    assert as_role("liaison").send(f"{path}/usual", **held).status_code == 403


def test_a_rest_leads_on_and_is_taken_back(accountant, deposit, session):
    path, _case = deposit()
    until = (NOW + timedelta(days=3)).date().isoformat()
    assert accountant.send(f"{path}/remarks", kind="expected", said="chờ khách", until=until).status_code == 303
    assert undo(accountant, path).status_code == 303
    assert rows(session, "SELECT rests_until FROM mismatches") == [(None,)]
    assert [kind for (kind,) in rows(session, "SELECT kind FROM remarks ORDER BY id")] == ["expected", "resumed"]


def test_who_else_looks_at_a_case_is_named(as_role, deposit, clock):
    path, _case = deposit()
    accountant, chief = as_role("accountant"), as_role("chief_accountant")
    version = accountant.page(path).select_one(".company")["data-version"]
    clock.pass_by(seconds=30)
    assert "Người accountant đang xem việc này từ 09:00" in chief.page(path).select_one(".company").text
    heard = accountant.send(f"{path}/here").get_json()
    assert "Người chief_accountant đang xem việc này" in heard["company"]
    assert heard["version"] == version
    chief.send(f"{path}/remarks", kind="comment", said="đang gọi khách")
    assert accountant.send(f"{path}/here").get_json()["version"] != version
    clock.pass_by(seconds=61)
    assert accountant.send(f"{path}/here").get_json()["company"] == ""
    assert accountant.send("/admin/mismatches/999/here").status_code == 404


def test_the_total_is_computed_without_a_script(accountant, deposit, books, session):
    path, _case = deposit()
    bill = books.bill(60_000)
    session.commit()
    fields = {"check": "1", "bill1": bill.number, "amount1": "60.000", "place1": "held", "sum1": "50.000"}
    answer = accountant.send(f"{path}/settle", **fields)
    assert answer.status_code == 200
    assert "−10.000" in answer.text
    assert "nhiều hơn khoản thanh toán" in answer.text
    assert rows(session, "SELECT count(*) FROM settlements") == [(0,)]


def test_a_check_says_at_once_what_a_bill_owes(accountant, deposit, books, session):
    path, _case = deposit()
    paid, _payment = books.settled(100_000)
    owing = books.bill(60_000)
    session.commit()
    for bill, said in ((paid, f"Hóa đơn {paid.number} đã thanh toán đủ"), (owing, "60.000\u00a0₫.")):
        answer = accountant.send(f"{path}/settle", check="1", bill1=bill.number, amount1="100.000")
        assert answer.status_code == 200
        assert said in BeautifulSoup(answer.text, "lxml").select_one("main p.alarm").text
    fits = accountant.send(f"{path}/settle", check="1", bill1=owing.number, amount1="60.000")
    assert not BeautifulSoup(fits.text, "lxml").select("main p.alarm")
    assert rows(session, "SELECT count(*) FROM settlements") == [(0,)]


def test_a_check_of_what_is_no_amount_says_so_and_keeps_what_was_typed(accountant, deposit, books, session):
    path, case = deposit()
    deposit(50_000)
    bill = books.bill(60_000)
    session.commit()
    fields = {"check": "1", "bill1": bill.number, "amount1": "abc", "why": "giấy báo có"}
    answer = accountant.send(f"{path}/settle?queue=1&state=unsettled", **fields)
    assert answer.status_code == 400
    assert "lớn hơn 0; nhận được “abc”." in answer.text
    for typed in (bill.number, "abc", "giấy báo có"):
        assert f'value="{typed}"' in answer.text
    assert f'rel="next" data-key="j" href="/admin/mismatches/{case + 1}?' in answer.text
    assert f"{path}/settle?queue=1&amp;state=unsettled" in answer.text


def test_candidates_tell_what_agrees_and_what_does_not(accountant, deposit, books, session):
    path, case = deposit(100_000, facts={"verdict": "several_bills"})
    fits, other = books.bill(100_000), books.bill(140_000)
    asked = session.get(Mismatch, case)
    session.execute(text("UPDATE payments SET quoted = ARRAY[:code]"), {"code": fits.payment_code})
    asked.facts = {"verdict": "several_bills", "ranked": [
        {"rule": "named", "bills": [{"bill": fits.number, "minor": 100_000}]},
        {"rule": "owed", "bills": [{"bill": other.number, "minor": 100_000}]},
    ]}  # fmt: skip
    session.commit()
    page = accountant.page(path)
    first, second = page.select("ol.candidates > li")
    assert "mạnh" in first.text
    assert [one.text.strip() for one in first.select(".agrees")] == [
        "Số tiền khớp đến từng đồng.", f"Nội dung có ghi hóa đơn {fits.number}.",
    ]  # fmt: skip
    assert not first.select(".against")
    against = second.text.replace("\u00a0", " ")
    assert "Hóa đơn vẫn còn thiếu 40.000 ₫." in against
    assert f"Nội dung không ghi hóa đơn {other.number}" in against
    assert "Lý do không tự gạch: nhiều hóa đơn phù hợp." in page.text
    assert f"Gạch 100.000 ₫ vào hóa đơn {fits.number}." in page.select_one(".books").text.replace("\u00a0", " ")


def test_a_code_of_somebody_else_speaks_against_a_candidate(accountant, deposit, books, session):
    path, case = deposit(100_000)
    named, stranger = books.bill(100_000), books.bill(5_000)
    other = stranger.payment_code[:13]
    session.execute(text("UPDATE payments SET quoted = ARRAY[:a, :b]"), {"a": named.payment_code, "b": other})
    asked = session.get(Mismatch, case)
    asked.facts = {"ranked": [{"rule": "named", "bills": [{"bill": named.number, "minor": 100_000}]}]}
    session.commit()
    against = accountant.page(path).select("ol.candidates .against")
    assert [one.text.strip() for one in against] == [f"Nội dung có ghi mã khách hàng {other} của người khác."]


def test_the_customers_story_stands_beside_the_case(accountant, books, session):
    bill, payment = books.settled(100_000)
    asked = books.mismatch("M06", f"payment:{payment.id}", payment_id=payment.id, bill_id=bill.id, minor=5)
    session.commit()
    said = accountant.page(f"/admin/mismatches/{asked.id}").select_one("ul.brief").text
    assert bill.number in said
    assert payment.source_reference in said
    assert "đã chuyển" in said or "đã đến máy" in said or "đã nhận" in said


def test_a_case_that_somebody_of_an_office_took_stays_theirs_and_is_told_by_name(as_role, deposit, session):
    path, case = deposit()
    session.execute(text("UPDATE staff SET office = 'DL1' WHERE username = 'liaison'"))
    remarks.assign(session, case, "liaison", by="liaison", now=NOW)
    session.commit()
    accountant = as_role("accountant")
    options = accountant.page(path).select("select[name=to] option")
    assert [one["value"] for one in options if one.has_attr("selected")] == ["liaison"]
    assert accountant.send(f"{path}/assign", to="liaison").status_code == 303
    [row] = accountant.page("/admin/mismatches/?who=liaison").select("main tbody tr")
    assert "Người liaison" in row.text


def test_what_was_assigned_is_told_by_name_in_the_history(accountant, deposit, session):
    path, case = deposit()
    remarks.assign(session, case, "accountant", by="accountant", now=NOW)
    session.commit()
    assert "Giao cho: Người accountant" in " ".join(accountant.page(path).text.split())


def test_that_no_candidate_was_found_is_said_with_what_was_looked_for(accountant, deposit, session):
    path, _case = deposit(70_000)
    said = " ".join(accountant.page(path).text.replace("\u00a0", " ").split())
    assert "Không tìm thấy hóa đơn nào phù hợp." in said
    assert "không ghi mã nào của ta" in said
    assert "còn thiếu đúng 70.000 ₫" in said
    session.execute(text("UPDATE payments SET quoted = ARRAY['PA404']"))
    session.commit()
    assert "PA404" in accountant.page(path).select_one("main").text


def test_who_has_taken_a_case_stands_in_a_column_of_its_own(accountant, deposit):
    path, _case = deposit()
    accountant.send(f"{path}/assign", to="accountant")
    page = accountant.page("/admin/mismatches/")
    assert page.select_one("tbody td[data-label='Người nhận việc']").text.strip() == "Người accountant"
