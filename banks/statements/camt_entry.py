"""What one camt entry (Ntry) and its transactions (TxDtls) say: references, dates, and amounts with their sign.

ISO 20022 says of RvslInd: if it is true and CdtDbtInd is CRDT, the original entry was a debit. So CdtDbtInd is already
the direction in which this entry moves the money, and the sign is never turned a second time.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from banks import xml
from banks.errors import Unreadable
from banks.money import check_currency, parse_minor
from banks.shown import shown

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
    """A TxDtls as read, kept small: an entry may hold 100,000 of them before its own sum can be compared."""

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
    """A booked entry: its signed amount, and what its lines inherit."""

    ordinal: int
    minor: int
    currency: str
    booked_on: date | None
    value_on: date | None
    reversal: bool
    direction: str
    bank_reference: str
    own_reference: str
    """NtryRef: the statement's own, worth less than what other messages know as well."""
    batch_reference: str
    batch_counts: str
    narrative: str


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
    raise Unreadable(f"expected status BOOK, PDNG, INFO or FUTR, got {shown(status, 20)}", "Sts")


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
    return entry_of(
        ordinal,
        found,
        minor=signed(found.get("amount", ""), found.get("currency", ""), found.get("direction", ""), currency),
        currency=currency,
        booked_on=day(found.get("booked_on", ""), "BookgDt"),
        value_on=day(found.get("value_on", ""), "ValDt"),
        reversal=flag(found.get("reversal", ""), "RvslInd"),
    )


def entry_of(
    ordinal: int,
    found: xml.Fields,
    *,
    minor: int,
    currency: str,
    booked_on: date | None,
    value_on: date | None,
    reversal: bool,
) -> Entry:
    """Choose among the texts gathered from an Ntry, whose amount, dates and flag are read."""
    get = found.get
    return Entry(
        ordinal,
        minor,
        currency,
        booked_on,
        value_on,
        reversal,
        get("direction", ""),
        get("bank_reference", ""),
        get("entry_reference", ""),
        get("batch_reference") or get("batch_message", ""),
        get("batch_counts", ""),
        one_line(get("narrative", "")),
    )


def signed(amount: str, currency: str, direction: str, expected: str = "") -> int:
    """Return minor units, negative for DBIT; `expected` is the currency it must be in, if known."""
    if not amount:
        raise Unreadable("expected an amount, got none", "Amt")
    try:
        check_currency(currency)
        if expected and currency != expected:
            raise Unreadable(f"expected an amount in {expected}, the account's currency, got {currency}")
        if amount[0] in "+-":
            raise Unreadable(f"expected an amount without a sign (CdtDbtInd carries it), got {shown(amount)}")
        minor = parse_minor(amount, currency)
    except Unreadable as error:
        raise Unreadable(error.reason, "Amt") from None
    return minor * sign(direction)


def sign(direction: str) -> int:
    """Return 1 for CRDT, -1 for DBIT."""
    try:
        return _SIGNS[direction]
    except KeyError:
        raise Unreadable(f"expected CRDT or DBIT, got {shown(direction, 20)}", "CdtDbtInd") from None


def flag(text: str, place: str) -> bool:
    """Read an XML boolean; a missing one is False."""
    try:
        return _FLAGS[text]
    except KeyError:
        raise Unreadable(f"expected true or false, got {shown(text, 20)}", place) from None


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
    raise Unreadable(f"expected a date such as 2026-07-31, got {shown(text)}", place)


def end_to_end(text: str) -> str:
    """Return the end-to-end id, "" for the standard's word that there is none."""
    return "" if text.upper() == "NOTPROVIDED" else text


def one_line(text: str) -> str:
    """Return `text` without the line breaks and indents that a pretty-printed file puts into it."""
    return " ".join(text.split()) if "\n" in text or "\t" in text else text


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
