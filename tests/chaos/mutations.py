"""Damage done to bytes on purpose: small and large, blind and aimed at numbers, always the same for the same seed."""

import random
import re
from collections.abc import Sequence

_NUMBER = re.compile(rb"[0-9]+")
_AWKWARD = (
    b"0", b"-1", b"1e9", b"9" * 40, b"1.5", b"1,5", b"NaN", b"\0", b"\xff", b"\xef\xbf\xbd", b"<", b">", b"&", b"&x;",
    b"&#0;", b'"', b"'", b"{", b"}", b"[", b"]", b"%00", b"%", b"+", b"\r\n", b"\n", b"\t", b":86:", b":61:", b"<!--",
    b"-->", b"<![CDATA[", b"]]>", b"<!DOCTYPE x>", b"<?x?>", "đ".encode(), "１２".encode(), b"\xe2\x80\xae", b" " * 300,
)  # fmt: skip


def mutated(samples: Sequence[bytes], chance: random.Random) -> bytes:
    """Return one of `samples` with one to five kinds of damage; what it was is told by the state of `chance` alone."""
    data = bytearray(chance.choice(samples))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        if not data:
            break
        _damage(data, samples, chance)
    return bytes(data)


def _damage(data: bytearray, samples: Sequence[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(data))
    end = min(len(data), at + chance.choice((1, 2, 8, 40, 400)))
    kind = chance.randrange(10)
    if kind == 0:
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1:
        data[at] = chance.randrange(256)
    elif kind == 2:
        del data[at:end]
    elif kind == 3:
        data[at:at] = data[at:end]
    elif kind == 4:
        data[at:at] = chance.choice(_AWKWARD)
    elif kind == 5:
        del data[at:]
    elif kind == 6:
        other = chance.choice(samples)
        start = chance.randrange(len(other))
        data[at:end] = other[start : start + chance.choice((4, 40, 400))]
    elif kind == 7:
        there = chance.randrange(len(data))
        piece = data[at:end]
        data[there:there] = piece
    else:
        _change_a_number(data, at, chance)


def _change_a_number(data: bytearray, at: int, chance: random.Random) -> None:
    found = _NUMBER.search(data, at) or _NUMBER.search(data)
    if found is None:
        return
    new = chance.choice(
        (b"0", b"00", b"-" + found[0], found[0] + b"0", found[0][:-1], str(chance.randrange(10**9)).encode(), b"9" * 25)
    )
    data[found.start() : found.end()] = new
