"""Declared tables meet requests and answers: holes in texts, filled or listed, and what stands at a dotted path."""

import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

HOLE = re.compile(r"\{([^{}]*)\}")
_SECRET = re.compile(r"secret\.([a-z][a-z0-9_]{0,30})", re.ASCII)
_PARTS = {"json": "json", "form": "data", "query": "params"}
"""What `httpx` calls the place of a body, by how it is written."""
Written = str | int | bool | list["Written"] | Mapping[str, "Written"]
"""A part of a request as TOML gives it."""


def filled(part: Written, fill: Callable[[str], str]) -> Written:
    """Return `part` with each of its texts filled."""
    if isinstance(part, str):
        return fill(part)
    if isinstance(part, list):
        return [filled(each, fill) for each in part]
    if isinstance(part, Mapping):
        return {name: filled(each, fill) for name, each in part.items()}
    return part


def holes(part: Written) -> set[str]:
    """Return the names of all holes in `part`."""
    found: set[str] = set()

    def look(text: str) -> str:
        found.update(HOLE.findall(text))
        return text

    filled(part, look)
    return found


def check_holes(named: set[str], known: Sequence[str], place: str) -> None:
    """Raise ValueError for a hole that is neither one of `known` nor a secret."""
    unknown = sorted(hole for hole in named if hole not in known and not _SECRET.fullmatch(hole))
    if unknown:
        expected = ", ".join([*known, "secret.NAME"])
        raise ValueError(f"{place}: expected holes of {expected}, got {{{unknown[0][:40]}}}")


def secrets_of(named: set[str]) -> set[str]:
    """Return the names of the secrets among holes."""
    return {match[1] for hole in named if (match := _SECRET.fullmatch(hole))}


def request(
    url: str, headers: Mapping[str, str], body: Mapping[str, Written], form: str, values: Mapping[str, str]
) -> tuple[str, dict[str, object]]:
    """Return a declared request with its holes filled: its address, and its other parts as an exchange takes them."""

    def fill(text: str) -> str:
        return HOLE.sub(lambda hole: values[hole[1]], text)

    address = HOLE.sub(lambda hole: quote(values[hole[1]], safe=""), url)
    parts: dict[str, object] = {"headers": {name: fill(text) for name, text in headers.items()}}
    return address, parts | ({_PARTS[form]: filled(body, fill)} if body else {})


def at(content: object, path: str) -> object:
    """Return what stands at a dotted `path`, list places as numbers; None where there is nothing."""
    if not path:
        return None
    for name in path.split("."):
        if isinstance(content, Mapping):
            content = content.get(name)
        elif isinstance(content, list) and name.isdigit() and int(name) < len(content):
            content = content[int(name)]
        else:
            return None
    return content
