"""Rows of a query that asks for no order, handed over in one that nobody would expect.

PostgreSQL gives such rows in whatever order they lie; on most days that is the order in which they were written. A test
that counts on it would fail on the other days: here it fails at once.
"""

from collections.abc import Iterable, Sequence
from typing import Any


def as_found(query: str, rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Return rows as plain tuples, last first unless `query` orders them."""
    found = [tuple(row) for row in rows]
    return found if "ORDER BY" in query.upper() else found[::-1]
