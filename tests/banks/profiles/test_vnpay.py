import hmac
import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banks.errors import Unproven, Unreadable
from banks.profiles.vnpay import PROFILE
from banks.records import Outcome, RawRequest

KEY = "SANDBOXPUBLICKEYSANDBOXPUBLICKEY"  # a public sandbox key
SECRETS = {"hash_secret": [KEY]}
NOW = datetime(2026, 11, 18, 2, 15, 5, tzinfo=UTC)
PAID = {
    "vnp_Amount": "84496000",
    "vnp_OrderInfo": "Tien dien",
    "vnp_PayDate": "20261118091500",
    "vnp_ResponseCode": "00",
    "vnp_TransactionNo": "14996488",
    "vnp_TransactionStatus": "00",
    "vnp_TxnRef": "PC0701091234511126",
}


def request(query):
    return RawRequest("GET", query.encode() if isinstance(query, str) else query, {}, b"", NOW)


def signed(**changes):
    """As a sender would do it, without our code: sort, form-encode, hash, append."""
    fields = {name: value for name, value in {**PAID, **changes}.items() if value}
    text = urlencode(sorted(fields.items()))
    return request(f"{text}&vnp_SecureHash={hmac.new(KEY.encode(), text.encode(), 'sha512').hexdigest()}")


def event_id(**changes):
    return PROFILE.prove(signed(**changes), SECRETS, NOW).event_id


def test_every_flipped_bit_of_query_is_refused_unless_it_reads_the_same():
    good = signed()
    start = good.query.index(b"vnp_SecureHash=") + len(b"vnp_SecureHash=")
    for position in range(len(good.query)):
        for bit in range(8):
            bent = bytearray(good.query)
            bent[position] ^= 1 << bit
            if position >= start and bent[start:].lower() == good.query[start:]:
                continue  # a letter of the hex in the other case is the same number
            with pytest.raises(Unproven):
                PROFILE.prove(request(bytes(bent)), SECRETS, NOW)


def test_an_unproven_query_shows_the_text_we_expected_to_be_signed():
    with pytest.raises(Unproven) as caught:
        PROFILE.prove(
            request("vnp_TxnRef=A+B&vnp_Amount=100&vnp_Inv=&vnp_OrderInfo=%c4%91~&vnp_SecureHash=00"), SECRETS, NOW
        )
    assert caught.value.signed == b"vnp_Amount=100&vnp_OrderInfo=%C4%91%7E&vnp_TxnRef=A+B"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "&",
        "vnp_TxnRef",
        "=1",
        "a=1&&b=2",
        "a=1&a=1",
        "a=1&%61=1",
        "a=%",
        "a=%4",
        "a=%zz",
        "vnp_SecureHash=a&vnp_SecureHash=a",
    ],
)
def test_queries_of_another_form_prove_nothing_and_read_as_nothing(query):
    with pytest.raises(Unproven):
        PROFILE.prove(request(query), SECRETS, NOW)
    with pytest.raises(Unreadable):
        PROFILE.read(request(query))


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
        min_size=1,
        max_size=5,
    )
)
def test_any_parameters_survive_a_round_trip(fields):
    fields = {name: value for name, value in fields.items() if not name.startswith("vnp_SecureHash")} or {"a": "b"}
    made = PROFILE.sign(request(urlencode(fields)), SECRETS, NOW)
    proof = PROFILE.prove(request(made.query), SECRETS, NOW)
    assert made.query.startswith(proof.signed + b"&vnp_SecureHash=")
    # What is sent escaped in any other way is the same event.
    lazily = "&".join(f"{urlencode({name: value}, safe='!*()~')}" for name, value in fields.items())
    again = PROFILE.prove(request(lazily + "&vnp_SecureHash=" + made.query[-128:].decode()), SECRETS, NOW)
    assert again.event_id == proof.event_id


def test_one_event_per_result_of_a_reference():
    failed = {"vnp_ResponseCode": "24", "vnp_TransactionStatus": "02", "vnp_TransactionNo": "0"}
    events = [
        event_id(),
        event_id(**failed),
        event_id(**failed, vnp_PayDate="20261118092000"),
        event_id(vnp_TransactionNo="14996489"),
        event_id(vnp_TransactionStatus="07"),
        event_id(vnp_TxnRef="PC0701091234511126-2"),
    ]
    assert len(set(events)) == len(events)
    assert event_id(**failed) == event_id(**failed)
    # The same event with another amount must meet its first copy, not pass as a new one.
    assert event_id(vnp_Amount="100") == event_id()


