"""Policies: what a utility lets matching do by itself beyond what is certain; the owner of the tables says so."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit
from reconciliation.db import Base, one_of
from reconciliation.explaining import Policy

NAMES = ["oldest_first", "part_payment"]


class MatchingPolicy(Base):
    """One thing that is allowed or not; read by whoever matches, written by the owner of the tables alone."""

    __tablename__ = "matching_policies"
    __table_args__ = (one_of("name", NAMES),)

    name: Mapped[str] = mapped_column(primary_key=True)
    allowed: Mapped[bool]


def chosen(session: Session) -> Policy:
    """Return what is allowed; what nobody has decided is not."""
    rows = session.execute(text("SELECT name, allowed FROM matching_policies")).all()
    return Policy(**{row.name: row.allowed for row in rows})


def choose(session: Session, name: str, *, allowed: bool, by: str, now: datetime) -> None:
    """Allow or forbid one thing from now on; only the owner of the tables can."""
    before = session.get(MatchingPolicy, name)
    facts = {"policy": name, "before": bool(before and before.allowed), "after": allowed}
    session.merge(MatchingPolicy(name=name, allowed=allowed))
    audit.append(session, actor=by, action="matching_policy_set", subject=name, facts=facts, now=now)
