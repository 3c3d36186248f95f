"""Late recognitions: what a callback and a line tell of one transaction, known for one as their bill is issued.

Where one of them bears no reference, the bill that both name joins them, and a bill's number names nothing before there
is that bill: until then they are two payments. Then the line counts for what the callback told, by new entries, and the
payment that stood for the line alone counts for nothing, as if the bill had been there all along.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import business_days, denials, ledger, pairing, references
from reconciliation.lifecycle import PAYMENT_UNDONE, move

ENTRY = "'line:' || l.id || '/recognised'"
"""The key, in SQL, of the entry by which line `l` counts for what a callback told."""
_BY = "pairing"
_SAME = "the same transaction as a callback told, known by the bill that both name"

# As in the rounds of pairing: the same bill and amount, references that don't contradict, equal ones counted off.
_SAME_TRANSACTION = f"""
    WITH concerned AS MATERIALIZED (
        SELECT * FROM payments WHERE id = ANY(:ids) AND NOT reversal AND quoted <> '{{}}'
    ), named AS ({references.naming_one_bill("id", "SELECT id, quoted FROM concerned")}
    ), told AS (
        SELECT p.id, source, bill, minor, currency,
            row_number() OVER (PARTITION BY source, bill, minor, currency ORDER BY p.id) AS turn
        FROM concerned p JOIN named USING (id)
        WHERE source_reference NOT LIKE 'line:%' AND state = 'reported' AND confirmed_minor = 0 AND :callback_may
          AND NOT EXISTS (SELECT 1 FROM statement_lines k WHERE k.payment_id = p.id AND k.counts)
    ), shown AS (
        SELECT p.id, source, bill, p.minor, p.currency, l.id AS line_id, l.statement_id,
            row_number() OVER (PARTITION BY source, bill, p.minor, p.currency ORDER BY p.id) AS turn
        FROM concerned p JOIN named USING (id)
        JOIN statement_lines l ON p.source_reference = 'line:' || l.id AND l.payment_id = p.id
        WHERE p.state = 'confirmed' AND l.counts AND l.minor = p.minor AND :line_may
    )
    SELECT t.id AS told, s.id AS shown, s.line_id, s.statement_id
    FROM told t JOIN shown s USING (source, bill, minor, currency, turn) ORDER BY s.line_id
"""  # noqa: S608 - put together from constants
_ROUNDS = [
    _SAME_TRANSACTION.replace(":callback_may", told).replace(":line_may", shown)
    for told, shown in (("bank_reference = ''", "true"), ("true", "p.bank_reference = ''"))
]

_MAY_BE = """
    SELECT EXISTS (SELECT 1 FROM payments WHERE id = ANY(:ids) AND source_reference LIKE 'line:%' AND quoted <> '{}')
       AND EXISTS (SELECT 1 FROM payments WHERE id = ANY(:ids) AND source_reference NOT LIKE 'line:%'
                   AND state = 'reported' AND confirmed_minor = 0)
"""
_LOCK = "SELECT id FROM payments WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"
_COUNT_FOR = """
    UPDATE statement_lines l SET payment_id = w.told
    FROM unnest(CAST(:lines AS bigint[]), CAST(:told AS bigint[])) AS w (line_id, told) WHERE l.id = w.line_id
"""
_UNCONFIRM = "UPDATE payments SET confirmed_minor = 0 WHERE id = ANY(:shown)"

# The line was booked as money that nobody had told of: now it is what its bank still owed.
_BOOK = rf"""
    SELECT {ENTRY} AS key, p.source AS bank, CAST(:day AS date) AS business_date,
        p.source || ' ' || p.source_reference || ' is shown by this line' AS memo, 'suspense' AS debit,
        'bank\:' || p.source || '\:reported' AS credit, p.minor, p.currency, CAST(:now AS timestamptz) AS at
    FROM statement_lines l JOIN payments p ON p.id = l.payment_id WHERE l.id = ANY(:lines)
"""  # noqa: S608


def recognise(session: Session, payment_ids: Sequence[int], *, now: datetime) -> list[int]:
    """Let lines count for what callbacks told of the same transaction; return the payments to match anew.

    `payment_ids` name a bill that has just been issued; the caller holds the lock of bills, so that nobody pairs.
    """
    known: list[int] = []
    if session.scalar(text(_MAY_BE), {"ids": list(payment_ids)}):
        session.execute(text(_LOCK), {"ids": list(payment_ids)})
        for query in _ROUNDS:
            known += _join(session, session.execute(text(query), {"ids": list(payment_ids)}).all(), now)
    return known


def _join(session: Session, pairs: Sequence[Row[Any]], now: datetime) -> list[int]:
    if not pairs:
        return []
    told, shown = [row.told for row in pairs], [row.shown for row in pairs]
    values = {"lines": [row.line_id for row in pairs], "told": told, "shown": shown}
    session.execute(text(_UNCONFIRM), values)
    session.execute(text(_COUNT_FOR), values)
    move(session, PAYMENT_UNDONE, shown, "denied", by=_BY, why=_SAME, now=now)
    bills, _matches = denials.let_go(session, shown, by=_BY, why=_SAME, now=now)
    ledger.post(session, _BOOK, {**values, "now": now, "day": business_days.local_day(now)})
    for row in pairs:
        pairing.confirm_line(session, row.statement_id, row.line_id, now=now)
    denials.offer(session, bills, why=_SAME, now=now)
    return told
