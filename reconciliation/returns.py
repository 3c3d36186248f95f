"""Returns: money that a bank has taken back after its statement showed it, and that may come once more.

The outgoing line is tied to the payment it returns, what that settled is undone by new entries, and its bills are owed
again. A line that brings the money back makes the payment count anew. Each statement, and each callback that adds to
what is known of a payment, has all lines it may concern judged again, so that no order of arrival matters.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import business_days, denials, ledger, mismatches, outbox, return_questions
from reconciliation.db import Base, Id, Label, Minor
from reconciliation.lifecycle import PAYMENT, PAYMENT_UNDONE, move
from reconciliation.return_facts import (
    CONCERNED_BY_BILLS,
    CONCERNED_BY_PAYMENTS,
    CONCERNED_BY_STATEMENT,
    IS_ANY,
    Gathered,
    gather,
)
from reconciliation.return_walk import Tie, Walked, said, walk

BY = "returns"


class Return(Base):
    """One return that was proven: what a retry calendar reads, and what the entries of the money are booked under.

    It holds while it is neither undone (better knowledge, or its import taken back) nor answered by `again_line_id`,
    the line that brought the money once more.
    """

    __tablename__ = "returns"
    __table_args__ = (
        Index("uq_returns_line", "line_id", unique=True, postgresql_where=text("undone_at IS NULL")),
        Index(None, "payment_id"),
        CheckConstraint("minor > 0", name="positive"),
    )

    id: Mapped[Id]
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"))
    line_id: Mapped[int] = mapped_column(ForeignKey("statement_lines.id"))
    minor: Mapped[Minor]
    currency: Mapped[str]
    returned_on: Mapped[date]
    reason: Mapped[Label]
    """The bank's reason such as AM04, if it gave one: whether a debit may be tried again follows from it."""
    bills: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    """What the payment had settled, and what is owed again."""
    rule: Mapped[str]
    evidence: Mapped[str]
    at: Mapped[datetime]
    again_line_id: Mapped[int | None] = mapped_column(ForeignKey("statement_lines.id"))
    undone_at: Mapped[datetime | None]
    undone_why: Mapped[Label]


APART = {
    "returns apart from their lines": """SELECT count(*) FROM (
        SELECT line_id, payment_id, minor FROM returns WHERE undone_at IS NULL) r
        FULL JOIN (SELECT id AS line_id, payment_id, -minor AS minor FROM statement_lines
            WHERE direction = 'out' AND counts AND payment_id IS NOT NULL) l USING (line_id, payment_id, minor)
        WHERE r IS NULL OR l IS NULL""",
    "lines that came again and answer no return": """SELECT count(*) FROM statement_lines l
        WHERE l.turn > 1 AND l.direction = 'in' AND NOT EXISTS (SELECT 1 FROM returns r
            WHERE r.again_line_id = l.id AND r.payment_id = l.payment_id AND r.undone_at IS NULL)""",
}
"""What `doisoat verify` counts, and must find nothing of."""

