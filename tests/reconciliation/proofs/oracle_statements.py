"""What becomes of the statements of one account: which are booked, which are held, worked out from what they say."""

from itertools import pairwise

from tests.reconciliation.proofs.facts import Line, Statement


class Account:
    """Statements in the order they came; a held one is booked when the one beside it comes and the balances join."""

    def __init__(self) -> None:
        self._booked: list[Statement] = []
        self._waiting: list[Statement] = []
        self._wrong: list[Statement] = []

    def read(self, statement: Statement) -> None:
        """Book, hold or set aside a statement; what waited for it is booked with it."""
        twins = [one for one in self._booked if one.name == statement.name]
        if statement in twins:
            return
        seen = {(one.name, one.minor, one.day) for known in self._booked for one in known.lines}
        balanced = statement.closing - statement.opening == sum(one.minor for one in statement.lines)
        if twins or not balanced or any((one.name, one.minor, one.day) in seen for one in statement.lines):
            self._wrong.append(statement)
        elif self._joins(statement):
            self._booked.append(statement)
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                self.read(one)
        else:
            self._waiting.append(statement)

    def _joins(self, statement: Statement) -> bool:
        def place(one: Statement) -> tuple[int, int]:
            return (one.day, one.sequence or 0)

        before = [one for one in self._booked if place(one) < place(statement)]
        after = [one for one in self._booked if place(one) > place(statement)]
        opens = not before or max(before, key=place).closing == statement.opening
        return opens and (not after or min(after, key=place).opening == statement.closing)

    def undo(self, name: str) -> set[str]:
        """Take a statement out, with all that follow it; return the names of the lines that went."""
        first = min((one.day, one.sequence or 0) for one in self._booked if one.name == name)
        gone = [one for one in self._booked if (one.day, one.sequence or 0) >= first]
        self._booked = [one for one in self._booked if one not in gone]
        return {line.name for one in gone for line in one.lines}

    def lines(self) -> list[Line]:
        """Return the lines that count."""
        return [line for one in self._booked for line in one.lines]

    def held(self) -> set[str]:
        """Return the names of statements that people are asked about."""
        return {one.name for one in [*self._waiting, *self._wrong]}

    def missing(self) -> set[str]:
        """Return the numbers that lack between booked statements, where the numbering goes on and not with the days."""
        booked = sorted((one.day, one.sequence) for one in self._booked if one.sequence is not None)
        return {
            str(number)
            for (day, before), (later, after) in pairwise(booked)
            if 2 <= after - before <= 32 and after - before != later - day
            for number in range(before + 1, after)
        }
