"""Acknowledgements: closing a question that asks for no booking, by a person who says why.

The books say what the statement says by then; what is left is that somebody has seen it. Of the questions that hold a
day open only that for a missing file is closed so, once the bank has answered that it sends none; never a statement in
quarantine or an unknown outcome.
"""

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from reconciliation import audit, mismatches, remarks, settlements, unmatched
from reconciliation.mismatches import Mismatch, NotSettled
from reconciliation.payments import Payment

ALWAYS = ("M02", "M08", "M10", "M14")
"""Codes whose money is booked by the time they are asked."""
_ENDINGS = {"M03": "/amount", "M09": "/taken-back"}
_FILE = "file:"
_SAID = "acknowledged: "
_AGAIN = """
    INSERT INTO mismatches (code, subject, source, minor, currency, payment_id, line_id, statement_id, delivery_id,
        bill_id, facts, owner, due_at, assignee, opened_at)
    SELECT code, subject, source, minor, currency, payment_id, line_id, statement_id, delivery_id, bill_id, facts,
        owner, due_at, assignee, opened_at
    FROM mismatches WHERE id = :id
    ON CONFLICT (code, subject) WHERE state <> 'resolved' DO NOTHING RETURNING id
"""


def is_enough(session: Session, asked: Mismatch, payment: Payment | None) -> bool:
    """Tell whether a question may be closed by saying why it needs no booking; `payment` is the one it asks about."""
    if asked.code == "M13":
        return asked.subject.startswith(_FILE) and remarks.is_noted(session, asked.id, remarks.TRACE_ANSWER)
    if asked.code in ALWAYS or asked.subject.endswith(_ENDINGS.get(asked.code, "-")):
        return True
    if asked.code == "M17":
        return asked.subject.startswith("bill:")
    if payment is None or not settlements.answerable(asked):
        return False
    # A doubt that proved unfounded; or all the payment has is in its bill, which goes on being owed the rest.
    spent = payment.matched_minor == payment.minor
    return spent and (asked.code == "M03" or asked.facts.get("verdict") == "raised")


def acknowledge(session: Session, mismatch_id: int, *, why: str, by: str, now: datetime) -> None:
    """Close an open question that needs no booking; raises NotSettled, having changed nothing."""
    asked = session.get(Mismatch, mismatch_id)
    if asked is None:
        raise NotSettled("not_open", f"expected the number of a question, got {mismatch_id}")
    if asked.payment_id is not None:
        settlements.lock(session, asked.payment_id)
    session.refresh(asked, with_for_update=True)
    if asked.state != "open":
        raise NotSettled("not_open", f"expected an open question, got one that is {asked.state}")
    wanted = select(Payment).where(Payment.id == asked.payment_id).execution_options(populate_existing=True)
    if not is_enough(session, asked, session.scalar(wanted)):
        raise NotSettled("needs_booking", "expected a question that needs no booking")
    remarks.note(session, mismatch_id, why, by=by, now=now)
    mismatches.resolve(session, [mismatch_id], by=by, resolution=f"{_SAID}{why}", now=now)


def is_acknowledged(asked: Mismatch) -> bool:
    """Tell whether a question was closed that way."""
    return asked.state == "resolved" and asked.resolution.startswith(_SAID)


def is_asked_again(session: Session, asked: Mismatch) -> bool:
    """Tell whether what a settled question asks is open again; a payment's money is asked about once at a time."""
    codes = unmatched.CODES if settlements.answerable(asked) else (asked.code,)
    again = (Mismatch.code.in_(codes), Mismatch.subject == asked.subject, Mismatch.state != "resolved")
    return session.scalar(select(Mismatch.id).where(*again).limit(1)) is not None


def ask_again(session: Session, mismatch_id: int, *, by: str, now: datetime) -> int:
    """Take an acknowledgement back: ask the same again, as old as it was; return the new question.

    Raises NotSettled when it is asked again already. What later facts have answered by now closes itself at once.
    """
    closed = session.get_one(Mismatch, mismatch_id)
    if closed.payment_id is not None:
        settlements.lock(session, closed.payment_id)
    asked: int | None = None
    if not is_asked_again(session, closed):
        asked = session.scalar(text(_AGAIN), {"id": mismatch_id})
    if asked is None:
        raise NotSettled("not_open", "expected a question that is not asked again already")
    if closed.payment_id is not None:
        unmatched.settle_answered(session, [closed.payment_id], [], now=now)
    facts = {"again": asked}
    audit.append(
        session, actor=by, action="acknowledgement_undone", subject=f"mismatch:{mismatch_id}", facts=facts, now=now
    )
    return asked
