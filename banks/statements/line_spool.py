"""Lines put by until their statement's closing balance is known: the first few in memory, the rest on disk.

A table tells its closing balance below its lines, and a statement's head is told before them. What is kept are columns,
not records: packing and unpacking them costs a fraction of reading the file.
"""

import marshal
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import compress
from typing import IO, Any

from banks.records import StatementLine
from banks.statements import in_bulk
from banks.statements.cells import unpacked

HELD = 20_000
"""Lines kept in memory; more go to a nameless temporary file."""
Columns = dict[str, Sequence[int] | bytes]
"""Field → one value a line: `entry`, `minor` and days (by their number), and texts as `cells.packed` has them."""


class LineSpool:
    """The lines of one statement, written once and read once."""

    def __init__(self) -> None:
        self._batches: list[Columns] = []
        self._held = 0
        self._file: IO[bytes] | None = None

    def add(self, columns: Columns) -> None:
        """Put a batch of lines by."""
        self._batches.append(columns)
        self._held += len(columns["entry"])
        if self._held > HELD:
            self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
            for batch in self._batches:
                packed = marshal.dumps({**batch, "entry": _ends(batch["entry"])})
                self._file.write(len(packed).to_bytes(8, "big") + packed)
            self._batches, self._held = [], 0

    def lines(self, currency: str, days: Sequence[date]) -> Iterator[Iterator[StatementLine]]:
        """Yield the lines, batch by batch, in the order in which they came."""
        told: Sequence[date | None] = [*days, None]  # a day that is not given has the number -1
        for batch in self._columns():
            columns: dict[str, Any] = {
                name: unpacked(one) if isinstance(one, bytes) else one for name, one in batch.items()
            }
            amounts = in_bulk.money(columns.pop("minor"), currency)
            for name in ("booked_on", "value_on"):
                if name in columns:
                    columns[name] = list(map(told.__getitem__, columns[name]))
            yield in_bulk.lines(amounts, **columns)

    def close(self) -> None:
        """Let go of the lines and their room on disk."""
        self._batches = []
        if self._file is not None:
            self._file.close()
            self._file = None

    def _columns(self) -> Iterator[Columns]:
        if self._file is not None:
            self._file.seek(0)
            while length := self._file.read(8):
                # Our own bytes, from a file that no one else can name: marshal is safe here and nowhere else.
                batch = marshal.loads(self._file.read(int.from_bytes(length, "big")))  # noqa: S302 - see above
                entries = batch["entry"]
                yield batch | {"entry": range(*entries) if isinstance(entries, tuple) else entries}
        yield from self._batches


def kept(values: Sequence[int] | bytes, wanted: Sequence[int]) -> list[int] | bytes:
    """Return the values of a column whose place in `wanted` is not 0."""
    if isinstance(values, bytes):
        return b"\n".join(compress(values.split(b"\n"), wanted))
    return list(compress(values, wanted))


def _ends(entries: Sequence[int] | bytes) -> Sequence[int] | bytes:
    """Return where a range begins and ends, as it is the one shape that marshal does not know."""
    return (entries.start, entries.stop) if isinstance(entries, range) else entries
