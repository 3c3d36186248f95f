"""What ISO 20022 messages have in common: how one begins, and its simple values, moments and whole numbers."""

import re
from datetime import UTC, datetime, timedelta, timezone

from banks import xml
from banks.errors import Unreadable
from banks.shown import shown

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?", re.ASCII)
# ISO 20022 leaves the offset out for local time, and the banks' local time is Vietnam's, which knows no summer time.
_VIETNAM = timezone(timedelta(hours=7))


def begins(head: bytes, message: str, family: re.Pattern[str]) -> bool:
    """Tell whether a `message` starts within `head`, or a Document in a namespace of `family`."""
    if not xml.looks_like_xml(head):
        return False
    tags = [xml.split(tag) for tag in xml.started(head)]
    return any(name == message or (name == "Document" and family.search(space)) for space, name in tags[:4])


def moment(text: str, place: str) -> datetime | None:
    """Read an ISODateTime as a moment in UTC; None when missing."""
    if not text:
        return None
    try:
        if _MOMENT.fullmatch(text):
            read = datetime.fromisoformat(text)
            return (read if read.tzinfo else read.replace(tzinfo=_VIETNAM)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # no such hour or day: refused below, in the same words as any other text that is no moment
    raise Unreadable(f"expected a moment such as 2026-07-31T23:00:00+07:00, got {shown(text)}", place)


def whole(text: str | None, place: str) -> int | None:
    """Read a whole number of up to 18 digits; None when missing."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Unreadable(f"expected a whole number, got {shown(text, 20)}", place)
    return int(text)
