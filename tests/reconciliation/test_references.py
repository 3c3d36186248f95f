import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation import references
from reconciliation.sealing import is_number

CUSTOMER, PAYMENT = "PA00000000001", "PA0000000000111126"
WRITTEN = st.lists(
    st.one_of(
        st.text(max_size=12), st.text(alphabet="0123456789", max_size=20),
        st.sampled_from([CUSTOMER, PAYMENT, "HD-2026/0001", "Đường số 1234", "tiền điện", "STK190026112233"]),
    ),
    max_size=5,
).map(" ".join)  # fmt: skip


@given(WRITTEN)
def test_digits_alone_are_never_a_code(text: str) -> None:
    for code in references.extract(text):
        assert any(map(str.isalpha, code))
        assert not is_number(code)
        assert len(code) <= references.MAX_LENGTH


@given(WRITTEN)
def test_the_same_codes_in_every_unicode_form_and_case(text: str) -> None:
    found = references.extract(text)
    for form in ("NFC", "NFD"):
        assert references.extract(unicodedata.normalize(form, text)) == found
    if text.lower().upper() == text.upper():
        assert references.extract(text.lower()) == found


@given(WRITTEN)
def test_extracting_again_from_the_codes_finds_them_again(text: str) -> None:
    found = references.extract(text)
    if len(found) < references.MAX_CODES:
        assert set(references.extract(" ".join(found))) == set(found)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (f"tt {PAYMENT} cam on", [PAYMENT, CUSTOMER]),
        (f"TIENDIEN{CUSTOMER}T11", [f"TIENDIEN{CUSTOMER}T11", CUSTOMER]),
        ("hd2026/0001-a", ["HD2026/0001-A"]),
        ("0912345678 100000", []),
        ("so 12 ngo 34", []),
        ("", []),
    ],
)
def test_what_is_found(text: str, codes: list[str]) -> None:
    assert references.extract(text) == codes


def test_a_list_is_cut() -> None:
    assert len(references.extract(" ".join(f"HD{n:06}" for n in range(200)))) == references.MAX_CODES
