import hmac
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banks.errors import Unproven, Unreadable
from banks.profiles.momo import PROFILE
from banks.records import Outcome, RawRequest

ACCESS, KEY = "F8BBA842ECF85", "K951B6PE1waDMi640xX08PD3vg6EkVlz"  # MoMo's published sandbox keys
SECRETS = {"access_key": [ACCESS], "secret_key": [KEY]}
NOW = datetime(2026, 11, 18, 2, 15, 5, tzinfo=UTC)
PAID = {
    "partnerCode": "MOMO",
    "orderId": "PC0701091234511126",
    "requestId": "r1",
    "amount": 844960,
    "orderInfo": "Tiền điện",
    "orderType": "momo_wallet",
    "transId": 4088878653,
    "resultCode": 0,
    "message": "Thành công.",
    "payType": "qr",
    "responseTime": 1794968100000,
    "extraData": "",
}
TEXT = (
    "accessKey=F8BBA842ECF85&amount=844960&extraData=&message=Thành công.&orderId=PC0701091234511126"
    "&orderInfo=Tiền điện&orderType=momo_wallet&partnerCode=MOMO&payType=qr&requestId=r1&responseTime=1794968100000"
    "&resultCode=0&transId=4088878653"
)


def request(body):
    return RawRequest("POST", b"", {}, body if isinstance(body, bytes) else json.dumps(body).encode(), NOW)


def signed(secrets=SECRETS, **changes):
    return request(PROFILE.sign(request({**PAID, **changes}), secrets, NOW).body)


def prove(call, secrets=SECRETS):
    return PROFILE.prove(call, secrets, NOW)


def test_the_signed_text_is_the_thirteen_fields_in_momos_order():
    """MoMo's page gives the text's form; the hash is made here without our code."""
    made = json.loads(PROFILE.sign(request(PAID), SECRETS, NOW).body)
    assert made["signature"] == hmac.new(KEY.encode(), TEXT.encode(), "sha256").hexdigest()
    assert prove(signed()).signed == TEXT.encode()
    with pytest.raises(Unproven) as caught:
        prove(request({**PAID, "signature": "00"}))
    assert caught.value.signed == TEXT.encode()


@pytest.mark.parametrize("dropped", [None, ...])
def test_a_field_that_is_null_or_absent_is_empty_in_the_signed_text(dropped):
    body = {name: value for name, value in {**PAID, "payType": dropped}.items() if value is not ...}
    call = request(PROFILE.sign(request(body), SECRETS, NOW).body)
    assert b"&payType=&requestId" in prove(call).signed


@pytest.mark.parametrize("access", [0, 1])
@pytest.mark.parametrize("key", [0, 1])
def test_every_pair_of_live_keys_proves_and_a_retired_one_does_not(access, key):
    live = {"access_key": ["NEWACCESS", ACCESS], "secret_key": ["new-secret-key", KEY]}
    call = signed({"access_key": [live["access_key"][access]], "secret_key": [live["secret_key"][key]]})
    assert prove(call, live).event_id == "4088878653:0:PC0701091234511126"
    # The event stays the same when the sender's keys change between two sendings.
    assert prove(call, live).content == prove(signed()).content
    retired = {name: keys[:1] for name, keys in live.items()}
    if access or key:
        with pytest.raises(Unproven):
            prove(call, retired)


def test_unsigned_fields_make_no_other_event():
    good = json.loads(signed().body)
    assert prove(request({**good, "userFee": 100})).content == prove(request(good)).content


def test_one_event_per_result_of_an_order():
    calls = [signed(), signed(resultCode=1006, transId=0), signed(orderId="PC07-2"), signed(transId=5)]
    assert len({prove(call).event_id for call in calls}) == len(calls)
    # The same event with another amount must meet its first copy, not pass as a new one.
    assert prove(signed(amount=1)).event_id == prove(signed()).event_id
    assert prove(signed(orderId="đơn")).event_id.startswith("sha256:")


@pytest.mark.parametrize(("code", "paid"), [(0, True), (9000, False), (1006, False), (-1, False), (7002, False)])
def test_only_result_code_zero_is_paid(code, paid):
    assert PROFILE.read(signed(resultCode=code)).paid is paid


def test_our_codes_come_from_extra_data_before_the_order_id():
    extra = "eyJwYXltZW50X2NvZGUiOiJQQzEiLCJjdXN0b21lcl9jb2RlIjoiUEMyIn0="
    notice = PROFILE.read(signed(orderId="A-3", extraData=extra))
    assert (notice.payment_code, notice.customer_code) == ("PC1", "PC2")
    for foreign in ("", "not base64", "eyJ", "AAAA", "ý"):
        notice = PROFILE.read(signed(orderId="A-3", extraData=foreign))
        assert (notice.payment_code, notice.customer_code) == ("A", "")


pieces = st.text("ab ýđ&=", max_size=6)


@given(pieces, pieces, pieces)
def test_a_text_that_can_be_cut_in_two_ways_is_not_read_in_either(first, second, third):
    """Without escaping, a value could swallow its neighbour: one signature would stand for two readings."""
    cuts = [(f"{first}&orderType={second}", third), (first, f"{second}&orderType={third}")]
    calls = [signed(orderInfo=order_info, orderType=order_type) for order_info, order_type in cuts]
    assert len({prove(call).signed for call in calls}) == 1
    for call in calls:
        with pytest.raises(Unreadable, match="which looks like a field"):
            PROFILE.read(call)


def test_a_value_that_could_be_two_fields_is_proven_and_not_read():
    call = signed(message="x&orderId=A", orderInfo="y")
    assert prove(call)
    with pytest.raises(Unreadable, match="message: expected a value without '&orderId='"):
        PROFILE.read(call)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount", 0),
        ("amount", None),
        ("amount", True),
        ("amount", 10**15),
        ("transId", "4088878653"),
        ("transId", -1),
        ("resultCode", "0"),
        ("resultCode", None),
        ("responseTime", 10**13),
        ("responseTime", -1),
        ("orderId", ""),
        ("orderId", "x" * 101),
        ("orderInfo", "x" * 501),
        ("orderInfo", 5),
    ],
)
def test_fields_are_refused_by_name(name, value):
    with pytest.raises(Unreadable) as caught:
        PROFILE.read(signed(**{name: value}))
    assert caught.value.place == name


@pytest.mark.parametrize(
    ("outcome", "status", "body"),
    [
        (Outcome.ACCEPTED, 204, b""),
        (Outcome.ALREADY_PAID, 204, b""),
        (Outcome.UNKNOWN_BILL, 204, b""),
        (Outcome.WRONG_AMOUNT, 204, b""),
        (Outcome.STALE, 204, b""),
        (Outcome.UNPROVEN, 401, b'{"success": false, "message": "why"}'),
        (Outcome.CONFLICT, 409, b'{"success": false, "message": "why"}'),
        (Outcome.TOO_LARGE, 413, b'{"success": false, "message": "why"}'),
        (Outcome.UNREADABLE, 422, b'{"success": false, "message": "why"}'),
        (Outcome.BUSY, 503, b'{"success": false, "message": "why"}'),
    ],
)
def test_answers(outcome, status, body):
    answer = PROFILE.answer(outcome, "why")
    assert (answer.status, answer.content_type, answer.body) == (status, "application/json", body)
