import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from banks.errors import Misconfigured
from banks.signatures import Hmac, Scheme, StandardWebhooks, live_keys, match_token

SCHEMES: list[tuple[Scheme, list[str]]] = [
    (Hmac("sha256", "hex"), ["key one", "khoá hai"]),
    (Hmac("sha512", "base64"), ["key one", "khoá hai"]),
    (StandardWebhooks(), ["whsec_" + base64.b64encode(name).decode() for name in (b"one" * 8, b"two" * 8)]),
]


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            "sha512",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
    ],
)
def test_rfc_4231_second_case(digest, expected):
    text = b"what do ya want for nothing?"
    assert Hmac(digest, "hex").sign(text, "Jefe") == expected
    assert base64.b64decode(Hmac(digest, "base64").sign(text, "Jefe")).hex() == expected


@pytest.mark.parametrize(("scheme", "keys"), SCHEMES)
def test_any_live_key_matches_and_is_named(scheme, keys):
    for position, key in enumerate(keys):
        assert scheme.match(b"text", scheme.sign(b"text", key), keys) == position
    assert scheme.match(b"text", scheme.sign(b"text", keys[0]), keys[1:]) is None
    assert scheme.match(b"text", scheme.sign(b"text", keys[0]), []) is None


@pytest.mark.parametrize(("scheme", "keys"), SCHEMES)
@given(text=st.binary(max_size=40), other=st.binary(max_size=40))
def test_a_signature_covers_exactly_its_text(scheme, keys, text, other):
    assert (scheme.match(other, scheme.sign(text, keys[0]), keys) is not None) == (text == other)


@pytest.mark.parametrize(("scheme", "keys"), SCHEMES)
@pytest.mark.parametrize("junk", ["", " ", "v1", "v1,", "é", "\udcff", "v1,é", "v1,\ud800", "\x00", "v1,,"])
def test_junk_matches_nothing_and_raises_nothing(scheme, keys, junk):
    assert scheme.match(b"text", junk, keys) is None


def test_hex_is_read_in_either_case_base64_is_not():
    hexed, based = Hmac("sha256", "hex"), Hmac("sha256", "base64")
    assert hexed.match(b"text", hexed.sign(b"text", "key").upper(), ["key"]) == 0
    assert based.match(b"text", based.sign(b"text", "key").swapcase(), ["key"]) is None


@pytest.mark.parametrize("key", ["whsec_", "", "whsec_!!!", "whsec_é", "=", "whsec_ab cd"])
def test_an_unusable_webhook_key_is_our_fault_and_not_repeated(key):
    with pytest.raises(Misconfigured) as caught:
        StandardWebhooks().sign(b"text", key)
    assert key.removeprefix("whsec_") in ("", "=") or key.removeprefix("whsec_") not in str(caught.value)
    with pytest.raises(Misconfigured):
        StandardWebhooks().match(b"text", "v1,AAAA", [key])


def test_an_empty_key_signs_nothing():
    made_by_anyone = hmac.new(b"", b"text", hashlib.sha256).hexdigest()
    with pytest.raises(Misconfigured):
        Hmac("sha256", "hex").match(b"text", made_by_anyone, [""])


@given(raw=st.binary(min_size=1, max_size=64), text=st.text(max_size=40))
def test_every_form_of_a_webhook_key_is_what_the_wheel_takes(raw, text):
    bare = base64.b64encode(raw).decode()
    moment = datetime(2026, 11, 18, 2, 15, 3, tzinfo=UTC)
    expected = Webhook("whsec_" + bare).sign("msg_1", moment, text)
    signed = f"msg_1.{int(moment.timestamp())}.{text}".encode()
    for key in (bare, bare.rstrip("="), "whsec_" + bare, "whsec_" + bare.rstrip("=")):
        assert StandardWebhooks().sign(signed, key) == expected
        assert StandardWebhooks().match(signed, f"v1a,AAAA v1,AAAA {expected}", [key]) == 0


def test_live_keys_asks_for_keys_that_are_there():
    assert live_keys({"key": ["new", "old"]}, "key") == ["new", "old"]
    for secrets in ({}, {"key": []}, {"key": ["new", " "]}):
        with pytest.raises(Misconfigured, match="'key'"):
            live_keys(secrets, "key")
    with pytest.raises(TypeError):
        live_keys({"key": "letters"}, "key")


def test_hex_is_read_in_either_case_unless_the_sender_compares_exactly():
    signature = Hmac("sha256", "hex").sign(b"text", "key")
    for scheme, fits in ((Hmac("sha256", "hex"), 0), (Hmac("sha256", "hex", small=True), None)):
        assert scheme.match(b"text", signature, ["key"]) == 0
        assert scheme.match(b"text", signature.upper(), ["key"]) == fits


def test_a_token_is_matched_whole_and_by_position():
    keys = ["first", "khoá hai"]
    assert [match_token(given, keys) for given in ("first", "khoá hai")] == [0, 1]
    for other in ("", "firs", "first ", "First", "fïrst", "\ud800", "first\0"):
        assert match_token(other, keys) is None
