from datetime import timedelta

import pytest

from banks.errors import Unreadable
from banks.money import MAX_MINOR
from tests.banks.declarations import SAID, declared, post


def read(changes, said):
    return declared(changes).read(post({**SAID, **said} if isinstance(said, dict) else said))


def refused(changes, said):
    with pytest.raises(Unreadable) as caught:
        read(changes, said)
    return caught.value.place


@pytest.mark.parametrize(
    ("notice", "written", "minor"),
    [
        ({}, "844960", 844960),
        ({"amount_times": 100}, "84496000", 844960),
        ({"amount_is": "number"}, 844960, 844960),
        ({"amount_is": "number", "amount_times": 100}, 84496000, 844960),
        ({"amount_is": "either"}, 844960, 844960),
        ({"amount_is": "either"}, "844960", 844960),
        ({"amount_is": "decimal"}, "844960.00", 844960),
        ({"amount_is": "decimal", "currency": "USD"}, "12.5", 1250),
        ({}, str(MAX_MINOR - 1), MAX_MINOR - 1),
    ],
)
def test_an_amount_is_read_as_declared(notice, written, minor):
    told = read({f"notice/{key}": value for key, value in notice.items()}, {"sum": written})
    assert (told.amount.minor, told.amount.currency) == (minor, notice.get("currency", "VND"))


@pytest.mark.parametrize("written", ["number", "text", "either", "decimal"])
@pytest.mark.parametrize(
    "value",
    [None, "", 0, "0", -1, "-1", "01", 1.5, "1.5", "1,000", "1 000", "１", "1e3", True, "x", MAX_MINOR, str(MAX_MINOR),
     10**17, "9" * 18, "\n1"],
)  # fmt: skip
def test_an_amount_of_any_other_form_is_unreadable(written, value):
    if written == "decimal" and value == "01":
        return  # a leading zero is no other amount, and decimals are read by their digits
    assert refused({"notice/amount_is": written}, {"sum": value}) == "sum"


@pytest.mark.parametrize(
    ("written", "value", "reason"),
    [
        ("number", "844960", "expected a whole number, got '844960'"),
        ("text", 844960, "expected a text of 1 to 17 digits, got the number 844960"),
        ("decimal", 844960, "expected a text such as '844960.00', got the number 844960"),
        ("either", True, "expected 1 to 17 digits, got 'True'"),
    ],
)
def test_a_number_is_no_text_and_a_text_no_number(written, value, reason):
    with pytest.raises(Unreadable) as caught:
        read({"notice/amount_is": written}, {"sum": value})
    assert (caught.value.place, caught.value.reason) == ("sum", reason)


@pytest.mark.parametrize("body", [b'{"ref": "R", "sum": 8e5}', b'{"ref": "R", "sum": 844960.0}'])
@pytest.mark.parametrize("written", ["number", "text", "either", "decimal"])
def test_no_float_is_money(written, body):
    assert refused({"notice/amount_is": written}, body) == "sum"


def test_hundredths_must_be_whole():
    assert refused({"notice/amount_times": 100}, {"sum": "84496050"}) == "sum"


def test_money_moved_when_every_condition_holds():
    changes = {"notice/paid_when": {"id": ["E1", "E2"], "code": ["1"]}}
    told = {
        (one, other): read(changes, {"id": one, "code": other}).paid for one in "E1 E2 E3".split() for other in "12"
    }
    assert told == {key: key[0] != "E3" and key[1] == "1" for key in told}
    assert read(changes, {"id": "E1", "code": 1}).paid, "a number is compared as it was sent"
    assert not read(changes, {"id": "E1", "code": None}).paid


def test_the_currency_may_stand_in_a_field():
    changes = {"notice/currency_field": "cur", "signature/covers": ["id", "ref", "sum", "code", "cur"]}
    assert read(changes, {"cur": "USD"}).amount.currency == "USD"
    for wrong in ("", "usd", "USDT", None, {"a": 1}):
        assert refused(changes, {"cur": wrong}) == "cur"


def test_texts_have_a_length_and_no_control_characters():
    names = "customer_code end_to_end_id bank_reference narrative payer_account".split()
    changes = {f"notice/{name}": name for name in names}
    changes["signature/covers"] = ["id", "ref", "sum", "code", *names]
    told = read(changes, {name: f"the {name}" for name in names})
    assert [getattr(told, name) for name in names] == [f"the {name}" for name in names]
    assert read(changes, {}).bank_reference == SAID["ref"], "the reference where the bank names no other"
    for name in names:
        for wrong in ("x" * 501, "a\x1bb", ["x"]):
            assert refused(changes, {name: wrong}) == name
    for wrong in ("", None, "x" * 65, "a b", "đ", "a\x00"):
        assert refused(changes, {"ref": wrong}) == "ref"


def test_a_failed_attempt_says_why_and_a_payment_has_nothing_to_say():
    changes = {
        "notice/failure_code": "why", "notice/paid_when": {"why": ["00"]},
        "signature/covers": ["id", "ref", "sum", "code", "why"],
    }  # fmt: skip
    failed, paid = read(changes, {"why": "51"}), read(changes, {"why": "00"})
    assert (failed.paid, failed.failure_code) == (False, "51")
    assert (paid.paid, paid.failure_code) == (True, "")
    assert refused(changes, {"why": "x" * 36}) == "why"


def test_a_moment_is_of_these_years():
    changes = {
        "notice/paid_at": "when", "notice/paid_at_format": "%Y%m%d%H%M%S",
        "signature/covers": ["id", "ref", "sum", "code", "when"],
    }  # fmt: skip
    assert read(changes, {"when": "20261118091500"}).paid_at.isoformat() == "2026-11-18T02:15:00+00:00"
    assert read(changes, {"when": "20231201000000"}).paid_at.utcoffset() == timedelta(0)
    for wrong in ("12026111809150", "20231001000000", "20261121000000", "", None):
        assert refused(changes, {"when": wrong}) == "when"
