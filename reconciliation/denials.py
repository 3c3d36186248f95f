"""Denials: a reported payment that its bank takes back before any statement has shown it counts for nothing.

What it settled is undone by new entries, and so is the word that it was reported; the bill is owed again, and whoever
waited for it is matched anew. Should a statement show the money after all, it settles no bill by itself: people decide.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import business_days, guesses, ledger, matching, mismatches, outbox, rivals
from reconciliation.lifecycle import PAYMENT, move

_DENIED = r"""
    SELECT 'payment:' || id || '\:denied' AS key, CAST(:day AS date) AS business_date,
        source || ' ' || source_reference || ' was taken back' AS memo, 'suspense' AS debit,
        'bank:' || source || '\:reported' AS credit, minor, currency, CAST(:now AS timestamptz) AS at
    FROM payments WHERE id = :id
"""
_LOCK_BILLS = """
    SELECT id FROM bills WHERE id IN (
        SELECT bill_id FROM allocations WHERE payment_id = :id AND undone_at IS NULL)
    ORDER BY id FOR UPDATE
"""
_WAITING_FOR = """
    SELECT DISTINCT payment_id FROM mismatches
    WHERE bill_id = ANY(:bills) AND state <> 'resolved' AND subject = 'payment:' || payment_id
"""


def deny(session: Session, payment_id: int, *, by: str, why: str, now: datetime) -> bool:
    """Take back one reported payment; return False, having changed nothing, when it is not in that state.

    The caller holds the lock of the payment's source (`payments.lock_sources`).
    """
    if not move(session, PAYMENT, [payment_id], "denied", by=by, why=why, now=now):
        return False
    this = {"id": payment_id, "now": now, "day": business_days.local_day(now)}
    session.execute(text("UPDATE payments SET denied_at = :now, due_at = NULL WHERE id = :id"), this)
    bills = list(session.scalars(text(_LOCK_BILLS), this))
    allocations = session.scalars(
        text("SELECT id FROM allocations WHERE payment_id = :id AND undone_at IS NULL"), this
    ).all()
    rivals.undo(session, allocations, by=by, why=why, now=now)
    ledger.post(session, _DENIED, this)
    outbox.promise_confirmations(session, [payment_id], [], now=now)
    asked = session.scalars(
        text("SELECT id FROM mismatches WHERE payment_id = :id AND state <> 'resolved'"), this
    ).all()
    mismatches.resolve(session, asked, by=by, resolution=why, now=now)
    matching.settle_bills(session, set(bills), why=why, now=now)
    waiting = session.scalars(text(_WAITING_FOR), {"bills": bills}).all()
    matching.match(session, [*waiting, *guesses.at_bills(session, bills)], now=now)
    return True
