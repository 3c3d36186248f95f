from datetime import UTC, date, datetime

import pytest

from reconciliation.business_days import LIBRARY, Calendar, end_of, holidays_of, local_day


@pytest.mark.parametrize(
    ("day", "open"),
    [
        (date(2026, 11, 18), True),
        (date(2026, 11, 21), False),
        (date(2026, 11, 22), False),
        (date(2026, 9, 2), False),
        (date(2026, 4, 30), False),
        (date(2026, 5, 1), False),
        (date(2027, 1, 1), False),
        (date(2026, 2, 17), False),
    ],
)
def test_weekends_and_public_holidays_are_no_business_days(day: date, open: bool) -> None:
    assert LIBRARY.is_business_day(day) is open


@pytest.mark.parametrize(
    ("day", "days", "then"),
    [
        (date(2026, 11, 18), 2, date(2026, 11, 20)),
        (date(2026, 11, 19), 2, date(2026, 11, 23)),
        (date(2026, 11, 21), 1, date(2026, 11, 23)),
        (date(2026, 4, 29), 1, date(2026, 5, 4)),
        (date(2026, 11, 21), 0, date(2026, 11, 21)),
    ],
)
def test_business_days_are_counted_without_them(day: date, days: int, then: date) -> None:
    assert LIBRARY.after(day, days) == then


def test_a_day_ends_at_midnight_in_vietnam() -> None:
    assert end_of(date(2026, 11, 18)) == datetime(2026, 11, 18, 17, 0, tzinfo=UTC)
    assert local_day(datetime(2026, 11, 18, 16, 59, 59, tzinfo=UTC)) == date(2026, 11, 18)
    assert local_day(datetime(2026, 11, 18, 17, 0, tzinfo=UTC)) == date(2026, 11, 19)


def test_a_noted_day_wins_over_weekend_and_holiday() -> None:
    saturday, tuesday = date(2026, 11, 21), date(2026, 11, 24)
    calendar = Calendar({saturday: True, tuesday: False})
    assert calendar.is_business_day(saturday)
    assert not calendar.is_holiday(saturday)
    assert calendar.is_holiday(tuesday)
    assert calendar.after(date(2026, 11, 20), 1) == saturday
    assert calendar.after(date(2026, 11, 20), 3) == date(2026, 11, 25)
    assert calendar.after(date(2026, 11, 20), 3) == date(2026, 11, 25), "as at first"


def test_the_holidays_of_a_year_have_names() -> None:
    assert holidays_of(2026)[date(2026, 9, 2)] == "Quốc khánh"
    assert holidays_of(2026, "en")[date(2026, 9, 2)] == "National Day"
    assert all(day.year == 2027 for day in holidays_of(2027))
