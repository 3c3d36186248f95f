"""Guesses: payments that quote a customer and no bill; each settles the one bill of that customer it fits exactly.

A guess is weighed against what the bills lack once every payment proven by a code has settled, the earlier paid first,
and against bills issued by the day it was paid. So it never depends on what was heard first, and a bill issued next
month does not unsettle this month's. Where two bills fit, people decide, on that payment and on those after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import references, rivals

_HELD = "a.undone_at IS NULL AND a.by = 'matching' AND a.rule = 'customer_amount'"
"""A live allocation `a` that is a guess: it gives way to whatever is proven."""

_OPEN_TO_GUESSING = f"""
    p.currency = 'VND' AND p.state IN ('reported', 'confirmed') AND (
        p.matched_minor < p.minor OR EXISTS (SELECT 1 FROM allocations a WHERE a.payment_id = p.id AND {_HELD}))
    AND NOT EXISTS (SELECT 1 FROM unnest(p.quoted) AS code WHERE code ~ '{references.PAYMENT_CODE}')
    AND NOT EXISTS (SELECT 1 FROM bills o WHERE o.number = ANY(p.quoted) OR o.payment_code = ANY(p.quoted))
"""  # noqa: S608 - put together from constants, here and below

_CUSTOMERS = """
    SELECT customer_id FROM decisions WHERE verdict = 'guess' UNION
    SELECT customer_id FROM bills WHERE id = ANY(:bills)
"""

# Customer by customer through the index of codes (OFFSET keeps it so), instead of through all payments for each.
_GUESSING = f"""
    SELECT DISTINCT p.id, c.id AS customer_id
    FROM customers c CROSS JOIN LATERAL (SELECT * FROM payments q WHERE q.quoted @> ARRAY[c.code] OFFSET 0) p
    WHERE c.id = ANY(:customers) AND {_OPEN_TO_GUESSING} ORDER BY p.id
"""  # noqa: S608

_LOCK_BILLS = """
    SELECT count(*) FROM (
        SELECT id FROM bills WHERE customer_id = ANY(:customers) AND state IN ('open', 'part_paid', 'paid')
        ORDER BY id FOR UPDATE
    ) locked
"""

# Among the payments of one customer over one amount: `fitting` bills were issued by the day of each. One that finds
# one bill more than the one before it takes that bill; one that finds two more has a choice only people can make, and
# so have all after it; one that finds none more comes too late.
_WEIGH = f"""
    WITH guesses AS MATERIALIZED (
        SELECT d.payment_id, d.customer_id, d.rule, p.business_date, p.minor - coalesce((
                SELECT sum(a.minor) FROM allocations a
                WHERE a.payment_id = p.id AND a.undone_at IS NULL AND NOT ({_HELD})), 0) AS remaining,
            row_number() OVER (PARTITION BY d.customer_id ORDER BY {rivals.turn("d")}) AS turn
        FROM decisions d JOIN payments p ON p.id = d.payment_id WHERE d.verdict = 'guess'
    ), owed AS MATERIALIZED (
        SELECT b.id, b.customer_id, b.number, b.issued_on, b.minor - coalesce((
            SELECT sum(a.minor) FROM allocations a
            WHERE a.bill_id = b.id AND a.undone_at IS NULL AND NOT ({_HELD})), 0) AS owed
        FROM bills b
        WHERE b.customer_id IN (SELECT customer_id FROM guesses) AND b.state IN ('open', 'part_paid', 'paid')
    ), fitting AS (
        SELECT g.payment_id, g.customer_id, g.remaining, g.turn, count(b.id) AS bills,
            (array_agg(b.id ORDER BY b.issued_on DESC, b.id))[1] AS newest,
            string_agg(b.number, ', ' ORDER BY b.number) AS numbers
        FROM guesses g LEFT JOIN owed b ON b.customer_id = g.customer_id AND b.owed = g.remaining
            AND b.owed > 0 AND b.issued_on <= g.business_date
            AND NOT EXISTS (SELECT 1 FROM allocations a
                            WHERE a.payment_id = g.payment_id AND a.bill_id = b.id AND a.barred)
        GROUP BY 1, 2, 3, 4
    ), more AS (
        SELECT f.*, bills - lag(bills, 1, 0) OVER (PARTITION BY customer_id, remaining ORDER BY turn) AS more
        FROM fitting f
    ), weighed AS (
        SELECT m.*, max(more) OVER (PARTITION BY customer_id, remaining ORDER BY turn) AS most FROM more m
    )
    UPDATE decisions d SET
        verdict = CASE WHEN w.most > 1 THEN 'several_bills' WHEN w.more = 1 THEN 'match' ELSE 'other_amount' END,
        bill_id = CASE WHEN w.most = 1 AND w.more = 1 THEN w.newest END,
        rule = 'customer_amount',
        candidates = CASE WHEN w.most > 1 THEN w.numbers ELSE d.candidates END
    FROM weighed w WHERE w.payment_id = d.payment_id
