"""The files banks leave for us, in any supported format: recognised by their content, never by their name."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from banks import xml
from banks.collections import camt029, pain002
from banks.errors import Unreadable
from banks.openpgp import OpenPgpKeys
from banks.records import FileEvent, Readable, StatementReader
from banks.shown import shown_name
from banks.statements import camt, csv_rows, mt940, napas, wrapping, xlsx_rows
from banks.statements.layout import Layout
from banks.statements.layouts import LAYOUTS

HEAD = 64 * 1024
"""Bytes from the beginning of a file by which its format is recognised."""


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of statement file: its name, what people call it, how its first bytes are told, and its reader."""

    name: str
    title: str
    recognise: Callable[[bytes], bool]
    read: StatementReader
    describe: Callable[[bytes], str] | None = None
    """Says of bytes that are not recognised how near they come, quoting no data; "" when they don't."""


FORMATS: dict[str, Format] = {}
_FOREIGN = {
    b"PK\x03\x04": "an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an Excel workbook of before 2007; save it as .xlsx",
    b"%PDF": "a PDF",
    b"-----BEGIN": "PEM or PGP armour without an encrypted message",
}


def register(one: Format) -> None:
    """Add a format; formats are asked in the order of their registration."""
    if one.name in FORMATS:
        raise ValueError(f"the statement format {one.name!r} is registered already")
    FORMATS[one.name] = one


def recognise(head: bytes, own: Sequence[Format] = ()) -> Format:
    """Return the format that begins with `head`, a bank's `own` first; raise Unreadable saying what arrived instead."""
    formats = (*own, *FORMATS.values())
    for one in formats:
        if one.recognise(head):
            return one
    raise Unreadable(f"expected {' or '.join(one.title for one in FORMATS.values())}, got {_describe(head, formats)}")


def read(stream: Readable, keys: OpenPgpKeys | None = None, own: Sequence[Format] = ()) -> Iterator[FileEvent]:
    """Read a statement file of any known format, wrapped or not, as a stream of events.

    `keys` open what came as an OpenPGP message; `own` are the formats declared for this bank alone. Raise Unreadable
    naming the place.
    """
    for part in wrapping.parts(stream, keys):
        try:
            seen = wrapping.Rejoined(part.stream, HEAD)
            yield from recognise(seen.head, own).read(seen)
        except Unreadable as error:
            if not part.name:
                raise
            inside = f"in {shown_name(part.name)}"
            raise Unreadable(error.reason, f"{inside}, {error.place}" if error.place else inside) from None


def tables(layouts: Sequence[Layout]) -> tuple[Format, Format]:
    """Return the formats that read tables of these layouts, as CSV and as a workbook.

    For a bank that declares its own: `read(stream, own=tables((declared, *LAYOUTS)))`.
    """
    as_csv = partial(csv_rows.recognise, layouts=layouts), partial(csv_rows.read, layouts=layouts)
    as_workbook = xlsx_rows.recognise, partial(xlsx_rows.read, layouts=layouts)
    described = partial(csv_rows.describe, layouts=layouts)
    return Format("csv", csv_rows.EXPECTED, *as_csv, described), Format("xlsx", xlsx_rows.EXPECTED, *as_workbook)


def _describe(head: bytes, formats: Sequence[Format]) -> str:
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
    if not kind:
        kind = next((said for one in formats if one.describe and (said := one.describe(head))), "")
    return kind or ("text of another kind" if head.isascii() else f"bytes beginning with {head[:4].hex(' ')}")


register(Format("camt", camt.EXPECTED, camt.recognise, camt.read))
register(Format("pain002", pain002.EXPECTED, pain002.recognise, pain002.read))
register(Format("camt029", camt029.EXPECTED, camt029.recognise, camt029.read))
register(Format("mt940", mt940.EXPECTED, mt940.recognise, mt940.read))
register(Format("napas", napas.EXPECTED, napas.recognise, napas.read))
for _one in tables(LAYOUTS):
    register(_one)
