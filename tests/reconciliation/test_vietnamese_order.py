"""The Vietnamese alphabet: đ after d, ă and â after a, tones only between names of the same letters."""

import random
import unicodedata

import pytest

from reconciliation.vietnamese_order import place

ORDER = (
    "", "2", "An Lão", "Ăn Thịnh", "Ân Thi", "Ba Vì", "Dĩ An", "Duy Xuyên", "Đà Nẵng", "Đồng Nai", "Ea Kar", "Ha",
    "Hà", "Hả", "Hã", "Há", "Hạ", "Hà Nội", "Hồ Sen", "Hội An", "Ninh", "O", "Ô Môn", "Ơ", "U Minh", "Ứng Hòa", "Vinh",
    "Ωmega",
)  # fmt: skip


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_stand_as_in_a_vietnamese_dictionary(form: str) -> None:
    wanted = [unicodedata.normalize(form, one) for one in ORDER]
    mixed = random.Random(3).sample(wanted, len(wanted))
    assert sorted(mixed, key=place) == wanted
    assert sorted(mixed) != wanted
