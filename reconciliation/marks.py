"""Marks: what the billing system is told of bills paid and no longer paid (chấm nợ / hủy chấm nợ), in order, no gaps.

Whatever changes the paid amount of a bill is noted by the database in the same transaction (`marks_waiting`). One
sequencer takes all that has been committed, nets it per bill and transaction, and gives it the next numbers: a number
comes after its cause, never beside it, so that no reader passes over one that commits late. Numbered marks go out in
batches, which are remade from them byte for byte for as long as they are not acknowledged, and after.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Table,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import AdvisoryLock, Base, Label, Minor, Moves, metadata, one_of
from reconciliation.lifecycle import MARK_BATCH, move

AT_ONCE = 1_000
"""Marks in a batch, at most."""

waiting = Table(
    "marks_waiting",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("bill_id", BigInteger, nullable=False),
    Column("change_minor", BigInteger, nullable=False),
    Column("transaction", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)
"""Changes without a number yet. No index: a row is written once on the road of every payment, and taken with all
others. The ids of one bill's rows follow its row's lock, so they tell which change came first."""


class Mark(Base):
    """One change of what a bill has been paid: by `change_minor`, to `paid_minor`; below nothing it is an unmark."""

    __tablename__ = "marks"
    __table_args__ = (
        Index(None, "bill_id", "number"),
        CheckConstraint("change_minor <> 0", name="changes_something"),
        CheckConstraint("paid_minor >= 0", name="not_below_nothing"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bill_id: Mapped[int]
    """No foreign key: its check would lock a million bills that payments are settling; the numbers come from a join."""
    change_minor: Mapped[Minor]
    paid_minor: Mapped[Minor]
    at: Mapped[datetime]


class Batch(Base):
    """Marks `first` to `last`, handed over together; `digest` (SHA-256) holds its bytes to those first sent."""

    __tablename__ = "mark_batches"
    __table_args__ = (
        Index("ix_mark_batches_waiting", "id", postgresql_where=text("state = 'waiting'")),
        CheckConstraint("first > 0 AND last = first + marks - 1", name="of_all_between"),
        one_of("state", MARK_BATCH.states),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first: Mapped[int]
    last: Mapped[int]
    marks: Mapped[int]
    marked_minor: Mapped[Minor]
    unmarked_minor: Mapped[Minor]
    made_at: Mapped[datetime]
    digest: Mapped[bytes | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    tried_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    """When it may be sent (again)."""
    said: Mapped[Label]
    """What the receiver, or the road to it, answered last."""
    state: Mapped[str] = mapped_column(server_default=MARK_BATCH.start)
    moves: Mapped[Moves]


@dataclass(frozen=True, slots=True)
class Told:
    """One mark with what the billing system knows its bill by; amounts in đồng, `billed` is the whole bill."""

    number: int
    bill: str
    version: int
    customer: str
    period: str
    billed: int
    change: int
    paid: int
    at: datetime


class Unknown(ValueError):
    """A number that no mark has been sent under; says what was expected and what arrived."""


_CUT = """
    INSERT INTO mark_batches (id, first, last, marks, marked_minor, unmarked_minor, made_at)
    SELECT known.batches + part + 1, min(number), max(number), count(*),
        coalesce(sum(change_minor) FILTER (WHERE change_minor > 0), 0),
        coalesce(-sum(change_minor) FILTER (WHERE change_minor < 0), 0), :now
    FROM (SELECT coalesce(max(id), 0) AS batches, coalesce(max(last), 0) AS last FROM mark_batches) known
    CROSS JOIN LATERAL (
        SELECT *, (row_number() OVER (ORDER BY number) - 1) / :most AS part FROM marks WHERE number > known.last
    ) new
    GROUP BY known.batches, part ORDER BY part
"""


def number(session: Session, *, now: datetime) -> int:
    """Give every committed change its number and cut the new marks into batches; return how many marks are new.

    Takes a lock until the end of the transaction; nobody else waits for it.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": AdvisoryLock.MARKS})
    made = int(session.scalar(text("SELECT number_marks()")) or 0)
    if made:
        session.execute(text(_CUT), {"most": AT_ONCE, "now": now})
    return made


def are_waiting(session: Session) -> bool:
    """Tell whether a change waits for its number."""
    return bool(session.scalar(text("SELECT EXISTS (SELECT 1 FROM marks_waiting)")))


def is_due(session: Session, *, now: datetime) -> bool:
    """Tell whether the first batch that waits may be sent at `now`."""
    return bool(session.scalar(text(f"SELECT EXISTS ({_FIRST} AND {_MAY_GO})"), {"now": now}))