_TIE = """
    UPDATE statement_lines l SET payment_id = w.payment_id, turn = w.turn, state = 'matched', reason = ''
    FROM unnest(CAST(:lines AS bigint[]), CAST(:payments AS bigint[]), CAST(:turns AS smallint[]))
        AS w (line_id, payment_id, turn)
    WHERE l.id = w.line_id
"""
_PART = (
    "UPDATE statement_lines SET payment_id = NULL, turn = 1, state = 'mismatch', reason = :why WHERE id = ANY(:lines)"
)
_MAKE = """
    INSERT INTO returns (payment_id, line_id, minor, currency, returned_on, reason, bills, rule, evidence, at)
    SELECT l.payment_id, l.id, -l.minor, l.currency, coalesce(l.booked_on, s.closing_on, :day), l.return_reason,
        ARRAY(SELECT bill_id FROM allocations a WHERE a.payment_id = l.payment_id AND undone_at IS NULL ORDER BY 1),
        w.rule, w.evidence, :now
    FROM unnest(CAST(:lines AS bigint[]), CAST(:rules AS text[]), CAST(:words AS text[])) AS w (line_id, rule, evidence)
    JOIN statement_lines l ON l.id = w.line_id JOIN statements s ON s.id = l.statement_id ORDER BY l.id
    RETURNING id
"""
_UNDO = """
    UPDATE returns SET undone_at = :now, undone_why = :why WHERE line_id = ANY(:lines) AND undone_at IS NULL
    RETURNING id
"""
_BOOK = r"""
    SELECT 'return:' || r.id {end} AS key, p.source AS bank, CAST(:day AS date) AS business_date, {memo} AS memo,
        {debit} AS debit, {credit} AS credit, r.minor, r.currency, CAST(:now AS timestamptz) AS at
    FROM returns r JOIN payments p ON p.id = r.payment_id WHERE r.id = ANY(:ids)
"""
_OUTGOING = r"'bank:' || p.source || '\:outgoing'"
_RETURNED = _BOOK.format(end="", memo="r.evidence", debit="'suspense'", credit=_OUTGOING)
_NOT_RETURNED = _BOOK.format(
    end="|| '/undone'", memo="'undone: ' || r.undone_why", debit=_OUTGOING, credit="'suspense'"
)

# Which line answers a return: the one with which the payment came the next time.
_ANSWERED = """
    UPDATE returns r SET again_line_id = (
        SELECT n.id FROM statement_lines n WHERE n.payment_id = r.payment_id AND n.direction = 'in' AND n.counts
            AND n.turn = l.turn + 1)
    FROM statement_lines l WHERE l.id = r.line_id AND r.undone_at IS NULL AND r.payment_id = ANY(:ids)
"""
_RECOUNT = """
    UPDATE payments p SET confirmed_minor = (
        SELECT coalesce(sum(minor), 0) FROM statement_lines l WHERE l.payment_id = p.id AND l.counts) + (
        SELECT coalesce(sum(minor + vat_minor), 0) FROM fees f WHERE f.payment_id = p.id AND f.undone_at IS NULL)
    WHERE id = ANY(:ids)
"""
# The line that a payment stood for counts for another one now.
_STOOD = "EXISTS (SELECT 1 FROM statement_lines l WHERE p.source_reference = 'line:' || l.id AND l.payment_id <> p.id)"
_WRONG = f"""
    SELECT id, confirmed_minor = 0 AS gone, {_STOOD} AS stood FROM payments p WHERE id = ANY(:ids) AND (
        (state = 'confirmed' AND confirmed_minor = 0) OR (state = 'returned' AND confirmed_minor = 0 AND {_STOOD})
        OR (state IN ('returned', 'denied') AND confirmed_minor <> 0))
    ORDER BY id
"""  # noqa: S608 - put together from constants
_COUNTS_AGAIN = "UPDATE payments SET denied_at = NULL WHERE id = ANY(:ids) AND source_reference LIKE 'line:%'"
_LOCK = "SELECT id FROM payments WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"
_ASKED = """
    SELECT id FROM mismatches WHERE subject = ANY(:subjects) AND state <> 'resolved'
"""
# All lines of a payment that count for it only because of a return.
_TIED = """
    SELECT l.id, l.direction FROM statement_lines l
    WHERE l.counts AND (l.direction = 'out' OR l.turn > 1) AND l.payment_id IN (
        SELECT payment_id FROM statement_lines WHERE statement_id = ANY(:statements) AND payment_id IS NOT NULL)
"""
_OWN = """
    SELECT l.id AS line_id, p.id AS payment_id FROM statement_lines l
    JOIN payments p ON p.source = :bank AND p.source_reference = 'line:' || l.id WHERE l.id = ANY(:lines)
"""


class _Moved(NamedTuple):
    """Payments that count again, those whose line counts for another payment, and those whose money is gone."""

    back: list[int]
    stood: list[int]
    gone: list[int]


def judge_statement(session: Session, statement_id: int, bank: str, booked: tuple[int, int], *, now: datetime) -> None:
    """Judge the outgoing among the lines just booked, and those that the payments they brought may concern."""
    if session.scalar(text(IS_ANY), {"bank": bank}):
        values = {"bank": bank, "statement": statement_id, "first": booked[0], "last": booked[1]}
        judge(session, bank, session.scalars(text(CONCERNED_BY_STATEMENT), values).all(), now=now)


