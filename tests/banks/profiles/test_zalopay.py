import hmac
import json
from datetime import UTC, datetime

import pytest

from banks.errors import Unproven, Unreadable
from banks.profiles.zalopay import PROFILE
from banks.records import Outcome, RawRequest

KEY = "kLtgPl8HHhfvMuDHPwKfgfsY4Ydm9eIz"  # the published key2 of ZaloPay's sandbox app 2553
SECRETS = {"key2": [KEY]}
NOW = datetime(2026, 11, 18, 2, 15, 5, tzinfo=UTC)
PAID = {
    "app_trans_id": "261118_PC0701091234511126",
    "amount": 844960,
    "embed_data": "{}",
    "item": "[]",
    "zp_trans_id": 261118000000481,
    "server_time": 1794968100000,
}


def request(body):
    return RawRequest("POST", b"", {}, body if isinstance(body, bytes) else json.dumps(body).encode(), NOW)


def signed(data=None, *, outer=None, **changes):
    """As ZaloPay would do it, without our code."""
    text = json.dumps({**PAID, **changes}) if data is None else data
    mac = hmac.new(KEY.encode(), text.encode(), "sha256").hexdigest()
    return request({"data": text, "mac": mac, "type": 1, **(outer or {})})


def prove(call, secrets=SECRETS):
    return PROFILE.prove(call, secrets, NOW)


def test_the_signed_text_is_data_exactly_as_received():
    text = '{ "zp_trans_id" :7,\n"amount":\t1 , "amount_in_words":"một đồng\\u0021"}'
    assert prove(signed(text)).signed == text.encode()
    assert prove(signed(text)).event_id == "7"
    with pytest.raises(Unproven) as caught:
        prove(request({"data": text, "mac": "00"}))
    assert caught.value.signed == text.encode()


def test_signing_fills_in_the_mac_and_keeps_what_stands_beside():
    unsigned = {"data": "{}", "type": 1, "mac": "old"}
    made = PROFILE.sign(request(unsigned), SECRETS, NOW)
    mac = hmac.new(KEY.encode(), b"{}", "sha256").hexdigest()
    assert json.loads(made.body) == {"data": "{}", "type": 1, "mac": mac}
    with pytest.raises(Unreadable, match="data: expected a text"):
        PROFILE.sign(request(PAID), SECRETS, NOW)


def test_the_type_is_not_signed_and_not_gone_by():
    first, other = signed(), signed(outer={"type": 2, "more": [1.5]})
    assert (prove(first).event_id, prove(first).content) == (prove(other).event_id, prove(other).content)
    assert PROFILE.read(first) == PROFILE.read(other)


def test_a_retired_key_proves_nothing():
    assert prove(signed(), {"key2": ["another", KEY]})
    with pytest.raises(Unproven):
        prove(signed(), {"key2": ["another"]})


def test_a_proven_event_of_another_form_has_an_id_too():
    ids = [prove(signed(text)).event_id for text in ("{}", "[]", "", "x") if text]
    assert all(one.startswith("sha256:") for one in ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("261118_PC0701091234511126", "PC0701091234511126"),
        ("261118_PC0701091234511126-2", "PC0701091234511126"),
        ("261118_a_b-10", "a_b"),
        ("PC07", "PC07"),
        ("26111_PC07", "26111_PC07"),
    ],
)
def test_the_payment_code_is_the_reference_without_its_day_and_attempt(reference, code):
    assert PROFILE.read(signed(app_trans_id=reference)).payment_code == code


def test_our_codes_come_from_embed_data_before_the_reference():
    notice = PROFILE.read(signed(embed_data='{"payment_code":"PC1","customer_code":"PC2","merchantinfo":"x"}'))
    assert (notice.payment_code, notice.customer_code) == ("PC1", "PC2")
    for foreign in ("", "{", "[]", '{"payment_code":5}', '{"a":1,"a":2}'):
        notice = PROFILE.read(signed(embed_data=foreign))
        assert (notice.payment_code, notice.customer_code) == ("PC0701091234511126", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount", 0),
        ("amount", -1),
        ("amount", None),
        ("amount", 844960.0),
        ("amount", 10**15),
        ("zp_trans_id", 0),
        ("zp_trans_id", "261118000000481"),
        ("server_time", "1794968100000"),
        ("server_time", 10**13),
        ("app_trans_id", ""),
        ("app_trans_id", "x" * 65),
        ("item", ["x"]),
        ("embed_data", {}),
    ],
)
def test_fields_are_refused_by_name(name, value):
    with pytest.raises(Unreadable) as caught:
        PROFILE.read(signed(**{name: value}))
    assert caught.value.place == f"data.{name}"


@pytest.mark.parametrize(
    ("outcome", "code", "message"),
    [
        (Outcome.ACCEPTED, 1, "success"),
        (Outcome.ALREADY_PAID, 2, "duplicate: the bill is paid already"),
        (Outcome.UNKNOWN_BILL, 1, "success"),
        (Outcome.WRONG_AMOUNT, 1, "success"),
        (Outcome.STALE, 1, "success"),
        (Outcome.CONFLICT, 2, "duplicate: this zp_trans_id arrived before with other content"),
        (Outcome.UNPROVEN, -1, "mac not equal: why"),
        (Outcome.UNREADABLE, -1, "data does not have the documented form: why"),
        (Outcome.TOO_LARGE, -1, "the body is larger than we accept: why"),
        (Outcome.BUSY, 0, "the event could not be stored, please send it again: why"),
    ],
)
def test_answers(outcome, code, message):
    answer = PROFILE.answer(outcome, "why")
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert json.loads(answer.body) == {"return_code": code, "return_message": message}