"""  # noqa: S608

# The guesses weighed are all in `decisions`; whatever one of them holds that it does not fit is set free.
_MISFITS = f"""
    SELECT a.id FROM allocations a JOIN decisions d ON d.payment_id = a.payment_id JOIN bills b ON b.id = a.bill_id
    WHERE d.rule = 'customer_amount' AND {_HELD} AND (
        d.verdict <> 'match' OR d.bill_id <> a.bill_id OR a.minor <> b.minor - (
            SELECT coalesce(sum(o.minor), 0) FROM allocations o
            WHERE o.bill_id = a.bill_id AND o.undone_at IS NULL AND o.id <> a.id))
"""  # noqa: S608

_HOLDERS = """
    SELECT DISTINCT payment_id FROM allocations
    WHERE bill_id = ANY(:bills) AND undone_at IS NULL AND by = 'matching'
    EXCEPT SELECT payment_id FROM decisions ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Weighed:
    """The payments that were weighed anew, and the bills that one of them let go."""

    payments: list[int]
    freed: set[int]


def at_bills(session: Session, bill_ids: Sequence[int]) -> list[int]:
    """Return the payments that may be guesses at the customers of these bills: money left, or settled by a guess."""
    customers = session.scalars(
        text("SELECT DISTINCT customer_id FROM bills WHERE id = ANY(:bills)"), {"bills": list(bill_ids)}
    ).all()
    return _of(session, customers)


def _of(session: Session, customer_ids: Sequence[int]) -> list[int]:
    return [row.id for row in session.execute(text(_GUESSING), {"customers": list(customer_ids)})]


def gather(session: Session, bill_ids: set[int]) -> list[int]:
    """Lock the bills that the guesses in `decisions`, and those at `bill_ids`' customers, may be about.

    Return every payment that may be a guess at one of them: all are weighed together, or none is.
    """
    customers = list(session.scalars(text(_CUSTOMERS), {"bills": sorted(bill_ids)}))
    # Most customers have none. Whoever changes one of their bills meets this lock, or has met the guess already.
    guessing = session.execute(text(_GUESSING), {"customers": customers}).all()
    if not guessing:
        return []
    customers = sorted({row.customer_id for row in guessing})
    session.execute(text(_LOCK_BILLS), {"customers": customers})
    return _of(session, customers)


def weigh(session: Session, *, now: datetime) -> Weighed:
    """Decide every 'guess' in `decisions`, and undo those guesses that no longer fit; return what was touched."""
    payments = list(session.scalars(text("SELECT payment_id FROM decisions WHERE verdict = 'guess' ORDER BY 1")))
    if not payments:
        return Weighed([], set())
    session.execute(text(_WEIGH))
    misfits = session.scalars(text(_MISFITS)).all()
    freed = rivals.undo(session, misfits, by="matching", why="the customer's bills now say otherwise", now=now)
    return Weighed(payments, set[int]().union(*freed.values()))


def holders(session: Session, bill_ids: set[int]) -> list[int]:
    """Return the payments that settle part of these bills and have not been decided yet: they may be short now."""
    return list(session.scalars(text(_HOLDERS), {"bills": sorted(bill_ids)}))
