"""Declarations that commands take in: the tables of one name in a TOML file, about banks that are known."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from gateway.wiring import Wiring


def tables(file: Path, name: str) -> list[dict[str, Any]]:
    """Return the [[name]] tables of a TOML file that holds nothing else; refuse any other file."""
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file.name}: expected TOML in UTF-8: {error}") from error
    entries = content.get(name)
    if content.keys() == {name} and isinstance(entries, list) and all(isinstance(one, dict) for one in entries):
        return entries
    raise click.ClickException(f"{file.name}: expected [[{name}]] tables and nothing else")


def only_declared(wiring: Wiring, file: Path, banks: Iterable[str]) -> None:
    """Refuse a file that names a bank which is not in the settings."""
    if unknown := sorted(set(banks) - wiring.settings.banks.keys()):
        raise click.ClickException(f"{file.name}: expected declared banks, got {', '.join(unknown)}")
