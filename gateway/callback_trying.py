"""Trying a callback: whether it proves its sender, over which exact text, and with which key; nothing is kept.

Both benches use it, the command line's and the page's, so that they can't disagree about a sample.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from banks.errors import Misconfigured, Unproven
from banks.profile import CallbackProfile
from banks.records import Proof, RawRequest

Keys = Mapping[str, Sequence[str]]
"""Secret name → its live keys, newest first."""


class Unusable(ValueError):
    """A sample that can't even be tried: the message says why, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What trying a sample showed: its proof, or the `reason` why there is none and the text that was signed."""

    proof: Proof | None
    reason: str = ""
    signed: bytes = b""


def prove(profile: CallbackProfile, request: RawRequest, secrets: Keys) -> Tried:
    """Try a sample as if it had come at `request.received_at`; raise Misconfigured for a key that can't be used."""
    size, part = (len(request.query), "query") if profile.method == "GET" else (len(request.body), "body")
    if size > profile.max_bytes:
        reason = f"the {part} has {size} bytes, more than the {profile.max_bytes} that {profile.name} may send"
        return Tried(None, reason)
    try:
        proof = profile.prove(request, secrets, request.received_at)
    except Unproven as error:
        return Tried(None, error.reason, error.signed)
    return Tried(proof, signed=proof.signed)


def query_of(text: str) -> bytes:
    """Return a query as it goes over the wire; a whole address, as copied from a log, is as good as its query."""
    if text.startswith(("http://", "https://", "/")):
        text = text.partition("?")[2]
    return os.fsencode(text.removeprefix("?"))


def headers_of(lines: Iterable[str]) -> dict[str, str]:
    """Return headers from lines of "Name: value", names in small letters; raise Unusable naming the line."""
    headers: dict[str, str] = {}
    for position, line in enumerate(lines, 1):
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or not name or any(char.isspace() for char in name):
            # The line itself stays unsaid: it may be a bearer token.
            raise Unusable(f"header {position}: expected 'Name: value'")
        if name in headers:
            raise Unusable(f"header {position}: {name} is given twice")
        headers[name] = value.strip()
    return headers


def which_keys(profile: CallbackProfile, request: RawRequest, secrets: Keys) -> dict[str, int]:
    """Return by which key, counted from 1, a proven sample was signed: of each secret with several that took part."""
    return {
        name: _position(profile, request, secrets, name)
        for name, keys in secrets.items()
        if len(keys) > 1 and not _is_idle(profile, request, secrets, name)
    }


def readable(text: bytes, secrets: Keys) -> str:
    """Return `text` for people: keys masked by their secret's name, and no sign in it that a terminal would obey.

    Some forms sign a key along with the fields, so a secret may stand inside the signed text.
    """
    # Masked as the bytes that were signed, or as an error writes them, before anything is escaped; the longest first,
    # because one key may begin another.
    named = [(key, name) for name, keys in secrets.items() for key in keys if key]
    for key, name in sorted(named, key=lambda pair: len(pair[0]), reverse=True):
        for written in (key.encode("utf-8", "surrogateescape"), key.encode("ascii", "backslashreplace")):
            text = text.replace(written, f"<{name}>".encode())
    shown = text.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in shown)


def _is_idle(profile: CallbackProfile, request: RawRequest, secrets: Keys, name: str) -> bool:
    """Tell whether the proof stands without the secret `name`, one of several that are each enough."""
    others = {other: keys for other, keys in secrets.items() if other != name}
    if not (profile.any_secret and others):
        return False
    try:
        profile.prove(request, others, request.received_at)
    except (Misconfigured, Unproven):
        return False
    return True


def _position(profile: CallbackProfile, request: RawRequest, secrets: Keys, name: str) -> int:
    for position, key in enumerate(secrets[name], 1):
        try:
            profile.prove(request, {**secrets, name: [key]}, request.received_at)
        except Unproven:
            continue
        return position
    raise AssertionError(f"proved with all keys of {name}, but with none alone")
