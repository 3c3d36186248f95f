import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from banks.errors import Misconfigured, Unproven, Unreadable
from banks.profile import read_all
from banks.profiles.standard import PROFILE
from banks.records import MandateAnswer, Outcome, RawRequest

KEY = "whsec_cHVibGljIHNhbmRib3gga2V5IG51bWJlciBvbmUhISE="  # a public sandbox key
NEXT = "whsec_cHVibGljIHNhbmRib3gga2V5IG51bWJlciB0d28hISE="
NOW = datetime(2026, 11, 18, 2, 15, 3, tzinfo=UTC)
DATA = {
    "transaction_id": "FT1",
    "amount": 844960,
    "currency": "VND",
    "paid_at": "2026-11-18T09:15:00+07:00",
}


def request(body, headers=None):
    return RawRequest("POST", b"", headers or {}, body, NOW)


def signed(body=b"{}", *, keys=(KEY,), **headers):
    given_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    made = PROFILE.sign(request(body, given_headers), {"webhook_secret": list(keys)}, NOW)
    return request(made.body, dict(made.headers))


def read(kind="payment.received", **changes):
    data = {key: value for key, value in {**DATA, **changes}.items() if value is not ...}
    return PROFILE.read(request(json.dumps({"type": kind, "data": data}).encode()))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.integers(0, 240))
def test_what_we_sign_the_wheel_verifies(body, age):
    # The wheel judges age by this machine's clock, so this one test signs by it too.
    now = datetime.now(UTC) - timedelta(seconds=age)
    made = PROFILE.sign(request(body.encode()), {"webhook_secret": [NEXT, KEY]}, now)
    for key in (KEY, NEXT):
        Webhook(key).verify(made.body, dict(made.headers), json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(KEY).verify(made.body + b" ", dict(made.headers), json_parse=False)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_what_the_wheel_signs_we_prove(body):
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": Webhook(KEY).sign("msg_1", NOW, body),
    }
    proof = PROFILE.prove(request(body.encode(), headers), {"webhook_secret": [NEXT, KEY]}, NOW)
    assert (proof.event_id, proof.age_seconds) == ("msg_1", 0)
    assert proof.signed == f"msg_1.{int(NOW.timestamp())}.{body}".encode()


@pytest.mark.parametrize("seconds", [-3600, -1, 0, 299, 301, 86_400])
def test_the_age_is_told_and_not_judged(seconds):
    proof = PROFILE.prove(signed(), {"webhook_secret": [KEY]}, NOW + timedelta(seconds=seconds))
    assert proof.age_seconds == seconds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", ""),
        ("webhook-id", "a" * 129),
        ("webhook-id", "msg 1"),
        ("webhook-id", "msg.1"),
        ("webhook-id", "tin_nhắn"),
        ("webhook-id", "msg\n"),
        ("webhook-timestamp", ""),
        ("webhook-timestamp", "1794968103.0"),
        ("webhook-timestamp", "-1794968103"),
        ("webhook-timestamp", "１７９４９６８１０３"),
        ("webhook-timestamp", "1_794_968_103"),
        ("webhook-timestamp", "9" * 13),
        ("webhook-signature", ""),
        ("webhook-signature", "v1"),
    ],
)
def test_headers_of_another_form_prove_nothing(name, value):
    good = signed()
    with pytest.raises(Unproven, match=name):
        PROFILE.prove(request(good.body, {**good.headers, name: value}), {"webhook_secret": [KEY]}, NOW)
    headers = {key: told for key, told in good.headers.items() if key != name}
    with pytest.raises(Unproven, match=name):
        PROFILE.prove(request(good.body, headers), {"webhook_secret": [KEY]}, NOW)


def test_parts_of_the_signed_text_can_not_shift():
    """`a.1` + `2` + body and `a` + `1` + `2.body` are the same signed text: the full stop in an id is what tells."""
    with pytest.raises(Unreadable):
        signed(webhook_id="a.1")
    good = signed(b"2.{}", webhook_id="a", webhook_timestamp="1")
    shifted = {**good.headers, "webhook-id": "a.1", "webhook-timestamp": "2"}
    with pytest.raises(Unproven, match="webhook-id"):
        PROFILE.prove(request(b"{}", shifted), {"webhook_secret": [KEY]}, NOW)


def test_an_id_of_our_making_follows_the_body():
    first, again, other = signed(b"{}"), signed(b"{}"), signed(b"{ }")
    assert first.headers["webhook-id"] == again.headers["webhook-id"] != other.headers["webhook-id"]


def test_a_key_that_is_no_base64_is_our_fault():
    with pytest.raises(Misconfigured) as caught:
        PROFILE.prove(signed(), {"webhook_secret": ["not base64!"]}, NOW)
    assert "not base64!" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-11-18T09:15:00+07:00", "2026-11-18T02:15:00+00:00"),
        ("2026-11-18T00:00:00.123456-05:30", "2026-11-18T05:30:00.123456+00:00"),
        ("2026-12-31T23:59:59Z", "2026-12-31T23:59:59+00:00"),
    ],
)
def test_moments_become_utc(written, expected):
    assert read(paid_at=written).paid_at.isoformat() == expected


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-18",
        "2026-11-18T09:15:00",
        "2026-11-18 09:15:00+07:00",
        "20261118T091500+0700",
        "2026-13-18T09:15:00Z",
        "2026-11-18T09:15:00+99:00",
        "0001-01-01T00:00:00+07:00",
        "2026-11-18T09:15:00Z ",
        "２０２６-11-18T09:15:00Z",
        1794968103,
        None,
        ...,
    ],
)
def test_other_moments_are_unreadable(written):
    with pytest.raises(Unreadable) as caught:
        read(paid_at=written)
    assert caught.value.place == "data.paid_at"


