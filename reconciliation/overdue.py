"""Overdue bills: their customers are reminded once, where nothing is under way that may pay them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation.business_days import local_day
from reconciliation.debit_choice import CLAIMED
from reconciliation.debit_days import DAY
from reconciliation.debits import LIVE
from reconciliation.outbox import CONFIRM_WITHIN

_AT_ONCE = 5_000
_LATEST = 14
"""Days after the day of its reminder from which a bill is no longer new to anybody: none is sent then."""

# Nobody is dunned who may have paid: no debit may come or is being carried out, no money waits that names the bill, no
# question about it is open, and nobody holds it.
_DUE = f"""
    WITH claimed AS MATERIALIZED ({CLAIMED})
    SELECT b.id FROM owed_bills o JOIN bills b ON b.id = o.bill_id AND b.state = 'open' AND b.paid_minor = 0
    JOIN customers c ON c.id = b.customer_id AND c.consent AND c.msisdn_sealed IS NOT NULL
        AND 'overdue' <> ALL(c.refused)
    WHERE b.due_on <= :latest AND b.due_on > :earliest AND coalesce({DAY.format(bill="b")} < :today, true)
      AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.bill_id = b.id AND m.event = 'overdue')
      AND NOT EXISTS (SELECT 1 FROM debits d WHERE d.bill_number = b.number AND d.{LIVE})
      AND NOT EXISTS (SELECT 1 FROM bill_holds h WHERE h.bill_id = b.id AND h.released_at IS NULL)
      AND NOT EXISTS (SELECT 1 FROM mismatches q WHERE q.bill_id = b.id AND q.state <> 'resolved' AND q.code <> 'M17')
      AND b.payment_code NOT IN (SELECT code FROM claimed) AND b.number NOT IN (SELECT code FROM claimed)
    ORDER BY b.id LIMIT {_AT_ONCE}
"""  # noqa: S608 - put together from constants
_REMIND = """
    INSERT INTO messages (event_key, version, event, customer_id, bill_id, facts, not_after, created_at)
    SELECT told.key, 1 + coalesce((SELECT max(m.version) FROM messages m WHERE m.event_key = told.key), 0),
        'overdue', c.id, b.id,
        jsonb_build_object('customer_code', c.code, 'period', b.period, 'amount', b.minor, 'due_on', b.due_on),
        :not_after, :now
    FROM bills b JOIN customers c ON c.id = b.customer_id
    CROSS JOIN LATERAL (SELECT 'bill:' || b.number || '/overdue' AS key) told
    WHERE b.id = ANY(:ids) ORDER BY b.id
    ON CONFLICT (event_key, version) DO NOTHING RETURNING bill_id
"""


def remind(session: Session, *, days: int, now: datetime) -> Sequence[int]:
    """Promise a reminder of bills due since `days` days, some thousands at a time; return those of which it is new."""
    today = local_day(now)
    latest = today - timedelta(days=days)
    asked = {"today": today, "latest": latest, "earliest": latest - timedelta(days=_LATEST)}
    due = session.scalars(text(_DUE), asked).all()
    if not due:
        return []
    return session.scalars(text(_REMIND), {"ids": list(due), "not_after": now + CONFIRM_WITHIN, "now": now}).all()
