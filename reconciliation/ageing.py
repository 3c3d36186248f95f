"""Ageing: how long questions have been open, in the four spans finance reports by, and the money in each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation.business_days import LOCAL, local_day

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


def aged(session: Session, *, source: str = "", now: datetime) -> list[Aged]:
    """Return every span with its unsettled questions, of one bank or of all; the youngest first.

    A question that rests until a day is expected, and no exception before.
    """
    rows = session.execute(
        text(
            """
            SELECT CAST(:today AS date) - CAST(opened_at AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date) AS days,
                count(*) AS questions, CAST(coalesce(sum(minor) FILTER (WHERE currency = 'VND'), 0) AS bigint) AS minor
            FROM mismatches WHERE state IN ('open', 'proposed') AND (rests_until IS NULL OR rests_until <= :now)
                AND (:source = '' OR source = :source)
            GROUP BY 1
            """
        ),
        {"today": local_day(now), "source": source, "now": now},
    ).all()
    found = []
    for span, (fewest, most) in SPANS.items():
        within = [row for row in rows if max(row.days, 0) >= fewest and (most is None or row.days <= most)]
        found.append(Aged(span, sum(row.questions for row in within), sum(row.minor for row in within)))
    return found
