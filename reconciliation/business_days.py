"""Bank business days in Vietnam: Monday to Friday without public holidays."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")


@lru_cache(maxsize=1)
def _calendar() -> holidays.HolidayBase:
    return holidays.country_holidays("VN")


def is_business_day(day: date) -> bool:
    """Tell whether banks book on `day`."""
    return day.weekday() < 5 and not is_holiday(day)


def is_holiday(day: date) -> bool:
    """Tell whether `day` is a public holiday."""
    return day in _calendar()


@lru_cache(maxsize=4096)
def after(day: date, days: int) -> date:
    """Return the business day that comes `days` business days after `day`."""
    while days > 0:
        day += timedelta(days=1)
        if is_business_day(day):
            days -= 1
    return day


@lru_cache(maxsize=4096)
def end_of(day: date) -> datetime:
    """Return the moment `day` ends in Vietnam, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), LOCAL).astimezone(UTC)


def local_day(moment: datetime) -> date:
    """Return the day in Vietnam at `moment`."""
    return moment.astimezone(LOCAL).date()
