"""Signed texts of the form `name=value&name=value` without any escaping, as several wallets join them.

Nothing parts a value from the next name but the text itself. So a value that holds "&amount=" could be cut in two ways,
and whoever knows one signature could cut it the other way: such a text proves its sender, and is not read.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from banks import strict_json
from banks.errors import Unreadable

_NAME = re.compile(r"[A-Za-z0-9_]+")
_MARK = re.compile(r"&[A-Za-z0-9_]+=")


def joined(fields: Mapping[str, Any], names: Iterable[str], *, place: str = "") -> bytes:
    """Return the text of `names` in their order; null and absent are empty, lists are compact JSON.

    `fields` is read with `exact_numbers`, so that numbers stand as they were sent. A nested object is Unreadable.
    """
    return "&".join(f"{name}={_value(fields, name, place)}" for name in names).encode()


def check_one_reading(fields: Mapping[str, Any], names: Iterable[str], *, place: str = "") -> None:
    """Raise Unreadable, naming the field, when the text that `joined` makes could be cut in more than one way."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise Unreadable("expected names of letters, digits and _", _where(place, ascii(name[:40])))
        mark = _MARK.search(_value(fields, name, place))
        if mark:
            raise Unreadable(
                f"expected a value without {mark[0][:40]!r}, which looks like a field", _where(place, name)
            )


def _value(fields: Mapping[str, Any], name: str, place: str) -> str:
    value = fields.get(name)
    if isinstance(value, list):
        return strict_json.compact(value, sort_keys=True)
    return strict_json.written(value, _where(place, name))


def _where(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
