"""Business days in Vietnam: Monday to Friday without public holidays, save what people have noted otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from holidays import HolidayBase

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")


@lru_cache(maxsize=2)
def _published(language: str = "vi") -> "HolidayBase":
    import holidays  # the days of all countries, for what counts no days at all

    return holidays.country_holidays("VN", language={"en": "en_US"}.get(language, language))


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which days banks book on: those of the library, save `noted` (day → open), which win over it.

    Made anew for each transaction that counts days (`bank_days.calendar`): none outlives an edit.
    """

    noted: Mapping[date, bool] = field(default_factory=dict)
    _known: dict[tuple[date, int], date] = field(default_factory=dict, repr=False, compare=False)

    def is_business_day(self, day: date) -> bool:
        """Tell whether banks book on `day`."""
        return self.noted.get(day, day.weekday() < 5 and day not in _published())

    def is_holiday(self, day: date) -> bool:
        """Tell whether `day` is a public holiday, or a day noted as closed."""
        return not self.noted[day] if day in self.noted else day in _published()

    def after(self, day: date, days: int) -> date:
        """Return the business day that comes `days` business days after `day`."""
        found = self._known.get((day, days))
        if found is None:
            found, left = day, days
            while left > 0:
                found += timedelta(days=1)
                left -= self.is_business_day(found)
            self._known[day, days] = found
        return found


LIBRARY = Calendar()
"""The library's days alone: for practice, and as what a noted day deviates from."""


def holidays_of(year: int, language: str = "vi") -> dict[date, str]:
    """Return the public holidays of a year by the library, with their names."""
    named = _published(language)
    first = date(year, 1, 1)
    days = (first + timedelta(days=n) for n in range(366))
    return {day: str(named.get(day)) for day in days if day.year == year and day in named}


@lru_cache(maxsize=4096)
def end_of(day: date) -> datetime:
    """Return the moment `day` ends in Vietnam, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), LOCAL).astimezone(UTC)


def local_day(moment: datetime) -> date:
    """Return the day in Vietnam at `moment`."""
    return moment.astimezone(LOCAL).date()
