"""The texts customers agree to, one file a version beside this one; a version that was agreed to is never edited."""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

CURRENT = "TN-2026-11"
"""The version that new consents are given to."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text in one language."""

    version: str
    title: str
    paragraphs: tuple[str, ...]


@lru_cache(maxsize=16)
def find(version: str, language: str) -> Text | None:
    """Return a version's text in "vi" or "en"; None for a version that came from elsewhere and is no file of ours."""
    file = files(__name__) / f"{version}.toml"
    if not version.isprintable() or "/" in version or not file.is_file():
        return None
    said = tomllib.loads(file.read_text("utf-8"))[language]
    return Text(version, said["title"], tuple(said["paragraphs"]))


def current(language: str) -> Text:
    """Return the text that is agreed to today; raises LookupError where its file is missing."""
    found = find(CURRENT, language)
    if found is None:
        raise LookupError(f"expected the text {CURRENT} beside this module")
    return found
