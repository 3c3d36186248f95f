"""One camt entry (Ntry) into statement lines: amounts with their sign, the batch, and who paid.

ISO 20022 says of RvslInd: if it is true and CdtDbtInd is CRDT, the original entry was a debit. So CdtDbtInd is already
the direction in which this entry moves the money, and the sign is never turned a second time.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from banks import xml
from banks.errors import Unreadable
from banks.money import Money, check_currency, parse_minor
from banks.records import StatementLine

ENTRY_PATHS: Mapping[str, str] = {
    "NtryRef": "entry_reference",
    "Amt": "amount",
    "Amt/@Ccy": "currency",
    "CdtDbtInd": "direction",
    "RvslInd": "reversal",
    "Sts": "status",
    "Sts/Cd": "status",
    "Sts/Prtry": "status",
    "BookgDt/Dt": "booked_on",
    "BookgDt/DtTm": "booked_on",
    "ValDt/Dt": "value_on",
    "ValDt/DtTm": "value_on",
    "AcctSvcrRef": "bank_reference",
    "AddtlNtryInf": "narrative",
    "NtryDtls/Btch/MsgId": "batch_message",
    "NtryDtls/Btch/PmtInfId": "batch_reference",
    "NtryDtls/Btch/NbOfTxs": "batch_counts",
}


def _party(role: str, name: str, account: str) -> dict[str, str]:
    return {
        f"RltdPties/{role}/Nm": name,
        f"RltdPties/{role}/Pty/Nm": name,
        f"RltdPties/{role}/Agt/FinInstnId/Nm": name,
        f"RltdPties/Ultmt{role}/Nm": f"ultimate_{name}",
        f"RltdPties/Ultmt{role}/Pty/Nm": f"ultimate_{name}",
        f"RltdPties/{role}Acct/Id/IBAN": account,
        f"RltdPties/{role}Acct/Id/Othr/Id": account,
    }


DETAIL_PATHS: Mapping[str, str] = {
    "Refs/AcctSvcrRef": "bank_reference",
    "Refs/EndToEndId": "end_to_end_id",
    "Refs/TxId": "transaction_id",
    "Refs/MndtId": "mandate_id",
    "Amt": "amount",
    "Amt/@Ccy": "currency",
    "CdtDbtInd": "direction",
    "AmtDtls/TxAmt/Amt": "booked_amount",
    "AmtDtls/TxAmt/Amt/@Ccy": "booked_currency",
    "Chrgs/Amt": "charges",
    "Chrgs/Rcrd/Amt": "charges",
    **_party("Dbtr", "debtor", "debtor_account"),
    **_party("Cdtr", "creditor", "creditor_account"),
    "RmtInf/Ustrd": "narrative",
    "RmtInf/Strd/CdtrRefInf/Ref": "structured_reference",
    "AddtlTxInf": "additional",
    "RtrInf/Rsn/Cd": "return_reason",
    "RtrInf/Rsn/Prtry": "return_reason",
}
_AMOUNTS = (("amount", "currency"), ("booked_amount", "booked_currency"))
_LEFT_OUT = frozenset({"PDNG", "INFO", "FUTR"})
_SIGNS = {"CRDT": 1, "DBIT": -1}
_FLAGS = {"": False, "false": False, "0": False, "true": True, "1": True}
DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:T[\d:.]{8,})?(?:Z|[+-]\d\d:\d\d)?", re.ASCII)
"""An ISO date or date-time; its group is the date."""


class Charge(NamedTuple):
    """A fee inside a transaction: digits as written, its currency, and CdtDbtInd ("" counts as a debit)."""

    amount: str
    currency: str
    direction: str


class Detail(NamedTuple):
    """A TxDtls as read, kept small: an entry may hold a million of them before its own sum can be compared."""

    amounts: tuple[tuple[str, str], ...]
    direction: str
    charges: tuple[Charge, ...]
    debtor: str
    debtor_account: str
    creditor: str
    creditor_account: str
    bank_reference: str
    transaction_id: str
    end_to_end_id: str
    mandate_id: str
    return_reason: str
    structured_reference: str
    narrative: str


@dataclass(slots=True)
class Entry:
    """A booked entry: its signed amount, and the fields its lines inherit."""

    ordinal: int
    minor: int
    currency: str
    fields: xml.Fields
    booked_on: date | None
    value_on: date | None
    reversal: bool


def read_detail(element: xml.Element, wanted: xml.Shape) -> Detail:
    """Read a TxDtls element by the compiled DETAIL_PATHS."""
    found = xml.gather(element, wanted, {})
    return detail_of(found, _charges(element) if "charges" in found else ())


def detail_of(found: xml.Fields, charges: tuple[Charge, ...]) -> Detail:
    """Choose among the texts gathered from a TxDtls."""
    get = found.get
    amounts = [(get(field, ""), get(currency, "")) for field, currency in _AMOUNTS if field in found]
    return Detail(
        tuple(amounts),
        get("direction", ""),
        charges,
        get("debtor") or get("ultimate_debtor", ""),
        get("debtor_account", ""),
        get("creditor") or get("ultimate_creditor", ""),
        get("creditor_account", ""),
        get("bank_reference", ""),
        get("transaction_id", ""),
        end_to_end(get("end_to_end_id", "")),
        get("mandate_id", ""),
        get("return_reason", ""),
        get("structured_reference", ""),
        one_line(get("narrative") or get("additional", "")),
    )


def is_booked(found: xml.Fields) -> bool:
    """Tell whether an entry is money; one that is pending, informative or in the future is not, yet."""
    status = found.get("status", "BOOK")
    if status == "BOOK":
        return True
    if status in _LEFT_OUT:
        return False
    raise Unreadable(f"expected status BOOK, PDNG, INFO or FUTR, got {status[:20]!r}", "Sts")


def pending_minor(found: xml.Fields, currency: str) -> int | None:
    """Return the signed minor units of an entry that is not booked; None, as it may still lack its amount."""
    try:
        return signed(found.get("amount", ""), found.get("currency", ""), found.get("direction", ""), currency)
    except Unreadable:
        return None


def read_entry(ordinal: int, found: xml.Fields, currency: str) -> Entry:
    """Check what was gathered from a booked Ntry of an account in `currency`; the Unreadable's place is the field."""
    if not currency:
        raise Unreadable("expected the account's currency in Acct/Ccy or in a balance, got none", "Amt")
    get = found.get
    return Entry(
        ordinal,
        signed(get("amount", ""), get("currency", ""), get("direction", ""), currency),
        currency,
        found,
        day(get("booked_on", ""), "BookgDt"),
        day(get("value_on", ""), "ValDt"),
        flag(get("reversal", ""), "RvslInd"),
    )


