"""Bank tables as delimited text: bytes into rows, whatever the encoding and the delimiter.

The encoding is told by a byte order mark, else by the bytes: UTF-16 has zeros in every other place, UTF-8 proves
itself, and what is neither is CP1258, Windows' Vietnamese with its tone marks as characters of their own. The delimiter
is the one by which a known header row is found.
"""

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import chain, islice

from banks.errors import Unreadable
from banks.records import Readable, StatementEvent
from banks.statements.batch import Batch, FlatBatch
from banks.statements.cells import Cell
from banks.statements.layout import MIN_CELLS, Layout, choose, lacking
from banks.statements.table import HEAD_ROWS, Sheet, read_sheets

EXPECTED = "a bank's table as CSV with header words that are known"
HEAD = 64 * 1024
CHUNK = 64 * 1024
"""Bytes at a time: their cells still fit into a processor's nearer memory."""
MAX_LINE = 1024 * 1024
"""Characters between two line ends, and in one row: no statement has more."""
BATCH = 1000
_DELIMITERS = ",;\t|"
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\ufffd]")


def recognise(head: bytes, layouts: Collection[Layout]) -> bool:
    """Tell whether a table with the header row of one of `layouts` begins within `head`."""
    return _shape(head, layouts) is not None


def read(stream: Readable, layouts: Collection[Layout]) -> Iterator[StatementEvent]:
    """Read a delimited table; see `banks.records.StatementReader`. Raise Unreadable naming row and column."""
    head = b""
    while len(head) < HEAD and (piece := stream.read(HEAD - len(head))):
        head += piece
    shape = _shape(head, layouts)
    if shape is None:
        raise Unreadable(f"expected {EXPECTED}, got none within {HEAD_ROWS} rows")
    encoding, delimiter = shape
    batches = _batches(_chunks(head, stream, encoding), delimiter.encode())
    return read_sheets(iter([Sheet(batches, _at)]), layouts, "csv")


def describe(head: bytes, layouts: Collection[Layout]) -> str:
    """Say how near a table of text comes to a header row, quoting nothing of it; "" when `head` begins no such table.

    A bank's own declaration is held against it alone; else the layout of which a row has the most words.
    """
    text = _text(head, _encoding(head))
    if _NO_TEXT.search(text):
        return ""
    asked = [one for one in layouts if one.declared] or layouts
    nearest = max(
        (
            (len(one.required) - len(words), -len(words), -number, one, words)
            for _, rows in _readings(text)
            for number, row in enumerate(rows, 1)
            if sum(map(bool, row)) >= MIN_CELLS
            for one in asked
            for words in [lacking(one, row)]
        ),
        key=lambda found: found[:3],
        default=None,
    )
    if nearest is None:
        return ""
    held, _, number, layout, words = nearest
    said = ", ".join(" or ".join(texts) for texts in words)
    where = f"nearest is row {-number}, which lacks" if held else "no row has"
    hint = "" if layout.declared else "; declare it for a bank, and read it with --bank NAME"
    return f"a table whose header row is not known: {where} the words {said} of {layout.title}{hint}"


def _at(row: int, column: int | None, words: str) -> str:
    if column is None:
        return f"row {row}"
    return f"row {row}, column {column_letters(column)}" + (f" ({words})" if words else "")


def column_letters(column: int) -> str:
    """Return a column's letters as a spreadsheet shows them: 0 is A, 26 is AA."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _shape(head: bytes, layouts: Collection[Layout]) -> tuple[str, str] | None:
    """Return the encoding, and the delimiter by which a header row is found within `head`."""
    encoding = _encoding(head)
    for delimiter, rows in _readings(_text(head, encoding)):
        if any(choose(layouts, row) for row in rows):
            return encoding, delimiter
    return None


def _text(head: bytes, encoding: str) -> str:
    """Return the whole rows of `head`."""
    text = _line_ends(unicodedata.normalize("NFC", codecs.getincrementaldecoder(encoding)("replace").decode(head)))
    # Half a row at the end would be another row.
    return text if len(head) < HEAD else text.rpartition("\n")[0]


def _readings(text: str) -> Iterator[tuple[str, Iterator[list[str]]]]:
    """Yield each delimiter, the most frequent first, and the rows above and of the header that it parts `text` into."""
    for delimiter in sorted(_DELIMITERS, key=text.count, reverse=True):
        yield delimiter, _head_rows(csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True))


def _head_rows(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    # What stands above a fault may be a header row all the same.
    with suppress(csv.Error):
        for row in islice(rows, HEAD_ROWS):
            yield list(map(str.strip, row))


def _encoding(head: bytes) -> str:
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return name
    sample = head[:2000]
    zeros = (sample[0::2].count(0), sample[1::2].count(0))
    if max(zeros) > len(sample) // 8:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1258"
    return "utf-8"


def _chunks(head: bytes, stream: Readable, encoding: str) -> Iterator[bytes]:
    """Yield the text as pieces of whole lines in UTF-8 and normal form C, each line ended by a line feed."""
    decoder = None if encoding.startswith("utf-8") else codecs.getincrementaldecoder(encoding)()
    rest, lines = b"", 0
    piece = head.removeprefix(codecs.BOM_UTF8) if decoder is None else head
    ended = False
    while not ended:
        ended = not piece
        try:
            data = rest + (piece if decoder is None else decoder.decode(piece, final=ended).encode())
            # A carriage return at the very end may be the first half of a line end.
            cut = len(data) if ended else max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1
            whole, rest = data[:cut], data[cut:]
            if b"\0" in whole:
                raise Unreadable("expected text, got a zero character", f"below line {lines + 1}")
            if len(rest) > MAX_LINE:
                raise Unreadable(f"expected lines of at most {MAX_LINE} bytes, got a longer one", f"line {lines + 1}")
            if b"\r" in whole or (whole and not whole.endswith(b"\n")):
                # Of bytes, and unlike text, nothing but these two ends a line.
                parted = whole.splitlines()
                whole, ended_here = b"\n".join([*parted, b""]), len(parted)
            else:
                ended_here = whole.count(b"\n")
            whole.decode()
            # In UTF-8, every mark that stands apart from its letter begins with this byte.
            if decoder is not None or b"\xcc" in whole:
                whole = unicodedata.normalize("NFC", whole.decode()).encode()
        except UnicodeError:
            name = encoding.upper().replace("-SIG", "")
            raise Unreadable(f"expected text in {name}, got bytes that are none", f"below line {lines + 1}") from None
        if whole:
            lines += ended_here
            yield whole
        piece = stream.read(CHUNK)


def _line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _batches(chunks: Iterator[bytes], delimiter: bytes) -> Iterator[Batch]:
    """Part the text into rows, and those into batches; a row's number counts rows, as a spreadsheet shows them."""
    number = 1
    columns: list[int] = []
    for chunk in chunks:
        batch = _parted(chunk, delimiter, number, columns)
        if batch is None:
            # A line end or a quotation mark within a cell: from here on, the csv module reads.
            yield from _quoted(chain([chunk], chunks), delimiter.decode(), number)
            return
        yield batch
        number += len(batch)


