"""Guesses: payments that name customers, or several bills, and no single bill; the amount tells which bills they pay.

A guess is weighed against what the bills lack once every payment proven by a code has settled: those that name bills
first, then the earlier paid; and against bills issued by the day it was paid. So it never depends on what was heard
first, and a bill issued next month does not unsettle this month's. All guesses at the customers that one of them names
are weighed together.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import deciding, explaining, misread, policies, rivals
from reconciliation.explaining import Explained, Named, Owed

_HELD = f"a.undone_at IS NULL AND a.by = 'matching' AND a.rule IN {rivals.GUESSES}"
"""A live allocation `a` that is a guess: it gives way to whatever is proven."""

_OF_PAYMENTS = f"""
    WITH codes AS MATERIALIZED (
        SELECT DISTINCT {misread.code("one")} AS code FROM payments p, unnest(p.quoted) AS q (one)
        WHERE p.id = ANY(:payments)
    )
    SELECT k.id FROM codes JOIN customers k USING (code)
    UNION SELECT b.customer_id FROM codes JOIN bills b ON b.number = code
    UNION SELECT b.customer_id FROM codes JOIN bills b ON b.payment_code = code
    UNION SELECT b.customer_id FROM payments p JOIN bills b ON b.end_to_end_id = p.end_to_end_id
    WHERE p.id = ANY(:payments) AND p.end_to_end_id <> ''
"""  # noqa: S608 - put together from constants, here and below
_OF_BILLS = "SELECT DISTINCT customer_id FROM bills WHERE id = ANY(:bills)"
_GUESSED = "SELECT payment_id FROM decisions WHERE verdict = 'guess' ORDER BY 1"

# Read through their index, code by code: joined any other way, all payments are read for each piece of a statement.
# Those with money left, or that hold a guess; whether they are guesses indeed is for the decision to say.
_GUESSING = f"""
    WITH codes AS MATERIALIZED (
        SELECT code FROM customers WHERE id = ANY(:customers)
        UNION SELECT unnest(ARRAY[number, payment_code]) FROM bills WHERE id = ANY(:bills)
        UNION SELECT unnest(ARRAY[number, payment_code]) FROM bills
        WHERE :thorough AND customer_id = ANY(:customers) AND state IN ('open', 'part_paid', 'paid')
    ), quoting AS MATERIALIZED (
        SELECT p.* FROM codes c CROSS JOIN LATERAL (
            SELECT id, matched_minor < minor AS has_left FROM payments
            WHERE quoted && ARRAY[c.code, '{misread.MARK}' || c.code]
              AND currency = 'VND' AND state IN ('reported', 'confirmed') OFFSET 0
        ) p
    )
    SELECT DISTINCT id FROM quoting p
    WHERE has_left OR EXISTS (SELECT 1 FROM allocations a WHERE a.payment_id = p.id AND {_HELD} OFFSET 0)
    ORDER BY id
"""  # noqa: S608

_LOCK_BILLS = """
    SELECT count(*) FROM (
        SELECT id FROM bills WHERE customer_id = ANY(:customers) AND state IN ('open', 'part_paid', 'paid')
        ORDER BY id FOR UPDATE
    ) locked
"""

_NAMED = f"""
    SELECT d.payment_id, coalesce(d.bills, '{{}}') AS bills, d.customers, p.business_date,
        p.minor - p.matched_minor + coalesce((SELECT sum(a.minor)\\:\\:bigint FROM allocations a
            WHERE a.payment_id = p.id AND {_HELD}), 0) AS minor,
        ARRAY(SELECT a.bill_id FROM allocations a
            WHERE a.payment_id = p.id AND (a.barred OR (a.undone_at IS NULL AND NOT ({_HELD})))) AS taboo
    FROM decisions d JOIN payments p ON p.id = d.payment_id WHERE d.verdict = 'guess'
    ORDER BY d.rule IS NULL, {rivals.turn("d")}
"""  # noqa: S608
_OWED = f"""
    SELECT b.id, b.customer_id, b.number, b.issued_on, b.minor - b.paid_minor + coalesce((
        SELECT sum(a.minor)\\:\\:bigint FROM allocations a WHERE a.bill_id = b.id AND {_HELD}), 0) AS owed
    FROM bills b
    WHERE b.state IN ('open', 'part_paid', 'paid') AND (b.customer_id = ANY(:customers) OR b.id = ANY(:bills))