def lines(entry: Entry, details: Sequence[Detail], account: str) -> Iterator[StatementLine]:
    """Yield the lines of `entry`: one per transaction when their amounts add up to it, else one with its amount."""
    if len(details) > 1:
        shares = _shares(entry, details)
        if shares is not None:
            for transaction, (detail, minor) in enumerate(zip(details, shares, strict=True), 1):
                yield line_of(entry, detail, transaction, minor, account)
            return
    # Several transactions that don't add up tell nothing about one line: its references are then the batch's.
    yield line_of(entry, details[0] if len(details) == 1 else NO_DETAIL, 1, entry.minor, account)


def signed(amount: str, currency: str, direction: str, expected: str = "") -> int:
    """Return minor units, negative for DBIT; `expected` is the currency it must be in, if known."""
    if not amount:
        raise Unreadable("expected an amount, got none", "Amt")
    try:
        check_currency(currency)
        if expected and currency != expected:
            raise Unreadable(f"expected an amount in {expected}, the account's currency, got {currency}")
        if amount[0] in "+-":
            raise Unreadable(f"expected an amount without a sign (CdtDbtInd carries it), got {amount[:40]!r}")
        minor = parse_minor(amount, currency)
    except Unreadable as error:
        raise Unreadable(error.reason, "Amt") from None
    return minor * sign(direction)


def sign(direction: str) -> int:
    """Return 1 for CRDT, -1 for DBIT."""
    try:
        return _SIGNS[direction]
    except KeyError:
        raise Unreadable(f"expected CRDT or DBIT, got {direction[:20]!r}", "CdtDbtInd") from None


def flag(text: str, place: str) -> bool:
    """Read an XML boolean; a missing one is False."""
    try:
        return _FLAGS[text]
    except KeyError:
        raise Unreadable(f"expected true or false, got {text[:20]!r}", place) from None


@lru_cache(maxsize=1024)
def day(text: str, place: str) -> date | None:
    """Read an ISO date or date-time as the local date that is written; None when missing."""
    if not text:
        return None
    match = DATE.fullmatch(text)
    try:
        if match is not None:
            return date.fromisoformat(match[1])
    except ValueError:
        pass  # February 30: refused below, in the same words as any other text that is no date
    raise Unreadable(f"expected a date such as 2026-07-31, got {text[:40]!r}", place)


