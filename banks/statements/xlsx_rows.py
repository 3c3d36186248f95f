"""Bank tables as XLSX workbooks: zip into sheets, sheets into batches of rows, as a stream."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import NamedTuple

from banks import xml
from banks.errors import Unreadable
from banks.records import Readable, StatementEvent
from banks.statements.batch import Batch
from banks.statements.cells import Cell
from banks.statements.csv_rows import column_letters
from banks.statements.layout import Layout
from banks.statements.table import Sheet, read_sheets
from banks.statements.xlsx_cells import CellError, row_of
from banks.statements.xlsx_forms import REGULAR, RowError, RowForms
from banks.statements.xlsx_package import Guarded, Package, spooled
from banks.statements.xlsx_scan import scan
from banks.statements.xlsx_texts import SharedTexts, read_shared

EXPECTED = "an Excel workbook (.xlsx) with such a table"
MAX_ROWS = 1_048_576
"""Rows of a sheet, as many as Excel has."""


def recognise(head: bytes) -> bool:
    """Tell whether a zip begins; those that hold no workbook have been unwrapped before."""
    return head.startswith(b"PK\x03\x04")


def read(stream: Readable, layouts: Collection[Layout]) -> Iterator[StatementEvent]:
    """Read every visible sheet with a table; see `banks.records.StatementReader`. Raise Unreadable naming the cell."""
    with spooled(stream) as archive:
        yield from read_sheets(_sheets(Package(archive)), layouts, "xlsx")


class FirstSheet(NamedTuple):
    """The rows of a sheet, each with its place ("sheet 1, row 3"), and the day from which its serial days count."""

    rows: Iterator[tuple[str, list[Cell]]]
    epoch: date


@contextmanager
def first_sheet(stream: Readable) -> Iterator[FirstSheet]:
    """Open the first visible sheet of a workbook, whatever stands in it; raise Unreadable naming the place."""
    with spooled(stream) as archive:
        for sheet in _sheets(Package(archive)):
            places = ((sheet.at(number, None, ""), row) for batch in sheet.batches for number, row in _numbered(batch))
            yield FirstSheet(places, sheet.epoch)
            return
        raise Unreadable("expected a workbook with a visible sheet, got none")


def _numbered(batch: Batch) -> Iterator[tuple[int, list[Cell]]]:
    return zip(batch.numbers, batch.rows(), strict=True)


def _sheets(package: Package) -> Iterator[Sheet]:
    part = package.shared_strings()
    shared = SharedTexts()
    if part:
        with package.open(part) as opened:
            shared = read_shared(Guarded(opened))
    for number, listed in enumerate(package.sheets, 1):
        if listed.visible:
            place = _Place(number)
            with package.open(listed.part) as opened:
                yield Sheet(_batches(Guarded(opened), shared, place), place, listed.name, package.epoch)


class _Place:
    """How a cell of a sheet is named for a person: "sheet 1, F12 (Số tiền ghi có)"."""

    def __init__(self, sheet: int) -> None:
        self._sheet = sheet

    def __call__(self, row: int, column: int | None, words: str) -> str:
        if column is None:
            return f"sheet {self._sheet}, row {row}"
        return f"sheet {self._sheet}, {column_letters(column)}{row}" + (f" ({words})" if words else "")


def _batches(stream: Readable, shared: SharedTexts, place: _Place) -> Iterator[Batch]:
    """Yield the rows of a sheet in ascending order of their numbers."""
    forms = RowForms(shared)
    last = 0
    for piece in scan(stream, "sheetData", "row", REGULAR):
        try:
            batch = forms.batch(piece) if isinstance(piece, str) else _single(piece, shared, last)
        except RowError as error:
            raise Unreadable(error.reason, place(error.number, error.column, "")) from None
        last = _ascending(last, batch.numbers, place)
        if len(batch):
            yield batch


def _single(element: xml.Element, shared: SharedTexts, last: int) -> Batch:
    """Read one row of any form; one that names no number stands below the row before it."""
    said = str(element.get("r", ""))
    number = int(said) if said.isascii() and said.isdigit() and len(said) < 8 else last + 1
    try:
        rows: list[list[Cell]] = [row_of(element, shared)]
    except CellError as error:
        raise RowError(number, error.column, error.reason) from None
    xml.forget(element)
    return Batch([number], rows)


def _ascending(last: int, numbers: Sequence[int], place: _Place) -> int:
    """Refuse rows out of order or beyond the sheet's end; return the last number."""
    for number in numbers:
        if not last < number <= MAX_ROWS:
            raise Unreadable(f"expected rows in ascending order up to {MAX_ROWS}", place(number, None, ""))
        last = number
    return last
