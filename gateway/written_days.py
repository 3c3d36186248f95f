"""Days and moments as people write them: what no calendar of ours reaches is read as none."""

from datetime import date, datetime

from gateway.clock import LOCAL

_FIRST, _LAST = date(1900, 1, 1), date(2999, 12, 31)
"""Days that can be reckoned with: the edges of the calendar have no day before or after them."""


def a_day(text: str) -> date | None:
    """Read a day as 2026-11-18; None for what is none, and for one that nothing can be reckoned from."""
    try:
        day = date.fromisoformat(text) if len(text) == len("2026-11-18") else None
    except ValueError:
        return None
    return day if day is not None and _FIRST <= day <= _LAST else None


def a_month(text: str) -> date | None:
    """Read a month as 2026-11; return its first day, None as for a day."""
    return a_day(f"{text}-01")


def a_moment(text: str) -> datetime | None:
    """Read a moment as 2026-11-18T09:15, Vietnam's where no zone is named; None as for a day."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not _FIRST <= moment.date() <= _LAST:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=LOCAL)
