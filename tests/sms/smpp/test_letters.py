"""Letters: a text as parts with the header that joins them, and what their words make of the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpplib import smpp
from smpplib.client import SimpleSequenceGenerator

from sms import encoding
from sms.smpp.letters import Letter, References, parts_of
from sms.transport import Accepted, OutgoingSms, Refused, Unsure

NUMBER = "+84912345678"
NO = Refused("not now", permanent=False)


def a_letter(parts: int) -> Letter:
    text = "x" * (153 * parts if parts > 1 else 100)
    return Letter(OutgoingSms("1", NUMBER, text, "DIENLUC"), parts_of(text, NUMBER, References()), 60)


@given(st.text(st.sampled_from("abc €[đấ😀"), min_size=1, max_size=500))
def test_parts_fit_and_join_to_the_text(text: str) -> None:
    parts = parts_of(text, NUMBER, References())
    alphabet = encoding.choose(text)
    assert all(len(part.octets) <= (160 if alphabet is encoding.Encoding.GSM7 else 140) for part in parts)
    assert len(parts) == encoding.measure(text).parts
    head = 6 if len(parts) > 1 else 0
    assert b"".join(part.octets[head:] for part in parts) == encoding.octets(text, alphabet)
    assert {part.data_coding for part in parts} == {0 if alphabet is encoding.Encoding.GSM7 else 8}
    if head:
        assert [(*part.octets[:3], *part.octets[4:6]) for part in parts] == [
            (5, 0, 3, len(parts), place) for place in range(1, len(parts) + 1)
        ]
        assert len({part.octets[3] for part in parts}) == 1


@pytest.mark.parametrize("text", ["", "x" * 153 * 256])
def test_a_text_that_no_phone_could_join_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a text of 1 to 255 parts, got (0|256)"):
        parts_of(text, NUMBER, References())


def test_each_number_counts_for_itself_and_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sms.smpp.letters._REMEMBERED", 2)
    references = References()
    first = references.next("a")
    other = references.next("b")
    assert references.next("a") == (first + 1) % 256
    assert references.next("b") == (other + 1) % 256
    references.next("c")
    assert [*references._last] == ["b", "c"]


def test_a_refusal_ends_what_has_not_left_and_silence_does_not() -> None:
    letter = a_letter(3)
    letter.answered(Unsure("no answer"))
    assert (letter.is_done, letter.may_have_left) == (False, True)
    letter.answered(NO)
    assert letter.words[1:] == [NO, NO]
    assert letter.is_done


def test_a_refused_first_part_left_nothing() -> None:
    letter = a_letter(2)
    letter.answered(NO)
    assert (letter.is_done, letter.may_have_left, letter.words) == (True, False, [NO, NO])
    taken = a_letter(1)
    taken.answered(Accepted("1"))
    assert taken.is_done
    assert taken.may_have_left


@pytest.mark.parametrize(("source", "ton", "npi"), [("DIENLUC", 5, 0), ("19001000", 0, 1)])
def test_the_sender_is_a_name_or_a_short_number(source: str, ton: int, npi: int) -> None:
    told = smpp.parse_pdu(a_letter(1).submit(7, source), client=SimpleSequenceGenerator())
    assert (told.sequence, told.source_addr_ton, told.source_addr_npi) == (7, ton, npi)
    assert (told.destination_addr, told.dest_addr_ton, told.dest_addr_npi) == (b"84912345678", 1, 1)