@pytest.mark.parametrize("amount", [0, -1, 10**15, 1.5, True, "844960", None, ...])
def test_amounts_are_positive_whole_numbers(amount):
    with pytest.raises(Unreadable) as caught:
        read(amount=amount)
    assert caught.value.place == "data.amount"
    assert read(amount=10**15 - 1).amount.minor == 10**15 - 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transaction_id", ...),
        ("transaction_id", ""),
        ("transaction_id", "F" * 65),
        ("transaction_id", "FT 1"),
        ("transaction_id", 7),
        ("currency", ...),
        ("currency", "vnd"),
        ("channel", "barter"),
        ("payment_code", "P" * 65),
        ("payer_account", {}),
        ("narrative", "n" * 501),
    ],
)
def test_fields_are_refused_by_name(name, value):
    with pytest.raises(Unreadable) as caught:
        read(**{name: value})
    assert caught.value.place == f"data.{name}"


def test_a_failed_attempt_says_why_and_a_payment_has_nothing_to_say():
    failed = read("payment.failed", failure_code="AM04")
    assert (failed.paid, failed.failure_code) == (False, "AM04")
    assert read("payment.failed").failure_code == ""
    assert read(failure_code="AM04").failure_code == ""
    with pytest.raises(Unreadable, match=r"data\.failure_code"):
        read("payment.failed", failure_code="x" * 36)


@pytest.mark.parametrize(
    ("body", "place"),
    [(b"{}", "type"), (b'{"type":"payment.received"}', "data"), (b'{"type":"payment.received","data":[]}', "data")],
)
def test_the_frame_is_refused_by_name(body, place):
    with pytest.raises(Unreadable) as caught:
        PROFILE.read(request(body))
    assert caught.value.place == place


def test_the_bank_reference_is_the_transaction_unless_told():
    assert read().bank_reference == "FT1"
    assert read(bank_reference="NH1").bank_reference == "NH1"


@pytest.mark.parametrize(
    ("outcome", "status", "said"),
    [
        (Outcome.ACCEPTED, 200, {"status": "accepted"}),
        (Outcome.ALREADY_PAID, 200, {"status": "accepted"}),
        (Outcome.UNKNOWN_BILL, 200, {"status": "accepted"}),
        (Outcome.WRONG_AMOUNT, 200, {"status": "accepted"}),
        (Outcome.STALE, 202, {"status": "set_aside", "detail": "why"}),
        (Outcome.UNPROVEN, 401, {"error": "unproven", "detail": "why"}),
        (Outcome.CONFLICT, 409, {"error": "conflict", "detail": "why"}),
        (Outcome.TOO_LARGE, 413, {"error": "too_large", "detail": "why"}),
        (Outcome.UNREADABLE, 422, {"error": "unreadable", "detail": "why"}),
        (Outcome.BUSY, 503, {"error": "busy", "detail": "why"}),
    ],
)
def test_answers(outcome, status, said):
    answer = PROFILE.answer(outcome, said.get("detail", ""))
    assert (answer.status, json.loads(answer.body)) == (status, said)
    assert status == 200 or json.loads(PROFILE.answer(outcome).body)["detail"]


def told_of_mandate(kind, **data):
    return read_all(PROFILE, request(json.dumps({"type": kind, "data": data}).encode()))


@pytest.mark.parametrize("answer", ["confirmed", "refused", "ended"])
def test_what_a_bank_decides_of_a_mandate_is_read(answer):
    assert told_of_mandate(f"mandate.{answer}", reference="UQ-1", reason="MD07 đã mất", more=1) == (
        MandateAnswer("", "UQ-1", answer, "MD07 đã mất"),
    )
    assert told_of_mandate(f"mandate.{answer}", reference="UQ-1") == (MandateAnswer("", "UQ-1", answer),)


@pytest.mark.parametrize(
    ("kind", "data", "place"),
    [
        ("mandate.paused", {"reference": "UQ-1"}, "type"),
        ("mandate.confirmed", {}, "data.reference"),
        ("mandate.confirmed", {"reference": "-1"}, "data.reference"),
        ("mandate.confirmed", {"reference": "U" * 36}, "data.reference"),
        ("mandate.refused", {"reference": "UQ-1", "reason": "x" * 201}, "data.reason"),
    ],
)
def test_a_word_on_a_mandate_that_is_not_of_the_form_is_refused_by_its_place(kind, data, place):
    with pytest.raises(Unreadable, match=rf"{place}"):
        told_of_mandate(kind, **data)


def test_an_event_of_a_mandate_is_no_payment():
    with pytest.raises(Unreadable, match="mandate"):
        PROFILE.read(request(b'{"type": "mandate.ended", "data": {"reference": "UQ-1"}}'))
