"""Mobile numbers in every form people write, the 2018 renumbering, and what can't be reached."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.numbers import Unreachable, carrier_hint, mask, to_e164

RENUMBERED = """
    0120→070 0121→079 0122→077 0126→076 0128→078 0123→083 0124→084 0125→085 0127→081 0129→082 0162→032 0163→033
    0164→034 0165→035 0166→036 0167→037 0168→038 0169→039 0186→056 0188→058 0199→059
""".split()


@pytest.mark.parametrize(
    "written",
    "0912345678|84912345678|+84912345678|0084912345678|091 234 5678|0912.345.678|0912-345-678|+84 (0) 912 345 678"
    "|\t0912\u00a0345\u00a0678 |+84 91-234.56.78".split("|"),
)
def test_all_forms_become_one(written: str) -> None:
    assert to_e164(written) == "+84912345678"


@pytest.mark.parametrize("move", RENUMBERED)
@pytest.mark.parametrize("prefix", ["0", "84", "+84", "0084"])
def test_the_old_eleven_digits_are_renumbered(move: str, prefix: str) -> None:
    old, new = move.split("→")
    assert to_e164(f"{prefix}{old[1:]}1234567") == f"+84{new[1:]}1234567"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "forms"),
        ("unknown", "forms"),
        ("912345678", "forms"),
        ("+66812345678", "forms"),
        ("19006769", "forms"),
        ("0912345678/0987654321", "forms"),
        ("٠٩١٢٣٤٥٦٧٨", "forms"),
        ("091234567", "plan"),
        ("09123456789", "plan"),
        ("01871234567", "plan"),  # never was a mobile prefix
        ("0501234567", "plan"),
        ("02431234567", "landline"),
        ("0140123456", "machine"),
    ],
)
def test_what_cannot_be_reached_says_why(written: str, why: str) -> None:
    with pytest.raises(Unreachable, match=why) as caught:
        to_e164(written)
    assert "expected a Vietnamese mobile number" in str(caught.value)
    if len(written) > 3:
        assert written not in str(caught.value)


def test_an_error_shows_three_digits_only() -> None:
    with pytest.raises(Unreachable) as caught:
        to_e164("0243 123 4567")
    assert "567" in str(caught.value)
    assert "4567" not in str(caught.value)


@given(st.text(max_size=20) | st.from_regex(r"\+?[0-9 .\-]{6,16}", fullmatch=True))
def test_any_text_is_a_stable_number_or_unreachable(written: str) -> None:
    try:
        number = to_e164(written)
    except Unreachable:
        return
    assert number.startswith("+84")
    assert len(number) == 12
    assert to_e164(number) == number


@pytest.mark.parametrize(
    ("number", "carrier"),
    [("+84912345678", "Vinaphone"), ("+84321234567", "Viettel"), ("+84701234567", "MobiFone"), ("+84501234567", "")],
)
def test_the_carrier_is_a_hint_from_the_prefix(number: str, carrier: str) -> None:
    assert carrier_hint(number).casefold() == carrier.casefold()


@pytest.mark.parametrize(
    ("number", "masked"),
    [("+84912345678", "*********678"), ("5678", "*678"), ("678", "***"), ("", ""), ("9" * 500, "*********999")],
)
def test_masking_leaves_three(number: str, masked: str) -> None:
    assert mask(number) == masked
