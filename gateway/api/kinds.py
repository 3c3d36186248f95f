"""Kinds of parameters: how each is described, and how it is read from an address; both stand beside each other."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """What one parameter may be: its JSON Schema, what a person should know, and `read`, which raises ValueError."""

    schema: Mapping[str, Any]
    read: Callable[[str], Any]
    expected: str
    about: str = ""
    slashes: bool = False
    """Whether there may be slashes in it, so that it takes the rest of an address."""


def text(pattern: str, expected: str, about: str = "", *, slashes: bool = False) -> Kind:
    """Return the kind of texts that `pattern` fits as a whole."""
    fits = re.compile(pattern, re.ASCII)

    def read(written: str) -> str:
        if not fits.fullmatch(written):
            raise ValueError(written)
        return written

    return Kind({"type": "string", "pattern": f"^{pattern}$"}, read, expected, about, slashes)


def choice(values: Collection[str], about: str = "") -> Kind:
    """Return the kind of texts that are one of `values`."""
    known = list(values)

    def read(written: str) -> str:
        if written not in known:
            raise ValueError(written)
        return written

    return Kind({"type": "string", "enum": known}, read, f"one of {', '.join(known)}", about)


def whole(least: int, most: int, about: str = "", default: int | None = None) -> Kind:
    """Return the kind of whole numbers from `least` to `most`, written without leading zeros."""

    def read(written: str) -> int:
        if not re.fullmatch("0|-?[1-9][0-9]{0,17}", written, re.ASCII) or not least <= int(written) <= most:
            raise ValueError(written)
        return int(written)

    schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
    if default is not None:
        schema["default"] = default
    return Kind(schema, read, f"a whole number from {least} to {most}", about)


def day(about: str) -> Kind:
    """Return the kind of days."""

    def read(written: str) -> date:
        if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", written, re.ASCII):
            raise ValueError(written)
        return date.fromisoformat(written)

    return Kind({"type": "string", "format": "date"}, read, "a day as 2026-11-18", about)


def _place(written: str) -> tuple[int, date]:
    """Return the number and the day of the row that a place is behind; the last day there is where it names none."""
    found = re.fullmatch("c([0-9a-f]{1,15})(?:[.]([0-9a-f]{1,5}))?", written, re.ASCII)
    if found is None:
        raise ValueError(written)
    return int(found[1], 16), date.fromordinal(max(1, int(found[2], 16))) if found[2] else date.max


CODE = text(r"[A-Za-z0-9_./\-]{1,64}", "1 to 64 letters, digits or _ . / -", slashes=True)
BANK = text(r"[a-z0-9_\-]{1,64}", "the name of a bank as it is declared", "The bank, by the name it is declared under.")
ID = whole(1, 10**18 - 1, "The number of the row.")
"""A row's number."""
LIMIT = whole(1, 500, "At most so many rows in one answer.", default=100)
AFTER = Kind(
    {"type": "string", "pattern": "^c[0-9a-f]{1,15}([.][0-9a-f]{1,5})?$"},
    _place,
    "what `next` said in the answer before",
    "The place to go on from: `next` of the answer before, as it is.",
)


def cursor(row_id: int, day: date | None = None) -> str:
    """Return the place behind a row, of a day where the list goes by days."""
    return f"c{row_id:x}" + (f".{day.toordinal():x}" if day is not None else "")
