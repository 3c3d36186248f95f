"""The second step: nothing is open before it, each code opens once, and guessing is counted with passwords."""

import pyotp
import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select, text, update

from reconciliation.audit import AuditEntry, faults
from reconciliation.factors import Passkey, RecoveryCode, SignIn
from reconciliation.staff import Staff, WebSession
from tests.gateway.admin.conftest import PASSWORD
from tests.gateway.admin.keyring import Keyring

SECOND = "/admin/sign-in/second/"
ACCOUNT = "/admin/account/"


def _code(app, clock, steps=0):
    return app.at(int(clock().timestamp()) + 30 * steps)


def _with_app(person):
    """Set up an authenticator app; return it and the recovery codes."""
    person.post("/admin/account/codes/begin", token_from=ACCOUNT)
    app = pyotp.TOTP(person.page(ACCOUNT).select_one("#key").text)
    answer = person.post("/admin/account/codes/confirm", token_from=ACCOUNT, code=_code(app, person.clock))
    assert answer.status_code == 200
    codes = [one.text for one in _soup(answer).select(".codes code")]
    assert len(set(codes)) == 10
    return app, codes


def _soup(answer):
    return BeautifulSoup(answer.text, "html.parser")


def _options(visitor, path, select_from="form[data-passkey]"):
    return visitor.page(path).select_one(select_from)["data-options"]


def _with_passkey(person, ring):
    options = _options(person, ACCOUNT)
    return person.post(
        "/admin/account/passkeys", token_from="/admin/bills/", credential=ring.make(options), name="Khóa"
    )


def _send(visitor, path, **fields):
    # Not by the sign-in page: showing it anew would replace the challenge.
    return visitor.client.post(path, data={"csrf_token": visitor.kept, **fields})


@pytest.fixture
def person(accountant, clock):
    accountant.clock = clock
    return accountant


@pytest.fixture
def out(visitor, staff, clock):
    """A visitor who is not signed in yet, beside one who has set up factors."""
    visitor.clock = clock
    return visitor


def _half(visitor, **fields):
    answer = visitor.sign_in(**fields)
    assert (answer.status_code, answer.location) == (303, SECOND)
    visitor.kept = str(visitor.page(SECOND).select_one("input[name=csrf_token]")["value"])


def test_half_a_sign_in_opens_nothing_and_ends_after_five_minutes(person, out, clock, session):
    app, _codes = _with_app(person)
    _half(out)
    assert out.get("/admin/").location.startswith("/admin/sign-in")
    assert session.scalars(select(WebSession.staff_id).order_by(WebSession.id)).all()[-1] is None
    clock.pass_by(minutes=5)
    answer = _send(out, SECOND + "code", code=_code(app, clock), kind="totp")
    assert (answer.status_code, answer.location) == (303, "/admin/sign-in")
    assert out.get("/admin/").status_code == 303


def test_a_half_open_door_closes_when_the_password_is_changed(person, out, clock):
    app, _codes = _with_app(person)
    _half(out)
    changed = {"old": PASSWORD, "new": "mot mat khau khac", "again": "mot mat khau khac"}
    assert person.post("/admin/account/password", token_from=ACCOUNT, **changed).status_code == 303
    clock.pass_by(minutes=1)
    answer = _send(out, SECOND + "code", code=_code(app, clock), kind="totp")
    assert (answer.status_code, answer.location) == (303, "/admin/sign-in")
    assert out.get("/admin/").status_code == 303


