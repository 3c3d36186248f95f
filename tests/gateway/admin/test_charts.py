from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin import charts


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=31))
def test_every_point_lies_within_the_chart_and_more_is_higher(values: list[int]) -> None:
    [curve] = charts.curves({"one": values}, 31).curves
    assert [one.value for one in curve.points] == values
    for point in curve.points:
        assert charts.LEFT <= point.x <= charts.WIDTH - charts.RIGHT
        assert charts.TOP <= point.y <= charts.HEIGHT - charts.BOTTOM
    ordered = sorted(curve.points, key=lambda one: one.value)
    assert [one.y for one in ordered] == sorted((one.y for one in ordered), reverse=True)


@given(st.integers(1, 10**16))
def test_ticks_are_round_few_and_reach_the_top(top: int) -> None:
    values = [tick.value for tick in charts.curves({"one": [top]}, 1).ticks]
    assert values[0] == 0
    assert values[-1] >= top
    assert 2 <= len(values) <= 5
    assert len({after - before for before, after in pairwise(values)}) == 1


def test_nothing_draws_no_ticks() -> None:
    assert charts.curves({"one": [0, 0]}, 2).ticks == []


@pytest.mark.parametrize(
    ("parts", "widths"),
    [({"a": 50, "b": 50}, [50, 50]), ({"a": 1, "b": 0}, [2, 0]), ({"a": 0}, [0])],
    ids=["halves", "little is seen", "nothing"],
)
def test_parts_of_a_bar_lie_side_by_side(parts: dict[str, int], widths: list[int]) -> None:
    made = charts.bar(parts, of=100, width=100)
    assert [one.width for one in made] == widths
    assert [one.x for one in made] == [sum(widths[:n]) for n in range(len(widths))]
