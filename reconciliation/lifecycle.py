"""Lifecycles as tables: which states follow which, and the one function that moves rows, leaving who and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from sqlalchemy import SmallInteger, TextClause, UniqueConstraint, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import Base, Id, Label


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The states of one kind of row; `moves` maps a state to those that may follow it.

    `births` are states beside the first one in which rows come into being, and after how many moves.
    """

    kind: str
    table: str
    start: str
    moves: Mapping[str, frozenset[str]]
    births: Mapping[str, int] = field(default_factory=dict)

    @property
    def states(self) -> list[str]:
        """Every state, the first one first."""
        return [self.start, *sorted({s for after in self.moves.values() for s in after} - {self.start})]

    def before(self, to: str) -> list[str]:
        """Return the states from which `to` may be reached."""
        sources = sorted(state for state, after in self.moves.items() if to in after)
        if not sources:
            raise ValueError(f"a {self.kind} never becomes {to!r}; known states: {', '.join(self.states)}")
        return sources


def _table(**moves: str) -> dict[str, frozenset[str]]:
    return {state: frozenset(after.split()) for state, after in moves.items()}


DELIVERY = Lifecycle(
    "delivery",
    "deliveries",
    "received",
    _table(
        received="read unreadable conflicting set_aside",
        set_aside="received",
        read="received",
        unreadable="received",
    ),
    # A callback may be kept for a person as it arrives.
    {"set_aside": 0, "conflicting": 0, "unreadable": 0},
)
BILL = Lifecycle(
    "bill",
    "bills",
    "open",
    _table(
        open="part_paid paid cancelled replaced",
        part_paid="open paid cancelled replaced",
        paid="open part_paid cancelled replaced",
    ),
)
PAYMENT = Lifecycle(
    "payment",
    "payments",
    "reported",
    _table(reported="confirmed denied", confirmed="returned", returned="confirmed", denied="confirmed"),
    # A payment that a statement shows first comes with the line that confirms it.
    {"confirmed": 1},
)
PAYMENT_UNDONE = Lifecycle(
    "payment", "payments", PAYMENT.start, _table(confirmed="reported denied", reported="denied", returned="denied")
)
"""What becomes of a payment when the import of its statement is undone, or when its line brought another one back."""
STATEMENT = Lifecycle(
    "statement",
    "statements",
    "loading",
    _table(
        loading="accepted quarantined resent",
        accepted="withdrawn",
        quarantined="accepted resent withdrawn",
    ),
)
MESSAGE = Lifecycle(
    "message",
    "messages",
    "queued",
    _table(
        queued="sending expired withdrawn failed",
        sending="sent unsure queued failed",
        unsure="sent delivered undelivered failed",
        sent="delivered undelivered",
    ),
)
MISMATCH = Lifecycle("mismatch", "mismatches", "open", _table(open="proposed resolved", proposed="open resolved"))
SETTLEMENT = Lifecycle("settlement", "settlements", "proposed", _table(proposed="applied refused withdrawn"))
LUMP_CHOICE = Lifecycle("lump_choice", "lump_choices", "proposed", _table(proposed="applied refused withdrawn"))
MARK_BATCH = Lifecycle("mark_batch", "mark_batches", "waiting", _table(waiting="acknowledged"))
CLOSE = Lifecycle("close", "closes", "open", _table(open="balanced", balanced="signed withdrawn", signed="reopened"))
MANDATE = Lifecycle(
    "mandate",
    "mandates",
    "draft",
    _table(
        draft="submitted ended expired",
        submitted="active refused ended expired",
        active="paused ended expired",
        paused="active ended expired",
    ),
)

DEBIT_RUN = Lifecycle(
    "debit_run", "debit_runs", "proposed", _table(proposed="approved refused withdrawn", approved="sent withdrawn")
)
DEBIT_FILE = Lifecycle("debit_file", "debit_files", "claimed", _table(claimed="handed"))
DEBIT = Lifecycle(
    "debit",
    "debits",
    "planned",
    # Money decides over words, whatever came first; what was taken back by undoing its import leaves words alone.
    _table(
        planned="sent dropped",
        sent="accepted paid rejected recalled unknown",
        accepted="paid rejected recalled unknown",
        unknown="accepted paid rejected recalled",
        rejected="paid",
        recalled="paid rejected",
        paid="returned accepted rejected recalled unknown",
        returned="paid",
    ),
)
RECALL = Lifecycle(
    "recall",
    "debit_recalls",
    "wanted",
    _table(wanted="handed dropped", dropped="wanted", handed="honoured refused", refused="honoured"),
)

