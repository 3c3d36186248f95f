"""When messages may leave: the hours and days that are kept quiet, and what is too much for one customer."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.business_days import LIBRARY, LOCAL, Calendar
from reconciliation.sending_times import ANY_TIME, Times, opens_at

USUAL = Times()
TIMES = st.builds(Times, quiet_from=st.times(), quiet_until=st.times(), holidays_rest=st.booleans())
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=700)).map(lambda since: BEGIN + since)


def here(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-18 07:00", "2026-11-18 07:00"),
        ("2026-11-18 20:59:59", "2026-11-18 20:59:59"),
        ("2026-11-18 21:00", "2026-11-19 07:00"),
        ("2026-11-18 23:59", "2026-11-19 07:00"),
        ("2026-11-18 00:00", "2026-11-18 07:00"),
        ("2026-11-18 06:59:59", "2026-11-18 07:00"),
        ("2026-11-22 10:00", "2026-11-22 10:00"),  # a Sunday is a day like others
        ("2026-04-30 10:00", "2026-05-02 07:00"),
        ("2026-04-29 22:00", "2026-05-02 07:00"),
    ],
)  # fmt: skip
def test_nights_and_holidays_are_quiet(now: str, opens: str) -> None:
    assert opens_at(USUAL, LIBRARY, here(now)) == here(opens)


def test_tet_is_quiet_from_its_first_day_to_its_last() -> None:
    quiet = opens_at(USUAL, LIBRARY, here("2026-02-16 12:00"))
    assert quiet.astimezone(LOCAL).time() == time(7)
    assert quiet > here("2026-02-20 07:00")


def test_a_day_that_people_have_noted_is_as_they_say() -> None:
    closed = Calendar({date(2026, 11, 18): False, date(2026, 4, 30): True})
    assert opens_at(USUAL, closed, here("2026-11-18 10:00")) == here("2026-11-19 07:00")
    assert opens_at(USUAL, closed, here("2026-04-30 10:00")) == here("2026-04-30 10:00")


@given(MOMENTS)
def test_practice_knows_no_quiet_hour(now: datetime) -> None:
    assert opens_at(ANY_TIME, LIBRARY, now) == now


@given(TIMES, MOMENTS)
def test_what_opens_is_open_and_nothing_before_it_is(times: Times, now: datetime) -> None:
    opens = opens_at(times, LIBRARY, now)
    assert opens >= now
    assert opens_at(times, LIBRARY, opens) == opens
    if opens > now:
        assert opens_at(times, LIBRARY, opens - timedelta(microseconds=1)) == opens


@given(TIMES, MOMENTS, MOMENTS)
def test_who_comes_later_leaves_no_earlier(times: Times, one: datetime, other: datetime) -> None:
    first, second = sorted((one, other))
    assert opens_at(times, LIBRARY, first) <= opens_at(times, LIBRARY, second)
