import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banks.errors import Misconfigured, Unproven, Unreadable
from banks.profiles.casso import PROFILE
from banks.records import Outcome, RawRequest

KEY = "g3oZ950pJQ4k6REhOPGkx37RsXgWz9QJ9RCAZ7i0yagLF32XQZtemQ6r3JIo4MCr"  # of Casso's published sample
CARRIED = "sandbox-casso-secure-token-0001"  # a public sandbox token
SIGNING, TOKEN = {"checksum_key": [KEY]}, {"secure_token": [CARRIED]}
NOW = datetime(2026, 11, 18, 2, 15, 5, tzinfo=UTC)
ONE = {
    "id": 218897,
    "reference": "FT26322000481",
    "description": "tien dien",
    "amount": 844960,
    "transactionDateTime": "2026-11-18 09:15:00",
    "counterAccountNumber": "0000000001234",
}


def request(body, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return RawRequest("POST", b"", headers or {}, raw, NOW)


def signed(body=None, secrets=SIGNING):
    made = PROFILE.sign(request({"error": 0, "data": ONE} if body is None else body), secrets, NOW)
    return request(made.body, dict(made.headers))


def read(*transactions):
    data = transactions[0] if len(transactions) == 1 else list(transactions)
    return PROFILE.read_all(request({"error": 0, "data": data}))


def test_the_signed_text_is_the_time_and_the_body_sorted_at_every_depth():
    body = b'{ "error":0, "data": {"b":[{"z":1,"a":null}], "a":"\xc4\x91/\\u001f", "B":1.50} }'
    text = '1794968105000.{"data":{"B":1.50,"a":"đ/\\u001f","b":[{"a":null,"z":1}]},"error":0}'.encode()
    made = PROFILE.sign(request(body), SIGNING, NOW)
    expected = hmac.new(KEY.encode(), text, "sha512").hexdigest()
    assert made.headers["x-casso-signature"] == f"t=1794968105000,v1={expected}"
    assert PROFILE.prove(signed(body), SIGNING, NOW).signed == text
    with pytest.raises(Unproven) as caught:
        PROFILE.prove(request(body, {"x-casso-signature": f"t=1794968105000,v1={'0' * 128}"}), SIGNING, NOW)
    assert caught.value.signed == text


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)


@given(
    st.dictionaries(texts, texts | st.integers(-(10**15), 10**15) | st.none() | st.lists(texts, max_size=2), max_size=4)
)
def test_any_order_and_spacing_of_the_keys_is_the_same_event(data):
    body = {"error": 0, "data": data}
    good = signed(body)
    again = json.dumps({name: body[name] for name in reversed(body)}, indent=3).encode()
    first, other = (PROFILE.prove(request(raw, good.headers), SIGNING, NOW) for raw in (good.body, again))
    assert (first.event_id, first.content) == (other.event_id, other.content)


def test_accents_may_be_signed_as_they_are_or_escaped_and_are_the_same_event():
    body = {"error": 0, "data": {**ONE, "description": "Tiền điện"}}
    proofs = []
    for escaped in (False, True):
        text = "1794968100000." + json.dumps(body, sort_keys=True, ensure_ascii=escaped, separators=(",", ":"))
        signature = hmac.new(KEY.encode(), text.encode(), "sha512").hexdigest()
        call = request(body, {"x-casso-signature": f"t=1794968100000,v1={signature}"})
        proofs.append(PROFILE.prove(call, SIGNING, NOW))
        assert proofs[-1].signed == text.encode()
    assert proofs[0].content == proofs[1].content


@pytest.mark.parametrize("seconds", [-3600, 0, 86_399, 86_401])
def test_the_age_is_told_and_not_judged(seconds):
    assert PROFILE.prove(signed(), SIGNING, NOW + timedelta(seconds=seconds)).age_seconds == seconds


@pytest.mark.parametrize(
    "header",
    [
        "t=,v1=" + "0" * 128,
        "t=1,v1=00",
        "v1=" + "0" * 128 + ",t=1",
        "t=1, v1=" + "0" * 128,
        "t=" + "9" * 16 + ",v1=" + "0" * 128,
        "chữ ký",
        "t=１,v1=" + "0" * 128,
    ],
)
def test_signatures_of_another_form_prove_nothing(header):
    with pytest.raises(Unproven, match="X-Casso-Signature to be"):
        PROFILE.prove(request(b"{}", {"x-casso-signature": header}), SIGNING, NOW)


