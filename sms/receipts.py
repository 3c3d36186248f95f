"""Delivery receipts: an address only the carrier knows, and the strict reading of what is posted there.

Carriers do not sign their receipts, so the address carries the proof: `…/sms/receipts/<provider>/<token>`, the token
being an HMAC-SHA256 of the provider's name. Who can't compute it can't invent a receipt.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

from sms.transport import Receipt

MAX_BYTES = 16_384
"""A receipt is some hundred bytes; a larger body is not one."""

_PURPOSE = b"sms receipt\x00"  # the same secret may serve other proofs: this keeps their tokens apart
_LIMITS = {"id": 100, "request_id": 100, "status": 20, "code": 40, "at": 40}
_SHORT = 100
_MAX_FIELDS = 60
_STATUSES = {"delivered": True, "undelivered": False}


class UnreadableReceipt(ValueError):
    """A body that is no receipt; says what was expected and what arrived."""


def token(provider: str, secret: bytes) -> str:
    """Return the last part of `provider`'s receipt address, 64 hexadecimal digits."""
    if not secret:
        raise ValueError("expected a secret to derive receipt addresses from, got an empty one")
    return hmac.new(secret, _PURPOSE + provider.encode(), hashlib.sha256).hexdigest()


def proves(provider: str, presented: str, secrets: Sequence[bytes]) -> bool:
    """Tell whether `presented` is `provider`'s token under one of the `secrets` alive now (two during a rotation)."""
    given = presented.encode("utf-8", "backslashreplace")
    matches = [hmac.compare_digest(given, token(provider, secret).encode()) for secret in secrets]
    return any(matches)  # all compared first: the time taken tells nothing about which secret matched


def address(base: str, provider: str, secret: bytes) -> str:
    """Return the full receipt address to register with `provider`; `base` is where the gateway is reached."""
    return f"{base.rstrip('/')}/sms/receipts/{quote(provider, safe='')}/{token(provider, secret)}"


def parse(body: bytes) -> Receipt:
    """Read one receipt: {"id", "request_id", "status": "delivered" | "undelivered", "code", "at": ISO 8601 + offset}.

    Fields beyond these are left alone. Raises UnreadableReceipt naming the field.
    """
    content = json_object(body)
    fields = {name: _text(content, name, limit) for name, limit in _LIMITS.items()}
    if fields["status"] not in _STATUSES:
        raise UnreadableReceipt(f'status: expected "delivered" or "undelivered", got {fields["status"]!r}')
    delivered = _STATUSES[fields["status"]]
    return Receipt(fields["id"], fields["request_id"], delivered, fields["code"], _moment(fields["at"]))


def json_object(body: bytes) -> dict[str, object]:
    """Read a JSON object in which no name occurs twice; raise UnreadableReceipt."""
    if len(body) > MAX_BYTES:
        raise UnreadableReceipt(f"expected at most {MAX_BYTES} bytes, got {len(body)}")
    try:
        content = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise UnreadableReceipt(f"expected a JSON object, got {type(error).__name__}: {error}") from error
    if not isinstance(content, dict):
        raise UnreadableReceipt(f"expected a JSON object, got {type(content).__name__}")
    return content


def form(text: str) -> dict[str, object]:
    """Read the fields of a query or a form in which no name occurs twice; raise UnreadableReceipt."""
    if len(text) > MAX_BYTES:
        raise UnreadableReceipt(f"expected at most {MAX_BYTES} signs, got {len(text)}")
    try:
        return _once(list(parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)))
    except ValueError as error:
        raise UnreadableReceipt(f"expected fields as name=value, got: {error}") from error


def short(content: Mapping[str, object], name: str, *, may_be_empty: bool = False) -> str:
    """Return the field `name` as a short text, a whole number as its digits; raise UnreadableReceipt."""
    value = content.get(name)
    return _text({name: str(value) if type(value) is int else value}, name, _SHORT, may_be_empty=may_be_empty)


def whole(fields: Mapping[str, object], name: str) -> int:
    """Return the field `name` as a whole number; raise UnreadableReceipt."""
    text = short(fields, name)
    if not re.fullmatch("[0-9]{1,9}", text, re.ASCII):
        raise UnreadableReceipt(f"{name}: expected a whole number, got {text!r}")
    return int(text)


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Refuse a name said twice: two readers would disagree on which one counts."""
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name occurs twice")
    return content


def _text(content: Mapping[str, object], name: str, limit: int, *, may_be_empty: bool = False) -> str:
    value = content.get(name)
    if value is None and may_be_empty:
        return ""
    if not isinstance(value, str):
        raise UnreadableReceipt(f"{name}: expected a text, got {'nothing' if value is None else type(value).__name__}")
    if len(value) > limit or not value.isascii() or not value.isprintable():
        raise UnreadableReceipt(f"{name}: expected at most {limit} printable ASCII signs, got {len(value)} signs")
    if not value and name != "code" and not may_be_empty:  # a carrier may have no code for what went well
        raise UnreadableReceipt(f"{name}: expected a text, got an empty one")
    return value


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise UnreadableReceipt(f"at: expected a time with its offset from UTC, got {text!r}")
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise UnreadableReceipt(f"at: expected a time within the calendar, got {text!r}") from error
    except UnreadableReceipt:
        raise
    except ValueError as error:
        raise UnreadableReceipt(f"at: expected ISO 8601, got {text!r}") from error