"""  # noqa: S608

_SHARES = """
    CREATE TEMP TABLE IF NOT EXISTS shares (
        payment_id bigint, bill_id bigint, minor bigint, rule text, quoted text, evidence text, beaten jsonb,
        PRIMARY KEY (payment_id, bill_id)
    )
"""
_WEIGHED = """
    UPDATE decisions d SET verdict = coalesce(w.verdict, d.otherwise), rule = w.rule,
        bill_id = coalesce(w.bill_id, CASE WHEN w.rule IS NULL THEN d.bill_id END),
        candidates = coalesce(w.candidates, d.candidates), choices = w.choices
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (
        payment_id bigint, verdict text, bill_id bigint, rule text, candidates text, choices jsonb)
    WHERE w.payment_id = d.payment_id
"""
_SHARED = """
    INSERT INTO shares
    SELECT s.payment_id, s.bill_id, s.minor, s.rule, d.quoted,
        replace(s.evidence, '{quoted}', coalesce(d.quoted, '')), s.beaten
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS s (
        payment_id bigint, bill_id bigint, minor bigint, rule text, evidence text, beaten jsonb)
    JOIN decisions d USING (payment_id)
"""

# The guesses weighed are all in `decisions`; whatever one of them holds that it does not come to is set free.
_MISFITS = f"""
    SELECT a.id FROM allocations a LEFT JOIN shares s USING (payment_id, bill_id)
    WHERE a.payment_id = ANY(:payments) AND {_HELD} AND s.minor IS DISTINCT FROM a.minor
"""  # noqa: S608

_SETTLE = """
    INSERT INTO allocations (payment_id, bill_id, minor, rule, quoted, evidence, beaten, by, at)
    SELECT payment_id, bill_id, minor, rule, quoted, evidence, beaten, 'matching', :now FROM shares s
    WHERE NOT EXISTS (SELECT 1 FROM allocations a
                      WHERE a.payment_id = s.payment_id AND a.bill_id = s.bill_id AND a.undone_at IS NULL)
    ORDER BY payment_id, bill_id
    RETURNING id, payment_id, bill_id
"""

_HOLDERS = """
    SELECT DISTINCT payment_id FROM allocations
    WHERE bill_id = ANY(:bills) AND undone_at IS NULL AND by = 'matching'
    EXCEPT SELECT payment_id FROM decisions ORDER BY 1
