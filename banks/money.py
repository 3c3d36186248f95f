"""Exact money: a whole number of the currency's smallest unit, so that no amount is ever rounded or floated.

Decimal places per currency follow ISO 4217; the đồng has none. An amount written with more places than its currency
has is refused unless the surplus digits are zeros ("844960.00" VND is 844960 đồng; "844960.50" VND is an error).
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from banks.errors import Unreadable
from banks.shown import shown

_PLACES = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
_PLAIN = re.compile(r"([+-]?)([0-9]{1,18})(?:\.([0-9]{0,17}))?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
MAX_MINOR = 10**15
"""No single amount reaches this many minor units; a larger one is a misread file, not a payment."""


def places(currency: str) -> int:
    """Decimal places of `currency` in ISO 4217 (two where the standard's usual case applies)."""
    return _PLACES.get(currency, 2)


@dataclass(frozen=True, order=True, slots=True)
class Money:
    """`minor` smallest units of `currency` (ISO 4217 letters); negative means money going out."""

    minor: int
    currency: str = "VND"

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"money is a whole number of minor units, not {type(self.minor).__name__}")

    @classmethod
    def parse(cls, text: str, currency: str) -> "Money":
        """Read a plain decimal ("1250000", "-12.50"); raise Unreadable for anything else."""
        return cls(parse_minor(text, currency), currency)

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __abs__(self) -> "Money":
        return Money(abs(self.minor), self.currency)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        return f"{self.decimal()} {self.currency}"

    def decimal(self) -> str:
        """Return the amount as a signed decimal string with the currency's places: "-12.50", "844960"."""
        digits = places(self.currency)
        sign, minor = ("-" if self.minor < 0 else ""), abs(self.minor)
        if not digits:
            return f"{sign}{minor}"
        whole, part = divmod(minor, 10**digits)
        return f"{sign}{whole}.{part:0{digits}d}"

    def _same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up")


def dong(minor: int) -> Money:
    """Return `minor` đồng."""
    return Money(minor, "VND")


def parse_minor(text: str, currency: str) -> int:
    """Read a plain decimal into minor units of `currency`; ASCII digits, a point, an optional sign, nothing else."""
    check_currency(currency)
    if len(text) <= 15 and text.isascii() and text.isdigit() and not places(currency):
        return int(text)  # the usual case, in a third of the time
    match = _PLAIN.fullmatch(text)
    if match is None:
        raise Unreadable(f"expected an amount in plain digits, got {shown(text)}")
    sign, whole, part = match.groups()
    digits = places(currency)
    part = part or ""
    if part[digits:].strip("0"):
        raise Unreadable(f"{currency} has {digits} decimal places, got {text[:40]!r}")
    minor = int(whole + part[:digits].ljust(digits, "0"))
    if minor >= MAX_MINOR:
        raise Unreadable(f"expected an amount below {MAX_MINOR} minor units, got {shown(text)}")
    return -minor if sign == "-" else minor


@lru_cache(maxsize=256)
def check_currency(currency: str) -> str:
    """Return `currency` when it is three capital letters, else raise Unreadable."""
    if not _CURRENCY.fullmatch(currency):
        # A slip such as "dong" or "VN" is worth showing; what is longer may be anything.
        said = repr(currency) if len(currency) <= 4 else shown(currency, 12)
        raise Unreadable(f"expected a currency of three letters, got {said}")
    return currency
