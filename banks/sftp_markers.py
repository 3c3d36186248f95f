"""Done-markers: the small file beside a bigger one that says it is complete, sometimes with the digest it must have.

Two ways of naming are common and both are understood: `day.xml.ok` and `day.ok` for `day.xml`. A marker whose ending
names a digest (`.md5`, `.sha256`) holds it as md5sum or OpenSSL write it, or bare.
"""

import re
from collections.abc import Mapping
from posixpath import splitext

from banks.errors import Unreadable

MAX_BYTES = 4096
"""A marker with more bytes than this is something else."""
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_PLAIN = re.compile(r"\\?([0-9a-fA-F]+)(?: [ *](\S.*)|[ \t]+\*?(.+))?")
"""As md5sum writes it there are just two characters before the name, and a star after them is the name's own."""
_TAGGED = re.compile(r"[A-Za-z0-9-]+ ?\((.+)\) ?= ?([0-9a-fA-F]+)")


def algorithm_of(ending: str) -> str:
    """Return the digest a marker with this ending promises ("md5" for ".md5"), "" when it promises none."""
    name = ending.rpartition(".")[2].lower()
    return name if name in _DIGITS else ""


def marker_of(name: str, mtime: int, ending: str, markers: Mapping[str, int]) -> str:
    """Return which of `markers` (name → time) says that `name`, changed at `mtime`, is complete; "" when none does.

    A marker older than its file was left by an earlier file of that name: it says nothing of this one.
    """
    for marker in (name + ending, splitext(name)[0] + ending):
        if marker in markers and markers[marker] >= mtime:
            return marker
    return ""


def promised(content: bytes, name: str, algorithm: str) -> str:
    """Return the hex digest that a marker's `content` promises for the file `name`; raise Unreadable for none."""
    wanted = f"expected a marker that gives the {algorithm} of its file"
    try:
        lines = [line.strip() for line in content.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise Unreadable(f"{wanted}, got bytes that are no text") from None
    found = [pair for pair in map(_digest_and_name, lines) if pair and len(pair[0]) == _DIGITS[algorithm]]
    named = {digest for digest, of in found if of.rpartition("/")[2] == name}
    nameless = {digest for digest, of in found if not of}
    digests = named or nameless
    if len(digests) != 1:
        raise Unreadable(f"{wanted}, got {len(digests)} that fit in {len(lines)} lines")
    return digests.pop().lower()


def written(name: str, algorithm: str, digest: str) -> bytes:
    """Return what our own marker for `name` holds: a line as md5sum writes it, nothing when no digest is promised."""
    return f"{digest}  {name}\n".encode() if algorithm else b""


def _digest_and_name(line: str) -> tuple[str, str] | None:
    if plain := _PLAIN.fullmatch(line):
        return plain[1], plain[2] or plain[3] or ""
    if tagged := _TAGGED.fullmatch(line):
        return tagged[2], tagged[1]
    return None
