"""Mismatches: questions for people, each with its code M01…M17, its amount and its deadline."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, and_, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import bank_days
from reconciliation.business_days import Calendar, end_of, local_day
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


@dataclass(frozen=True, slots=True)
class Care:
    """Whose hands a kind of question is in, and within how many business days it must be settled."""

    owner: str
    days: int


CARE: Mapping[str, Care] = {
    "M01": Care("liaison", 1),  # its own deadline has passed: the bank is asked
    "M02": Care("accountant", 1),
    "M03": Care("accountant", 3),
    "M04": Care("accountant", 3),
    "M05": Care("accountant", 2),
    "M06": Care("accountant", 3),
    "M07": Care("accountant", 2),
    "M08": Care("accountant", 1),  # clears itself the next business day
    "M09": Care("accountant", 1),
    "M10": Care("accountant", 3),
    "M11": Care("accountant", 1),
    "M12": Care("accountant", 5),
    "M13": Care("liaison", 1),
    "M14": Care("liaison", 1),
    "M15": Care("liaison", 1),
    "M16": Care("liaison", 1),
    "M17": Care("accountant", 1),
}
"""Code → the role that settles it and by when, counted from the day it is asked; what only waits is no question yet."""


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
        *(
            Index(f"ix_mismatches_unsettled_{column}", column, "id", postgresql_where=text("state <> 'resolved'"))
            for column in ("opened_at", "minor", "due_at", "assignee")
        ),
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
    assignee: Mapped[Label]
    """The username of who has taken it, "" while it is nobody's."""
    state: Mapped[str] = mapped_column(server_default=MISMATCH.start)
    moves: Mapped[Moves]
    opened_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[Label]
    resolution: Mapped[Label]

    def rests(self, now: datetime) -> bool:
        """Tell whether it waits until a day somebody named, and is nobody's turn before."""
        return self.state != "resolved" and self.rests_until is not None and self.rests_until > now

    @classmethod
    def resting(cls, now: datetime) -> ColumnElement[bool]:
        """Return the condition that a question waits so, whatever its state."""
        return and_(cls.rests_until.is_not(None), cls.rests_until > now)

    def is_overdue(self, now: datetime) -> bool:
        """Tell whether it should have been settled by now; one that rests is not due before its rest has ended."""
        if self.state == "resolved" or self.due_at is None:
            return False
        return max(self.due_at, self.rests_until or self.due_at) <= now


def ask(
    session: Session, columns: str, wanted: str, values: Mapping[str, Any], *, renewing: Sequence[str] = ()
) -> list[int]:
    """Open one mismatch per row of the query `wanted` (its columns named in `columns`); return the new ones' ids.

    A question that is open already is not asked again; where one of the columns `renewing` says something else now, it
    says so from then on and is among the ids. `values` must hold `now`.
    """
    renewed = ", ".join(f"{name} = excluded.{name}" for name in renewing)
    differs = " OR ".join(f"mismatches.{name} IS DISTINCT FROM excluded.{name}" for name in renewing)
    statement = text(
        f"""
        INSERT INTO mismatches ({columns}, opened_at)
        SELECT wanted.*, :now FROM ({wanted}) wanted
        ON CONFLICT (code, subject) WHERE state <> 'resolved'
        DO {f"UPDATE SET {renewed} WHERE {differs}" if renewing else "NOTHING"}
        RETURNING id, xmax = 0 AS is_new
        """  # noqa: S608 - both texts are this package's own; values travel as parameters
    )
    asked = session.execute(statement, values).all()
    _hand_over(session, [row.id for row in asked if row.is_new], now=values["now"])
    return [row.id for row in asked]


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
    _hand_over(session, [] if found is None else [found], now=now)
    return found


# What a bank says of a mandate is asked of the bank, though M17 is an accountant's otherwise.
_CARE = """
    UPDATE mismatches m SET due_at = c.due_at,
        owner = CASE WHEN m.subject LIKE 'mandate_answer:%' THEN 'liaison' ELSE c.owner END
    FROM unnest(CAST(:codes AS text[]), CAST(:owners AS text[]), CAST(:dues AS timestamptz[]))
        AS c (code, owner, due_at)
    WHERE m.id = ANY(:ids) AND m.code = c.code
"""


def _hand_over(session: Session, ids: Sequence[int], *, now: datetime) -> None:
    """Give new questions their owner and their deadline; few are asked, so the others pay nothing for it."""
    if not ids:
        return
    days = bank_days.calendar(session)
    dues = [_due(code, local_day(now), days) for code in CARE]
    owners = [care.owner for care in CARE.values()]
    session.execute(text(_CARE), {"ids": list(ids), "codes": list(CARE), "owners": owners, "dues": dues})


def _due(code: str, opened_on: date, days: Calendar) -> datetime:
    return end_of(days.after(opened_on, CARE[code].days))


_OPENED = """
    SELECT DISTINCT code, CAST(opened_at AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date) AS day FROM mismatches
    WHERE state <> 'resolved'
"""
_MOVE = """
    UPDATE mismatches m SET due_at = c.due_at
    FROM unnest(CAST(:codes AS text[]), CAST(:days AS date[]), CAST(:was AS timestamptz[]),
        CAST(:dues AS timestamptz[])) AS c (code, day, was, due_at)
    WHERE m.state <> 'resolved' AND m.code = c.code AND m.due_at = c.was
      AND CAST(m.opened_at AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date) = c.day
    RETURNING m.id
"""


def redate(session: Session, was: Calendar, now_is: Calendar) -> int:
    """Count the deadlines of unsettled questions anew after an edit of the calendar; return how many moved.

    One that a person has set otherwise stays.
    """
    found = [
        (row.code, row.day, _due(row.code, row.day, was), _due(row.code, row.day, now_is))
        for row in session.execute(text(_OPENED))
    ]
    moved = [one for one in found if one[2] != one[3]]
    names = ("codes", "days", "was", "dues")
    columns = {name: [one[at] for one in moved] for at, name in enumerate(names)}
    return len(session.scalars(text(_MOVE), columns).all()) if moved else 0


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
