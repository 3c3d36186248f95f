import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banks.errors import Unproven, Unreadable
from banks.profiles.payos import PROFILE
from banks.records import Outcome, RawRequest

KEY = "test_checksum_key"  # the key of PayOS's own library tests
SECRETS = {"checksum_key": [KEY]}
NOW = datetime(2026, 11, 18, 2, 15, 5, tzinfo=UTC)
PAID = {
    "orderCode": 2611000481,
    "amount": 844960,
    "description": "TT tien dien",
    "reference": "FT26322000481",
    "transactionDateTime": "2026-11-18 09:15:00",
    "currency": "VND",
    "paymentLinkId": "9d8c7b6a",
    "code": "00",
    "desc": "Thành công",
    "counterAccountNumber": None,
}
TRANSFER = {
    "accountNumber": "0123456789",
    "amount": 2000,
    "counterAccountBankId": "01202001",
    "counterAccountBankName": None,
    "counterAccountName": "NGUYEN VAN A",
    "counterAccountNumber": "9876543210",
    "description": "TRANSACTION DESCRIPTION",
    "reference": "FT-REFERENCE",
    "transactionDateTime": "2025-12-12T09:00:00+07:00",
    "virtualAccountName": None,
    "virtualAccountNumber": None,
}
LINK = {
    "id": "payment-link-id",
    "orderCode": 0,
    "amount": 2000,
    "createdAt": "2025-12-12T09:00:00+07:00",
    "canceledAt": None,
    "cancellationReason": None,
}
INVOICE = {
    "invoiceId": "invoice-id",
    "invoiceNumber": "invoiceNo",
    "issuedTimestamp": 1765504800,
    "issuedDatetime": "2025-12-12T09:00:00+07:00",
    "transactionId": "transactionId",
    "reservationCode": "reservationCode",
    "codeOfTax": "codeOfTax",
}


def request(body):
    return RawRequest("POST", b"", {}, body if isinstance(body, bytes) else json.dumps(body).encode(), NOW)


def signed(**changes):
    data = {name: value for name, value in {**PAID, **changes}.items() if value is not ...}
    return request(PROFILE.sign(request({"code": "00", "data": data}), SECRETS, NOW).body)


def prove(call, secrets=SECRETS):
    return PROFILE.prove(call, secrets, NOW)


@pytest.mark.parametrize(
    ("data", "signature"),
    [
        (
            {**LINK, "amountPaid": 2000, "amountRemaining": 0, "status": "PAID", "transactions": [TRANSFER]},
            "6af5e2c9a28256c140169ed624114b43295915d7b6e2fa6278b17a7c43aadefd",
        ),
        (
            {**LINK, "amountPaid": 2000, "amountRemaining": 0, "status": "PAID", "transactions": [TRANSFER] * 2},
            "04ebbe221724d2b848c3f39b2db3311cc554167f55bd2fe2cb7b86b6bfdeadaa",
        ),
        (
            {**LINK, "amountPaid": 0, "amountRemaining": 2000, "status": "PENDING", "transactions": []},
            "33093364158b143baa9ecd2e705d9a2a5a5d391a3cab7cb0a371588b3731368f",
        ),
        ({"invoices": [INVOICE]}, "1794b09bb47d4d6f2e3d7f0d261059012e0d8a055e882b75c9855ec249088f0f"),
        (
            {"invoices": [INVOICE, {**dict.fromkeys(INVOICE), "invoiceId": "invoice-id"}]},
            "8ceca4558787d5ec58b24caaf5aaa7693df83242efbb28e7b70cf3391f3a1138",
        ),
    ],
)
def test_lists_and_null_are_signed_as_payos_own_library_tests_say(data, signature):
    """Vectors: https://github.com/payOSHQ/payos-lib-python/blob/main/tests/_crypto/testCases.json, type "body"."""
    made = json.loads(PROFILE.sign(request({"data": data}), SECRETS, NOW).body)
    assert made == {"data": data, "signature": signature}


def test_an_unproven_body_shows_the_text_we_expected_to_be_signed():
    with pytest.raises(Unproven) as caught:
        prove(request({"data": {"b": True, "a": None, "é": "null", "c": 1}, "signature": "00"}))
    assert caught.value.signed == "a=&b=true&c=1&é=".encode()


