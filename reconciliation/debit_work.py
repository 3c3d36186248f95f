"""Debit work: whether anything waits to be sent, followed, handed over or asked after."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import debit_sending
from reconciliation.debit_asking import SETTLED

_WAITS = f"""
    SELECT EXISTS (SELECT 1 FROM debit_news)
        OR EXISTS (SELECT 1 FROM reopened_bills)
        OR EXISTS ({SETTLED})
        OR EXISTS (SELECT 1 FROM debit_files WHERE state = 'claimed' AND (not_before IS NULL OR not_before <= :now))
        OR EXISTS (SELECT 1 FROM debits WHERE ask_at <= :now)
        OR EXISTS (SELECT 1 FROM debit_recalls r JOIN debits d ON d.id = r.debit_id
                   JOIN debit_files f ON f.id = d.file_id
                   WHERE r.state = 'wanted' AND r.file_id IS NULL AND f.state = 'handed')
"""  # noqa: S608 - put together from constants


def is_waiting(session: Session, leads: Mapping[str, timedelta], *, now: datetime) -> bool:
    """Tell whether there is something to do; `leads` are how long before its day each bank's debits may leave."""
    if session.scalar(text(_WAITS), {"now": now}):
        return True
    return any(debit_sending.due(session, bank, lead=lead, now=now) for bank, lead in leads.items())
