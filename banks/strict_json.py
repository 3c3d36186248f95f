"""JSON as a sender's bytes must be: what Python's reader would quietly bend is refused, and the place is named.

Refused: bytes that are not UTF-8, a duplicate key, a number with a point or an exponent, NaN and Infinity, more than
18 digits, a lone surrogate or NUL in a string (PostgreSQL stores neither), nesting deeper than 16, and any size above
the caller's limit. Whoever must rebuild a signed text asks for `exact_numbers`: such numbers then stay the text they
were.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from banks.errors import Unreadable

MAX_DEPTH = 16
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)  # the last quote is optional, so that the scan stays linear
_BRACKET = re.compile(rb"[\[\]{}]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class ExactNumber(str):
    """A JSON number kept as the exact text it was sent as; only where `exact_numbers` asks for it."""

    __slots__ = ()


class _Refused:
    """A value the reader met and may not pass on; the walk over the tree turns it into an error with its path."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class _Met(Exception):
    """A first reading met something to refuse; a second one finds its place."""


def read_object(raw: bytes, *, max_bytes: int = 64 * 1024, exact_numbers: bool = False) -> dict[str, Any]:
    """Read `raw` as one JSON object; raise Unreadable naming line and column, byte offset or path ("data.amount").

    Values are dict, list, str, int, bool and None, and ExactNumber where `exact_numbers` is set.
    """
    if len(raw) > max_bytes:
        raise Unreadable(f"expected at most {max_bytes} bytes of JSON, got {len(raw)}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable("expected UTF-8", f"byte {error.start}") from None
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:  # fewer brackets can't nest deeper
        _check_depth(raw)
    met = False
    try:
        try:
            tree = (_EXACT if exact_numbers else _WHOLE).decode(text)
        except _Met:
            met, tree = True, (_PLACING_EXACT if exact_numbers else _PLACING_WHOLE).decode(text)
    except json.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error.msg}", f"line {error.lineno}, column {error.colno}") from None
    if not isinstance(tree, dict):
        _refuse(tree, "")
        raise Unreadable(f"expected a JSON object, got {_kind(tree)}")
    # Without a refusal and without an escape there is nothing for the walk to find: raw UTF-8 holds neither a lone
    # surrogate nor, inside a JSON string, a NUL.
    if met or b"\\u" in raw:
        _check(tree, "")
    return tree


def text(fields: Mapping[str, Any], name: str, *, place: str = "", longest: int = 255, required: bool = False) -> str:
    """Return the string `name` of `fields`, "" when it is absent, null or empty; raise Unreadable naming `place`."""
    value = fields.get(name)
    if value is None or value == "":
        if required:
            raise Unreadable("expected a text, got nothing", _join(place, name))
        return ""
    if not isinstance(value, str) or isinstance(value, ExactNumber):
        raise Unreadable(f"expected a text, got {_kind(value)}", _join(place, name))
    if len(value) > longest:
        raise Unreadable(f"expected at most {longest} characters, got {len(value)}", _join(place, name))
    return value


def whole(fields: Mapping[str, Any], name: str, *, place: str = "", least: int = 1, most: int = 10**15 - 1) -> int:
    """Return the whole number `name` of `fields`, from `least` to `most`; raise Unreadable naming `place`."""
    where = _join(place, name)
    value = fields.get(name)
    if type(value) is not int:  # bool is an int to isinstance
        arrived = value[:40] if isinstance(value, ExactNumber) else _kind(value)
        raise Unreadable(f"expected a whole number, got {arrived}", where)
    if not least <= value <= most:
        raise Unreadable(f"expected {least} to {most}, got {value}", where)
    return value


def member(fields: Mapping[str, Any], name: str, *, place: str = "") -> dict[str, Any]:
    """Return the object `name` of `fields`; raise Unreadable naming `place`."""
    value = fields.get(name)
    if not isinstance(value, dict):
        raise Unreadable(f"expected an object, got {_kind(value)}", _join(place, name))
    return value


def written(value: Any, place: str = "") -> str:
    """Return a text, number, truth or null as senders write it into a signed text; null is empty.

    Numbers are what they were on the wire, given that the object was read with `exact_numbers`.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        raise Unreadable(f"expected a text, a number, true, false or null, got {_kind(value)}", place)
    return "" if value is None else str(value)


def compact(value: Any, *, sort_keys: bool = False, escape: bool = False) -> str:
    """Write `value` as JSON without spaces, numbers as they were on the wire; `escape` leaves nothing but ASCII.

    Sorted keys stand in the order of their UTF-16 code units, which is JavaScript's.
    """
    if isinstance(value, ExactNumber):
        return str(value)
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be")) if sort_keys else list(value)
        pairs = (f"{compact(name, escape=escape)}:{_inner(value[name], sort_keys, escape)}" for name in names)
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_inner(one, sort_keys, escape) for one in value) + "]"
    return json.dumps(value, ensure_ascii=escape)


def _inner(value: Any, sort_keys: bool, escape: bool) -> str:
    return compact(value, sort_keys=sort_keys, escape=escape)


def _check_depth(raw: bytes) -> None:
    # Before parsing, because Python's reader recurses and the limit must not depend on how deep the caller's stack is.
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise Unreadable(f"expected at most {MAX_DEPTH} levels of nesting")


def _decoder(refused: Callable[[str], Any], exact_numbers: bool) -> json.JSONDecoder:
    """Return a decoder that puts what `refused` makes of a reason in place of each value it may not pass on."""

    def number(digits: str) -> Any:
        if _INTEGER.fullmatch(digits):
            return int(digits)
        if exact_numbers:
            return ExactNumber(digits)
        return refused(f"expected a whole number of at most 18 digits, got {digits[:40]}")

    def unique(pairs: list[tuple[str, Any]]) -> Any:
        read = dict(pairs)
        if len(read) == len(pairs):
            return read
        seen, twice = set[str](), ""
        for twice, _ in pairs:
            if twice in seen:
                break
            seen.add(twice)
        return refused(f"expected each key once, got {twice[:40]!a} twice")

    return json.JSONDecoder(
        object_pairs_hook=unique,
        parse_int=number,
        parse_float=number,
        parse_constant=lambda word: refused(f"expected a number, got {word}"),
    )


def _meet(reason: str) -> NoReturn:
    raise _Met(reason)


# Made once: a decoder costs more to make than a callback's body to read.
_WHOLE, _EXACT = _decoder(_meet, exact_numbers=False), _decoder(_meet, exact_numbers=True)
_PLACING_WHOLE, _PLACING_EXACT = _decoder(_Refused, exact_numbers=False), _decoder(_Refused, exact_numbers=True)


def _check(value: Any, place: str) -> None:
    _refuse(value, place)
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name, _join(place, ascii(name[:40])))
            _check(inner, _join(place, name))
    elif isinstance(value, list):
        for position, inner in enumerate(value, 1):
            _check(inner, f"{place}[{position}]")
    elif isinstance(value, str):
        _check_text(value, place)


def _refuse(value: Any, place: str) -> None:
    if isinstance(value, _Refused):
        raise Unreadable(value.reason, place)


def _check_text(value: str, place: str) -> None:
    found = _UNSTORABLE.search(value)
    if found:
        what = "NUL" if found.group() == "\x00" else "lone surrogate"
        raise Unreadable(f"expected text without a {what}, got one at character {found.start() + 1}", place)


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", ExactNumber: "a number", bool: "true or false"}
    if value is None:
        return "nothing"
    return names.get(type(value), "a number")
