"""Pages: rows newest first, each page beginning where the one before ended, so that the millionth costs the same."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from gateway.api import kinds
from gateway.api.kinds import Kind
from gateway.api.operations import Asked, Done
from gateway.clock import LOCAL

LIMIT = 100
QUERY: Mapping[str, Kind] = {"limit": kinds.LIMIT, "after": kinds.AFTER}
_FIRST, _LAST = date(1900, 1, 1), date(2999, 12, 31)


def page_of(items: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a page of `items`."""
    return {
        "type": "object",
        "required": ["items", "next"],
        "additionalProperties": False,
        "properties": {
            "items": {"type": "array", "maxItems": 500, "items": items},
            "next": {"type": ["string", "null"], "description": "What `after` is for the next page; null at the end."},
        },
    }


def page(
    asked: Asked,
    narrowed: Select[*tuple[Any, ...]],
    whole: Select[*tuple[Any, ...]],
    key: InstrumentedAttribute[int],
    written: Callable[[Any], object],
    *,
    day: InstrumentedAttribute[date] | None = None,
) -> Done:
    """Return a page: `narrowed` asks for the keys of the rows that are meant, `whole` for rows, each as `written` says.

    Rows come by their key, or by `day` and then key: a list that is narrowed by days begins at the right place.
    What else belongs to a row is joined to the few of a page alone, whatever the planner thinks of the many.
    """
    limit: int = asked["limit"] or LIMIT
    order: list[ColumnElement[Any]] = [*([] if day is None else [day.desc()]), key.desc()]
    if asked["after"] is not None:
        row_id, of_day = asked["after"]
        before = key < row_id
        narrowed = narrowed.where(before if day is None else tuple_(day, key) < tuple_(of_day, row_id))
    keys = asked.session.execute(narrowed.order_by(*order).limit(limit + 1)).all()
    shown = [row[0] for row in keys[:limit]]
    rows = asked.session.execute(whole.where(key.in_(shown)).order_by(*order)).all()
    last = keys[limit - 1] if len(keys) > limit else None
    place = None if last is None else kinds.cursor(last[0], last[1] if day is not None else None)
    return Done({"items": [written(row) for row in rows], "next": place})


def days(asked: Asked, column: InstrumentedAttribute[date]) -> list[ColumnElement[bool]]:
    """Return the conditions that keep a day within `since` and `until`, both included."""
    found: list[ColumnElement[bool]] = []
    if asked["since"]:
        found.append(column >= _within(asked["since"]))
    if asked["until"]:
        found.append(column <= _within(asked["until"]))
    return found


def moments(asked: Asked, column: InstrumentedAttribute[datetime]) -> list[ColumnElement[bool]]:
    """Return the conditions that keep a moment within the days `since` and `until` of Vietnam, both included."""
    found: list[ColumnElement[bool]] = []
    if asked["since"]:
        found.append(column >= datetime.combine(_within(asked["since"]), time(), LOCAL))
    if asked["until"]:
        found.append(column < datetime.combine(_within(asked["until"]) + timedelta(days=1), time(), LOCAL))
    return found


def _within(day: date) -> date:
    return min(max(day, _FIRST), _LAST)
