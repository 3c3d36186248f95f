"""What is left of a prepaid account, as carriers write it: whole đồng, rounded down, never by way of a float."""

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal

MOST = 10**15
"""No account holds so much: such an answer is misread."""
_WRITTEN = re.compile(r"(-?)([0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.([0-9]{0,9}))?", re.ASCII)
_DOUBTFUL = re.compile(r"-?[1-9][0-9]{0,2}\.[0-9]{3}", re.ASCII)
"""A point before three digits sets thousands apart where the Vietnamese write, and đồng from nothing elsewhere."""


class NotTold(Exception):
    """A carrier did not tell its balance; `reason` repeats nothing of an answer, which might hold our keys."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the balance is not told: {reason}")


def content(body: bytes) -> Mapping[str, object]:
    """Read an answer's JSON object with its numbers as they are written; raise NotTold."""
    try:
        read = json.loads(body, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, ArithmeticError, RecursionError):
        raise NotTold(f"expected a JSON object, got {len(body)} other bytes") from None
    if not isinstance(read, dict):
        raise NotTold("expected a JSON object, got another value")
    return read


def whole_dong(value: object, place: str) -> int:
    """Return the amount that an answer holds at `place`, rounded down to whole đồng; raise NotTold."""
    if isinstance(value, str):
        value = _read(value.strip(), place)
    if type(value) is int:
        if abs(value) < MOST:
            return value
    elif isinstance(value, Decimal):
        if value.adjusted() < len(str(MOST)) - 1:  # asked first: a number of few signs may have a million digits
            return math.floor(value)
    else:
        raise NotTold(f"{place}: expected an amount, got {_kind(value)}")
    raise NotTold(f"{place}: expected an amount below {MOST:,} đ, got more")


def _read(written: str, place: str) -> Decimal:
    if _DOUBTFUL.fullmatch(written):
        raise NotTold(f"{place}: expected an amount that is read one way only, got a point before three digits")
    match = _WRITTEN.fullmatch(written)
    if match is None:
        raise NotTold(f"{place}: expected an amount, got a text that is none")
    sign, whole, part = match.groups()
    return Decimal(f"{sign}{whole.replace(',', '')}.{part or '0'}")


def _kind(value: object) -> str:
    kinds = {bool: "true or false", list: "a list", dict: "a table", type(None): "nothing"}
    return kinds.get(type(value), "another value")


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no number")
