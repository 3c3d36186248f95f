"""The walk through a bank's table: rows in, statements out, whichever file the rows came from.

Above the table stand labelled cells (account, period, balances), then the header row, then rows that begin with a day.
Whatever has no day is a total, a label, a note or blank. A cell that should be an amount or a day and is not stops the
reading and is named.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, groupby

from banks.errors import Unreadable
from banks.records import StatementEvent
from banks.statements import labels
from banks.statements.batch import Batch
from banks.statements.cells import Cell, Days, is_blank, tidy
from banks.statements.layout import Layout, choose, columns_of, doubled, folded
from banks.statements.section import Section
from banks.statements.table_rows import FieldError, RowReader

HEAD_ROWS = 200
"""The header row stands within so many rows, or the sheet holds no table."""
Run = Iterable[StatementEvent]
"""Some events of one statement."""
EPOCH = date(1899, 12, 30)
"""The day that Excel counts from, for every day that a payment can be of."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of rows; `at` names a cell for a person: row, column (from 0) if any, and its header's words."""

    batches: Iterator[Batch]
    at: Callable[[int, int | None, str], str]
    name: str = ""
    epoch: date = EPOCH


def read_sheets(sheets: Iterator[Sheet], layouts: Collection[Layout], format_: str) -> Iterator[StatementEvent]:
    """Read every sheet that holds a table of one of `layouts`; raise Unreadable when none does, or naming the cell."""
    # Events pass through here in runs, as each generator on the way of each event would take its time.
    return chain.from_iterable(_runs(sheets, layouts, format_))


def _runs(sheets: Iterator[Sheet], layouts: Collection[Layout], format_: str) -> Iterator[Run]:
    found = False
    for sheet in sheets:
        walk = _Walk(sheet, [one for one in layouts if re.search(one.sheet, sheet.name, re.IGNORECASE)], format_)
        try:
            yield from walk.runs()
        finally:
            walk.close()
        found = found or walk.found
    if not found:
        known = "; ".join(f"{one.title} ({', '.join(words[0] for words in one.columns.values())})" for one in layouts)
        raise Unreadable(f"expected within {HEAD_ROWS} rows the header row of {known}; got none")


