"""Rivals: several payments that claim one bill; who settles it never depends on which was heard first.

A payment proven by a code comes before one that only fits a customer's amount, then the earlier paid comes first. When
a payment that comes first is heard last, what was settled after it is undone by reversing entries and settled anew.
What a person settled stays.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import business_days, ledger

GUESSES = "('customer_amount', 'customer_all', 'customer_oldest', 'customer_subset', 'customer_part', 'named_sum')"
"""The rules, as an SQL list, of what names no single bill: it gives way to whatever is proven."""

_TURN = """
    ({claim}.rule IN {guesses}),
    coalesce(p.paid_at, p.business_date\\:\\:timestamp AT TIME ZONE 'Asia/Ho_Chi_Minh'), p.source,
    coalesce(nullif(p.bank_reference, ''), p.source_reference), p.id
"""


def turn(claim: str) -> str:
    """Return the SQL order in which payments `p` settle a bill; `claim` is the alias whose `rule` proves them."""
    return _TURN.format(claim=claim, guesses=GUESSES)


_UNDONE = """
    SELECT 'allocation:' || a.id || '/undone' AS key, p.source AS bank, CAST(:day AS date) AS business_date,
        'undone: ' || a.undone_why AS memo, 'receivable' AS debit, 'suspense' AS credit, a.minor, p.currency,
        CAST(:now AS timestamptz) AS at
    FROM allocations a JOIN payments p ON p.id = a.payment_id WHERE a.id = ANY(:ids)
"""


def undo(
    session: Session,
    allocation_ids: Sequence[int],
    *,
    by: str,
    why: str,
    now: datetime,
    barring: Sequence[int] | None = None,
) -> dict[int, set[int]]:
    """Undo the live ones of these allocations by reversing entries; return payment id → bill ids set free.

    Given `barring` (empty or not), matching may not make them again, save those of the bills in it.
    """
    if not allocation_ids:
        return {}
    rows = session.execute(
        text(
            """
            UPDATE allocations SET undone_at = :now, undone_by = :by, undone_why = :why,
                barred = :bars AND bill_id <> ALL(:but)
            WHERE id = ANY(:ids) AND undone_at IS NULL RETURNING id, payment_id, bill_id
            """
        ),
        {
            "ids": sorted(allocation_ids),
            "now": now,
            "by": by,
            "why": why,
            "bars": barring is not None,
            "but": list(barring or ()),
        },
    ).all()
    ledger.post(session, _UNDONE, {"ids": [row.id for row in rows], "now": now, "day": business_days.local_day(now)})
    freed: dict[int, set[int]] = {}
    for row in rows:
        freed.setdefault(row.payment_id, set()).add(row.bill_id)
    return freed


# Evidence may grow: a callback told a code, the statement's line of the same transaction tells another one. A guess
# whose payment names one bill, known or not, is no guess any more.
_DOUBTED = f"""
    SELECT a.id FROM allocations a JOIN decisions d ON d.payment_id = a.payment_id JOIN bills b ON b.id = a.bill_id
    LEFT JOIN bills w ON w.id = d.bill_id
    WHERE a.payment_id = ANY(:ids) AND a.undone_at IS NULL AND a.by = 'matching'
      AND d.verdict NOT IN ('denied', 'reversal')
      AND CASE WHEN a.rule IN {GUESSES} THEN d.verdict <> 'guess'
               ELSE d.verdict <> 'match' OR w.number <> b.number END
"""  # noqa: S608 - put together from constants


def undo_doubted(session: Session, payment_ids: Sequence[int], *, now: datetime) -> set[int]:
    """Undo what matching settled and the decisions of `payment_ids` no longer say; return the bills set free."""
    doubted = session.scalars(text(_DOUBTED), {"ids": list(payment_ids)}).all()
    freed = undo(session, doubted, by="matching", why="later evidence names another bill or customer", now=now)
    return set[int]().union(*freed.values())


_CLAIMED = """
    SELECT bill_id FROM decisions WHERE verdict = 'match' UNION SELECT unnest(CAST(:vacated AS bigint[]))
    UNION SELECT bill_id FROM allocations WHERE payment_id = ANY(:ids) AND undone_at IS NULL AND by = 'matching'
