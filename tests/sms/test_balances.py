"""Balances as carriers write them: exact, rounded down, and what is odd is not told."""

import pytest

from sms import balances
from sms.balances import MOST, NotTold


def told(written: str) -> int:
    return balances.whole_dong(balances.content(f'{{"left": {written}}}'.encode())["left"], "left")


@pytest.mark.parametrize(
    ("written", "dong"),
    [
        ("53380", 53380),
        ("53380.0", 53380),
        ("53380.999999999999999999999", 53380),
        ("5.338E4", 53380),
        ("240.000", 240),
        ("0", 0),
        ("-0.5", -1),
        ("-1200", -1200),
        ("1e-999999999", 0),
        ("999999999999999.99", MOST - 1),
        ('"53380"', 53380),
        ('" 53380.75 "', 53380),
        ('"240,000.5"', 240_000),
        ('"240,000"', 240_000),
        ('"1,240,000.125"', 1_240_000),
        ('"1240.500"', 1240),
        ('"0.500"', 0),
        ('"240.50"', 240),
        ('"-240,000.5"', -240_001),
    ],
)
def test_an_amount_is_exact_and_rounded_down(written: str, dong: int) -> None:
    found = told(written)
    assert (found, type(found)) == (dong, int)


def test_no_amount_passes_through_a_float() -> None:
    assert told("900719925474099.3") == 900719925474099
    assert told('"900719925474099.3"') == 900719925474099
    assert told("123456789012345.99999") == 123456789012345, "a float would round it up"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("true", "expected an amount, got true or false"),
        ("null", "got nothing"),
        ("[5]", "got a list"),
        ("{}", "got a table"),
        ('""', "a text that is none"),
        ('"unlimited"', "a text that is none"),
        ('"53380 VND"', "a text that is none"),
        ('"240,5"', "a text that is none"),
        ('"24,00,000"', "a text that is none"),
        ('"1.240.000"', "a text that is none"),
        ('"٥٣"', "a text that is none"),
        ('"5e4"', "a text that is none"),
        ('"240.000"', "read one way only"),
        (str(MOST), "below"),
        (f"-{MOST}", "below"),
        ("1e15", "below"),
        ("1e999999", "below"),
    ],
)
def test_what_is_odd_is_not_told(written: str, why: str) -> None:
    with pytest.raises(NotTold, match=f"left: .*{why}"):
        told(written)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"53380", b"[1]", b'{"left": NaN}', b'{"left": 1e99999999999999999999}', b"[" * 60_000,
     b'{"left": ' + b"9" * 5000 + b"}", b"\xff"],
    ids=lambda body: repr(body[:30]),
)  # fmt: skip
def test_an_answer_that_is_no_object_is_not_told_and_not_repeated(body: bytes) -> None:
    with pytest.raises(NotTold, match="expected a JSON object") as caught:
        balances.content(body)
    assert "html" not in str(caught.value)
