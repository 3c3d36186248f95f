"""What a table's sheet says outside the table: whose account, which period, the balances at both ends."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from banks.statements.cells import Cell, lacks_digits, tidy
from banks.statements.layout import MAX_COLUMNS, Layout, folded

_ACCOUNT = re.compile(r"[0-9A-Z][0-9A-Z.-]{2,32}[0-9A-Z]", re.ASCII)
_CURRENCY = re.compile(r"\b[A-Z]{3}\b", re.ASCII)
_MONEY_WORDS = re.compile(r"(?i)\s*(?:VND|VNĐ|đồng|[A-Z]{3})\s*$")
_MORE = 4
"""A label in two languages and its value stand within so many filled cells."""


def labelled(layout: Layout, cells: Sequence[Cell]) -> Iterator[tuple[str, int, Cell]]:
    """Yield (what, column, value) for each labelled cell: its value stands behind the colon or in the next filled cell.

    A period's value is all the rest of the row, as both its days may stand in cells of their own.
    """
    for at, cell in enumerate(cells[:MAX_COLUMNS]):
        if not isinstance(cell, str) or not cell or len(cell) > 300:
            continue
        text = folded(cell)
        kind = next((name for name, pattern in _patterns(layout) if pattern.match(text)), "")
        if not kind:
            continue
        if kind == "period":
            rest = (str(one) for one in cells[at : at + 2 * _MORE] if one != "")
            yield kind, at, " ".join(rest)
            continue
        yield from _values(layout, kind, cells, at)


def is_label(layout: Layout, cell: Cell) -> bool:
    """Tell whether a cell is one of the layout's labels."""
    return isinstance(cell, str) and any(pattern.match(folded(cell)) for _, pattern in _patterns(layout))


def account_in(value: Cell) -> str:
    """Return the first account number in `value`, "" when it holds none, or one whose last digits are lost."""
    if lacks_digits(value):
        return ""
    found = _ACCOUNT.findall(tidy(str(value)))
    return next((one for one in found if any(map(str.isdigit, one))), "")


def currency_in(value: Cell) -> str:
    """Return the ISO 4217 letters in `value`; VNĐ and đồng are VND."""
    text = tidy(str(value))
    if folded(text).startswith(("vnđ", "đồng", "việt nam đồng")):
        return "VND"
    match = _CURRENCY.search(text)
    return match[0] if match else ""


def amount_in(value: Cell) -> Cell:
    """Return an amount without the currency's letters behind it."""
    return _MONEY_WORDS.sub("", value) if isinstance(value, str) else value


def _values(layout: Layout, kind: str, cells: Sequence[Cell], at: int) -> Iterator[tuple[str, int, Cell]]:
    own = tidy(str(cells[at]))
    behind = own.rpartition(":")[2].strip() if ":" in own else ""
    if not behind:
        match = re.search(r"(?<=\s)[+-]?[0-9][0-9A-Z., '-]*.*$", own)
        behind = match[0] if match else ""
    if behind:
        yield kind, at, behind
        return
    following = [(index, one) for index, one in enumerate(cells[at + 1 :], at + 1) if one != ""]
    for index, one in following[:_MORE]:
        if is_label(layout, one):
            return
        if isinstance(one, str) and one.strip(" :") == "":
            continue
        yield kind, index, one
        return


@lru_cache(maxsize=64)
def _compiled(labels: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    made = []
    for kind, words in labels:
        either = "|".join(re.escape(folded(word)) for word in sorted(words, key=len, reverse=True))
        # Behind the label comes its end, a translation or a value; "số tài khoản đối ứng" is another word.
        made.append((kind, re.compile(rf"(?:{either})(?:\s*$|\s*[:/(]|\s+[-+0-9])")))
    return tuple(made)


def _patterns(layout: Layout) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return _compiled(tuple((kind, tuple(words)) for kind, words in layout.labels.items()))
