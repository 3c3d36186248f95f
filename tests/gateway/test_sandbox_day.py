"""The sandbox day is lived in the past: its last statement is out by the time the sandbox starts."""

from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace

import pytest

from banks.sandbox.transactions import at_local
from gateway import sandbox_day
from gateway.clock import SandboxClock
from gateway.sandbox_day import dates_before
from reconciliation import business_days

FRIDAY, MONDAY = date(2026, 11, 27), date(2026, 11, 30)


@pytest.mark.parametrize(
    ("now", "last"),
    [
        (at_local(date(2026, 12, 1), time(1, 41)), FRIDAY),  # the statement of Monday comes at 05:30
        (at_local(date(2026, 12, 1), time(5, 30)), MONDAY),
        (at_local(date(2026, 12, 1), time(18)), MONDAY),
        (at_local(date(2026, 11, 28), time(12)), date(2026, 11, 26)),  # on a Saturday that of Friday is not out yet
    ],
)
def test_the_last_day_is_one_whose_statement_is_out(now, last):
    dates = dates_before(now)
    assert dates.after_on == last
    assert dates.debit_on < dates.next_on < dates.after_on
    assert at_local(business_days.LIBRARY.after(dates.after_on, 1), time(5, 30)) <= now


def test_the_clock_of_the_day_goes_forward_and_waits_for_what_is_under_way(tmp_path, monkeypatch):
    clock, waited = SandboxClock(tmp_path / "clock"), []
    day = sandbox_day._Day(SimpleNamespace(clock=clock, sandbox_clock=clock), 20, 48, print)
    monkeypatch.setattr(day, "_until", lambda _what, query: waited.append((query, clock())))
    first, later = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
    for moment in (first, later, first):
        day._set_clock(moment)
    assert timedelta() <= clock() - later < timedelta(minutes=1)
    assert ["sent" in query for query, _ in waited] == [True] * 3
    assert abs(waited[1][1] - first) < timedelta(minutes=1), "it waits before it goes on"
