"""The text of an MT940 or MT942 file as SWIFT fields, one at a time: tag, line and text, whatever wraps them.

Banks send the bare text block, the whole FIN message with its `{1:…}{2:…}{4:` blocks, or the text under a header of
their own. The tags "{" (block headers) and "-" (end of message) stand beside the real ones.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from banks.errors import Unreadable
from banks.records import Readable
from banks.statements import mt940_text
from banks.statements.mt940_entry import PLAIN_ENTRY

PlainEntry = tuple[str, ...]
"""Texts of a `:61:` with one `:86:`: the `:61:`, the groups of PLAIN_ENTRY ("" where there is none), the `:86:`, ""."""

Field = tuple[str, int, str, list[PlainEntry] | None]
"""Tag without its colons, the line it starts on, its text with lines joined by a line feed, and None.

Instead of text, a run of plain entries that were read in one go has their texts; the line is that of the first.
"""

MAX_FIELD = 64 * 1024
"""Characters of one field: SWIFT allows 390, real banks a few thousand."""

# A plain :61:, the one :86: on it, and what shows that both are whole. A line within may not begin with what could
# end a field or be no line at all; such entries, and all others are taken line by line.
_WHOLE = rf":61:({PLAIN_ENTRY})\n:86:(.*+(?:\n[^\n:\-{{ ].*+|\n ++[^\n{{].*+)*+)\n(?=:61:|:62[FM]:|\Z)"
_PIECE = re.compile(rf"{_WHOLE}|(.*+\n)", re.ASCII)
_ENTRY, _TOLD, _LINE = itemgetter(0), itemgetter(-2), itemgetter(-1)
_TAG = re.compile(r":([0-9]{2}[A-Z]?|NS):", re.ASCII)
_BLOCKS = re.compile(r"\s*\{[1-5]:", re.ASCII)
_HEAD_TAG = re.compile(r":2(?:1|5P?|8C?):", re.ASCII)
_WRAPPED_TAG = re.compile(r"[0-9]{2}[A-Z]?:", re.ASCII)
_START = re.compile(r"(?:\A|[\r\n])[ \x01-\x03]*(?::(?:20|25P?|28C?|60[FM]|61|62[FM]|86|NS):|\{1:F01)", re.ASCII)
_BEFORE_START = re.compile(r"[^\x00\x04-\x08\x0e-\x1f]*")


def starts(head: bytes) -> bool:
    """Tell whether a SWIFT field, or the block before it, starts a line within `head`."""
    text = mt940_text.glance(head)
    found = _START.search(text)
    before = text[: found.start()] if found else "\0"
    return not before.lstrip().startswith("<") and _BEFORE_START.fullmatch(before) is not None


def fields(stream: Readable) -> Iterator[Field]:
    """Yield the fields of `stream` in file order; raise Unreadable naming the line.

    Whatever stands before the first field of a message, or after its end, is the bank's own and is passed over.
    """
    scanner = _Scanner()
    number = 1
    for text in _between_entries(mt940_text.blocks(stream)):
        for line, pieces in groupby(_pieces(text), _LINE):
            if line:
                for _ in pieces:
                    yield from scanner.take(line[:-1], number)
                    number += 1
            else:
                run = list(pieces)
                if scanner.is_waiting:
                    yield from scanner.before_entry(number)
                yield "61", number, "", run
                number += line_count(run)
    yield from scanner.end()


def _between_entries(blocks: Iterator[str]) -> Iterator[str]:
    """Cut the text anew, so that an entry of usual length begins and ends in the same block."""
    text = ""
    for block in blocks:
        text += block
        cut = text.rfind("\n:61:") + 1
        if cut:
            yield text[:cut]
            text = text[cut:]
        if len(text) >= MAX_FIELD:
            yield text
            text = ""
    if text:
        yield text


def _pieces(text: str) -> list[PlainEntry]:
    """Return plain entries and, as the last of so many texts, the lines that are of none; they are all of `text`."""
    if len(text) < MAX_FIELD:
        return _PIECE.findall(text)
    return [(f"{line}\n",) for line in text[:-1].split("\n")]  # so long could one field be


def line_count(run: list[PlainEntry]) -> int:
    """Return the number of lines that `run` takes in the file."""
    return 2 * len(run) + "".join(map(_ENTRY, run)).count("\n") + "".join(map(_TOLD, run)).count("\n")


class _Scanner:
    """The field that is being read, and what is not yet known of it, from line to line."""

    def __init__(self) -> None:
        self.is_waiting = False
        self._tag, self._at, self._lines, self._size = "", 0, [""], 0
        self._colon = False  # the line before was a lone ":", which may belong to a tag broken in two
        self._held: tuple[int, str] | None = None  # a ":20:" within a narrative: the next line tells what it is
        self._closed = False  # the closing balance of this message has passed

    def take(self, line: str, number: int) -> Iterator[Field]:
        """Take a line; yield the fields that are complete by it."""
        if not line or line.isspace():
            return
        if self._colon:
            line = self._mend(line)
        if self._held is not None:
            yield from self._decide(is_message=_HEAD_TAG.match(line) is not None)
        if not self._tag:
            line = line.lstrip()  # a frame character may stand before the first tag
        if line[0] == ":":
            yield from self._colon_line(line, number)
        elif line[0] == "-" and (line.rstrip() == "-" or line[1] == "}"):
            yield from self._flush("")
            self._closed = False
            yield "-", number, "", None
            # The next message may begin on the line on which this one ends.
            if _BLOCKS.match(line, 2):
                yield from self._blocks_line(line[2:], number)
        elif _BLOCKS.match(line):
            yield from self._flush("")
            yield from self._blocks_line(line, number)
        else:
            self._append(line)

    def before_entry(self, number: int) -> Iterator[Field]:
        """Yield the field that a `:61:` ends, without taking the `:61:` itself."""
        yield from self.take(":61:", number)
        self._tag, self.is_waiting = "", False

    def end(self) -> Iterator[Field]:
        """Yield what is left at the end of the file; a ":20:" there is the beginning of a message that is cut off."""
        if self._held is not None:
            yield from self._decide(is_message=True)
        yield from self._flush("")

    def _mend(self, line: str) -> str:
        self._colon = False
        if _WRAPPED_TAG.match(line):
            return ":" + line
        self._append(":")
        return line

    def _decide(self, *, is_message: bool) -> Iterator[Field]:
        if self._held is None:
            return
        number, text = self._held
        self._held = None
        if is_message:
            yield from self._start("20", number, text)
        else:
            self._append(f":20:{text}")

    def _colon_line(self, line: str, number: int) -> Iterator[Field]:
        found = _TAG.match(line)
        if found is None:
            if line.rstrip() == ":":
                self._colon = self.is_waiting = True
            else:
                self._append(line)
        elif self._tag == "86" and line[3] == ":" and line[1] < "6":
            # The line may have been broken inside a time: "…T16" and ":20:37 …", which looks like a tag.
            if found[1] == "20":
                self._held = number, line[4:]
            elif self._closed:
                yield from self._start(found[1], number, line[found.end() :])
            else:
                self._append(line)
        else:
            yield from self._start(found[1], number, line[found.end() :])

    def _blocks_line(self, line: str, number: int) -> Iterator[Field]:
        self._closed = False
        yield "{", number, line, None
        text = line.partition("{4:")[2]
        first = _TAG.match(text)
        if first is not None:
            yield from self._start(first[1], number, text[first.end() :])

    def _start(self, tag: str, number: int, text: str) -> Iterator[Field]:
        yield from self._flush(tag)
        self._at, self._lines, self._size = number, [text], 0
        self._closed = tag[:2] == "62" or (self._closed and tag != "20")

    def _flush(self, tag: str) -> Iterator[Field]:
        """Yield the field so far; the one that follows it is `tag`."""
        old, self._tag = self._tag, tag
        self.is_waiting = bool(tag)
        if old:
            yield old, self._at, "\n".join(self._lines), None

    def _append(self, line: str) -> None:
        if not self._tag:
            return
        self._lines.append(line)
        self._size += len(line)
        if self._size > MAX_FIELD:
            raise Unreadable(f"expected at most {MAX_FIELD} characters in :{self._tag}:, got more", f"line {self._at}")