@pytest.mark.parametrize(
    "changes", [{"vnp_TxnRef": ""}, {"vnp_TxnRef": "é"}, {"vnp_ResponseCode": ""}, {"vnp_TxnRef": "x" * 200}]
)
def test_a_proven_event_of_another_form_has_an_id_too(changes):
    assert event_id(**changes).startswith("sha256:")
    assert event_id(**changes) == event_id(**changes) != event_id(**changes, vnp_Amount="100")
    with pytest.raises(Unreadable):
        PROFILE.read(signed(**changes))


@pytest.mark.parametrize(
    ("code", "status", "paid"),
    [
        ("00", "00", True),
        ("00", "", True),
        ("00", "01", False),
        ("00", "04", False),
        ("07", "00", False),
        ("24", "02", False),
    ],
)
def test_paid_needs_both_codes(code, status, paid):
    assert PROFILE.read(signed(vnp_ResponseCode=code, vnp_TransactionStatus=status)).paid is paid


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("PC07", "PC07"),
        ("PC07-2", "PC07"),
        ("PC07-120", "PC07"),
        ("PC0701091234511126-2", "PC0701091234511126"),
        ("PC07-2611", "PC07-2611"),
        ("PC07-2-3", "PC07-2"),
        ("PC07-", "PC07-"),
        ("PC07-2A", "PC07-2A"),
    ],
)
def test_the_payment_code_is_the_reference_without_its_attempt(reference, code):
    assert PROFILE.read(signed(vnp_TxnRef=reference)).payment_code == code


@pytest.mark.parametrize("number", ["", "0", "000"])
def test_without_a_number_of_its_own_the_reference_stands_in(number):
    notice = PROFILE.read(signed(vnp_TransactionNo=number))
    assert (notice.source_reference, notice.bank_reference) == ("TxnRef:PC0701091234511126", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vnp_Amount", ""),
        ("vnp_Amount", "0"),
        ("vnp_Amount", "150"),
        ("vnp_Amount", "-100"),
        ("vnp_Amount", "100.00"),
        ("vnp_Amount", "１００"),
        ("vnp_Amount", "1" + "0" * 17),
        ("vnp_TransactionNo", "12a"),
        ("vnp_ResponseCode", "0"),
        ("vnp_TransactionStatus", "000"),
        ("vnp_PayDate", "2026111809150"),
        ("vnp_PayDate", "20260230091500"),
        ("vnp_PayDate", "00010101000000"),
        ("vnp_PayDate", "00000101000000"),
        ("vnp_CurrCode", "USD"),
        ("vnp_OrderInfo", "x" * 256),
        ("vnp_OrderInfo", "a\x1bb"),
        ("vnp_TxnRef", "PC 07"),
    ],
)
def test_fields_are_refused_by_name(name, value):
    with pytest.raises(Unreadable) as caught:
        PROFILE.read(signed(**{name: value}))
    assert caught.value.place == name


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome.ACCEPTED, {"RspCode": "00", "Message": "Confirm Success"}),
        (Outcome.ALREADY_PAID, {"RspCode": "02", "Message": "Order already confirmed"}),
        (Outcome.UNKNOWN_BILL, {"RspCode": "01", "Message": "Order not found"}),
        (Outcome.WRONG_AMOUNT, {"RspCode": "04", "Message": "Invalid amount"}),
        (Outcome.UNPROVEN, {"RspCode": "97", "Message": "Invalid signature"}),
        (Outcome.STALE, {"RspCode": "00", "Message": "Confirm Success"}),
        (Outcome.CONFLICT, {"RspCode": "99", "Message": "Unknown error: why"}),
        (Outcome.UNREADABLE, {"RspCode": "99", "Message": "Unknown error: why"}),
        (Outcome.TOO_LARGE, {"RspCode": "99", "Message": "Unknown error: why"}),
        (Outcome.BUSY, {"RspCode": "99", "Message": "Unknown error: why"}),
    ],
)
def test_answers(outcome, said):
    answer = PROFILE.answer(outcome, "why")
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert json.loads(answer.body) == said
