"""Odd lines: without a payment, over another amount than theirs, or less a fee; few, and listed by the database."""

from collections.abc import Mapping
from datetime import date

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from reconciliation.db import Base


class OddLine(Base):
    """A line that may be unexplained, listed for good by triggers as it is decided on; whoever asks looks at it again.

    Not listed are what waits to be booked, what was rejected since it came, and the lines of notices.
    """

    __tablename__ = "odd_lines"
    __table_args__ = (Index(None, "day"),)

    line_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[date | None]
    """The day it bears or, where it bears none, its statement's; None of a statement that has none either."""


MISSED: Mapping[str, str] = {
    "odd lines that are not listed, or by another day": """SELECT count(*)
        FROM statement_lines l JOIN statements s ON s.id = l.statement_id LEFT JOIN payments p ON p.id = l.payment_id
        LEFT JOIN odd_lines o ON o.line_id = l.id
        WHERE l.counts AND l.state IN ('matched', 'mismatch') AND (p.minor IS DISTINCT FROM l.minor
            OR EXISTS (SELECT 1 FROM fees f WHERE f.line_id = l.id AND f.charged = 'netted'))
          AND (o.line_id IS NULL OR o.day IS DISTINCT FROM coalesce(l.booked_on, s.closing_on, s.to_on))""",
}
"""What is broken, with a query that counts it and should find nothing."""
