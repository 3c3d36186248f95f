"""Debit choice: which bills of a bank and day are debited, and why each of the others is not; one statement for all.

What speaks against a debit is looked at in a fixed order, and the first of it is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation.debit_days import DUE_BILLS
from reconciliation.debit_rules import PRINTED, Rules
from reconciliation.debits import FIRST, LIVE, MEANT, RECURRENT
from reconciliation.outbox import ABOUT_DEBITS, OVER

MANDATE_REASONS = ("no_mandate", "other_bank", "mandate_paused", "mandate_not_begun", "mandate_expired", "above_cap")
"""Reasons that lie in the mandate: the question M17, and a word to the customer."""
REASONS = (
    "paid", "part_paid", "debit_live", "tried", "held_dispute", "held_abnormal", "held_person", "being_paid",
    *MANDATE_REASONS,
    "above_bank_limit", "unreachable", "notice_missing", "notice_differs", "notice_late",
)  # fmt: skip
"""Everything that may speak against a debit, in the order in which it is looked for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is for: a bank's debits of one day, at most `limit_minor` đồng each, leaving at `leaves_at`."""

    bank: str
    day: date
    leaves_at: datetime
    limit_minor: int | None = None


# The day is that of the newest word on it; a replaced bill's successor stands for it.
_DUE = f"""
    SELECT b.id, b.number, b.payment_code, b.end_to_end_id, b.customer_id, b.bank, b.state, b.minor, b.paid_minor,
        b.due_on, b.issued_on
    FROM {DUE_BILLS} WHERE b.bank = :bank AND b.live
"""  # noqa: S608 - put together from constants, here and below
# Money that came for a bill and that nobody has matched with it yet: in the end it may pay it.
CLAIMED = """
    SELECT unnest(p.quoted) AS code FROM payments p
    WHERE p.matched_minor < p.minor AND p.state IN ('reported', 'confirmed')
"""
# A notice counts while nothing else was said since: not another day, and not that nothing is debited after all. Notices
# are looked for where there is a mandate, a customer's wishes where there is no notice: nothing else would be told.
JUDGED = f"""
    WITH due AS MATERIALIZED ({_DUE}), mandated AS MATERIALIZED (
        SELECT a.id, a.customer_id, a.bank, a.state, a.version, a.valid_to, v.valid_from, v.cap_minor
        FROM mandates a LEFT JOIN mandate_versions v ON v.mandate_id = a.id AND v.version = a.version
        WHERE a.customer_id IN (SELECT customer_id FROM due) AND a.state IN ('active', 'paused')
    ), being_paid AS MATERIALIZED (
        SELECT d.id AS bill_id
        FROM (SELECT id, payment_code AS code FROM due UNION ALL SELECT id, number FROM due) d
        WHERE d.code IN ({CLAIMED})
        UNION SELECT bill_id FROM mismatches WHERE bill_id IS NOT NULL AND state <> 'resolved' AND code <> 'M17'
    ), tried AS MATERIALIZED (
        SELECT t.bill_number, max(t.attempt) AS attempts, bool_or(t.{LIVE}) AS lives,
            bool_or(t.charge_on = :day AND t.sent_at IS NOT NULL) AS tried FROM debits t
        WHERE t.bill_number IN (SELECT number FROM due) AND t.run_id <> :run AND t.{MEANT}
        GROUP BY t.bill_number
    ), held AS MATERIALIZED (
        SELECT bill_id, min(kind) AS kind FROM bill_holds
        WHERE released_at IS NULL AND bill_id IN (SELECT id FROM due) GROUP BY bill_id
    ), told AS MATERIALIZED (
        SELECT bill_id, min(id) FILTER (WHERE fits AND sent_at <= :told_by) AS notice_id, bool_or(fits) AS fits,
            count(*) FILTER (WHERE state IN ('sent', 'delivered')) AS others,
            bool_or(event = 'before_debit' AND state IN ('failed', 'undelivered')) AS failed
        FROM (
            SELECT m.bill_id, m.id, m.event, m.state, m.sent_at, agrees AND m.state IN ('sent', 'delivered')
                AND m.id > coalesce(max(m.id) FILTER (WHERE NOT agrees AND m.state NOT IN {OVER})
                    OVER (PARTITION BY m.bill_id), 0) AS fits
            FROM (
                SELECT due.id, due.minor FROM due JOIN mandated a USING (customer_id) WHERE a.state = 'active' OFFSET 0
            ) d JOIN messages m ON m.bill_id = d.id AND m.event IN {ABOUT_DEBITS}
            CROSS JOIN LATERAL (SELECT m.event = 'before_debit' AND m.facts->>'debit_on' = CAST(:day AS text)
                AND CAST(m.facts->>'amount' AS bigint) = d.minor AS agrees) f
        ) w GROUP BY bill_id
    ), printed AS MATERIALIZED (
        SELECT p.bill_id, p.id FROM printed_notices p JOIN due d ON d.id = p.bill_id AND d.minor = p.minor
        WHERE :printed AND p.charge_on = :day AND p.handed_at <= :told_by AND NOT EXISTS (
            SELECT 1 FROM messages l WHERE l.bill_id = d.id AND l.created_at > p.handed_at AND l.event IN {ABOUT_DEBITS}
                AND l.state NOT IN {OVER} AND (l.event = 'debit_failed' OR l.facts->>'debit_on' <> CAST(:day AS text)))
    ), used AS MATERIALIZED (
        SELECT DISTINCT d.mandate_id FROM debits d
        WHERE d.state NOT IN ('planned', 'dropped', 'recalled') AND d.run_id <> :run
          AND d.mandate_id IN (SELECT id FROM mandated WHERE state = 'active')
    )
    SELECT d.id AS bill_id, d.number, d.minor, d.due_on, d.issued_on, m.id AS mandate_id, m.version,
        1 + coalesce(t.attempts, 0) AS attempt, told.notice_id,
        CASE WHEN told.notice_id IS NULL THEN p.id END AS printed_id,
        CASE WHEN t.attempts IS NULL THEN d.end_to_end_id
             ELSE d.payment_code || '.R' || 1 + t.attempts END AS end_to_end_id,
        CASE WHEN u.mandate_id IS NULL THEN '{FIRST}' ELSE '{RECURRENT}' END AS sequence,
        CASE
            WHEN d.state = 'paid' THEN 'paid'
            WHEN d.paid_minor > 0 OR d.state <> 'open' THEN 'part_paid'
            WHEN t.lives THEN 'debit_live'
            WHEN t.tried THEN 'tried'
            WHEN h.kind IS NOT NULL THEN 'held_' || h.kind
            WHEN w.bill_id IS NOT NULL THEN 'being_paid'
            WHEN m.id IS NULL THEN 'no_mandate'
            WHEN m.bank <> d.bank THEN 'other_bank'
            WHEN m.state = 'paused' THEN 'mandate_paused'
            WHEN m.valid_from > :day THEN 'mandate_not_begun'
            WHEN m.valid_to < :day THEN 'mandate_expired'
            WHEN d.minor > m.cap_minor THEN 'above_cap'
            WHEN d.minor > CAST(:limit AS bigint) THEN 'above_bank_limit'
            WHEN told.notice_id IS NOT NULL OR p.id IS NOT NULL THEN NULL
            WHEN told.fits THEN 'notice_late'
            WHEN told.failed OR (
                SELECT NOT c.consent OR c.msisdn_sealed IS NULL OR 'before_debit' = ANY(c.refused)
                FROM customers c WHERE c.id = d.customer_id) THEN 'unreachable'
            WHEN told.others > 0 THEN 'notice_differs'
            ELSE 'notice_missing'
        END AS reason
    FROM due d LEFT JOIN being_paid w ON w.bill_id = d.id
    LEFT JOIN mandated m ON m.customer_id = d.customer_id
    LEFT JOIN tried t ON t.bill_number = d.number LEFT JOIN held h ON h.bill_id = d.id
    LEFT JOIN told ON told.bill_id = d.id LEFT JOIN printed p ON p.bill_id = d.id
    LEFT JOIN used u ON u.mandate_id = m.id
"""  # noqa: S608
"""One row for each bill of :bank that is to be debited on :day; `reason` is NULL for those that are.

As if run :run had not been made, so that what it has planned can be looked at once more before it leaves.
"""
_STAGE = """
    CREATE TEMP TABLE IF NOT EXISTS judged (
        bill_id bigint, number text, minor bigint, due_on date, issued_on date, mandate_id bigint, version smallint,
        attempt smallint, notice_id bigint, printed_id bigint, end_to_end_id text, sequence text, reason text
    ) ON COMMIT DELETE ROWS
"""
_COUNTS = f"SELECT coalesce(reason, '') AS reason, count(*) AS bills, sum(minor) AS minor FROM ({JUDGED}) j GROUP BY 1"  # noqa: S608
_BEHIND = f"""
    SELECT bill_id, number, minor, due_on FROM ({JUDGED}) j WHERE coalesce(reason, '') = :reason AND bill_id > :after
    ORDER BY bill_id LIMIT :at_most
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would hold: debits and their đồng, and (bills, đồng) by the reason that leaves them out."""

    debits: int
    minor: int
    left_out: Mapping[str, tuple[int, int]]


