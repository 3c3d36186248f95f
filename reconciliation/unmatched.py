"""What matching could not settle: the question it becomes, and how an answered question closes itself."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import mismatches, misread

CODES = ("M03", "M04", "M05", "M06", "M07", "M09", "M12")
"""The codes that ask about a payment's money; at most one of them is open for a payment."""

RAISED = "raised"
"""The verdict of a question that a person raised: no later fact answers it but a person's."""

# Reads the decisions of the batch being matched. `owed` is what the bill still lacks, `left` what the payment has over.
# What the customers named have paid is looked up from them (OFFSET keeps it so), not among all that is settled.
_ASK = f"""
    SELECT verdict.code, 'payment:' || p.id, p.source,
        CASE WHEN p.matched_minor < p.minor THEN p.minor - p.matched_minor ELSE b.minor - b.paid_minor END,
        p.currency, p.id, CASE WHEN d.verdict IN ('match', 'cancelled', 'contradiction') THEN d.bill_id END,
        jsonb_strip_nulls(jsonb_build_object(
            'verdict', coalesce(d.verdict, 'foreign_currency'), 'candidates', d.candidates,
            'quoted', {misread.told("p.quoted")},
            'paid', p.minor, 'matched', p.matched_minor, 'bill', b.number, 'owed', b.minor - b.paid_minor))
    FROM payments p
    LEFT JOIN decisions d ON d.payment_id = p.id
    LEFT JOIN bills b ON b.id = d.bill_id
    LEFT JOIN LATERAL (
        SELECT true AS own FROM allocations a
        WHERE a.payment_id = p.id AND a.bill_id = d.bill_id AND a.undone_at IS NULL
    ) mine ON true
    LEFT JOIN (
        SELECT a.bill_id, array_agg(DISTINCT q.source) AS sources FROM allocations a
        JOIN payments q ON q.id = a.payment_id
        WHERE a.bill_id IN (SELECT bill_id FROM decisions) AND a.undone_at IS NULL GROUP BY 1
    ) settlers ON settlers.bill_id = d.bill_id
    LEFT JOIN LATERAL (
        SELECT bool_or(q.source <> p.source) AS other_channel, true AS any
        FROM (SELECT id FROM customers WHERE code = ANY(p.quoted) OFFSET 0) c
        JOIN LATERAL (
            SELECT id FROM bills WHERE customer_id = c.id AND state = 'paid' AND minor = p.minor OFFSET 0
        ) pb ON true
        JOIN allocations a ON a.bill_id = pb.id AND a.undone_at IS NULL JOIN payments q ON q.id = a.payment_id
        WHERE d.verdict = 'other_amount' GROUP BY c.id LIMIT 1
    ) settled ON true
    CROSS JOIN LATERAL (SELECT CASE
        WHEN p.reversal OR p.denied_at IS NOT NULL THEN 'M09'
        WHEN d.verdict = 'match' AND mine.own AND p.matched_minor < p.minor THEN 'M03'
        WHEN d.verdict = 'match' AND mine.own AND b.paid_minor < b.minor THEN 'M03'
        WHEN d.verdict = 'match' AND mine.own THEN NULL
        WHEN d.verdict = 'match' AND b.paid_minor < b.minor THEN 'M03'
        WHEN d.verdict = 'match' AND p.source <> ANY(settlers.sources) THEN 'M04'
        WHEN d.verdict = 'match' THEN 'M06'
        WHEN d.verdict = 'contradiction' THEN 'M05'
        WHEN d.verdict = 'cancelled' THEN 'M07'
        WHEN d.verdict = 'other_amount' AND settled.any THEN CASE WHEN settled.other_channel THEN 'M04' ELSE 'M06' END
        WHEN d.verdict = 'other_amount' THEN 'M03'
        ELSE 'M12' END AS code) verdict
    WHERE p.id = ANY(:ids) AND verdict.code IS NOT NULL AND p.state NOT IN ('denied', 'returned')
      AND (p.matched_minor < p.minor OR (mine.own AND b.paid_minor < b.minor))
"""  # noqa: S608 - put together from constants


def ask_about(session: Session, payment_ids: list[int], *, now: datetime) -> int:
    """Open the question each payment with money left (or a bill left short) poses; a changed one replaces the old.

    Return how many are new or say something else now.
    """
    columns = "code, subject, source, minor, currency, payment_id, bill_id, facts"
    values = {"ids": payment_ids, "now": now}
    # Otherwise a question would go on about a bill that was replaced, and nobody would find who waits for the new one.
    asked = mismatches.ask(session, columns, _ASK, values, renewing=("minor", "bill_id", "facts"))
    if asked:
        outdated = session.scalars(
            text(
                """
                SELECT old.id FROM mismatches old JOIN mismatches new ON new.payment_id = old.payment_id
                WHERE new.id = ANY(:asked) AND old.id <> new.id AND old.state <> 'resolved'
                  AND old.code = ANY(:codes) AND old.subject = new.subject
                """
            ),
            {"asked": asked, "codes": list(CODES)},
        )
        mismatches.resolve(session, outdated, by="matching", resolution="asked anew under another code", now=now)
    return len(asked)


def settle_answered(session: Session, payment_ids: list[int], paid_bills: list[int], *, now: datetime) -> None:
    """Close the questions that later facts have answered: the payment is matched whole, the bill in question paid."""
    answered = session.scalars(
        text(
            """
            SELECT m.id FROM mismatches m JOIN payments p ON p.id = m.payment_id
            WHERE m.state <> 'resolved' AND m.code = ANY(:codes) AND m.subject = 'payment:' || p.id
              AND (m.payment_id = ANY(:ids) OR m.bill_id = ANY(:paid))
              AND p.matched_minor = p.minor AND m.facts->>'verdict' IS DISTINCT FROM 'raised'
              AND NOT EXISTS (SELECT 1 FROM allocations a JOIN bills b ON b.id = a.bill_id
                              WHERE a.payment_id = p.id AND a.undone_at IS NULL AND b.state <> 'paid'
                                AND a.bill_id = m.bill_id)
            """
        ),
        {"ids": payment_ids, "paid": paid_bills, "codes": list(CODES)},
    )
    mismatches.resolve(session, answered, by="matching", resolution="later facts settled it", now=now)
