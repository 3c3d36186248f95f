"""What a sandbox bank writes back: reports on debits (pain.002), answers to recalls (camt.029)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from lxml import etree

from banks.sandbox.debit_orders import Order, OrderFile, RecallFile, RecallItem
from banks.sandbox.transactions import LOCAL


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """A file of the bank's, put on its server at `at` (UTC); `kind` is report, answer or statement."""

    at: datetime
    name: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """What a report says of one debit; `reference` is the bank's own where money moved."""

    order: Order
    status: str
    reason: str = ""
    reference: str = ""


def report(file: OrderFile, report_id: str, at: datetime, told: Sequence[Told], version: str) -> bytes:
    """Return a pain.002 on some debits of `file`, or without any on the file: refused for its fault, or accepted."""
    message = etree.Element("CstmrPmtStsRpt")
    head = etree.SubElement(message, "GrpHdr")
    _add(head, MsgId=report_id, CreDtTm=_moment(at))
    whole = etree.SubElement(message, "OrgnlGrpInfAndSts")
    _add(whole, OrgnlMsgId=file.message_id, OrgnlMsgNmId=file.format, OrgnlNbOfTxs=file.count, OrgnlCtrlSum=file.total)
    if not told:
        _add(whole, GrpSts="RJCT" if file.fault else "ACTC")
        _reason(whole, "StsRsnInf", file.fault)
    for group, members in groupby(told, key=lambda one: one.order.group):
        part = etree.SubElement(message, "OrgnlPmtInfAndSts")
        _add(part, OrgnlPmtInfId=group)
        for one in members:
            element = etree.SubElement(part, "TxInfAndSts")
            _add(element, OrgnlEndToEndId=one.order.end_to_end_id, TxSts=one.status)
            _reason(element, "StsRsnInf", one.reason)
            if one.reference:
                _add(element, AcctSvcrRef=one.reference)
            original = etree.SubElement(element, "OrgnlTxRef")
            _amount(etree.SubElement(original, "Amt"), "InstdAmt", one.order.minor)
            mandate = etree.SubElement(original, "MndtRltdInf")
            if int(version) >= 11:  # the first version in which a mandate is one of several kinds
                mandate = etree.SubElement(mandate, "DrctDbtMndt")
            _add(mandate, MndtId=one.order.mandate_id)
    return _document(f"pain.002.001.{version}", message)


def answer(
    request: RecallFile, answer_id: str, at: datetime, verdicts: Sequence[tuple[RecallItem, str, str]], version: str
) -> bytes:
    """Return a camt.029 that gives each debit called off its status and reason: ACCR, RJCR or PDCR."""
    message = etree.Element("RsltnOfInvstgtn")
    assignment = etree.SubElement(message, "Assgnmt")
    _add(assignment, Id=answer_id)
    agent = etree.SubElement(etree.SubElement(assignment, "Assgnr"), "Agt")
    _add(etree.SubElement(agent, "FinInstnId"), Nm="Sandbox")
    _add(etree.SubElement(etree.SubElement(assignment, "Assgne"), "Pty"), Nm="Sandbox utility")
    _add(assignment, CreDtTm=_moment(at))
    case = etree.SubElement(message, "RslvdCase")
    _add(case, Id=request.message_id)
    _add(etree.SubElement(etree.SubElement(case, "Cretr"), "Pty"), Nm="Sandbox utility")
    counts = Counter(status for _, status, _ in verdicts)
    whole = {"ACCR": "CNCL"}.get(next(iter(counts)), next(iter(counts))) if len(counts) == 1 else "PECR"
    _add(etree.SubElement(message, "Sts"), Conf=whole)
    details = etree.SubElement(message, "CxlDtls")
    for (original, group), members in groupby(verdicts, key=lambda one: (one[0].message_id, one[0].group)):
        part = etree.SubElement(details, "OrgnlPmtInfAndSts")
        _add(part, OrgnlPmtInfId=group)
        _add(etree.SubElement(part, "OrgnlGrpInf"), OrgnlMsgId=original, OrgnlMsgNmId="pain.008")
        for item, status, reason in members:
            element = etree.SubElement(part, "TxInfAndSts")
            _add(element, OrgnlEndToEndId=item.end_to_end_id, TxCxlSts=status)
            _reason(element, "CxlStsRsnInf", reason)
    return _document(f"camt.029.001.{version}", message)


def _document(name: str, message: etree._Element) -> bytes:
    # One default namespace, declared once on the root: the elements inside are built without it.
    opened = f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{name}">'
    return opened.encode() + etree.tostring(message, encoding="UTF-8", xml_declaration=False) + b"</Document>\n"


def _add(element: etree._Element, **texts: str) -> None:
    for tag, text in texts.items():
        etree.SubElement(element, tag).text = text


def _amount(element: etree._Element, tag: str, minor: int) -> None:
    etree.SubElement(element, tag, Ccy="VND").text = str(minor)


def _reason(element: etree._Element, tag: str, code: str) -> None:
    if code:
        _add(etree.SubElement(etree.SubElement(element, tag), "Rsn"), Cd=code)


def _moment(at: datetime) -> str:
    return at.astimezone(LOCAL).isoformat(timespec="seconds")
