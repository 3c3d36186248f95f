"""A bank that only the settings know, from its call to the matched bill, and signed answers said twice."""

import base64
import json
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from werkzeug.test import Client

from banks.errors import Misconfigured
from banks.records import RawRequest
from gateway import jobs
from gateway.bank_settings import BankSettings
from gateway.setting_tables import SettingsError
from gateway.settings import load
from gateway.web import create_app
from gateway.wiring import Wiring, callers_of
from tests.gateway.samples import a_bill, code_of

WALK = Path(__file__).parents[2] / "docs" / "adding-a-bank.md"
KEY = "SANDBOX-PUBLIC-KEY"
ADDRESS = {"REMOTE_ADDR": "203.0.113.7"}


@pytest.fixture
def saomai(tmp_path, wiring, settings, monkeypatch):
    """The gateway with the bank that docs/adding-a-bank.md declares, as the file says it."""
    path = tmp_path / "doisoat.toml"
    path.write_text(re.search(r"^```toml\n(.*?)^```", WALK.read_text("utf-8"), re.DOTALL | re.MULTILINE)[1], "utf-8")
    monkeypatch.setenv("DOISOAT_SECRET_SAOMAI_HASH_KEY", KEY)
    bank = load({"DOISOAT_CONFIG": str(path)}).banks["saomai"]
    made = Wiring(replace(settings, banks={"saomai": bank}), wiring.database_url, wiring.valkey_url, pooled=2)
    monkeypatch.setattr(jobs, "wiring", lambda: made)
    yield made
    made.engine.dispose()
    made.valkey.close()


@pytest.fixture
def call(saomai):
    """Send a call of that bank; `after` changes the body once it is signed."""
    web, caller = Client(create_app(saomai)), saomai.callers["saomai"]

    def send(after=None, remote=ADDRESS, **changes):
        said = {
            "transId": "SM1", "transTime": "20261118085900", "billCode": code_of(1), "amount": 100_000,
            "status": "SUCCESS",
        } | changes  # fmt: skip
        raw = RawRequest("POST", b"", {}, json.dumps(said).encode(), saomai.clock())
        signed = caller.profile.sign(raw, caller.secrets, saomai.clock())
        body = json.dumps({**said, **(after or {})}).encode()
        return web.post("/webhooks/saomai", data=body, headers=dict(signed.headers), environ_overrides=remote)

    return send


def test_a_declared_banks_call_becomes_a_matched_payment(call, issue, one, sound):
    issue(a_bill())
    answer = call()
    assert (answer.status_code, answer.json) == (200, {"transId": "SM1", "code": "00"})
    jobs.read_callbacks()
    assert one("SELECT source, source_reference, minor, currency, channel, state FROM payments") == (
        "saomai", "SM1", 100_000, "VND", "transfer", "reported"
    )  # fmt: skip
    assert one("SELECT paid_at FROM payments") == datetime.fromisoformat("2026-11-18T08:59:00+07:00")
    assert one("SELECT rule FROM allocations") == "payment_code"
    assert one("SELECT state FROM bills") == "paid"
    assert one("SELECT state FROM deliveries") == "read"


def test_a_repetition_changes_nothing_and_what_is_not_signed_makes_no_other_event(call, issue, one, sound):
    issue(a_bill())
    first = call()
    jobs.read_callbacks()
    for answer in (call(), call(after={"channel": "counter", "note": "not signed"})):
        assert (answer.status_code, answer.data) == (first.status_code, first.data)
    jobs.read_callbacks()
    assert one("SELECT count(*) FROM deliveries") == one("SELECT count(*) FROM payments") == 1


def test_the_same_id_with_other_signed_content_is_a_conflict(call, issue, one, sound):
    issue(a_bill())
    call()
    answer = call(amount=1)
    assert (answer.status_code, answer.json["code"]) == (422, "99")
    jobs.read_callbacks()
    assert one("SELECT count(*) FROM deliveries WHERE state = 'conflicting'") == 1
    assert one("SELECT minor FROM payments") == 100_000


def test_each_refusal_is_said_in_the_banks_own_form(call, rows, one):
    answer = call(after={"amount": 1_000_000})
    assert (answer.status_code, answer.json) == (401, {"transId": "SM1", "code": "97"})
    answer = call(remote={"REMOTE_ADDR": "198.51.100.7"})
    assert (answer.status_code, answer.json) == (401, {"transId": "SM1", "code": "97"})
    assert len(rows("SELECT id FROM refusals")) == 2
    answer = call(amount=0)
    assert (answer.status_code, answer.json["message"]) == (422, "amount: expected 1 to 999999999999999, got 0")
    assert one("SELECT state FROM deliveries") == "unreadable"
    assert call(status="FAILED", transId="SM2").json["code"] == "00"
    jobs.read_callbacks()
    assert rows("SELECT id FROM payments") == []


