"""The running balance of a table, checked row by row in whichever order the rows stand: oldest or newest first."""

from collections.abc import Iterable, Sequence
from operator import add, sub

MAX_BREAKS = 20


class _Order:
    """One order of the rows, and the rows at which the balance breaks in it."""

    def __init__(self) -> None:
        self.breaks: list[int] = []
        self.more = False

    def compare(self, rows: Sequence[int], expected: Iterable[int], balances: list[int]) -> None:
        if self.more or (expected := list(expected)) == balances:
            return
        broken = [row for row, one, other in zip(rows, expected, balances, strict=True) if one != other]
        room = MAX_BREAKS - len(self.breaks)
        self.breaks += broken[:room]
        self.more = len(broken) > room


class RunningBalance:
    """The chain of balances of one statement, in minor units."""

    def __init__(self) -> None:
        self._oldest_first, self._newest_first = _Order(), _Order()
        self._first: tuple[int, int, int] | None = None
        self._last: tuple[int, int, int] | None = None
        self._gathered = 0
        self._waits = False

    def take(self, rows: Sequence[int], minors: list[int], balances: Sequence[int | None]) -> None:
        """Follow the chain through some more rows: their numbers, signed amounts, and the balance beside each.

        A row without a balance (None) counts with the next one that has it: some banks give one balance a day.
        """
        given = [one for one in balances if one is not None]
        if self._waits or len(given) < len(balances):
            rows, minors = self._gather(rows, minors, balances)
        if given:
            self._follow(rows, minors, given)

    def ends(self) -> tuple[int, int] | None:
        """Return the opening and closing balance that the chain itself tells, None where there is none."""
        if self._first is None or self._last is None or self._waits:
            return None
        oldest, newest = (self._first, self._last) if self._is_oldest_first() else (self._last, self._first)
        return oldest[2] - oldest[1], newest[2]

    def breaks(self, opening: int | None) -> tuple[list[int], bool]:
        """Return the rows whose balance does not follow from the row before, and whether there are more of them."""
        if self._first is None or self._last is None:
            return [], False
        oldest_first = self._is_oldest_first()
        order, oldest = (self._oldest_first, self._first) if oldest_first else (self._newest_first, self._last)
        found = order.breaks
        if opening is not None and oldest[2] - oldest[1] != opening:
            found = [oldest[0], *found]
        return found[:MAX_BREAKS], order.more

    def _is_oldest_first(self) -> bool:
        ours, other = self._oldest_first, self._newest_first
        return (ours.more, len(ours.breaks)) <= (other.more, len(other.breaks))

    def _gather(
        self, rows: Sequence[int], minors: list[int], balances: Sequence[int | None]
    ) -> tuple[list[int], list[int]]:
        """Add the amounts of rows without a balance to the next row that has one."""
        numbers, sums = [], []
        for row, minor, balance in zip(rows, minors, balances, strict=True):
            self._gathered += minor
            self._waits = balance is None
            if balance is not None:
                numbers.append(row)
                sums.append(self._gathered)
                self._gathered = 0
        return numbers, sums

    def _follow(self, rows: Sequence[int], minors: list[int], balances: list[int]) -> None:
        if self._last is None:
            self._first = self._last = (rows[0], minors[0], balances[0])
            rows, minors, balances = rows[1:], minors[1:], balances[1:]
            if not minors:
                return
        _, amount, balance = self._last
        before = [balance, *balances[:-1]]
        self._oldest_first.compare(rows, map(add, before, minors), balances)
        self._newest_first.compare(rows, map(sub, before, [amount, *minors[:-1]]), balances)
        self._last = (rows[-1], minors[-1], balances[-1])