def test_a_code_opens_once_and_the_clock_may_be_half_a_minute_off(person, out, clock, session):
    app, _codes = _with_app(person)
    _half(out, next="/admin/bills/?state=open")
    assert _send(out, SECOND + "code", code=_code(app, clock), kind="totp").status_code == 401  # it set the app up
    assert _send(out, SECOND + "code", code=_code(app, clock, 2), kind="totp").status_code == 401
    answer = _send(out, SECOND + "code", code=_code(app, clock, 1), kind="totp")
    assert (answer.status_code, answer.location) == (303, "/admin/bills/?state=open")
    out.post("/admin/sign-out", token_from="/admin/")
    _half(out)
    assert _send(out, SECOND + "code", code=_code(app, clock, 1), kind="totp").status_code == 401
    clock.pass_by(seconds=60)
    assert _send(out, SECOND + "code", code=_code(app, clock, -1), kind="totp").status_code == 401  # used already
    assert _send(out, SECOND + "code", code=_code(app, clock), kind="totp").status_code == 303
    logged = session.execute(select(SignIn.outcome, SignIn.factor).order_by(SignIn.id)).all()
    assert [tuple(one) for one in logged[1:4]] == [("half", "password"), ("wrong", "totp"), ("wrong", "totp")]
    assert tuple(logged[-1]) == ("signed_in", "totp")
    assert faults(session, None) == []


def test_guessing_codes_locks_the_name_and_a_right_password_does_not_wipe_the_count(person, out, clock, session):
    app, codes = _with_app(person)
    for _ in range(2):
        _half(out)
        for _ in range(2):
            assert _send(out, SECOND + "code", code="000000", kind="totp").status_code == 401
    _half(out)
    assert _send(out, SECOND + "code", code="ABCD", kind="recovery").status_code == 401
    assert session.scalar(select(Staff.locked_until).where(Staff.username == "accountant")) is not None
    assert _send(out, SECOND + "code", code=_code(app, clock, 1), kind="totp").status_code == 401
    assert _send(out, SECOND + "code", code=codes[0], kind="recovery").status_code == 401
    clock.pass_by(seconds=61)
    assert _send(out, SECOND + "code", code=_code(app, clock), kind="totp").status_code == 303
    session.expire_all()
    assert session.scalar(select(Staff.failed_attempts).where(Staff.username == "accountant")) == 0


def test_an_address_that_guesses_second_factors_is_slowed_down(person, out, session):
    _with_app(person)
    _half(out)
    session.execute(update(Staff).values(failed_attempts=-100))
    session.commit()
    answers = [_send(out, SECOND + "code", code="000000", kind="totp").status_code for _ in range(20)]
    assert answers[:5] == [401] * 5
    assert answers[-1] == 429


def test_each_recovery_code_opens_once_and_new_ones_void_the_old(person, out, session):
    _app, codes = _with_app(person)
    stored = b"".join(bytes(one) for one in session.scalars(select(RecoveryCode.code_hash)))
    assert codes[0].replace("-", "").encode() not in stored
    _half(out)
    assert _send(out, SECOND + "code", code=codes[0].lower().replace("-", " "), kind="recovery").status_code == 303
    assert "Còn 9 mã" in out.page(ACCOUNT).text
    out.post("/admin/sign-out", token_from="/admin/")
    _half(out)
    assert _send(out, SECOND + "code", code=codes[0], kind="recovery").status_code == 401
    answer = person.post("/admin/account/recovery-codes", token_from=ACCOUNT)
    fresh = [one.text for one in _soup(answer).select(".codes code")]
    assert _send(out, SECOND + "code", code=codes[1], kind="recovery").status_code == 401
    assert _send(out, SECOND + "code", code=fresh[1], kind="recovery").status_code == 303


def test_a_passkey_signs_in_alone_and_as_second_step_and_its_count_rises(person, out, session):
    ring = Keyring()
    assert _with_passkey(person, ring).status_code == 200
    options = _options(out, "/admin/sign-in")
    out.kept = out.page("/admin/sign-in").select_one("input[name=csrf_token]")["value"]
    options = _options(out, "/admin/sign-in")
    answer = _send(out, "/admin/sign-in/passkey", credential=ring.sign(options), next="/admin/bills/")
    assert (answer.status_code, answer.location) == (303, "/admin/bills/")
    assert session.scalar(select(Passkey.sign_count)) == 1
    out.post("/admin/sign-out", token_from="/admin/")
    _half(out)
    options = _options(out, SECOND)
    assert '"allowCredentials": [{' in options
    assert _send(out, SECOND + "passkey", credential=ring.sign(options)).status_code == 303
    assert "Người accountant" in out.page("/admin/").text


