"""Learning the shapes of entries and transactions from those that the plain reader has read.

A shape is learned when it has come a few times, and taken on only when it reads two examples just as the plain reader
does: the one from the file, and a witness, which is the same tags with other texts between them.
"""

import io
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar
from xml.sax.saxutils import quoteattr

from banks import xml
from banks.errors import Unreadable
from banks.records import StatementLine
from banks.statements import camt_entry, camt_lines
from banks.statements.camt_entry import DATE, Detail
from banks.statements.camt_outline import Outline, outline
from banks.statements.camt_pattern import SPACE
from banks.statements.camt_shape import CODES, HOLE, DetailShape, EntryShape, FrameShape
from banks.statements.camt_walk import AWAITED, Statement, Walk, read_plainly

Shape = TypeVar("Shape", EntryShape, FrameShape, DetailShape)

MAX_SHAPES = 32
"""Of each kind; a bank's files have a handful, and every one more makes a miss dearer."""
MAX_LENGTH = 8 * 1024
"""Characters of an element worth learning."""
PATIENCE = 500
"""So many examples are looked at in vain before a file is taken for one in which nothing recurs."""
_OWN = "OWN"
"""The account of a witness's statement: no witness's own text."""
_PARTS = ("P1", "P2")
"""The end-to-end ids of two transactions that tell nothing else, to try a frame with."""


class Shapes:
    """The shapes of one kind of statement: same namespaces, same message, same currency."""

    def __init__(self, statement: Statement, currency: str, sightings: int) -> None:
        self.entries: list[EntryShape] = []
        self.frames: list[FrameShape] = []
        self.details: list[DetailShape] = []
        self._kind, self._currency = statement.kind, currency
        self._namespace, self._message = xml.split(str(statement.message.tag))
        # An example may be one that only the plain reader can read, though others of its shape are not.
        self._tries = frozenset(sightings * factor for factor in (1, 4, 16, 64))
        self._seen: dict[int, int] = {}
        self._patience = PATIENCE

    def offer_entry(self, written: str, told: Sequence[StatementLine], ordinal: int, account: str) -> None:
        """Look at an Ntry with at most one TxDtls, read plainly as `told`, the entry `ordinal` of `account`."""

        def sound(shape: EntryShape, found: Outline) -> bool:
            other = found.write(_other_texts(found))
            return _told(shape, written, ordinal, account) == told and _told(shape, other, 1, _OWN) == self._lines(
                other
            )

        self._offer(written, self.entries, lambda one: EntryShape.learn(one, self._currency), sound)

    def offer_frame(self, head: str, tail: str) -> None:
        """Look at what stands before and after the transactions of an Ntry, read plainly."""
        head, tail = head.rstrip(SPACE), tail.lstrip(SPACE)
        parts = "".join(f"<TxDtls><Refs><EndToEndId>{one}</EndToEndId></Refs></TxDtls>" for one in _PARTS)

        def sound(shape: FrameShape, found: Outline) -> bool:
            other_head, _, other_tail = found.write(_other_texts(found)).partition(HOLE)
            return all(
                (lines := self._lines(before + parts + after)) is not None
                and lines == self._framed(shape, before, after)
                for before, after in ((head, tail), (other_head, other_tail))
            )

        self._offer(head + HOLE + tail, self.frames, FrameShape.learn, sound)

    def offer_detail(self, written: str, told: Detail) -> None:
        """Look at a TxDtls, read plainly as `told`."""

        def sound(shape: DetailShape, found: Outline) -> bool:
            other = found.write(_other_texts(found))
            return _detail(shape, written) == told and _detail(shape, other) == self._plain_detail(other)

        self._offer(written, self.details, DetailShape.learn, sound)

    def _offer(
        self,
        written: str,
        known: list[Shape],
        learn: Callable[[Outline], Shape | None],
        sound: Callable[[Shape, Outline], bool],
    ) -> None:
        """Take the shape of `written` on when it has been seen often enough and proves `sound`."""
        name: str
        keep: Collection[str]
        name, keep = ("TxDtls", ()) if written.startswith("<TxDtls>") else ("Ntry", CODES)
        if not self._patience or len(known) >= MAX_SHAPES or len(written) > MAX_LENGTH or "&" in written:
            return
        self._patience -= 1
        found = outline(written, name, keep)
        if found is None:
            return
        key = hash(found.literals)
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._seen[key] not in self._tries:
            return
        shape = learn(found)
        if shape is not None and sound(shape, found):
            known.append(shape)
            self._patience = PATIENCE

    def _lines(self, written: str) -> list[StatementLine] | None:
        """Let the plain reader read `written`, an Ntry; None when it refuses."""
        try:
            events = list(read_plainly(io.BytesIO(self._document(written))))
        except Unreadable:
            return None
        return [event for event in events if isinstance(event, StatementLine)]

    def _framed(self, shape: FrameShape, before: str, after: str) -> list[StatementLine] | None:
        """Let `shape` read an entry of the two parts."""
        head, tail = shape.head(before, 0), shape.tail(after, 0)
        if head is None or tail is None or (head.end(), tail.end()) != (len(before), len(after)):
            return None
        parts = [camt_entry.detail_of({"end_to_end_id": one}, ()) for one in _PARTS]
        try:
            entry = camt_entry.read_entry(1, shape.read(head, tail), self._currency)
            return list(camt_lines.lines(entry, parts, _OWN))
        except Unreadable:
            return None

    def _plain_detail(self, written: str) -> Detail | None:
        """Let the plain reader read `written`, a TxDtls."""
        walk = Walk()
        document = self._document(f"<Ntry><NtryDtls>{written}</NtryDtls></Ntry>")
        for element in xml.ended(io.BytesIO(document), AWAITED):
            list(walk.take(element))
            if walk.statement is not None and walk.statement.details:
                return walk.statement.details[0]
        return None

    def _document(self, written: str) -> bytes:
        """Return a whole message that holds nothing but the element `written`."""
        namespace = f" xmlns={quoteattr(self._namespace)}" if self._namespace else ""
        head = f"<Id>W</Id><Acct><Id><Othr><Id>{_OWN}</Id></Othr></Id><Ccy>{self._currency}</Ccy></Acct>"
        statement = f"<{self._kind}>{head}{written}</{self._kind}>"
        return f"<{self._message}{namespace}>{statement}</{self._message}>".encode()


def _told(shape: EntryShape, written: str, ordinal: int, account: str) -> list[StatementLine] | None:
    """Return the lines that `shape` reads from all of `written`; None when it can't."""
    match = shape.match(written, 0)
    line = shape.read(match, ordinal, account) if match is not None and match.end() == len(written) else None
    if line is None:
        return None
    return [line] if shape.booked else []


def _detail(shape: DetailShape, written: str) -> Detail | None:
    match = shape.match(written, 0)
    return shape.read(match) if match is not None and match.end() == len(written) else None


def _other_texts(example: Outline) -> list[str]:
    """Return a text of its own for each place: numbers stay numbers, and dates dates."""
    texts = list[str]()
    for number, text in enumerate(map(str.strip, example.texts), 10):
        if DATE.fullmatch(text):
            texts.append(f"20{number % 100:02}-01-02{text[10:]}")
        elif text.replace(".", "", 1).isdecimal():
            texts.append(f"{number}{text[-8:]}")
        else:
            texts.append(f"W{number}")
    return texts
