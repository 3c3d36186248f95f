"""Pace: slower when the carrier says so, once a storm, and back again; never faster than agreed."""

import pytest

from sms.smpp.pace import Pace


def test_without_a_limit_nothing_waits() -> None:
    pace = Pace(0)
    for _ in range(100):
        pace.left(5.0)
    assert pace.next <= 5.0


def test_a_limit_is_kept_and_a_late_look_costs_nothing() -> None:
    pace = Pace(100)
    pace.left(1.0)
    assert pace.next == pytest.approx(1.0)
    pace.left(1.0)
    assert pace.next == pytest.approx(1.01)
    pace.taken()
    assert pace.gap == pytest.approx(0.01), "not below the limit"


def test_refusals_of_what_was_out_together_slow_once() -> None:
    pace = Pace(0)
    for submitted in (1.0, 1.001, 1.002):
        pace.slower(submitted, 2.0)
    assert pace.gap == pytest.approx(0.01)
    assert pace.next == pytest.approx(2.01)
    pace.slower(2.5, 2.6)
    assert pace.gap == pytest.approx(0.02)


def test_a_long_storm_leaves_four_tries_a_second_and_taken_messages_bring_the_pace_back() -> None:
    pace, now = Pace(0), 0.0
    for _ in range(50):
        now += 1
        pace.slower(now, now)
    assert pace.gap == 0.25
    taken = 0
    while pace.gap:
        pace.taken()
        taken += 1
    assert 20 < taken < 40
