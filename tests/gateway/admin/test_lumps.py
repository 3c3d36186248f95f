"""Settlement lines on their question's page: what is shown, who says what a line is of, and who approves it."""

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import text

from gateway.database import owner_engine
from tests.gateway.admin.conftest import DAY, NOW
from tests.reconciliation.books import Books, a_line, a_notice, at

NEXT = DAY + timedelta(days=1)
SMALL, LARGE = 100_000, 3_000_000
"""What one person may settle alone, and what needs another."""


@pytest.fixture
def settled(engine, as_superuser, sealer):
    """Return the page of a question about a line that two days' payments, W1 and W0, come to; proven at the end."""
    owner = owner_engine(as_superuser)
    house = Books(engine, owner, sealer, NOW)
    house.agree(source="vidien", bank="saomai")

    def made(minor=SMALL, arrived=None, late=()):
        house.hear(
            a_notice("W1", minor, ""), a_notice("W0", minor, "", paid_at=at(1) - timedelta(days=1)), source="vidien"
        )
        net = minor - minor // 100 - minor // 1_000
        house.read(a_line(arrived or net, "L1", "QUYET TOAN VI", booked_on=NEXT), bank="saomai", on=NEXT)
        asked = house.one("SELECT id FROM mismatches WHERE code = 'M11'")
        house.hear(*late, source="vidien")
        return f"/admin/mismatches/{asked}"

    yield made
    assert house.broken() == []
    owner.dispose()


def rows(session, query):
    session.rollback()
    return [tuple(row) for row in session.execute(text(query))]


def confirmed(session):
    return rows(session, "SELECT source_reference FROM payments WHERE state = 'confirmed' ORDER BY 1")


def say(person, path, act="explode", **fields):
    return person.post(f"{path}/{act}", **{"token_from": path, "why": "bảng kê của ví", **fields})


def words(page):
    return " ".join(page.get_text(" ").replace("\u00a0", " ").split())


def in_english(person, path):
    assert person.post("/admin/language", token_from="/admin/", language="en", back=path).status_code == 303
    return person.page(path)


def test_the_page_says_what_was_weighed_in_both_languages(accountant, settled):
    path = settled()
    vietnamese = words(accountant.page(path))
    for said in (
        "Một khoản gộp nhiều giao dịch", "Ví Điện", "17/11/2026, 18/11/2026", "Quyết toán cho ngày", "98.900 ₫",
    ):  # fmt: skip
        assert said in vietnamese, said
    english = words(in_english(accountant, path))
    for said in (
        "Lump sum for many payments", "Ví Điện", "the payments of several days come to exactly this amount",
        "Days that fit", "It settles the day", "Settle these payments with the line",
    ):  # fmt: skip
        assert said in english, said


def test_a_line_that_lacks_something_names_the_nearest_day(accountant, settled):
    path = settled(arrived=98_000)
    page = in_english(accountant, path)
    said = words(page)
    for fact in ("Nearest day 18 Nov 2026", "Difference, arrived less expected -900", "Expected, less the fee 98,900"):
        assert fact in said.replace("\u2212", "-").replace("₫ ", "").replace("₫", ""), (fact, said)


def test_an_accountant_says_which_day_it_is_and_takes_it_back(accountant, settled, session):
    path = settled()
    assert say(accountant, path, day="2026-11-18").status_code == 303
    assert confirmed(session) == [("W1",)]
    page = accountant.page(path)
    assert not page.select_one(f"form[action='{path}/explode']")
    assert "W1 100.000 ₫ − 1.100 ₫ = 98.900 ₫" in words(page)
    assert "accountant" in words(page)
    assert say(accountant, path, "explode/undo", why=" ").status_code == 400
    assert say(accountant, path, "explode/undo").status_code == 303
    assert confirmed(session) == []
    [again] = rows(session, "SELECT id FROM mismatches WHERE code = 'M11' AND state = 'open'")
    assert again != (int(path.rpartition("/")[2]),)


