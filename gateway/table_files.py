"""Tables that people hand over, as CSV or XLSX: rows by the names of the header, each with its place."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from banks.errors import Unreadable
from banks.statements import xlsx_rows
from banks.statements.cells import Cell


class ImportRefused(Exception):
    """Rows that can't be taken; each problem names its place. Nothing of the import was kept."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Columns(NamedTuple):
    """The names a header may have, and those it must have; in any order."""

    known: Sequence[str]
    needed: Sequence[str]

    def check(self, header: Sequence[str], place: str) -> None:
        """Raise ImportRefused for a header with other names, fewer than are needed, or one twice."""
        missing = [name for name in self.needed if name not in header]
        unknown = [name for name in header if name not in self.known]
        twice = sorted({name for name in header if header.count(name) > 1})
        for said, names in (("missing", missing), ("unknown", unknown), ("twice", twice)):
            if names:
                raise ImportRefused(
                    [f"{place}: expected the columns {', '.join(self.known)}; {said} {', '.join(names)}"]
                )


EPOCH = date(1899, 12, 30)
"""The day 0 of most workbooks."""


class Row(NamedTuple):
    """One row: where it stands, its cells by name, and the day from which a workbook's serial days count.

    A workbook's cells may be numbers; those beyond the header stand under None.
    """

    place: str
    cells: Mapping[str | None, object]
    epoch: date = EPOCH


def rows_of_csv(lines: Iterable[str], columns: Columns) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield (place, row) of a CSV file with a header; raise ImportRefused for another header, or what is no CSV."""
    reader = csv.DictReader(lines, strict=True)
    try:
        header = [name.strip().lstrip("\ufeff") for name in reader.fieldnames or []]
        columns.check(header, "line 1")
        reader.fieldnames = header
        for row in reader:
            yield f"line {reader.line_num}", row
    except csv.Error as error:
        # DictReader's own count is that of the row before.
        raise ImportRefused([f"line {reader.reader.line_num}: not CSV: {error}"]) from error


def rows_of_file(path: Path, columns: Columns) -> Iterator[Row]:
    """Yield the rows of a CSV file in UTF-8 or of a workbook's first sheet; raise ImportRefused naming the place."""
    with path.open("rb") as stream:
        if xlsx_rows.recognise(stream.read(8)):
            stream.seek(0)
            try:
                with xlsx_rows.first_sheet(stream) as sheet:
                    yield from _rows_of_sheet(sheet, columns)
            except Unreadable as error:
                raise ImportRefused([str(error)]) from error
            return
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for place, cells in rows_of_csv(lines, columns):
                yield Row(place, cells)  # type: ignore[arg-type] # a mapping by names is one by names or None
    except UnicodeDecodeError as error:
        raise ImportRefused([f"expected UTF-8: {error}"]) from error


def _rows_of_sheet(sheet: xlsx_rows.FirstSheet, columns: Columns) -> Iterator[Row]:
    header: list[str] = []
    for place, cells in sheet.rows:
        if not header:
            header = [str(cell).strip() for cell in _trimmed(cells)]
            columns.check(header, place)
        elif filled := _trimmed(cells):
            named: dict[str | None, object] = dict(zip(header, filled, strict=False))
            if len(filled) > len(header):
                named[None] = filled[len(header) :]
            yield Row(place, named, sheet.epoch)
    if not header:
        columns.check([], "row 1")


def _trimmed(cells: Sequence[Cell]) -> list[Cell]:
    """Leave out the empty cells behind the last one that says something."""
    kept = list(cells)
    while kept and kept[-1] == "":
        kept.pop()
    return kept
