"""What people say of messages: whether an unsure one arrived, and that one is to be sent again, each with a reason."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import audit
from reconciliation.debit_days import DAY
from reconciliation.lifecycle import MESSAGE, move
from reconciliation.outbox import ABOUT_DEBITS, CONFIRM_WITHIN, OVER, Message

AGAIN = ("failed", "undelivered", "delivered", "sent", "expired")
"""States in which a message may be sent again: it is over, or its carrier has answered for it."""
A_WHILE = timedelta(minutes=15)
"""By then a receipt has come, or the carrier was asked again, if either was to be."""
_LAST = f"""b.state = 'open' AND b.paid_minor = 0 AND NOT EXISTS (SELECT 1 FROM messages l
            WHERE l.bill_id = m.bill_id AND l.id > m.id AND l.event IN {ABOUT_DEBITS} AND l.state NOT IN {OVER})"""  # noqa: S608 - put together from constants, here and below
"""Whether a word m on a debit of bill b is the last one its customer heard."""
_STILL_TRUE = f"""
    SELECT CASE m.event
        WHEN 'before_debit' THEN {_LAST} AND m.facts->>'debit_on' = CAST({DAY.format(bill="b")} AS text)
            AND NOT EXISTS (SELECT 1 FROM bill_holds h WHERE h.bill_id = b.id AND h.released_at IS NULL)
        WHEN 'debit_failed' THEN {_LAST}
        WHEN 'overdue' THEN b.state = 'open' AND b.paid_minor = 0
        WHEN 'payment_recorded' THEN EXISTS (SELECT 1 FROM allocations a
            WHERE a.payment_id = m.payment_id AND a.bill_id = m.bill_id AND a.undone_at IS NULL)
        WHEN 'bill_held' THEN EXISTS (SELECT 1 FROM bill_holds h WHERE h.bill_id = m.bill_id AND h.released_at IS NULL)
        WHEN 'payment_returned' THEN p.state = 'returned'
        ELSE false END
    FROM messages m LEFT JOIN bills b ON b.id = m.bill_id LEFT JOIN payments p ON p.id = m.payment_id WHERE m.id = :id
"""  # noqa: S608
_AGAIN = """
    INSERT INTO messages (event_key, version, event, customer_id, bill_id, payment_id, facts, not_after, created_at,
        reason, resent_of)
    SELECT m.event_key, 1 + (SELECT max(o.version) FROM messages o WHERE o.event_key = m.event_key), m.event,
        m.customer_id, m.bill_id, m.payment_id, m.facts,
        CASE m.event WHEN 'before_debit' THEN m.not_after ELSE :not_after END, :now, :why, m.id
    FROM messages m JOIN customers c ON c.id = m.customer_id
    WHERE m.id = :id AND c.consent AND c.msisdn_sealed IS NOT NULL AND m.event <> ALL(c.refused)
    RETURNING id
"""


class NotSaid(Exception):
    """What a person said of a message does not fit it; the code tells why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def unsure(session: Session, *, now: datetime) -> int:
    """Return how many messages nobody has become sure of for a while."""
    counting = text("SELECT count(*) FROM messages WHERE state = 'unsure' AND coalesce(asked_at, created_at) < :since")
    return session.scalar(counting, {"since": now - A_WHILE}) or 0


def resolve(session: Session, message_id: int, *, arrived: bool, by: str, why: str, now: datetime) -> None:
    """Record a person's word on an unsure message: it arrived, or it did not and may be sent again.

    Raises NotSaid: "no_reason", "gone" for no such message, "not_unsure" for one that something else has settled,
    "being_asked" while its carrier is being asked again.
    """
    message = _of(session, message_id, why)
    if message.state != "unsure":
        raise NotSaid("not_unsure")
    if message.lease_until is not None and message.lease_until > now:
        raise NotSaid("being_asked")
    if arrived:
        # It left when its carrier was asked, whatever was heard of it since.
        session.execute(
            text("UPDATE messages SET sent_at = coalesce(sent_at, asked_at), provider = coalesce(provider, carrier)"
                 " WHERE id = :id"), {"id": message_id},
        )  # fmt: skip
    move(session, MESSAGE, [message_id], "delivered" if arrived else "failed", by=by, why=why, now=now)
    facts = {"arrived": arrived, "why": why}
    audit.append(session, actor=by, action="message.resolved", subject=f"message:{message_id}", facts=facts, now=now)


def send_again(session: Session, message_id: int, *, by: str, why: str, now: datetime) -> int:
    """Promise a message anew as another version, on a person's word; return the new one's id.

    Raises NotSaid: "no_reason", "gone", "not_over" while its fate is open, "waiting" when one that is newer is under
    way, "untrue" for what is no longer so, "late" for a notice whose debit has begun, "not_to_be_told" for a customer
    who said no or has no number, "code" for one with a one-time code.
    """
    message = _of(session, message_id, why)
    if message.event == "mandate_code":
        raise NotSaid("code")
    if message.state not in AGAIN:
        raise NotSaid("not_over")
    open_one = text(
        "SELECT 1 FROM messages WHERE event_key = :key AND state IN ('queued', 'sending', 'unsure') FOR UPDATE"
    )
    if session.scalar(open_one, {"key": message.event_key}):
        raise NotSaid("waiting")
    if not session.scalar(text(_STILL_TRUE), {"id": message_id}):
        raise NotSaid("untrue")
    if message.event == "before_debit" and message.not_after <= now:
        raise NotSaid("late")
    values = {"id": message_id, "not_after": now + CONFIRM_WITHIN, "now": now, "why": f"sent again: {why}"}
    made: int | None = session.scalar(text(_AGAIN), values)
    if made is None:
        raise NotSaid("not_to_be_told")
    facts = {"as": made, "why": why}
    audit.append(session, actor=by, action="message.sent_again", subject=f"message:{message_id}", facts=facts, now=now)
    return made


def _of(session: Session, message_id: int, why: str) -> Message:
    if not why:
        raise NotSaid("no_reason")
    message = session.get(Message, message_id, with_for_update=True)
    if message is None:
        raise NotSaid("gone")
    return message
