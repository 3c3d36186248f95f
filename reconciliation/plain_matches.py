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
EXACT = "'; the amount is exactly what is owed.'"
"""The end of a match's evidence where it leaves nothing over, in SQL."""


def proof(quoted: str) -> str:
    """Return, in SQL, the beginning of a match's evidence: what proves it, from columns `rule`, `number`, `quoted`."""
    said = misread.in_words(quoted)
    return f"""CASE rule
            WHEN 'end_to_end_id'
                THEN 'The bank repeats the end-to-end id ' || {quoted} || ' of our debit for bill ' || number
            WHEN 'payment_code' THEN 'The payment code ' || {said} || ' of bill ' || number || ' is quoted'
            ELSE 'The bill number ' || {said} || ' is quoted'
        END"""


# Reads the decisions on all that are to be matched. Whatever is left out here takes the usual road, so that a doubt
# costs time and nothing else. Nobody keeps statistics on decisions: OFFSET 0 has bill and claim looked up by their
# number, where a planner that expects one decision may join the two by their amounts first.
_FITTING = """
    WITH alone AS MATERIALIZED (
        SELECT min(payment_id) AS payment_id, min(line_id) AS line_id, bill_id FROM decisions WHERE verdict = 'match'
        GROUP BY bill_id HAVING count(*) = 1
    )
    SELECT a.payment_id, a.bill_id, b.customer_id
    FROM alone a
    CROSS JOIN LATERAL (
        SELECT customer_id, minor, currency FROM bills
        WHERE id = a.bill_id AND paid_minor = 0 AND state = 'open' OFFSET 0
    ) b
    CROSS JOIN LATERAL (SELECT minor, currency FROM {claim} OFFSET 0) c
    WHERE (b.minor, b.currency) = (c.minor, c.currency) {more}
      AND NOT EXISTS (SELECT 1 FROM mismatches m WHERE m.bill_id = a.bill_id AND m.state <> 'resolved')
"""
_PAYMENTS = _FITTING.format(
    claim="payments WHERE id = a.payment_id AND matched_minor = 0",
    more="""
      AND NOT EXISTS (SELECT 1 FROM mismatches m WHERE m.payment_id = a.payment_id AND m.state <> 'resolved')
      AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.payment_id = a.payment_id)""",
)
_LINES = _FITTING.format(claim="statement_lines WHERE id = a.line_id", more="")

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


def keep_plain(session: Session, *, lines: bool = False) -> list[int]:
    """Leave in `decisions` only the payments that settle their bill plainly; return these, in order.

    Given `lines`, only those that lines will become. The caller has locked the payments decided on, and the bills they
    are decided for.
    """
    fitting = {row.payment_id: row for row in session.execute(text(_LINES if lines else _PAYMENTS)).all()}
    guessing = set(guesses.at_bills(session, [row.bill_id for row in fitting.values()])) - fitting.keys()
    about = set(session.scalars(text(_CUSTOMERS_OF), {"guesses": sorted(guessing)})) if guessing else set[int]()
    plain = sorted(number for number, row in fitting.items() if row.customer_id not in about)
    session.execute(text("DELETE FROM decisions WHERE payment_id <> ALL(CAST(:plain AS bigint[]))"), {"plain": plain})
    return plain