ALL = (
    DELIVERY, BILL, PAYMENT, STATEMENT, MESSAGE, MISMATCH, SETTLEMENT, LUMP_CHOICE, MARK_BATCH, CLOSE, MANDATE,
    DEBIT_RUN, DEBIT_FILE, DEBIT, RECALL,
)  # fmt: skip


class AllowedMove(Base):
    """One move of the tables above, as the database knows it: it refuses whatever is none of them."""

    __tablename__ = "lifecycle_moves"

    kind: Mapped[str] = mapped_column(primary_key=True)
    from_state: Mapped[str] = mapped_column(primary_key=True)
    to_state: Mapped[str] = mapped_column(primary_key=True)


class AllowedBirth(Base):
    """A state in which a row may come into being, and how many moves it then has behind it."""

    __tablename__ = "lifecycle_births"

    kind: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    moves: Mapped[int] = mapped_column(SmallInteger)


def allowed_moves() -> set[tuple[str, str, str]]:
    """Return every (kind, from, to) that code makes, those of an undoing included."""
    return {
        (one.kind, state, to) for one in (*ALL, PAYMENT_UNDONE) for state, after in one.moves.items() for to in after
    }


def allowed_births() -> set[tuple[str, str, int]]:
    """Return every (kind, state, moves) that code makes rows with."""
    return {(one.kind, *birth) for one in ALL for birth in ((one.start, 0), *one.births.items())}


class Transition(Base):
    """One move of one row: unique by (kind, subject, sort key), so that no two workers write the same step."""

    __tablename__ = "transitions"
    __table_args__ = (UniqueConstraint("kind", "subject_id", "sort_key"),)

    id: Mapped[Id]
    kind: Mapped[str]
    subject_id: Mapped[int]
    sort_key: Mapped[int] = mapped_column(SmallInteger)
    from_state: Mapped[str]
    to_state: Mapped[str]
    by: Mapped[str]
    why: Mapped[Label]
    at: Mapped[datetime]


def born(lifecycle: Lifecycle, to: str, rows: str) -> str:
    """Return a statement that notes the first move of `rows` (a name in a WITH), made with `to` and 1 as their moves.

    For rows that come into being with the fact that moves them on; it reads :by, :why and :now.
    """
    if lifecycle.start not in lifecycle.before(to):
        raise ValueError(f"a {lifecycle.kind} never becomes {to!r} from its start, {lifecycle.start!r}")
    if lifecycle.births.get(to) != 1:
        raise ValueError(f"a {lifecycle.kind} never comes into being as {to!r}")
    return f"""
        INSERT INTO transitions (kind, subject_id, sort_key, from_state, to_state, by, why, at)
        SELECT '{lifecycle.kind}', id, 1, '{lifecycle.start}', '{to}', :by, :why, :now FROM {rows} ORDER BY id
    """  # noqa: S608 - from the constants above and names in this package


def move(
    session: Session,
    lifecycle: Lifecycle,
    ids: Iterable[int],
    to: str,
    *,
    by: str,
    why: str,
    now: datetime,
    noting: str = "",
    noted: Mapping[str, object] | None = None,
) -> list[int]:
    """Move those of `ids` that may become `to`, all in one statement, and return the ones that moved.

    `noting` is what else is set in the same row t, in terms of :by, :why, :now and what `noted` holds, such as
    "read_at = :now".

    A row already moved by someone else is not an error: it simply isn't among the returned ids.
    """
    wanted = list(ids)
    if not wanted:
        return []
    values = {
        "ids": wanted,
        "sources": lifecycle.before(to),
        "to": to,
        "kind": lifecycle.kind,
        "by": by,
        "why": why,
        "now": now,
        **(noted or {}),
    }
    return list(session.scalars(_moving(lifecycle.table, noting), values).all())


@cache
def _moving(table: str, noting: str) -> TextClause:
    """Return the one statement that moves rows; what it is made of comes from this package, never from outside."""
    return text(
        f"""
        WITH before AS (
            SELECT id, state FROM {table}
            WHERE id = ANY(:ids) AND state = ANY(:sources) ORDER BY id FOR UPDATE
        ), moved AS (
            UPDATE {table} t SET state = :to, moves = t.moves + 1{", " * bool(noting)}{noting}
            FROM before WHERE t.id = before.id
            RETURNING t.id, t.moves, before.state
        ), kept AS (
            INSERT INTO transitions (kind, subject_id, sort_key, from_state, to_state, by, why, at)
            SELECT :kind, id, moves, state, :to, :by, :why, :now FROM moved ORDER BY id
        )
        SELECT id FROM moved ORDER BY id
        """  # noqa: S608 - see above
    )
