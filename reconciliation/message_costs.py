"""Message costs: how many messages left in a month and in how many parts, by office; a part is what carriers bill."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation.business_days import LOCAL
from reconciliation.outbox import TEST_REFERENCE, TOLD
from reconciliation.vietnamese_order import place

LEFT = f"""
    SELECT c.office, count(*) AS messages, CAST(sum(m.parts) AS bigint) AS parts
    FROM messages m JOIN customers c ON c.id = m.customer_id
    WHERE m.state IN {TOLD} AND coalesce(m.sent_at, m.asked_at) >= :since AND coalesce(m.sent_at, m.asked_at) < :until
      AND coalesce(m.provider_ref, '') NOT LIKE '{TEST_REFERENCE}%'
      AND NOT EXISTS (
        SELECT 1 FROM message_parts p WHERE p.message_id = m.id AND p.provider_ref LIKE '{TEST_REFERENCE}%')
    GROUP BY 1
"""  # noqa: S608 - put together from constants
"""(office, messages, parts) of what left, or may have, from `:since` to before `:until`.

What went to test numbers left for nobody, and is not counted.
"""


def of_month(session: Session, first: date) -> Sequence[Row[tuple[str, int, int]]]:
    """Return (office, messages, parts) of the month that begins on `first` in Vietnam, counted now."""
    first = first.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return sorted(session.execute(text(LEFT), between(first, following)), key=lambda row: place(row.office))


def between(first: date, after: date) -> dict[str, datetime]:
    """Return the moments in which two days begin in Vietnam, as the queries name them."""
    return {"since": _begin(first), "until": _begin(after)}


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), LOCAL).astimezone(UTC)
