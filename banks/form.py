"""Form-encoded pairs as a sender's bytes must be: what a lenient reader would guess at is refused, with its place.

Refused: a pair without "=", an escape that is not two hex digits, and a name given twice. Values stay bytes, with the
sender's own escaping beside them, because a signature may cover either.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from banks.errors import Unreadable

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Pair:
    """One `name=value`; `wire` is the pair as it was sent."""

    name: bytes
    value: bytes
    wire: bytes


def read_pairs(raw: bytes) -> list[Pair]:
    """Read a query or a form body; raise Unreadable naming the parameter by its position from 1."""
    read: dict[bytes, Pair] = {}
    for position, pair in enumerate(raw.split(b"&"), 1):
        place = f"parameter {position}"
        name, equals, value = pair.partition(b"=")
        if not name or not equals:
            raise Unreadable("expected name=value", place)
        if _BAD_ESCAPE.search(pair):
            raise Unreadable("expected two hex digits after each %", place)
        name, value = (unquote_to_bytes(part.replace(b"+", b" ")) for part in (name, value))
        if name in read:
            raise Unreadable(f"expected each name once, got {name[:40].decode('utf-8', 'replace')!a} again", place)
        read[name] = Pair(name, value, pair)
    return list(read.values())
