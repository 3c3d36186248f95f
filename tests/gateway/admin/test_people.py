"""People: taken on with a password for once, changed by others alone, and the last administrator stays."""

import re

import pytest
from sqlalchemy import select, update

from gateway.staff_desk import StaffRefused, change_person
from reconciliation.audit import AuditEntry
from reconciliation.factors import Passkey, SignIn
from reconciliation.staff import Staff, WebSession
from tests.gateway.admin.conftest import NOW, Visitor

PEOPLE = "/admin/people/"


@pytest.fixture
def chief(as_role):
    return as_role("administrator")


def _row(session, username):
    session.expire_all()
    return session.scalar(select(Staff).where(Staff.username == username))


def test_a_person_is_taken_on_with_a_password_that_is_shown_once_and_must_be_changed(app, chief, session):
    answer = chief.send(PEOPLE, username="hoa", name="Lê Thị Hoa", role="care", office=" Điện lực  Hồ Sen ")
    assert answer.status_code == 201
    made = re.search(r'<code class="big">([0-9a-f-]+)</code>', answer.text)[1]
    person = _row(session, "hoa")
    assert (person.role, person.office, person.must_change_password) == ("care", "Điện lực Hồ Sen", True)
    assert made not in chief.page(f"{PEOPLE}{person.id}").text
    visitor = Visitor(app.test_client())
    assert visitor.sign_in("hoa", made).status_code == 303
    assert visitor.get("/admin/bills/").location == "/admin/account/"
    fields = {"old": made, "new": "mat khau cua hoa", "again": "mat khau cua hoa"}
    assert visitor.post("/admin/account/password", token_from="/admin/account/", **fields).status_code == 303
    assert visitor.get("/admin/bills/").status_code == 200
    assert not any(made in str(one) for one in session.scalars(select(AuditEntry.facts)))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"username": "Thu Hà"}, "2 đến 32"), ({"username": "care"}, "đã có người dùng"), ({"name": " "}, "họ tên"),
        ({"role": "boss"}, "Chọn"), ({"office": "x" * 101}, "100 ký tự"),
        ({"role": "office_manager", "office": " "}, "hãy chọn điện lực"),
    ],
)  # fmt: skip
def test_whoever_can_not_be_taken_on_is_refused_in_words(chief, session, wrong, said):
    fields = {"username": "hoa", "name": "Lê Thị Hoa", "role": "care", "office": ""} | wrong
    answer = chief.send(PEOPLE, **fields)
    assert (answer.status_code, said in answer.text) == (400, True)
    assert len(session.scalars(select(Staff.id)).all()) == 7


def test_the_office_is_one_that_customers_are_of(chief, as_role, books, session):
    as_role("care")
    number = _row(session, "care").id
    books.bill()
    session.commit()
    fields = {"username": "hoa", "name": "Lê Thị Hoa", "role": "office_manager"}
    for path, form in ((PEOPLE, fields), (f"{PEOPLE}{number}", {"role": "care", "active": "on"})):
        refused = chief.send(path, **form, office="Điện lực Không Có")
        assert (refused.status_code, "Không có khách hàng nào thuộc điện lực này" in refused.text) == (400, True), path
        offered = chief.page(path).select("datalist option")
        assert [one["value"] for one in offered] == ["Điện lực Hồ Sen"]
    assert chief.send(PEOPLE, **fields, office="Điện lực  Hồ Sen").status_code == 201
    assert chief.send(f"{PEOPLE}{number}", role="care", office="Điện lực Hồ Sen", active="on").status_code == 303
    session.execute(update(Staff).where(Staff.id == number).values(office="Điện lực Đã Nhập"))
    session.commit()
    assert chief.send(f"{PEOPLE}{number}", role="care", office="Điện lực Đã Nhập").status_code == 303


def test_a_change_of_role_holds_at_once_and_leaving_ends_the_sessions(chief, as_role, session):
    person, number = as_role("accountant"), _row(session, "accountant").id
    assert chief.send(f"{PEOPLE}{number}", role="care", office="Hồ Sen", active="on").status_code == 303
    assert person.get("/admin/payments/").status_code == 403
    assert chief.send(f"{PEOPLE}{number}", role="care", office="Hồ Sen").status_code == 303
    assert person.get("/admin/bills/").location.startswith("/admin/sign-in")
    assert session.scalars(select(WebSession.id).where(WebSession.staff_id == number)).all() == []
    entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry.facts["before"] == {"role": "care", "office": "Hồ Sen", "active": True}
    assert entry.facts["after"]["active"] is False


def test_nobody_changes_themselves(chief, session):
    own = _row(session, "administrator").id
    for path, fields in (("", {"role": "auditor"}), ("/password", {}), ("/reset-factors", {})):
        answer = chief.send(f"{PEOPLE}{own}{path}", **fields)
        assert (answer.status_code, "quản trị viên khác" in answer.text) == (409, True), path
    assert _row(session, "administrator").role == "administrator"


