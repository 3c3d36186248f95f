"""Case visits: who has a question's page open right now, so that two people on one case see each other."""

from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import Base
from reconciliation.staff import Staff

LASTS = timedelta(seconds=60)
"""Who has not been seen for so long has gone."""


class CaseVisit(Base):
    """The case a person looks at, one each; it says nothing about the past and is overwritten."""

    __tablename__ = "case_visits"
    __table_args__ = (Index(None, "mismatch_id"),)

    username: Mapped[str] = mapped_column(primary_key=True)
    mismatch_id: Mapped[int] = mapped_column(ForeignKey("mismatches.id"))
    since: Mapped[datetime]
    seen_at: Mapped[datetime]


_SEEN = """
    INSERT INTO case_visits (username, mismatch_id, since, seen_at) VALUES (:by, :mismatch, :now, :now)
    ON CONFLICT (username) DO UPDATE SET mismatch_id = excluded.mismatch_id, seen_at = excluded.seen_at,
        since = CASE WHEN case_visits.mismatch_id = excluded.mismatch_id AND case_visits.seen_at > :gone
            THEN case_visits.since ELSE excluded.since END
"""


def note(session: Session, mismatch_id: int, *, by: str, now: datetime) -> None:
    """Note that `by` looks at a question now; `since` stays while they do so without a pause."""
    session.execute(text(_SEEN), {"by": by, "mismatch": mismatch_id, "now": now, "gone": now - LASTS})


def others(session: Session, mismatch_id: int, *, by: str, now: datetime) -> list[tuple[str, datetime]]:
    """Return (name, since when) of everybody else who looks at a question now, the first one first."""
    found = session.execute(
        select(Staff.name, CaseVisit.since)
        .join(CaseVisit, CaseVisit.username == Staff.username)
        .where(CaseVisit.mismatch_id == mismatch_id, CaseVisit.username != by, CaseVisit.seen_at > now - LASTS)
        .order_by(CaseVisit.since, Staff.username)
    )
    return [(row.name, row.since) for row in found]
