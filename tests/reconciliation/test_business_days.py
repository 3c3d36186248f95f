from datetime import UTC, date, datetime

import pytest

from reconciliation.business_days import after, end_of, is_business_day, local_day


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
    assert is_business_day(day) is open


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
    assert after(day, days) == then


def test_a_day_ends_at_midnight_in_vietnam() -> None:
    assert end_of(date(2026, 11, 18)) == datetime(2026, 11, 18, 17, 0, tzinfo=UTC)
    assert local_day(datetime(2026, 11, 18, 16, 59, 59, tzinfo=UTC)) == date(2026, 11, 18)
    assert local_day(datetime(2026, 11, 18, 17, 0, tzinfo=UTC)) == date(2026, 11, 19)
