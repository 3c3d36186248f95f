"""Corrections: one transaction told with two amounts; which of them counts follows a rule, never the order heard.

The statement's amount wins over a callback's, and a callback's over a notice's. Of two callbacks the larger one counts
until the statement decides: nobody who may have paid is asked to pay again. The question stands in each case.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import business_days, ledger, placements, rivals

RANK = "({one}.currency = 'VND', {one}.currency, {one}.minor)"
"""What orders the amounts that callbacks tell of one transaction, the one that counts last; `one` is an alias."""

_KEY = "'payment:' || p.id || '/corrected by ' || w.cause"

_TAKEN_BACK = rf"""
    SELECT {_KEY} || '/out' AS key, p.source AS bank, CAST(:day AS date) AS business_date,
        p.source || ' ' || p.source_reference || ' was told with another amount' AS memo,
        'suspense' AS debit, 'bank\:' || p.source || '\:reported' AS credit, p.minor, p.currency,
        CAST(:now AS timestamptz) AS at
    FROM unnest(CAST(:ids AS bigint[]), CAST(:causes AS text[])) AS w (id, cause) JOIN payments p USING (id)
"""  # noqa: S608 - put together from constants, here and below

_TOLD_ANEW = rf"""
    SELECT {_KEY} || '/in' AS key, p.source AS bank, CAST(:day AS date) AS business_date,
        p.source || ' ' || p.source_reference || ' with the amount that counts' AS memo,
        'bank\:' || p.source || '\:reported' AS debit, 'suspense' AS credit, p.minor, p.currency,
        CAST(:now AS timestamptz) AS at
    FROM unnest(CAST(:ids AS bigint[]), CAST(:causes AS text[])) AS w (id, cause) JOIN payments p USING (id)
"""  # noqa: S608

# Its settlement was over another amount; what the payment still has is matched anew by whoever corrects it.
_OVER_SETTLED = """
    SELECT a.id FROM unnest(CAST(:ids AS bigint[]), CAST(:minors AS bigint[]), CAST(:currencies AS text[]))
        AS w (payment_id, minor, currency)
    JOIN payments p ON p.id = w.payment_id JOIN allocations a USING (payment_id)
    WHERE a.undone_at IS NULL AND (p.matched_minor > w.minor OR p.currency <> w.currency)
"""

# The database changes no amount but by this function, and only that of a payment no statement has confirmed.
_CORRECT = "SELECT correct_payments(:ids, :minors, :currencies)"

# A notice that told another amount proves nothing any more.
_UNLINK_NOTICES = """
    UPDATE statement_lines l SET payment_id = NULL, state = 'rejected', reason = 'a notice over another amount'
    FROM payments p
    WHERE l.payment_id = p.id AND p.id = ANY(:ids) AND NOT l.counts AND (l.minor, l.currency) <> (p.minor, p.currency)
"""


BEFORE_LINE = """
    SELECT p.id AS payment_id, CAST(m.facts->>'expected' AS bigint) AS minor, p.currency,
        'the undoing of line:' || m.line_id AS cause
    FROM mismatches m JOIN payments p ON p.id = m.payment_id
    WHERE {lines} AND {payments} AND m.code IN ('M03', 'M10')
      AND m.facts->>'verdict' = 'statement_differs' AND CAST(m.facts->>'expected' AS bigint) <> p.minor
"""
"""The amounts that stood before those of `lines` took their place, for `correct`; `m` asked about it, `p` has it."""


TOLD_OTHERWISE = """
    SELECT p.id AS payment_id, CAST(m.facts->>'arrived' AS bigint) AS minor, m.facts->>'currency' AS currency,
        'delivery:' || m.delivery_id AS cause
    FROM mismatches m JOIN payments p ON p.id = m.payment_id AND p.delivery_id = m.delivery_id
    WHERE p.id = ANY(:reported) AND p.origin = 'statement' AND m.code = 'M03' AND m.state <> 'resolved'
      AND m.subject = 'payment:' || p.id || '/amount' AND m.facts ? 'arrived' AND NOT m.facts ? 'verdict'
      AND (CAST(m.facts->>'arrived' AS bigint), m.facts->>'currency') <> (p.minor, p.currency)
"""
"""The amounts that callbacks told of payments which a line, gone by now, had shown before with another one."""


def correct(session: Session, wanted: str, values: Mapping[str, object], *, by: str, now: datetime) -> list[int]:
    """Give reported payments the amount that counts, by new entries; return their ids, to be matched anew.

    `wanted` is a query of payment_id, minor, currency and cause ("line:7"), a payment once; what settled more than
    the new amount is undone first. Payments that a statement has confirmed are never among them.
    """
    rows = session.execute(text(wanted), dict(values)).all()
    if not rows:
        return []
    corrected = [row.payment_id for row in rows]
    given = {
        "ids": corrected,
        "minors": [row.minor for row in rows],
        "currencies": [row.currency for row in rows],
        "causes": [row.cause for row in rows],
        "day": business_days.local_day(now),
        "now": now,
    }
    over = session.scalars(text(_OVER_SETTLED), given).all()
    why = "the transaction was told with another amount"
    rivals.undo(session, over, by=by, why=why, now=now)
    placements.lift(session, placements.of_payments(session, corrected), by=by, why=why, now=now)
    ledger.post(session, _TAKEN_BACK, given)
    session.execute(text(_CORRECT), given)
    ledger.post(session, _TOLD_ANEW, given)
    session.execute(text(_UNLINK_NOTICES), given)
    return corrected
