"""A bank's table declared in the configuration, `[banks.x.table]`, turned into a layout.

    [banks.x.table]
    title = "Agribank"
    dates = ["dd/mm/yyyy"]
    thousands = "."
    decimal = ","                            # left out: amounts have no decimals
    account = "1500201234567"                # only where the file does not name it
    optional = ["balance"]
    [banks.x.table.columns]
    booked_on = "Ngày giao dịch"             # one header text, or a list of them
    debit = ["Ghi nợ", "Nợ"]
    credit = ["Ghi có", "Có"]
    balance = "Số dư"
    narrative = "Diễn giải"

Further keys: currency, marks_in, marks_out, ends, ignored, carried, sheet, balance_by_row, minus_out, book_of_record,
and a table `labels` with account, opening, closing, currency, period. `banks.statements.layout.Layout` says what each
means.
"""

from collections.abc import Callable, Mapping
from typing import Any

from banks.errors import Misconfigured
from banks.statements.layout import LABELS, Layout


def layout_from(table: Mapping[str, object], name: str = "table") -> Layout:
    """Return the layout that `table` declares for the bank `name`; raise Misconfigured naming the key."""
    unknown = set(table) - set(_KINDS)
    if unknown:
        raise Misconfigured(f"expected the keys {', '.join(_KINDS)}, got {', '.join(sorted(map(str, unknown)))}")
    missing = [key for key in ("columns", "dates", "thousands") if key not in table]
    if missing:
        raise Misconfigured(f"{missing[0]}: expected it to be declared, got nothing")
    told: dict[str, Any] = {key: _KINDS[key](key, value) for key, value in table.items()}
    told["labels"] = {**LABELS, **told.get("labels", {})}
    told.setdefault("title", f"the table of {name}")
    return Layout(name=name, declared=True, **told)


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise Misconfigured(f"{key}: expected a text, got {value!r}"[:200])
    return value


def _texts(key: str, value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) and one.strip() for one in values):
        raise Misconfigured(f"{key}: expected a text or a list of texts, got {value!r}"[:200])
    return tuple(values)


def _names(key: str, value: object) -> frozenset[str]:
    return frozenset(_texts(key, value))


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise Misconfigured(f"{key}: expected true or false, got {value!r}"[:200])
    return value


def _words(key: str, value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise Misconfigured(f"{key}: expected a table of names and texts, got {value!r}"[:200])
    return {str(name): _texts(f"{key}.{name}", texts) for name, texts in value.items()}


_KINDS: dict[str, Callable[[str, object], object]] = {
    "title": _text, "columns": _words, "dates": _texts, "thousands": _text, "decimal": _text, "currency": _text,
    "account": _text, "optional": _names, "marks_in": _texts, "marks_out": _texts, "labels": _words, "ends": _texts,
    "ignored": _texts, "carried": _names, "sheet": _text, "balance_by_row": _flag, "minus_out": _flag,
    "book_of_record": _flag,
}  # fmt: skip
