"""My account: passwords, a fresh proof before factors change, my sessions, and who must set up what first."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from reconciliation.audit import AuditEntry
from reconciliation.factors import Passkey, RecoveryCode
from reconciliation.staff import Staff, WebSession
from tests.gateway.admin.conftest import Visitor
from tests.gateway.admin.keyring import Keyring

ACCOUNT = "/admin/account/"
PASSWORD = "mat khau cua toi"
NEW = "mot mat khau khac han"


def _change(person, old=PASSWORD, new=NEW, again=None):
    return person.post(
        ACCOUNT + "password", token_from=ACCOUNT, old=old, new=new, again=new if again is None else again
    )


def _add_passkey(person):
    # The token and the challenge of one look at the page: another look would make another challenge.
    form = person.page(ACCOUNT).select_one("form[data-passkey]")
    fields = {"csrf_token": form.select_one("input[name=csrf_token]")["value"], "name": " Máy  tính "}
    return person.client.post(ACCOUNT + "passkeys", data={**fields, "credential": Keyring().make(form["data-options"])})


def test_a_changed_password_ends_the_other_sessions_and_renews_this_one(as_role, session):
    person, other = as_role("care"), as_role("care")
    before = person.client.get_cookie("doisoat").value
    assert _change(person).status_code == 303
    assert person.client.get_cookie("doisoat").value != before
    assert person.get(ACCOUNT).status_code == 200
    assert other.get(ACCOUNT).status_code == 303
    assert other.sign_in("care", PASSWORD).status_code == 401
    assert other.sign_in("care", NEW).status_code == 303


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"old": "not mine at all"}, 401), ({"new": "short"}, 400), ({"again": "something else"}, 400),
        ({"new": PASSWORD}, 400),
    ],
)  # fmt: skip
def test_a_password_that_can_not_be_is_refused_in_words(accountant, session, wrong, status):
    answer = _change(accountant, **wrong)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert accountant.post("/admin/sign-out", token_from="/admin/").status_code == 303
    assert accountant.sign_in().status_code == 303


def test_guessing_the_present_password_locks_the_name(accountant, session):
    for _ in range(5):
        assert _change(accountant, old="not mine at all").status_code == 401
    assert session.scalar(select(Staff.locked_until).where(Staff.username == "accountant")) is not None
    assert _change(accountant).status_code == 401


def test_factors_change_only_after_a_fresh_proof(accountant, clock, session):
    assert _add_passkey(accountant).status_code == 200
    number = session.scalar(select(Passkey.id))
    clock.pass_by(minutes=10)
    page = accountant.page(ACCOUNT)
    assert not page.select("form[data-passkey]")
    for path in ("codes/begin", "codes/confirm", "codes/end", "passkeys", f"passkeys/{number}/remove",
                 f"passkeys/{number}/name", "recovery-codes"):  # fmt: skip
        assert accountant.post(ACCOUNT + path, token_from=ACCOUNT).status_code == 403, path
    assert accountant.post(ACCOUNT + "prove", token_from=ACCOUNT, password="wrong").status_code == 401
    assert accountant.post(ACCOUNT + "prove", token_from=ACCOUNT, password=PASSWORD).status_code == 303
    assert accountant.post(f"{ACCOUNT}passkeys/{number}/remove", token_from=ACCOUNT).status_code == 303
    assert session.scalars(select(Passkey.id)).all() == []
    assert session.scalars(select(RecoveryCode.id)).all() == []  # they stood in for it


def test_passkeys_are_named_by_their_owner_alone(as_role, session):
    person, other = as_role("accountant"), as_role("liaison")
    _add_passkey(person)
    key = session.execute(select(Passkey.id, Passkey.name)).one()
    assert key.name == "Máy tính"
    assert other.post(f"{ACCOUNT}passkeys/{key.id}/name", token_from=ACCOUNT, name="mine").status_code == 404
    assert other.post(f"{ACCOUNT}passkeys/{key.id}/remove", token_from=ACCOUNT).status_code == 404
    assert person.post(f"{ACCOUNT}passkeys/{key.id}/name", token_from=ACCOUNT, name="Điện thoại").status_code == 303
    session.expire_all()
    assert session.scalar(select(Passkey.name)) == "Điện thoại"


def test_my_sessions_are_shown_and_ended_and_nobody_elses(as_role, session):
    person, twin, other = as_role("accountant"), as_role("accountant"), as_role("liaison")
    third = as_role("accountant")
    ids = session.scalars(select(WebSession.id).order_by(WebSession.id)).all()
    page = person.page(ACCOUNT)
    assert len(page.select("section[aria-labelledby=sessions] tbody tr")) == 3
    assert person.post(f"{ACCOUNT}sessions/{ids[2]}/end", token_from=ACCOUNT).status_code == 404  # another person's
    assert person.post(f"{ACCOUNT}sessions/{ids[1]}/end", token_from=ACCOUNT).status_code == 303
    assert twin.get(ACCOUNT).status_code == 303
    assert third.get(ACCOUNT).status_code == 200
    assert person.post(f"{ACCOUNT}sessions/end-others", token_from=ACCOUNT).status_code == 303
    assert third.get(ACCOUNT).status_code == 303
    assert [other.get(ACCOUNT).status_code, person.get(ACCOUNT).status_code] == [200, 200]
    last = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert (last.action, last.facts) == ("sessions_ended", {"sessions": 1})


def test_who_has_a_password_of_somebody_else_changes_it_before_anything_else(accountant, session):
    session.execute(update(Staff).where(Staff.username == "accountant").values(must_change_password=True))
    session.commit()
    for path in ("/admin/", "/admin/bills/", "/admin/no/such/page"):
        assert accountant.get(path).location == ACCOUNT
    assert accountant.post("/admin/bills/1/hold", token_from=ACCOUNT).location == ACCOUNT
    assert "người khác đặt" in accountant.page(ACCOUNT).text
    _change(accountant)
    assert accountant.get("/admin/").status_code == 200


def test_outside_the_sandbox_chief_accountants_and_administrators_set_up_a_second_factor_first(
    app, staff, page_settings
):
    page_settings.sandbox = False
    for role in staff:
        person = Visitor(app.test_client())
        secure = {"base_url": "https://localhost"}
        form = person.get("/admin/sign-in", **secure)
        token = form.text.split('name="csrf_token" value="')[1].split('"')[0]
        fields = {"csrf_token": token, "username": role, "password": PASSWORD}
        headers = {"Referer": "https://localhost/"}
        assert person.client.post("/admin/sign-in", data=fields, headers=headers, **secure).status_code == 303
        led = person.get("/admin/bills/", **secure).location == ACCOUNT
        assert led == (role in ("chief_accountant", "administrator")), role


def test_the_settings_say_who_must_have_a_second_factor(accountant, page_settings):
    page_settings.second_factor_roles = frozenset({"accountant"})
    assert accountant.get("/admin/").location == ACCOUNT
    assert "hai lớp" in accountant.page(ACCOUNT).text
    _add_passkey(accountant)
    assert accountant.get("/admin/").status_code == 200


def test_a_session_tells_from_where_it_came(app, staff, session, clock):
    person = Visitor(app.test_client())
    agent = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"
    person.client.environ_base["HTTP_USER_AGENT"] = agent
    person.sign_in()
    row = session.execute(select(WebSession.address, WebSession.agent, WebSession.created_at)).one()
    assert (row.address, row.agent) == ("127.0.0.1", agent)
    assert row.created_at - clock() == timedelta()
    assert person.page(ACCOUNT).select_one("section[aria-labelledby=sessions] tbody th").text == "Edge, Windows"
