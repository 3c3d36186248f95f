"""A bank's answers on mandates: a table of references in CSV, each confirmed, refused or ended, read as a stream.

Columns `reference` and `answer`, and `reason` if there is one, in any order, in UTF-8, parted by commas or semicolons.
A row that can't be read is told with its place, and the rows after it are read.
"""

import codecs
import csv
import re
from collections.abc import Iterator

from banks.errors import Unreadable
from banks.records import MandateAnswer, MandateAnswersOpened, Readable

EXPECTED = "a bank's answers on mandates"
ANSWERS = ("confirmed", "refused", "ended")
_NEEDED, _KNOWN = {"reference", "answer"}, {"reference", "answer", "reason"}
REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_.\-]{0,34}", re.ASCII)
EXPECTED_REFERENCE = "1 to 35 letters without accents, digits, - / _ ."
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_LONGEST_REASON = 200
_LONGEST_LINE = 64 * 1024
_CHUNK = 64 * 1024


def recognise(head: bytes) -> bool:
    """Tell whether `head` begins with the header of such a table."""
    try:
        line = codecs.decode(head.partition(b"\n")[0], "utf-8-sig")
    except UnicodeDecodeError:
        return False
    return bool(_delimiter(line))


def read(stream: Readable) -> Iterator[MandateAnswersOpened | MandateAnswer]:
    """Yield the head, then each answer; raise Unreadable for what is no such table."""
    lines = _lines(stream)
    header = next(lines, "")
    delimiter = _delimiter(header)
    if not delimiter:
        raise Unreadable(f"expected {EXPECTED}, with the columns reference and answer, got another header", "line 1")
    yield MandateAnswersOpened("mandate_answers")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    names = _names(header, delimiter)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _answer(f"line {reader.line_num + 1}", names, cells)
    except csv.Error as error:
        raise Unreadable(f"not CSV: {error}", f"line {reader.line_num + 1}") from error


def _answer(place: str, names: list[str], cells: list[str]) -> MandateAnswer:
    told = dict(zip(names, (_CONTROL.sub(" ", cell).strip() for cell in cells), strict=False))
    reference, answer = told.get("reference", ""), told.get("answer", "").lower()
    fault = ""
    if len(cells) > len(names):
        fault = f"expected {len(names)} values, got {len(cells)}"
    elif not REFERENCE.fullmatch(reference):
        fault = f"reference: expected {EXPECTED_REFERENCE}, got {reference[:40]!r}"
    elif answer not in ANSWERS:
        fault = f"answer: expected {', '.join(ANSWERS)}, got {answer[:40]!r}"
    known = reference if REFERENCE.fullmatch(reference) else ""
    return MandateAnswer(place, known, answer if not fault else "", told.get("reason", "")[:_LONGEST_REASON], fault)


def _lines(stream: Readable) -> Iterator[str]:
    pending, number = b"", 0
    while True:
        piece = stream.read(_CHUNK)
        *whole, pending = (pending + piece).split(b"\n")
        if not piece and pending:
            whole, pending = [pending], b""
        for line in whole:
            number += 1
            yield _text(line, number)
        if len(pending) > _LONGEST_LINE:
            expected = f"expected lines of at most {_LONGEST_LINE} bytes, got a longer one"
            raise Unreadable(expected, f"line {number + 1}")
        if not piece:
            return


def _text(line: bytes, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8") + "\n"
    except UnicodeDecodeError:
        raise Unreadable("expected UTF-8, got other bytes", f"line {number}") from None


def _delimiter(header: str) -> str:
    """Return by what the header's columns are parted; "" when it is none of such a table."""
    for delimiter in ",;":
        names = _names(header, delimiter)
        if _NEEDED <= set(names) <= _KNOWN and len(set(names)) == len(names):
            return delimiter
    return ""


def _names(header: str, delimiter: str) -> list[str]:
    return [name.strip().strip('"').lower() for name in header.split(delimiter)]
