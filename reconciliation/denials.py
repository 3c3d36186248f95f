"""Denials: a reported payment that its bank takes back before any statement has shown it counts for nothing.

What it settled is undone by new entries, and so is the word that it was reported; the bill is owed again, and whoever
waited for it is matched anew. Should a statement show the money after all, it settles no bill by itself: people decide.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import (
    business_days,
    guesses,
    ledger,
    matching,
    mismatches,
    outbox,
    placements,
    rivals,
    settling_lumps,
)
from reconciliation.lifecycle import PAYMENT, move

_DENIED = r"""
    SELECT 'payment:' || id || '\:denied' AS key, source AS bank, CAST(:day AS date) AS business_date,
        source || ' ' || source_reference || ' was taken back' AS memo, 'suspense' AS debit,
        'bank:' || source || '\:reported' AS credit, minor, currency, CAST(:now AS timestamptz) AS at
    FROM payments WHERE id = ANY(:ids)
"""
_LOCK_BILLS = """
    SELECT id FROM bills WHERE id IN (
        SELECT bill_id FROM allocations WHERE payment_id = ANY(:ids) AND undone_at IS NULL)
    ORDER BY id FOR UPDATE
"""


def deny(session: Session, payment_id: int, *, by: str, why: str, now: datetime) -> bool:
    """Take back one reported payment; return False, having changed nothing, when it is not in that state.

    The caller holds the lock of the payment's source (`payments.lock_sources`).
    """
    if not move(session, PAYMENT, [payment_id], "denied", by=by, why=why, now=now):
        return False
    unreport(session, [payment_id], now=now)
    bills, _matches = let_go(session, [payment_id], by=by, why=why, now=now)
    offer(session, bills, why=why, by=by, now=now)
    settling_lumps.hear(session, [payment_id], now=now)
    return True


def unreport(session: Session, payment_ids: Sequence[int], *, now: datetime) -> None:
    """Book that what was reported of these payments is no longer owed by their bank."""
    ledger.post(session, _DENIED, {"ids": list(payment_ids), "now": now, "day": business_days.local_day(now)})


def let_go(session: Session, payment_ids: Sequence[int], *, by: str, why: str, now: datetime) -> tuple[list[int], int]:
    """Undo all that denied payments settle, with their unsent words and open questions.

    Return the bills that are owed again, and how many matches were undone; `offer` the bills afterwards.
    """
    these = {"ids": list(payment_ids), "now": now}
    session.execute(
        text("UPDATE payments SET denied_at = coalesce(denied_at, :now), due_at = NULL WHERE id = ANY(:ids)"), these
    )
    bills, matches = release(session, payment_ids, by=by, why=why, now=now)
    asked = session.scalars(
        text("SELECT id FROM mismatches WHERE payment_id = ANY(:ids) AND state <> 'resolved'"), these
    ).all()
    mismatches.resolve(session, asked, by=by, resolution=why, now=now)
    return bills, matches


def release(session: Session, payment_ids: Sequence[int], *, by: str, why: str, now: datetime) -> tuple[list[int], int]:
    """Undo all that these payments settle, with their unsent words; return as `let_go` does."""
    these = {"ids": list(payment_ids)}
    bills = list(session.scalars(text(_LOCK_BILLS), these))
    allocations = session.scalars(
        text("SELECT id FROM allocations WHERE payment_id = ANY(:ids) AND undone_at IS NULL"), these
    ).all()
    rivals.undo(session, allocations, by=by, why=why, now=now)
    placements.lift(session, placements.of_payments(session, payment_ids), by=by, why=why, now=now)
    outbox.promise_confirmations(session, list(payment_ids), [], now=now)
    return bills, len(allocations)


def offer(
    session: Session, bills: Sequence[int], payment_ids: Sequence[int] = (), *, why: str, now: datetime,
    by: str = "matching",
) -> None:  # fmt: skip
    """Reopen bills that lost a payment, and match anew whoever waits for them or pays a part, with `payment_ids`.

    `by` is who took the payment from them.
    """
    matching.settle_bills(session, set(bills), why=why, by=by, now=now)
    matching.match(session, [*rivals.at(session, bills), *guesses.at_bills(session, bills), *payment_ids], now=now)
