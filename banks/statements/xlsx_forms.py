"""Rows of a sheet in the form that Excel and most libraries write, read many at a time.

A row's form is which cells it has and of which type. The first row of a form is taken apart cell by cell and its form
learned as one pattern; the rows like it are then matched whole. A pattern is made of the same pieces by which a row is
taken apart, so both ways read the same.
"""

import re
from dataclasses import dataclass, field

from banks.errors import Unreadable
from banks.statements.batch import ColumnBatch
from banks.statements.cells import Cell
from banks.statements.xlsx_cells import COLUMNS, CellError, put, value_of, values_of
from banks.statements.xlsx_texts import TEXT, SharedTexts, clear

_FORMULA = r"(?:<f(?: [^<>]*+)?>[^<]*+</f>(?!<v></v>))?+"
"""A formula, if any; one whose value is not in the file is left to the plain way, which refuses it."""
_STYLE = r'(?: s="[0-9]++")?+'
_CELL = (
    rf'<c r="[A-Z]{{1,3}}[0-9]{{1,7}}"{_STYLE}(?: t="[a-zA-Z]++")?+'
    rf"(?:/>|>(?:{_FORMULA}<v>[^<]*+</v>|<is>{TEXT}</is>|)</c>)"
)
_ROW = rf'\s*+<row r="[0-9]{{1,7}}"[^<>]*+>(?:(?<=/>)|(?<!/>)(?:{_CELL})*+</row>)'
REGULAR = re.compile(rf"(?:{_ROW})*+")
"""Any number of rows in the regular form, one right behind the other."""
_ONE = re.compile(_ROW)
_NUMBER = re.compile(r'\s*+<row r="([0-9]{1,7})"')
_TOKEN = re.compile(
    rf'<c r="([A-Z]{{1,3}})[0-9]{{1,7}}"{_STYLE}(?: t="([a-zA-Z]++)")?+'
    rf"(?:/>|>(?:{_FORMULA}<v>([^<]*+)</v>|<is><t[^<>]*+>([^<]*+)</t></is>|)</c>)"
)
_MAX_FORMS = 32
"""Forms worth a pattern; a table has two or three, and rows of further ones are taken apart each."""


@dataclass(slots=True)
class _Form:
    """A pattern whose groups are the row's number and the filled cells' values, and the rows found by it."""

    pattern: re.Pattern[str]
    cells: list[tuple[int, str]]
    places: list[int] = field(default_factory=list)
    found: list[tuple[str, ...]] = field(default_factory=list)


class RowForms:
    """The forms met in one sheet."""

    def __init__(self, shared: SharedTexts) -> None:
        self._shared = shared
        self._forms: list[_Form] = []

    def batch(self, text: str) -> ColumnBatch:
        """Read rows that REGULAR has matched; raise RowError for the first cell that can't be read."""
        for known in self._forms:
            known.places, known.found = [], []
        others: list[tuple[int, str]] = []
        at = place = 0
        form: _Form | None = None
        while at < len(text):
            match = form.pattern.match(text, at) if form is not None else None
            if match is None:
                form, match = self._other_form(text, at)
            if form is not None and match is not None:
                form.places.append(place)
                form.found.append(match.groups())
                at = match.end()
            else:
                row = _ONE.match(text, at)
                if row is None:
                    break
                others.append((place, row[0]))
                at = row.end()
            place += 1
        return self._gathered(place, others)

    def _other_form(self, text: str, at: int) -> tuple[_Form | None, re.Match[str] | None]:
        for known in self._forms:
            if match := known.pattern.match(text, at):
                return known, match
        row = _ONE.match(text, at)
        if len(self._forms) == _MAX_FORMS or row is None:
            return None, None
        form = _learned(row[0])
        if form is None:
            return None, None
        self._forms.append(form)
        return form, form.pattern.match(text, at)

    def _gathered(self, count: int, others: list[tuple[int, str]]) -> ColumnBatch:
        """Put the cells of all forms into columns."""
        numbers = [0] * count
        columns: list[list[Cell]] = []
        for form in self._forms:
            if not form.found:
                continue
            said, *values = zip(*form.found, strict=True)
            for place, number in zip(form.places, map(int, said), strict=True):
                numbers[place] = number
            for (column, kind), texts in zip(form.cells, values, strict=True):
                try:
                    cells = values_of(kind, texts, self._shared)
                except CellError as error:
                    raise RowError(int(said[error.column or 0]), column, error.reason) from None
                self._fill(columns, column, count)
                if len(cells) == count:
                    columns[column] = cells
                else:
                    for place, cell in zip(form.places, cells, strict=True):
                        columns[column][place] = cell
        for place, text in others:
            number, row = _apart(text, self._shared)
            numbers[place] = number
            self._fill(columns, len(row) - 1, count)
            for column, cell in enumerate(row):
                columns[column][place] = cell
        return ColumnBatch(numbers, columns)

    def _fill(self, columns: list[list[Cell]], column: int, count: int) -> None:
        while len(columns) <= column:
            columns.append([""] * count)


class RowError(Exception):
    """A cell that can't be read: its row, its column (None for the whole row), and why."""

    def __init__(self, number: int, column: int | None, reason: str) -> None:
        self.number = number
        self.column = column
        self.reason = reason
        super().__init__(reason)


def _apart(text: str, shared: SharedTexts) -> tuple[int, list[Cell]]:
    """Take one regular row apart, cell by cell."""
    number = int(_NUMBER.match(text)[1])  # type: ignore[index]  # the row was matched as one
    row: list[Cell] = []
    for letters, kind, value, inline in _TOKEN.findall(text):
        try:
            if inline:
                put(row, letters, clear(inline))
            elif value:
                put(row, letters, value_of(kind, clear(value), shared))
        except Unreadable as error:
            raise RowError(number, COLUMNS.get(letters), error.reason) from None
        except CellError as error:
            raise RowError(number, error.column, error.reason) from None
    return number, row


def _learned(text: str) -> _Form | None:
    """Return the form of one regular row; None for one whose cells are out of order: it is refused when taken apart."""
    pieces = [r'\s*+<row r="([0-9]{1,7})"[^<>]*+>', "(?<=/>)" if text.endswith("/>") else "(?<!/>)"]
    cells: list[tuple[int, str]] = []
    before = -1
    for letters, kind, value, inline in _TOKEN.findall(text):
        column = COLUMNS.get(letters, -1)
        if column <= before:
            return None
        start = rf'<c r="{letters}[0-9]{{1,7}}"{_STYLE}' + (f' t="{kind}"' if kind else "")
        before = column
        if not value and not inline:
            pieces.append(rf"{start}(?:/>|><v></v></c>|></c>)")
            continue
        if inline:
            pieces.append(rf'{start}><is><t(?: xml:space="preserve")?+>([^<]++)</t></is></c>')
        else:
            pieces.append(rf"{start}>{_FORMULA}<v>([^<]++)</v></c>")
        cells.append((column, "inlineStr" if inline else kind))
    if not text.endswith("/>"):
        pieces.append("</row>")
    pattern = re.compile("".join(pieces))
    return _Form(pattern, cells) if pattern.fullmatch(text) else None
