"""Records made a thousand at a time from columns, by the interpreter's own loops instead of a call from Python each."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

from banks.money import Money, check_currency
from banks.records import StatementLine

# A frozen dataclass sets its fields through a call each; these are the slots that those calls end in.
_SET_MINOR: Callable[[Money, int], None] = Money.__dict__["minor"].__set__
_SET_CURRENCY: Callable[[Money, str], None] = Money.__dict__["currency"].__set__
_NEW_MONEY: Callable[[type[Money]], Money] = object.__new__
_NEW: Callable[[type[StatementLine], Iterable[Any]], StatementLine] = tuple.__new__


def money(minors: Sequence[int], currency: str) -> list[Money]:
    """Return one Money for each of `minors`, all in `currency`."""
    check_currency(currency)
    if set(map(type, minors)) - {int}:
        raise TypeError("money is a whole number of minor units")
    made = list(map(_NEW_MONEY, repeat(Money, len(minors))))
    deque(map(_SET_MINOR, made, minors), maxlen=0)
    deque(map(_SET_CURRENCY, made, repeat(currency)), maxlen=0)
    return made


def lines(amounts: Sequence[Money], **columns: Sequence[Any]) -> Iterator[StatementLine]:
    """Return one line for each of `amounts`, transaction 1 of its entry; `columns` are the other fields."""
    values: dict[str, Iterable[Any]] = {name: repeat(value) for name, value in StatementLine._field_defaults.items()}
    values |= {"transaction": repeat(1), "amount": amounts, **columns}
    if set(values) != set(StatementLine._fields) or any(len(one) != len(amounts) for one in columns.values()):
        raise ValueError(f"expected {len(amounts)} values of fields of a line, and their entry among them")
    return map(_NEW, repeat(StatementLine), zip(*(values[name] for name in StatementLine._fields), strict=False))
