"""Totals under the tables of a close: the sum of each column by currency, and what the three sides differ by."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciliation.tie_out import ONE_SUM

Row = Mapping[str, Any]


def with_difference(rows: Iterable[Row]) -> list[Row]:
    """Return rows of the three sides with `untold`, the statement less the callbacks, and `unshown`, ours less it."""
    return [{**row, "untold": row["shown"] - row["told"], "unshown": row["booked"] - row["shown"]} for row in rows]


def summed(rows: Iterable[Row], *columns: str) -> list[dict[str, Any]]:
    """Return one row per currency with the sum of each of `columns`."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        total = found.setdefault(row["currency"], {"currency": row["currency"], **dict.fromkeys(columns, 0)})
        for name in columns:
            total[name] += row[name]
    return [found[currency] for currency in sorted(found)]


def in_one_sum(reasons: Iterable[Row]) -> list[Row]:
    """Return the reasons whose rows are not listed one by one."""
    return [one for one in reasons if one["verdict"] in ONE_SUM]


def asked_above(questions: Iterable[Row], listed: Sequence[Any]) -> list[dict[str, Any]]:
    """Return how many of the questions stand beside a difference, and their amounts: all of them less the `listed`."""
    totals = {one["currency"]: one for one in summed(questions, "count", "minor")}
    for one in listed:
        totals[one.currency]["count"] -= 1
        totals[one.currency]["minor"] -= one.minor
    return [one for one in totals.values() if one["count"] > 0]
