"""Ageing: how long questions have been open, in the four spans finance reports by, and the money in each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import Date, Select, cast, func, not_, select, text
from sqlalchemy.orm import Session

from reconciliation.business_days import LOCAL, local_day
from reconciliation.mismatches import Mismatch

SPANS: Mapping[str, tuple[int, int | None]] = {"0-1": (0, 1), "2-3": (2, 3), "4-7": (4, 7), "8-": (8, None)}
"""Name → the fewest and the most days of the calendar a question has been open; None has no end."""


@dataclass(frozen=True, slots=True)
class Aged:
    """The open questions of one span: how many, and the money in đồng that they are about."""

    span: str
    questions: int
    minor: int


def bounds(span: str, now: datetime) -> tuple[datetime | None, datetime]:
    """Return from when on, and before when, a question of `span` was opened; days begin at midnight in Vietnam."""
    fewest, most = SPANS[span]
    today = datetime.combine(local_day(now), time(), LOCAL)
    return (None if most is None else today - timedelta(days=most)), today - timedelta(days=fewest - 1)


def aged(session: Session, *, among: Select[Any] | None = None, now: datetime) -> list[Aged]:
    """Return every span with the questions of `among`, else with all that are unsettled; the youngest first.

    A question that rests until a day is expected, and no exception before.
    """
    if among is None:
        among = select(Mismatch).where(Mismatch.state != "resolved", not_(Mismatch.resting(now)))
    asked = among.with_only_columns(Mismatch.opened_at, Mismatch.minor, Mismatch.currency).subquery()
    rows = session.execute(
        select(
            (local_day(now) - cast(func.timezone(str(LOCAL), asked.c.opened_at), Date)).label("days"),
            func.count().label("questions"),
            func.coalesce(func.sum(asked.c.minor).filter(asked.c.currency == "VND"), 0).label("minor"),
        ).group_by(text("1"))
    ).all()
    found = []
    for span, (fewest, most) in SPANS.items():
        within = [row for row in rows if max(row.days, 0) >= fewest and (most is None or row.days <= most)]
        found.append(Aged(span, sum(row.questions for row in within), int(sum(row.minor for row in within))))
    return found
