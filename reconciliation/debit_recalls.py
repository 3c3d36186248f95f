"""Debit recalls: what a bank has of bills that are owed no more is wanted back, by file; the bank answers, or pays."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import ForeignKey, Index, Row, UniqueConstraint, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.business_days import local_day
from reconciliation.db import Base, Id, Moves, one_of
from reconciliation.debits import GROUP_NUMBER, Fact
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
    if state in ("handed", "refused") and debit.cancelled:
        return "honoured", "the bank cancels the debit, or gives it back"
    if state == "handed" and debit.kept:
        return "refused", "the bank does not cancel the debit"
    return None


# Only what the bank has been given can be called back from it.
_CLAIMABLE = """
    SELECT r.id FROM debit_recalls r JOIN debits d ON d.id = r.debit_id JOIN debit_files f ON f.id = d.file_id
    WHERE r.state = 'wanted' AND r.file_id IS NULL AND d.bank = :bank AND f.state = 'handed' ORDER BY r.id
    FOR UPDATE OF r
"""
_FILE = """
    INSERT INTO debit_files (kind, bank, message_id, debits, total_minor, made_at)
    SELECT 'recalls', :bank, 'TH' || to_char(CAST(:day AS date), 'YYYYMMDD') || '-' || min(r.id), count(*),
        sum(d.minor), :now
    FROM debit_recalls r JOIN debits d ON d.id = r.debit_id WHERE r.id = ANY(:ids) RETURNING id
"""
_NUMBERED = f"""
    SELECT d.id, {GROUP_NUMBER} AS number FROM debits d
    WHERE d.file_id IN (
        SELECT o.file_id FROM debit_recalls r JOIN debits o ON o.id = r.debit_id WHERE r.file_id = :file)
"""  # noqa: S608 - put together from constants, here and below
_ROWS = f"""
    SELECT d.end_to_end_id, d.minor, d.charge_on, m.reference, f.message_id, n.number, b.state = 'paid' AS paid
    FROM debit_recalls r JOIN debits d ON d.id = r.debit_id JOIN ({_NUMBERED}) n ON n.id = d.id
    JOIN debit_files f ON f.id = d.file_id JOIN mandates m ON m.id = d.mandate_id JOIN bills b ON b.id = d.bill_id
    WHERE r.file_id = :file ORDER BY f.id, n.number, d.id
"""  # noqa: S608 - put together from constants, here and below
_HEADS = f"""
    SELECT f.message_id, n.number, count(*) AS debits, CAST(sum(d.minor) AS bigint) AS minor
    FROM debit_recalls r JOIN debits d ON d.id = r.debit_id JOIN ({_NUMBERED}) n ON n.id = d.id
    JOIN debit_files f ON f.id = d.file_id WHERE r.file_id = :file GROUP BY f.id, n.number ORDER BY f.id, n.number
"""  # noqa: S608


def claim(session: Session, bank: str, *, now: datetime) -> int:
    """Put what is wanted back from a bank into a file that waits to be handed over; return how many debits."""
    wanted = list(session.scalars(text(_CLAIMABLE), {"bank": bank}))
    if not wanted:
        return 0
    values = {"bank": bank, "ids": wanted, "day": local_day(now), "now": now}
    file = session.scalar(text(_FILE), values)
    session.execute(
        text("UPDATE debit_recalls SET file_id = :file WHERE id = ANY(:ids)"), {"file": file, "ids": wanted}
    )
    return len(move(session, RECALL, wanted, "handed", by=BY, why="", now=now))


def heads(session: Session, file_id: int) -> Sequence[Row[tuple[str, int, int, int]]]:
    """Return (message id, number of the payment group, debits, đồng) of what a file calls back, group by group."""
    return session.execute(text(_HEADS), {"file": file_id}).all()


def recalls_of(session: Session, file_id: int) -> Iterator[Row[tuple[object, ...]]]:
    """Yield the debits that a file calls back, in the order of `heads`."""
    yield from session.execute(
        text(_ROWS), {"file": file_id}, execution_options={"stream_results": True, "yield_per": 1_000}
    )
