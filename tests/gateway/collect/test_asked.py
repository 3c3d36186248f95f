"""What a call asks, read strictly: each mistake is named with its field, and damaged calls crash and book nothing."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from banks.errors import Unreadable
from gateway.admin import words
from gateway.collect import answers, asked
from tests.gateway.collect.conftest import a_payment
from tests.gateway.samples import a_bill

NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)


def told(read, content: dict[str, object] | bytes) -> tuple[str, str, str]:
    """Return (where, expected, got) as a bank hears it."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(Unreadable) as refusal:
        read(body)
    said = json.loads(answers.unreadable(refusal.value, "en").body)
    assert said["code"] == "unreadable"
    return said["where"], said["expected"], said["got"]


def paying(body: bytes):
    return asked.paying(body, NOW)


def test_a_payment_is_read():
    read = paying(json.dumps(a_payment(channel="qr")).encode())
    assert (read.reference, read.named_by, read.bill, read.minor, read.channel) == (
        "R1", "payment_code", "PA0000000000111126", 100_000, "qr",
    )  # fmt: skip
    assert read.paid_at == NOW - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("change", "where", "expected"),
    [
        ({"reference": None}, "reference", "a text"),
        ({"reference": ""}, "reference", "a text"),
        ({"reference": 7}, "reference", "a text"),
        ({"reference": "a b"}, "reference", "1 to 64 visible"),
        ({"reference": "x" * 65}, "reference", "1 to 64 visible"),
        ({"reference": "line:7"}, "reference", "1 to 64 visible"),
        ({"reference": "é"}, "reference", "1 to 64 visible"),
        ({"payment_code": None}, "payment_code", "one of payment_code and bill_number"),
        ({"bill_number": "HD1"}, "payment_code", "one of payment_code and bill_number"),
        ({"payment_code": "pa1"}, "payment_code", "3 to 32 capital letters"),
        ({"payment_code": ["PA1"]}, "payment_code", "a text"),
        ({"amount": None}, "amount", "a whole number"),
        ({"amount": "100000"}, "amount", "a whole number"),
        ({"amount": True}, "amount", "a whole number"),
        ({"amount": 0}, "amount", "1 to"),
        ({"amount": -1}, "amount", "1 to"),
        ({"amount": 10**15}, "amount", "1 to"),
        ({"paid_at": None}, "paid_at", "a moment"),
        ({"paid_at": "18/11/2026"}, "paid_at", "a moment"),
        ({"paid_at": "2026-13-18T00:00:00Z"}, "paid_at", "a moment"),
        ({"paid_at": 1}, "paid_at", "a text"),
        ({"paid_at": "2026-11-18T09:05:01+07:00"}, "paid_at", "a moment of the last 3 days"),
        ({"paid_at": "2026-11-15T08:59:59+07:00"}, "paid_at", "a moment of the last 3 days"),
        ({"paid_at": "0001-01-01T00:00:00+07:00"}, "paid_at", "a moment"),
        ({"channel": "pigeon"}, "channel", "one of counter"),
        ({"way": "qr"}, "'way'", "only reference"),
    ],
)
def test_a_payment_that_is_not_as_described_is_named_by_its_field(change, where, expected):
    said = told(paying, a_payment(**change))
    assert said[0] == where
    assert said[1].startswith(expected)


@pytest.mark.parametrize("moment", ["2026-11-18T09:05:00+07:00", "2026-11-18 09:00:00", "2026-11-15T09:00:00+07:00"])
def test_a_moment_may_be_five_minutes_ahead_three_days_old_and_local(moment):
    assert paying(json.dumps(a_payment(paid_at=moment)).encode()).paid_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("read", "content", "where"),
    [
        (asked.customer_code, {}, "customer_code"), (asked.customer_code, {"customer_code": "P 1"}, "customer_code"),
        (asked.customer_code, {"customer_code": "PA1", "all": True}, "'all'"),
        (asked.reversing, {"reference": "R1"}, "reason"), (asked.reversing, {"reason": "other"}, "reference"),
        (asked.reversing, {"reference": "R1", "reason": "Nguyen Van A"}, "reason"),
        (asked.reference, {"reference": None}, "reference"),
    ],
)  # fmt: skip
def test_the_other_calls_are_read_as_strictly(read, content, where):
    assert told(read, content)[0] == where


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b'{"reference":1.5}',
        b'{"reference":"R1","reference":"R2"}',
        b"{" * 40,
        b'{"a":NaN}',
        b'{"reference":"\\u0000"}',
        b'{"reference":"\\ud800"}',
    ],
)
def test_what_is_no_plain_json_object_is_told_so(body):
    _, expected, _got = told(asked.reference, body)
    assert expected


def test_every_reason_a_bank_may_give_has_its_words_on_the_pages():
    assert {f"the bank took it back: {reason}" for reason in asked.REASONS} <= set(words.REASONS)


WHOLE = json.dumps(a_payment()).encode()
DAMAGE = st.one_of(
    st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, len(WHOLE)), st.binary(max_size=6)).map(
        lambda cut: WHOLE[: cut[0]] + cut[2] + WHOLE[cut[1] :]
    ),
    st.binary(max_size=60),
    st.dictionaries(
        st.sampled_from(["reference", "payment_code", "bill_number", "amount", "paid_at", "channel", "reason", "x"]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.lists(st.integers(), max_size=2)),
    ).map(lambda fields: json.dumps({**a_payment(), **fields}).encode()),
)


@pytest.fixture
def taken(sound):
    """What the bank has been told was taken, by its reference; the books are proven at the end."""
    return {}


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(verb=st.sampled_from(["inquiry", "pay", "reverse", "status"]), body=DAMAGE)
def test_damaged_calls_crash_nothing_and_book_nothing_but_what_was_answered(verb, body, teller, issue, rows, taken):
    if not taken:
        issue(a_bill())
        taken["bill"] = None
    status, said = teller.ask(verb, body=body)
    assert status < 500
    if status == 200 and verb == "pay":
        assert said["amount"] == json.loads(body)["amount"] == 100_000
        taken[said["reference"]] = "reported"
    if status == 200 and verb == "reverse":
        taken[said["reference"]] = "denied"
    booked = dict(rows("SELECT source_reference, state FROM payments"))
    assert booked == {name: state for name, state in taken.items() if state}


def test_a_call_with_the_right_form_is_taken_by_the_same_road(teller, issue, sound):
    issue(a_bill())
    assert teller.ask("pay", body=WHOLE)[0] == 200
