"""What customers are told of debits: the notice before one, that none is made after all, that a bill is looked at."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation.debit_days import DAY
from reconciliation.lifecycle import MESSAGE, move
from reconciliation.outbox import ABOUT_DEBITS, CONFIRM_WITHIN, OF_OWED_BILLS, OVER

_LAST_WORD = f"""(SELECT w.event FROM messages w WHERE w.bill_id = {{bill}}.id AND w.event IN {ABOUT_DEBITS}
        AND w.state NOT IN {OVER} ORDER BY w.id DESC LIMIT 1)"""  # noqa: S608 - put together from constants
"""What a bill's customer was told last of its debit, or is about to be."""

# Under a key of its own where the day is not the bill's own one: another day is another notice.
_NOTICE = f"""
    INSERT INTO messages (event_key, version, event, customer_id, bill_id, facts, not_after, created_at)
    SELECT told.key, greatest(b.version, 1 + (SELECT max(m.version) FROM messages m WHERE m.event_key = told.key)),
        'before_debit', c.id, b.id,
        jsonb_build_object('customer_code', c.code, 'period', b.period, 'kwh', b.kwh, 'amount', b.minor,
            'bank', b.bank, 'debit_on', due.day) || tried.facts,
        (due.day::timestamp AT TIME ZONE 'Asia/Ho_Chi_Minh'), :now
    FROM bills b JOIN customers c ON c.id = b.customer_id
    CROSS JOIN LATERAL (SELECT {DAY.format(bill="b")} AS day) due
    CROSS JOIN LATERAL (
        SELECT CASE WHEN max(d.charge_on) IS NULL THEN '{{}}' ELSE jsonb_build_object('tried_on', max(d.charge_on)) END
        FROM debits d WHERE d.bill_number = b.number AND d.state = 'rejected'
    ) AS tried (facts)
    CROSS JOIN LATERAL (SELECT 'bill:' || b.number || '/before'
        || CASE WHEN due.day = b.charge_on THEN '' ELSE '/' || due.day END AS key) told
    WHERE b.id = ANY(:ids) AND due.day IS NOT NULL AND b.bank <> '' AND b.state = 'open' AND b.paid_minor = 0
      AND c.consent AND c.msisdn_sealed IS NOT NULL AND 'before_debit' <> ALL(c.refused)
      AND NOT EXISTS (SELECT 1 FROM bill_holds h WHERE h.bill_id = b.id AND h.released_at IS NULL)
      AND NOT EXISTS (
        SELECT 1 FROM messages m WHERE m.bill_id = b.id AND m.event = 'before_debit'
            AND m.facts->>'debit_on' = CAST(due.day AS text) AND (m.state <> 'withdrawn' OR m.not_after <= :now)
            AND NOT EXISTS (SELECT 1 FROM messages l WHERE l.bill_id = b.id AND l.id > m.id
                AND l.event IN {ABOUT_DEBITS} AND l.state NOT IN {OVER}
                AND l.facts->>'debit_on' IS DISTINCT FROM m.facts->>'debit_on'))
    ORDER BY b.id
    ON CONFLICT (event_key, version) DO NOTHING
"""  # noqa: S608 - put together from constants


# Once per version of a bill that looks abnormal: its customer need not wonder why no notice comes.
_HELD = """
    INSERT INTO messages (event_key, version, event, customer_id, bill_id, facts, not_after, created_at)
    SELECT told.key, greatest(b.version, 1 + (SELECT max(m.version) FROM messages m WHERE m.event_key = told.key)),
        'bill_held', c.id, b.id,
        jsonb_build_object('customer_code', c.code, 'period', b.period, 'kwh', b.kwh, 'amount', b.minor),
        :not_after, :now
    FROM bills b JOIN customers c ON c.id = b.customer_id
    CROSS JOIN LATERAL (SELECT 'bill:' || b.number || '/held' AS key) told
    WHERE b.id = ANY(:ids) AND b.state = 'open' AND b.paid_minor = 0 AND c.consent AND c.msisdn_sealed IS NOT NULL
      AND 'bill_held' <> ALL(c.refused)
    ORDER BY b.id
    ON CONFLICT (event_key, version) DO NOTHING
"""

# Once for each debit that was announced: whoever was told so last is not told again.
_FAILED = f"""
    INSERT INTO messages (event_key, version, event, customer_id, bill_id, facts, not_after, created_at)
    SELECT told.key, 1 + coalesce((SELECT max(m.version) FROM messages m WHERE m.event_key = told.key), 0),
        'debit_failed', c.id, b.id,
        jsonb_build_object('customer_code', c.code, 'period', b.period, 'amount', b.minor, 'bank', b.bank,
            'due_on', b.due_on),
        :not_after, :now
    FROM bills b JOIN customers c ON c.id = b.customer_id
    CROSS JOIN LATERAL (SELECT 'bill:' || b.number || '/not-debited' AS key) told
    WHERE b.id = ANY(:ids) AND b.state = 'open' AND b.paid_minor = 0 AND c.consent AND c.msisdn_sealed IS NOT NULL
      AND 'debit_failed' <> ALL(c.refused) AND {_LAST_WORD.format(bill="b")} IS DISTINCT FROM 'debit_failed'
    ORDER BY b.id
    ON CONFLICT (event_key, version) DO NOTHING
"""  # noqa: S608
_QUEUED = "SELECT id FROM messages WHERE bill_id = ANY(:ids) AND event = ANY(:events) AND state = 'queued'"


def promise_notices(session: Session, bill_ids: list[int], *, now: datetime) -> None:
    """Promise the notice before the debit; it expires when the day of the debit begins.

    Once per version of a bill and day of its debit, and once more when one that never left was taken back and the bill
    is owed again, or when something else was said since. Nobody is told of a bill that is held.
    """
    if bill_ids:
        session.execute(text(_NOTICE), {"ids": bill_ids, "now": now})


def promise_held(session: Session, bill_ids: Sequence[int], *, now: datetime) -> None:
    """Promise one word that these bills, which look abnormal, are looked at before they are debited."""
    if bill_ids:
        session.execute(text(_HELD), {"ids": list(bill_ids), "not_after": now + CONFIRM_WITHIN, "now": now})


def withdraw_held(session: Session, bill_ids: Sequence[int], *, now: datetime) -> None:
    """Take back words not yet sent on bills that were held: they are released."""
    _withdraw(session, bill_ids, ("bill_held",), why="the bill was released", now=now)


def promise_failed(session: Session, bill_ids: Sequence[int], *, now: datetime) -> None:
    """Promise one word that these bills are not debited after all, so that their customers pay in another way.

    A notice of theirs that has not left does not leave any more.
    """
    if bill_ids:
        _withdraw(session, bill_ids, ("before_debit",), why="the bill is not debited", now=now)
        session.execute(text(_FAILED), {"ids": list(bill_ids), "not_after": now + CONFIRM_WITHIN, "now": now})


def withdraw_notices(session: Session, bill_ids: list[int], *, why: str, now: datetime) -> None:
    """Take back words not yet sent on debits of these bills: nobody is dunned for one that is paid or replaced."""
    _withdraw(session, bill_ids, OF_OWED_BILLS, why=why, now=now)


def _withdraw(session: Session, bill_ids: Sequence[int], events: Sequence[str], *, why: str, now: datetime) -> None:
    if not bill_ids:
        return
    waiting = session.scalars(text(_QUEUED), {"ids": list(bill_ids), "events": list(events)})
    move(session, MESSAGE, waiting, "withdrawn", by="outbox", why=why, now=now)
