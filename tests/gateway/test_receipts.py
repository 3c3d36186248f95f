"""Receipts at the door: only who knows the address is heard, and what is heard is committed before the answer."""

import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from werkzeug.test import Client

from gateway.carrier_settings import CarrierSettings
from gateway.origin import Origin, network_of
from gateway.settings import SmsSettings
from gateway.web import create_app
from sms import receipts
from tests.gateway.samples import a_debit_bill


@pytest.fixture
def settings(settings):
    return replace(settings, sms=SmsSettings("http://carrier.example", "DIENLUC"))


@pytest.fixture
def address(wiring):
    return wiring.receipts_url().partition(str(wiring.settings.port))[2]


@pytest.fixture
def request_id(any_state, issue, one, change):
    """The key of a message that the carrier has taken."""
    issue(a_debit_bill())
    change("UPDATE messages SET state = 'sent', provider = 'http', provider_ref = 'R1', sent_at = now()")
    return str(one("SELECT request_id FROM messages"))


def a_receipt(request_id="7", **changes):
    told = {
        "id": "R1",
        "request_id": request_id,
        "status": "delivered",
        "code": "000",
        "at": "2026-11-18T09:00:00+07:00",
    }
    return json.dumps(told | changes)


@pytest.mark.parametrize("status", ["delivered", "undelivered"])
def test_a_receipt_says_what_became_of_the_message(web, address, request_id, rows, status):
    answer = web.post(address, data=a_receipt(request_id, status=status, code="7"))
    assert (answer.status_code, answer.data) == (204, b"")
    assert rows("SELECT state, delivered_at IS NOT NULL FROM messages") == [(status, status == "delivered")]


def test_the_first_final_word_stands_however_often_the_carrier_repeats_itself(web, address, request_id, rows):
    for status in ("delivered", "delivered", "undelivered"):
        assert web.post(address, data=a_receipt(request_id, status=status)).status_code == 204
    assert rows("SELECT state FROM messages") == ["delivered"]


def test_a_receipt_of_a_message_that_is_not_ours_is_not_found(web, address, request_id, rows):
    assert web.post(address, data=a_receipt("somebody's", id="R9")).status_code == 404
    assert rows("SELECT state FROM messages") == ["sent"]


def test_whoever_does_not_know_the_address_is_told_nothing(web, wiring, address, request_id, rows):
    head, _, token = address.rpartition("/")
    other = receipts.token("esms", wiring.receipt_secrets[0])
    for wrong in (
        f"{head}/{token[:-1]}{'1' if token.endswith('0') else '0'}",
        f"{head}/",
        f"/sms/receipts/esms/{other}",
        f"{head}/%C3%AA",
        f"{head}/{other}",
    ):
        answer = web.post(wrong, data=a_receipt(request_id))
        assert answer.status_code == 404
        assert token.encode() not in answer.data
    assert web.get(address).status_code == 400, "this carrier posts"
    assert rows("SELECT state FROM messages") == ["sent"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, b"expected a JSON object"),
        (b"[]", 400, b"expected a JSON object, got list"),
        (b"{" * 9_000, 400, b"expected a JSON object"),
        (a_receipt(status="lost").encode(), 400, b"status: expected"),
        (a_receipt(at="yesterday").encode(), 400, b"at: expected ISO 8601"),
        (a_receipt(id="x" * 101).encode(), 400, b"id: expected at most 100"),
        (b" " * (receipts.MAX_BYTES + 1), 413, b"too large"),
    ],
)
def test_what_is_no_receipt_is_refused_with_the_place(web, address, request_id, rows, body, status, said):
    answer = web.post(address, data=body)
    assert answer.status_code == status
    assert said in answer.data
    assert rows("SELECT state FROM messages") == ["sent"]


def test_without_a_database_the_carrier_is_asked_to_come_again(cut_off, address):
    answer = Client(create_app(cut_off)).post(address, data=a_receipt())
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")


def test_a_key_in_rotation_keeps_the_old_address_open(web, wiring, address, request_id, monkeypatch):
    monkeypatch.setenv("DOISOAT_SECRET_RECEIPTS_KEY", f"a-new-key\n{wiring.receipt_secrets[0].decode()}")
    del wiring.__dict__["receipt_secrets"]
    assert wiring.receipt_secrets[0] == b"a-new-key"
    assert web.post(address, data=a_receipt(request_id)).status_code == 204


# ── carriers that leave receipts in their own form ───────────────────────────────────────────────────────────────────


@pytest.fixture
def at_esms(wiring, change, request_id):
    """The address of eSMS's receipts, and the query it sends of the message, which is its own."""
    known = {"esms": CarrierSettings("esms", "esms", origin=Origin(allow_from=(network_of("203.0.113.0/24"),)))}
    sms = replace(wiring.settings.sms, declared=known)
    object.__setattr__(wiring, "settings", replace(wiring.settings, sms=sms))
    change("UPDATE messages SET provider = 'esms', provider_ref = NULL")
    path = wiring.receipts_url("esms").partition(str(wiring.settings.port))[2]
    usual = {"SMSID": "dc71", "RequestId": request_id, "SendStatus": 5, "SendSuccess": 1, "SendFailed": 0}
    return lambda **told: f"{path}?{urlencode(usual | told)}"


THEIRS = {"REMOTE_ADDR": "203.0.113.7"}


@pytest.mark.parametrize(("told", "state"), [({}, "delivered"), ({"SendFailed": 2, "SendSuccess": 0}, "undelivered")])
def test_esms_calls_by_get_and_its_counts_decide(web, at_esms, rows, told, state):
    for _ in range(2):
        assert web.get(at_esms(**told), environ_base=THEIRS).status_code == 204
    assert rows("SELECT state, provider_ref FROM messages") == [(state, "dc71")]


def test_a_callback_before_the_end_is_heard_and_ends_nothing(web, at_esms, rows):
    assert web.get(at_esms(SendStatus=2, SendSuccess=0), environ_base=THEIRS).status_code == 204
    assert rows("SELECT state FROM messages") == ["sent"]


def test_a_carrier_s_receipts_come_from_its_own_addresses_alone(web, at_esms, rows):
    answer = web.get(at_esms(), environ_base={"REMOTE_ADDR": "198.51.100.9"})
    assert (answer.status_code, answer.data) == (403, b"expected a call from an address in allow_from\n")
    assert web.get(at_esms(), environ_base={"REMOTE_ADDR": "203.0.113.9"}, headers={"X-Forwarded-For": "1.2.3.4"})
    assert rows("SELECT state FROM messages") == ["delivered"]
