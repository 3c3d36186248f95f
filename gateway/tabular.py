"""Tables for spreadsheets: CSV and XLSX written row by row, whose cells hold values and never formulas."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import chain, islice
from typing import IO, Any, TypeAlias

import xlsxwriter  # type: ignore[import-untyped] # the library has no types

from gateway.clock import LOCAL

Cell: TypeAlias = "str | int | Decimal | date | datetime | None"
"""A moment knows its zone and is written in Vietnam's time; a number stays one, exact in CSV."""

SHEET_ROWS = 1_048_576
"""What a sheet of XLSX holds, its header included; what is more stands on the next sheet."""
_LONGEST = 32_767
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_WIDTH = 18


def write_csv(file: IO[bytes], headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> int:
    """Write UTF-8 with a byte order mark, by which Excel knows it, and CRLF; return how many rows followed the header.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    written, count = io.StringIO(), -1
    line = csv.writer(written, lineterminator="\r\n")
    file.write(b"\xef\xbb\xbf")
    for count, row in enumerate(chain([headers], rows)):  # noqa: B007 - the last number is the answer
        line.writerow([_plain(cell) for cell in row])
        file.write(written.getvalue().encode())
        written.seek(0)
        written.truncate()
    return count


def write_xlsx(file: IO[bytes], title: str, headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> int:
    """Write a workbook, each row to the disk as it comes; return how many rows followed the headers."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    count, stream = 0, iter(rows)
    with xlsxwriter.Workbook(file, options) as book:
        head = book.add_format({"bold": True, "bottom": 1})
        forms = {date: book.add_format({"num_format": "dd/mm/yyyy"}), int: book.add_format({"num_format": "#,##0"}),
                 datetime: book.add_format({"num_format": "dd/mm/yyyy hh:mm"}), Decimal: None}  # fmt: skip
        for number, first in enumerate(_pieces(stream), 1):
            sheet = book.add_worksheet(title if number == 1 else f"{title[:25]} {number}")
            sheet.set_column(0, len(headers) - 1, _WIDTH)
            sheet.freeze_panes(1, 0)
            for at, header in enumerate(headers):
                sheet.write_string(0, at, header, head)
            for place, row in enumerate(first, 1):
                for at, cell in enumerate(row):
                    _put(sheet, place, at, cell, forms)
                count += 1
    return count


def _pieces(rows: Iterator[Sequence[Cell]]) -> Iterator[Iterator[Sequence[Cell]]]:
    """Yield the rows of one sheet after another; the first one even if it has none."""
    yield islice(rows, SHEET_ROWS - 1)
    for first in rows:
        yield chain([first], islice(rows, SHEET_ROWS - 2))


def _put(sheet: Any, row: int, column: int, cell: Cell, forms: dict[type, Any]) -> None:
    if isinstance(cell, str):
        sheet.write_string(row, column, cell[:_LONGEST])  # a string cell is no formula, whatever it begins with
    elif isinstance(cell, datetime):
        sheet.write_datetime(row, column, cell.astimezone(LOCAL).replace(tzinfo=None), forms[datetime])
    elif isinstance(cell, date):
        sheet.write_datetime(row, column, datetime(cell.year, cell.month, cell.day), forms[date])  # noqa: DTZ001 - a day has no zone
    elif cell is not None:
        sheet.write_number(row, column, cell, forms[type(cell)])


def _plain(cell: Cell) -> str:
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(_BEGINS_A_FORMULA) else cell
    if isinstance(cell, datetime):
        return f"{cell.astimezone(LOCAL):%Y-%m-%d %H:%M:%S}"
    return "" if cell is None else str(cell)
