"""Pages: rows newest first, each page beginning where the one before ended, so that the millionth costs the same."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select
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
    asked: Asked, wanted: Select[*tuple[Any, ...]], key: InstrumentedAttribute[int], written: Callable[[Any], object]
) -> Done:
    """Return a page of `wanted`, each row as `written` says."""
    limit: int = asked["limit"] or LIMIT
    if asked["after"] is not None:
        wanted = wanted.where(key < asked["after"])
    wanted = wanted.add_columns(key.label("_key")).order_by(key.desc()).limit(limit + 1)
    rows = asked.session.execute(wanted).all()
    more = len(rows) > limit
    rows = rows[:limit]
    return Done({"items": [written(row) for row in rows], "next": kinds.cursor(rows[-1][-1]) if more else None})


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
