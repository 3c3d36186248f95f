"""Approval limits: what one person may move alone, and what a difference may be at most."""

from datetime import datetime

from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit
from reconciliation.db import Base, Minor


class ApprovalLimit(Base):
    """What one person may move alone ("settle") and what a difference may be ("difference"), in đồng.

    Kept by the owner of the tables, read by the guards of settlements and placements.
    """

    __tablename__ = "approval_limits"

    action: Mapped[str] = mapped_column(primary_key=True)
    minor: Mapped[Minor]


def limit(session: Session, action: str = "settle") -> int:
    """Return how many đồng one person may "settle" alone, or how many a "difference" may be at most."""
    found = session.get(ApprovalLimit, action)
    return found.minor if found else 0


def set_limit(session: Session, minor: int, *, by: str, now: datetime, action: str = "settle") -> None:
    """Set one of the limits from now on; only the owner of the tables can."""
    before = limit(session, action)
    session.merge(ApprovalLimit(action=action, minor=minor))
    facts = {"before": before, "after": minor}
    audit.append(session, actor=by, action="approval_limit_set", subject=action, facts=facts, now=now)
