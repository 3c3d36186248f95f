"""Receipt addresses nobody can guess, and bodies read strictly."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.receipts import MAX_BYTES, UnreadableReceipt, address, parse, proves, token
from sms.transport import Receipt

BODY: dict[str, Any] = {
    "id": "sbx-1",
    "request_id": "0d9f6a52-7d3c-4c55-8d7e-5f3f9e0d4b11",
    "status": "delivered",
    "code": "0",
    "at": "2026-06-25T08:00:00+07:00",
}


def test_the_token_is_an_hmac_of_the_provider() -> None:
    expected = hmac.new(b"secret", b"sms receipt\x00sandbox", hashlib.sha256).hexdigest()
    assert token("sandbox", b"secret") == expected
    assert address("https://gw.example/", "sandbox", b"secret") == f"https://gw.example/sms/receipts/sandbox/{expected}"


def test_a_token_proves_its_own_provider_under_any_live_secret() -> None:
    old = token("esms", b"old")
    assert proves("esms", old, [b"new", b"old"])
    assert not proves("speedsms", old, [b"new", b"old"])
    assert not proves("esms", old, [b"new"])
    assert not proves("esms", old, [])
    assert not proves("esms", old.upper(), [b"old"])


@given(st.text(alphabet=st.characters(), max_size=80))
def test_any_presented_text_is_judged_without_an_error(presented: str) -> None:
    assert not proves("sandbox", presented, [b"secret"])


def test_an_empty_secret_makes_no_token() -> None:
    with pytest.raises(ValueError, match="expected a secret"):
        token("sandbox", b"")


def test_a_receipt_is_read_in_utc() -> None:
    at = datetime(2026, 6, 25, 1, tzinfo=UTC)
    assert parse(json.dumps(BODY).encode()) == Receipt(BODY["id"], BODY["request_id"], True, "0", at)
    undelivered = BODY | {"status": "undelivered", "code": "absent", "operator": "left alone"}
    assert parse(json.dumps(undelivered).encode()) == Receipt(BODY["id"], BODY["request_id"], False, "absent", at)
    assert parse(json.dumps(BODY | {"at": "2026-06-25T01:00:00Z", "code": ""}).encode()).at == at


@pytest.mark.parametrize("field", BODY)
@pytest.mark.parametrize("value", [None, 1, True, [], {}, "", "x" * 101, "a\nb", "đã giao"])
def test_a_field_of_another_shape_is_named(field: str, value: object) -> None:
    if field == "code" and value == "":
        return
    with pytest.raises(UnreadableReceipt, match=f"^{field}: expected"):
        parse(json.dumps(BODY | {field: value}).encode())


@pytest.mark.parametrize("field", BODY)
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(UnreadableReceipt, match=f"^{field}: expected a text, got nothing"):
        parse(json.dumps({name: value for name, value in BODY.items() if name != field}).encode())


@pytest.mark.parametrize(
    "at", ["2026-06-25T08:00:00", "2026-06-25", "yesterday", "0001-01-01T00:00:00+07:00", "2026-13-01T00:00:00Z"]
)
def test_a_time_without_its_place_in_the_world_is_refused(at: str) -> None:
    with pytest.raises(UnreadableReceipt, match=r"^at: expected"):
        parse(json.dumps(BODY | {"at": at}).encode())


@pytest.mark.parametrize("status", ["DELIVERED", "pending", "delivered "])
def test_a_status_beyond_the_two_is_refused(status: str) -> None:
    with pytest.raises(UnreadableReceipt, match=r"^status: expected"):
        parse(json.dumps(BODY | {"status": status}).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'"delivered"',
        b"{" * 10_000,
        b"[" * 15_000,
        json.dumps(BODY).encode()[:-1] + b', "status": "undelivered"}',
        b" " * MAX_BYTES + json.dumps(BODY).encode(),
    ],
)
def test_a_body_that_is_no_receipt_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableReceipt, match="expected"):
        parse(body)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_receipt_or_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableReceipt):
        parse(body)
