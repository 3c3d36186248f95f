"""Framing: whatever the network does to a stream of PDUs, the same PDUs come out."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.smpp.framing import MOST, Frames, OutOfStep


def a_pdu(body: bytes) -> bytes:
    return (16 + len(body)).to_bytes(4) + b"\0\0\0\x05" + bytes(8) + body


@given(bodies=st.lists(st.binary(max_size=60), max_size=8), cuts=st.lists(st.integers(0, 600), max_size=30))
def test_any_cut_gives_the_same_pdus(bodies: list[bytes], cuts: list[int]) -> None:
    pdus = [a_pdu(body) for body in bodies]
    stream = b"".join(pdus)
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    frames = Frames()
    found = [one for start, end in pairwise(places) for one in frames.feed(stream[start:end])]
    assert found == pdus


@pytest.mark.parametrize("length", [0, 15, MOST + 1, 0xFFFFFFFF])
def test_an_impossible_length_is_said(length: int) -> None:
    with pytest.raises(OutOfStep, match=f"got a length of {length}"):
        Frames().feed(length.to_bytes(4) + b"rest")
