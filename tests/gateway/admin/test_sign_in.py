"""Signing in: nothing is learnt by failing, a token lives once, and only pages have sessions."""

from datetime import timedelta
from hashlib import sha256

import pytest
from sqlalchemy import select, update

from reconciliation.audit import AuditEntry, faults
from reconciliation.staff import Staff, WebSession


def _cookie(answer):
    return answer.headers.get("Set-Cookie", "")


def _token(visitor, name="doisoat"):
    return visitor.client.get_cookie(name).value


def test_the_right_password_opens_the_overview(visitor, staff):
    answer = visitor.sign_in()
    assert (answer.status_code, answer.location) == (303, "/admin/")
    assert "Người accountant" in visitor.page("/admin/").text


@pytest.mark.parametrize(("username", "password"), [("accountant", "not-the-one"), ("nobody", "not-the-one")])
def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(visitor, staff, session, username, password):
    answer = visitor.sign_in(username, password)
    assert answer.status_code == 401
    assert "Tên đăng nhập hoặc mật khẩu không đúng" in answer.text
    entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry.action == "sign_in_refused"
    assert entry.facts["from"] == "127.0.0.1"
    assert password not in str(entry.facts)
    assert faults(session, None) == []


def test_what_was_typed_as_an_unknown_name_is_not_kept(visitor, staff, session):
    visitor.sign_in("my-password-by-mistake", "x")
    entries = session.scalars(select(AuditEntry)).all()
    assert not any("my-password" in f"{one.actor}{one.subject}{one.facts}" for one in entries)


def test_five_wrong_passwords_lock_the_name_and_each_further_one_for_twice_as_long(visitor, staff, session, clock):
    for _ in range(5):
        assert visitor.sign_in(password="wrong").status_code == 401
    assert visitor.sign_in().status_code == 401
    clock.pass_by(seconds=61)
    assert visitor.sign_in(password="wrong").status_code == 401
    locked_until = session.scalar(select(Staff.locked_until).where(Staff.username == "accountant"))
    assert locked_until - clock() == timedelta(minutes=2)
    clock.pass_by(seconds=61)
    assert visitor.sign_in().status_code == 401
    clock.pass_by(seconds=60)
    assert visitor.sign_in().status_code == 303
    session.expire_all()
    assert session.scalar(select(Staff.failed_attempts).where(Staff.username == "accountant")) == 0


def test_an_address_that_guesses_is_slowed_down_whatever_names_it_tries(visitor, staff):
    token = visitor.token()
    answers = [
        visitor.client.post(
            "/admin/sign-in", data={"csrf_token": token, "username": f"n{n}", "password": "x"}
        ).status_code
        for n in range(21)
    ]
    assert answers == [401] * 20 + [429]


def test_signing_in_gives_a_new_token_and_kills_the_old_one(visitor, staff, session):
    visitor.page("/admin/sign-in")
    before = _token(visitor)
    visitor.sign_in()
    after = _token(visitor)
    assert before != after
    hashes = session.scalars(select(WebSession.token_hash)).all()
    assert [bytes(one) for one in hashes] == [sha256(after.encode()).digest()]
    visitor.client.set_cookie("doisoat", before)
    assert visitor.get("/admin/").status_code == 303


def test_a_session_ends_after_half_an_hour_of_silence(accountant, clock):
    for _ in range(3):
        clock.pass_by(minutes=29)
        assert accountant.get("/admin/").status_code == 200
    clock.pass_by(minutes=31)
    assert accountant.get("/admin/").location == "/admin/sign-in?next=/admin/"


def test_a_case_that_lies_open_keeps_no_session_alive(accountant, clock, books, session):
    payment = books.payment(100_000)
    asked = books.mismatch("M12", f"payment:{payment.id}", payment_id=payment.id)
    session.commit()
    page = f"/admin/mismatches/{asked.id}"
    assert accountant.get(page).status_code == 200
    for _twenty in range(2):
        clock.pass_by(minutes=14, seconds=59)
        assert accountant.send(f"{page}/here").status_code == 200
    assert accountant.get(page).status_code == 200, "somebody is still there"
    for _twenty in range(2):
        clock.pass_by(minutes=14, seconds=59)
        assert accountant.send(f"{page}/here").status_code == 200
    clock.pass_by(seconds=2)
    assert accountant.send(f"{page}/here").status_code != 200
    assert accountant.get(page).status_code == 303


