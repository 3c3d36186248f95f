"""Places in a camt file where patterns may take over from the XML parser: between two entries, or two transactions.

Each takes what its known shapes match, one element right behind the other, and tells the statement about it as the
plain walk would. What no shape matches is left where it is, for the parser.
"""

from collections.abc import Generator
from typing import Protocol

from banks.errors import Unreadable
from banks.records import StatementEvent, StatementLine
from banks.statements import camt_entry, camt_lines
from banks.statements.camt_entry import Detail, Entry
from banks.statements.camt_head import Foot
from banks.statements.camt_learning import Shapes
from banks.statements.camt_pattern import Match
from banks.statements.camt_shape import DetailShape, FrameShape
from banks.statements.camt_walk import MAX_DETAILS, Statement
from banks.xml import MAX_TEXT


class Stand(Protocol):
    """A place between two elements that patterns may know."""

    @property
    def whole(self) -> bool:
        """Whether patterns need a whole entry; else its transactions can be taken while it goes on."""
        ...

    def take(self, text: str, at: int) -> Generator[StatementEvent, None, int]:
        """Yield what the elements tell that match from `at` on; return where the last of them ends."""
        ...

    @property
    def matched(self) -> int:
        """How many elements have been taken here."""
        ...


class BetweenEntries:
    """In the content of a statement, its head read and told."""

    whole = True

    def __init__(self, statement: Statement, foot: Foot, shapes: Shapes) -> None:
        self._statement, self._foot, self._shapes = statement, foot, shapes
        self._opened = foot.opened
        self._from = statement.entries

    @property
    def matched(self) -> int:
        """How many entries have been taken here."""
        return self._statement.entries - self._from

    def take(self, text: str, at: int) -> Generator[StatementEvent, None, int]:
        """Yield the lines of the entries that match from `at` on; return where the last of them ends."""
        statement, foot, entries, account = self._statement, self._foot, self._shapes.entries, self._opened.account
        while True:
            rank = 0
            for shape in entries:
                match = shape.match(text, at)
                if match is not None:
                    break
                rank += 1
            else:
                end = yield from self._take_batch(text, at)
                if not end:
                    return at
                at = end
                continue
            line = shape.read(match, statement.entries + 1, account)
            end = match.end()
            if line is None or end - at > MAX_TEXT:  # the plain reader knows which of its texts is too long
                return at
            at = end
            statement.entries += 1
            minor = line.amount.minor
            foot.count(minor, booked=shape.booked)
            if shape.booked:
                foot.add(minor)
                yield line
            else:
                foot.left_out += 1
            if rank:  # what comes often moves to the front
                entries[rank - 1 : rank + 1] = shape, entries[rank - 1]

    def _take_batch(self, text: str, at: int) -> Generator[StatementEvent, None, int]:
        """Yield the lines of one entry in a frame; return where it ends, 0 when it is for the plain reader."""
        statement, foot = self._statement, self._foot
        for frame in self._shapes.frames:
            head = frame.head(text, at)
            if head is not None:
                details, end = _run(self._shapes.details, text, head.end(), MAX_DETAILS)
                tail = frame.tail(text, end)
                if tail is not None and max(head.end() - at, tail.end() - end) <= MAX_TEXT:
                    break
        else:
            return 0
        told = self._told(frame, head, tail, details)
        if told is None:
            return 0
        entry, lines = told
        statement.entries += 1
        statement.count(foot, entry, len(details), groups=1)
        for line in lines:
            foot.add(line.amount.minor)
            yield line
        return tail.end()

    def _told(
        self, frame: FrameShape, head: Match, tail: Match, details: list[Detail]
    ) -> tuple[Entry, list[StatementLine]] | None:
        """Apply the rules to an entry; None when they refuse it, so that the plain reader says where."""
        try:
            entry = camt_entry.read_entry(self._statement.entries + 1, frame.read(head, tail), self._opened.currency)
            return entry, list(camt_lines.lines(entry, details, self._opened.account))
        except Unreadable:
            return None


class BetweenTransactions:
    """Inside an entry that has many."""

    whole = False

    def __init__(self, statement: Statement, shapes: Shapes) -> None:
        self._statement, self._shapes = statement, shapes
        self.matched = 0

    def take(self, text: str, at: int) -> Generator[StatementEvent, None, int]:
        """Keep the transactions that match from `at` on for their entry; return where the last of them ends."""
        # One too many is for the plain reader, which refuses it.
        details, end = _run(self._shapes.details, text, at, MAX_DETAILS - len(self._statement.details))
        self._statement.details += details
        self.matched += len(details)
        yield from ()
        return end


def _run(shapes: list[DetailShape], text: str, at: int, most: int) -> tuple[list[Detail], int]:
    """Read the transactions that match from `at` on, at most so many; return them and where the last of them ends."""
    details = list[Detail]()
    while len(details) < most:
        for shape in shapes:
            match = shape.match(text, at)
            if match is not None:
                break
        else:
            break
        end = match.end()
        if end - at > MAX_TEXT:
            break
        details.append(shape.read(match))
        at = end
    return details, at