def test_a_line_that_was_weighed_to_be_another_day_s_is_answered_otherwise(accountant, settled, session):
    path = settled(late=[a_notice("W2", 5_000, "", paid_at=at(1) - timedelta(days=1))])
    assert confirmed(session) == [("W1",)], "the day before comes to more now"
    assert accountant.page(path).select_one(f"form[action='{path}/explode']")
    assert say(accountant, path, payments="W0").status_code == 303
    assert confirmed(session) == [("W0",)]


def test_a_day_is_denied_on_the_page_and_weighed_again(accountant, settled, session):
    path = settled()
    assert say(accountant, path, "explode/not-day", day="17/11").status_code == 400
    assert "nhận được “9999-12-31”" in say(accountant, path, "explode/not-day", day="9999-12-31").text
    refused = say(accountant, path, "explode/not-day", day="2026-11-01")
    assert (refused.status_code, "những ngày mà dòng này có thể quyết toán" in refused.text) == (409, True)
    assert say(accountant, path, "explode/not-day", day="2026-11-17", why=" ").status_code == 400
    assert say(accountant, path, "explode/not-day", day="2026-11-17").status_code == 303
    assert confirmed(session) == [("W1",)]
    page = accountant.page(path)
    assert "Dòng này không quyết toán cho ngày 17/11/2026. bảng kê của ví" in words(page)
    assert page.select_one("form[action$=not-day] [name=day]")["value"] == "2026-11-18", "the day it was weighed to be"
    assert say(accountant, path, "explode/not-day", day="2026-11-18").status_code == 303
    assert confirmed(session) == []
    [asked] = rows(session, "SELECT id FROM mismatches WHERE code = 'M11' AND state = 'open'")[0]
    path = f"/admin/mismatches/{asked}"
    english = in_english(accountant, path)
    assert "Days it is not of, as a person said 17 Nov 2026, 18 Nov 2026" in words(english)
    again = english.select("form[action$=day-again]")
    assert [form.select_one("[name=day]")["value"] for form in again] == ["2026-11-17", "2026-11-18"]
    assert say(accountant, path, "explode/day-again", day="2026-11-17").status_code == 303
    assert confirmed(session) == [("W0",)]
    assert "It may be the settlement of 17 Nov 2026 again." in words(accountant.page(path))
    assert len(accountant.page(path).select("form[action$=day-again]")) == 1


def test_a_line_is_called_no_settlement_on_the_page_and_one_after_all(accountant, settled, session):
    path = settled()
    paid = "SELECT state FROM payments WHERE source_reference LIKE 'line:%'"
    assert say(accountant, path, "explode/no-settlement", why=" ").status_code == 400
    assert say(accountant, path, "explode/no-settlement").status_code == 303
    assert rows(session, paid) == [("confirmed",)]
    page = accountant.page(path)
    assert "Dòng này không phải khoản quyết toán, dù có ghi như vậy. bảng kê của ví" in words(page)
    assert [form["action"] for form in page.select("form[action*=explode]")] == [f"{path}/explode/undo"]
    assert say(accountant, path, "explode/undo").status_code == 303
    assert rows(session, paid) == [("denied",)]
    assert "It is a settlement after all. bảng kê của ví" in words(in_english(accountant, path))


def test_payments_are_named_by_their_references(accountant, settled, session):
    path = settled()
    assert say(accountant, path, payments=" W0 ,\r\n").status_code == 303
    assert confirmed(session) == [("W0",)]


