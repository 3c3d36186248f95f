"""What a bank reads in our files: debits to carry out (pain.008), debits to call off (camt.055).

Nothing here is shared with what wrote the files: a mistake in both could not be seen.
"""

from dataclasses import dataclass, field
from datetime import date

from lxml import etree

_Element = etree._Element


@dataclass(frozen=True, slots=True)
class Order:
    """One debit as it was ordered; `minor` in đồng."""

    message_id: str
    group: str
    end_to_end_id: str
    minor: int
    collect_on: date
    mandate_id: str
    debtor: str
    account: str
    narrative: str


@dataclass(frozen=True, slots=True)
class OrderFile:
    """A file of orders; `fault` is the reason code for which all of it is refused, "" for none."""

    message_id: str
    format: str
    count: str
    total: str
    orders: tuple[Order, ...] = field(repr=False)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class RecallItem:
    """One debit called off: the file, group and id by which it was ordered, and the reason code."""

    message_id: str
    group: str
    end_to_end_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecallFile:
    """A request to call debits off."""

    message_id: str
    items: tuple[RecallItem, ...] = field(repr=False)


def read_orders(data: bytes, creditor_account: str) -> OrderFile:
    """Read a debit file; ValueError for what is no pain.008."""
    root, name = _message(data, "CstmrDrctDbtInitn")
    head = _one(root, "GrpHdr")
    message_id = _text(head, "MsgId")
    orders, fault = [], ""
    for group in root.iterfind("{*}PmtInf"):
        members = [_order(one, group, message_id) for one in group.iterfind("{*}DrctDbtTxInf")]
        if _text(group, "CdtrAcct/Id/Othr/Id") != creditor_account:
            fault = fault or "AC03"
        if _disagrees(group, members):
            fault = fault or "AM10"
        orders += members
    if _disagrees(head, orders):
        fault = fault or "AM10"
    return OrderFile(message_id, name, _text(head, "NbOfTxs"), _text(head, "CtrlSum"), tuple(orders), fault)


def read_recall(data: bytes) -> RecallFile:
    """Read a request to call debits off; ValueError for what is no camt.055."""
    root, _ = _message(data, "CstmrPmtCxlReq")
    items = tuple(
        RecallItem(
            _text(group, "OrgnlGrpInf/OrgnlMsgId"),
            _text(group, "OrgnlPmtInfId"),
            _text(one, "OrgnlEndToEndId"),
            _text(one, "CxlRsnInf/Rsn/*"),
        )
        for group in root.iterfind("{*}Undrlyg/{*}OrgnlPmtInfAndCxl")
        for one in group.iterfind("{*}TxInf")
    )
    if int(_text(root, "CtrlData/NbOfTxs")) != len(items):
        raise ValueError(f"expected {_text(root, 'CtrlData/NbOfTxs')} debits to call off, got {len(items)}")
    return RecallFile(_text(root, "Assgnmt/Id"), items)


def _order(one: _Element, group: _Element, message_id: str) -> Order:
    amount = _one(one, "InstdAmt")
    if amount.get("Ccy") != "VND":
        raise ValueError(f"expected debits in VND, got {amount.get('Ccy')}")
    return Order(
        message_id=message_id,
        group=_text(group, "PmtInfId"),
        end_to_end_id=_text(one, "PmtId/EndToEndId"),
        minor=int(amount.text or ""),
        collect_on=date.fromisoformat(_text(group, "ReqdColltnDt")),
        mandate_id=_text(one, "DrctDbtTx/MndtRltdInf/MndtId"),
        debtor=_text(one, "Dbtr/Nm"),
        account=_text(one, "DbtrAcct/Id/Othr/Id"),
        narrative=_text(one, "RmtInf/Ustrd"),
    )


def _disagrees(head: _Element, orders: list[Order]) -> bool:
    told = (int(_text(head, "NbOfTxs")), int(_text(head, "CtrlSum")))
    return told != (len(orders), sum(order.minor for order in orders))


def _message(data: bytes, name: str) -> tuple[_Element, str]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    document = etree.fromstring(data, parser)
    return _one(document, name), (etree.QName(document).namespace or "").rpartition(":")[2]


def _one(element: _Element, path: str) -> _Element:
    found = element.find("/".join(step if step == "*" else f"{{*}}{step}" for step in path.split("/")))
    if found is None:
        raise ValueError(f"expected {path} within {etree.QName(element).localname}, got none")
    return found


def _text(element: _Element, path: str) -> str:
    return _one(element, path).text or ""
