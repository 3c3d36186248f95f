"""The fields of an MT940 or MT942 message that carry money: `:61:`, the balances, the control totals.

Source: SWIFT Standards, category 9, MT940 and MT942. The comma is the decimal mark and always stands; a date has two
digits of the year, and an entry date none at all.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

from banks.errors import Unreadable
from banks.money import MAX_MINOR, Money, places

_ENTRY = re.compile(
    r"([0-9]{6})([0-9]{4})?(R[CD]|E[CD]|[CD])[A-Z]?\s*([0-9.,]+)\s*[A-Z][A-Za-z0-9 ]{3}([^\n]*)(?:\n(.*))?",
    re.ASCII | re.DOTALL,
)
_BALANCE = re.compile(r"\s*([CD])\s*([0-9]{6})([A-Z]{3})?\s*([0-9.,]+)\s*", re.ASCII)
_TOTAL = re.compile(r"\s*([0-9]{1,9})\s*([A-Z]{3})\s*([0-9.,]+)\s*", re.ASCII)
_MOMENT = re.compile(r"\s*([0-9]{10})(?:([+-])([0-9]{2})([0-9]{2}))?\s*", re.ASCII)
_AMOUNT = re.compile(r"([0-9]{0,18})([.,]?)([0-9]{0,17})", re.ASCII)
_SIGNS = {"C": (1, False, True), "D": (-1, False, True), "RC": (-1, True, True), "RD": (1, True, True),
          "EC": (1, False, False), "ED": (-1, False, False)}  # fmt: skip
"""Mark → the sign of what it does to the account, whether it reverses, whether it is booked: EC and ED are not yet."""
NO_REFERENCE = frozenset(["NOT PROVIDED", *"NONREF NOREF NOTPROVIDED EREF EREF+ KREF KREF+ MREF MREF+".split()])
"""Words that stand for "none", or for "see :86:"."""
_REFERENCE = 16
"""Characters SWIFT gives a reference in :61:; what follows them without `//` is the bank's remark."""
_HALF_A_YEAR = timedelta(days=184)
"""No day is farther from its nearest anniversary, except a 29 February that the near years don't have."""
_VIETNAM = timezone(timedelta(hours=7))


PLAIN_ENTRY = (
    r"([0-9]{6}(?:[0-9]{4})?)([CD])[A-Z]?([0-9]{1,11}),([0-9]*)[A-Z][A-Z0-9]{3}"
    r"(?:NONREF|([^\n/]{1,16}|))(?://([^\n]*)|)(?:\n([^\n:\-{ ][^\n]*)|)"
)
"""What nearly every `:61:` looks like: value date and entry date, mark, amount in two parts, references, remark."""


class Entry(NamedTuple):
    """A `:61:` as read; `minor` is signed, positive came in; `odd_date` is a 29 or 30 February that doesn't exist."""

    minor: int
    reversal: bool
    booked: bool
    booked_on: date | None
    value_on: date | None
    odd_date: str
    bank_reference: str
    own_reference: str
    remark: str


class Balance(NamedTuple):
    """A balance: signed minor units, their currency, and the date if it has one."""

    minor: int
    currency: str
    on: date | None


class Total(NamedTuple):
    """A control total of `:90C:` or `:90D:`: so many entries of so many minor units, unsigned."""

    entries: int
    minor: int
    currency: str


def read_entry(text: str, currency: str) -> Entry:
    """Read a `:61:` of an account in `currency`; raise Unreadable saying which part of it is wrong."""
    # A line may be broken anywhere; what comes after a whole entry is the bank's remark on it.
    found = _ENTRY.fullmatch(text) or _ENTRY.fullmatch(text.replace("\n", "", 1))
    if found is None:
        expected = "expected YYMMDD[MMDD], C, D, RC or RD, an amount and a type such as NTRF"
        raise Unreadable(f"{expected}, got {_shown(text)}")
    on, entry_on, mark, amount, reference, remark = found.groups("")
    minor = minor_units(amount, currency)
    value_on, booked_on, odd_date = days(on, entry_on)
    sign, reversal, booked = _SIGNS[mark]
    own, slashes, bank = reference.partition("//")
    if len(own) > _REFERENCE and not slashes:
        own, remark = own[:_REFERENCE], f"{own[_REFERENCE:].strip()}\n{remark}"
    return Entry(sign * minor, reversal, booked, booked_on, value_on, odd_date, stated(bank), stated(own), remark)


