"""Charts: figures laid out as points and bars of an SVG, by whole numbers; a table beside them says the same in words.

Nothing here knows what is drawn: a template writes the SVG, the style sheet gives its colours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 200
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 10, 22
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across a chart: where it is and what it stands for."""

    at: int
    value: int


@dataclass(frozen=True, slots=True)
class Point:
    """One figure of a curve: where it is, what it is and of which place along the chart."""

    x: int
    y: int
    value: int
    place: int


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart."""

    name: str
    points: Sequence[Point]

    @property
    def path(self) -> str:
        """The line as an SVG polyline takes it."""
        return " ".join(f"{one.x},{one.y}" for one in self.points)


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves on common axes."""

    curves: Sequence[Curve]
    ticks: Sequence[Tick]
    places: int

    def x(self, place: int) -> int:
        """Return where a place along the chart is."""
        return _along(place, self.places)


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a bar: from where, how wide, and what it stands for."""

    name: str
    x: int
    width: int
    value: int


def curves(series: dict[str, Sequence[int]], places: int) -> Chart:
    """Lay out series of figures, each from the first place on; one may end before the last place."""
    top = max((value for values in series.values() for value in values), default=0)
    ticks = _ticks(top)
    highest = ticks[-1] if ticks else 1
    drawn = [
        Curve(name, [Point(_along(n, places), _up(value, highest), value, n) for n, value in enumerate(values)])
        for name, values in series.items()
    ]
    return Chart(drawn, [Tick(_up(value, highest), value) for value in ticks], places)


def bar(parts: dict[str, int], *, of: int, width: int) -> list[Part]:
    """Lay out the parts of one bar that is `width` wide when they come to `of`; a part that is there is seen."""
    at, made = 0, []
    for name, value in parts.items():
        wide = max(2, width * value // of) if value and of else 0
        made.append(Part(name, at, wide, value))
        at += wide
    return made


def _along(place: int, places: int) -> int:
    return LEFT + (WIDTH - LEFT - RIGHT) * place // max(1, places - 1)


def _up(value: int, highest: int) -> int:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value // highest


def _ticks(top: int) -> list[int]:
    """Return round values from nothing to at least `top`, five of them at most."""
    if top <= 0:
        return []
    size = 1
    while True:
        for step in _STEPS:
            if step * size * 4 >= top:
                return [n * step * size for n in range(-(-top // (step * size)) + 1)]
        size *= 10
