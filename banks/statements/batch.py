"""Some rows of a table at a time, seen as rows or as columns, whichever the file gave and the walk needs."""

from collections.abc import Sequence
from operator import itemgetter

from banks.statements.cells import Cell, packed, unpacked


class Batch:
    """Rows with their numbers in the file."""

    def __init__(self, numbers: Sequence[int], rows: list[list[Cell]]) -> None:
        self.numbers = numbers
        self._rows = rows

    def __len__(self) -> int:
        return len(self.numbers)

    def rows(self) -> list[list[Cell]]:
        """Return the rows."""
        return self._rows

    def column(self, at: int) -> list[Cell]:
        """Return the cells of the column `at`, counted from 0."""
        return list(map(itemgetter(at), self._rows))

    def joined(self, at: int) -> bytes | None:
        """Return the column `at` as one text in UTF-8, a line a cell; None where a cell is a number or has lines."""
        cells = self.column(at)
        if set(map(type, cells)) != {str}:
            return None
        joined = "\n".join(cells)  # type: ignore[arg-type]  # all are texts, as was just seen
        return packed(joined) if joined.count("\n") == len(cells) - 1 else None

    def part(self, start: int, end: int) -> "Batch":
        """Return the rows from `start` to before `end`."""
        return Batch(self.numbers[start:end], self.rows()[start:end])

    def squared(self, width: int) -> bool:
        """Fill short rows up to `width`; tell whether no row is longer."""
        lengths = set(map(len, self.rows()))
        if min(lengths) < width:
            for row in self.rows():
                row.extend([""] * (width - len(row)))
        return max(lengths) <= width


class FlatBatch(Batch):
    """Rows of one width as UTF-8 in one flat list: a column is a slice of it, and is decoded when it is asked for."""

    def __init__(self, numbers: Sequence[int], cells: list[bytes], width: int) -> None:
        super().__init__(numbers, [])
        self._cells, self._width = cells, width
        self._joined: dict[int, bytes] = {}

    def rows(self) -> list[list[Cell]]:
        """Return the rows, which are made when they are first asked for."""
        if not self._rows:
            texts: list[Cell] = unpacked(b"\n".join(self._cells))  # type: ignore[assignment]  # texts are cells
            self._rows = [texts[start : start + self._width] for start in range(0, len(texts), self._width)]
        return self._rows

    def column(self, at: int) -> list[Cell]:
        """Return the cells of the column `at`, counted from 0."""
        return super().column(at) if self._rows else unpacked(self._flat(at))  # type: ignore[return-value]  # as above

    def joined(self, at: int) -> bytes | None:
        """Return the column `at` as one text in UTF-8, a line a cell; of rows that were made, as they stand by now."""
        return super().joined(at) if self._rows else self._flat(at)

    def _flat(self, at: int) -> bytes:
        if at not in self._joined:
            self._joined[at] = b"\n".join(self._cells[at :: self._width])
        return self._joined[at]

    def squared(self, width: int) -> bool:
        """Fill short rows up to `width`; tell whether no row is longer."""
        if self._width < width:
            self._rows = self.rows()
            self._width, short = width, self._width
            for row in self._rows:
                row.extend([""] * (width - short))
            self._cells, self._joined = [str(cell).encode() for row in self._rows for cell in row], {}
        return self._width <= width


class ColumnBatch(Batch):
    """Rows that came as columns; a column that is not there holds empty cells."""

    def __init__(self, numbers: Sequence[int], columns: list[list[Cell]]) -> None:
        super().__init__(numbers, [])
        self._columns = columns

    def rows(self) -> list[list[Cell]]:
        """Return the rows, which are made when they are first asked for."""
        if not self._rows:
            self._rows = [list(row) for row in zip(*self._columns, strict=True)] or [[] for _ in self.numbers]
        return self._rows

    def column(self, at: int) -> list[Cell]:
        """Return the cells of the column `at`, counted from 0."""
        if self._rows:
            return super().column(at)
        return self._columns[at] if at < len(self._columns) else [""] * len(self)

    def squared(self, width: int) -> bool:
        """Fill short rows up to `width`; tell whether no row is longer."""
        while len(self._columns) < width:
            self._columns.append([""] * len(self))
            self._rows = []
        return all(set(column) == {""} for column in self._columns[width:])
