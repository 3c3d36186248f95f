"""The head of a camt statement: whose account, which balances, which control totals, and how the foot meets them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from banks import iso20022, xml
from banks.errors import Unreadable
from banks.money import Money, check_currency, parse_minor
from banks.records import StatementClosed, StatementKind, StatementOpened
from banks.statements.camt_entry import day, flag, signed

MESSAGES: Mapping[str, tuple[str, str, StatementKind]] = {
    "BkToCstmrStmt": ("camt.053", "Stmt", StatementKind.STATEMENT),
    "BkToCstmrAcctRpt": ("camt.052", "Rpt", StatementKind.NOTICE),
    "BkToCstmrDbtCdtNtfctn": ("camt.054", "Ntfctn", StatementKind.NOTICE),
}
"""Message element → its family, the name of the statements in it, and what they are worth."""

_GROUP_PATHS = {
    "GrpHdr/MsgId": "message_id",
    "GrpHdr/CreDtTm": "message_created_at",
    "GrpHdr/MsgPgntn/PgNb": "message_page",
    "GrpHdr/MsgPgntn/LastPgInd": "message_last_page",
}
_HEAD_PATHS = {
    "Id": "id",
    **{f"{name}Pgntn/PgNb": "page" for _, name, _ in MESSAGES.values()},
    **{f"{name}Pgntn/LastPgInd": "last_page" for _, name, _ in MESSAGES.values()},
    "ElctrncSeqNb": "sequence",
    "LglSeqNb": "legal_sequence",
    "CreDtTm": "created_at",
    "FrToDt/FrDtTm": "from_on",
    "FrToDt/ToDtTm": "to_on",
    "CpyDplctInd": "copy",
    "Acct/Id/IBAN": "iban",
    "Acct/Id/Othr/Id": "account",
    "Acct/Prxy/Id": "alias",
    "Acct/Ccy": "currency",
    "TxsSummry/TtlNtries/NbOfNtries": "entries",
    "TxsSummry/TtlNtries/Sum": "sum",
    "TxsSummry/TtlCdtNtries/NbOfNtries": "credit_entries",
    "TxsSummry/TtlCdtNtries/Sum": "credit_sum",
    "TxsSummry/TtlDbtNtries/NbOfNtries": "debit_entries",
    "TxsSummry/TtlDbtNtries/Sum": "debit_sum",
}
_BALANCE_PATHS = {
    "Tp/CdOrPrtry/Cd": "code",
    "Tp/Cd": "code",
    "Amt": "amount",
    "Amt/@Ccy": "currency",
    "CdtDbtInd": "direction",
    "Dt/Dt": "on",
    "Dt/DtTm": "on",
}
LATE = ("Acct", "Bal", "TxsSummry")
"""What must stand before the entries: a balance after them would come too late to be told first."""
MAX_FAULTS = 20
_BOOKED = frozenset({"OPBD", "PRCD", "CLBD", "ITBD"})
_FAMILY = re.compile(r"(camt\.05[234])(?:\.001(?:\.\d\d)?)?(?!\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Balance:
    """A booked balance: its ISO 20022 code, signed amount and date."""

    code: str
    amount: Money
    on: date | None


@dataclass(slots=True)
class Side:
    """Entries on one side (credits or debits): how many, and their sum in minor units, unsigned."""

    count: int = 0
    minor: int = 0


@dataclass(slots=True)
class Foot:
    """What a statement adds up to while its entries pass by; `closed` compares it with what the head announced."""

    opened: StatementOpened
    announced: xml.Fields
    lines: int = 0
    credit: int = 0
    debit: int = 0
    left_out: int = 0
    booked: tuple[Side, Side] = field(default_factory=lambda: (Side(), Side()))
    pending: tuple[Side, Side] = field(default_factory=lambda: (Side(), Side()))
    faults: list[str] = field(default_factory=list)

    def count(self, minor: int, *, booked: bool) -> None:
        """Count an entry of `minor` units on its side."""
        side = (self.booked if booked else self.pending)[minor < 0]
        side.count += 1
        side.minor += abs(minor)

    def add(self, minor: int) -> None:
        """Add a line of `minor` units to the totals."""
        self.lines += 1
        if minor < 0:
            self.debit += minor
        else:
            self.credit += minor

    def fault(self, text: str) -> None:
        """Keep a contradiction for people; after the first twenty, one sentence says that there are more."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(text)
        elif len(self.faults) == MAX_FAULTS:
            self.faults.append("more contradictions of the same kinds follow")

    def closed(self) -> StatementClosed:
        """Return the foot: totals, whether the balances agree, and the control totals that don't."""
        opening, closing, currency = self.opened.opening, self.opened.closing, self.opened.currency
        difference = None
        if opening is not None and closing is not None:
            difference = closing - opening - Money(self.credit + self.debit, currency)
        self._check_announced()
        return StatementClosed(
            id=self.opened.id,
            lines=self.lines,
            credit_total=Money(self.credit, currency),
            debit_total=Money(self.debit, currency),
            balanced=None if difference is None else not difference,
            difference=difference,
            left_out=self.left_out,
            faults=tuple(self.faults),
        )

    def _check_announced(self) -> None:
        """Compare TxsSummry with the entries: banks count pending ones or leave them out, so either count will do."""
        credit, debit = self.booked
        more_credit, more_debit = self.pending
        sides = (
            ("entries", "", credit.count + debit.count, self.left_out),
            ("credit_entries", "credit ", credit.count, more_credit.count),
            ("debit_entries", "debit ", debit.count, more_debit.count),
        )
        for name, word, count, more in sides:
            said = self.announced.get(name)
            if said is not None and said.lstrip("0") not in (str(count or ""), str(count + more or "")):
                self.fault(f"TxsSummry says {said[:20]} {word}entries, the statement holds {count}")
        sums = (
            ("sum", "entries", credit.minor + debit.minor, more_credit.minor + more_debit.minor),
            ("credit_sum", "credits", credit.minor, more_credit.minor),
            ("debit_sum", "debits", debit.minor, more_debit.minor),
        )
        for name, word, minor, more in sums:
            said = self.announced.get(name)
            if said is not None and self._minor(said) not in (minor, minor + more):
                held = Money(minor, self.opened.currency)
                self.fault(f"TxsSummry says {word} of {said[:24]}, the statement holds {held}")

    def _minor(self, said: str) -> int | None:
        try:
            return parse_minor(said, self.opened.currency)
        except Unreadable:
            return None  # no sum at all: reported by the caller as one that nothing fits


