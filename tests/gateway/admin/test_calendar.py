"""The calendar's page: holidays with their names, and a day noted by whoever may, for a reason."""

import pytest
from sqlalchemy import text


@pytest.fixture
def chief(as_role):
    return as_role("chief_accountant")


def test_a_day_is_noted_shown_and_forgotten(chief, session):
    path = "/admin/calendar/?year=2026"
    assert "Quốc khánh" in chief.page(path).get_text()
    fields = {"token_from": path, "day": "2026-11-21", "is": "open", "why": "làm bù"}
    assert chief.post(path, **fields).location == path
    [row] = [row.get_text(" ") for row in chief.page(path).select("tbody tr") if "21/11/2026" in row.get_text()]
    assert "ngày làm việc" in row
    assert "làm bù" in row
    assert session.execute(text("SELECT actor, action FROM audit ORDER BY id DESC LIMIT 1")).one() == (
        "chief_accountant", "bank_day_noted",
    )  # fmt: skip
    fields |= {"is": "library"}
    assert chief.post(path, **fields).status_code == 303
    assert "21/11/2026" not in chief.page(path).select_one("tbody").get_text()
    assert chief.post(path, **fields).status_code == 409


@pytest.mark.parametrize("wrong", [{"day": "soon"}, {"day": "9999-12-31"}, {"is": "?"}, {"why": "  "}])
def test_what_is_not_said_changes_nothing(chief, session, wrong):
    path = "/admin/calendar/"
    fields = {"token_from": path, "day": "2026-11-21", "is": "closed", "why": "nghỉ"} | wrong
    answer = chief.post(path, **fields)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert session.scalar(text("SELECT count(*) FROM bank_days")) == 0


def test_others_look_and_do_not_touch(accountant):
    path = "/admin/calendar/"
    assert not accountant.page(path).select("main form")
    assert accountant.post(path, day="2026-11-21", why="x", **{"is": "open"}).status_code == 403
