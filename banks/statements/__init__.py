"""Statement files in any supported format: recognised by their content, never by their name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from banks import xml
from banks.errors import Unreadable
from banks.records import Readable, StatementEvent, StatementReader
from banks.statements import camt

HEAD = 64 * 1024
"""Bytes from the beginning of a file by which its format is recognised."""


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of statement file: its name, what people call it, how its first bytes are told, and its reader."""

    name: str
    title: str
    recognise: Callable[[bytes], bool]
    read: StatementReader


FORMATS: dict[str, Format] = {}
_FOREIGN = {
    b"PK\x03\x04": "a zip archive",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
    b"-----BEGIN": "PEM or PGP armour",
}


def register(one: Format) -> None:
    """Add a format; formats are asked in the order of their registration."""
    if one.name in FORMATS:
        raise ValueError(f"the statement format {one.name!r} is registered already")
    FORMATS[one.name] = one


def recognise(head: bytes) -> str:
    """Return the name of the format that begins with `head`; raise Unreadable saying what arrived instead."""
    for one in FORMATS.values():
        if one.recognise(head):
            return one.name
    raise Unreadable(f"expected {' or '.join(one.title for one in FORMATS.values())}, got {_describe(head)}")


def read(stream: Readable) -> Iterator[StatementEvent]:
    """Read a statement file of any known format as a stream of events; raise Unreadable naming the place."""
    head = b""
    while len(head) < HEAD and (piece := stream.read(HEAD - len(head))):
        head += piece
    yield from FORMATS[recognise(head)].read(_Rejoined(head, stream))


class _Rejoined:
    """A stream whose head has been read already, read from its beginning all the same."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._rest.read(size)
        if size < 0:
            piece, self._head = self._head + self._rest.read(), b""
        else:
            piece, self._head = self._head[:size], self._head[size:]
        return piece


def _describe(head: bytes) -> str:
    """Say what kind of file begins with `head`, without quoting what could be personal in it."""
    if not head.strip():
        return "an empty file"
    if xml.looks_like_xml(head):
        tags = [xml.split(tag) for tag in xml.started(head)]
        # The namespace of the innermost known wrapper tells more than "Document" does.
        return (
            f"XML of <{tags[0][1][:40]}> ({tags[0][0][-60:] or 'no namespace'})" if tags else "XML without an element"
        )
    kind = next((kind for magic, kind in _FOREIGN.items() if head.startswith(magic)), "")
    return kind or ("text of another kind" if head.isascii() else f"bytes beginning with {head[:4].hex(' ')}")


register(Format("camt", camt.EXPECTED, camt.recognise, camt.read))
