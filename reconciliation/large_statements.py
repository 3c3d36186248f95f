"""Large statements: paired whole, then booked by the piece; each piece commits, and whoever takes over goes on from it.

Between two pieces no lock is held: callbacks of the same bank come in between, and what they tell of a line that waits
for its piece is paired with it before the piece is booked, as if all of it had been known from the start.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from reconciliation import pairing, settling_lumps, statistics
from reconciliation.pairing_rounds import News, pair
from reconciliation.payments import lock_sources
from reconciliation.statements import Line, Statement

LARGE = 20_000
"""Lines of one file above which its statements are booked by the piece; notices, which book nothing, never are."""
PIECE = 5_000
"""Lines booked at once: many enough for set-based speed, few enough that callbacks of the same bank hardly wait."""


@dataclass(frozen=True, slots=True)
class Marks:
    """How far a bank's payments, and what was told of them, were known when lines were last paired with them."""

    payments: int
    transitions: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a large statement has come: `per_second` over all the time since it began."""

    statement: Statement
    per_second: float


def begin(session: Session, statement: Statement, *, now: datetime) -> None:
    """Let an accepted statement be booked by the piece: nothing of it stands in the books yet."""
    first = select(func.min(Line.id)).where(Line.statement_id == statement.id)
    statement.booking_from, statement.booked_lines = session.scalar(first), 0
    statement.booking_since = now
    session.flush()


_NEXT = """
    SELECT s.id FROM statements s JOIN deliveries d ON d.id = s.delivery_id
    WHERE s.booking_from IS NOT NULL AND s.bank = :bank AND s.state = 'accepted'
      AND (d.id = :delivery OR d.state = 'read')
    ORDER BY s.closing_on, coalesce(s.sequence, 0), s.page, s.id LIMIT 1
"""


def next_in_work(session: Session, bank: str, delivery_id: int | None) -> int | None:
    """Return the statement of a bank to go on with: of this delivery, or one that was held until now; None for none.

    Those of other deliveries that are still being read have a reader of their own.
    """
    found: int | None = session.scalar(text(_NEXT), {"bank": bank, "delivery": delivery_id})
    return found


def waiting_banks(session: Session) -> list[str]:
    """Return the banks with a statement in work whose delivery has been read: nobody else will go on with it."""
    found = session.scalars(
        text(
            "SELECT DISTINCT s.bank FROM statements s JOIN deliveries d ON d.id = s.delivery_id"
            " WHERE s.booking_from IS NOT NULL AND s.state = 'accepted' AND d.state = 'read' ORDER BY 1"
        )
    )
    return list(found)


def was_loaded(session: Session, delivery_id: int) -> bool:
    """Tell whether a file has been loaded before, by a reader that did not live to book all of it."""
    accepted = select(Statement.id).where(Statement.delivery_id == delivery_id, Statement.state == "accepted")
    return session.scalar(accepted.limit(1)) is not None


def mark(session: Session, bank: str) -> Marks:
    """Return how far the payments of `bank` are known; waits for whoever writes some."""
    lock_sources(session, {bank})
    return _marks(session)


def _marks(session: Session) -> Marks:
    row = session.execute(
        text(
            "SELECT (SELECT coalesce(max(id), 0) FROM payments) AS payments,"
            " (SELECT coalesce(max(id), 0) FROM transitions) AS transitions"
        )
    ).one()
    return Marks(row.payments, row.transitions)


def pair_whole(session: Session, number: int) -> None:
    """Pair all lines that are not booked yet, in a session that reads one snapshot, taken after the marks.

    Takes no lock that a callback waits for: what is heard meanwhile is behind the marks.
    """
    statement = session.get_one(Statement, number)
    statistics.refresh(session, statement.lines)
    pair(session, statement)


_PIECE = """
    SELECT count(*) AS lines, max(id) AS last FROM (
        SELECT id FROM statement_lines WHERE statement_id = :statement AND id >= :first ORDER BY id LIMIT :piece
    ) piece
