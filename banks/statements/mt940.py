"""SWIFT MT940 (customer statement) and MT942 (interim report): one walk through the fields, one line in memory.

An MT940 says what was booked; an MT942 only tells early. The closing balance stands after the lines, so it is told in
`StatementClosed`. docs/formats/mt940.md says for a bank what is read and what is refused.
"""

import re
from collections.abc import Iterator

from banks.errors import Unreadable
from banks.money import Money
from banks.records import Readable, StatementEvent, StatementKind
from banks.statements import mt940_fields
from banks.statements.mt940_statement import Statement

EXPECTED = "SWIFT MT940 or MT942"
_HEAD = frozenset({"25", "25P", "28", "28C", "60F", "60M", "34F", "13", "13D"})
_BEGIN_ANOTHER = frozenset({"25", "25P", "28", "28C", "60F", "60M"})
_TOTALS = frozenset({"90C", "90D"})
_KNOWN = _HEAD | _TOTALS | {"62F", "62M"}
_TYPE = re.compile(r"\{2:[IO]([0-9]{3})", re.ASCII)
_KINDS = {"940": StatementKind.STATEMENT, "942": StatementKind.NOTICE}
_MAX_ACCOUNTS = 1000
"""Accounts of one file whose last page is remembered for the page that follows it."""

recognise = mt940_fields.starts


def read(stream: Readable) -> Iterator[StatementEvent]:
    """Read every statement of `stream`; see `banks.records.StatementReader`.

    Raise Unreadable with a place such as "message 2, :61: 3, line 212".
    """
    walk = _Walk()
    tag, at = "", 0
    try:
        for tag, at, text, run in mt940_fields.fields(stream):
            statement = walk.statement
            if tag == "61" and statement is not None:
                if (line := statement.line()) is not None:
                    yield line
                if statement.opened is None:
                    yield statement.open()
                if run is None:
                    statement.take_entry(text)
                else:
                    yield from statement.take_run(run, at)
            elif tag == "86" and statement is not None:
                statement.take_narrative(text)
            else:
                yield from walk.take(tag, at, text)
        tag = ""
        yield from walk.close()
    except Unreadable as error:
        raise walk.placed(error, tag, at) from None
    if not walk.messages:
        raise Unreadable(f"expected {EXPECTED} with a message in it, got none")


class _Walk:
    """The messages of a file as they pass by."""

    def __init__(self) -> None:
        self.messages = 0
        self.statement: Statement | None = None
        self.kind: StatementKind | None = None
        self.pages: dict[tuple[str, str], tuple[int, str]] = {}  # account, currency → closing of a page, its number

    def placed(self, error: Unreadable, tag: str, at: int) -> Unreadable:
        """Return `error` with the way to it: the message, the field, the line."""
        if error.place:
            return error
        statement = self.statement
        way = [f"message {self.messages}" if self.messages else ""]
        if tag == "61" and statement is not None and statement.entries:
            way.append(f":61: {statement.entries}")
            at = statement.wrong_line or at
        elif tag not in ("", "{", "-"):
            way.append(f":{tag}:")
        way.append(f"line {at}" if at else "")
        return Unreadable(error.reason, ", ".join(filter(None, way)))

    def take(self, tag: str, at: int, text: str) -> Iterator[StatementEvent]:
        """Take a field other than a line's; yield what is complete by it."""
        statement = self.statement
        if tag == "{":
            yield from self.close()
            self._take_type(text)
        elif tag == "-":
            yield from self.close()
            self.kind = None
        elif tag == "20":
            yield from self.close()
            self.messages += 1
            self.statement = Statement(text.partition("\n")[0].strip()[:64], at, self.kind)
        elif statement is None:
            if tag in _KNOWN or tag in ("61", "86"):
                place = f"after message {self.messages}, " if self.messages else ""
                raise Unreadable(f"expected :20:, the beginning of a message, got :{tag}:", f"{place}line {at}")
        else:
            yield from self._take(statement, tag, text)

    def _take(self, statement: Statement, tag: str, text: str) -> Iterator[StatementEvent]:
        if tag not in _KNOWN:
            return
        line = statement.line()
        if line is not None:
            yield line
        if tag in _BEGIN_ANOTHER and statement.is_over(tag):
            another = statement.another(tag)
            yield from self.close()
            statement = self.statement = another
        if tag in _HEAD:
            statement.take_head(tag, text)
        elif tag in _TOTALS:
            statement.take_total(tag, text)
        else:
            statement.take_closing(tag, text)

    def close(self) -> Iterator[StatementEvent]:
        """Yield what is left of the statement at its end: its last line, its head if it had no lines, its foot."""
        statement, self.statement = self.statement, None
        if statement is None:
            return
        line = statement.line()
        if line is not None:
            yield line
        if statement.opened is None:
            try:
                if statement.is_empty():
                    raise Unreadable("expected balances or lines in the message, got neither")
                yield statement.open()
            except Unreadable as error:
                raise Unreadable(error.reason, f"message {self.messages}, line {statement.at}") from None
        self._check_chain(statement)
        yield statement.foot()

    def _check_chain(self, statement: Statement) -> None:
        """Compare the balance a page opens with and that at which the page before it in this file closed."""
        key = (statement.account, statement.currency)
        before, opening, closing = self.pages.pop(key, None), statement.opening, statement.closing
        if before is not None and opening is not None:
            minor, number = before
            follows = statement.interim_opening or statement.number.partition("/")[0] == number
            if follows and opening.minor != minor:
                said, expected = Money(opening.minor, key[1]), Money(minor, key[1])
                statement.fault(f"the page before it closed at {expected} (:62M:), this one opens at {said}")
        if closing is not None and statement.interim_closing:
            if len(self.pages) >= _MAX_ACCOUNTS:
                del self.pages[next(iter(self.pages))]
            self.pages[key] = closing.minor, statement.number.partition("/")[0]

    def _take_type(self, text: str) -> None:
        found = _TYPE.search(text)
        if found is not None:
            if found[1] not in _KINDS:
                raise Unreadable(f"expected {EXPECTED}, got MT{found[1]}")
            self.kind = _KINDS[found[1]]
