"""ISO 20022 camt.029, any version: a bank's answer to a recall, by request, by file, by payment group, by debit."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache

from banks import iso20022, xml
from banks.errors import Unreadable
from banks.money import Money
from banks.records import FileEvent, Readable, RecallClosed, RecallOpened, RecallOutcome, RecallVerdict
from banks.shown import shown
from banks.statements.camt_entry import end_to_end, one_line

EXPECTED = "ISO 20022 camt.029"
_MESSAGE, _FILE, _GROUP, _DEBIT = "RsltnOfInvstgtn", "CxlDtls", "OrgnlPmtInfAndSts", "TxInfAndSts"
_FAMILY = re.compile(r"camt\.029(?:\.001(?:\.\d\d)?)?(?!\d)", re.ASCII)

_REASON_PATHS = {
    "CxlStsRsnInf/Rsn/Cd": "reason",
    "CxlStsRsnInf/Rsn/Prtry": "reason",
    "CxlStsRsnInf/AddtlInf": "detail",
}
_HEAD_PATHS = {
    "Assgnmt/Id": "message_id",
    "Assgnmt/CreDtTm": "created_at",
    "RslvdCase/Id": "request_id",
    "Sts/Conf": "status",
}
_FILE_PATHS = {
    "OrgnlGrpInfAndSts/OrgnlMsgId": "original_message_id",
    "OrgnlGrpInfAndSts/GrpCxlSts": "status",
    **{f"OrgnlGrpInfAndSts/{path}": name for path, name in _REASON_PATHS.items()},
}
_GROUP_PATHS = {
    "OrgnlPmtInfId": "payment_group",
    "OrgnlGrpInf/OrgnlMsgId": "original_message_id",
    "PmtInfCxlSts": "status",
    **_REASON_PATHS,
}
_DEBIT_PATHS = {
    "OrgnlGrpInf/OrgnlMsgId": "original_message_id",
    "OrgnlEndToEndId": "end_to_end_id",
    "TxCxlSts": "status",
    "OrgnlInstdAmt": "amount",
    "OrgnlInstdAmt/@Ccy": "currency",
    **_REASON_PATHS,
}

# CancellationIndividualStatus1Code, GroupCancellationStatus1Code, ExternalInvestigationExecutionConfirmation1Code; the
# other confirmations answer other questions than ours.
_VERDICTS: Mapping[str, RecallVerdict] = {
    **dict.fromkeys("ACCR CNCL".split(), RecallVerdict.CANCELLED),
    **dict.fromkeys("PDCR PDNG CWFW FTNA".split(), RecallVerdict.PENDING),
    **dict.fromkeys("PACR PECR".split(), RecallVerdict.PARTLY),
    **dict.fromkeys("RJCR BIAS".split(), RecallVerdict.REJECTED),
}


def recognise(head: bytes) -> bool:
    """Tell whether a camt.029 message starts within `head`."""
    return iso20022.begins(head, _MESSAGE, _FAMILY)


def read(stream: Readable) -> Iterator[FileEvent]:
    """Read the answers of `stream`: each as RecallOpened, its RecallOutcomes, RecallClosed.

    Raise Unreadable with a place such as "CxlDtls 1, OrgnlPmtInfAndSts 2, TxInfAndSts 14, TxCxlSts, line 212".
    """
    answer: _Answer | None = None
    read_any = False
    for element in xml.ended(stream, (_DEBIT, _GROUP, _FILE, _MESSAGE)):
        name = xml.split(str(element.tag))[1]
        answer = answer or _Answer()
        try:
            yield from answer.read(name, element)
        except Unreadable as error:
            place = ", ".join(filter(None, [answer.where, error.place, f"line {xml.line(element, error.place)}"]))
            raise Unreadable(error.reason, place) from None
        if name == _MESSAGE:
            answer, read_any = None, True
        xml.forget(element)
    if not read_any:
        raise Unreadable(f"expected {EXPECTED} with an answer in it, got none")


class _Answer:
    """One RsltnOfInvstgtn as it passes by; what stands above a debit is read before it, each once."""

    def __init__(self) -> None:
        self.where = ""
        self._opened: RecallOpened | None = None
        self._above: list[tuple[xml.Element, xml.Fields]] = []
        self._counts: Counter[RecallVerdict] = Counter()
        self._files = self._groups = self._debits = 0

    def read(self, name: str, element: xml.Element) -> Iterator[FileEvent]:
        """Yield what an element that has ended tells, and before it the head where it is the first."""
        self.where = self._place(name)
        chain = self._chain(name, element)
        if self._opened is None:
            yield from self._open(chain[0])
        told = [found for _, found in chain]
        if name == _DEBIT:
            yield self._debit(element, told)
            self._debits += 1
        elif name == _GROUP:
            yield from self._own("group", told, "PmtInfCxlSts")
            self._groups, self._debits = self._groups + 1, 0
        elif name == _FILE:
            yield from self._own("file", told, "OrgnlGrpInfAndSts/GrpCxlSts")
            self._files, self._groups, self._debits = self._files + 1, 0, 0
        else:
            assert self._opened is not None  # noqa: S101 - for the type alone
            yield RecallClosed(self._opened.message_id, dict(self._counts))

    def _open(self, head: tuple[xml.Element, xml.Fields]) -> Iterator[FileEvent]:
        message, found = head
        where, self.where = self.where, ""
        if not found.get("message_id"):
            raise Unreadable("expected an id, got none", "Assgnmt/Id")
        self._opened = RecallOpened(
            format=_format(xml.split(str(message.tag))[0]),
            message_id=found["message_id"],
            request_id=found.get("request_id", ""),
            created_at=iso20022.moment(found.get("created_at", ""), "Assgnmt/CreDtTm"),
        )
        yield self._opened
        if "status" in found:
            yield RecallOutcome("request", found["status"], _verdict(found["status"], "Sts/Conf"))
        self.where = where

    def _own(self, level: str, told: list[xml.Fields], place: str) -> Iterator[FileEvent]:
        """Yield the verdict on a file or a group after those on its debits; nothing where the bank gives none."""
        own = told[-1]
        if "status" in own:
            reason, detail = _reason(own)
            yield RecallOutcome(
                level, own["status"], _verdict(own["status"], place), _nearest(told, "original_message_id"),
                own.get("payment_group", ""), reason=reason, detail=detail,
            )  # fmt: skip

    def _debit(self, element: xml.Element, told: list[xml.Fields]) -> RecallOutcome:
        found = _heading(element)
        told = [*told, found]
        status = _nearest(told, "status")
        if not status:
            raise Unreadable("expected a status of the debit, or of anything above it, got none", "TxCxlSts")
        verdict = _verdict(status, "TxCxlSts")
        if verdict is RecallVerdict.PARTLY:
            # Some of them can't be a single debit's fate: the bank has not said what became of this one.
            verdict = RecallVerdict.PENDING
        self._counts[verdict] += 1
        # A reason belongs to its status: whose status a debit inherits, theirs is its reason as well.
        reason, detail = _reason(next(one for one in reversed(told) if "status" in one))
        return RecallOutcome(
            "debit", status, verdict, _nearest(told, "original_message_id"), _nearest(told, "payment_group"),
            end_to_end(found.get("end_to_end_id", "")), _amount(found), reason, detail,
        )  # fmt: skip

    def _chain(self, name: str, element: xml.Element) -> list[tuple[xml.Element, xml.Fields]]:
        """Return what the message, the file and the group around `element` say, itself included unless a debit."""
        elements = [element] if name != _DEBIT else []
        node = element
        while name != _MESSAGE:
            parent = node.getparent()
            above = "" if parent is None else xml.split(str(parent.tag))[1]
            if parent is None or above not in _WITHIN[name]:
                raise Unreadable(f"expected {name} within {' or '.join(_WITHIN[name])}")
            elements.insert(0, parent)
            node, name = parent, above
        kept = {id(one): found for one, found in self._above}
        self._above = [(one, kept[id(one)] if id(one) in kept else _heading(one)) for one in elements]
        return self._above

    def _place(self, name: str) -> str:
        steps = [(_FILE, self._files), (_GROUP, self._groups), (_DEBIT, self._debits)]
        inside = {_MESSAGE: 0, _FILE: 1, _GROUP: 2, _DEBIT: 3}[name]
        return ", ".join(f"{step} {number + 1}" for step, number in steps[:inside])


_WITHIN: Mapping[str, tuple[str, ...]] = {_DEBIT: (_GROUP, _FILE), _GROUP: (_FILE,), _FILE: (_MESSAGE,)}
"""What an element stands in; a debit may stand in its file without a group."""
_PATHS = {_MESSAGE: _HEAD_PATHS, _FILE: _FILE_PATHS, _GROUP: _GROUP_PATHS, _DEBIT: _DEBIT_PATHS}


@lru_cache(maxsize=64)
def _shape(tag: str) -> xml.Shape:
    namespace, name = xml.split(tag)
    return xml.shape(_PATHS[name], namespace)


def _heading(element: xml.Element) -> xml.Fields:
    """Return what `element` says of itself."""
    return xml.gather(element, _shape(str(element.tag)), {})


def _nearest(told: list[xml.Fields], field: str) -> str:
    return next((one[field] for one in reversed(told) if field in one), "")


def _format(namespace: str) -> str:
    match = _FAMILY.search(namespace)
    if namespace and match is None:
        raise Unreadable(f"expected {_MESSAGE} in an {EXPECTED} namespace, got {namespace[:80]!r}")
    return match[0] if match else "camt.029"


def _verdict(status: str, place: str) -> RecallVerdict:
    try:
        return _VERDICTS[status]
    except KeyError:
        raise Unreadable(f"expected a status such as CNCL, RJCR or PDCR, got {shown(status, 20)}", place) from None


def _reason(found: xml.Fields) -> tuple[str, str]:
    """Return the first reason's code, and the words on all of them."""
    return found.get("reason", "").partition(" ")[0], one_line(found.get("detail", ""))


def _amount(found: xml.Fields) -> Money | None:
    if "amount" not in found:
        return None
    try:
        return Money.parse(found["amount"], found.get("currency", ""))
    except Unreadable as error:
        raise Unreadable(error.reason, "OrgnlInstdAmt") from None