def read_balance(text: str, currency: str) -> Balance:
    """Read a `:60a:` or `:62a:`; `currency` is the account's where the balance names none."""
    found = _BALANCE.fullmatch(text.partition("\n")[0])
    if found is None:
        raise Unreadable(f"expected C or D, YYMMDD, a currency and an amount, got {_shown(text)}")
    mark, on, own, amount = found.groups()
    own = own or currency
    if not own:
        raise Unreadable(f"expected a balance with its currency, got {_shown(text)}")
    # Some banks write zeros where an account has never had a statement before.
    day = None if on == "000000" else days(on, "")[0]
    return Balance(_SIGNS[mark][0] * minor_units(amount, own), own, day)


def read_total(text: str) -> Total:
    """Read a `:90C:` or `:90D:`."""
    found = _TOTAL.fullmatch(text.partition("\n")[0])
    if found is None:
        raise Unreadable(f"expected a count, a currency and a sum, got {_shown(text)}")
    return Total(int(found[1]), minor_units(found[3], found[2]), found[2])


def read_moment(text: str) -> datetime | None:
    """Read a `:13D:` (YYMMDDHHMM and the offset from UTC, Vietnam's if it has none); None if it is no moment."""
    found = _MOMENT.fullmatch(text.partition("\n")[0])
    if found is None:
        return None
    digits, sign, hours, minutes = found.groups()
    try:
        zone = _VIETNAM
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            zone = timezone(offset if sign == "+" else -offset)
        local = datetime.strptime(f"{_year(digits)}{digits[2:]}", "%Y%m%d%H%M").replace(tzinfo=zone)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def stated(reference: str) -> str:
    """Return a reference, or "" where the bank wrote that there is none; a single character is none either."""
    reference = reference.strip()
    return "" if len(reference) < 2 or reference.upper() in NO_REFERENCE else reference


def minor_units(text: str, currency: str) -> int:
    """Read an amount in digits with one decimal mark; refuse what could also mean thousands ("1.250", "1,250").

    A comma is the decimal mark of the standard. A point is one only before one or two digits.
    """
    digits = places(currency)
    found = _AMOUNT.fullmatch(text)
    if found is not None:
        whole, mark, part = found.groups()
        minor = int((whole + part[:digits].ljust(digits, "0")) or "0")
        longest = 2 if mark == "." else max(2, digits)
        is_clear = bool(whole or part) and len(part) <= longest and not part[digits:].strip("0")
        if is_clear and minor < MAX_MINOR:
            return minor
    example = "844960," if digits == 0 else f"844960,{'5'.ljust(digits, '0')}"
    limit = Money(MAX_MINOR, currency).decimal()
    raise Unreadable(f"expected an amount in {currency} such as {example} below {limit}, got {text[:40]!r}")


@lru_cache(maxsize=8192)
def days(on: str, entry_on: str) -> tuple[date | None, date | None, str]:
    """Return the value date, the booking date, and the one of them that is a 29 or 30 February out of the calendar.

    `on` is YYMMDD, `entry_on` MMDD in whichever year lies nearest, or "" where both dates are one. Banks that count
    every month as thirty days write "0230": such a date is None. Any other that doesn't exist is refused.
    """
    year = _year(on)
    value_on = _day(year, on[2:])
    odd_date = "" if value_on else f"{year}-{on[2:4]}-{on[4:]}"
    if not entry_on:
        return value_on, value_on, odd_date
    # Where the value date itself is out of the calendar, its month is still a good neighbour.
    near = value_on or date(year, 2, 28)
    candidates = [day for each in (year - 1, year, year + 1) if (day := _day(each, entry_on))]
    booked_on = min(candidates, key=lambda day: abs(day - near), default=None)
    if booked_on is None or abs(booked_on - near) > _HALF_A_YEAR:
        booked_on, odd_date = None, odd_date or f"{year}-{entry_on[:2]}-{entry_on[2:]}"
    return value_on, booked_on, odd_date


def _year(digits: str) -> int:
    """Two digits of a year as SWIFT reads them: 80 to 99 are of the last century."""
    short = int(digits[:2])
    return short + (1900 if short >= 80 else 2000)


def _day(year: int, month_and_day: str) -> date | None:
    month, day = int(month_and_day[:2]), int(month_and_day[2:])
    try:
        return date(year, month, day)
    except ValueError:
        if month == 2 and day in (29, 30):
            return None
    raise Unreadable(f"expected a date, got {year}-{month_and_day[:2]}-{month_and_day[2:]}")


def _shown(text: str) -> str:
    """Show what a field looks like and not what it says: names and numbers in it may be a person's."""
    shape = "".join("9" if one.isdigit() else "A" if one.isalpha() else one for one in text.partition("\n")[0][:40])
    return f"{shape!r} (9 a digit, A a letter)"
