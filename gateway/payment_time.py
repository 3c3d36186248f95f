"""When a payment may have happened: what is told out of its time is a mistake of its sender."""

from datetime import datetime, timedelta

from banks.errors import Unreadable
from banks.records import MandateAnswer, Notice

_OLDEST, _AHEAD = timedelta(days=731), timedelta(days=1)


def check_time(notice: Notice, now: datetime) -> None:
    """Raise Unreadable for a payment out of its time: its deadlines would lie where nobody lives to see them."""
    if isinstance(notice, MandateAnswer):
        return
    if notice.paid_at is not None and not now - _OLDEST <= notice.paid_at <= now + _AHEAD:
        raise Unreadable(f"expected a time of payment within the last two years, got {notice.paid_at:%Y-%m-%d}")
