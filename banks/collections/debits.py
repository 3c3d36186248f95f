"""A debit as we ask a bank for it, and what no bank would take: checked one at a time, as the debits pass by.

A file states its counts and sums before its debits. The database knows them beforehand, so they come as heads, and the
debits in the order of the heads: a run of any length needs the memory of one debit.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import islice

from banks.errors import Misconfigured
from banks.money import MAX_MINOR, Money

_ID = re.compile(r"[A-Za-z0-9+?/:().,'-][A-Za-z0-9+?/:().,' -]{0,34}", re.ASCII)
"""Max35Text in the letters every bank takes; ids come back in reports, so nothing in them may be lost on the way."""
_ACCOUNT = re.compile(r"[A-Z0-9]{4,34}", re.ASCII)
_BIC = re.compile(r"[A-Z]{6}[A-Z2-9][A-NP-Z0-9](?:[A-Z0-9]{3})?", re.ASCII)
"""As in pain.008.001.02; later versions let a few more pass, and no bank has one of those."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_AN_ID = "expected 1 to 35 plain characters"
_LONGEST_MESSAGE_ID = 30
"""Five are left for the number of a payment group behind it."""


class SequenceType(StrEnum):
    """Where a debit stands in the life of its mandate."""

    FIRST = "FRST"
    RECURRENT = "RCUR"
    LAST = "FNAL"
    ONE_OFF = "OOFF"


@dataclass(frozen=True, slots=True)
class Debit:
    """One debit asked for; `bank` is the debtor's bank, as a BIC or a clearing member id (a NAPAS BIN)."""

    end_to_end_id: str
    amount: Money
    collect_on: date
    mandate_id: str
    mandate_signed_on: date
    debtor: str
    account: str
    bank: str
    narrative: str
    sequence: SequenceType = SequenceType.RECURRENT


@dataclass(frozen=True, slots=True)
class GroupHead:
    """What is known of a payment group before its debits: whose day and sequence they have, how many, their sum."""

    collect_on: date
    sequence: SequenceType
    debits: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class Creditor:
    """Who collects: name, account, bank (as in `Debit`), and the id the bank knows us by as a creditor."""

    name: str
    account: str
    bank: str
    scheme_id: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What one bank takes in a file; None where it sets no limit. Amounts are in the debits' currency."""

    debits: int | None = None
    total_minor: int | None = None
    debit_minor: int | None = None


NO_LIMITS = Limits()


def check_file(
    message_id: str, creditor: Creditor, heads: Sequence[GroupHead], currency: str, limits: Limits
) -> tuple[int, Money]:
    """Return how many debits the heads promise and their sum; raise Misconfigured for what no bank would take."""
    expect(
        _ID.fullmatch(message_id) and len(message_id) <= _LONGEST_MESSAGE_ID,
        "the file, message_id",
        f"1 to {_LONGEST_MESSAGE_ID} plain characters",
    )
    wrong = wrong_party(creditor.name, creditor.account, creditor.bank)
    wrong = wrong or ("" if _ID.fullmatch(creditor.scheme_id) else f"scheme_id: {_AN_ID}")
    if wrong:
        raise Misconfigured(f"the creditor, {wrong}")
    expect(heads, "the file", "at least one debit")
    expect(len({(head.collect_on, head.sequence) for head in heads}) == len(heads), "the file", "each group once")
    for number, head in enumerate(heads, 1):
        place = f"group {number} ({_told(head)})"
        expect(head.debits > 0, place, "at least one debit")
        expect(head.total_minor >= head.debits, place, "a sum of at least one minor unit for each debit")
    count, total = sum(head.debits for head in heads), Money(sum(head.total_minor for head in heads), currency)
    if limits.debits is not None:
        expect(count <= limits.debits, "the file", f"at most {limits.debits} debits at this bank, got {count}")
    if limits.total_minor is not None:
        most = Money(limits.total_minor, currency)
        expect(total <= most, "the file", f"at most {most} at this bank, got {total}")
    return count, total


