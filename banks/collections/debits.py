"""A debit as we ask a bank for it, and what no bank would take: checked one at a time, as the debits pass by.

A file states its counts and sums before its debits. The database knows them beforehand, so they come as heads, and the
debits in the order of the heads: a run of any length needs the memory of one debit.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from itertools import islice
from typing import Protocol, TypeVar

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


class Asked(Protocol):
    """What a file asks of a bank about one debit: to carry it out, or to call it off."""

    @property
    def end_to_end_id(self) -> str:
        """The id of the debit."""
        ...

    @property
    def amount(self) -> Money:
        """Its amount."""
        ...


AskedT = TypeVar("AskedT", bound=Asked)


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
    check_sender(message_id, creditor)
    expect(len({(head.collect_on, head.sequence) for head in heads}) == len(heads), "the file", "each group once")
    count, total = promised([(_told(head), head.debits, head.total_minor) for head in heads], currency)
    if limits.debits is not None:
        expect(count <= limits.debits, "the file", f"at most {limits.debits} debits at this bank, got {count}")
    if limits.total_minor is not None:
        most = Money(limits.total_minor, currency)
        expect(total <= most, "the file", f"at most {most} at this bank, got {total}")
    return count, total


def check_sender(message_id: str, creditor: Creditor) -> None:
    """Raise Misconfigured for a message id or a creditor that no bank would take."""
    expect(
        _ID.fullmatch(message_id) and len(message_id) <= _LONGEST_MESSAGE_ID,
        "the file, message_id",
        f"1 to {_LONGEST_MESSAGE_ID} plain characters",
    )
    wrong = wrong_party(creditor.name, creditor.account, creditor.bank)
    wrong = wrong or ("" if _ID.fullmatch(creditor.scheme_id) else f"scheme_id: {_AN_ID}")
    if wrong:
        raise Misconfigured(f"the creditor, {wrong}")


def promised(heads: Sequence[tuple[str, int, int]], currency: str) -> tuple[int, Money]:
    """Return the count and the sum of groups told as (words, debits, minor); raise Misconfigured for an empty one."""
    expect(heads, "the file", "at least one debit")
    for number, (told, debits, minor) in enumerate(heads, 1):
        expect(debits > 0, f"group {number} ({told})", "at least one debit")
        expect(minor >= debits, f"group {number} ({told})", "a sum of at least one minor unit for each debit")
    return sum(debits for _, debits, _ in heads), Money(sum(minor for *_, minor in heads), currency)


def members(
    stream: Iterator[Debit], head: GroupHead, number: int, currency: str, limits: Limits = NO_LIMITS
) -> Iterator[Debit]:
    """Yield the debits of group `number` from `stream`, each as it was checked.

    Raise Misconfigured naming the debit and the field that no bank would take, or the group whose count or sum is
    another than its head promised.
    """
    most = MAX_MINOR - 1 if limits.debit_minor is None else limits.debit_minor
    place = f"group {number} ({_told(head)})"
    return as_promised(
        stream, place, head.debits, Money(head.total_minor, currency), lambda one: _wrong(one, head, most)
    )


def as_promised(
    stream: Iterator[AskedT], place: str, count: int, total: Money, wrong: Callable[[AskedT], str]
) -> Iterator[AskedT]:
    """Yield the next `count` of `stream` in which nothing is `wrong`, and hold them to `total` at their end."""
    seen = minor = 0
    for one in islice(stream, count):
        said = wrong(one) or wrong_currency(one, total.currency)
        if said:
            raise Misconfigured(f"debit {one.end_to_end_id[:35]!a}, {said}")
        seen += 1
        minor += one.amount.minor
        yield one
    if (seen, minor) != (count, total.minor):
        raise Misconfigured(
            f"{place}: expected {count} debits of {total}, as its head promised, got {seen} of"
            f" {Money(minor, total.currency)}"
        )


def check_end(stream: Iterable[Asked]) -> None:
    """Raise Misconfigured naming a debit that no head promised."""
    for one in stream:
        raise Misconfigured(f"debit {one.end_to_end_id[:35]!a}: expected no more debits than the heads promised")


def _wrong(debit: Debit, head: GroupHead, most: int) -> str:
    """Say what is wrong with `debit`, "" when nothing is; what arrived stays unsaid where it may be personal."""
    amount, signed_on = debit.amount, debit.mandate_signed_on
    return (
        wrong_ids(debit.end_to_end_id, debit.mandate_id)
        or ("" if amount.minor > 0 else "amount: expected more than nothing")
        or ("" if amount.minor <= most else f"amount: expected at most {replace(amount, minor=most)}, got {amount}")
        or ("" if debit.collect_on == head.collect_on else f"collect_on: {_as_its_group(head)}, got {debit.collect_on}")
        or ("" if debit.sequence == head.sequence else f"sequence: {_as_its_group(head)}, got {debit.sequence}")
        or ("" if signed_on <= debit.collect_on else "mandate_signed_on: expected a day before the collection")
        or wrong_party(debit.debtor, debit.account, debit.bank)
        or ("" if is_line(debit.narrative, 140) else "narrative: expected a line of 1 to 140 characters")
    )


def wrong_currency(one: Asked, currency: str) -> str:
    """Say so when `one` is not in the currency of its file."""
    found = one.amount.currency
    return "" if found == currency else f"amount: expected {currency}, as the file, got {found}"


def wrong_ids(end_to_end_id: str, mandate_id: str) -> str:
    """Say which of the two ids would be lost or changed on its way to the bank and back; "" when neither."""
    return ("" if _ID.fullmatch(end_to_end_id) else f"end_to_end_id: {_AN_ID}") or (
        "" if _ID.fullmatch(mandate_id) else f"mandate_id: {_AN_ID}"
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
