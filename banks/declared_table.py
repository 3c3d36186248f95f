"""A declaration's table, taken apart key by key: a wrong value names its key, and a key nobody knows is a mistake."""

from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeVar

from banks.errors import Misconfigured

_Value = TypeVar("_Value")


class Table:
    """One table; `path` is its dotted name, such as "callback.signature". What is wrong raises Misconfigured."""

    def __init__(self, values: object, path: str) -> None:
        if not isinstance(values, Mapping):
            _refuse(path, "a table", values)
        self.path = path
        self._left = dict(values)
        self._known: dict[str, None] = {}

    def left(self) -> list[str]:
        """Return the keys that are not taken yet."""
        return list(self._left)

    def has(self, key: str) -> bool:
        """Tell whether `key` is there and not taken yet; whoever asks knows the key."""
        self._known[key] = None
        return key in self._left

    def only_with(self, other: str, *keys: str) -> None:
        """Refuse each of `keys` that is there: it means nothing without `other`, which is not."""
        for key in keys:
            if self.has(key):
                self.refuse(key, f"{other} beside it", None)

    def text(self, key: str, *, default: str | None = None, empty: bool = False) -> str:
        """Take a text; without a `default` it must be there."""
        value = self._take(key, default)
        if not isinstance(value, str) or not (value or empty or value == default) or not value.isprintable():
            self.refuse(key, "a text" if empty else "a text that is not empty", value)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Take a list of texts, none when the key is absent."""
        value = self._take(key, [])
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) and each for each in value):
            self.refuse(key, "a list of texts that are not empty", value)
        if len(set(value)) != len(value):
            self.refuse(key, "a list that names each once", value)
        return tuple(value)

    def choice(self, key: str, choices: Mapping[str, _Value], *, default: str | None = None) -> _Value:
        """Take one of the words of `choices`; return what the word stands for."""
        value = self._take(key, default)
        if not isinstance(value, str) or value not in choices:
            self.refuse(key, f"one of {', '.join(choices)}", value)
        return choices[value]

    def truth(self, key: str) -> bool:
        """Take true or false; false when the key is absent."""
        value = self._take(key, False)
        if not isinstance(value, bool):
            self.refuse(key, "true or false", value)
        return value

    def whole(self, key: str, low: int, high: int, *, default: int | None = None) -> int:
        """Take a whole number from `low` to `high`."""
        value = self._take(key, default)
        if type(value) is not int or not low <= value <= high:
            self.refuse(key, f"a whole number from {low} to {high}", value)
        return value

    def table(self, key: str) -> "Table":
        """Take the sub-table `key`, an empty one when it is absent."""
        return Table(self._take(key, {}), self.path_of(key))

    def raw(self, key: str) -> object:
        """Take whatever stands under `key`."""
        return self._take(key, None)

    def finish(self) -> None:
        """Refuse a key that is left: nobody knows it."""
        for key in self._left:
            raise Misconfigured(f"{self.path_of(key)}: expected one of {', '.join(self._known)}, got this key")

    def refuse(self, key: str, expected: str, value: object) -> NoReturn:
        """Raise Misconfigured saying what was expected under `key`, and what arrived."""
        _refuse(self.path_of(key), expected, value)

    def path_of(self, key: str) -> str:
        """Return the dotted path of `key`."""
        return f"{self.path}.{key}"

    def _take(self, key: str, default: object) -> object:
        self._known[key] = None
        return self._left.pop(key, default)


def among(names: Sequence[str]) -> dict[str, str]:
    """Return choices that stand for themselves."""
    return {name: name for name in names}


def _refuse(path: str, expected: str, value: object) -> NoReturn:
    arrived = "nothing" if value is None else repr(value)[:60]
    raise Misconfigured(f"{path}: expected {expected}, got {arrived}")