@pytest.mark.parametrize("case", ["replayed", "copied", "unverified", "elsewhere", "unknown", "no json", "late"])
def test_an_answer_that_proves_nothing_opens_nothing(person, out, session, clock, case):
    ring = Keyring()
    _with_passkey(person, ring)
    out.kept = out.page("/admin/sign-in").select_one("input[name=csrf_token]")["value"]
    options = _options(out, "/admin/sign-in")
    if case == "copied":
        session.execute(update(Passkey).values(sign_count=7))
        session.commit()
    ring.flags = 0x01 if case == "unverified" else ring.flags
    ring.origin = "https://elsewhere.example" if case == "elsewhere" else ring.origin
    if case == "late":
        clock.pass_by(minutes=5)
    answer = "[]" if case == "no json" else (Keyring() if case == "unknown" else ring).sign(options)
    if case == "replayed":
        assert _send(out, "/admin/sign-in/passkey", credential=answer).status_code == 303
        out.post("/admin/sign-out", token_from="/admin/")
        out.kept = out.page("/admin/sign-in").select_one("input[name=csrf_token]")["value"]
    assert _send(out, "/admin/sign-in/passkey", credential=answer).status_code == 401
    assert out.get("/admin/").status_code == 303
    failed = session.scalar(select(Staff.failed_attempts).where(Staff.username == "accountant"))
    assert failed == (0 if case in ("unknown", "no json") else 1)


def test_a_passkey_of_somebody_else_is_no_second_factor_of_mine(as_role, person, out, clock):
    ring, other = Keyring(), Keyring()
    _with_passkey(person, ring)
    _with_passkey(as_role("liaison"), other)
    _half(out)
    assert _send(out, SECOND + "passkey", credential=other.sign(_options(out, SECOND))).status_code == 401
    assert out.get("/admin/").status_code == 303


def test_a_locked_name_opens_to_no_passkey(person, out, session, clock):
    ring = Keyring()
    _with_passkey(person, ring)
    out.kept = out.page("/admin/sign-in").select_one("input[name=csrf_token]")["value"]
    session.execute(update(Staff).values(locked_until=clock().replace(hour=23)))
    session.commit()
    answer = ring.sign(_options(out, "/admin/sign-in"))
    assert _send(out, "/admin/sign-in/passkey", credential=answer).status_code == 401


def test_passkeys_are_offered_only_where_browsers_make_them(out, page_settings):
    assert out.page("/admin/sign-in").select("form[data-passkey]")
    plain = out.get("/admin/sign-in", base_url="http://10.0.0.7:8080")
    assert "data-passkey" not in plain.text
    page_settings.web_origin = "https://doisoat.example"
    assert '"rpId": "doisoat.example"' in _options(out, "/admin/sign-in")


def test_the_log_of_sign_ins_is_only_added_to_and_names_nobody_unknown(out, session):
    out.sign_in("my-password-by-mistake", "x")
    out.sign_in(
        "accountant",
        "wrong",
    )
    rows = session.execute(select(SignIn.staff_id, SignIn.outcome, SignIn.address).order_by(SignIn.id)).all()
    assert [(one.staff_id is None, one.outcome, one.address) for one in rows] == [
        (True, "unknown", "127.0.0.1"), (False, "wrong", "127.0.0.1"),
    ]  # fmt: skip
    for act in ("UPDATE", "DELETE", "TRUNCATE"):
        assert session.scalar(text(f"SELECT has_table_privilege('sign_ins', '{act}')")) is False


def test_what_changes_of_factors_is_in_the_audit_without_secrets(person, session):
    app, codes = _with_app(person)
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [one.action for one in entries[-2:]] == ["totp_set", "recovery_codes_made"]
    written = " ".join(str(one.facts) for one in entries)
    assert app.secret not in written
    assert codes[0] not in written
    assert app.secret.encode() not in bytes(session.scalar(select(Staff.totp_sealed).where(Staff.totp_step > 0)))
