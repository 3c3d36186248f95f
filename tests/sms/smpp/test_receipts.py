"""Receipts as carriers write them: read as far as they tell something, never a reason to fail."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.smpp import pdus, receipts
from sms.smpp.pdus import MalformedPdu
from sms.smpp.receipts import Said, Told

WHEN = datetime(2026, 11, 18, 2, 2, tzinfo=UTC)
NUMBER = "+84912345678"


def told(text: bytes = b"", tlvs: bytes = b"", **fields: object) -> Told | None:
    made = {
        "source_addr": "84912345678", "destination_addr": "DIENLUC", "esm_class": 4, "short_message": text, **fields
    }  # fmt: skip
    raw = pdus.build("deliver_sm", 7, **made) + tlvs
    return receipts.read(pdus.read(len(raw).to_bytes(4) + raw[4:]))


def tlv(tag: int, value: bytes) -> bytes:
    return tag.to_bytes(2) + len(value).to_bytes(2) + value


def test_the_form_of_the_standard() -> None:
    text = (
        b"id:0A1F sub:001 dlvrd:001 submit date:2611180901 done date:2611180902 stat:DELIVRD err:000 text:id:9 stat:X"
    )
    assert told(text) == Told("0A1F", Said.DELIVERED, "DELIVRD 000", WHEN, NUMBER)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"id:1 stat:DELIVERED", Said.DELIVERED),
        (b"ID:1 STAT:delivrd", Said.DELIVERED),
        (b"id:1, sub:001, dlvrd:001, stat:EXPIRED", Said.UNDELIVERED),
        (b"id: 1 stat: UNDELIV err: 034", Said.UNDELIVERED),
        (b"id=1 status=REJECTD", Said.UNDELIVERED),
        (b"id:1 stat:DELETED", Said.UNDELIVERED),
        (b"id:1 stat:ACCEPTD", Said.UNDER_WAY),
        (b"id:1 stat:UNKNOWN", Said.UNDER_WAY),
        (b"id:1 stat:ENROUTE", Said.UNDER_WAY),
        (b"id:1 sub:001 dlvrd:001", Said.DELIVERED),
        (b"id:1 sub:001 dlvrd:000", Said.UNDER_WAY),
        (b"id:1", Said.UNDER_WAY),
    ],
)
def test_every_way_to_say_it(text: bytes, said: Said) -> None:
    found = told(text)
    assert found is not None
    assert (found.ref, found.said, found.at) == ("1", said, None)


@pytest.mark.parametrize(
    ("state", "said"), [(1, Said.UNDER_WAY), (2, Said.DELIVERED), (5, Said.UNDELIVERED), (8, Said.UNDELIVERED)]
)
@pytest.mark.parametrize("end", [b"", b"\0"])
def test_optional_parameters_alone_with_or_without_the_closing_nul(state: int, said: Said, end: bytes) -> None:
    error = tlv(0x0423, b"\x03\x00\x22")
    found = told(tlvs=tlv(0x1400, b"own") + tlv(0x001E, b"a1f" + end) + tlv(0x0427, bytes((state,))) + error)
    assert found == Told("a1f", said, "3:34", None, NUMBER)


def test_optional_parameters_win_over_the_text() -> None:
    found = told(b"id:77 stat:UNDELIV", tlv(0x001E, b"a1f\0") + tlv(0x0427, b"\0\x02"))
    assert found is not None
    assert (found.ref, found.said) == ("a1f", Said.DELIVERED)


def test_a_text_in_ucs2_a_payload_and_addresses_left_in_place() -> None:
    assert told("id:1 stat:DELIVRD".encode("utf-16-be"), data_coding=8) == told(b"id:1 stat:DELIVRD")
    assert told(b"id:1 stat:DELIVRD", data_coding=8) == told(b"id:1 stat:DELIVRD")
    assert told(tlvs=tlv(0x0424, b"id:1 stat:DELIVRD")) == told(b"id:1 stat:DELIVRD")
    assert told(b"id:1 stat:DELIVRD", source_addr="DIENLUC", destination_addr="0912345678") == told(
        b"id:1 stat:DELIVRD"
    )


def test_what_is_told_without_the_sign_of_a_receipt_is_one_only_if_it_looks_like_one() -> None:
    assert told(b"id:1 sub:001 stat:DELIVRD", esm_class=0) is not None
    assert told(b"ok id:1 nhe", esm_class=0) is None
    assert told(b"", esm_class=4) == Told("", Said.UNDER_WAY, "", None, NUMBER)


@pytest.mark.parametrize(
    ("ref", "key", "others"),
    [("00A1F", "a1f", ["2591"]), ("2591", "2591", ["a1f", "9617"]), ("0", "", []), ("x-1", "x-1", []), ("", "", [])],
)
def test_an_id_has_other_spellings(ref: str, key: str, others: list[str]) -> None:
    assert (receipts.key(ref), receipts.other_keys(ref)) == (key, others)


@given(body=st.binary(max_size=120), command=st.sampled_from([5, 0x80000004]))
def test_no_octets_break_the_reading(body: bytes, command: int) -> None:
    raw = (16 + len(body)).to_bytes(4) + command.to_bytes(4) + bytes(8) + body
    with suppress(MalformedPdu):
        found = receipts.read(pdus.read(raw))
        assert found is None or found.said in Said


def test_a_message_id_without_its_closing_nul_is_whole() -> None:
    raw = (19).to_bytes(4) + (0x80000004).to_bytes(4) + bytes(8) + b"abc"
    assert pdus.read(raw).message_id == "abc"
