"""Signature schemes of callbacks: each one signs a text with a key, and tells which of the live keys a signature fits.

A key is a str as the secret store holds it; a scheme decodes it. Signatures are compared as bytes and in constant time,
and every live key is tried, so the time taken tells nothing about the keys.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

from banks.errors import Misconfigured

_SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of Standard Webhooks, not a secret


class Scheme(Protocol):
    """One way to sign. A new scheme (RSA, ECDSA …) is one more class with these two methods."""

    def sign(self, text: bytes, key: str) -> str:
        """Return the signature of `text` in the form it has on the wire; raise Misconfigured for an unusable key."""
        ...

    def match(self, text: bytes, given: str, keys: Sequence[str]) -> int | None:
        """Return the position in `keys` of the key that made `given`, or None; raise Misconfigured as above."""
        ...


@dataclass(frozen=True, slots=True)
class Hmac:
    """A keyed hash (RFC 2104) in hex or in padded base64.

    Hex is read in either case, or in small letters alone where the sender's own code compares so (`small`).
    """

    digest: Literal["sha1", "sha256", "sha512"]
    encoding: Literal["hex", "base64"]
    small: bool = False

    def sign(self, text: bytes, key: str) -> str:
        """Return the keyed hash of `text`; the key is the UTF-8 of `key`."""
        return self.sign_with(text, _raw(key))

    def sign_with(self, text: bytes, key: bytes) -> str:
        """Return the keyed hash of `text` under a key of raw bytes."""
        if not key:
            # A hash keyed with nothing can be made by anyone.
            raise Misconfigured("expected a signing key, got an empty one")
        # `hmac.digest` lets go of the interpreter lock even for a short text: with many threads each callback would
        # queue for it once more.
        hashed = hmac.new(key, text, self.digest).digest()
        return hashed.hex() if self.encoding == "hex" else base64.b64encode(hashed).decode("ascii")

    def match(self, text: bytes, given: str, keys: Sequence[str]) -> int | None:
        """Return the position of the key that fits, or None."""
        return self.match_with(text, given, [_raw(key) for key in keys])

    def match_with(self, text: bytes, given: str, keys: Sequence[bytes]) -> int | None:
        """Return the position of the raw key that fits, or None."""
        expected = [self.sign_with(text, key) for key in keys]
        # A header may hold any character; compare_digest takes only ASCII str, so both sides are compared as bytes.
        arrived = given.encode("utf-8", "backslashreplace")
        if self.encoding == "hex" and not self.small:
            arrived = arrived.lower()
        fits = [hmac.compare_digest(wanted.encode("ascii"), arrived) for wanted in expected]
        return fits.index(True) if any(fits) else None


@dataclass(frozen=True, slots=True)
class StandardWebhooks:
    """The symmetric scheme of Standard Webhooks 1.0: `v1,<base64 HMAC-SHA256>`, several of them parted by spaces.

    Keys are `whsec_` + base64, or bare base64, with or without padding. Signatures of other versions (`v1a`, ed25519)
    are passed over: a sender may offer several and the receiver needs one it understands.
    """

    def sign(self, text: bytes, key: str) -> str:
        """Return `v1,<base64>` over `text`, which is `id.timestamp.body`."""
        return f"v1,{_WEBHOOK_HMAC.sign_with(text, _webhook_key(key))}"

    def headers(self, name: str, body: bytes, seconds: int, keys: Sequence[str]) -> dict[str, str]:
        """Return the three headers of what is sent as `name` at `seconds` since 1970, signed with every live key."""
        signed = f"{name}.{seconds}.".encode("ascii") + body
        return {
            "webhook-id": name,
            "webhook-timestamp": str(seconds),
            "webhook-signature": " ".join(self.sign(signed, key) for key in keys),
        }

    def match(self, text: bytes, given: str, keys: Sequence[str]) -> int | None:
        """Return the position of the first key that any `v1` signature in `given` fits, or None."""
        raw_keys = [_webhook_key(key) for key in keys]
        offered = [part.removeprefix("v1,") for part in given.split(" ") if part.startswith("v1,")]
        found = [_WEBHOOK_HMAC.match_with(text, signature, raw_keys) for signature in offered]
        return min((position for position in found if position is not None), default=None)


def match_token(given: str, keys: Sequence[str]) -> int | None:
    """Return the position of the key that `given` is, or None: a shared token proves who sends, not what is sent."""
    # Digests are compared, so that the time taken tells neither the bytes nor the length of a key.
    arrived = hashlib.sha256(given.encode("utf-8", "backslashreplace")).digest()
    fits = [hmac.compare_digest(hashlib.sha256(_raw(key)).digest(), arrived) for key in keys]
    return fits.index(True) if any(fits) else None


_WEBHOOK_HMAC = Hmac("sha256", "base64")


def _raw(key: str) -> bytes:
    # Bytes that were not UTF-8 in the environment or on the command line come back as they were.
    return key.encode("utf-8", "surrogateescape")


@lru_cache(maxsize=256)
def _webhook_key(key: str) -> bytes:
    bare = key.removeprefix(_SECRET_PREFIX).rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        # `from None`: the cause could carry a piece of the key into a log.
        raise Misconfigured(f"expected a webhook secret as base64, optionally after {_SECRET_PREFIX!r}") from None


def live_keys(secrets: Mapping[str, Sequence[str]], name: str) -> Sequence[str]:
    """Return the live keys called `name`, newest first; raise Misconfigured when there is none or one is blank."""
    keys = secrets.get(name, ())
    if isinstance(keys, str):
        raise TypeError(f"secret {name!r} is a list of keys, not one str")  # its letters would pass for keys
    if not keys or not all(key.strip() for key in keys):
        raise Misconfigured(f"expected at least one key for the secret {name!r} and none of them blank")
    return keys
