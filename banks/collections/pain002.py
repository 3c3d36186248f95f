"""ISO 20022 pain.002, any version: a bank's report on a debit file of ours, by file, by payment group, by debit.

The newest versions name the same things as .001.03 does, so the namespace's version number decides nothing.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from banks import iso20022, xml
from banks.errors import Unreadable
from banks.money import Money
from banks.records import DebitOutcome, FileEvent, Readable, ReportClosed, ReportOpened, Verdict
from banks.shown import shown
from banks.statements.camt_entry import end_to_end, one_line

EXPECTED = "ISO 20022 pain.002"
_MESSAGE, _FILE, _GROUP, _DEBIT = "CstmrPmtStsRpt", "OrgnlGrpInfAndSts", "OrgnlPmtInfAndSts", "TxInfAndSts"
_FAMILY = re.compile(r"pain\.002(?:\.001(?:\.\d\d)?)?(?!\d)", re.ASCII)

_REASON_PATHS = {
    "StsRsnInf/Rsn/Cd": "reason",
    "StsRsnInf/Rsn/Prtry": "reason",
    "StsRsnInf/AddtlInf": "detail",
}
_HEAD_PATHS = {"GrpHdr/MsgId": "message_id", "GrpHdr/CreDtTm": "created_at"}
_FILE_PATHS = {
    "OrgnlMsgId": "original_message_id",
    "OrgnlMsgNmId": "original_format",
    "OrgnlNbOfTxs": "count",
    "OrgnlCtrlSum": "sum",
    "GrpSts": "status",
    **_REASON_PATHS,
}
_GROUP_PATHS = {"OrgnlPmtInfId": "payment_group", "PmtInfSts": "status", **_REASON_PATHS}
_DEBIT_PATHS = {
    "OrgnlEndToEndId": "end_to_end_id",
    "OrgnlInstrId": "instruction_id",
    "TxSts": "status",
    "AcctSvcrRef": "bank_reference",
    "OrgnlTxRef/Amt/InstdAmt": "amount",
    "OrgnlTxRef/Amt/InstdAmt/@Ccy": "currency",
    "OrgnlTxRef/MndtRltdInf/MndtId": "mandate_id",
    "OrgnlTxRef/MndtRltdInf/DrctDbtMndt/MndtId": "mandate_id",
    **_REASON_PATHS,
}

# ISO 20022 external code set ExternalPaymentGroupStatus1Code and ExternalPaymentTransactionStatus1Code.
_VERDICTS: Mapping[str, Verdict] = {
    **dict.fromkeys("ACCC ACCP ACFC ACIS ACPD ACSC ACSP ACTC ACWC ACWP PATC".split(), Verdict.ACCEPTED),
    **dict.fromkeys("RCVD PDNG PDCR PRES".split(), Verdict.PENDING),
    "PART": Verdict.PARTLY,
    **dict.fromkeys("RJCT CANC BLCK RJCR".split(), Verdict.REJECTED),
}


def recognise(head: bytes) -> bool:
    """Tell whether a pain.002 message starts within `head`."""
    return iso20022.begins(head, _MESSAGE, _FAMILY)


def read(stream: Readable) -> Iterator[FileEvent]:
    """Read the reports of `stream`: each as ReportOpened, its DebitOutcomes, ReportClosed.

    Raise Unreadable with a place such as "OrgnlPmtInfAndSts 2, TxInfAndSts 14, TxSts, line 212".
    """
    report: _Report | None = None
    read_any = False
    for element in xml.ended(stream, (_DEBIT, _GROUP, _FILE, _MESSAGE), kept=(_FILE,)):
        name = xml.split(str(element.tag))[1]
        report = report or _Report()
        try:
            if name == _FILE:
                yield from report.open(element)
            elif name == _DEBIT:
                yield from report.debit(element)
                xml.forget(element)
            elif name == _GROUP:
                yield from report.group(element)
                xml.forget(element)
            else:
                yield from report.close(element)
                report, read_any = None, True
                xml.forget(element)
        except Unreadable as error:
            where = report.where if report else ""
            place = ", ".join(filter(None, [where, error.place, f"line {xml.line(element, error.place)}"]))
            raise Unreadable(error.reason, place) from None
    if not read_any:
        raise Unreadable(f"expected {EXPECTED} with a report in it, got none")


class _Report:
    """One CstmrPmtStsRpt as it passes by."""

    def __init__(self) -> None:
        self.where = _FILE
        self._opened: ReportOpened | None = None
        self._status = ""
        self._groups = self._debits = 0
        self._group: tuple[xml.Element, xml.Fields] | None = None
        self._counts: Counter[Verdict] = Counter()

    def open(self, element: xml.Element) -> Iterator[FileEvent]:
        """Yield the head, and the verdict on the whole file where there is one."""
        if self._opened is not None:
            raise Unreadable("expected one report on one file, got a second")
        namespace, _ = xml.split(str(element.tag))
        message = element.getparent()
        if message is None or xml.split(str(message.tag))[1] != _MESSAGE:
            raise Unreadable(f"expected {_FILE} within {_MESSAGE}")
        head = xml.gather(message, xml.shape(_HEAD_PATHS, namespace), {})
        found = xml.gather(element, xml.shape(_FILE_PATHS, namespace), {})
        for path, value in (("GrpHdr/MsgId", head.get("message_id")), ("OrgnlMsgId", found.get("original_message_id"))):
            if not value:
                raise Unreadable("expected an id, got none", path)
        self._opened = ReportOpened(
            format=_format(namespace),
            message_id=head["message_id"],
            original_message_id=found["original_message_id"],
            original_format=found.get("original_format", ""),
            created_at=iso20022.moment(head.get("created_at", ""), "GrpHdr/CreDtTm"),
            original_count=iso20022.whole(found.get("count"), "OrgnlNbOfTxs"),
            original_sum=found.get("sum", ""),
        )
        yield self._opened
        self._status = found.get("status", "")
        if self._status:
            reason, detail = _reason(found)
            yield DebitOutcome("file", self._status, verdict_of(self._status, "GrpSts"), reason=reason, detail=detail)

    def debit(self, element: xml.Element) -> Iterator[FileEvent]:
        """Yield the outcome of one debit; a status it does not bear itself is its group's, or its file's."""
        head = self._head_of(element.getparent())
        self._debits += 1
        self.where = f"{_GROUP} {self._groups + 1}, {_DEBIT} {self._debits}"
        namespace, _ = xml.split(str(element.tag))
        found = xml.gather(element, xml.shape(_DEBIT_PATHS, namespace), {})
        status = found.get("status") or head.get("status") or self._status
        if not status:
            raise Unreadable("expected a status of the debit, of its group or of its file, got none", "TxSts")
        verdict = verdict_of(status, "TxSts")
        if verdict is Verdict.PARTLY:
            # Some of a group can't be a single debit's fate: the bank has not said what became of this one.
            verdict = Verdict.PENDING
        self._counts[verdict] += 1
        reason, detail = _reason(found if "reason" in found or "detail" in found else head)
        yield DebitOutcome(
            level="debit",
            status=status,
            verdict=verdict,
            payment_group=head.get("payment_group", ""),
            end_to_end_id=end_to_end(found.get("end_to_end_id", "")),
            instruction_id=found.get("instruction_id", ""),
            mandate_id=found.get("mandate_id", ""),
            bank_reference=found.get("bank_reference", ""),
            amount=_amount(found),
            reason=reason,
            detail=detail,
        )

    def group(self, element: xml.Element) -> Iterator[FileEvent]:
        """Yield the verdict on a payment group, after those on its debits; nothing where the bank gives none."""
        head = self._head_of(element)
        self._groups += 1
        self._debits = 0
        self.where = f"{_GROUP} {self._groups}"
        self._group = None
        if "status" in head:
            verdict, (reason, detail) = verdict_of(head["status"], "PmtInfSts"), _reason(head)
            group = head.get("payment_group", "")
            yield DebitOutcome("group", head["status"], verdict, group, reason=reason, detail=detail)

    def close(self, _element: xml.Element) -> Iterator[FileEvent]:
        """Yield the foot."""
        if self._opened is None:
            self.where = ""
            raise Unreadable(f"expected {_FILE} in the report, got none")
        yield ReportClosed(self._opened.message_id, dict(self._counts))

    def _head_of(self, group: xml.Element | None) -> xml.Fields:
        """Return what a payment group says of itself, read once: it stands before its debits."""
        if self._opened is None:
            raise Unreadable(f"expected {_FILE} before the first {_GROUP}")
        if group is None or xml.split(str(group.tag))[1] != _GROUP:
            raise Unreadable(f"expected {_DEBIT} within {_GROUP}")
        if self._group is None or self._group[0] is not group:
            namespace, _ = xml.split(str(group.tag))
            self._group = (group, xml.gather(group, xml.shape(_GROUP_PATHS, namespace), {}))
        return self._group[1]


def _format(namespace: str) -> str:
    match = _FAMILY.search(namespace)
    if namespace and match is None:
        raise Unreadable(f"expected {_MESSAGE} in an {EXPECTED} namespace, got {namespace[:80]!r}")
    return match[0] if match else "pain.002"


def verdict_of(status: str, place: str = "") -> Verdict:
    """Return what a bank's status such as ACSP means to us; raise Unreadable for one that ISO 20022 does not have."""
    try:
        return _VERDICTS[status]
    except KeyError:
        raise Unreadable(
            f"expected a status such as ACCP, PDNG, PART or RJCT, got {shown(status, 20)}", place
        ) from None


def _reason(found: xml.Fields) -> tuple[str, str]:
    """Return the first reason's code, and the words on all of them."""
    return found.get("reason", "").partition(" ")[0], one_line(found.get("detail", ""))


def _amount(found: xml.Fields) -> Money | None:
    if "amount" not in found:
        return None
    try:
        return Money.parse(found["amount"], found.get("currency", ""))
    except Unreadable as error:
        raise Unreadable(error.reason, "OrgnlTxRef/Amt/InstdAmt") from None
