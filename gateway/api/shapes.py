"""Shapes that answers share: amounts, moments, days and texts, each as it is described and as it is written."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

Schema = Mapping[str, Any]

LINE = "^[^\\u0000-\\u001f\\u007f]*$"
"""What fits texts that come in: no control characters."""
TEXT: Schema = {"type": "string"}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
ID: Schema = {"type": "integer", "minimum": 1}
MAYBE_ID: Schema = {"type": ["integer", "null"], "minimum": 1}
COUNT: Schema = {"type": "integer", "minimum": 0}
AMOUNT: Schema = {"type": "integer", "description": "Minor units of `currency`: whole đồng."}
MAYBE_AMOUNT: Schema = {"type": ["integer", "null"], "description": "Minor units of `currency`: whole đồng."}
CURRENCY: Schema = {"type": "string", "pattern": "^[A-Z]{3}$"}
DAY: Schema = {"type": "string", "format": "date"}
MAYBE_DAY: Schema = {"type": ["string", "null"], "format": "date"}
MOMENT: Schema = {"type": "string", "format": "date-time", "description": "UTC."}
MAYBE_MOMENT: Schema = {"type": ["string", "null"], "format": "date-time", "description": "UTC."}
TAIL: Schema = {"type": "string", "maxLength": 4, "description": "The last digits; the rest is not told."}


def of(**properties: Schema) -> Schema:
    """Return the schema of an object with exactly these fields."""
    return {"type": "object", "required": list(properties), "additionalProperties": False, "properties": properties}


def one_of(values: list[str]) -> Schema:
    """Return the schema of a text that is one of `values`."""
    return {"type": "string", "enum": values}


def some(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def moment(value: datetime | None) -> str | None:
    """Return a moment as RFC 3339 writes it, in UTC."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def day(value: date | None) -> str | None:
    """Return a day as ISO 8601 writes it."""
    return None if value is None else value.isoformat()
