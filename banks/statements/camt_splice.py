"""Reading a camt file at the pace of libxml2's own pass: what a learned pattern matches is cut out before the parser.

The XML parser is fed the file up to the end of an entry, and so stands, proven, in the content of a statement. Entries
right behind it that match a known shape are read by their patterns and never shown to the parser; the next byte it gets
is the first that no pattern knows. A file without some of its well-formed entries is well-formed exactly when the whole
is, so everything else, and every refusal, stays with the plain reader. The transactions of a batch are treated alike.
"""

import re
from collections import deque
from collections.abc import Hashable, Iterator

from banks import xml
from banks.records import Readable, StatementEvent, StatementLine
from banks.statements import camt_head
from banks.statements.camt_learning import Shapes
from banks.statements.camt_stand import BetweenEntries, BetweenTransactions, Stand
from banks.statements.camt_walk import AWAITED, Statement, Walk

SIGHTINGS = 4
"""So many elements of one shape are read plainly before a pattern is made, which costs as much as fifty of them."""
MAX_KINDS = 64
"""So many kinds of statements (by namespaces, message and currency) are remembered in one file."""
_PROLOG = re.compile(
    rb"""(?:\xef\xbb\xbf)?(?:<\?xml\s+version\s*=\s*["']1\.0["'](?:\s+encoding\s*=\s*["'][Uu][Tt][Ff]-8["'])?"""
    rb"""(?:\s+standalone\s*=\s*["'](?:yes|no)["'])?\s*\?>)?\s*<(?!\?xml\s)[A-Za-z!?]"""
)
"""How a file begins that is UTF-8 and XML 1.0 beyond doubt."""
_NO_CHARACTER = re.compile(rb"\xef\xbf[\xbe\xbf]")
"""U+FFFE and U+FFFF: UTF-8, but not XML."""
_END = re.compile(r"</Ntry>|</TxDtls>(?=\s*<TxDtls>)")
"""Where the parser may be left: behind an entry, or between two transactions of one entry."""
_ENTRY, _DETAIL, _DETAIL_END = "<Ntry>", "<TxDtls>", "</TxDtls>"


def read(stream: Readable) -> Iterator[StatementEvent]:
    """Read every statement of `stream`, as `camt_walk.read_plainly` does, event for event."""
    return Splice().read(stream)