"""

# Bill by bill through its index (OFFSET keeps it so): within a large load no statistics tell how many there are.
_SETTLED = """claimed CROSS JOIN LATERAL (
            SELECT * FROM allocations s WHERE s.bill_id = claimed.bill_id AND s.undone_at IS NULL AND s.by = 'matching'
            OFFSET 0
        ) a"""

_RIVALS = f"""
    WITH claimed AS MATERIALIZED ({_CLAIMED}), rivals AS (
        SELECT a.payment_id FROM {_SETTLED}
        UNION
        SELECT m.payment_id FROM mismatches m JOIN claimed USING (bill_id)
        WHERE m.state <> 'resolved' AND m.subject = 'payment:' || m.payment_id
    )
    SELECT payment_id FROM rivals EXCEPT SELECT unnest(CAST(:ids AS bigint[])) ORDER BY 1
"""  # noqa: S608 - put together from this module's own constants


def of(session: Session, payment_ids: Sequence[int], vacated: set[int]) -> list[int]:
    """Return the other payments that settle, or wait for, a bill that the decisions of `payment_ids` are about."""
    return list(session.scalars(text(_RIVALS), {"ids": list(payment_ids), "vacated": sorted(vacated)}))


_AT = """
    SELECT payment_id FROM allocations WHERE bill_id = ANY(:bills) AND undone_at IS NULL
    UNION SELECT payment_id FROM mismatches
        WHERE bill_id = ANY(:bills) AND state <> 'resolved' AND subject = 'payment:' || payment_id
"""


def at(session: Session, bill_ids: Sequence[int]) -> list[int]:
    """Return the payments that settle part of these bills or wait for one of them."""
    return list(session.scalars(text(_AT), {"bills": list(bill_ids)}))


# `could` is what a payment has for the bill, `room` what the bill has for matching, `before` what comes first.
_OUT_OF_TURN = f"""
    WITH claimed AS MATERIALIZED ({_CLAIMED}), claims AS (
        SELECT a.bill_id, a.payment_id, a.rule, a.id AS allocation_id, a.minor AS held
        FROM {_SETTLED}
        UNION ALL
        SELECT d.bill_id, d.payment_id, d.rule, NULL, 0 FROM decisions d
        WHERE d.verdict = 'match' AND NOT EXISTS (
            SELECT 1 FROM allocations a
            WHERE a.payment_id = d.payment_id AND a.bill_id = d.bill_id AND a.undone_at IS NULL)
    ), weighed AS (
        SELECT c.*, p.minor - p.matched_minor + c.held AS could,
            b.minor - b.paid_minor + sum(c.held) OVER (PARTITION BY c.bill_id) AS room,
            row_number() OVER (PARTITION BY c.bill_id ORDER BY {turn("c")}) AS turn
        FROM claims c JOIN payments p ON p.id = c.payment_id JOIN bills b ON b.id = c.bill_id
    ), fair AS (
        SELECT w.*, greatest(0, least(could, room - coalesce(sum(could) OVER (
            PARTITION BY bill_id ORDER BY turn ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0))) AS share
        FROM weighed w
    )
    SELECT allocation_id FROM fair WHERE allocation_id IS NOT NULL AND held <> share
"""  # noqa: S608 - put together from this module's own constants

_DECIDED_AS_BEFORE = f"""
    INSERT INTO decisions (payment_id, bill_id, rule, quoted, verdict)
    SELECT payment_id, bill_id, rule, quoted, 'match' FROM allocations
    WHERE id = ANY(:undone) AND rule NOT IN {GUESSES} ORDER BY payment_id, id
    ON CONFLICT (payment_id) DO NOTHING
"""  # noqa: S608 - put together from constants


def make_room(session: Session, payment_ids: Sequence[int], vacated: set[int], *, now: datetime) -> set[int]:
    """Undo what stands out of turn on the bills being decided, so that it is settled anew; return the bills."""
    found = session.scalars(text(_OUT_OF_TURN), {"ids": list(payment_ids), "vacated": sorted(vacated)}).all()
    if not found:
        return set()
    freed = undo(session, found, by="matching", why="a payment that comes first was heard later", now=now)
    session.execute(text(_DECIDED_AS_BEFORE), {"undone": list(found)})
    return set[int]().union(*freed.values())