"""
_FOLLOWING = "SELECT id FROM statement_lines WHERE statement_id = :statement AND id > :last ORDER BY id LIMIT 1"


def book_piece(session: Session, number: int, marks: Marks, *, callbacks: bool, now: datetime) -> Marks | None:
    """Book and match the next piece of a statement; return the marks for the one after it, None after the last one.

    What was undone meanwhile is left alone.
    """
    statement = session.get_one(Statement, number)
    lock_sources(session, settling_lumps.locked_with(session, statement.bank))
    session.refresh(statement)
    first = statement.booking_from
    if statement.state != "accepted" or first is None:
        return None
    before = statement.booked_lines
    _hear(session, statement, marks)
    piece = session.execute(text(_PIECE), {"statement": number, "first": first, "piece": PIECE}).one()
    pairing.book(session, statement, (first, piece.last), callbacks=callbacks, now=now)
    statement.booking_from = session.scalar(text(_FOLLOWING), {"statement": number, "last": piece.last})
    statement.booked_lines = before + piece.lines
    session.flush()
    pairing.judge(session, statement, (first, piece.last), now=now)
    return _marks(session) if statement.booking_from is not None else None


def refresh_after(session: Session, booked: int) -> None:
    """Count anew after each doubling of what is booked: the plans of the next pieces rest on it."""
    pieces = booked // PIECE
    if pieces and not pieces & (pieces - 1):
        statistics.refresh_grown(session)


# A payment that its bank took back while the line that shows it waits, or that a person gave to a settlement while it
# was being paired, is paired as if it had been so from the start.
_LET_GO = """
    WITH free AS MATERIALIZED (
        SELECT id FROM payments WHERE source = :bank AND state = 'denied' AND confirmed_minor = 0
        UNION SELECT a.payment_id FROM lump_sums s JOIN line_parts a ON a.lump_id = s.id AND a.undone_at IS NULL
        JOIN payments p ON p.id = a.payment_id AND p.source = :bank WHERE s.pinned
    )
    UPDATE statement_lines l SET payment_id = NULL, state = 'pending'
    FROM free CROSS JOIN LATERAL (
        SELECT id FROM statement_lines WHERE payment_id = free.id AND statement_id = :statement OFFSET 0
    ) paired
    WHERE l.id = paired.id AND l.id >= :first AND l.counts
    RETURNING l.bank_reference, l.end_to_end_id, l.minor
"""
_HEARD = """
    WITH changed AS (
        SELECT id FROM payments WHERE id > :payments
        UNION SELECT p.id FROM transitions t JOIN payments p ON p.delivery_id = t.subject_id
            WHERE t.id > :transitions AND t.kind = 'delivery' AND p.source_reference NOT LIKE 'line:%'
        UNION SELECT l.payment_id FROM transitions t JOIN statement_lines l ON l.statement_id = t.subject_id
            WHERE t.id > :transitions AND t.kind = 'statement'
    )
    SELECT p.bank_reference, p.source_reference, p.end_to_end_id, p.minor FROM changed JOIN payments p USING (id)
    WHERE p.source = :bank
"""


def _hear(session: Session, statement: Statement, marks: Marks) -> None:
    """Pair the lines in work anew that something heard since `marks` may be about."""
    values = {
        "bank": statement.bank, "statement": statement.id, "first": statement.booking_from,
        "payments": marks.payments, "transitions": marks.transitions,
    }  # fmt: skip
    freed = session.execute(text(_LET_GO), values).all()
    heard = session.execute(text(_HEARD), values).all()
    if not freed and not heard:
        return
    references = {row.bank_reference for row in (*freed, *heard)} | {row.source_reference for row in heard}
    ids, minors = ({getattr(row, name) for row in (*freed, *heard)} for name in ("end_to_end_id", "minor"))
    pair(session, statement, News(sorted(references - {""}), sorted(ids - {""}), sorted(minors)))


def in_work(session: Session, *, now: datetime) -> list[Progress]:
    """Return how far each large statement that is being booked has come, the oldest first."""
    found = session.scalars(
        select(Statement)
        .where(Statement.booking_from.is_not(None), Statement.state == "accepted")
        .order_by(Statement.booking_since, Statement.id)
    )
    return [progress(one, now) for one in found]


def progress(statement: Statement, now: datetime) -> Progress:
    """Return how far one large statement has come."""
    since = now - (statement.booking_since or now)
    return Progress(statement, statement.booked_lines / max(since / timedelta(seconds=1), 1.0))