class Splice:
    """One file on its way: patterns take what they know, everything else goes on to the parser and the plain walk."""

    def __init__(self, sightings: int = SIGHTINGS) -> None:
        self.matched = 0
        """Entries, and transactions of batches, that patterns have read."""
        self._sightings = sightings
        self._walk, self._forward = Walk(), xml.Forward(AWAITED, kept=camt_head.LATE)
        self._raw, self._text = b"", ""  # read and not yet passed on: bytes that may end amid a character, and text
        self._plain = False  # not UTF-8, or not surely
        self._newlines = 0  # in what the parser was not shown since it was last shown anything
        self._skip = 0  # characters before the next place to stop at
        self._stand: Stand | None = None  # where the parser stands, when patterns may take over there
        self._head = ""  # of the entry whose transactions are passing by
        self._known: dict[Hashable, Shapes] = {}
        self._latest: tuple[Statement, str, Shapes] | None = None

    def read(self, stream: Readable) -> Iterator[StatementEvent]:
        """Yield the events of `stream`; once."""
        chunk = xml.prolog(stream)
        self._plain = _PROLOG.match(chunk) is None
        while chunk:
            yield from self._show(chunk) if self._plain else self._take(chunk)
            chunk = _filled(stream)
        yield from self._rest()
        self._forward.close()
        self._walk.finish()

    def _take(self, chunk: bytes) -> Iterator[StatementEvent]:
        """Read what is whole in `chunk` and keep the rest."""
        self._raw += chunk
        cut = self._raw.rfind(b">") + 1  # so that no character is cut
        try:
            # The first byte alone is rare, and found much faster than the three.
            if b"\xef" in self._raw and _NO_CHARACTER.search(self._raw):
                raise ValueError("not XML")
            self._text += self._raw[:cut].decode()
        except ValueError:
            self._plain = True
            yield from self._rest()
            return
        self._raw = self._raw[cut:]
        text, at = self._text, 0
        while True:
            if self._stand is not None:
                start, before = at, self._stand.matched
                at = yield from self._stand.take(text, at)
                self.matched += self._stand.matched - before
                self._newlines += text.count("\n", start, at)
                if self._stand.whole and text.find("</Ntry>", at) < 0:
                    break  # patterns may know the entry, once the rest of it is here
            end = _END.search(text, at + self._skip)
            if end is None:
                break
            yield from self._show(text[at : end.end()])
            at = end.end()
        self._text = text[at:]
        if len(self._text) + len(self._raw) > xml.CHUNK:
            yield from self._rest()

    def _rest(self) -> Iterator[StatementEvent]:
        """Show the parser all that was kept."""
        rest, self._text, self._raw = self._text.encode() + self._raw, "", b""
        return self._show(rest)

    def _show(self, piece: str | bytes) -> Iterator[StatementEvent]:
        """Yield what the plain walk reads from `piece`, and note whether patterns may take over at its end."""
        self._forward.skip(self._newlines)
        self._newlines, self._stand = 0, None
        last, told = None, deque[StatementEvent](maxlen=2)  # what an entry worth learning tells at most
        for last in self._forward.feed(piece.encode() if isinstance(piece, str) else piece):
            told.clear()
            for event in self._walk.take(last):
                told.append(event)
                yield event
        if last is not None and isinstance(piece, str):
            self._stand = self._found(piece, last, [one for one in told if isinstance(one, StatementLine)])
        # An end tag that is none (in a comment, say) may come in millions: stop at ever fewer of them.
        self._skip = 0 if self._stand else min(2 * self._skip + 64, xml.CHUNK)

    def _found(self, piece: str, last: xml.Element, told: list[StatementLine]) -> Stand | None:
        """Return the place where the parser stands at the end of `piece`, in which `last` was the last to end.

        From where an element ended, the rest of `piece` was tags and texts, unless a comment, a CDATA section or an
        instruction began. So the end tag at the end of it is one, and `last` is the element that it ends.
        """
        statement, parent = self._walk.statement, last.getparent()
        if statement is None or parent is None or "<!" in piece or "<?" in piece:
            return None
        if piece.endswith("</Ntry>") and last.tag == statement.entry_tag and parent is statement.element:
            return self._behind_entry(piece, told, statement)
        if piece.endswith(_DETAIL_END) and last.tag == statement.detail_tag and parent.tag == statement.group_tag:
            entry = parent.getparent()
            if entry is not None and entry.tag == statement.entry_tag and entry.getparent() is statement.element:
                return self._behind_transaction(piece, statement)
        return None

    def _behind_entry(self, piece: str, told: list[StatementLine], statement: Statement) -> Stand | None:
        foot, start = statement.foot, piece.rfind(_ENTRY)
        if foot is None:
            return None
        shapes = self._shapes(statement, foot.opened.currency)
        if start >= 0:
            shapes.offer_entry(piece[start:], told, statement.entries, foot.opened.account)
        elif self._head:
            shapes.offer_frame(self._head, piece.rpartition(_DETAIL_END)[2])
        self._head = ""
        return BetweenEntries(statement, foot, shapes)

    def _behind_transaction(self, piece: str, statement: Statement) -> Stand:
        shapes = self._shapes(statement, statement.foot.opened.currency if statement.foot else "")
        start, first = piece.rfind(_ENTRY), piece.rfind(_DETAIL)
        if start >= 0:
            self._head = piece[start : piece.find(_DETAIL, start)]
        if first >= 0:
            shapes.offer_detail(piece[first:], statement.details[-1])
        return BetweenTransactions(statement, shapes)

    def _shapes(self, statement: Statement, currency: str) -> Shapes:
        """Return the shapes known in statements like this one, where the same tags mean the same."""
        if self._latest is None or self._latest[:2] != (statement, currency):
            alike = (frozenset(statement.element.nsmap.items()), statement.element.tag, statement.message.tag, currency)
            if alike not in self._known and len(self._known) >= MAX_KINDS:
                self._known.clear()
            shapes = self._known.setdefault(alike, Shapes(statement, currency, self._sightings))
            self._latest = statement, currency, shapes
        return self._latest[2]


def _filled(stream: Readable) -> bytes:
    """Read a whole chunk, in as many pieces as the stream gives it; b"" at the end."""
    chunk = stream.read(xml.CHUNK)
    while chunk and len(chunk) < xml.CHUNK and (more := stream.read(xml.CHUNK - len(chunk))):
        chunk += more
    return chunk
