"""Mismatches: questions for people, each with its code M01…M17, its amount and its deadline."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import Base, Id, Label, Minor, Moves, one_of
from reconciliation.lifecycle import MISMATCH, SETTLEMENT, move

CODES = tuple(f"M{number:02}" for number in range(1, 18))


class NotSettled(ValueError):
    """An answer that can't be; says what was expected and what arrived.

    `reason` names the kind of obstacle for a page's own words, `facts` are the bill's number and the most it can be.
    """

    def __init__(self, reason: str, said: str, **facts: object) -> None:
        self.reason, self.facts = reason, facts
        super().__init__(said)


class Mismatch(Base):
    """One question about one subject ("payment:12", "file:bank:2026-11-19"); asked once while it is open."""

    __tablename__ = "mismatches"
    __table_args__ = (
        Index("uq_mismatches_open", "code", "subject", unique=True, postgresql_where=text("state <> 'resolved'")),
        Index(None, "state", "code", "id"),
        Index(None, "subject"),
        Index(None, "payment_id"),
        Index(None, "statement_id"),
        Index(None, "delivery_id"),
        Index(None, "line_id"),
        Index(None, "bill_id"),
        one_of("state", MISMATCH.states),
        one_of("code", list(CODES)),
    )

    id: Mapped[Id]
    code: Mapped[str]
    subject: Mapped[str]
    source: Mapped[Label]
    """The bank it concerns."""
    minor: Mapped[Minor] = mapped_column(server_default="0")
    currency: Mapped[str] = mapped_column(server_default="VND")
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"))
    line_id: Mapped[int | None] = mapped_column(ForeignKey("statement_lines.id"))
    statement_id: Mapped[int | None] = mapped_column(ForeignKey("statements.id"))
    delivery_id: Mapped[int | None] = mapped_column(ForeignKey("deliveries.id"))
    bill_id: Mapped[int | None] = mapped_column(ForeignKey("bills.id"))
    facts: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}")
    """What was expected and what arrived, for the page that explains it."""
    owner: Mapped[Label]
    due_at: Mapped[datetime | None]
    rests_until: Mapped[datetime | None]
    """Somebody expects the answer by then: until that moment it stands in nobody's queue."""
    state: Mapped[str] = mapped_column(server_default=MISMATCH.start)
    moves: Mapped[Moves]
    opened_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[Label]
    resolution: Mapped[Label]


def ask(session: Session, columns: str, wanted: str, values: Mapping[str, object]) -> list[int]:
    """Open one mismatch per row of the query `wanted` (its columns named in `columns`); return the new ones' ids.

    A question that is open already is not asked again. `values` must hold `now`.
    """
    statement = text(
        f"""
        INSERT INTO mismatches ({columns}, opened_at)
        SELECT wanted.*, :now FROM ({wanted}) wanted
        ON CONFLICT (code, subject) WHERE state <> 'resolved' DO NOTHING
        RETURNING id
        """  # noqa: S608 - both texts are this package's own; values travel as parameters
    )
    return list(session.scalars(statement, values))


def ask_one(session: Session, *, code: str, subject: str, now: datetime, **columns: object) -> int | None:
    """Open one mismatch unless the same question is open; return its id, or None."""
    names = "".join(f", {name}" for name in columns)
    marks = "".join(f", :{name}" for name in columns)
    if "facts" in columns:
        columns["facts"] = json.dumps(columns["facts"], ensure_ascii=False)
        marks = marks.replace(":facts", "CAST(:facts AS jsonb)")
    statement = text(
        f"""
        INSERT INTO mismatches (code, subject, opened_at{names}) VALUES (:code, :subject, :now{marks})
        ON CONFLICT (code, subject) WHERE state <> 'resolved' DO NOTHING RETURNING id
        """  # noqa: S608 - column names are keyword arguments written in this package
    )
    found: int | None = session.scalar(statement, {"code": code, "subject": subject, "now": now, **columns})
    return found


def resolve(session: Session, ids: Iterable[int], *, by: str, resolution: str, now: datetime) -> list[int]:
    """Close the open ones of `ids`, saying how each was settled; an answer that waits for approval is withdrawn."""
    moved = move(session, MISMATCH, ids, "resolved", by=by, why=resolution, now=now)
    if moved:
        waiting = session.scalars(
            text("SELECT id FROM settlements WHERE mismatch_id = ANY(:ids) AND state = 'proposed'"), {"ids": moved}
        )
        move(session, SETTLEMENT, waiting, "withdrawn", by=by, why=resolution, now=now)
        session.execute(
            text(
                "UPDATE mismatches SET resolved_at = :now, resolved_by = :by, resolution = :resolution"
                " WHERE id = ANY(:ids)"
            ),
            {"now": now, "by": by, "resolution": resolution, "ids": moved},
        )
    return moved
