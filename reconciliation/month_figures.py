"""A bank's month in figures: the sum of its signed days, each named with the version and digest that count."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from reconciliation.closes import DAY, Close


def last_day(first: date) -> date:
    """Return the last day of the month that `first` begins."""
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def of_month(session: Session, bank: str, first: date) -> dict[str, Any]:
    """Return a month's figures in the form of a day's; "days" names the signed days they are summed from."""
    signed = session.scalars(
        select(Close)
        .where(Close.bank == bank, Close.period == DAY, Close.state == "signed")
        .where(Close.day.between(first, last_day(first)))
        .order_by(Close.day)
    ).all()
    figures: list[dict[str, Any]] = [one.figures for one in signed]
    return {
        "bank": bank,
        "period": "month",
        "day": first.isoformat(),
        "channels": _summed(figures, "channels", "channel", "currency"),
        "sides": _summed(figures, "sides", "currency"),
        "reasons": _summed(figures, "reasons", "verdict", "code", "currency"),
        "questions": _summed(figures, "questions", "verdict", "code", "currency"),
        "movements": _summed(figures, "movements", "account", "currency"),
        "days": [{"day": one.day.isoformat(), "version": one.version, "digest": one.digest} for one in signed],
    }


def _summed(figures: Iterable[dict[str, Any]], part: str, *by: str) -> list[dict[str, Any]]:
    """Return the rows of one part of every day added up by what names them."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for each in figures:
        for row in each[part]:
            key = tuple(row[name] for name in by)
            total = found.setdefault(key, dict(zip(by, key, strict=True)))
            for name, value in row.items():
                if name not in by:
                    total[name] = total.get(name, 0) + value
    return [found[key] for key in sorted(found)]
