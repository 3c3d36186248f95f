"""Debit proof: what `doisoat verify` counts of debits, and must find nothing of."""

from reconciliation.debits import LIVE
from reconciliation.outbox import ABOUT_DEBITS

_BY_ID = """
    SELECT 1 FROM payments p WHERE p.source = d.bank AND p.end_to_end_id = d.end_to_end_id AND p.end_to_end_id <> ''
        AND p.state IN ('reported', 'confirmed')
"""
_BY_MANDATE = """
    SELECT 1 FROM mandates m JOIN allocations a ON a.bill_id = d.bill_id AND a.undone_at IS NULL
    JOIN payments p ON p.id = a.payment_id AND p.source = d.bank AND p.end_to_end_id = ''
        AND p.state IN ('reported', 'confirmed')
    JOIN statement_lines l ON l.payment_id = p.id AND l.mandate_id = m.reference
    WHERE m.id = d.mandate_id
"""
_NEWS = "EXISTS (SELECT 1 FROM debit_news n WHERE n.debit_id = d.id)"
BROKEN = {
    "bills with several live debits": f"""SELECT count(*) FROM (
        SELECT 1 FROM debits WHERE {LIVE} GROUP BY bill_number HAVING count(*) > 1) t""",  # noqa: S608 - put together from constants, here and below
    "debits paid that no money shows": f"""SELECT count(*) FROM debits d
        WHERE d.state = 'paid' AND NOT EXISTS ({_BY_ID}) AND NOT EXISTS ({_BY_MANDATE}) AND NOT {_NEWS}""",  # noqa: S608
    "debits not paid though their money is there": f"""SELECT count(*) FROM debits d
        WHERE d.sent_at IS NOT NULL AND d.state <> 'paid' AND EXISTS ({_BY_ID}) AND NOT {_NEWS}""",  # noqa: S608
    "debits that left without being announced": """SELECT count(*) FROM debits d
        LEFT JOIN messages m ON m.id = d.notice_id AND m.bill_id = d.bill_id AND m.event = 'before_debit'
            AND m.sent_at < d.sent_at AND CAST(m.facts->>'amount' AS bigint) = d.minor
            AND CAST(m.facts->>'debit_on' AS date) = d.charge_on AND NOT EXISTS (
                SELECT 1 FROM messages l WHERE l.bill_id = d.bill_id AND l.id > m.id AND l.created_at < d.sent_at
                    AND l.sent_at IS NOT NULL
                    AND (l.event = 'debit_failed' OR l.event = 'before_debit'
                        AND CAST(l.facts->>'debit_on' AS date) <> d.charge_on))
        LEFT JOIN printed_notices p ON p.id = d.printed_id AND p.bill_id = d.bill_id AND p.handed_at < d.sent_at
            AND (p.minor, p.charge_on) = (d.minor, d.charge_on)
        WHERE d.sent_at IS NOT NULL AND m.id IS NULL AND p.id IS NULL""",
    # A day may be named again, and it be said again that none is made, once something else was said in between.
    "debits told of twice": f"""SELECT count(*) FROM (
        SELECT event, facts->>'debit_on' AS day, lag(event) OVER told AS event_before,
            lag(facts->>'debit_on') OVER told AS day_before
        FROM messages WHERE sent_at IS NOT NULL AND resent_of IS NULL AND event IN {ABOUT_DEBITS}
        WINDOW told AS (PARTITION BY bill_id ORDER BY id)
        ) t WHERE event = event_before AND day IS NOT DISTINCT FROM day_before""",  # noqa: S608
    "debit files of other sums than their debits": """SELECT count(*) FROM debit_files f LEFT JOIN LATERAL (
            SELECT count(*) AS debits, coalesce(sum(minor), 0) AS minor FROM debits d WHERE d.file_id = f.id) d ON true
        WHERE f.kind = 'debits' AND (f.debits, f.total_minor) <> (d.debits, d.minor)""",
    "debit runs of other sums than their debits": """SELECT count(*) FROM debit_runs r LEFT JOIN LATERAL (
            SELECT count(*) AS debits, coalesce(sum(minor), 0) AS minor FROM debits d WHERE d.run_id = r.id) d ON true
        WHERE (r.debits, r.total_minor) <> (d.debits, d.minor)""",
    "debits that nobody asks after": """SELECT count(*) FROM debits d WHERE d.state IN ('sent', 'accepted', 'unknown')
        AND d.ask_at IS NULL AND NOT EXISTS (SELECT 1 FROM mismatches m
            WHERE m.code = 'M16' AND m.subject = 'debit:' || d.id)""",
}
"""Queries that must each count zero; what is noted and not followed yet counts as followed."""