def test_each_configured_secret_opens_its_way_and_a_wrong_signature_is_not_saved_by_a_token():
    both = {**SIGNING, **TOKEN}
    by_token, by_signature = signed(secrets=TOKEN), signed()
    assert PROFILE.prove(by_token, both, NOW).signed == b""
    assert PROFILE.prove(by_signature, both, NOW).signed
    for secrets, call in ((SIGNING, by_token), (TOKEN, by_signature)):
        with pytest.raises(Unproven):
            PROFILE.prove(call, secrets, NOW)
    forged = request(b'{"error":0,"data":{}}', {**by_signature.headers, **by_token.headers})
    with pytest.raises(Unproven, match="X-Casso-Signature"):
        PROFILE.prove(forged, both, NOW)
    with pytest.raises(Misconfigured, match="checksum_key or secure_token"):
        PROFILE.prove(by_token, {}, NOW)


def test_retired_keys_prove_nothing():
    for secrets, call in ((SIGNING, signed()), (TOKEN, signed(secrets=TOKEN))):
        [(name, keys)] = secrets.items()
        assert PROFILE.prove(call, {name: ["another", *keys]}, NOW)
        with pytest.raises(Unproven):
            PROFILE.prove(call, {name: ["another"]}, NOW)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (ONE, True),
        ([ONE], True),
        ([ONE, {**ONE, "id": 2}], False),
        ({**ONE, "reference": "MA_GIAO_DICH_THU_NGHIEM"}, False),
        ({**ONE, "id": "218897"}, False),
        ([], False),
        (None, False),
    ],
)
def test_the_event_id_is_cassos_number_and_a_digest_where_there_is_not_one(data, named):
    for secrets in (SIGNING, TOKEN):
        found = PROFILE.prove(signed({"error": 0, "data": data}, secrets), secrets, NOW).event_id
        assert (found == "218897") is named
        assert named or found.startswith("sha256:")


def test_a_delivery_of_several_tells_each_and_is_no_single_one():
    notices = read(ONE, {**ONE, "id": 2, "amount": -5}, {**ONE, "id": 3, "tid": "MA_GIAO_DICH_THU_NGHIEM"})
    assert [(one.source_reference, one.amount.minor, one.paid) for one in notices] == [
        ("218897", 844960, True),
        ("2", -5, False),
        ("3", 844960, False),
    ]
    with pytest.raises(Unreadable, match="data: expected one transaction, got 2"):
        PROFILE.read(request({"error": 0, "data": [ONE, ONE]}))
    assert PROFILE.read(request({"error": 0, "data": [ONE]})) == read(ONE)[0]


def test_names_of_version_1_are_read_too():
    old = {"id": 5, "amount": 1000, "when": "2026-11-18 09:15:00", "tid": "5017 - 48678", "corresponsiveAccount": "12"}
    [notice] = read(old)
    assert (notice.bank_reference, notice.payer_account) == ("5017 - 48678", "12")
    assert notice.paid_at == datetime(2026, 11, 18, 2, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", 0),
        ("id", None),
        ("id", "5"),
        ("amount", 0),
        ("amount", None),
        ("amount", 1.5),
        ("amount", -(10**15)),
        ("amount", 10**15),
        ("transactionDateTime", "2026-11-18"),
        ("description", "x" * 1001),
        ("reference", 5),
        ("counterAccountNumber", ["x"]),
    ],
)
def test_fields_are_refused_by_name_and_position(name, value):
    with pytest.raises(Unreadable) as caught:
        read({**ONE, name: value})
    assert caught.value.place == f"data.{name}"
    with pytest.raises(Unreadable) as caught:
        read(ONE, {**ONE, name: value})
    assert caught.value.place == f"data[2].{name}"


@pytest.mark.parametrize(
    ("outcome", "status", "body"),
    [
        (Outcome.ACCEPTED, 200, b'{"success": true}'),
        (Outcome.STALE, 200, b'{"success": true}'),
        (Outcome.UNREADABLE, 422, b'{"success": false, "message": "why"}'),
        (Outcome.BUSY, 503, b'{"success": false, "message": "why"}'),
    ],
)
def test_answers(outcome, status, body):
    answer = PROFILE.answer(outcome, "why")
    assert (answer.status, answer.content_type, answer.body) == (status, "application/json", body)