def judge_payments(session: Session, payment_ids: Sequence[int], *, now: datetime) -> None:
    """Judge the outgoing lines that may concern payments of which more is known now."""
    if not payment_ids:
        return
    for bank in session.scalars(
        text("SELECT DISTINCT source FROM payments WHERE id = ANY(:ids)"), {"ids": payment_ids}
    ).all():
        if session.scalar(text(IS_ANY), {"bank": bank}):
            lines = session.scalars(
                text(CONCERNED_BY_PAYMENTS),
                {"bank": bank, "ids": list(payment_ids), "statement": None, "first": 0, "last": 0},
            )
            judge(session, bank, lines.all(), now=now)


def judge_bills(session: Session, after: int, *, now: datetime) -> None:
    """Judge the outgoing lines that quote the number of a bill known only now: one with a higher id than `after`."""
    rows = session.execute(text(CONCERNED_BY_BILLS), {"after": after}).all()
    for bank in sorted({row.bank for row in rows}):
        judge(session, bank, [row.id for row in rows if row.bank == bank], now=now)


def judge(session: Session, bank: str, lines: Iterable[int], *, now: datetime, anew: Sequence[int] = ()) -> None:
    """Judge these outgoing lines with all that concerns them, and bring the books to what follows.

    `anew` are payments to be matched with those that count again. The caller holds the lock of the bank's payments.
    """
    wanted = list(lines)
    if not wanted and not anew:
        return
    gathered = gather(session, bank, wanted)
    session.execute(text(_LOCK), {"ids": sorted(gathered.ins)})
    walked = walk(gathered.outs.values(), gathered.ins.values())
    parted = [
        line for line, place in gathered.returns.items()
        if line in gathered.outs and place != _place(walked.returns.get(line))
    ]  # fmt: skip
    split = [line for line, place in gathered.again.items() if place != _place(walked.again.get(line))]
    why = "later facts say otherwise"
    touched = _part(session, bank, parted, split, why=why, now=now)
    touched |= _tie(session, gathered, walked)
    words = {
        line: said(tie, gathered.names[tie.payment_id], gathered.outs[line].keys)
        for line, tie in walked.returns.items() if gathered.returns.get(line) != _place(tie)
    }  # fmt: skip
    made = _book(session, walked, words, now)
    _settle(session, touched, anew=anew, returned=made, now=now)
    return_questions.ask(session, bank, gathered, walked, now=now)
    proven = {line: (walked.returns[line].payment_id, said_of_it) for line, said_of_it in words.items()}
    return_questions.answer(session, bank, proven, now=now)


_EVERY_LINE = {"first": 0, "last": (1 << 63) - 1}
_WHY = "the bank took it back after its statement had shown it"


def loosen(
    session: Session, statements: Sequence[int], bank: str, *, why: str, now: datetime
) -> tuple[list[int], list[int]]:
    """Take apart all that returns made of payments with lines on these statements, before their import is undone.

    Return the outgoing lines to judge again and the payments to match again once that is done.
    """
    concerned = {
        line for one in statements
        for line in session.scalars(text(CONCERNED_BY_STATEMENT), {"bank": bank, "statement": one, **_EVERY_LINE})
    }  # fmt: skip
    rows = session.execute(text(_TIED), {"statements": list(statements)}).all()
    outs = [row.id for row in rows if row.direction == "out"]
    touched = _part(session, bank, outs, [row.id for row in rows if row.direction == "in"], why=why, now=now)
    _move(session, touched, why=why, now=now)
    return sorted(concerned.union(outs)), sorted(touched)


def _place(tie: Tie | None) -> tuple[int, int] | None:
    return None if tie is None else (tie.payment_id, tie.turn)


