"""Debit recalls: what a bank has of bills that are owed no more is wanted back, by file; the bank answers, or pays."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import Base, Id, Moves, one_of
from reconciliation.debits import Fact
from reconciliation.lifecycle import RECALL, move

BY = "debits"


class Recall(Base):
    """The wish that a bank does not carry out a debit it has, as its bill is owed no more, and what came of it."""

    __tablename__ = "debit_recalls"
    __table_args__ = (
        UniqueConstraint("debit_id"),
        Index("ix_debit_recalls_wanted", "id", postgresql_where=text("state = 'wanted'")),
        Index(None, "file_id"),
        one_of("state", RECALL.states),
    )

    id: Mapped[Id]
    debit_id: Mapped[int] = mapped_column(ForeignKey("debits.id"))
    why: Mapped[str]
    file_id: Mapped[int | None] = mapped_column(ForeignKey("debit_files.id"))
    wanted_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default=RECALL.start)
    moves: Mapped[Moves]


_WANT = """
    INSERT INTO debit_recalls (debit_id, why, wanted_at)
    SELECT w.id, 'bill ' || d.bill_number || ' is ' || w.state, :now
    FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[])) AS w (id, state) JOIN debits d ON d.id = w.id
    ORDER BY w.id ON CONFLICT (debit_id) DO NOTHING
"""
_RECALLS = "SELECT id, debit_id, state FROM debit_recalls WHERE debit_id = ANY(:ids) ORDER BY id FOR UPDATE"


def follow(session: Session, facts: Sequence[Fact], *, now: datetime) -> None:
    """Want back what the bank has of bills that are owed no more, and note what became of what was wanted."""
    ends = {one.id: one for one in facts}
    stale = [one for one in facts if one.target in ("sent", "accepted", "unknown") and not one.owed]
    values = {"ids": [one.id for one in stale], "states": [one.bill_state for one in stale], "now": now}
    if stale:
        session.execute(text(_WANT), values)
    found: dict[tuple[str, str], list[int]] = {}
    for row in session.execute(text(_RECALLS), {"ids": list(ends)}):
        becomes = _becomes(row.state, ends[row.debit_id])
        if becomes is not None:
            found.setdefault(becomes, []).append(row.id)
    for (to, why), ids in found.items():
        move(session, RECALL, ids, to, by=BY, why=why, now=now)


def _becomes(state: str, debit: Fact) -> tuple[str, str] | None:
    out = debit.target in ("sent", "accepted", "unknown")
    if state == "wanted" and (not out or debit.owed):
        return "dropped", "the debit is over" if not out else "the bill is owed again"
    if state == "dropped" and out and not debit.owed:
        return "wanted", "the bill is owed no more"
    if state in ("handed", "refused") and debit.target == "recalled":
        return "honoured", "the bank cancelled the debit"
    if state == "handed" and (debit.kept or debit.target in ("paid", "returned")):
        return "refused", "the bank did not cancel the debit"
    return None
