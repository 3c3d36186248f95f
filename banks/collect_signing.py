"""The signatures of `/collect/v1`, the same both ways: an HMAC over an id, a moment, what is asked or answered, a body.

Three headers travel with every request and with every answer:

    collect-id         1 to 64 visible ASCII characters without a full stop; an answer repeats its request's
    collect-timestamp  Unix seconds of signing; whoever receives it accepts five minutes either way
    collect-signature  v1,<base64 of HMAC-SHA256>; several, parted by spaces, while a key is being replaced

A request signs `id.timestamp.POST path.body`, an answer `id.timestamp.status.body`, each with the secret's own
characters as the key. No part before the body may hold a full stop, so the parts can't shift, and an answer can never
pass for a request.

>>> headers = sign(b'{"reference":"SM1"}', "POST /collect/v1/saomai/status", ["sandbox-public-collect-secret-01"],
...                call_id="call-1", timestamp=1795000000)
>>> headers["collect-signature"]
'v1,uM3iaIQRdWlKYHu8/zMrDpBEooqIAQOQu9OQqd6o0I4='
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from banks.errors import Misconfigured, Unproven
from banks.signatures import Hmac

WINDOW = timedelta(minutes=5)
MAX_KEYS = 2
"""One to sign with, and the one before it while a bank changes over."""
_LEAST_KEY = 32
_ID = re.compile(r"[!-\-/-~]{1,64}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_MOST_OFFERED = 8
_SCHEME = Hmac("sha256", "base64")
_VERSION = "v1,"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a proven call or answer says of itself; the age is in seconds, negative when signed ahead of our clock."""

    call_id: str
    age_seconds: float


def check_keys(keys: Sequence[str]) -> None:
    """Raise Misconfigured unless these are one or two keys long enough not to be guessed."""
    if not 1 <= len(keys) <= MAX_KEYS:
        raise Misconfigured(f"expected 1 to {MAX_KEYS} keys, got {len(keys)}")
    for key in keys:
        if len(key) < _LEAST_KEY:
            raise Misconfigured(f"expected a key of at least {_LEAST_KEY} characters, got {len(key)}")


def check_id(call_id: str) -> bool:
    """Tell whether `call_id` may stand in a signed text."""
    return _ID.fullmatch(call_id) is not None


def signed_text(call_id: str, timestamp: str, subject: str, body: bytes) -> bytes:
    """Return what is signed; `subject` is "POST /collect/v1/<bank>/<verb>" of a request, "200" of an answer."""
    return f"{call_id}.{timestamp}.{subject}.".encode() + body


def sign(body: bytes, subject: str, keys: Sequence[str], *, call_id: str, timestamp: int) -> dict[str, str]:
    """Return the three headers, with a signature by each of `keys`."""
    written = signed_text(call_id, str(timestamp), subject, body)
    signatures = " ".join(_VERSION + _SCHEME.sign(written, key) for key in keys)
    return {"collect-id": call_id, "collect-timestamp": str(timestamp), "collect-signature": signatures}


def prove(
    headers: Mapping[str, str],
    body: bytes,
    subject: str,
    keys: Sequence[str],
    now: datetime,
    *,
    window: timedelta | None = WINDOW,
) -> Seen:
    """Return what a call or answer says of itself; raise Unproven when no live key made it, or it is out of time.

    `headers` have lower-case names; `window` None accepts any age. The signature is judged before the age, so that only
    its maker learns of a clock that is wrong.
    """
    call_id, written = headers.get("collect-id", ""), headers.get("collect-timestamp", "")
    if not check_id(call_id):
        raise Unproven(f"collect-id: expected 1 to 64 visible characters without a full stop, got {len(call_id)}")
    if not _SECONDS.fullmatch(written):
        raise Unproven("collect-timestamp: expected Unix seconds in digits, got something else")
    offered = headers.get("collect-signature", "").split(" ")
    known = [one.removeprefix(_VERSION) for one in offered if one.startswith(_VERSION)]
    text = signed_text(call_id, written, subject, body)
    if not known or len(offered) > _MOST_OFFERED:
        raise Unproven(f"collect-signature: expected 1 to {_MOST_OFFERED} signatures v1,<base64>", text)
    fits = [_SCHEME.match(text, signature, keys) is not None for signature in known]
    if not any(fits):
        raise Unproven("collect-signature: none is the HMAC-SHA256 of the text by a live key", text)
    age = now.timestamp() - int(written)
    if window is not None and abs(age) > window.total_seconds():
        most = window.total_seconds()
        raise Unproven(f"collect-timestamp: signed {age:.0f} s ago, expected at most {most:.0f} s either way", text)
    return Seen(call_id, age)
