"""The clock: real in UTC, and in a sandbox moved for every process that reads the same file."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import clock
from gateway.clock import SandboxClock
from gateway.settings import Settings
from gateway.wiring import Wiring

NOON = datetime(2026, 11, 18, 5, tzinfo=UTC)


@pytest.fixture
def sandbox(tmp_path):
    return SandboxClock(tmp_path / "run" / "clock")


def near(moment, expected):
    return timedelta(0) <= moment - expected < timedelta(seconds=20)


def test_the_real_clock_is_in_utc():
    assert clock.real().utcoffset() == timedelta(0)
    assert near(datetime.now(UTC), clock.real() - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 11, 18, 16, 59, 59, tzinfo=UTC), date(2026, 11, 18)),
        (datetime(2026, 11, 18, 17, 0, tzinfo=UTC), date(2026, 11, 19)),
        (datetime(2026, 11, 18, 23, 0, tzinfo=timezone(timedelta(hours=-5))), date(2026, 11, 19)),
    ],
)
def test_the_day_turns_at_midnight_in_vietnam(moment, day):
    assert clock.local_date(moment) == day


@settings(deadline=None, derandomize=True)
@given(st.integers(631_152_000, 4_102_444_800))
def test_vietnam_is_seven_hours_ahead_all_year(seconds):
    moment = datetime.fromtimestamp(seconds, UTC)
    assert clock.local_date(moment) == (moment + timedelta(hours=7)).date()


def test_a_sandbox_is_real_until_it_is_set_and_after_it_is_cleared(sandbox):
    assert near(sandbox(), clock.real() - timedelta(seconds=1))
    sandbox.set(NOON)
    assert near(sandbox(), NOON)
    sandbox.clear()
    sandbox.clear()
    assert near(sandbox(), clock.real() - timedelta(seconds=1))


def test_a_moved_clock_goes_on(sandbox):
    sandbox.set(NOON)
    first = sandbox()
    assert sandbox() > first


@pytest.mark.parametrize("offset", [timedelta(days=-400), timedelta(0), timedelta(days=400)])
def test_it_is_moved_for_every_process_that_reads_the_file(sandbox, tmp_path, offset):
    sandbox.set(NOON + offset)
    program = "import pathlib, sys; from gateway import clock; print(clock.SandboxClock(pathlib.Path(sys.argv[1]))())"
    told = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "run" / "clock")], capture_output=True, text=True, check=True
    )
    assert near(datetime.fromisoformat(told.stdout.strip()), NOON + offset)


def test_setting_it_never_leaves_half_a_file(sandbox, tmp_path):
    for hours in range(5):
        sandbox.set(NOON + timedelta(hours=hours))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["clock"]


@pytest.mark.parametrize("sandboxed", [True, False])
def test_only_a_sandbox_can_be_moved(tmp_path, sandboxed):
    wiring = Wiring(Settings(home=tmp_path, sandbox=sandboxed), "postgresql://nowhere", "redis://nowhere")
    wiring.sandbox_clock.set(NOON)
    assert near(wiring.clock(), NOON) is sandboxed