def test_what_stands_outside_data_makes_no_other_event_and_is_not_read():
    good = json.loads(signed().body)
    other = request({**good, "success": False, "desc": "x", "code": "99"})
    assert prove(other).content == prove(request(good)).content
    assert PROFILE.read(other) == PROFILE.read(request(good))


def test_a_retired_key_proves_nothing():
    assert prove(signed(), {"checksum_key": ["another", KEY]})
    with pytest.raises(Unproven):
        prove(signed(), {"checksum_key": ["another"]})


def test_one_event_per_transfer_of_a_link():
    calls = [signed(), signed(reference="FT2"), signed(paymentLinkId="other")]
    assert [prove(call).event_id for call in calls] == [
        "9d8c7b6a:FT26322000481",
        "9d8c7b6a:FT2",
        "other:FT26322000481",
    ]
    # The same event with another amount must meet its first copy, not pass as a new one.
    assert prove(signed(amount=1)).event_id == prove(signed()).event_id
    # Trial events repeat one reference; they must not be taken for one event with other content.
    trials = [signed(reference="MA_GIAO_DICH_THU_NGHIEM", amount=amount) for amount in (1, 2)]
    assert len({prove(call).event_id for call in trials}) == 2


@pytest.mark.parametrize(
    "changes", [{"code": "01"}, {"description": "VQRIO123", "orderCode": 123}, {"reference": "MA_GIAO_DICH_THU_NGHIEM"}]
)
def test_what_is_not_received_or_only_a_trial_is_not_paid(changes):
    assert PROFILE.read(signed()).paid
    assert PROFILE.read(signed(description="VQRIO123")).paid, "what a payer may write makes no trial"
    assert not PROFILE.read(signed(**changes)).paid


pieces = st.text("ab ýđ&=", max_size=6)


@given(pieces, pieces)
def test_a_text_that_can_be_cut_in_two_ways_is_read_in_one_at_most(account, description):
    """Without escaping, a value could swallow its neighbour: one signature would stand for two readings."""
    calls = [
        signed(counterAccountNumber=account, currency="VND", desc="", description=description),
        signed(counterAccountNumber=f"{account}&currency=VND", currency=..., desc="", description=description),
        signed(counterAccountNumber=f"{account}&currency=VND&desc=", currency=..., desc=..., description=description),
    ]
    assert len({prove(call).signed for call in calls}) == 1
    for call in calls[1:]:
        with pytest.raises(Unreadable, match="which looks like a field"):
            PROFILE.read(call)


def test_a_transfer_that_looks_like_another_field_is_proven_and_not_read():
    """The text of this body and of one with reference FT1 and a time of its own are the same."""
    call = signed(reference="FT1&transactionDateTime=2026-11-18", transactionDateTime=...)
    assert prove(call)
    with pytest.raises(Unreadable, match=r"data\.reference"):
        PROFILE.read(call)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount", 0),
        ("amount", -1),
        ("amount", ...),
        ("amount", 2.5),
        ("orderCode", "123"),
        ("orderCode", -1),
        ("orderCode", 2**53),
        ("currency", "vnd"),
        ("reference", ...),
        ("reference", "FT 1"),
        ("paymentLinkId", None),
        ("paymentLinkId", "x" * 65),
        ("code", ...),
        ("transactionDateTime", "18/11/2026"),
        ("transactionDateTime", 1794968100),
        ("description", "x" * 501),
        ("counterAccountNumber", 5),
    ],
)
def test_fields_are_refused_by_name(name, value):
    with pytest.raises(Unreadable) as caught:
        PROFILE.read(signed(**{name: value}))
    assert caught.value.place == f"data.{name}"


@pytest.mark.parametrize(
    ("outcome", "status", "body"),
    [
        (Outcome.ACCEPTED, 200, b'{"success": true}'),
        (Outcome.STALE, 200, b'{"success": true}'),
        (Outcome.UNPROVEN, 401, b'{"success": false, "message": "why"}'),
        (Outcome.BUSY, 503, b'{"success": false, "message": "why"}'),
    ],
)
def test_answers(outcome, status, body):
    answer = PROFILE.answer(outcome, "why")
    assert (answer.status, answer.content_type, answer.body) == (status, "application/json", body)
