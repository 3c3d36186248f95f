"""Tables of settings, taken apart key by key, and the error that names the key that can't be used."""

from collections.abc import Mapping
from typing import Any

from gateway.setting_kinds import Kind, Private


class SettingsError(Exception):
    """A setting or a secret that can't be used: one line naming it, what was expected, and what arrived."""


def checked(kind: Kind, value: Any, key: str) -> Any:
    """Return `value` as `kind` reads it, or say in one line which key was expected to be what."""
    try:
        return kind.read(value)
    except ValueError as wrong:
        arrived = f"a value of type {type(value).__name__}" if isinstance(wrong, Private) else repr(value)[:60]
        raise SettingsError(f"{key}: expected {wrong}, got {arrived}") from None


class Table:
    """A TOML table that is taken apart key by key, so that what is left over is a mistake."""

    def __init__(self, values: dict[str, Any], path: str, where: str) -> None:
        self.values = dict(values)
        self.path = path
        self.where = where
        self.known: list[str] = []

    def table(self, key: str) -> "Table":
        """Take the sub-table `key`, an empty one where there is none."""
        self.known.append(key)
        inner = self.values.pop(key, {})
        if not isinstance(inner, dict):
            raise SettingsError(f"{self.where}: {self.path_of(key)}: expected a table, got {repr(inner)[:60]}")
        return Table(inner, self.path_of(key), self.where)

    def take(self, kinds: Mapping[str, Kind]) -> dict[str, Any]:
        """Take and check each key of `kinds` that is present."""
        self.known.extend(kinds)
        present = [key for key in kinds if key in self.values]
        return {key: checked(kinds[key], self.values.pop(key), f"{self.where}: {self.path_of(key)}") for key in present}

    def need(self, taken: Mapping[str, Any], *keys: str) -> None:
        """Raise SettingsError for the first of `keys` that was not given."""
        for key in keys:
            if key not in taken:
                raise SettingsError(f"{self.where}: {self.path_of(key)}: expected a value, got none")

    def finish(self) -> None:
        """Raise SettingsError when a key is left that nobody knows."""
        for key in self.values:
            raise SettingsError(
                f"{self.where}: {self.path_of(key)}: expected one of {', '.join(self.known)}, got this key"
            )

    def path_of(self, key: str) -> str:
        """Return the dotted path of `key`."""
        return f"{self.path}.{key}" if self.path else key
