"""ISO 20022 camt.052, .053 and .054, any version: one walk through the file, one entry at a time in memory.

camt.053 says what was booked; .052 (intraday report) and .054 (debit/credit notification) only tell early. Between the
versions, elements were added and wrapped, never given another meaning, so paths of all versions stand side by side in
the tables of `camt_head` and `camt_entry`, and the namespace's version number decides nothing.
"""

import re
from collections.abc import Iterator

from banks import xml
from banks.errors import Unreadable
from banks.records import Readable, StatementEvent
from banks.statements import camt_entry, camt_head
from banks.statements.camt_head import MESSAGES, Foot

EXPECTED = "ISO 20022 camt.052, camt.053 or camt.054"
_STATEMENTS = {name: message for message, (_, name, _) in MESSAGES.items()}
_ORDINAL = re.compile(r" (\d+)$")


def recognise(head: bytes) -> bool:
    """Tell whether a camt message starts within `head`; raise Unreadable for XML that is broken or has a DOCTYPE."""
    return xml.looks_like_xml(head) and any(_is_ours(*xml.split(tag)) for tag in xml.started(head))


def read(stream: Readable) -> Iterator[StatementEvent]:
    """Read every statement, report or notification of `stream`; see `banks.records.StatementReader`.

    Raise Unreadable with a place such as "Stmt 1, Ntry 3, Amt, line 212".
    """
    number = 0
    statement = None
    for element in xml.ended(stream, ("TxDtls", "Ntry", *camt_head.LATE, *_STATEMENTS, *MESSAGES)):
        _, name = xml.split(str(element.tag))
        if name in camt_head.LATE:
            if statement is not None:
                statement.refuse_late(element, name)
            continue
        if name in MESSAGES:
            camt_head.message_format(element)
            xml.forget(element)
            continue
        if statement is None:
            number += 1
            statement = _Statement(number, element, name)
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
            statement = None
    if not number:
        raise Unreadable(f"expected {EXPECTED} with a statement in it, got none")


def _is_ours(namespace: str, name: str) -> bool:
    return name in MESSAGES or (name == "Document" and camt_head.family(namespace) != "")


class _Statement:
    """One Stmt, Rpt or Ntfctn as it passes by, met when the first awaited element in it ends."""

    def __init__(self, number: int, element: xml.Element, name: str) -> None:
        up = {"TxDtls": 3, "Ntry": 1}.get(name, 0)
        around = [element, *element.iterancestors()][up : up + 2]
        tags = [xml.split(str(one.tag)) for one in around]
        if len(tags) < 2 or tags[0][0] != tags[1][0] or _STATEMENTS.get(tags[0][1]) != tags[1][1]:
            raise Unreadable(f"expected {name} within a statement of {EXPECTED}", f"line {xml.line(element)}")
        self.element, self.message = around
        (namespace, self.kind), self.number = tags[0], number
        self.entry_tag = xml.qualified(namespace, "Ntry")
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
        if self.foot is not None and element.getparent() is self.element:
            self.at, self.where = element, ""
            raise self.placed(Unreadable(f"expected {name} before the first Ntry, got one after it"))

    def take_detail(self, element: xml.Element) -> None:
        """Keep what a TxDtls says until its entry ends: only then is it known whether the parts add up."""
        self.at, self.where = element, f"Ntry {self.entries + 1}, TxDtls {len(self.details) + 1}"
        self._expect(element, self.detail_tag)
        self.details.append(camt_entry.read_detail(element, self.detail_shape))
        xml.hollow(element)

    def take_entry(self, element: xml.Element) -> Iterator[StatementEvent]:
        """Yield the lines of an Ntry, after the statement's head if it is the first."""
        self.at, self.where = element, f"Ntry {self.entries + 1}"
        self._expect(element, self.entry_tag)
        found = xml.gather(element, self.entry_shape, {})
        foot = self.foot
        if foot is None:
            foot = self._open(found.get("currency", ""))
            yield foot.opened
            self.at, self.where = element, f"Ntry {self.entries + 1}"
        self.entries += 1
        details, self.details = self.details, []
        if camt_entry.is_booked(found):
            entry = camt_entry.read_entry(self.entries, found, foot.opened.currency)
            foot.count(entry.minor, booked=True)
            # A batch that lists nothing, or its sum in one detail, is a summary and contradicts nothing.
            if len(details) > 1 and "batch_counts" in found:
                self._check_batches(foot, found["batch_counts"].split(), len(details))
            for line in camt_entry.lines(entry, details, foot.opened.account):
                foot.add(line.amount.minor)
                yield line
        else:
            foot.left_out += 1
            minor = camt_entry.pending_minor(found, foot.opened.currency)
            if minor is not None:
                foot.count(minor, booked=False)
        xml.forget(element)

    def close(self, element: xml.Element) -> Iterator[StatementEvent]:
        """Yield the foot of the statement, after its head if it had no entries."""
        self.at, self.where = element, ""
        if element is not self.element:
            raise Unreadable(f"expected the end of {self.kind} {self.number}, got that of another one")
        foot = self.foot
        if foot is None:
            foot = self._open("")
            yield foot.opened
        yield foot.closed()
        xml.forget(element)

    def _open(self, currency: str) -> Foot:
        self.at, self.where = self.element, ""
        self.foot = camt_head.open_statement(self.element, self.message, currency)
        return self.foot

    def _expect(self, element: xml.Element, tag: str) -> None:
        if element.tag != tag:
            raise Unreadable(f"expected {tag}, got {element.tag!r}")

    def _check_batches(self, foot: Foot, counts: list[str], listed: int) -> None:
        """Compare Btch/NbOfTxs with the transactions listed, where every group of them has its batch."""
        groups = len(self.at.findall("{*}NtryDtls"))
        if len(counts) == groups and all(one.isascii() and one.isdigit() and len(one) < 16 for one in counts):
            said = sum(map(int, counts))
            if said != listed:
                foot.fault(f"{self.where}: the batch says {said} transactions, the entry lists {listed}")
