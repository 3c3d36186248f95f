"""Cells of a sheet's XML: which column they stand in, and what they hold by their type.

A number stands in the file as Excel's decimal text for a double. Up to 15 digits that text is the number a person
sees; a fraction beyond them is what a double adds, and is rounded away as Excel does when it shows one. A whole number
beyond them is a reference or an account, and is kept as it is written. No float ever stands for money.
"""

import re
from collections.abc import Sequence
from decimal import Context, Decimal, InvalidOperation

from banks import xml
from banks.errors import Unreadable
from banks.statements.cells import MOST_DIGITS, Cell, shown
from banks.statements.csv_rows import column_letters
from banks.statements.layout import MAX_COLUMNS
from banks.statements.xlsx_texts import SharedTexts, clear, rich_text

COLUMNS = {column_letters(index): index for index in range(MAX_COLUMNS)}
_NUMBERS = ("", "n")
_TRUTHS = {"1": "TRUE", "0": "FALSE"}
"""As Excel shows them: a 1 would pass for an amount."""
_REFERENCE = re.compile(r"([A-Z]{1,3})[0-9]{1,7}")
_FIFTEEN = Context(prec=MOST_DIGITS)


class CellError(Exception):
    """A cell that can't be read: its column, None for the whole row, and why."""

    def __init__(self, column: int | None, reason: str) -> None:
        self.column = column
        self.reason = reason
        super().__init__(reason)


def put(row: list[Cell], letters: str, cell: Cell) -> None:
    """Put a cell into its column; raise CellError for one that stands left of the cell before it."""
    missing = COLUMNS.get(letters, -1) - len(row)
    if missing < 0:
        raise misplaced()
    row.extend([""] * missing)
    row.append(cell)


def misplaced() -> CellError:
    """Return the error for cells that are not in the order of their columns."""
    last = column_letters(MAX_COLUMNS - 1)
    return CellError(None, f"expected each cell to the right of the one before, up to column {last}")


def value_of(kind: str, value: str, shared: SharedTexts) -> Cell:
    """Return what a cell of this type holds; raise Unreadable for what is none. `value` is clear of XML's escapes."""
    if kind == "s":
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise Unreadable(f"expected the number of a shared text, got {shown(value)}")
        return shared[int(value)]
    if kind == "b":
        if value not in _TRUTHS:
            raise Unreadable(f"expected 1 or 0 for true or false, got {shown(value)}")
        return _TRUTHS[value]
    return _number(value) if kind in _NUMBERS else clear(value, escaped=False)


def values_of(kind: str, values: Sequence[str], shared: SharedTexts) -> list[Cell]:
    """Return what a column of cells of one type holds; raise CellError with the index in `column`."""
    joined = "".join(values)
    if joined.isascii() and joined.isdigit() and all(values):
        longest = max(map(len, values))
        numbers = list(map(int, values)) if longest < 16 else []
        if numbers and kind in _NUMBERS:
            return [*numbers]
        if numbers and kind == "s" and max(numbers) < len(shared):
            return shared.several(numbers)
    if kind == "inlineStr":
        return list(map(clear, values)) if "&" in joined or "_x" in joined else list(values)
    found: list[Cell] = []
    for index, value in enumerate(values):
        try:
            found.append(value_of(kind, clear(value), shared) if value else "")
        except Unreadable as error:
            raise CellError(index, error.reason) from None
    return found


def row_of(element: xml.Element, shared: SharedTexts) -> list[Cell]:
    """Return the cells of a row of any form; a cell that names no place stands right of the one before it."""
    row: list[Cell] = []
    at = -1
    for cell in element.iterchildren("{*}c"):
        reference = _REFERENCE.fullmatch(str(cell.get("r", "")))
        at, before = (COLUMNS.get(reference[1], -1) if reference else at + 1), at
        if not before < at < MAX_COLUMNS:
            raise misplaced()
        kind = str(cell.get("t", ""))
        try:
            found = _held(cell, kind, shared)
        except Unreadable as error:
            raise CellError(at, error.reason) from None
        if found != "":
            row.extend([""] * (at - len(row)))
            row.append(found)
    return row


def _held(cell: xml.Element, kind: str, shared: SharedTexts) -> Cell:
    """Return what a cell of any form holds; raise Unreadable for a formula whose value is not in the file."""
    value = next((child.text or "" for child in cell.iterchildren("{*}v")), None)
    if value:
        return value_of(kind, value, shared)
    inline = next(cell.iterchildren("{*}is"), None)
    if inline is not None:
        return rich_text(inline)
    # The library that wrote it counts nothing, and no one knows the amount. An empty text is a value all the same.
    if next(cell.iterchildren("{*}f"), None) is not None and (kind != "str" or value is None):
        raise Unreadable("expected the value of a formula, got none: open the workbook in Excel and save it again")
    return ""


def _number(value: str) -> int | Decimal:
    """Read Excel's text for a double, to the 15 digits that Excel shows; a `Decimal` of more is as it is written."""
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) < 16:
        return int(text)
    try:
        if not re.fullmatch(r"-?[0-9.]{1,40}(?:[eE][+-]?[0-9]{1,3})?", text):
            raise InvalidOperation
        written = Decimal(text)
        if written.adjusted() > 20 and not text.isdigit():
            raise InvalidOperation
        number = _FIFTEEN.plus(written)
    except InvalidOperation:
        raise Unreadable(f"expected a number, got {shown(text)}") from None
    if number.adjusted() >= MOST_DIGITS:
        return written
    return int(number) if number == number.to_integral_value() else number