def family(namespace: str) -> str:
    """Return "camt.052", "camt.053" or "camt.054" for a namespace of that family, "" for any other."""
    match = _FAMILY.search(namespace)
    return match[1] if match else ""


def message_format(message: xml.Element) -> tuple[str, StatementKind]:
    """Return a message element's format ("camt.053.001.02") and kind; raise Unreadable for a foreign namespace."""
    namespace, name = xml.split(str(message.tag))
    expected, _, kind = MESSAGES[name]
    if not namespace:
        return expected, kind
    match = _FAMILY.search(namespace)
    if match is None or match[1] != expected:
        raise Unreadable(f"expected {name} in an ISO 20022 {expected} namespace, got {namespace[:80]!r}", name)
    return match[0], kind


def read_group(message: xml.Element, statement: xml.Element) -> xml.Fields:
    """Gather what a message says of all its statements, `statement` being the first of them."""
    namespace, _ = xml.split(str(message.tag))
    return xml.gather(message, xml.shape(_GROUP_PATHS, namespace), {}, until=statement)


def open_statement(
    statement: xml.Element, message: xml.Element, group: xml.Fields, currency: str, first: xml.Element | None
) -> Foot:
    """Read everything that stands before `first`, the first entry; `currency` is its own, for a head that names none.

    The place of an Unreadable is the element below the statement.
    """
    namespace, _ = xml.split(str(message.tag))
    head = xml.gather(statement, xml.shape(_HEAD_PATHS, namespace), {}, until=first)
    account = head.get("iban") or head.get("account") or head.get("alias", "")
    for name, got in (("Id", head.get("id", "")), ("Acct/Id", account)):
        if not got:
            raise Unreadable(f"expected {name} before the entries, got none", name)
    balances = _balances(statement, namespace, first)
    own = head.get("currency") or (balances[0].amount.currency if balances else currency)
    if own:
        _check_currency(own, "Acct/Ccy" if "currency" in head else "Ntry/Amt")
    page, last = _page(head, group)
    opening, closing = _pair([one for one in balances if one.amount.currency == own], page, last)
    format_, kind = message_format(message)
    foot = Foot(
        StatementOpened(
            format=format_,
            kind=kind,
            id=head["id"],
            account=account,
            currency=own,
            message_id=group.get("message_id", ""),
            sequence=_whole(head, ("sequence", "legal_sequence"), "ElctrncSeqNb"),
            page=page,
            last_page=last,
            copy=head.get("copy", ""),
            from_on=day(head.get("from_on", ""), "FrToDt/FrDtTm"),
            to_on=day(head.get("to_on", ""), "FrToDt/ToDtTm"),
            created_at=iso20022.moment(head.get("created_at") or group.get("message_created_at", ""), "CreDtTm"),
            opening=opening.amount if opening else None,
            closing=closing.amount if closing else None,
            closing_on=closing.on if closing else None,
        ),
        head,
    )
    for one in balances:
        if one.amount.currency != own:
            foot.fault(f"the {one.code} balance is in {one.amount.currency}, the account in {own}")
    return foot