def values(wanted: Wanted, rules: Rules, *, run: int = 0) -> dict[str, object]:
    """Return what JUDGED is asked with."""
    return {
        "bank": wanted.bank, "day": wanted.day, "limit": wanted.limit_minor, "told_by": wanted.leaves_at - rules.lead,
        "printed": rules.unreachable == PRINTED, "run": run,
    }  # fmt: skip


def preview(session: Session, wanted: Wanted, rules: Rules) -> Preview:
    """Count what a run would hold now, changing nothing."""
    counted = {
        row.reason: (int(row.bills), int(row.minor)) for row in session.execute(text(_COUNTS), values(wanted, rules))
    }
    debits, minor = counted.pop("", (0, 0))
    return Preview(debits, minor, {reason: counted[reason] for reason in REASONS if reason in counted})


def bills(
    session: Session, wanted: Wanted, rules: Rules, reason: str, *, after: int = 0, at_most: int
) -> Sequence[Row[tuple[int, str, int, date]]]:
    """Return (bill id, number, đồng, due day) of bills that a run would leave out for `reason`; hold where it is ""."""
    these = {**values(wanted, rules), "reason": reason, "after": after, "at_most": at_most}
    return session.execute(text(_BEHIND), these).all()


def judge(session: Session, wanted: Wanted, rules: Rules, *, run: int = 0) -> None:
    """Fill the temporary table `judged` with what JUDGED says now."""
    session.execute(text(_STAGE))
    session.execute(text("DELETE FROM judged"))
    session.execute(text(f"INSERT INTO judged {JUDGED}"), values(wanted, rules, run=run))
    session.execute(text("ANALYZE judged"))
