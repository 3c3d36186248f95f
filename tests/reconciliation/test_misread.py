import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation import misread, references

CUSTOMER, PAYMENT = "PA05000012345", "PA0500001234511126"


def read(*texts: str) -> dict[str, str]:
    """Reading → what was written."""
    found = [one[1:].partition("←") for one in misread.codes_in(*texts) if one.startswith(misread.MARK)]
    told = {code: written for code, sign, written in found if sign}
    assert set(told) == {code for code, sign, _ in found if not sign}
    return told


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("tien dien PA 05000012345 thang 11", CUSTOMER),
        ("tien dien PA05 0000 12345 cam on", CUSTOMER),
        ("PA.0500.0012.345", CUSTOMER),
        ("kh PA-05-000-012-345", CUSTOMER),
        ("PA05OOO0I2345 tra tien", CUSTOMER),
        ("PAo5oooo12345", CUSTOMER),
        ("pa05000012345112026 ", ""),
        ("PA0500001\n2345", CUSTOMER),
        ("tien dien KHPA0500\n0012345thang 11", CUSTOMER),
        ("HD26\n11-0000123", "HD2611-0000123"),
        ("PA05-00-0012-345 170.000d", CUSTOMER),
        ("pa-0500-0012345-11126 170.000d", PAYMENT),
        ("HD2611/0000123-21036567", "HD2611-0000123"),
        ("PA05000012345 11126", PAYMENT),
        ("PA 0500 0012 345 11/2026", CUSTOMER),
        ("PA 0500 0012 345 11 2026", CUSTOMER),
        ("TIENDIENPA05OOO0I2345T11", CUSTOMER),
        ("HD2611-OOOO123", "HD2611-0000123"),
        ("HD2611 0000123", "HD2611-0000123"),
    ],
)
def test_what_a_code_may_have_been_is_found_with_what_was_written(written: str, code: str) -> None:
    found = read(written)
    assert (code in found) == bool(code)
    assert not code or found[code] in written.upper().replace("\n", "")


@pytest.mark.parametrize(
    "written",
    [
        "PA 0912345678 1", "PA 0912 345 678 1", "PA 84912345678", "pho 0912345678", "SAPA 05000012345",
        "PA0500001 234", "PA050000123 11 kwh", "PA05000012 100.000d", "PA05000012 345kwh", "PA0500001 2026 ",
        "PA050000123451 ky", "STK 05000012345", "PA 190026112233 tien dien", "PHOI LOI OI 123", "",
    ],
)  # fmt: skip
def test_what_lacks_or_has_too_many_digits_or_may_be_a_phone_number_is_no_code(written: str) -> None:
    assert read(written) == {}


def test_what_stands_beside_a_plain_code_is_read_as_well() -> None:
    assert read(PAYMENT) == read(f"tt {PAYMENT} 0912345678") == {}
    assert read(f"{PAYMENT} PB 05000012346") == {"PB05000012346": "PB 05000012346"}


@pytest.mark.parametrize(
    "written",
    [
        "PA05 0000 12345 0912345678",
        "PA 0500 0012 345 0912 345 678",
        "HD2611 0912345678",
        "HD2611/0000123 0912345678",
        "CT\n0912345678",
        "HD2611\n0912345678",
        "tt 0912345678\nCT",
    ],
)
def test_what_stands_beside_a_code_is_not_kept(written: str) -> None:
    assert "5678" not in "".join(misread.codes_in(written))
    assert "345 678" not in "".join(misread.codes_in(written))


@given(st.text(alphabet="PABO0123456789lI|. -\n/ăđĐ", max_size=60))
def test_readings_are_the_same_in_every_unicode_form_and_never_digits_alone(written: str) -> None:
    found = misread.codes_in(written)
    assert misread.codes_in(unicodedata.normalize("NFD", written)) == found
    for code in read(written):
        assert code[:2].isalpha()
        assert len(code) <= 32


OURS = [code.replace("A", letter) for code in (PAYMENT, CUSTOMER) for letter in "ALOP"]
BESIDE = ["TT", "P", "PL", "HOI", "O", "I|L", "/", "-", ".", "_", "", "\u00a0", "\n", "ĐIỆN", "HD", "7"]
TEXTS = st.lists(st.sampled_from(OURS + BESIDE), max_size=5)


@given(st.lists(st.builds(str.join, st.sampled_from([" ", " ", "", "."]), TEXTS), min_size=1, max_size=3))
def test_the_short_way_finds_what_the_long_way_finds(texts: list[str]) -> None:
    folded = [references.fold(one) for one in texts if any(map(str.isdigit, one))]
    assert misread.codes_in(*texts) == misread._at_length(folded)


def test_the_short_way_is_that_of_most_texts() -> None:
    assert misread._usual([f"TT TIEN DIEN {PAYMENT} CAM ON", CUSTOMER]) == [PAYMENT, CUSTOMER]
    for other in (f"{PAYMENT} 1", f"X{PAYMENT}", f"{PAYMENT}\n", f"{PAYMENT}-A", f"{CUSTOMER} {CUSTOMER}", "HD2611"):
        assert misread._usual([PAYMENT, other]) is None
