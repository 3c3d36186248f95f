"""The plain walk through a camt file: statements, entries and transactions, as their elements end.

Between the versions, elements were added and wrapped, never given another meaning, so paths of all versions stand side
by side in the tables of `camt_head` and `camt_entry`, and the namespace's version number decides nothing.
"""

import re
from collections.abc import Iterator

from banks import xml
from banks.errors import Unreadable
from banks.records import Readable, StatementEvent
from banks.statements import camt_entry, camt_head, camt_lines
from banks.statements.camt_head import MESSAGES, Foot

EXPECTED = "ISO 20022 camt.052, camt.053 or camt.054"
_STATEMENTS = {name: message for message, (_, name, _) in MESSAGES.items()}
AWAITED = ("TxDtls", "Ntry", *camt_head.LATE, *_STATEMENTS, *MESSAGES)
"""The local names of the elements that a walk is to be shown."""
MAX_HEAD = 1_000
"""Balances, accounts and summaries before a statement's first entry: each stays in memory until that entry."""
MAX_DETAILS = 100_000
"""Transactions in one entry: each stays in memory until the entry ends and it is known whether they add up."""
_ORDINAL = re.compile(r" (\d+)$")


def read_plainly(stream: Readable) -> Iterator[StatementEvent]:
    """Read every statement, report or notification of `stream`, every element by the XML parser.

    Raise Unreadable with a place such as "Stmt 1, Ntry 3, Amt, line 212".
    """
    walk = Walk()
    for element in xml.ended(stream, AWAITED, kept=camt_head.LATE):
        yield from walk.take(element)
    walk.finish()


class Walk:
    """What is known of a file as its awaited elements pass by; `statement` is the one in which they stand, if any."""

    def __init__(self) -> None:
        self.statement: Statement | None = None
        self._number = self._heads = 0
        self._group: tuple[xml.Element, xml.Fields] | None = None

    def take(self, element: xml.Element) -> Iterator[StatementEvent]:
        """Yield what an element tells that has just ended, and let go of it."""
        _, name = xml.split(str(element.tag))
        statement = self.statement
        if name in camt_head.LATE:
            if statement is not None and statement.foot is not None:
                statement.refuse_late(element, name)
            else:
                self._count_head(element)
            return
        if name in MESSAGES:
            camt_head.message_format(element)
            xml.forget(element)
            return
        if statement is None:
            statement = self.statement = self._begin(element, name)
        try:
            if name == "TxDtls":
                statement.take_detail(element)
            elif name == "Ntry":
                yield from statement.take_entry(element)
            else:
                yield from statement.close(element)
        except Unreadable as error:
            raise statement.placed(error) from None
        if name in _STATEMENTS:
            self.statement, self._heads = None, 0

    def finish(self) -> None:
        """Raise Unreadable for a file without any statement."""
        if not self._number:
            raise Unreadable(f"expected {EXPECTED} with a statement in it, got none")

    def _count_head(self, element: xml.Element) -> None:
        self._heads += 1
        if self._heads > MAX_HEAD:
            raise Unreadable(
                f"expected at most {MAX_HEAD} of {', '.join(camt_head.LATE)} before the entries, got more",
                f"line {xml.line(element)}",
            )

    def _begin(self, element: xml.Element, name: str) -> "Statement":
        """Return the statement in which the first awaited element, `element`, has ended."""
        self._number += 1
        up = {"TxDtls": 3, "Ntry": 1}.get(name, 0)
        around = [element, *element.iterancestors()][up : up + 2]
        tags = [xml.split(str(one.tag)) for one in around]
        if len(tags) < 2 or tags[0][0] != tags[1][0] or _STATEMENTS.get(tags[0][1]) != tags[1][1]:
            raise Unreadable(f"expected {name} within a statement of {EXPECTED}", f"line {xml.line(element)}")
        own, message = around
        if self._group is None or self._group[0] is not message:
            self._group = message, camt_head.read_group(message, own)
        return Statement(self._number, own, message, self._group[1])


