"""Signatures of /collect/v1: the documented example, what they cover, what is refused, and for how long."""

import base64
import doctest
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks import collect_signing
from banks.collect_signing import check_keys, prove, sign, signed_text
from banks.errors import Misconfigured, Unproven

KEY, NEWER = "sandbox-public-collect-secret-01", "sandbox-public-collect-secret-02"
SUBJECT = "POST /collect/v1/saomai/pay"
AT = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
BODY = b'{"reference":"SM1"}'


def headers(*keys: str, body: bytes = BODY, subject: str = SUBJECT, call_id: str = "call-1", ago: int = 0):
    return sign(body, subject, keys or (KEY,), call_id=call_id, timestamp=int(AT.timestamp()) - ago)


def reason(given: dict[str, str], *, body: bytes = BODY, subject: str = SUBJECT, keys: tuple[str, ...] = (KEY,)) -> str:
    with pytest.raises(Unproven) as refusal:
        prove(given, body, subject, keys, AT)
    return refusal.value.reason


def test_the_example_in_the_module_is_what_is_computed():
    assert doctest.testmod(collect_signing) == (0, 2)


@settings(deadline=None, derandomize=True)
@given(st.binary(max_size=200), st.text("abc-/~!", min_size=1, max_size=64), st.integers(0, 10**11))
def test_the_signature_is_the_plain_hmac_of_the_documented_text(body, call_id, timestamp):
    made = sign(body, SUBJECT, [KEY], call_id=call_id, timestamp=timestamp)
    text = b".".join([call_id.encode(), str(timestamp).encode(), SUBJECT.encode(), body])
    by_hand = base64.b64encode(hmac.new(KEY.encode(), text, hashlib.sha256).digest()).decode()
    assert made == {"collect-id": call_id, "collect-timestamp": str(timestamp), "collect-signature": f"v1,{by_hand}"}


def test_what_is_signed_is_proven_with_its_age():
    seen = prove(headers(ago=7), BODY, SUBJECT, [KEY], AT)
    assert (seen.call_id, seen.age_seconds) == ("call-1", 7)


@pytest.mark.parametrize(
    "change",
    [{"body": BODY + b" "}, {"subject": "POST /collect/v1/saomai/reverse"}, {"subject": "200"}, {"keys": (NEWER,)}],
)
def test_nothing_that_is_signed_can_be_changed(change):
    assert reason(headers(), **change) == "collect-signature: none is the HMAC-SHA256 of the text by a live key"


@pytest.mark.parametrize("name", ["collect-id", "collect-timestamp"])
def test_no_header_can_be_changed(name):
    given = headers()
    given[name] = given[name][:-1] + ("2" if given[name][-1] != "2" else "3")
    assert reason(given).startswith("collect-signature: none")


def test_a_refusal_carries_the_text_that_was_signed():
    with pytest.raises(Unproven) as refusal:
        prove(headers(NEWER), BODY, SUBJECT, [KEY], AT)
    assert refusal.value.signed == signed_text("call-1", str(int(AT.timestamp())), SUBJECT, BODY)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("collect-id", "", "collect-id"), ("collect-id", "a.b", "collect-id"), ("collect-id", "a b", "collect-id"),
        ("collect-id", "x" * 65, "collect-id"), ("collect-id", "é", "collect-id"),
        ("collect-timestamp", "", "collect-timestamp"), ("collect-timestamp", "-1", "collect-timestamp"),
        ("collect-timestamp", "1" * 13, "collect-timestamp"), ("collect-timestamp", "٣", "collect-timestamp"),
        ("collect-signature", "", "collect-signature"), ("collect-signature", "v2,AAAA", "collect-signature"),
        ("collect-signature", "v1,é", "collect-signature"),
        ("collect-signature", " ".join(["v1,AAAA"] * 9), "collect-signature"),
    ],
)  # fmt: skip
def test_a_header_that_is_not_as_documented_is_named(name, value, said):
    assert reason(headers() | {name: value}).startswith(said + ":")


@pytest.mark.parametrize(("ago", "fits"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_five_minutes_either_way(ago, fits):
    if fits:
        assert prove(headers(ago=ago), BODY, SUBJECT, [KEY], AT).age_seconds == ago
    else:
        assert reason(headers(ago=ago)).startswith(f"collect-timestamp: signed {ago} s ago")
    assert prove(headers(ago=ago), BODY, SUBJECT, [KEY], AT, window=None).age_seconds == ago
    assert prove(headers(ago=ago), BODY, SUBJECT, [KEY], AT, window=timedelta(minutes=6)).age_seconds == ago


def test_during_a_change_of_keys_either_side_may_be_first():
    both = headers(NEWER, KEY)
    assert both["collect-signature"].count("v1,") == 2
    for made, live in [(both, (KEY,)), (both, (NEWER,)), (headers(KEY), (NEWER, KEY)), (headers(NEWER), (NEWER, KEY))]:
        assert prove(made, BODY, SUBJECT, live, AT).call_id == "call-1"


def test_signatures_of_other_versions_are_passed_over():
    given = headers()
    given["collect-signature"] = "v9,xyz " + given["collect-signature"]
    assert prove(given, BODY, SUBJECT, [KEY], AT).call_id == "call-1"


@pytest.mark.parametrize("keys", [[], ["short"], [KEY, NEWER, KEY + "3"], [KEY, "x" * 31]])
def test_keys_are_one_or_two_and_long_enough(keys):
    with pytest.raises(Misconfigured):
        check_keys(keys)
    check_keys([KEY, NEWER])