def test_a_retired_key_is_refused(saomai, call, monkeypatch, rows):
    assert call().status_code == 200
    monkeypatch.setenv("DOISOAT_SECRET_SAOMAI_HASH_KEY", f"NEXT,{KEY}")
    caller = callers_of(saomai.settings)["saomai"]
    raw = RawRequest("POST", b"", {}, b'{"transId":"SM9","transTime":"20261118085900"}', saomai.clock())
    by_old = caller.profile.sign(raw, {"hash_key": [KEY]}, saomai.clock())
    statuses = []
    for keys in (f"NEXT,{KEY}", "NEXT"):
        monkeypatch.setenv("DOISOAT_SECRET_SAOMAI_HASH_KEY", keys)
        again = Wiring(saomai.settings, saomai.database_url, saomai.valkey_url, pooled=1)
        web = Client(create_app(again))
        answer = web.post("/webhooks/saomai", data=by_old.body, headers=dict(by_old.headers), environ_overrides=ADDRESS)
        statuses.append(answer.status_code)
        again.engine.dispose()
        again.valkey.close()
    assert statuses == [422, 401], "proven and not of the form while the old key lives, then not proven"


# ── signed answers ───────────────────────────────────────────────────────────────────────────────────────────────────

BANK, OURS = (rsa.generate_private_key(65537, 2048) for _ in range(2))


@pytest.fixture
def vietinbank(wiring, settings, monkeypatch):
    """The gateway with VietinBank alone."""
    private = OURS.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = BANK.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    monkeypatch.setenv("DOISOAT_SECRET_VIETINBANK_OUR_PRIVATE_KEY", private)
    monkeypatch.setenv("DOISOAT_SECRET_VIETINBANK_BANK_PUBLIC_KEY", public)
    bank = BankSettings("vietinbank", "VietinBank", "vietinbank", callbacks=True)
    made = Wiring(replace(settings, banks={"vietinbank": bank}), wiring.database_url, wiring.valkey_url, pooled=2)
    monkeypatch.setattr(jobs, "wiring", lambda: made)
    yield made
    made.engine.dispose()
    made.valkey.close()


def notice(**after):
    said = {
        "transId": "CTG1", "transTime": "20261118085900", "custCode": "PA00000000001", "amount": "100000",
        "bankTransId": "112T01", "remark": "Thu tiền điện",
    }  # fmt: skip
    text = "".join(said.values()).encode()
    said["signature"] = base64.b64encode(BANK.sign(text, padding.PKCS1v15(), SHA256())).decode()
    return json.dumps({**said, **after}).encode()


def test_a_signed_answer_is_repeated_word_for_word(vietinbank, issue, one, sound):
    issue(a_bill())
    web = Client(create_app(vietinbank))
    first = web.post("/webhooks/vietinbank", data=notice())
    signature = base64.b64decode(first.json["signature"])
    OURS.public_key().verify(signature, b"CTG100Success", padding.PKCS1v15(), SHA256())
    jobs.read_callbacks()
    again = web.post("/webhooks/vietinbank", data=notice(currency="USD"))
    assert (again.status_code, again.data) == (200, first.data)
    assert bytes(one("SELECT answer_body FROM deliveries")) == first.data
    assert one("SELECT minor FROM payments") == 100_000
    assert one("SELECT state FROM bills") == "paid"


def test_digits_moved_to_a_neighbour_are_answered_as_a_duplicate_and_not_booked(vietinbank, issue, one, sound):
    issue(a_bill())
    web = Client(create_app(vietinbank))
    web.post("/webhooks/vietinbank", data=notice())
    answer = web.post("/webhooks/vietinbank", data=notice(amount="1000001", bankTransId="12T01"))
    assert (answer.status_code, answer.json["errorCode"]) == (200, "05")
    OURS.public_key().verify(
        base64.b64decode(answer.json["signature"]), b"CTG105Duplicate transaction", padding.PKCS1v15(), SHA256()
    )
    jobs.read_callbacks()
    assert one("SELECT minor FROM payments") == 100_000
    assert one("SELECT count(*) FROM deliveries WHERE state = 'conflicting'") == 1


def test_without_a_database_the_bank_hears_please_send_again_signed(vietinbank):
    away = Wiring(vietinbank.settings, "postgresql://doisoat@127.0.0.1:1/doisoat", vietinbank.valkey_url, pooled=1)
    answer = Client(create_app(away)).post("/webhooks/vietinbank", data=notice())
    assert (answer.status_code, answer.json["errorDesc"]) == (503, "Please send again")
    OURS.public_key().verify(
        base64.b64decode(answer.json["signature"]), b"CTG199Please send again", padding.PKCS1v15(), SHA256()
    )
    away.engine.dispose()
    away.valkey.close()


def test_a_key_that_can_not_be_used_is_told_before_anything_starts(vietinbank, monkeypatch):
    monkeypatch.setenv("DOISOAT_SECRET_VIETINBANK_OUR_PRIVATE_KEY", "no key at all")
    with pytest.raises(
        Misconfigured, match=r"^vietinbank: secret our_private_key: expected an unencrypted private key"
    ):
        callers_of(vietinbank.settings)
    monkeypatch.delenv("DOISOAT_SECRET_VIETINBANK_OUR_PRIVATE_KEY")
    with pytest.raises(SettingsError, match="DOISOAT_SECRET_VIETINBANK_OUR_PRIVATE_KEY"):
        callers_of(vietinbank.settings)