def test_above_the_limit_the_chief_accountant_approves_and_nobody_else(as_role, accountant, settled, session):
    path = settled(LARGE)
    chief = as_role("chief_accountant")
    approval, refusal = f"{path}/explode/approve", f"{path}/explode/refuse"
    assert say(chief, path, day="2026-11-17").status_code == 303
    page = chief.page(path)
    assert not page.select_one(f"form[action='{approval}']"), "nobody is offered to approve their own"
    refused = chief.post(approval, token_from=path)
    assert (refused.status_code, "Người duyệt phải khác người đề xuất." in refused.text) == (409, True)
    assert accountant.post(approval, token_from=path).status_code == 403
    assert accountant.post(refusal, token_from=path, why="no").status_code == 403
    assert not accountant.page(path).select_one("form[action*=explode]")
    assert chief.post(refusal, token_from=path).status_code == 400
    assert chief.post(refusal, token_from=path, why="nhầm ngày").status_code == 303

    assert say(accountant, path, day="2026-11-18").status_code == 303
    assert confirmed(session) == []
    page = chief.page(path)
    assert "bảng kê của ví" in words(page)
    assert page.select_one(f"form[action='{approval}']")
    approved = chief.post(approval, token_from=path)
    assert "Bạn đã duyệt cách xử lý" in words(chief.page(approved.location))
    assert confirmed(session) == [("W1",)]
    assert rows(session, "SELECT state, maker, checker FROM lump_choices ORDER BY id") == [
        ("withdrawn", "chief_accountant", "chief_accountant"), ("applied", "accountant", "chief_accountant"),
    ]  # fmt: skip
    page = chief.page(path)
    assert "bảng kê của ví" in words(page), "what was said stays to be seen"
    assert chief.post(approval, token_from=path).status_code == 409


def test_what_can_not_be_is_said_in_words_and_what_was_typed_stays(accountant, settled, session):
    path = settled()
    for fields, status, said in (
        ({"why": " ", "day": "2026-11-17"}, 400, "Hãy ghi lý do"),
        ({"day": "18/11", "payments": "W1"}, 400, "nhận được “18/11”"),
        ({}, 409, "một trong hai"),
        ({"day": "2026-11-17", "payments": "W1"}, 409, "một trong hai"),
        ({"day": "2026-11-01"}, 409, "chưa có dòng sao kê"),
        ({"payments": "nobody \0"}, 409, "chưa có dòng sao kê"),
        ({"payments": "W0 W1"}, 409, "Dòng này mang về 98.900 ₫; các giao dịch này sau phí là 197.800 ₫"),
    ):
        refused = say(accountant, path, **fields)
        assert (refused.status_code, said in refused.text.replace("\u00a0", " ")) == (status, True), fields
        page = BeautifulSoup(refused.text, "html.parser")
        for name in ("day", "payments"):
            typed = page.select_one(f"form[action='{path}/explode'] [name={name}]")["value"]
            assert typed.strip("\ufffd\0 ") == fields.get(name, "").strip("\0 "), (name, fields)
    assert rows(session, "SELECT count(*) FROM lump_choices") == [(0,)]


def test_readers_see_the_question_and_no_form_and_forms_need_their_token(as_role, accountant, settled, session):
    path = settled()
    for role in ("auditor", "liaison", "administrator"):
        reader = as_role(role)
        assert not reader.page(path).select_one("form[action*=explode]")
        assert say(reader, path, day="2026-11-18").status_code == 403
        assert say(reader, path, "explode/not-day", day="2026-11-18").status_code == 403
        assert say(reader, path, "explode/day-again", day="2026-11-18").status_code == 403
        assert say(reader, path, "explode/no-settlement").status_code == 403
    bare = accountant.client.post(f"{path}/explode", data={"day": "2026-11-18", "why": "x"})
    assert bare.status_code == 400
    assert rows(session, "SELECT count(*) FROM lump_choices") == [(0,)]


def test_other_questions_are_no_settlements(accountant, settled, session):
    settled()
    [deposit] = rows(session, "SELECT min(id) FROM mismatches WHERE code = 'M12'")[0]
    path = f"/admin/mismatches/{deposit}"
    assert not accountant.page(path).select_one("form[action*=explode]")
    assert say(accountant, path, day="2026-11-18").status_code == 404
    assert say(accountant, "/admin/mismatches/999999", token_from="/admin/", day="2026-11-18").status_code == 404