def members(
    stream: Iterator[Debit], head: GroupHead, number: int, currency: str, limits: Limits = NO_LIMITS
) -> Iterator[Debit]:
    """Yield the debits of group `number` from `stream`, each as it was checked.

    Raise Misconfigured naming the debit and the field that no bank would take, or the group whose count or sum is
    another than its head promised.
    """
    most = MAX_MINOR - 1 if limits.debit_minor is None else limits.debit_minor
    count = total = 0
    for debit in islice(stream, head.debits):
        wrong = _wrong(debit, head, currency, most)
        if wrong:
            raise Misconfigured(f"debit {debit.end_to_end_id[:35]!a}, {wrong}")
        count += 1
        total += debit.amount.minor
        yield debit
    if (count, total) != (head.debits, head.total_minor):
        raise Misconfigured(
            f"group {number} ({_told(head)}): expected {head.debits} debits of {Money(head.total_minor, currency)}, as"
            f" its head promised, got {count} of {Money(total, currency)}"
        )


def check_end(stream: Iterable[Debit]) -> None:
    """Raise Misconfigured naming a debit that no head promised."""
    for debit in stream:
        raise Misconfigured(f"debit {debit.end_to_end_id[:35]!a}: expected no more debits than the heads promised")


def _wrong(debit: Debit, head: GroupHead, currency: str, most: int) -> str:
    """Say what is wrong with `debit`, "" when nothing is; what arrived stays unsaid where it may be personal."""
    is_id = _ID.fullmatch
    amount = debit.amount
    return (
        ("" if is_id(debit.end_to_end_id) else f"end_to_end_id: {_AN_ID}")
        or ("" if is_id(debit.mandate_id) else f"mandate_id: {_AN_ID}")
        or ("" if amount.minor > 0 else "amount: expected more than nothing")
        or ("" if amount.currency == currency else f"amount: expected {currency}, as the file, got {amount.currency}")
        or ("" if amount.minor <= most else f"amount: expected at most {Money(most, currency)} a debit, got {amount}")
        or ("" if debit.collect_on == head.collect_on else f"collect_on: {_as_its_group(head)}, got {debit.collect_on}")
        or ("" if debit.sequence == head.sequence else f"sequence: {_as_its_group(head)}, got {debit.sequence}")
        or (
            ""
            if debit.mandate_signed_on <= debit.collect_on
            else "mandate_signed_on: expected a day before the collection"
        )
        or wrong_party(debit.debtor, debit.account, debit.bank)
        or ("" if is_line(debit.narrative, 140) else "narrative: expected a line of 1 to 140 characters")
    )


def wrong_party(name: str, account: str, bank: str) -> str:
    """Say what is wrong with a name, an account or its bank; "" when nothing is."""
    return (
        ("" if is_line(name, 70) else "name: expected a line of 1 to 70 characters")
        or ("" if _ACCOUNT.fullmatch(account) else "account: expected 4 to 34 digits or capital letters")
        or ("" if is_bic(bank) or _ID.fullmatch(bank) else "bank: expected a BIC or a clearing member id")
    )


def is_bic(bank: str) -> bool:
    """Tell whether `bank` is a BIC, so that it stands as one; else it is a clearing member id."""
    return _BIC.fullmatch(bank) is not None


def is_line(text: str, longest: int) -> bool:
    """Tell whether `text` is one printable line without white space around it."""
    printable = text.isprintable() or not _UNPRINTABLE.search(text)  # the first is quick, and rarely says no
    return 1 <= len(text) <= longest and printable and text == text.strip()


def expect(holds: object, place: str, expected: str) -> None:
    """Raise Misconfigured unless it `holds`."""
    # What arrived stays unsaid: it may be a name or an account number.
    if not holds:
        raise Misconfigured(f"{place}: expected {expected}")


def _as_its_group(head: GroupHead) -> str:
    return f"expected that of its group, {_told(head)}"


def _told(head: GroupHead) -> str:
    return f"{head.collect_on} {head.sequence}"
