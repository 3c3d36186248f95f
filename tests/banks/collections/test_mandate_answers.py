"""Banks' answers on mandates: read row by row, each fault with its place, whatever the pieces the bytes come in."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banks.collections.mandate_answers import read, recognise
from banks.errors import Unreadable
from banks.records import MandateAnswer, MandateAnswersOpened

FILE = '\ufeffanswer;reference;reason\r\nconfirmed;UQ1;\r\n\r\nRefused;UQ2;"AC04; đóng"\r\nended;UQ3'.encode()


def test_answers_are_read_with_their_places() -> None:
    assert recognise(FILE)
    assert list(read(io.BytesIO(FILE))) == [
        MandateAnswersOpened("mandate_answers"),
        MandateAnswer("line 2", "UQ1", "confirmed"),
        MandateAnswer("line 4", "UQ2", "refused", "AC04; đóng"),
        MandateAnswer("line 5", "UQ3", "ended"),
    ]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("UQ1,maybe", "answer: expected confirmed, refused, ended, got 'maybe'"),
        ("UQ 1,ended", "reference: expected 1 to 35 letters without accents, digits, - / _ ., got 'UQ 1'"),
        ("UQ1,ended,x,y", "expected 2 values, got 4"),
        (",ended", "reference: expected 1 to 35 letters without accents, digits, - / _ ., got ''"),
    ],
)
def test_a_row_that_can_not_be_read_says_why_and_those_after_it_are_read(row: str, fault: str) -> None:
    found = list(read(io.BytesIO(f"reference,answer\n{row}\nUQ2,ended\n".encode())))[1:]
    assert [one.fault for one in found if isinstance(one, MandateAnswer)] == [fault, ""]


@pytest.mark.parametrize("head", [b"", b"reference,amount\n", b"\xff\xfe", b"answer,answer,reference\n", b"answer"])
def test_another_table_is_none_of_these(head: bytes) -> None:
    assert not recognise(head)
    with pytest.raises(Unreadable, match=r"^line 1: expected"):
        list(read(io.BytesIO(head)))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"UQ1,\xff\n", "line 2: expected UTF-8"),
        (b'"UQ1,ended', "line 2: not CSV"),
        (b"x" * 70_000, "a longer one"),
    ],
)
def test_what_is_no_table_any_more_is_named_with_its_place(body: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        list(read(io.BytesIO(b"reference,answer\n" + body)))


class Dripping:
    """Gives a few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = io.BytesIO(data), size

    def read(self, size: int = -1, /) -> bytes:
        return self.data.read(self.size)


@given(st.integers(1, 40))
def test_the_pieces_make_no_difference(size: int) -> None:
    assert list(read(Dripping(FILE, size))) == list(read(io.BytesIO(FILE)))