def _part(
    session: Session, bank: str, outs: Sequence[int], again: Sequence[int], *, why: str, now: datetime
) -> set[int]:
    """Take outgoing lines from the payments they returned, and lines that came again from those they count for."""
    if not outs and not again:
        return set()
    owners = "SELECT DISTINCT payment_id FROM statement_lines WHERE id = ANY(:lines)"
    touched = set(session.scalars(text(owners), {"lines": [*outs, *again]}))
    session.execute(text(_PART), {"lines": list(outs), "why": "money going out"})
    undone = session.scalars(text(_UNDO), {"lines": list(outs), "why": why, "now": now}).all()
    ledger.post(session, _NOT_RETURNED, {"ids": list(undone), "now": now, "day": business_days.local_day(now)})
    own = session.execute(text(_OWN), {"bank": bank, "lines": list(again)}).all()
    _attach(session, {row.line_id: (row.payment_id, 1) for row in own})
    touched.update(row.payment_id for row in own)
    session.execute(text(_ANSWERED), {"ids": sorted(touched)})
    return touched


def _attach(session: Session, places: dict[int, tuple[int, int]]) -> None:
    values = {
        "lines": list(places),
        "payments": [payment for payment, _ in places.values()],
        "turns": [turn for _, turn in places.values()],
    }
    session.execute(text(_TIE), values)


def _tie(session: Session, gathered: Gathered, walked: Walked) -> set[int]:
    """Count each line for the payment it belongs to; return all payments that concerns."""
    held = {**gathered.returns, **gathered.again}
    ties = {**walked.again, **walked.returns}
    new = {line: (tie.payment_id, tie.turn) for line, tie in ties.items() if held.get(line) != _place(tie)}
    _attach(session, new)
    stood = {one.payment_id for one in gathered.ins.values() if one.line_id in new}
    return stood | {payment for payment, _ in new.values()}


def _book(session: Session, walked: Walked, words: dict[int, str], now: datetime) -> list[int]:
    """Note and book the returns that are new (line → what proves it); return their ids."""
    if not words:
        return []
    day = business_days.local_day(now)
    rules = [walked.returns[line].rule for line in words]
    values = {"lines": list(words), "rules": rules, "words": list(words.values()), "now": now, "day": day}
    made = list(session.scalars(text(_MAKE), values))
    ledger.post(session, _RETURNED, {"ids": made, "now": now, "day": day})
    return made


def _move(session: Session, touched: Iterable[int], *, why: str, now: datetime) -> _Moved:
    """Give payments that count again the state their lines call for; return them with those that are gone."""
    ids = {"ids": sorted(touched)}
    session.execute(text(_ANSWERED), ids)
    session.execute(text(_RECOUNT), ids)
    wrong = session.execute(text(_WRONG), ids).all()
    back = move(session, PAYMENT, [row.id for row in wrong if not row.gone], "confirmed", by=BY, why=why, now=now)
    session.execute(text(_COUNTS_AGAIN), {"ids": back})
    return _Moved(
        back,
        [row.id for row in wrong if row.gone and row.stood],
        [row.id for row in wrong if row.gone and not row.stood],
    )


def _settle(
    session: Session, touched: set[int], *, anew: Sequence[int], returned: Sequence[int], now: datetime
) -> None:
    moved = _move(session, touched, why="the money came once more, or was never taken back", now=now)
    merged = move(session, PAYMENT_UNDONE, moved.stood, "denied", by=BY, why=_SAME, now=now)
    taken = move(session, PAYMENT, moved.gone, "returned", by=BY, why=_WHY, now=now)
    back = moved.back
    bills, _ = denials.let_go(session, merged, by=BY, why=_SAME, now=now)
    owed, _ = denials.release(session, taken, by=BY, why=_WHY, now=now)
    asked = session.scalars(text(_ASKED), {"subjects": [f"payment:{one}" for one in taken]}).all()
    mismatches.resolve(session, asked, by=BY, resolution=_WHY, now=now)
    outbox.promise_returned(session, returned, now=now)
    if bills or owed or back or anew:
        denials.offer(session, [*bills, *owed], [*back, *anew], why=_WHY, now=now)
    outbox.promise_paid_again(session, [*back, *anew], now=now)


_SAME = "the money of a payment known before, come once more"
