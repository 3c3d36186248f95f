"""Rows of a table that begin with a day, read column by column into what their lines consist of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import mul, sub

from banks.statements.batch import Batch
from banks.statements.cells import Amounts, Cell, Days, PlacedError, is_blank, is_tidy, packed, shown, texts, tidy
from banks.statements.layout import TEXTS, Layout, folded
from banks.statements.line_spool import Columns, kept

MONEY = ("credit", "debit", "amount")


class FieldError(Exception):
    """A cell that can't be read: its field, its row counted from 0, and why."""

    def __init__(self, field: str, index: int, reason: str) -> None:
        self.field = field
        self.index = index
        self.reason = reason
        super().__init__(reason)


@dataclass(slots=True)
class Taken:
    """What some rows say; rows that move no money are counted in `left_out` and in nothing else.

    `without_amount` lists, counted from 0, those of them that say something but no amount, not even 0.
    """

    rows: Sequence[int]
    minors: list[int]
    booked_on: list[int]
    columns: Columns
    balances: list[int | None] | None
    left_out: int
    without_amount: Sequence[int] = ()


class RowReader:
    """Reads rows by the columns that one header row gave."""

    def __init__(self, layout: Layout, columns: Mapping[str, int], days: Days, currency: str) -> None:
        self._layout, self._days = layout, days
        self._at = columns
        self.amounts = Amounts(layout, currency)
        self._shares_day = columns.get("bank_reference") == columns["booked_on"]
        self._carried = [(name, columns[name]) for name in sorted(layout.carried) if name in columns]
        self._above: dict[str, Cell] = {}
        marks = [(word, 1) for word in layout.marks_in] + [(word, -1) for word in layout.marks_out]
        self._marks = {folded(word): sign for word, sign in marks}

    def has_money(self, row: Sequence[Cell]) -> bool:
        """Tell whether anything stands where amounts stand."""
        return any(row[self._at[name]] != "" for name in MONEY if name in self._at)

    def has_words(self, row: Sequence[Cell]) -> bool:
        """Tell whether anything stands where days and texts stand."""
        return any(row[self._at[name]] != "" for name in ("booked_on", *TEXTS) if name in self._at)

    def total(self, row: Sequence[Cell], name: str) -> int | None:
        """Read the cell of `name` in a row of totals; None when it is empty or there is no such column.

        Raise Unreadable for a cell that is no amount.
        """
        cell = row[self._at[name]] if name in self._at else ""
        return None if cell == "" else abs(self.amounts.one(cell, signed=True))

    def read(self, batch: Batch, first: int, *, regular: bool) -> Taken:
        """Read rows that begin with a day; `first` is the ordinal of the first, `regular` as `Days.column` has it.

        Raise FieldError for the first cell that can't be read.
        """
        if self._carried:
            self._fill_down(batch.rows())
        columns: Columns = {"entry": range(first, first + len(batch))}
        if self._shares_day:
            parted = [self._days.split(cell) for cell in self._column("booked_on", batch)]
            columns["bank_reference"] = packed("\n".join(rest for _, rest in parted))
            days = self._placed_days("booked_on", [day for day, _ in parted])
        else:
            days = self._day_numbers("booked_on", batch, regular=regular)
        minors = self._minors(batch)
        if "value_on" in self._at:
            columns["value_on"] = self._day_numbers("value_on", batch)
        for name in TEXTS:
            if name in self._at and name not in columns:
                columns[name] = self._texts(name, batch)
        balances = self._balances(batch) if "balance" in self._at and self._layout.balance_by_row else None
        if 0 not in minors:
            return Taken(batch.numbers, minors, days, columns, balances, 0)
        moved = list(compress(minors, minors))
        return Taken(
            list(compress(batch.numbers, minors)),
            moved,
            list(compress(days, minors)),
            {name: kept(values, minors) for name, values in columns.items()},
            balances and list(compress(balances, minors)),
            len(minors) - len(moved),
            self._without_amount(batch, minors),
        )

    def _without_amount(self, batch: Batch, minors: list[int]) -> list[int]:
        """List the rows whose money may stand in a column that no field names."""
        money = [self._column(name, batch) for name in MONEY if name in self._at]
        empty = [
            index
            for index, minor in enumerate(minors)
            if not minor and all(is_blank(column[index]) for column in money)
        ]
        if not empty:
            return empty
        # What was carried down from the row above is not of the row itself.
        others = {self._at["booked_on"], *(at for _, at in self._carried)}
        rows = batch.rows()
        return [
            index
            for index in empty
            if not all(is_blank(cell) for at, cell in enumerate(rows[index]) if at not in others)
        ]

    def _texts(self, name: str, batch: Batch) -> bytes:
        joined = batch.joined(self._at[name])
        if joined is not None and is_tidy(joined):
            return joined
        try:
            return texts(self._column(name, batch))
        except PlacedError as error:
            raise FieldError(name, error.index, error.reason) from None

    def _column(self, name: str, batch: Batch) -> list[Cell]:
        return batch.column(self._at[name])

    def _fill_down(self, rows: Sequence[list[Cell]]) -> None:
        """Give cells that are merged downwards the value that stands in the first of them."""
        for name, at in self._carried:
            for row in rows:
                if is_blank(row[at]):
                    row[at] = self._above.get(name, "")
                self._above[name] = row[at]

    def _minors(self, batch: Batch) -> list[int]:
        """Return the signed amounts."""
        if "amount" in self._at:
            amounts = self._amounts("amount", batch, signed="mark" not in self._at)
            if "mark" not in self._at:
                return amounts
            return [self._sign(index, cell) * amount for index, (cell, amount) in enumerate(
                zip(self._column("mark", batch), amounts, strict=True))]  # fmt: skip
        nothing = [0] * len(batch)
        credit, debit = nothing, nothing
        if "credit" in self._at:
            credit = self._amounts("credit", batch)
        if "debit" in self._at:
            debit = self._amounts("debit", batch, minus=self._layout.minus_out)
        minors = list(map(sub, credit, debit))
        # With as many zeros as rows, and no row of two, each row has one of them: counting is quicker than multiplying.
        if (0 in minors or credit.count(0) + debit.count(0) != len(minors)) and any(map(mul, credit, debit)):
            index = next(index for index, pair in enumerate(zip(credit, debit, strict=True)) if all(pair))
            raise FieldError("debit", index, "expected money in or money out in a row, got both")
        return minors

    def _sign(self, index: int, cell: Cell) -> int:
        sign = self._marks.get(folded(str(cell)))
        if sign is None:
            expected = ", ".join((*self._layout.marks_in, *self._layout.marks_out))
            raise FieldError("mark", index, f"expected one of {expected}, got {shown(tidy(str(cell)))}")
        return sign

    def _balances(self, batch: Batch) -> list[int | None]:
        amounts = self._amounts("balance", batch, signed=True)
        if 0 not in amounts:
            return list(amounts)
        cells = self._column("balance", batch)
        return [None if is_blank(cell) else minor for cell, minor in zip(cells, amounts, strict=True)]

    def _amounts(self, name: str, batch: Batch, *, signed: bool = False, minus: bool = False) -> list[int]:
        joined = batch.joined(self._at[name])
        plain = self.amounts.plain(joined) if joined is not None else None
        if plain is not None:
            return plain
        try:
            return self.amounts.column(self._column(name, batch), signed=signed, minus=minus)
        except PlacedError as error:
            raise FieldError(name, error.index, error.reason) from None

    def _day_numbers(self, name: str, batch: Batch, *, regular: bool = False) -> list[int]:
        """Return the number of each day, -1 for an empty cell."""
        joined = batch.joined(self._at[name])
        few = self._days.few(joined) if joined is not None else None
        return few or self._placed_days(name, self._column(name, batch), regular=regular)

    def _placed_days(self, name: str, cells: Sequence[Cell], *, regular: bool = False) -> list[int]:
        given = range(len(cells)) if regular else [at for at, cell in enumerate(cells) if not is_blank(cell)]
        try:
            numbers = self._days.column(cells if regular else [cells[at] for at in given], regular=regular)
        except PlacedError as error:
            raise FieldError(name, given[error.index], error.reason) from None
        if len(numbers) == len(cells):
            return numbers
        placed = [-1] * len(cells)
        for at, number in zip(given, numbers, strict=True):
            placed[at] = number
        return placed
