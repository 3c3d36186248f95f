"""The lines of a camt entry: one, or one for each transaction of a batch, and who is on the other side."""

from collections.abc import Iterator, Sequence

from banks.errors import Unreadable
from banks.money import Money
from banks.records import StatementLine
from banks.statements.camt_entry import Charge, Detail, Entry, signed

NO_DETAIL = Detail((), "", (), *[""] * 11)


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


def line_of(entry: Entry, detail: Detail, transaction: int, minor: int, account: str) -> StatementLine:
    """Make one line of `minor` units from what the entry and one of its transactions say."""
    # A batch we sent comes back under the id we gave it, and often that is all the bank says about it.
    whole = entry.batch_reference if detail is NO_DETAIL else ""
    name, number = _counterparty(entry, detail, minor, account)
    return StatementLine(  # by position, as names double the time and a file may hold a million
        entry.ordinal,
        transaction,
        Money(minor, entry.currency),
        entry.booked_on,
        entry.value_on,
        entry.reversal,
        detail.bank_reference
        or entry.bank_reference
        or whole
        or entry.own_reference
        or detail.transaction_id
        or entry.batch_reference,
        detail.end_to_end_id,
        detail.mandate_id,
        detail.return_reason,
        name,
        number,
        detail.structured_reference or whole,
        detail.narrative or entry.narrative,
    )


def _counterparty(entry: Entry, detail: Detail, minor: int, account: str) -> tuple[str, str]:
    """Choose the other side's name and account: the debtor of a credit, the creditor of a debit.

    Returns keep the roles of the original payment at some banks and swap them at others, so the side that is the
    account's own, or is missing from a return, gives way to the other.
    """
    debtor, creditor = (detail.debtor, detail.debtor_account), (detail.creditor, detail.creditor_account)
    first, second = (debtor, creditor) if minor > 0 else (creditor, debtor)
    own = first[1] and first[1] == account
    if (own or ((entry.reversal or detail.return_reason) and not any(first))) and any(second):
        return second
    return first


def _shares(entry: Entry, details: Sequence[Detail]) -> list[int] | None:
    """Return the signed minor units of each transaction, bare or with its charges, if they add up to the entry."""
    bare, charged = [], []
    for number, detail in enumerate(details, 1):
        try:
            minor = _booked(entry, detail)
            if minor is None:
                return None
            bare.append(minor)
            if detail.charges:
                minor += sum(_charge(charge, entry.currency) for charge in detail.charges)
            charged.append(minor)
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
            return signed(amount, currency, detail.direction or entry.direction)
    return None


def _charge(charge: Charge, currency: str) -> int:
    if charge.currency != currency:
        return 0
    return signed(charge.amount, charge.currency, charge.direction or "DBIT")
