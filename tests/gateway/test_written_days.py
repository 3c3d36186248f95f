"""Days and moments as people write them: read within sane years, none otherwise."""

from datetime import UTC, date, datetime

import pytest

from gateway.clock import LOCAL
from gateway.written_days import a_day, a_moment, a_month


@pytest.mark.parametrize("odd", ["", "soon", "0001-01-01", "1899-12-31", "3000-01-01", "9999-12-31", "20261118"])
def test_what_no_calendar_of_ours_reaches_is_no_day(odd):
    assert a_day(odd) is None
    assert a_moment(f"{odd}T00:00") is None or odd == "20261118"


def test_days_months_and_moments_are_read():
    assert (a_day("1900-01-01"), a_day("2999-12-31")) == (date(1900, 1, 1), date(2999, 12, 31))
    assert (a_month("2026-11"), a_month("2026-13"), a_month("0001-01")) == (date(2026, 11, 1), None, None)
    assert a_moment("2026-11-18T09:15") == datetime(2026, 11, 18, 9, 15, tzinfo=LOCAL)
    assert a_moment("2026-11-18T09:15+00:00") == datetime(2026, 11, 18, 9, 15, tzinfo=UTC)