def test_a_session_ends_after_twelve_hours_however_busy(accountant, clock):
    for _ in range(24):
        clock.pass_by(minutes=29)
        assert accountant.get("/admin/").status_code == 200
    clock.pass_by(minutes=25)
    assert accountant.get("/admin/").status_code == 303


def test_expired_sessions_are_cleared_away_by_new_ones(accountant, visitor, session, clock):
    clock.pass_by(hours=1)
    visitor.page("/admin/sign-in")
    assert session.scalars(select(WebSession.staff_id)).all() == [None]


def test_signing_out_deletes_the_session(accountant, session):
    token = _token(accountant)
    assert accountant.post("/admin/sign-out", token_from="/admin/").status_code == 303
    assert session.scalars(select(WebSession)).all() == []
    accountant.client.set_cookie("doisoat", token)
    assert accountant.get("/admin/").status_code == 303
    last = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert (last.actor, last.action) == ("accountant", "sign_out")


def test_who_no_longer_works_here_is_out_at_once(accountant, session):
    session.execute(update(Staff).where(Staff.username == "accountant").values(active=False))
    session.commit()
    assert accountant.get("/admin/").status_code == 303
    assert accountant.sign_in().status_code == 401


def test_a_form_without_its_token_is_refused(visitor, staff):
    visitor.page("/admin/sign-in")
    fields = {"username": "accountant", "password": "mat khau cua toi"}
    answer = visitor.client.post("/admin/sign-in", data=fields)
    assert answer.status_code == 400
    assert "Không nhận được biểu mẫu" in answer.text


def test_a_token_of_another_session_is_refused(visitor, accountant):
    stolen = visitor.token()
    assert accountant.client.post("/admin/sign-out", data={"csrf_token": stolen}).status_code == 400


def test_signing_in_leads_to_the_page_that_was_asked_for_and_never_elsewhere(app, visitor, staff):
    for wanted, opened in [
        ("/admin/bills/?state=open", "/admin/bills/?state=open"),
        ("https://elsewhere.example/", "/admin/"),
        ("//elsewhere.example/", "/admin/"),
        ("/admin/\\elsewhere", "/admin/"),
        ("/webhooks/standard", "/admin/"),
    ]:
        visitor.client = app.test_client()
        assert visitor.sign_in(next=wanted).location == opened


def test_the_cookie_is_plain_only_in_a_sandbox_on_http(visitor, page_settings):
    plain = _cookie(visitor.get("/admin/sign-in"))
    assert plain.startswith("doisoat=")
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    sealed = _cookie(visitor.get("/admin/sign-in", base_url="https://doisoat.example"))
    assert sealed.startswith("__Host-doisoat=")
    assert "Secure" in sealed
    page_settings.sandbox = False
    assert "Secure" in _cookie(visitor.get("/admin/sign-in"))


def test_the_sandbox_shows_its_sign_in_and_the_real_thing_does_not(visitor, page_settings):
    assert "sandbox-doi-soat" in visitor.page("/admin/sign-in").text
    page_settings.sandbox = False
    assert "sandbox-doi-soat" not in visitor.page("/admin/sign-in").text


def test_banks_and_programs_get_no_session_and_need_no_form_token(app, visitor, session):
    app.add_url_rule("/webhooks/standard", "hook", lambda: "ok", methods=["POST"])
    visitor.page("/admin/sign-in")
    answer = visitor.client.post("/webhooks/standard", data=b"{}")
    assert (answer.status_code, answer.headers.get("Set-Cookie")) == (200, None)
    assert len(session.scalars(select(WebSession)).all()) == 1


def test_the_language_is_kept_for_the_visit_and_for_good(accountant, session):
    assert "Tổng quan" in accountant.page("/admin/").title.text
    answer = accountant.post("/admin/language", token_from="/admin/", language="en", back="/admin/bills/?state=open")
    assert answer.location == "/admin/bills/?state=open"
    page = accountant.page("/admin/")
    assert page.html["lang"] == "en"
    assert "Overview" in page.title.text
    assert session.scalar(select(Staff.language).where(Staff.username == "accountant")) == "en"