def test_the_last_active_administrator_stays(chief, session):
    last = _row(session, "administrator").id
    chief.send(PEOPLE, username="second", name="Người thứ hai", role="administrator")
    second = _row(session, "second").id
    assert chief.send(f"{PEOPLE}{second}", role="administrator").status_code == 303  # lets the other one go
    with pytest.raises(StaffRefused, match="got the last one"):
        change_person(session, last, role="auditor", office="", active=True, by="second", now=NOW)
    with pytest.raises(StaffRefused, match="got the last one"):
        change_person(session, last, role="administrator", office="", active=False, by="second", now=NOW)
    with pytest.raises(StaffRefused, match="expected no office of an administrator"):
        change_person(session, last, role="administrator", office="Hồ Sen", active=True, by="second", now=NOW)


def test_an_administrator_of_one_office_is_neither_made_nor_counted(chief, session):
    said = chief.send(PEOPLE, username="third", name="Người thứ ba", role="administrator", office="Hồ Sen")
    assert (said.status_code, "không thuộc riêng một điện lực" in said.text) == (400, True)
    chief.send(PEOPLE, username="second", name="Người thứ hai", role="administrator")
    session.execute(update(Staff).where(Staff.username == "second").values(office="Hồ Sen"))  # as it once could be
    last = _row(session, "administrator").id
    with pytest.raises(StaffRefused, match="got the last one"):
        change_person(session, last, role="administrator", office="", active=False, by="command line", now=NOW)


def test_a_lost_factor_is_reset_by_an_administrator(chief, as_role, session):
    number = _row(session, "auditor").id
    person = as_role("auditor")
    session.add(Passkey(staff_id=number, credential_id=b"c", public_key=b"k", sign_count=0, name="x", created_at=NOW))
    session.execute(update(Staff).where(Staff.id == number).values(totp_sealed=b"s", totp_since=NOW))
    session.commit()
    answer = chief.send(f"{PEOPLE}{number}/reset-factors")
    made = re.search(r'<code class="big">([0-9a-f-]+)</code>', answer.text)[1]
    assert session.scalars(select(Passkey.id)).all() == []
    assert _row(session, "auditor").totp_sealed is None
    assert person.get("/admin/").status_code == 303
    assert person.sign_in("auditor").status_code == 401, "whoever has the device may know the password too"
    assert person.sign_in("auditor", made).status_code == 303
    assert person.get("/admin/bills/").location == "/admin/account/"


def test_nobody_becomes_an_office_manager_without_an_office(chief, session):
    number = _row(session, "accountant").id
    answer = chief.send(f"{PEOPLE}{number}", role="office_manager", office=" ", active="on")
    assert (answer.status_code, "hãy chọn điện lực" in answer.text) == (400, True)
    assert _row(session, "accountant").role == "accountant"
    assert chief.send(f"{PEOPLE}{number}", role="office_manager", office="Hồ Sen", active="on").status_code == 303
    assert chief.send(f"{PEOPLE}{number}", role="office_manager", office="").status_code == 303, (
        "who leaves may be told so"
    )


def test_a_password_for_once_waits_seven_days(app, chief, clock, session):
    number = _row(session, "auditor").id
    answer = chief.send(f"{PEOPLE}{number}/password")
    made = re.search(r'<code class="big">([0-9a-f-]+)</code>', answer.text)[1]
    assert "7 ngày" in answer.text
    clock.pass_by(days=6, hours=23)
    assert Visitor(app.test_client()).sign_in("auditor", made).status_code == 303
    clock.pass_by(hours=1)
    late = Visitor(app.test_client()).sign_in("auditor", made)
    assert (late.status_code, "đã hết hạn" in late.text) == (401, True)
    wrong = Visitor(app.test_client()).sign_in("auditor", "not the password")
    assert (wrong.status_code, "đã hết hạn" in wrong.text) == (401, False)
    assert [one.outcome for one in session.scalars(select(SignIn).order_by(SignIn.id))][-2:] == ["expired", "wrong"]


def test_a_forgotten_password_is_replaced_by_one_for_once(app, chief, as_role, session):
    number = _row(session, "auditor").id
    person = as_role("auditor")
    answer = chief.send(f"{PEOPLE}{number}/password")
    made = re.search(r'<code class="big">([0-9a-f-]+)</code>', answer.text)[1]
    assert person.get("/admin/").location.startswith("/admin/sign-in")
    assert person.sign_in("auditor").status_code == 401
    assert person.sign_in("auditor", made).status_code == 303


def test_sessions_of_a_person_are_ended_and_their_tries_shown(chief, as_role, session):
    number = _row(session, "auditor").id
    person = as_role("auditor")
    page = chief.page(f"{PEOPLE}{number}")
    assert "đã đăng nhập" in page.select_one("section[aria-labelledby=tries-title]").text
    assert chief.send(f"{PEOPLE}{number}/end-sessions").status_code == 303
    assert person.get("/admin/").status_code == 303


def test_people_are_found_by_role_state_and_name_and_the_page_says_what_roles_may(chief):
    text = chief.page(f"{PEOPLE}?role=auditor").select_one("table.cards").text
    assert ("auditor" in text, "liaison" in text) == (True, False)
    assert "Người care" in chief.page(f"{PEOPLE}?q=ngư%E1%BB%9Di+CARE").text
    table = next(one for one in chief.page(PEOPLE).select("table") if "thao tác" in one.text)
    row = next(one for one in table.select("tr") if "Hóa đơn" in one.text)
    assert len(row.select("td")) == 7
