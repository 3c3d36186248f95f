"""Lines that bear an agreement's words and are no settlement: by a person's word they take the usual road.

Such a line is paired and booked as any other of its statement. What it was booked as when it came is turned into that
by an entry of its own, which the word's undoing reverses; the line is a settlement to be weighed then, as before.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import (
    business_days,
    corrections,
    denials,
    fees,
    ledger,
    lump_parts,
    matching,
    mismatches,
    pairing,
    settling_lumps,
    statement_deadlines,
)
from reconciliation.lifecycle import PAYMENT, PAYMENT_UNDONE, move
from reconciliation.lump_sums import RELEASED
from reconciliation.mismatches import NotSettled
from reconciliation.pairing_rounds import pair
from reconciliation.statements import Statement

_LET_GO = """
    WITH gone AS (UPDATE lump_sums SET undone_at = :now, undone_why = :why WHERE id = :lump RETURNING line_id)
    UPDATE statement_lines l SET state = 'pending', reason = '' FROM gone WHERE l.id = gone.line_id
"""
# When it took this road before, its payment was made: that one stands again, which no bank has taken back.
_AS_BEFORE = """
    WITH line AS (
        UPDATE statement_lines l SET payment_id = p.id, state = 'matched' FROM payments p, statements t
        WHERE l.id = :line AND t.id = l.statement_id AND p.source = t.bank AND p.source_reference = 'line:' || l.id
        RETURNING p.id
    )
    UPDATE payments SET denied_at = NULL FROM line WHERE payments.id = line.id RETURNING payments.id
"""
_AS_PAYMENT = r"""
    SELECT 'line:' || l.id || '/payment/' || CAST(:choice AS bigint) || '{end}' AS key, t.bank,
        {day} AS business_date, '{said}settlement by ' || s.source || ' is a payment' AS memo, {debit} AS debit,
        {credit} AS credit, l.minor, l.currency, CAST(:now AS timestamptz) AS at
    FROM lump_sums s JOIN statement_lines l ON l.id = s.line_id JOIN statements t ON t.id = l.statement_id
    JOIN payments p ON p.id = l.payment_id WHERE s.id = :lump
"""
_SETTLED = r"'settled\:' || s.source"
# As its statement's own booking has it: money that was told of leaves what is reported, any other is new.
_OF_PAYMENT = r"""
    CASE WHEN p.source_reference = 'line:' || l.id OR p.denied_at IS NOT NULL THEN 'suspense'
         ELSE 'bank\:' || t.bank || '\:reported' END
"""
_BOOKED = """
    SELECT c.id AS choice, s.line_id, p.id AS payment, p.state, e.credit AS account,
        p.source_reference <> 'line:' || l.id AND p.denied_at IS NULL AS told
    FROM lump_sums s JOIN statement_lines l ON l.id = s.line_id JOIN payments p ON p.id = l.payment_id
    JOIN lump_choices c ON c.lump_id = s.id AND c.kind = 'no_settlement' AND c.state = 'applied'
    JOIN entries e ON e.key = 'line:' || l.id || '/payment/' || c.id
    WHERE s.id = :lump ORDER BY c.id DESC LIMIT 1 FOR UPDATE OF p
"""
_BACK = f"""
    WITH back AS (UPDATE lump_sums SET undone_at = NULL, undone_why = '' WHERE id = :lump RETURNING line_id)
    UPDATE statement_lines l SET payment_id = NULL, state = 'mismatch', reason = '{settling_lumps.SETTLES}'
    FROM back WHERE l.id = back.line_id
"""  # noqa: S608 - put together from constants
_UNCONFIRM = "UPDATE payments SET confirmed_minor = 0 WHERE id = :payment"
_ASKED = "SELECT id FROM mismatches WHERE line_id = :line AND state <> 'resolved' AND code <> 'M11'"
_STATEMENT = "SELECT statement_id FROM statement_lines WHERE id = :line"
_OF_STATEMENTS = f"""
    SELECT s.id FROM lump_sums s JOIN statement_lines l ON l.id = s.line_id
    WHERE l.statement_id = ANY(:statements) AND s.undone_at IS NOT NULL AND {RELEASED.format(lump="s")} ORDER BY s.id
"""  # noqa: S608


def release(session: Session, lump: Row[Any], choice: int, *, why: str, now: datetime) -> None:
    """Let a settlement line take the usual road; the caller holds the locks of its payments and its bank's.

    Raises NotSettled while its statement is still being booked.
    """
    statement = session.get_one(Statement, session.scalars(text(_STATEMENT), {"line": lump.line_id}).one())
    session.refresh(statement)
    if statement.booking_from is not None:
        raise NotSettled("not_open", "expected a statement that is booked, got one that still is being booked")
    if lump.day is not None:
        lump_parts.put_together(session, [lump.id], why=why, now=now)
    session.execute(text(_LET_GO), {"lump": lump.id, "why": why, "now": now})
    before = session.scalars(text(_AS_BEFORE), {"line": lump.line_id}).all()
    move(session, PAYMENT, before, "confirmed", by=lump_parts.BY, why=why, now=now, noting="confirmed_minor = t.minor")
    pair(session, statement)
    line = (lump.line_id, lump.line_id)
    pairing.book(session, statement, line, callbacks=False, now=now)
    query = _AS_PAYMENT.format(end="", day="s.booked_on", said="", debit=_SETTLED, credit=_OF_PAYMENT)
    ledger.post(session, query, {"lump": lump.id, "choice": choice, "now": now})
    matching.match(session, before, now=now)
    pairing.judge(session, statement, line, now=now)


def admit(session: Session, lump_id: int, *, by: str, why: str, now: datetime) -> None:
    """Make a line that took the usual road a settlement to be weighed again; the caller weighs it.

    Raises NotSettled when its payment was returned, as a return is not part of many.
    """
    row = session.execute(text(_BOOKED), {"lump": lump_id}).one()
    if row.state == "returned":
        raise NotSettled("not_open", "expected a payment that was not returned, got one that was")
    day, these = business_days.local_day(now), {"lump": lump_id, "payment": row.payment, "line": row.line_id}
    query = _AS_PAYMENT.format(end="/undone", day="CAST(:day AS date)", said="undone: ", debit=":of", credit=_SETTLED)
    ledger.post(session, query, {**these, "choice": row.choice, "of": row.account, "day": day, "now": now})
    fees.undo_lines(session, [row.line_id], why=why, now=now)
    session.execute(text(_BACK), these)
    move(session, PAYMENT_UNDONE, [row.payment], "reported" if row.told else "denied", by=by, why=why, now=now)
    session.execute(text(_UNCONFIRM), these)
    bills: list[int] = []
    corrected: list[int] = []
    if row.told:
        statement_deadlines.wait_again(session, [row.payment], since=day)
        before = corrections.BEFORE_LINE.format(lines="m.line_id = :line", payments="p.id = :payment")
        corrected = corrections.correct(session, before, {**these, "now": now}, by=by, now=now)
    else:
        bills, _ = denials.let_go(session, [row.payment], by=by, why=why, now=now)
    mismatches.resolve(session, session.scalars(text(_ASKED), these).all(), by=by, resolution=why, now=now)
    denials.offer(session, bills, corrected, why=why, now=now)


def admit_all(session: Session, statement_ids: Sequence[int], *, by: str, why: str, now: datetime) -> None:
    """Take back that lines of these statements are no settlements, as their import is being undone."""
    for lump in session.scalars(text(_OF_STATEMENTS), {"statements": list(statement_ids)}).all():
        admit(session, lump, by=by, why=why, now=now)
