import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from banks.errors import Misconfigured, Unproven, Unreadable
from banks.profiles.sepay import PROFILE
from banks.records import Outcome, RawRequest

KEY, API_KEY = "sandbox-sepay-webhook-secret-0001", "SANDBOXSEPAYAPIKEY0001"  # public sandbox keys
SIGNING, TOKEN = {"webhook_secret": [KEY]}, {"api_key": [API_KEY]}
NOW = datetime(2026, 11, 18, 2, 15, 5, tzinfo=UTC)
RECEIVED = {
    "id": 92704,
    "transferType": "in",
    "transferAmount": 844960,
    "transactionDate": "2026-11-18 09:15:00",
    "code": "PC0701091234511126",
    "content": "tien dien",
    "referenceCode": "MBVCB.3278907687",
}


def request(body, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RawRequest("POST", b"", headers or {}, raw, NOW)


def signed(body=RECEIVED, secrets=SIGNING):
    made = PROFILE.sign(request(body), secrets, NOW)
    return request(made.body, dict(made.headers))


def read(**changes):
    return PROFILE.read(request({name: value for name, value in {**RECEIVED, **changes}.items() if value is not ...}))


def test_the_signed_text_is_timestamp_full_stop_and_raw_body():
    body = b'{"id" : 1,\r\n "x":"\xc4\x91"}'
    made = PROFILE.sign(request(body), SIGNING, NOW)
    text = b"1794968105." + body
    assert made.headers["x-sepay-signature"] == "sha256=" + hmac.new(KEY.encode(), text, "sha256").hexdigest()
    assert PROFILE.prove(signed(body), SIGNING, NOW).signed == text
    with pytest.raises(Unproven) as caught:
        PROFILE.prove(
            request(body, {"x-sepay-timestamp": "1794968105", "x-sepay-signature": "sha256=00"}), SIGNING, NOW
        )
    assert caught.value.signed == text


@pytest.mark.parametrize("seconds", [-3600, 0, 299, 301, 86_400])
def test_the_age_is_told_and_not_judged(seconds):
    assert PROFILE.prove(signed(), SIGNING, NOW + timedelta(seconds=seconds)).age_seconds == seconds
    assert PROFILE.max_age == timedelta(minutes=5)


def test_each_configured_secret_opens_its_way_and_a_wrong_signature_is_not_saved_by_a_key():
    both = {**SIGNING, **TOKEN}
    by_key, by_signature = signed(secrets=TOKEN), signed()
    assert PROFILE.prove(by_key, both, NOW).signed == b""
    assert PROFILE.prove(by_signature, both, NOW).signed
    for secrets, call in ((SIGNING, by_key), (TOKEN, by_signature)):
        with pytest.raises(Unproven):
            PROFILE.prove(call, secrets, NOW)
    forged = request(by_signature.body + b" ", {**by_signature.headers, **by_key.headers})
    with pytest.raises(Unproven, match="X-SePay-Signature"):
        PROFILE.prove(forged, both, NOW)
    with pytest.raises(Misconfigured, match="webhook_secret or api_key"):
        PROFILE.prove(by_key, {}, NOW)


@pytest.mark.parametrize(
    "header",
    [
        "",
        API_KEY,
        f"Apikey{API_KEY}",
        "Apikey ",
        f"Apikey {API_KEY} ",
        f"Basic {API_KEY}",
        "Apikey khóa",
        "Apikey \x00",
    ],
)
def test_another_authorization_proves_nothing(header):
    with pytest.raises(Unproven) as caught:
        PROFILE.prove(request(RECEIVED, {"authorization": header}), TOKEN, NOW)
    assert API_KEY not in caught.value.reason


def test_retired_keys_prove_nothing():
    for secrets, call in ((SIGNING, signed()), (TOKEN, signed(secrets=TOKEN))):
        [(name, keys)] = secrets.items()
        assert PROFILE.prove(call, {name: ["another", *keys]}, NOW)
        with pytest.raises(Unproven):
            PROFILE.prove(call, {name: ["another"]}, NOW)


def test_the_event_id_is_sepays_number_and_a_digest_where_there_is_none():
    assert PROFILE.prove(signed(), SIGNING, NOW).event_id == "92704"
    ids = [
        PROFILE.prove(signed(body), SIGNING, NOW).event_id for body in (b"", b"{}", b'{"id":"92704"}', b'{"id":1.5}')
    ]
    assert all(one.startswith("sha256:") for one in ids)
    assert len(set(ids)) == 4


def test_money_out_is_negative_and_not_paid():
    notice = read(transferType="out")
    assert (notice.amount.minor, notice.paid) == (-844960, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", ...),
        ("id", "92704"),
        ("id", 10**18),
        ("transferType", ...),
        ("transferType", "credit"),
        ("transferAmount", 0),
        ("transferAmount", -5),
        ("transferAmount", ...),
        ("transferAmount", True),
        ("transferAmount", 1.5),
        ("transactionDate", "2026-11-18"),
        ("transactionDate", "2026-11-18 25:00:00"),
        ("code", 5),
        ("code", "x" * 65),
        ("content", "x" * 1001),
        ("referenceCode", ["x"]),
    ],
)
def test_fields_are_refused_by_name(name, value):
    with pytest.raises(Unreadable) as caught:
        read(**{name: value})
    assert caught.value.place == name


@pytest.mark.parametrize(
    ("outcome", "status", "body"),
    [
        (Outcome.ACCEPTED, 200, b'{"success": true}'),
        (Outcome.STALE, 200, b'{"success": true}'),
        (Outcome.CONFLICT, 409, b'{"success": false, "message": "why"}'),
        (Outcome.BUSY, 503, b'{"success": false, "message": "why"}'),
    ],
)
def test_answers(outcome, status, body):
    answer = PROFILE.answer(outcome, "why")
    assert (answer.status, answer.content_type, answer.body) == (status, "application/json", body)