def _balances(statement: xml.Element, namespace: str, first: xml.Element | None) -> list[Balance]:
    """List the booked balances in file order; available and forward ones say nothing of what was booked."""
    shape = xml.shape(_BALANCE_PATHS, namespace)
    balances = []
    before = statement[:] if first is None else statement[: statement.index(first)]
    elements = [one for one in before if one.tag == xml.qualified(namespace, "Bal")]
    for number, element in enumerate(elements, 1):
        try:
            got = xml.gather(element, shape, {})
            code = got.get("code", "")
            if code in _BOOKED:
                minor = signed(got.get("amount", ""), got.get("currency", ""), got.get("direction", ""))
                balances.append(Balance(code, Money(minor, got["currency"]), day(got.get("on", ""), "Dt")))
        except Unreadable as error:
            raise Unreadable(error.reason, f"Bal {number}, {error.place}") from None
    return balances


def _pair(balances: list[Balance], page: int | None, last: bool | None) -> tuple[Balance | None, Balance | None]:
    """Choose the opening and the closing balance: booked ones first, interim ones only where two pages meet."""
    interim = [one for one in balances if one.code == "ITBD"]
    opening = _first(balances, "OPBD") or _first(balances, "PRCD")
    closing = _first(reversed(balances), "CLBD")
    later = page is not None and page > 1
    if opening is None and interim and (later or (last is False and len(interim) > 1)):
        opening = interim.pop(0)
    if closing is None and interim and last is False:
        closing = interim[-1]
    return opening, closing


def _first(balances: Iterable[Balance], code: str) -> Balance | None:
    return next((one for one in balances if one.code == code), None)


def _page(head: xml.Fields, group: xml.Fields) -> tuple[int | None, bool | None]:
    """Return the page number and whether it is the last; the statement's own word counts before the message's."""
    prefix, got = ("", head) if "page" in head or "last_page" in head else ("message_", group)
    page = _whole(got, (f"{prefix}page",), "PgNb")
    last = got.get(f"{prefix}last_page")
    return page, None if last is None else flag(last, "LastPgInd")


def _whole(got: xml.Fields, names: tuple[str, ...], place: str) -> int | None:
    return iso20022.whole(next((got[name] for name in names if name in got), None), place)


def _check_currency(currency: str, place: str) -> None:
    try:
        check_currency(currency)
    except Unreadable as error:
        raise Unreadable(error.reason, place) from None