class _Walk:
    """One sheet as its rows pass by."""

    def __init__(self, sheet: Sheet, layouts: Collection[Layout], format_: str) -> None:
        self._sheet, self._layouts, self._format = sheet, layouts, format_
        self._head: list[tuple[int, list[Cell]]] = []
        self.found = False

    def runs(self) -> Iterator[Run]:
        """Yield the sheet's statements."""
        for batch in self._sheet.batches:
            start = 0 if self.found else self._seek(batch)
            if self.found and start < len(batch):
                yield from self._table(batch.part(start, len(batch)) if start else batch)
            elif not self.found and len(self._head) > HEAD_ROWS:
                return
        if self.found:
            yield from self._section.runs()

    def close(self) -> None:
        """Let go of what was put by."""
        if self.found:
            self._section.close()

    # ── above the table ──────────────────────────────────────────────────────────────────────────────────────────────

    def _seek(self, batch: Batch) -> int:
        """Look for the header row; return the index of the row below it, having read what stands above."""
        for index, (number, cells) in enumerate(zip(batch.numbers, map(_stripped, batch.rows()), strict=True)):
            try:
                chosen = choose(self._layouts, cells)
            except Unreadable as error:
                raise Unreadable(error.reason, self._sheet.at(number, None, "")) from None
            if chosen is None:
                self._head.append((number, cells))
                continue
            self._layout = layout = chosen[0]
            self._ends, self._ignored = (tuple(map(folded, words)) for words in (layout.ends, layout.ignored))
            self._days = Days(layout, self._sheet.epoch)
            self._section = Section(layout, f"{self._format}.{layout.name}", self._days.days)
            self.found = True
            self._begin(number, cells, chosen[1])
            said = [
                (above, *label)
                for above, head in self._head
                if not self._starts(head, self._ignored)
                for label in labels.labelled(layout, head)
            ]
            # The currency first: how the amounts are read depends on it.
            for above, kind, at, value in sorted(said, key=lambda one: one[1] != "currency"):
                self._note(above, kind, at, value)
            return index + 1
        return len(batch)

    def _begin(self, number: int, header: Sequence[Cell], columns: dict[str, int]) -> None:
        """Take `header` as the header row of what follows."""
        self._columns = columns
        self._words = [tidy(str(cell))[:60] for cell in header]
        if (twice := doubled(self._layout, header)) is not None:
            one, other = twice
            said = f"expected these words over one column, got them at {self._sheet.at(number, one, '')} too"
            raise self._refused(number, other, self._words[other], said)
        self._wide = max((index for index, cell in enumerate(header) if cell != ""), default=0) + 1
        self._reader = RowReader(self._layout, columns, self._days, self._section.currency)

    def _note(self, number: int, kind: str, at: int, value: Cell) -> None:
        """Take what a labelled cell says into the section in hand."""
        section = self._section
        said: str | int | None
        if kind == "account":
            said = labels.account_in(value) or section.account
        elif kind == "currency":
            said = labels.currency_in(value) or section.currency
            if said != section.currency and not section.rows:
                section.currency = said
                self._reader = RowReader(self._layout, self._columns, self._days, said)
        elif kind == "period":
            days = self._days.within(str(value))
            if len(days) > 1 and section.from_on is None:
                section.from_on, section.to_on = days[0], days[1]
            return
        else:
            try:
                said = self._reader.amounts.one(labels.amount_in(value), signed=True)
            except Unreadable as error:
                raise self._refused(number, at, self._layout.labels[kind][0], error.reason) from None
        before = getattr(section, kind)
        if before in (None, "", said):
            setattr(section, kind, said)
        else:
            raise self._refused(
                number, at, self._layout.labels[kind][0], f"expected one {kind}, got another than before"
            )

    # ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _table(self, batch: Batch) -> Iterator[Run]:
        if not batch.squared(self._wide):
            self._refuse_longer(batch)
        day = self._columns["booked_on"]
        if "booked_on" not in self._layout.carried and self._is_regular(batch, day):
            yield from self._dated(batch, regular=True)
            return
        run = 0
        for index, row in enumerate(batch.rows()):
            if self._is_dated(row, follows=run < index or self._section.rows > 0):
                continue
            if run < index:
                yield from self._dated(batch.part(run, index))
            yield from self._other(batch.numbers[index], _stripped(row))
            run = index + 1
        if run < len(batch):
            yield from self._dated(batch.part(run, len(batch)))

    def _is_regular(self, batch: Batch, at: int) -> bool:
        joined = batch.joined(at)
        return self._days.regular(joined, () if joined is not None else batch.column(at))

    def _refuse_longer(self, batch: Batch) -> None:
        """Refuse a row with more cells than the header row: its cells have shifted."""
        for number, row in zip(batch.numbers, batch.rows(), strict=True):
            if not all(map(is_blank, row[self._wide :])) and self._is_dated(row):
                said = f"expected at most {self._wide} cells as in the header row, got {len(row)}"
                raise Unreadable(said, self._sheet.at(number, None, ""))

    def _is_dated(self, row: list[Cell], *, follows: bool = False) -> bool:
        """Tell whether a row begins with a day: its own or, where it `follows` such a row, one merged down to it."""
        day = row[self._columns["booked_on"]]
        if is_blank(day) and follows and "booked_on" in self._layout.carried:
            return self._reader.has_money(row) and self._reader.has_words(row) and not self._starts(row, self._ends)
        return self._days.is_day(day)

    def _dated(self, batch: Batch, *, regular: bool = False) -> Iterator[Run]:
        """Take rows that begin with a day; where they name their account, each account has its own section."""
        if "account" not in self._columns:
            self._take(batch, regular=regular)
            return
        at, start = self._columns["account"], 0
        for account, group in groupby(batch.column(at), labels.account_in):
            end = start + len(list(group))
            if not account:
                raise self._refused(batch.numbers[start], at, "", "expected an account number, got none")
            yield from self._turn_to(account)
            self._take(batch.part(start, end), regular=regular)
            start = end

    def _take(self, batch: Batch, *, regular: bool) -> None:
        try:
            taken = self._reader.read(batch, self._section.rows + 1, regular=regular)
        except FieldError as error:
            at = self._columns[error.field]
            raise self._refused(batch.numbers[error.index], at, self._words[at], error.reason) from None
        self._section.rows += len(batch)
        self._section.take(taken)
        for index in taken.without_amount:
            if not self._starts(_stripped(batch.rows()[index]), self._ignored):
                place = self._sheet.at(batch.numbers[index], None, "")
                self._section.fault(f"{place}: expected an amount in a row that begins with a day, got none")

    def _other(self, number: int, row: list[Cell]) -> Iterator[Run]:
        """Take a row of the table that does not begin with a day."""
        if not any(cell != "" for cell in row) or self._starts(row, self._ignored):
            return
        if (columns := columns_of(self._layout, row)) is not None:
            self._begin(number, row, columns)  # the next page, or the next account
            return
        if self._starts(row, self._ends):
            self._check_totals(number, row)
            return
        said = list(labels.labelled(self._layout, row))
        for kind, at, value in said:
            if kind == "account" and (account := labels.account_in(value)):
                yield from self._turn_to(account)
            self._note(number, kind, at, value)
        if said or not self._reader.has_money(row):
            return
        if self._reader.has_words(row):
            at = self._columns["booked_on"]
            expected = f"expected a day written {' or '.join(self._layout.dates)}, got none beside an amount"
            raise self._refused(number, at, self._words[at], expected)
        self._check_totals(number, row)

    def _turn_to(self, account: str) -> Iterator[Run]:
        """Begin a section for `account` when the one in hand is another's."""
        if self._section.account and self._section.account != account:
            currency = self._section.currency
            yield from self._section.runs()
            self._section = Section(self._layout, f"{self._format}.{self._layout.name}", self._days.days)
            self._section.currency = currency
        self._section.account = account

    def _check_totals(self, number: int, row: list[Cell]) -> None:
        try:
            credit, debit = (self._reader.total(row, name) for name in ("credit", "debit"))
        except Unreadable:
            return  # words, such as a count of rows, where sums stand with other banks
        self._section.check_totals(credit, debit, self._sheet.at(number, None, ""))

    def _starts(self, row: Sequence[Cell], words: tuple[str, ...]) -> bool:
        return bool(words) and any(isinstance(cell, str) and folded(cell).startswith(words) for cell in row if cell)

    def _refused(self, number: int, at: int, words: str, reason: str) -> Unreadable:
        return Unreadable(reason, self._sheet.at(number, at, words))


def _stripped(row: list[Cell]) -> list[Cell]:
    return [cell.strip() if isinstance(cell, str) else cell for cell in row]