def _parted(chunk: bytes, delimiter: bytes, number: int, columns: list[int]) -> Batch | None:
    """Part whole lines into cells; where all lines have as many, no row is made of them.

    `columns` are those in which quotation marks were found before, and are kept so.
    None when a quotation mark does anything but enclose a cell from its first character to its last, on one line.
    """
    parts = chunk.split(b'"')
    outside, quoted = b'"'.join(parts[0::2]), parts[1::2]
    if len(parts) % 2 == 0 or b"\n" in b"".join(quoted):
        return None
    # Each line end is a cell of its own, which tells whether all lines have as many cells.
    ended = outside[:-1].replace(b"\n", delimiter + b"\n" + delimiter)
    lines = (len(ended) - len(outside) + 1) // 2 + 1
    cells = ended.split(delimiter)
    width = outside.count(delimiter, 0, outside.index(b"\n")) + 1
    numbers = range(number, number + lines)
    if len(cells) == lines * (width + 1) - 1 and cells[width :: width + 1].count(b"\n") == lines - 1:
        del cells[width :: width + 1]
        return FlatBatch(numbers, cells, width) if _filled(cells, width, quoted, columns) else None
    if not _filled(cells, 1, quoted, [0]):
        return None
    rows: list[list[Cell]] = [[]]
    for cell in cells:
        if cell == b"\n":
            rows.append([])
        else:
            rows[-1].append(cell.decode())
    return Batch(numbers, rows)


def _filled(cells: list[bytes], width: int, quoted: list[bytes], columns: list[int]) -> bool:
    """Put what is `quoted`, row by row, in place of the cells that are nothing but a quotation mark.

    They are looked for in `columns`, and in all columns when those are not all that have some. False when they are not
    as many: then a quotation mark stands beside something else in its cell.
    """
    if not quoted:
        return True
    some = _across(cells, width, columns) if max(columns, default=0) < width else []
    if some.count(b'"') != len(quoted):
        columns[:] = [at for at in range(width) if b'"' in cells[at::width]]
        some = _across(cells, width, columns)
        if some.count(b'"') != len(quoted):
            return False
    following = iter(quoted)
    some = [next(following) if cell == b'"' else cell for cell in some]
    for index, at in enumerate(columns):
        cells[at::width] = some[index :: len(columns)]
    return True


def _across(cells: list[bytes], width: int, columns: list[int]) -> list[bytes]:
    """Return the cells of some columns, row by row."""
    some = [b""] * (len(cells) // width * len(columns))
    for index, at in enumerate(columns):
        some[index :: len(columns)] = cells[at::width]
    return some


def _quoted(chunks: Iterator[bytes], delimiter: str, number: int) -> Iterator[Batch]:
    lines = chain.from_iterable(io.StringIO(chunk.decode(), newline="\n") for chunk in chunks)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        batch: list[list[Cell]] = []
        try:
            # One by one into the list, so that the rows before a fault are counted.
            batch.extend(islice(rows, BATCH))  # type: ignore[arg-type]  # texts are cells
        except csv.Error as error:
            place = f"row {number + len(batch)}"
            raise Unreadable(f"expected quoted cells as CSV has them, got: {error}", place) from None
        if not batch:
            return
        yield Batch(range(number, number + len(batch)), batch)
        number += len(batch)