class Statement:
    """One Stmt, Rpt or Ntfctn as it passes by, met when the first awaited element in it ends."""

    def __init__(self, number: int, element: xml.Element, message: xml.Element, group: xml.Fields) -> None:
        self.number, self.element, self.message, self._group = number, element, message, group
        self.namespace, self.kind = xml.split(str(element.tag))
        namespace = self.namespace
        self.entry_tag = xml.qualified(namespace, "Ntry")
        self.group_tag = xml.qualified(namespace, "NtryDtls")
        self.detail_tag = xml.qualified(namespace, "TxDtls")
        self.entry_shape = xml.shape(camt_entry.ENTRY_PATHS, namespace)
        self.detail_shape = xml.shape(camt_entry.DETAIL_PATHS, namespace)
        self.entries = 0
        self.details: list[camt_entry.Detail] = []
        self.foot: Foot | None = None
        self.at, self.where = self.element, ""

    def placed(self, error: Unreadable) -> Unreadable:
        """Return `error` with the whole way to it: the statement, the entry, the element, the line."""
        steps = error.place.split(", ") if error.place else []
        line = xml.line(self.at, "/".join(_ORDINAL.sub(r"[\1]", step) for step in steps))
        way = [f"{self.kind} {self.number}", self.where, error.place, f"line {line}"]
        return Unreadable(error.reason, ", ".join(filter(None, way)))

    def refuse_late(self, element: xml.Element, name: str) -> None:
        """Refuse a part of the head that comes after an entry: the head has been told by then."""
        if element.getparent() is self.element:
            self.at, self.where = element, ""
            raise self.placed(Unreadable(f"expected {name} before the first Ntry, got one after it"))

    def take_detail(self, element: xml.Element) -> None:
        """Keep what a TxDtls says until its entry ends: only then is it known whether the parts add up."""
        self.at, self.where = element, f"Ntry {self.entries + 1}, TxDtls {len(self.details) + 1}"
        self._expect(element, self.detail_tag)
        if len(self.details) == MAX_DETAILS:
            raise Unreadable(f"expected at most {MAX_DETAILS} transactions in one entry, got more")
        self.details.append(camt_entry.read_detail(element, self.detail_shape))
        xml.hollow(element)

    def take_entry(self, element: xml.Element) -> Iterator[StatementEvent]:
        """Yield the lines of an Ntry, after the statement's head if it is the first."""
        self.at, self.where = element, f"Ntry {self.entries + 1}"
        self._expect(element, self.entry_tag)
        if element.getparent() is not self.element:
            raise Unreadable(f"expected Ntry directly within {self.kind}, got one deeper")
        found = xml.gather(element, self.entry_shape, {})
        foot = self.foot
        if foot is None:
            foot = self._open(found.get("currency", ""), element)
            yield foot.opened
            self.at, self.where = element, f"Ntry {self.entries + 1}"
        self.entries += 1
        details, self.details = self.details, []
        if camt_entry.is_booked(found):
            entry = camt_entry.read_entry(self.entries, found, foot.opened.currency)
            groups = len(element.findall("{*}NtryDtls")) if len(details) > 1 else 0
            self.count(foot, entry, len(details), groups=groups)
            for line in camt_lines.lines(entry, details, foot.opened.account):
                foot.add(line.amount.minor)
                yield line
        else:
            foot.left_out += 1
            minor = camt_entry.pending_minor(found, foot.opened.currency)
            if minor is not None:
                foot.count(minor, booked=False)
        xml.forget(element)

    def count(self, foot: Foot, entry: camt_entry.Entry, listed: int, *, groups: int) -> None:
        """Count a booked entry, and compare Btch/NbOfTxs with the transactions listed in it.

        Each of their `groups` (NtryDtls) must have its batch. A batch that lists nothing, or its sum in one
        transaction, is a summary and contradicts nothing.
        """
        foot.count(entry.minor, booked=True)
        counts = entry.batch_counts.split()
        if listed < 2 or len(counts) != groups:
            return
        if all(one.isascii() and one.isdigit() and len(one) < 16 for one in counts):
            said = sum(map(int, counts))
            if said != listed:
                foot.fault(f"Ntry {entry.ordinal}: the batch says {said} transactions, the entry lists {listed}")

    def close(self, element: xml.Element) -> Iterator[StatementEvent]:
        """Yield the foot of the statement, after its head if it had no entries."""
        self.at, self.where = element, ""
        if element is not self.element:
            raise Unreadable(f"expected the end of {self.kind} {self.number}, got that of another one")
        foot = self.foot
        if foot is None:
            foot = self._open("", None)
            yield foot.opened
        yield foot.closed()
        xml.forget(element)

    def _open(self, currency: str, first: xml.Element | None) -> Foot:
        self.at, self.where = self.element, ""
        self.foot = camt_head.open_statement(self.element, self.message, self._group, currency, first)
        return self.foot

    def _expect(self, element: xml.Element, tag: str) -> None:
        if element.tag != tag:
            raise Unreadable(f"expected {tag}, got {element.tag!r}")
