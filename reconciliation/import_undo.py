"""Undoing an import: a person takes a statement's lines, payments and matches back, by new entries.

What the statement alone told counts for nothing afterwards; what a callback or a notice told as well is reported again
and waits for its line. Nothing is deleted, and the file stays in the inbox: it can be read anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from reconciliation import (
    audit,
    business_days,
    corrections,
    denials,
    fee_charges,
    fees,
    inbox,
    late_recognitions,
    ledger,
    lump_releases,
    mismatches,
    placements,
    returns,
    sequence_gaps,
    settling_lumps,
    statement_deadlines,
)
from reconciliation.continuity import following
from reconciliation.inbox import Delivery
from reconciliation.lifecycle import DELIVERY, PAYMENT_UNDONE, STATEMENT, move
from reconciliation.payments import lock_sources
from reconciliation.statements import BOOKED, Statement


class NotUndone(ValueError):
    """An import can't be undone, or a file not read anew; says what was expected and what stands in the way."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What went back: ids of statements and of the deliveries they came in, and how many of what.

    `denied` payments stood on these statements alone, `reported` ones wait for their line again; `told` messages had
    left already, and stay with whoever got them.
    """

    statements: list[int]
    deliveries: list[int]
    lines: int
    denied: int
    reported: int
    matches: int
    told: int


RESOLUTION = "the import was undone"

# What a large statement has not booked yet has only been paired: it is let go before the rest is taken back.
_LET_GO = f"""
    UPDATE statement_lines l SET payment_id = NULL, state = 'rejected', reason = :resolution
    FROM statements s WHERE s.id = l.statement_id AND s.id = ANY(:statements) AND NOT {BOOKED}
"""  # noqa: S608 - put together from constants, here and below

_IN_WORK = f"""
    SELECT l.payment_id FROM statement_lines l JOIN statements s ON s.id = l.statement_id
    WHERE s.id = ANY(:statements) AND NOT {BOOKED} AND l.payment_id IS NOT NULL
"""  # noqa: S608

_NOTHING_LEFT = """
    SELECT id FROM deliveries d WHERE id = ANY(:ids) AND state = 'received' AND NOT EXISTS (
        SELECT 1 FROM statements s WHERE s.delivery_id = d.id AND s.booking_from IS NOT NULL)
"""

_LOCK_PAYMENTS = """
    SELECT id FROM payments WHERE id IN (SELECT payment_id FROM statement_lines WHERE statement_id = ANY(:statements))
    ORDER BY id FOR UPDATE
"""

_TAKEN_OUT = f"""
    SELECT e.key || '/undone' AS key, e.bank, CAST(:day AS date) AS business_date, 'undone: ' || e.memo AS memo,
        e.credit AS debit, e.debit AS credit, e.minor, e.currency, CAST(:now AS timestamptz) AS at
    FROM statement_lines l JOIN entries e ON e.key IN ('line:' || l.id, {late_recognitions.ENTRY})
    WHERE l.statement_id = ANY(:statements)
"""  # noqa: S608

# Each by its own index: one condition for both would read every line there is, for every payment.
_NOTICED = """EXISTS (
            SELECT 1 FROM statement_lines n JOIN statements s ON s.id = n.statement_id
            WHERE {line} AND NOT n.counts AND s.state = 'accepted' AND n.statement_id <> ALL(:statements))"""
_ITS_LINE = r"CASE WHEN p.source_reference ~ '^line\:\d+$' THEN CAST(substr(p.source_reference, 6) AS bigint) END"
# `told` by someone else as well: a callback, or a notice that stands. `from_suspense` says what the line's
# entry credited. What of a large statement is not booked yet is let go before, and counts for nothing.
TOUCHED = f"""
    SELECT p.id, p.state, p.denied_at IS NOT NULL AS taken_back, bool_or(l.counts) AS confirmed,
        p.source_reference NOT LIKE 'line:%' OR {_NOTICED.format(line="n.payment_id = p.id")}
            OR {_NOTICED.format(line=f"n.id = {_ITS_LINE}")} AS told,
        bool_or(l.counts AND EXISTS (
            SELECT 1 FROM entries e WHERE e.key = 'line:' || l.id AND 'suspense' IN (e.debit, e.credit))
            AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.key = {late_recognitions.ENTRY})) AS from_suspense
    FROM statements s JOIN statement_lines l ON l.statement_id = s.id AND {BOOKED}
    JOIN payments p ON p.id = l.payment_id
    WHERE s.id = ANY(:statements) GROUP BY p.id ORDER BY p.id
"""  # noqa: S608

_UNLINK = """
    UPDATE statement_lines SET payment_id = NULL, state = 'rejected', reason = :resolution
    WHERE statement_id = ANY(:statements)
"""

# What only a line that goes had told of a payment goes with it.
_FORGET = """
    WITH left_over AS (
        SELECT p.id, ARRAY(
            SELECT unnest(p.told) UNION
            SELECT unnest(n.quoted) FROM statement_lines n WHERE n.payment_id = p.id ORDER BY 1) AS quoted
        FROM payments p WHERE p.id = ANY(:standing)
    )
    UPDATE payments p SET quoted = o.quoted FROM left_over o WHERE o.id = p.id AND NOT p.quoted <@ o.quoted
    RETURNING p.id
