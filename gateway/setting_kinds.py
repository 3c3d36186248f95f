"""Kinds of settings: what a value of the TOML file or of the environment must look like."""

import re
from collections.abc import Callable
from datetime import date, time
from typing import Any, NamedTuple

from banks import profile as bank_profiles
from banks.statements import napas
from gateway.origin import Network, network_of
from reconciliation.roles import ROLES
from sms import numbers

DECLARED = "declared"
"""The profile of a bank whose callback stands in the file itself."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ACCOUNT = re.compile(r"[0-9A-Z]{4,34}", re.ASCII)


class Kind(NamedTuple):
    """`read` checks what TOML gave or raises ValueError with what was expected; `from_text` types a variable alike."""

    read: Callable[[Any], Any]
    from_text: Callable[[str], Any] = str


class Private(ValueError):
    """The value may hold a password or an account number, so the message must not repeat it."""


def _read_line(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("a line of text")
    return value.strip()


def _read_truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _truth_from_text(text: str) -> Any:
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(text.lower(), text)


def whole(low: int, high: int) -> Kind:
    """Return the kind of whole numbers from `low` to `high`."""

    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return Kind(read, lambda text: int(text) if re.fullmatch("[0-9]{1,9}", text, re.ASCII) else text)


def choice(*values: str) -> Kind:
    """Return the kind of texts that are one of `values`."""

    def read(value: Any) -> str:
        if value not in values:
            raise ValueError(" or ".join(values))
        return str(value)

    return Kind(read)


def address(*schemes: str) -> Kind:
    """Return the kind of addresses that begin with one of `schemes`, or with any."""

    def read(value: Any) -> str:
        scheme = value.partition(":")[0] if isinstance(value, str) and value.isprintable() else ""
        if not re.fullmatch("[a-z][a-z0-9+]*", scheme) or (schemes and scheme not in schemes) or scheme == value:
            raise Private("an address that begins with " + " or ".join(f"{each}:" for each in schemes or ("scheme",)))
        return str(value)

    return Kind(read)


def _read_clock(value: Any) -> time:
    if isinstance(value, time):
        return value
    if isinstance(value, str) and re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", value, re.ASCII):
        return time.fromisoformat(value)
    raise ValueError('a local time such as "08:00"')


def _read_days(value: Any) -> str | frozenset[int]:
    if value in ("business", "daily"):
        return str(value)
    if not isinstance(value, list) or not value or not all(each in WEEKDAYS for each in value):
        raise ValueError('"business", "daily" or a list of weekdays such as ["mon", "fri"]')
    return frozenset(map(WEEKDAYS.index, value))


def _read_day(value: Any) -> date:
    if type(value) is not date:
        raise ValueError("a day without quotes such as 2026-11-18")
    return value


def _read_accounts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and _ACCOUNT.fullmatch(each) for each in value):
        raise Private("a list of account numbers in quotes, each 4 to 34 digits or capital letters")
    if len(set(value)) != len(value):
        raise Private("a list that names each account number once")
    return tuple(value)


def _read_profile(value: Any) -> str:
    known = [*bank_profiles.names(), DECLARED]
    if value not in known:
        raise ValueError(f"one of {', '.join(known)}")
    return str(value)


def _read_sender(value: Any) -> str:
    # GSM 03.40 carries an alphanumeric sender of at most 11 characters.
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z0-9 ._-]{1,11}", value):
        raise ValueError("a sender name of 1 to 11 plain letters, digits, spaces or ._-")
    return value


def _read_ending(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\.[A-Za-z0-9._-]{1,15}", value):
        raise ValueError('the ending of a file name such as ".ok" or ".md5"')
    return value


def _read_after(value: Any) -> str:
    if value not in ("leave", "archive", "delete"):
        raise ValueError('"leave", "archive" or "delete"')
    return str(value)


def _read_napas_checksum(value: Any) -> str:
    if value not in napas.SCHEMES:
        raise ValueError(f"one of {', '.join(napas.SCHEMES)}")
    return str(value)


def _read_networks(value: Any) -> tuple[Network, ...]:
    expected = 'a list of addresses or networks in quotes such as "203.0.113.7" or "203.0.113.0/24"'
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise ValueError(expected)
    try:
        networks = tuple(network_of(each) for each in value)
    except ValueError:
        raise ValueError(expected) from None
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError("networks that are not the whole internet")
    return networks


def _read_roles(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(each in ROLES for each in value):
        raise ValueError(f"a list of roles among {', '.join(ROLES)}")
    return frozenset(value)


def _read_mobiles(value: Any) -> frozenset[str]:
    if not isinstance(value, list):
        raise Private("a list of Vietnamese mobile numbers")
    try:
        return frozenset(numbers.to_e164(str(one)) for one in value)
    except ValueError as wrong:
        raise Private(f"Vietnamese mobile numbers: {wrong}") from None


def _read_header(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z][A-Za-z0-9-]{0,63}", value):
        raise ValueError('the name of a header such as "X-Client-Cert-Subject"')
    return value.lower()


LINE = Kind(_read_line)
TRUTH = Kind(_read_truth, _truth_from_text)
CLOCK = Kind(_read_clock)
DAY = Kind(_read_day)
DAYS = Kind(_read_days)
ACCOUNTS = Kind(_read_accounts)
PROFILE = Kind(_read_profile)
SENDER = Kind(_read_sender)
ENDING = Kind(_read_ending)
AFTER = Kind(_read_after)
NAPAS_CHECKSUM = Kind(_read_napas_checksum)
NETWORKS = Kind(_read_networks)
HEADER = Kind(_read_header)
MOBILES = Kind(_read_mobiles, str.split)
ROLE_LIST = Kind(_read_roles, str.split)
