"""What a call of `/collect/v1` asks: its JSON read strictly, every field known, each mistake named with its place."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from banks import strict_json, vietnam_time
from banks.errors import Unreadable
from reconciliation.counter import Paying, Reversing
from reconciliation.payments import LINE

MAX_BYTES = 16 * 1024
CHANNELS = ("counter", "atm", "app", "web", "qr", "auto_debit", "agent")
REASONS = ("customer_request", "teller_error", "duplicate", "wrong_bill", "timeout", "other")
_CODE = re.compile(r"[A-Z0-9][A-Z0-9/_.\-]{2,31}", re.ASCII)
_REFERENCE = re.compile(r"[!-~]{1,64}", re.ASCII)
_AHEAD = timedelta(minutes=5)
_BEHIND = timedelta(days=3)


def customer_code(body: bytes) -> str:
    """Return the customer an inquiry is about; raise Unreadable, as all of these do."""
    return _code(_fields(body, "customer_code"), "customer_code")


def paying(body: bytes, now: datetime) -> Paying:
    """Return what a bank says it has collected, at most three days ago."""
    fields = _fields(body, "reference", "payment_code", "bill_number", "amount", "paid_at", "channel")
    if (fields.get("payment_code") is None) == (fields.get("bill_number") is None):
        raise Unreadable("expected one of payment_code and bill_number, got both or neither", "payment_code")
    named_by: Literal["payment_code", "bill_number"] = (
        "payment_code" if fields.get("payment_code") is not None else "bill_number"
    )
    channel = strict_json.text(fields, "channel") or CHANNELS[0]
    if channel not in CHANNELS:
        raise Unreadable(f"expected one of {', '.join(CHANNELS)}, got {channel[:40]!a}", "channel")
    paid_at = vietnam_time.moment(fields, "paid_at")
    if paid_at is None:
        raise Unreadable("expected a moment such as 2026-11-18 09:15:00, got nothing", "paid_at")
    if not now - _BEHIND <= paid_at <= now + _AHEAD:
        raise Unreadable(f"expected a moment of the last 3 days, got {paid_at:%Y-%m-%dT%H:%M:%SZ}", "paid_at")
    return Paying(
        reference=_reference(fields),
        named_by=named_by,
        bill=_code(fields, named_by),
        minor=strict_json.whole(fields, "amount"),
        paid_at=paid_at,
        channel=channel,
    )


def reversing(body: bytes) -> Reversing:
    """Return which payment a bank takes back, and why."""
    fields = _fields(body, "reference", "reason")
    reason = strict_json.text(fields, "reason", required=True)
    if reason not in REASONS:
        raise Unreadable(f"expected one of {', '.join(REASONS)}, got {reason[:40]!a}", "reason")
    return Reversing(_reference(fields), reason)


def reference(body: bytes) -> str:
    """Return the reference a bank asks about."""
    return _reference(_fields(body, "reference"))


def _reference(fields: Mapping[str, Any]) -> str:
    found = strict_json.text(fields, "reference", required=True)
    if not _REFERENCE.fullmatch(found) or found.startswith(LINE):
        raise Unreadable(f"expected 1 to 64 visible characters that don't begin with {LINE}, got others", "reference")
    return found


def _fields(body: bytes, *known: str) -> Mapping[str, Any]:
    fields = strict_json.read_object(body, max_bytes=MAX_BYTES)
    unknown = sorted(set(fields) - set(known))
    if unknown:
        # A misspelt field that is optional would otherwise be left out in silence.
        raise Unreadable(f"expected only {', '.join(known)}, got {unknown[0][:40]!a} too", ascii(unknown[0][:40]))
    return fields


def _code(fields: Mapping[str, Any], name: str) -> str:
    found = strict_json.text(fields, name, required=True)
    if not _CODE.fullmatch(found):
        raise Unreadable(f"expected 3 to 32 capital letters, digits, - / _ ., got {found[:40]!a}", name)
    return found
