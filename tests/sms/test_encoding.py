"""Encodings against an independent codec, hand-counted cases of the standard, and properties of any text."""

from itertools import pairwise

import gsm0338  # type: ignore[import-untyped]  # the wheel carries no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.encoding import Encoding, Measured, choose, measure, octets, split, strip_diacritics

CODEC = gsm0338.Codec()
GSM_TEXT = st.text(alphabet="aZ09 @£à€^{}[]~\\|\n", max_size=400)
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200)


def codec_bytes(sign: str) -> bytes | None:
    try:
        return bytes(CODEC.encode(sign)[0])
    except UnicodeError:
        return None


def test_every_sign_of_the_basic_plane_agrees_with_an_independent_codec() -> None:
    known = 0
    for code in range(0x10000):
        sign = chr(code)
        if 0xD800 <= code < 0xE000 or sign == "\x1b":  # the bare escape is no sign
            continue
        expected = codec_bytes(sign)
        assert (choose(sign) is Encoding.GSM7) == (expected is not None), hex(code)
        if expected is not None:
            known += 1
            assert octets(sign, Encoding.GSM7) == expected
    assert known == 127 + 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Measured(Encoding.GSM7, 0, 0)),
        ("a" * 160, Measured(Encoding.GSM7, 160, 1)),
        ("a" * 161, Measured(Encoding.GSM7, 161, 2)),
        ("a" * 306, Measured(Encoding.GSM7, 306, 2)),
        ("a" * 307, Measured(Encoding.GSM7, 307, 3)),
        ("€" * 80, Measured(Encoding.GSM7, 160, 1)),
        ("a" * 159 + "€", Measured(Encoding.GSM7, 161, 2)),
        # 152 + an escaped sign does not fit 153: the sign moves on, and 153 more no longer fit the second part.
        ("a" * 152 + "€" + "a" * 151, Measured(Encoding.GSM7, 305, 2)),
        ("a" * 152 + "€" + "a" * 152, Measured(Encoding.GSM7, 306, 3)),
        ("đ" * 70, Measured(Encoding.UCS2, 70, 1)),
        ("đ" * 71, Measured(Encoding.UCS2, 71, 2)),
        ("đ" * 134, Measured(Encoding.UCS2, 134, 2)),
        ("đ" * 135, Measured(Encoding.UCS2, 135, 3)),
        ("😀" * 35, Measured(Encoding.UCS2, 70, 1)),
        ("đ" * 66 + "😀" + "đ" * 65, Measured(Encoding.UCS2, 133, 2)),
        ("đ" * 66 + "😀" + "đ" * 66, Measured(Encoding.UCS2, 134, 3)),
    ],
)
def test_parts_as_counted_by_hand(text: str, expected: Measured) -> None:
    assert measure(text) == expected
    assert len(split(text)) == expected.parts


def test_an_escaped_sign_moves_to_the_next_part_whole() -> None:
    assert split("a" * 152 + "€" + "b" * 20) == ["a" * 152, "€" + "b" * 20]


def test_a_surrogate_pair_moves_to_the_next_part_whole() -> None:
    assert split("đ" * 66 + "😀" + "b" * 20) == ["đ" * 66, "😀" + "b" * 20]


@given(GSM_TEXT | ANY_TEXT)
def test_parts_join_to_the_text_and_each_fits_its_frame(text: str) -> None:
    measured, parts = measure(text), split(text)
    assert "".join(parts) == text
    assert len(parts) == measured.parts
    frame = 140 if measured.parts <= 1 else 134
    for part in parts:
        size = len(octets(part, measured.encoding))
        assert (size * 7 + 7) // 8 <= frame if measured.encoding is Encoding.GSM7 else size <= frame
    total = len(octets(text, measured.encoding))
    assert measured.units == (total if measured.encoding is Encoding.GSM7 else total // 2)


@given(GSM_TEXT | ANY_TEXT)
def test_no_part_had_room_for_the_next_sign(text: str) -> None:
    parts, encoding = split(text), choose(text)
    limit = 153 if encoding is Encoding.GSM7 else 134
    for part, following in pairwise(parts):
        assert len(octets(part + following[0], encoding)) > limit


def test_octets_name_the_sign_that_gsm7_lacks() -> None:
    with pytest.raises(UnicodeEncodeError, match=r"position 1.*GSM-7"):
        octets("ađ", Encoding.GSM7)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Điện lực Hà Nội, trích nợ", "Dien luc Ha Noi, trich no"),
        ("Đ" + "ie\u0323\u0302n", "Dien"),  # the same letters, decomposed
        ("ẮẰẲẴẶẤẦẨẪẬ ứừửữự ýỳỷỹỵ ớờởỡợ", "AAAAAAAAAA uuuuu yyyyy ooooo"),
        ("Ðường ðó", "Duong do"),  # eth, as old files write đ
        ("“a” ‘b’ – … 844.960\u00a0₫", "\"a\" 'b' - ... 844.960 d"),
        ("a\u200bb\ufeff", "ab"),
    ],
)
def test_diacritics_come_off(text: str, plain: str) -> None:
    assert strip_diacritics(text) == plain


@given(st.text(alphabet="aăâeêioôơuưyđ" + "\u0300\u0301\u0303\u0309\u0323" + "ÀẢÃÁẠĐ 09.,:", max_size=100))
def test_vietnamese_without_diacritics_is_plain_ascii(text: str) -> None:
    assert strip_diacritics(text).isascii()


@given(ANY_TEXT)
def test_taking_diacritics_off_twice_changes_nothing(text: str) -> None:
    once = strip_diacritics(text)
    assert strip_diacritics(once) == once