# In order: while one waits, none after it is sent.
_FIRST = "SELECT 1 FROM mark_batches b WHERE b.id = (SELECT min(id) FROM mark_batches WHERE state = 'waiting')"
_MAY_GO = "(b.not_before IS NULL OR b.not_before <= :now)"
_CLAIM = f"""
    UPDATE mark_batches b SET attempts = b.attempts + 1, tried_at = :now, not_before = :until
    WHERE b.id = (SELECT min(id) FROM mark_batches WHERE state = 'waiting') AND {_MAY_GO} RETURNING b.id
"""  # noqa: S608 - put together from constants


def claim(session: Session, *, lease: timedelta, now: datetime) -> Batch | None:
    """Return the first batch that waits, if it may go; until `lease` has passed nobody else sends it."""
    found = session.scalar(text(_CLAIM), {"now": now, "until": now + lease})
    return None if found is None else session.get(Batch, found, populate_existing=True)


def failed(session: Session, batch_id: int, *, said: str, again_at: datetime) -> None:
    """Keep what was answered to a batch that is not acknowledged; it goes again, the same, from `again_at` on."""
    session.execute(
        text("UPDATE mark_batches SET said = :said, not_before = :again WHERE id = :id AND state = 'waiting'"),
        {"id": batch_id, "said": said, "again": again_at},
    )


def acknowledge(session: Session, upto: int, *, by: str, how: str, now: datetime) -> list[int]:
    """Take mark `upto` and all before it as received: return the batches that were waiting and lie wholly among them.

    `how` says by what road the word came; who, how and when stay with each batch. Raises Unknown for a number that no
    batch holds.
    """
    last = session.scalar(text("SELECT coalesce(max(last), 0) FROM mark_batches")) or 0
    if not 0 <= upto <= last:
        raise Unknown(f"expected the number of a mark that stands in a batch, 0 to {last}, got {upto}")
    ids = session.scalars(
        text("SELECT id FROM mark_batches WHERE state = 'waiting' AND last <= :upto ORDER BY id"), {"upto": upto}
    ).all()
    return move(session, MARK_BATCH, ids, "acknowledged", by=by, why=how, now=now, noting="said = :why")


def acknowledged(session: Session) -> int:
    """Return the number up to which every mark is acknowledged."""
    found = session.scalar(
        text(
            """
            SELECT coalesce((SELECT min(first) - 1 FROM mark_batches WHERE state = 'waiting'),
                (SELECT max(last) FROM mark_batches), 0)
            """
        )
    )
    return int(found or 0)


def since(session: Session, mark: int) -> list[int]:
    """Return the batches that hold the marks after number `mark`, in order."""
    return list(session.scalars(select(Batch.id).where(Batch.last > mark).order_by(Batch.id)))


def told(session: Session, batch: Batch) -> Iterator[Told]:
    """Yield a batch's marks in order; what they say never changes."""
    rows = session.execute(
        text(
            """
            SELECT m.number, b.number AS bill, b.version, c.code AS customer, b.period, b.minor AS billed,
                m.change_minor AS change, m.paid_minor AS paid, m.at
            FROM marks m JOIN bills b ON b.id = m.bill_id JOIN customers c ON c.id = b.customer_id
            WHERE m.number BETWEEN :first AND :last ORDER BY m.number
            """
        ),
        {"first": batch.first, "last": batch.last},
    )
    return (Told(**row) for row in rows.mappings())


ORPHANS = {
    "bills whose last mark says another amount": """SELECT count(*) FROM bills b
        LEFT JOIN (SELECT DISTINCT ON (bill_id) bill_id, paid_minor FROM marks ORDER BY bill_id, number DESC) told
            ON told.bill_id = b.id
        LEFT JOIN (SELECT bill_id, sum(change_minor) AS minor FROM marks_waiting GROUP BY 1) w ON w.bill_id = b.id
        WHERE b.paid_minor <> coalesce(told.paid_minor, 0) + coalesce(w.minor, 0)""",
    "marks that do not follow on": """SELECT count(*) FROM (
        SELECT number, paid_minor, sum(change_minor) OVER (PARTITION BY bill_id ORDER BY number) AS minor,
            row_number() OVER (ORDER BY number) AS turn FROM marks) m
        WHERE paid_minor <> minor OR number <> turn""",
    "batches of marks that do not follow on or add up": """SELECT count(*) FROM (
        SELECT b.*, row_number() OVER chain AS turn, coalesce(lag(last) OVER chain, 0) + 1 AS follows
        FROM mark_batches b WINDOW chain AS (ORDER BY id)) b
        CROSS JOIN LATERAL (SELECT count(*) AS marks, sum(change_minor) AS minor FROM marks m
            WHERE m.number BETWEEN b.first AND b.last) m
        WHERE b.id <> b.turn OR b.first <> b.follows OR b.marks <> m.marks
           OR b.marked_minor - b.unmarked_minor <> m.minor""",
}
"""What must count nothing: no bill is orphaned, and each one's last mark, with what waits, says its true state."""
