"""Texts of a workbook: the shared ones in a compact store, and what XML and Excel escape in any of them."""

import re
from array import array
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate

from banks import xml
from banks.errors import Unreadable
from banks.records import Readable
from banks.statements.xlsx_scan import scan

MAX_BYTES = 64 * 1024 * 1024
MAX_TEXTS = 4_000_000
TEXT = r'<t(?: xml:space="preserve")?+>[^<]*+</t>'
_REGULAR = re.compile(rf"(?:\s*+<si>{TEXT}</si>)*+")
_TEXT = re.compile(r"<t[^<>]*+>([^<]*+)</t>")
_ENTITY = re.compile(r"&(?:(lt|gt|amp|quot|apos)|#([0-9]{1,7})|#x([0-9a-fA-F]{1,6}));|&")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


class SharedTexts:
    """Texts by number, kept as one piece of UTF-8: a million of them as Python objects would fill the memory."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("I", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < len(self):
            raise Unreadable(f"expected the number of one of {len(self)} shared texts, got {number}")
        return self._bytes[self._ends[number] : self._ends[number + 1]].decode()

    def several(self, numbers: list[int]) -> list[str | int | Decimal]:
        """Return the texts of many numbers, all below the count of texts."""
        data, ends = self._bytes, self._ends
        return [data[ends[number] : ends[number + 1]].decode() for number in numbers]

    def add(self, texts: list[str]) -> None:
        """Add the next texts; raise Unreadable when they are more than a statement has."""
        pieces = [text.encode() for text in texts]
        ends = accumulate(map(len, pieces), initial=len(self._bytes))
        next(ends)
        self._bytes += b"".join(pieces)
        if len(self._bytes) > MAX_BYTES or len(self) + len(texts) > MAX_TEXTS:
            raise Unreadable(f"expected at most {MAX_TEXTS} shared texts of {MAX_BYTES} bytes together, got more")
        self._ends.extend(ends)


def read_shared(stream: Readable) -> SharedTexts:
    """Read the part xl/sharedStrings.xml."""
    shared = SharedTexts()
    for piece in scan(stream, "sst", "si", _REGULAR):
        if isinstance(piece, str):
            shared.add([clear(text) for text in _TEXT.findall(piece)])
        else:
            shared.add([rich_text(piece)])
            xml.forget(piece)
    return shared


def rich_text(element: xml.Element) -> str:
    """Return the text of an element whose parts are formatted each in its own way; how it is pronounced is left out."""
    parts = []
    for child in element.iter("{*}t"):
        above = child.getparent()
        if above is None or xml.split(str(above.tag))[1] != "rPh":
            parts.append(child.text or "")
    return clear("".join(parts), escaped=False)


def clear(text: str, *, escaped: bool = True) -> str:
    """Return `text` without the escapes of XML (when it is `escaped`) and of Excel (_x000D_)."""
    if escaped and "&" in text:
        text = _ENTITY.sub(_character, text)
    if "_x" in text:
        text = _ESCAPE.sub(lambda match: _printable(int(match[1], 16)), text)
    return text


def _character(match: re.Match[str]) -> str:
    return _referred(match[0])


@lru_cache(maxsize=4096)
def _referred(reference: str) -> str:
    match = _ENTITY.fullmatch(reference)
    if match is None or reference == "&":
        raise Unreadable("expected & to begin a character reference, got none")
    if match[1]:
        return _NAMED[match[1]]
    return _printable(int(match[2]) if match[2] else int(match[3], 16))


def _printable(code: int) -> str:
    """Return a character, a space for one that has no place in a text."""
    fits = (32 <= code < 0xD800 or 0xE000 <= code < 0x110000) and code not in (0xFFFE, 0xFFFF)
    return chr(code) if fits or code in (9, 10, 13) else " "
