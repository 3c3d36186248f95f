import pytest

from banks.errors import Unreadable
from banks.vietnam_time import milliseconds, moment


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-11-18 09:15:00", "2026-11-18T02:15:00+00:00"),
        ("2026-01-01 00:00:00", "2025-12-31T17:00:00+00:00"),
        ("2026-11-18T09:15:00", "2026-11-18T02:15:00+00:00"),
        ("2026-11-18T09:15:00+07:00", "2026-11-18T02:15:00+00:00"),
        ("2026-11-18T09:15:00Z", "2026-11-18T09:15:00+00:00"),
    ],
)
def test_a_moment_is_local_unless_it_has_an_offset(written, expected):
    assert moment({"when": written}, "when").isoformat() == expected


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-18",
        "18/11/2026 09:15:00",
        "2026-02-30 09:15:00",
        "2026-11-18 24:00:00",
        "2026-11-18 09:15",
        "2026-11-18  09:15:00",
        "2026-11-18 09:15:00 ",
        "２０２６-11-18 09:15:00",
        "0001-01-01 00:00:00",
        "2026-11-18 09:15:00+99:00",
        1794968100,
    ],
)
def test_other_moments_are_unreadable(written):
    with pytest.raises(Unreadable) as caught:
        moment({"when": written}, "when", place="data")
    assert caught.value.place == "data.when"


def test_no_moment_is_none():
    assert [moment({"when": value}, "when") for value in ("", None)] == [None, None]
    assert moment({}, "when") is None


def test_milliseconds_are_exact_and_bounded():
    assert milliseconds({"t": 1599189413498}, "t").isoformat() == "2020-09-04T03:16:53.498000+00:00"
    assert milliseconds({"t": 10**13 - 1}, "t").year == 2286
    for wrong in (-1, 10**13, "0", None, True):
        with pytest.raises(Unreadable) as caught:
            milliseconds({"t": wrong}, "t", place="data")
        assert caught.value.place == "data.t"
