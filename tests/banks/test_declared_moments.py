from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banks.declared_moments import MomentForm, zone
from banks.errors import Misconfigured, Unreadable

VIETNAM = zone("+07:00")


@pytest.mark.parametrize(
    ("pattern", "written", "expected"),
    [
        ("unix", "1794968103", "2026-11-18T02:15:03+00:00"),
        ("unix-ms", "1794968103250", "2026-11-18T02:15:03.250000+00:00"),
        ("iso", "2026-11-18T09:15:03", "2026-11-18T02:15:03+00:00"),
        ("iso", "2026-11-18 02:15:03Z", "2026-11-18T02:15:03+00:00"),
        ("iso", "2026-11-18T03:15:03.5+01:00", "2026-11-18T02:15:03.500000+00:00"),
        ("%Y%m%d%H%M%S", "20261118091503", "2026-11-18T02:15:03+00:00"),
        ("%d/%m/%Y %H:%M:%S", "18/11/2026 09:15:03", "2026-11-18T02:15:03+00:00"),
        ("%d-%m-%y %H.%M.%S", "18-11-26 00.15.03", "2026-11-17T17:15:03+00:00"),
    ],
)
def test_a_moment_becomes_utc(pattern, written, expected):
    assert MomentForm(pattern, VIETNAM).read(written, "when").isoformat() == expected


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("unix", ""), ("unix", "-1"), ("unix", "1.5"), ("unix", "１"), ("unix", "1" * 16), ("unix", "999999999999999"),
        ("unix-ms", "now"), ("iso", "2026-11-18"), ("iso", "2026-13-18T09:15:03"), ("iso", "20261118T091503"),
        ("iso", "2026-11-18T09:15:03+99:00"), ("iso", "0001-01-01T00:00:00"), ("%Y%m%d%H%M%S", "2026111809150"),
        ("%Y%m%d%H%M%S", "20261318091503"), ("%Y%m%d%H%M%S", "２０２６1118091503"), ("%Y%m%d%H%M%S", "20261118091503 "),
        ("%d/%m/%Y %H:%M:%S", "8/11/2026 09:15:03"), ("%d/%m/%Y %H:%M:%S", "18/11/2026 9:15:03"),
    ],
)  # fmt: skip
def test_other_moments_are_unreadable(pattern, written):
    with pytest.raises(Unreadable, match="expected a moment of the form") as caught:
        MomentForm(pattern, VIETNAM).read(written, "when")
    assert caught.value.place == "when"


@given(
    st.sampled_from(["unix", "unix-ms", "iso", "%Y%m%d%H%M%S", "%d/%m/%Y %H:%M:%S"]),
    st.integers(946_684_800, 4_102_444_800),
)
def test_what_is_written_is_read_back(pattern, second):
    whole = datetime.fromtimestamp(second, UTC)
    form = MomentForm(pattern, VIETNAM)
    assert form.read(form.write(whole), "when") == whole


@pytest.mark.parametrize("pattern", ["", "%Y%m%d", "%H:%M:%S", "%Y%m%d%I%M%S", "%Q", "%Y%m%d%H%M%", "2026"])
def test_a_pattern_must_tell_a_second(pattern):
    with pytest.raises(Misconfigured, match="down to the second"):
        MomentForm(pattern, VIETNAM)


def test_a_zone_is_an_offset():
    assert datetime(2026, 1, 1, tzinfo=zone("-05:30")).utcoffset() == -timedelta(hours=5, minutes=30)
    for written in ("", "7", "+7:00", "+24:00", "+07:60", "Asia/Ho_Chi_Minh", "Z"):
        with pytest.raises(Misconfigured, match=r"expected an offset such as \+07:00"):
            zone(written)


def test_only_a_fixed_pattern_has_a_fixed_width():
    fixed = {"%Y%m%d%H%M%S": True, "%d/%m/%Y %H:%M:%S": True, "%d-%b-%Y %H:%M:%S": False, "iso": False, "unix": False}
    assert {pattern: MomentForm(pattern, UTC).fixed_width() for pattern in fixed} == fixed
