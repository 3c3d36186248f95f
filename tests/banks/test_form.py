import pytest

from banks.errors import Unreadable
from banks.form import Pair, read_pairs


def test_pairs_keep_their_bytes_and_their_escaping():
    assert read_pairs(b"a=1&b%20c=%C4%91+d&e=") == [
        Pair(b"a", b"1", b"a=1"),
        Pair(b"b c", "đ d".encode(), b"b%20c=%C4%91+d"),
        Pair(b"e", b"", b"e="),
    ]


@pytest.mark.parametrize(
    ("raw", "place", "reason"),
    [
        (b"", "parameter 1", "expected name=value"),
        (b"a=1&", "parameter 2", "expected name=value"),
        (b"a=1&=2", "parameter 2", "expected name=value"),
        (b"a", "parameter 1", "expected name=value"),
        (b"a=%4", "parameter 1", "two hex digits"),
        (b"%zz=1", "parameter 1", "two hex digits"),
        (b"a=1&b=2&%61=3", "parameter 3", "expected each name once, got 'a' again"),
    ],
)
def test_what_a_lenient_reader_would_guess_at_is_refused(raw, place, reason):
    with pytest.raises(Unreadable) as caught:
        read_pairs(raw)
    assert caught.value.place == place
    assert reason in caught.value.reason
