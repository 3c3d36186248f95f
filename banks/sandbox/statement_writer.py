"""Writing a bank's statement as camt.053.001.08, as a stream, so that a million lines need no memory.

Source: ISO 20022 BankToCustomerStatementV08; the order of the elements is the schema's. The file uses one default
namespace, declared once on the root, so the elements inside are built without it.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import BinaryIO

from lxml import etree

from banks.money import Money
from banks.records import StatementLine

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
_NO_REFERENCE = "NOTPROVIDED"
_USTRD = 140


def write_camt053(
    stream: BinaryIO,
    *,
    message_id: str,
    statement_id: str,
    account: str,
    bank_name: str,
    bic: str = "",
    currency: str,
    sequence: int,
    from_on: date,
    to_on: date,
    created_at: datetime,
    opening: Money,
    lines: Iterable[StatementLine],
    closing: Money | None = None,
) -> Money:
    """Write one statement to `stream` and return its true closing balance, opening + lines.

    The balances stand before the entries, so `closing` must be known first: without it `lines` must be a sequence (its
    sum is taken). A `closing` that differs from the returned one makes a statement that does not balance, which is a
    fault worth practising on. Consecutive lines with the same `entry` become one batch entry. `created_at` is aware and
    is written in its own zone. Raises ValueError for a value that the schema has no room for, naming the entry.
    """
    if created_at.tzinfo is None:
        raise ValueError("expected created_at with a time zone, got a naive time")
    if {balance.currency for balance in (opening, closing) if balance is not None} != {currency}:
        raise ValueError(f"expected balances in {currency}, got {opening.currency}")
    if closing is None:
        if not isinstance(lines, Sequence):
            raise TypeError("expected closing, or lines as a sequence to add up: the balance stands before the entries")
        closing = sum((line.amount for line in lines), opening)
    created = created_at.isoformat(timespec="seconds")
    total = opening
    with etree.xmlfile(stream, encoding="UTF-8") as xml:
        xml.write_declaration()
        with xml.element(f"{{{NAMESPACE}}}Document", nsmap={None: NAMESPACE}), xml.element("BkToCstmrStmt"):
            header = etree.Element("GrpHdr")
            _text(header, "MsgId", message_id, 35)
            _text(header, "CreDtTm", created)
            xml.write(header)
            with xml.element("Stmt"):
                for element in _head(statement_id, sequence, created, from_on, to_on):
                    xml.write(element)
                xml.write(_account(account, currency, bank_name, bic))
                xml.write(_balance("OPBD", opening, from_on))
                xml.write(_balance("CLBD", closing, to_on))
                for number, group in groupby(lines, key=lambda line: line.entry):
                    batch = list(group)
                    total = sum((line.amount for line in batch), total)
                    try:
                        xml.write(_entry(batch))
                    except ValueError as error:
                        raise ValueError(f"entry {number}: {error}") from error
                    xml.write("\n")  # one entry, one line: people look into these files
    return total


def _head(statement_id: str, sequence: int, created: str, from_on: date, to_on: date) -> Iterator[etree._Element]:
    for tag, value in (("Id", statement_id), ("ElctrncSeqNb", str(sequence)), ("CreDtTm", created)):
        element = etree.Element(tag)
        element.text = _fitting(tag, value, 35)
        yield element
    period = etree.Element("FrToDt")
    _text(period, "FrDtTm", f"{from_on.isoformat()}T00:00:00")
    _text(period, "ToDtTm", f"{to_on.isoformat()}T23:59:59")
    yield period


def _account(account: str, currency: str, bank_name: str, bic: str) -> etree._Element:
    element = etree.Element("Acct")
    _other_id(element, account)
    _text(element, "Ccy", currency)
    bank = etree.SubElement(etree.SubElement(element, "Svcr"), "FinInstnId")
    if bic:
        _text(bank, "BICFI", bic, 11)
    _text(bank, "Nm", bank_name, 140)
    return element


def _balance(code: str, balance: Money, on: date) -> etree._Element:
    element = etree.Element("Bal")
    _text(etree.SubElement(etree.SubElement(element, "Tp"), "CdOrPrtry"), "Cd", code)
    _amount(element, "Amt", balance)
    _direction(element, balance)
    _date(element, "Dt", on)
    return element


def _entry(batch: Sequence[StatementLine]) -> etree._Element:
    """Build one Ntry for the lines of one entry; what differs between them stands in their own TxDtls."""
    first = batch[0]
    if any(_shared(line) != _shared(first) for line in batch):
        raise ValueError("expected one booking date, one value date and one reversal mark for the whole entry")
    total = sum((line.amount for line in batch[1:]), first.amount)
    element = etree.Element("Ntry")
    _amount(element, "Amt", total)
    _direction(element, total)
    if first.reversal:
        _text(element, "RvslInd", "true")
    _text(etree.SubElement(element, "Sts"), "Cd", "BOOK")
    if first.booked_on:
        _date(element, "BookgDt", first.booked_on)
    if first.value_on:
        _date(element, "ValDt", first.value_on)
    if len(batch) == 1 and first.bank_reference:
        _text(element, "AcctSvcrRef", first.bank_reference, 35)
    _bank_code(element, total)
    details = etree.SubElement(element, "NtryDtls")
    if len(batch) > 1:
        head = etree.SubElement(details, "Btch")
        _text(head, "NbOfTxs", str(len(batch)))
        _amount(head, "TtlAmt", total)
        _direction(head, total)
    for line in batch:
        _transaction(details, line)
    return element


def _shared(line: StatementLine) -> tuple[object, ...]:
    return line.reversal, line.booked_on, line.value_on


def _bank_code(entry: etree._Element, total: Money) -> None:
    # The schema demands a code and the gateway reads none: credit transfer, received or issued.
    domain = etree.SubElement(etree.SubElement(entry, "BkTxCd"), "Domn")
    _text(domain, "Cd", "PMNT")
    family = etree.SubElement(domain, "Fmly")
    _text(family, "Cd", "RCDT" if total.minor >= 0 else "ICDT")
    _text(family, "SubFmlyCd", "OTHR")


def _transaction(details: etree._Element, line: StatementLine) -> None:
    element = etree.SubElement(details, "TxDtls")
    references = etree.SubElement(element, "Refs")
    if line.bank_reference:
        _text(references, "AcctSvcrRef", line.bank_reference, 35)
    _text(references, "EndToEndId", line.end_to_end_id or _NO_REFERENCE, 35)
    if line.mandate_id:
        _text(references, "MndtId", line.mandate_id, 35)
    _amount(element, "Amt", line.amount)
    _direction(element, line.amount)
    _parties(element, line)
    _remittance(element, line)
    if line.return_reason:
        reason = etree.SubElement(etree.SubElement(element, "RtrInf"), "Rsn")
        if len(line.return_reason) <= 4:  # ExternalReturnReason1Code
            _text(reason, "Cd", line.return_reason)
        else:
            _text(reason, "Prtry", line.return_reason, 35)


def _parties(transaction: etree._Element, line: StatementLine) -> None:
    """Name the other side; a reversal keeps the roles of the payment that it takes back."""
    if not line.counterparty and not line.counterparty_account:
        return
    came_in = (line.amount.minor >= 0) != line.reversal
    role = "Dbtr" if came_in else "Cdtr"
    parties = etree.SubElement(transaction, "RltdPties")
    if line.counterparty:
        party = etree.SubElement(etree.SubElement(parties, role), "Pty")
        _text(party, "Nm", line.counterparty, 140)
    if line.counterparty_account:
        _other_id(etree.SubElement(parties, f"{role}Acct"), line.counterparty_account)


def _remittance(transaction: etree._Element, line: StatementLine) -> None:
    if not line.narrative and not line.structured_reference:
        return
    element = etree.SubElement(transaction, "RmtInf")
    for part in _parts(line.narrative):
        _text(element, "Ustrd", part)
    if line.structured_reference:
        information = etree.SubElement(etree.SubElement(element, "Strd"), "CdtrRefInf")
        _text(information, "Ref", line.structured_reference, 35)


def _parts(narrative: str) -> Iterator[str]:
    """Split a narrative into Ustrd texts of at most 140 characters, at spaces: joined by a space they are it again."""
    while len(narrative) > _USTRD:
        space = narrative.rfind(" ", 1, _USTRD + 1)
        end = space if space > 0 else _USTRD
        yield narrative[:end]
        narrative = narrative[end + (space > 0) :]
    if narrative:
        yield narrative


def _other_id(parent: etree._Element, number: str) -> None:
    # an account that is not an IBAN, as in Vietnam
    _text(etree.SubElement(etree.SubElement(parent, "Id"), "Othr"), "Id", number, 34)


def _amount(parent: etree._Element, tag: str, amount: Money) -> None:
    element = etree.SubElement(parent, tag, Ccy=amount.currency)
    element.text = abs(amount).decimal()


def _direction(parent: etree._Element, amount: Money) -> None:
    _text(parent, "CdtDbtInd", "CRDT" if amount.minor >= 0 else "DBIT")


def _date(parent: etree._Element, tag: str, on: date) -> None:
    _text(etree.SubElement(parent, tag), "Dt", on.isoformat())


def _text(parent: etree._Element, tag: str, text: str, limit: int = 0) -> None:
    etree.SubElement(parent, tag).text = _fitting(tag, text, limit) if limit else text


def _fitting(tag: str, text: str, limit: int) -> str:
    if not 1 <= len(text) <= limit:
        raise ValueError(f"expected {tag} of 1 to {limit} characters, got {len(text)}")
    return text