def end_to_end(text: str) -> str:
    """Return the end-to-end id, "" for the standard's word that there is none."""
    return "" if text.upper() == "NOTPROVIDED" else text


def one_line(text: str) -> str:
    """Return `text` without the line breaks and indents that a pretty-printed file puts into it."""
    return " ".join(text.split()) if "\n" in text or "\t" in text else text


def _shares(entry: Entry, details: Sequence[Detail]) -> list[int] | None:
    """Return the signed minor units of each transaction, bare or with its charges, if they add up to the entry."""
    bare, charged = [], []
    for number, detail in enumerate(details, 1):
        try:
            minor = _booked(entry, detail)
            if minor is None:
                return None
            bare.append(minor)
            charged.append(minor + sum(_charge(charge, entry.currency) for charge in detail.charges))
        except Unreadable as error:
            raise Unreadable(error.reason, f"TxDtls {number}, {error.place}") from None
    for shares in (bare, charged):
        if sum(shares) == entry.minor:
            return shares
    return None


def _booked(entry: Entry, detail: Detail) -> int | None:
    """Return the signed amount of a transaction in the entry's currency; None when the file gives none."""
    for amount, currency in detail.amounts:
        if currency == entry.currency:
            return signed(amount, currency, detail.direction or entry.fields.get("direction", ""))
    return None


def _charge(charge: Charge, currency: str) -> int:
    if charge.currency != currency:
        return 0
    return signed(charge.amount, charge.currency, charge.direction or "DBIT")


def _charges(element: xml.Element) -> tuple[Charge, ...]:
    """List the charges of a TxDtls; version .02 repeats Chrgs, later ones repeat Chrgs/Rcrd."""
    namespace, _ = xml.split(str(element.tag))
    charges, record = xml.qualified(namespace, "Chrgs"), xml.qualified(namespace, "Rcrd")
    records = [*element.findall(charges), *element.findall(f"{charges}/{record}")]
    found = [xml.gather(one, _charge_shape(namespace), {}) for one in records]
    return tuple(
        Charge(one["amount"], one.get("currency", ""), one.get("direction", "")) for one in found if "amount" in one
    )


@lru_cache(maxsize=64)
def _charge_shape(namespace: str) -> xml.Shape:
    return xml.shape({"Amt": "amount", "Amt/@Ccy": "currency", "CdtDbtInd": "direction"}, namespace)


NO_DETAIL = Detail((), "", (), *[""] * 11)


def line_of(entry: Entry, detail: Detail, transaction: int, minor: int, account: str) -> StatementLine:
    """Make one line of `minor` units from what the entry and one of its transactions say."""
    get = entry.fields.get
    batch = get("batch_reference") or get("batch_message", "")
    whole = batch if detail is NO_DETAIL else ""
    name, number = _counterparty(entry, detail, minor, account)
    references = (detail.bank_reference, get("bank_reference"), whole, get("entry_reference"), detail.transaction_id)
    return StatementLine(
        entry=entry.ordinal,
        transaction=transaction,
        amount=Money(minor, entry.currency),
        booked_on=entry.booked_on,
        value_on=entry.value_on,
        reversal=entry.reversal,
        bank_reference=next(filter(None, references), batch),
        end_to_end_id=detail.end_to_end_id,
        mandate_id=detail.mandate_id,
        return_reason=detail.return_reason,
        counterparty=name,
        counterparty_account=number,
        # A batch we sent comes back under the id we gave it, and often that is all the bank says about it.
        structured_reference=detail.structured_reference or whole,
        narrative=detail.narrative or one_line(get("narrative", "")),
    )


def _counterparty(entry: Entry, detail: Detail, minor: int, account: str) -> tuple[str, str]:
    """Choose the other side's name and account: the debtor of a credit, the creditor of a debit.

    Returns keep the roles of the original payment at some banks and swap them at others, so the side that is the
    account's own, or is missing from a return, gives way to the other.
    """
    debtor, creditor = (detail.debtor, detail.debtor_account), (detail.creditor, detail.creditor_account)
    first, second = (debtor, creditor) if minor > 0 else (creditor, debtor)
    returned = entry.reversal or detail.return_reason
    if any(second) and ((first[1] and first[1] == account) or (returned and not any(first))):
        return second
    return first
