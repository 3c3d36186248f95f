"""Deciding: what each payment says it is for, by its codes alone; a row each in a table of the connection's own."""

from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import misread, references

_DECISIONS = """
    CREATE TEMP TABLE IF NOT EXISTS decisions (
        payment_id bigint PRIMARY KEY, line_id bigint, bill_id bigint, rule text, quoted text, verdict text NOT NULL,
        candidates text, bills bigint[], customers bigint[], otherwise text, choices jsonb
    )
"""
# Emptied by hand: emptied by each commit, every plan that reads it would be made anew in every transaction. What
# deleted rows leave behind goes once it is worth it.
_OUTGROWN = "SELECT pg_relation_size('decisions') > 1000000"

# A bill's identity is its number: versions of one bill share it, and the newest version is the one that is owed.
# What names customers or several bills is a guess, weighed when all that is proven has settled; a payment code of a
# bill that is not known yet names another bill than those that are, and nothing is read into what stands beside it.
# Nearly all payments quote one code of each kind: only what the others quote is sorted and put together.
_DECIDE = f"""
    WITH todo AS MATERIALIZED (SAYING), codes AS MATERIALIZED (
        SELECT id AS payment_id, code FROM todo, unnest(quoted) AS code WHERE code NOT LIKE '{misread.MARK}%'
    ), unknown AS MATERIALIZED (
        SELECT DISTINCT payment_id FROM (
            SELECT * FROM codes c WHERE length(code) = {references.PAYMENT_CODE_LENGTH}
              AND NOT EXISTS (SELECT 1 FROM bills b WHERE b.payment_code = c.code) OFFSET 0
        ) nobodys WHERE code ~ '{references.PAYMENT_CODE}'
    ), readings AS MATERIALIZED (
        SELECT id AS payment_id, {misread.reading("code")} AS code, {misread.said("code")} AS said
        FROM todo t, unnest(quoted) AS code
        WHERE {misread.is_reading("code")} AND NOT EXISTS (SELECT 1 FROM unknown WHERE unknown.payment_id = t.id)
    ), identities AS MATERIALIZED (
        SELECT t.id AS payment_id, b.number, 1 AS rank, 'end_to_end_id' AS rule, t.end_to_end_id AS quoted
        FROM todo t JOIN bills b ON b.end_to_end_id = t.end_to_end_id WHERE t.end_to_end_id <> ''
        UNION ALL
        SELECT c.payment_id, b.number, 2, 'payment_code', c.code FROM codes c JOIN bills b ON b.payment_code = c.code
        UNION ALL
        SELECT c.payment_id, b.number, 3, 'bill_number', c.code FROM codes c JOIN bills b ON b.number = c.code
        UNION ALL
        SELECT r.payment_id, b.number, 2, 'payment_code', r.said FROM readings r JOIN bills b ON b.payment_code = r.code
        UNION ALL
        SELECT r.payment_id, b.number, 3, 'bill_number', r.said FROM readings r JOIN bills b ON b.number = r.code
    ), newest AS MATERIALIZED (
        SELECT named.number, w.id, w.customer_id, w.state FROM (SELECT DISTINCT number FROM identities) named
        CROSS JOIN LATERAL (
            SELECT b.id, b.customer_id, b.state FROM bills b
            WHERE b.number = named.number ORDER BY b.version DESC LIMIT 1
        ) w
    ), said AS MATERIALIZED (
        SELECT i.*, w.id, w.customer_id, w.state, count(*) OVER (PARTITION BY i.payment_id) AS often
        FROM identities i JOIN newest w USING (number)
    ), named AS MATERIALIZED (
        SELECT payment_id, 1 AS bills, id AS bill_id, ARRAY[id] AS ids, ARRAY[customer_id] AS owners, number AS numbers,
            state, state IN ('open', 'part_paid', 'paid') AS owed, rule, quoted, quoted AS all_quoted
        FROM said WHERE often = 1
        UNION ALL
        SELECT payment_id, count(DISTINCT id), min(id), array_agg(DISTINCT id ORDER BY id),
            array_agg(DISTINCT customer_id), string_agg(DISTINCT number, ', ' ORDER BY number), min(state),
            bool_and(state IN ('open', 'part_paid', 'paid')), (array_agg(rule ORDER BY rank, quoted))[1],
            (array_agg(quoted ORDER BY rank, quoted))[1], string_agg(DISTINCT quoted, ', ' ORDER BY quoted)
        FROM said WHERE often > 1 GROUP BY payment_id
    ), quoted AS MATERIALIZED (
        SELECT *, count(*) OVER (PARTITION BY payment_id) AS often FROM (
            SELECT c.payment_id, k.id, c.code FROM codes c
            CROSS JOIN LATERAL (SELECT id FROM customers WHERE customers.code = c.code OFFSET 0) k
            UNION ALL
            SELECT r.payment_id, k.id, r.said FROM readings r JOIN customers k ON k.code = r.code
        ) one
    ), people AS MATERIALIZED (
        SELECT payment_id, 1 AS customers, ARRAY[id] AS ids, code AS codes FROM quoted WHERE often = 1
        UNION ALL
        SELECT payment_id, count(DISTINCT id), array_agg(DISTINCT id ORDER BY id),
            string_agg(DISTINCT code, ', ' ORDER BY code)
        FROM quoted WHERE often > 1 GROUP BY payment_id
    ), found AS (
        SELECT t.id, t.line_id, t.denied_at, t.reversal, n.bills, n.bill_id, n.ids, n.state, n.owed, n.numbers, n.rule,
            n.quoted, n.all_quoted, p.customers, p.codes, u.payment_id IS NULL AS all_known,
            CASE WHEN p.ids IS NULL OR p.ids <@ n.owners THEN '{{}}'
                 ELSE ARRAY(SELECT unnest(p.ids) EXCEPT SELECT unnest(n.owners) ORDER BY 1) END AS others
        FROM todo t
        LEFT JOIN named n ON n.payment_id = t.id
        LEFT JOIN people p ON p.payment_id = t.id
        LEFT JOIN unknown u ON u.payment_id = t.id
    ), judged AS (
        SELECT f.*,
            CASE
                WHEN bills > 1 THEN 'several_bills'
                WHEN bills = 1 AND others <> '{{}}' THEN 'contradiction'
                WHEN bills = 1 AND state IN ('cancelled', 'replaced') THEN 'cancelled'
                WHEN bills = 1 THEN 'match'
                WHEN customers > 1 THEN 'several_customers'
                WHEN customers = 1 AND all_known THEN 'other_amount'
                ELSE 'unknown'
            END AS verdict
        FROM found f
    )
    INSERT INTO decisions (payment_id, line_id, bill_id, rule, quoted, verdict, candidates, bills, customers, otherwise)
    SELECT id, line_id, CASE WHEN bills = 1 THEN bill_id END, rule,
        coalesce(CASE WHEN bills > 1 THEN all_quoted ELSE quoted END, codes),
        CASE
            WHEN denied_at IS NOT NULL THEN 'denied'
            WHEN reversal THEN 'reversal'
            WHEN verdict IN ('several_bills', 'contradiction') AND owed AND all_known THEN 'guess'
            WHEN verdict IN ('several_customers', 'other_amount') AND all_known THEN 'guess'
            ELSE verdict
        END,
        coalesce(numbers, codes), ids, others, verdict
    FROM judged ORDER BY id
    ON CONFLICT (payment_id) DO NOTHING
"""  # noqa: S608 - put together from constants

