"""Moments as Vietnamese senders write them: local time without an offset, or milliseconds since 1970."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from banks import strict_json
from banks.errors import Unreadable

VIETNAM = timezone(timedelta(hours=7))
"""Vietnam has kept one offset without summer time since 1975, before any payment of ours."""

_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(fields: Mapping[str, Any], name: str, *, place: str = "") -> datetime | None:
    """Return the text `name` ("2026-11-18 09:15:00", local unless it has an offset) in UTC; None when it is empty.

    Raise Unreadable naming `place`.
    """
    written = strict_json.text(fields, name, place=place)
    if not written:
        return None
    try:
        if not _WRITTEN.fullmatch(written):
            raise ValueError(written)
        read = datetime.fromisoformat(written)
        return (read if read.tzinfo else read.replace(tzinfo=VIETNAM)).astimezone(UTC)
    except (ValueError, OverflowError):
        where = f"{place}.{name}" if place else name
        raise Unreadable(f"expected a moment such as 2026-11-18 09:15:00, got {written[:40]!a}", where) from None


def milliseconds(fields: Mapping[str, Any], name: str, *, place: str = "") -> datetime:
    """Return the whole number `name` of milliseconds since 1970 in UTC; raise Unreadable naming `place`."""
    # 13 digits reach to the year 2286; more are another unit, not a date.
    return _EPOCH + timedelta(milliseconds=strict_json.whole(fields, name, place=place, least=0, most=10**13 - 1))