"""

_UNCONFIRM = """
    UPDATE payments SET confirmed_minor = 0,
        reported_at = CASE WHEN id = ANY(:reported) THEN coalesce(reported_at, :now) ELSE reported_at END
    WHERE id = ANY(:confirmed)
"""

_REPORTED_AFTER_ALL = r"""
    SELECT 'payment:' || id || '\:reported' AS key, source AS bank, business_date,
        source || ' ' || source_reference AS memo, 'bank:' || source || '\:reported' AS debit, 'suspense' AS credit,
        minor, currency,
        CAST(:now AS timestamptz) AS at
    FROM payments WHERE id = ANY(:ids)
"""

_AMOUNT_BEFORE = corrections.BEFORE_LINE.format(
    lines="m.statement_id = ANY(:statements)", payments="p.id = ANY(:reported)"
)

# One amount alone is left of the two that were asked about.
_TWO_AMOUNTS = """
    SELECT id FROM mismatches WHERE payment_id = ANY(:ids) AND code = 'M03' AND state <> 'resolved'
      AND subject = 'payment:' || payment_id || '/amount'
"""
_QUESTIONS = """
    SELECT id FROM mismatches WHERE state <> 'resolved' AND (statement_id = ANY(:statements)
        OR line_id IN (SELECT id FROM statement_lines WHERE statement_id = ANY(:statements)))