_OF_PAYMENTS = """
        SELECT id, CAST(NULL AS bigint) AS line_id, end_to_end_id, quoted, reversal, denied_at FROM payments
        WHERE id = ANY(:ids) AND currency = 'VND' AND state IN ('reported', 'confirmed')"""
# What a line says, its payment will say: it is decided on before it is made, under the number it will have. IS TRUE
# reads the piece alone, instead of all lines that wait.
_OF_LINES = """
        SELECT nextval('payments_id_seq') AS id, id AS line_id, end_to_end_id, quoted, reversal,
            CAST(NULL AS timestamptz) AS denied_at
        FROM (
            SELECT * FROM statement_lines WHERE statement_id = :statement AND id BETWEEN :first AND :last
              AND (state = 'pending') IS TRUE AND counts AND minor > 0 AND currency = 'VND' ORDER BY entry, transaction
        ) line"""

# What a person has taken apart stays apart: the payment asks, as one that names no bill.
_BAR = """
    UPDATE decisions d SET verdict = 'barred', bill_id = NULL FROM allocations a
    WHERE d.verdict = 'match' AND a.payment_id = d.payment_id AND a.bill_id = d.bill_id AND a.barred
"""


def begin(session: Session) -> None:
    """Leave `decisions` empty, there if it was not."""
    session.execute(text(_DECISIONS))
    session.execute(text("TRUNCATE decisions" if session.scalar(text(_OUTGROWN)) else "DELETE FROM decisions"))


def decide(session: Session, ids: Sequence[int]) -> None:
    """Write into `decisions` what the payments `ids` say; those decided before stay as they are."""
    session.execute(text(_DECIDE.replace("SAYING", _OF_PAYMENTS)), {"ids": list(ids)})
    session.execute(text(_BAR))


def decide_lines(session: Session, values: Mapping[str, object]) -> None:
    """Write into `decisions` what the pending lines of :statement, from :first to :last, will say as payments."""
    session.execute(text(_DECIDE.replace("SAYING", _OF_LINES)), values)


_DELETE = "DELETE FROM decisions WHERE payment_id = ANY(:ids) {which}"


def decided(session: Session) -> set[int]:
    """Return the payments that have a decision."""
    return set(session.scalars(text("SELECT payment_id FROM decisions")))


def guesses_among(session: Session, payment_ids: Sequence[int], decided_before: set[int]) -> list[int]:
    """Decide these payments anew, save those `decided_before`; return the guesses, whose decisions alone are kept.

    The others name a bill and were settled with it.
    """
    added = [one for one in payment_ids if one not in decided_before]
    session.execute(text(_DELETE.format(which="")), {"ids": added})
    decide(session, added)
    session.execute(text(_DELETE.format(which="AND verdict <> 'guess'")), {"ids": added})
    among = "SELECT payment_id FROM decisions WHERE verdict = 'guess' AND payment_id = ANY(:ids)"
    return list(session.scalars(text(among), {"ids": list(payment_ids)}))
