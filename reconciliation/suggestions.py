"""Suggestions: the bills a questioned payment may be for, ranked for the person who decides; none is applied by itself.

First what adds up to the amount, then bills the payer names, then those of somebody whose account has paid for one
customer only, then what else the named customers owe. They stand in the question's facts as `ranked`.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import misread, unmatched

SEEN = 2
"""So many payments from one account, all for the same customer, make it known as that customer's."""
WITHIN = 400
"""Days: what the account paid for longer ago tells nothing any more."""
MOST = 8

_RANK = f"""
    WITH asked AS MATERIALIZED (
        SELECT m.id, m.bill_id, p.id AS payment_id, p.minor - p.matched_minor AS left, p.business_date, p.payer_hash,
            p.quoted, p.end_to_end_id, coalesce(d.choices, '[]') AS choices
        FROM mismatches m JOIN payments p ON p.id = m.payment_id LEFT JOIN decisions d ON d.payment_id = p.id
        WHERE p.id = ANY(:ids) AND m.state = 'open' AND m.code = ANY(:codes) AND m.subject = 'payment:' || p.id
          AND p.matched_minor < p.minor AND p.currency = 'VND'
    ), codes AS MATERIALIZED (
        SELECT DISTINCT id, {misread.code("one")} AS code FROM asked, unnest(quoted) AS q (one)
    ), named AS MATERIALIZED (
        SELECT c.id, b.number FROM codes c JOIN bills b ON b.payment_code = c.code
        UNION SELECT c.id, b.number FROM codes c JOIN bills b ON b.number = c.code
        UNION SELECT a.id, b.number FROM asked a JOIN bills b ON b.end_to_end_id = a.end_to_end_id
    ), people AS MATERIALIZED (
        SELECT c.id, k.id AS customer_id FROM codes c JOIN customers k ON k.code = c.code
        UNION SELECT n.id, b.customer_id FROM named n JOIN bills b USING (number)
    ), payers AS MATERIALIZED (
        SELECT a.id, min(b.customer_id) AS customer_id
        FROM asked a CROSS JOIN LATERAL (
            SELECT q.id FROM payments q WHERE q.payer_hash = a.payer_hash AND q.id <> a.payment_id
              AND q.business_date BETWEEN a.business_date - {WITHIN} AND a.business_date OFFSET 0
        ) before
        JOIN allocations l ON l.payment_id = before.id AND l.undone_at IS NULL JOIN bills b ON b.id = l.bill_id
        GROUP BY a.id HAVING count(DISTINCT b.customer_id) = 1 AND count(DISTINCT before.id) >= {SEEN}
    ), single AS (
        SELECT DISTINCT ON (a.id, b.number) a.id, b.number, b.issued_on, least(a.left, owed.minor) AS minor, why.rank,
            why.rule
        FROM asked a
        JOIN (SELECT id, customer_id, false AS by_account FROM people
              UNION ALL SELECT id, customer_id, true FROM payers) k USING (id)
        JOIN bills b ON b.customer_id = k.customer_id AND b.state IN ('open', 'part_paid')
        CROSS JOIN LATERAL (SELECT b.minor - b.paid_minor AS minor) owed
        CROSS JOIN LATERAL (SELECT EXISTS (SELECT 1 FROM named n WHERE n.id = a.id AND n.number = b.number) AS yes) n
        CROSS JOIN LATERAL (
            SELECT 2 AS rank, 'named' AS rule WHERE n.yes AND owed.minor = a.left
            UNION ALL SELECT 3, 'payer' WHERE k.by_account AND owed.minor = a.left AND b.issued_on <= a.business_date
            UNION ALL SELECT 4, 'amount' WHERE NOT k.by_account AND owed.minor = a.left
            UNION ALL SELECT 5, 'named_other' WHERE n.yes
            UNION ALL SELECT 6, 'owed' WHERE NOT k.by_account
        ) why
        ORDER BY a.id, b.number, why.rank
    ), candidates AS (
        SELECT a.id, 1 AS rank, ordinal, '' AS number, 'sum' AS rule, choice AS bills
        FROM asked a CROSS JOIN LATERAL jsonb_array_elements(a.choices) WITH ORDINALITY AS c (choice, ordinal)
        WHERE jsonb_array_length(choice) > 1
        UNION ALL
        SELECT id, rank, row_number() OVER (PARTITION BY id ORDER BY rank, issued_on, number), number, rule,
            jsonb_build_array(jsonb_build_object('bill', number, 'minor', minor))
        FROM single
    ), placed AS (
        SELECT c.*, row_number() OVER (PARTITION BY id ORDER BY rank, ordinal, number) AS place FROM candidates c
    ), ranked AS (
        SELECT a.id, coalesce(jsonb_agg(jsonb_build_object('rule', p.rule, 'bills', p.bills) ORDER BY p.place)
            FILTER (WHERE p.place <= {MOST}), '[]') AS ranked
        FROM asked a LEFT JOIN placed p USING (id) GROUP BY a.id
    )
    UPDATE mismatches m SET facts = m.facts || jsonb_build_object('ranked', r.ranked)
    FROM ranked r WHERE m.id = r.id AND coalesce(m.facts->'ranked', '[]') <> r.ranked
"""  # noqa: S608 - put together from constants


def rank(session: Session, payment_ids: Sequence[int]) -> None:
    """Rank the bills that the open questions about these payments' money may be answered with; reads `decisions`."""
    session.execute(text(_RANK), {"ids": list(payment_ids), "codes": list(unmatched.CODES)})
