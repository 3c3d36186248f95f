"""Asking after debits: one of which nothing was heard in time is unknown, asked after by a schedule, then a person's.

It is never asked for again meanwhile: what the bank may have carried out still counts as the bill's one debit.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import debit_promises, mismatches
from reconciliation.debit_choice import MANDATE_REASONS
from reconciliation.debits import DebitRun
from reconciliation.lifecycle import DEBIT, move

AGAIN = (timedelta(minutes=5), timedelta(hours=1), *[timedelta(days=1)] * 5)
"""How long after the one before the bank is asked again; after the last of them a person is asked."""

_OVERDUE = """
    SELECT id FROM debits WHERE ask_at <= :now AND state IN ('sent', 'accepted') ORDER BY id FOR UPDATE SKIP LOCKED
"""
_TO_ASK = """
    SELECT id, bank, end_to_end_id, asked FROM debits WHERE ask_at <= :now AND state = 'unknown'
    ORDER BY ask_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
"""
_PUT_OFF = """
    UPDATE debits d SET asked = d.asked + 1, ask_at = CASE WHEN d.asked < cardinality(CAST(:waits AS interval[]))
        THEN CAST(:now AS timestamptz) + (CAST(:waits AS interval[]))[d.asked + 1] END
    WHERE id = ANY(:ids) RETURNING id, ask_at IS NULL AS gives_up
"""
_M16 = """
    SELECT 'M16', 'debit:' || d.id, d.bank, d.minor, d.bill_id,
        jsonb_build_object('debit', d.end_to_end_id, 'bill', d.bill_number, 'charge_on', d.charge_on, 'asked', d.asked)
    FROM debits d WHERE d.id = ANY(:ids)
"""
_LEFT_SINCE = """EXISTS (
    SELECT 1 FROM debits d WHERE d.bill_number = b.number AND d.sent_at >= {question}.opened_at)"""
SETTLED = f"""
    SELECT m.id, b.state FROM mismatches m JOIN bills b ON b.id = m.bill_id
    WHERE m.code = 'M17' AND m.subject LIKE 'bill:%' AND m.state = 'open'
      AND (b.state <> 'open' OR {_LEFT_SINCE.format(question="m")})
"""  # noqa: S608 - put together from constants, here and below
_REOPENED = "DELETE FROM reopened_bills RETURNING bill_id"
# Only what the settling of its bill has closed: what a person has answered stays answered.
_OWED_AGAIN = f"""
    SELECT 'M17', last.subject, last.source, b.minor, b.id, last.facts
    FROM bills b CROSS JOIN LATERAL (
        SELECT m.* FROM mismatches m WHERE m.bill_id = b.id AND m.code = 'M17' AND m.subject LIKE 'bill:%'
        ORDER BY m.id DESC LIMIT 1
    ) last
    WHERE b.id = ANY(:bills) AND b.live AND b.state = 'open' AND last.state = 'resolved' AND last.resolved_by = :closer
      AND NOT {_LEFT_SINCE.format(question="last")}
"""  # noqa: S608
_CLOSER = "schedule"


def time_out(session: Session, *, now: datetime) -> int:
    """Call unknown what should have been heard of by now; return how many."""
    overdue = session.scalars(text(_OVERDUE), {"now": now}).all()
    noting = "ask_at = CAST(:now AS timestamptz), asked = 0"
    return len(
        move(session, DEBIT, overdue, "unknown", by="schedule", why="nothing was heard in time", now=now, noting=noting)
    )


def to_ask(session: Session, *, limit: int, now: datetime) -> Sequence[Row[tuple[int, str, str, int]]]:
    """Take debits to ask their banks after, the next time put off; (id, bank, end-to-end id, how often before) each.

    One that was asked after often enough is a person's from then on (M16).
    """
    due = session.execute(text(_TO_ASK), {"now": now, "limit": limit}).all()
    if not due:
        return []
    values = {"ids": [one.id for one in due], "waits": list(AGAIN), "now": now}
    given_up = [row.id for row in session.execute(text(_PUT_OFF), values) if row.gives_up]
    columns = "code, subject, source, minor, bill_id, facts"
    mismatches.ask(session, columns, _M16, {"ids": given_up, "now": now})
    return due


LEFT_OUT = "SELECT bill_id, reason FROM debit_exclusions WHERE run_id = :run AND reason = ANY(:reasons)"
"""What a mandate keeps out of a run as it is made."""
AT_SENDING = """
    SELECT j.bill_id, j.reason FROM judged j JOIN debits d ON d.run_id = :run AND d.bill_id = j.bill_id
    WHERE j.reason = ANY(:reasons) AND d.state = 'dropped'
"""
"""What a mandate keeps behind as a run leaves, once it has been judged anew."""
_M17 = """
    SELECT 'M17', 'bill:' || b.number, :bank, b.minor, b.id,
        jsonb_build_object('reason', k.reason, 'bill', b.number, 'charge_on', CAST(:day AS date), 'cap', (
            SELECT v.cap_minor FROM mandates m JOIN mandate_versions v ON v.mandate_id = m.id AND v.version = m.version
            WHERE m.customer_id = b.customer_id AND m.state IN ('active', 'paused')))
    FROM ({kept}) k JOIN bills b ON b.id = k.bill_id WHERE b.state = 'open'
"""


def ask_of_kept_out(session: Session, run: DebitRun, kept: str, *, now: datetime) -> None:
    """Ask about bills that a mandate keeps from a run, and tell their customers that they are not debited."""
    values = {"run": run.id, "bank": run.bank, "day": run.charge_on, "reasons": list(MANDATE_REASONS), "now": now}
    columns = "code, subject, source, minor, bill_id, facts"
    mismatches.ask(session, columns, _M17.format(kept=kept), values, renewing=["facts"])
    bills = session.scalars(text(f"SELECT bill_id FROM ({kept}) k ORDER BY 1"), values).all()  # noqa: S608
    debit_promises.promise_failed(session, bills, now=now)


def close_settled(session: Session, *, now: datetime) -> int:
    """Close the questions about bills that a mandate kept from their debit: owed no more, or debited after all."""
    found = session.execute(text(f"{SETTLED} ORDER BY b.id FOR SHARE OF b")).all()
    because = {"open": "its debit has left", "part_paid": "the bill is part paid"}
    for state in sorted({one.state for one in found}):
        these = [one.id for one in found if one.state == state]
        resolution = because.get(state, "the bill is settled")
        mismatches.resolve(session, these, by=_CLOSER, resolution=resolution, now=now)
    return len(found)


def ask_of_reopened(session: Session, *, now: datetime) -> int:
    """Ask anew about bills that a mandate keeps from their debit, and whose money was given back; return how many."""
    bills = session.scalars(text(_REOPENED)).all()
    if not bills:
        return 0
    values = {"bills": list(bills), "closer": _CLOSER, "now": now}
    return len(mismatches.ask(session, "code, subject, source, minor, bill_id, facts", _OWED_AGAIN, values))