"""

HEARD = "m.event = 'payment_recorded' AND m.state IN ('sending', 'sent', 'unsure', 'delivered', 'undelivered')"
"""Whether message `m` confirmed a payment and has left, or may have."""
_TOLD = f"SELECT count(*) FROM messages m WHERE m.payment_id = ANY(:denied) AND {HEARD}"  # noqa: S608


def chosen(session: Session, name: str) -> list[Statement]:
    """Return the statements that a person names: "7" is one statement, "delivery:3" all those of one delivery.

    Raises NotUndone when there is none.
    """
    kind, _, number = name.rpartition(":")
    if kind not in ("", "statement", "delivery") or not (number.isascii() and number.isdigit() and len(number) < 19):
        raise NotUndone(f"expected the number of a statement, or delivery:NUMBER, got {name[:40]!r}")
    column = Statement.delivery_id if kind == "delivery" else Statement.id
    found = session.scalars(select(Statement).where(column == int(number)).order_by(Statement.id)).all()
    if not found:
        raise NotUndone(f"expected a statement that was read, got {name!r}, which has none")
    return list(found)


def plan(session: Session, statements: Sequence[Statement], *, with_following: bool) -> list[Statement]:
    """Return the statements that go back with `statements`; those withdrawn or set aside before are not among them.

    Raises NotUndone when accepted statements follow on from them by their balances, unless they are to go as well.
    """
    wanted = [one for one in statements if one.state in ("accepted", "quarantined")]
    after = following(session, [one for one in wanted if one.state == "accepted"])
    if after and not with_following:
        names = ", ".join(f"{one.id} ({one.statement_id})" for one in after[:5]) + (", …" if len(after) > 5 else "")
        raise NotUndone(f"expected nothing to follow on from what is undone, got {len(after)} statements: {names}")
    return [*wanted, *after]


def undo(
    session: Session, statements: Sequence[Statement], *, by: str, why: str, now: datetime, with_following: bool = False
) -> Undone:
    """Undo the import of `statements` in this transaction; what was undone before is left as it is.

    Raises NotUndone as `plan` does, and without a person and a reason.
    """
    if not by.strip() or not why.strip():
        raise NotUndone("expected who undoes the import and why, got neither or one of them")
    lock_sources(session, settling_lumps.locked_with(session, *{one.bank for one in statements}))
    for one in statements:
        session.refresh(one, with_for_update=True)
    gone = plan(session, statements, with_following=with_following)
    done = _take_back(session, gone, by, why, now) if gone else Undone([], [], 0, 0, 0, 0, 0)
    for one in gone:
        facts = {"why": why, "statement": one.statement_id, "bank": one.bank, "lines": one.lines}
        audit.append(session, actor=by, action="import_undone", subject=f"statement:{one.id}", facts=facts, now=now)
    return done


def _take_back(session: Session, gone: list[Statement], by: str, why: str, now: datetime) -> Undone:
    ids = [one.id for one in gone]
    said = f"{RESOLUTION}: {why}"
    today = business_days.local_day(now)
    these: dict[str, object] = {
        "statements": ids, "now": now, "day": today, "resolution": RESOLUTION,
    }  # fmt: skip
    let_go = session.scalars(text(_IN_WORK), these).all()
    session.execute(text(_LET_GO), these)
    session.execute(text(_LOCK_PAYMENTS), these)
    banks = sorted({one.bank for one in gone})
    loosened = {bank: returns.loosen(session, ids, bank, why=said, now=now) for bank in banks}
    lump_releases.admit_all(session, ids, by=by, why=said, now=now)
    settled = settling_lumps.undo(session, ids, why=said, now=now)
    fees.undo(session, ids, why=said, now=now)
    touched = session.execute(text(TOUCHED), these).all()
    placements.untie_statements(session, ids, by=by, why=said, now=now)
    ledger.post(session, _TAKEN_OUT, these)
    session.execute(text(_UNLINK), these)
    confirmed = [row for row in touched if row.confirmed]
    again = {row.id: row for row in confirmed if row.told and not row.taken_back}
    # A notice that goes takes no payment with it that a statement has confirmed.
    unheard = [
        row for row in touched if row.id not in again and (row.confirmed or (row.state == "reported" and not row.told))
    ]
    reported, denied = list(again), [row.id for row in unheard]
    forgetting = session.scalars(text(_FORGET), {"standing": sorted({row.id for row in touched} - {*denied})}).all()
    these |= {"reported": reported, "denied": denied, "confirmed": [row.id for row in confirmed]}
    move(session, PAYMENT_UNDONE, reported, "reported", by=by, why=said, now=now)
    move(session, PAYMENT_UNDONE, denied, "denied", by=by, why=said, now=now)
    session.execute(text(_UNCONFIRM), these)
    statement_deadlines.wait_again(session, [row.id for row in confirmed], since=today)
    ledger.post(
        session, _REPORTED_AFTER_ALL, {"ids": [row.id for row in again.values() if row.from_suspense], "now": now}
    )
    denials.unreport(session, [row.id for row in unheard if not row.from_suspense], now=now)
    told = session.scalar(text(_TOLD), these)
    bills, matches = denials.let_go(session, denied, by=by, why=said, now=now)
    corrected = corrections.correct(session, _AMOUNT_BEFORE, these, by=by, now=now)
    told_otherwise = corrections.correct(session, corrections.TOLD_OTHERWISE, these, by=by, now=now)
    asked = session.scalars(text(_TWO_AMOUNTS), {"ids": told_otherwise}).all()
    mismatches.resolve(session, asked, by=by, resolution=said, now=now)
    corrected += told_otherwise
    mismatches.resolve(session, session.scalars(text(_QUESTIONS), these).all(), by=by, resolution=said, now=now)
    move(session, STATEMENT, ids, "withdrawn", by=by, why=why, now=now)
    for one in gone:
        session.refresh(one)
        one.reason, one.booking_from = said, None
    session.flush()
    # A file that was still being booked has been read now, unless other statements of it are in work.
    unread = session.scalars(text(_NOTHING_LEFT), {"ids": sorted({one.delivery_id for one in gone})}).all()
    inbox.finish(session, list(unread), "read", reason=said, now=now)
    denials.offer(session, bills, [*corrected, *forgetting], why=said, now=now)
    settled |= settling_lumps.reached(session, [*let_go, *(row.id for row in touched)])
    settling_lumps.judge_sources(session, settled, now=now)
    for bank, (outgoing, anew) in loosened.items():
        returns.judge(session, bank, outgoing, anew=anew, now=now)
        fee_charges.compare(session, ids, bank, now=now)
    for bank, account in {(one.bank, one.account_hash) for one in gone}:
        sequence_gaps.look(session, bank=bank, account=account, now=now)
    lines = sum(one.lines for one in gone)
    deliveries = sorted({one.delivery_id for one in gone})
    return Undone(ids, deliveries, lines, len(denied), len(reported), matches, int(told or 0))


def read_anew(session: Session, delivery_id: int, *, by: str, why: str, now: datetime) -> None:
    """Let a kept file be read once more, as if it had just come; the caller rings the bell.

    Its quarantined statements are withdrawn. Raises NotUndone when one of its statements is accepted, or when there is
    no such file that has been read.
    """
    delivery = session.get(Delivery, delivery_id, with_for_update=True)
    if delivery is None or delivery.kind != "statement":
        raise NotUndone(f"expected the number of a file's delivery, got {delivery_id}")
    if delivery.state not in ("read", "unreadable", "set_aside"):
        raise NotUndone(f"expected a file that has been read, got one that is {delivery.state}")
    read = session.scalars(select(Statement).where(Statement.delivery_id == delivery_id)).all()
    standing = [str(one.id) for one in read if one.state == "accepted"]
    if standing:
        raise NotUndone(
            f"expected the file's imports to be undone first, got accepted statements: {', '.join(standing)}"
        )
    undo(session, read, by=by, why=why, now=now)
    move(session, DELIVERY, [delivery_id], "received", by=by, why=why, now=now)
    session.execute(
        text("UPDATE deliveries SET attempts = 0, lease_until = NULL, read_at = NULL, reason = '' WHERE id = :id"),
        {"id": delivery_id},
    )
    audit.append(
        session, actor=by, action="file_read_anew", subject=f"delivery:{delivery_id}", facts={"why": why}, now=now
    )
