"""Plain matches: payments that name one open bill, over what it owes, and nobody else is about it; settled at once.

Of a large statement these are nearly all. They are decided and told in the words of matching, without its weighing:
with no rival, no guess and no question near, there is nothing to weigh.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import guesses, misread

MANY = 500
"""Payments to match at once from which on the plain ones among them are looked for first."""
AT_ONCE = 5_000

# Reads the decisions on all that are to be matched. Whatever is left out here takes the usual road, so that a doubt
# costs time and nothing else.
_FITTING = """
    WITH alone AS MATERIALIZED (
        SELECT min(payment_id) AS payment_id, bill_id FROM decisions WHERE verdict = 'match'
        GROUP BY bill_id HAVING count(*) = 1
    )
    SELECT a.payment_id, a.bill_id, b.customer_id
    FROM alone a JOIN payments p ON p.id = a.payment_id JOIN bills b ON b.id = a.bill_id
    WHERE p.matched_minor = 0 AND b.paid_minor = 0 AND b.state = 'open'
      AND (b.minor, b.currency) = (p.minor, p.currency)
      AND NOT EXISTS (SELECT 1 FROM mismatches m WHERE m.payment_id = a.payment_id AND m.state <> 'resolved')
      AND NOT EXISTS (SELECT 1 FROM mismatches m WHERE m.bill_id = a.bill_id AND m.state <> 'resolved')
      AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.payment_id = a.payment_id)
"""

# Whoever is about these guesses in any way is weighed with them.
_CUSTOMERS_OF = f"""
    WITH codes AS MATERIALIZED (
        SELECT DISTINCT {misread.code("one")} AS code FROM payments p, unnest(p.quoted) AS quoted (one)
        WHERE p.id = ANY(:guesses)
    )
    SELECT k.id FROM codes JOIN customers k USING (code)
    UNION SELECT b.customer_id FROM codes JOIN bills b ON b.number = code
    UNION SELECT b.customer_id FROM codes JOIN bills b ON b.payment_code = code
    UNION SELECT b.customer_id FROM allocations a JOIN bills b ON b.id = a.bill_id
    WHERE a.payment_id = ANY(:guesses) AND a.undone_at IS NULL
"""  # noqa: S608 - put together from constants


def keep_plain(session: Session) -> list[int]:
    """Leave in `decisions` only the payments that settle their bill plainly; return these, in order.

    The caller has locked the payments decided on, and the bills they are decided for.
    """
    fitting = {row.payment_id: row for row in session.execute(text(_FITTING))}
    guessing = set(guesses.at_bills(session, [row.bill_id for row in fitting.values()])) - fitting.keys()
    about = set(session.scalars(text(_CUSTOMERS_OF), {"guesses": sorted(guessing)})) if guessing else set[int]()
    plain = sorted(number for number, row in fitting.items() if row.customer_id not in about)
    session.execute(text("DELETE FROM decisions WHERE payment_id <> ALL(CAST(:plain AS bigint[]))"), {"plain": plain})
    return plain