"""

_EVIDENCE = {
    "customer_amount": "The customer code {quoted} is quoted, and bill {number} is that customer's only open bill over"
    " exactly this amount",
    "customer_all": "The customer code {quoted} is quoted, and the amount is all that customer owes: {shares}",
    "customer_oldest": "The customer code {quoted} is quoted, and the amount is what the oldest bills of that customer"
    " come to: {shares}",
    "customer_subset": "The customer code {quoted} is quoted, and of that customer's open bills only these add up to"
    " the amount: {shares}",
    "customer_part": "The customer code {quoted} is quoted; the oldest bills of that customer are paid first: {shares}",
    "named_sum": "The codes {quoted} are quoted, and the amount is the sum of what they name: {shares}",
}


@dataclass(frozen=True, slots=True)
class Weighed:
    """The payments that were weighed anew, and the bills that one of them let go."""

    payments: list[int]
    freed: set[int]


def at_bills(session: Session, bill_ids: Sequence[int]) -> list[int]:
    """Return the payments that may be guesses at the customers of these bills: money left, or settled by a guess."""
    customers = session.scalars(text(_OF_BILLS), {"bills": list(bill_ids)}).all()
    return _guessing(session, customers, bill_ids)


def _guessing(
    session: Session, customers: Iterable[int], bills: Iterable[int] = (), *, thorough: bool = False
) -> list[int]:
    values = {"customers": sorted(customers), "bills": sorted(bills), "thorough": thorough}
    return list(session.scalars(text(_GUESSING), values).all())


def gather(session: Session, bill_ids: set[int], decided: set[int]) -> list[int]:
    """Lock the bills that the guesses in `decisions`, and those at `bill_ids`' customers, may be about.

    Return every payment that is a guess at one of them: all are weighed together, or none is. Those not `decided` by
    their batch are decided by what is known before the locks: most name one bill, and for them nobody waits.
    """
    guessed = list(session.scalars(text(_GUESSED)).all())
    places = set(session.scalars(text(_OF_BILLS), {"bills": sorted(bill_ids)}))
    # Most customers have none. Whoever changes one of their bills meets this lock, or has met the guess already.
    found = {*guessed, *deciding.guesses_among(session, _guessing(session, places, bill_ids), decided)}
    locked: set[int] = set()
    while found:
        # One payment may name several customers, and so tie their guesses together.
        customers = set(session.scalars(text(_OF_PAYMENTS), {"payments": sorted(found)}))
        if customers <= locked:
            break
        session.execute(text(_LOCK_BILLS), {"customers": sorted(customers)})
        locked |= customers
        found.update(deciding.guesses_among(session, _guessing(session, locked, thorough=True), decided))
    return sorted(found)


def weigh(session: Session, *, now: datetime) -> Weighed:
    """Decide every 'guess' in `decisions`, and undo those guesses that no longer fit; return what was touched."""
    session.execute(text(_SHARES))
    session.execute(text("DELETE FROM shares"))
    rows = session.execute(text(_NAMED)).all()
    if not rows:
        return Weighed([], set())
    named = [
        Named(row.payment_id, row.minor, row.business_date, row.bills, row.customers, frozenset(row.taboo))
        for row in rows
    ]
    values = {
        "customers": sorted({one for each in named for one in each.customers}),
        "bills": sorted({one for each in named for one in each.bills}),
    }
    owed = [Owed(*row) for row in session.execute(text(_OWED), values)]
    explained = explaining.explain(named, owed, policies.chosen(session))
    _write(session, explained)
    payments = sorted(explained)
    misfits = session.scalars(text(_MISFITS), {"payments": payments}).all()
    freed = rivals.undo(session, misfits, by="matching", why="the customer's bills now say otherwise", now=now)
    return Weighed(payments, set[int]().union(*freed.values()))


def settle(session: Session, *, now: datetime) -> Sequence[Row[tuple[int, int, int]]]:
    """Settle what the weighed guesses came to; return the new allocations as rows of id, payment_id and bill_id."""
    return session.execute(text(_SETTLE), {"now": now}).all()


def holders(session: Session, bill_ids: set[int]) -> list[int]:
    """Return the payments that settle part of these bills and have not been decided yet: they may be short now."""
    return list(session.scalars(text(_HOLDERS), {"bills": sorted(bill_ids)}))


def _write(session: Session, explained: Mapping[int, Explained]) -> None:
    decided, shared = [], []
    for payment_id, one in explained.items():
        short = [bill for bill, minor in one.shares if minor < bill.minor]
        alone = one.shares[0][0] if len(one.shares) == 1 else None
        row: dict[str, object] = {"payment_id": payment_id, "rule": one.rule or None}
        if one.rule:
            about = short[0] if short else alone
            row |= {"verdict": "match", "bill_id": about.bill_id if about else None}
        elif one.choices:
            numbers = dict.fromkeys(bill.number for choice in one.choices for bill in choice)
            row |= {"verdict": "several_bills", "candidates": ", ".join(sorted(numbers))}
            row["choices"] = [
                [{"bill": bill.number, "minor": bill.minor} for bill in choice] for choice in dict.fromkeys(one.choices)
            ]
        decided.append(row)
        beaten = [{"bill": bill.number, "owed": bill.minor, "why": "amount"} for bill in one.beaten]
        shared += [
            {"payment_id": payment_id, "bill_id": bill.bill_id, "minor": minor, "rule": one.rule,
             "evidence": _evidence(one, bill), "beaten": beaten}
            for bill, minor in one.shares
        ]  # fmt: skip
    session.execute(text(_WEIGHED), {"rows": json.dumps(decided)})
    if shared:
        session.execute(text(_SHARED), {"rows": json.dumps(shared)})


def _evidence(one: Explained, bill: Owed) -> str:
    shares = ", ".join(f"{bill.number} {minor} đ" for bill, minor in one.shares)
    return _EVIDENCE[one.rule].format(quoted="{quoted}", number=bill.number, shares=shares) + "."
