"""Tie-out: one bank's day as its callbacks tell it, as our ledger holds it and as its statement shows it.

Each side is one query of payments and lines with their signed amounts; whatever is not the same on all three is a
difference, listed with its reason. A side dates money by its own day: when the customer paid, when we booked,
when the bank booked. So a payment told today and shown tomorrow is a difference of both days, with one reason.
"""

from dataclasses import dataclass

from reconciliation.ledger import FEE_ACCOUNTS
from reconciliation.statements import BOOKED as BOOKED_LINE


@dataclass(frozen=True, slots=True)
class Row:
    """One difference or open question, as TIED_OUT names it; amounts in whole minor units."""

    kind: str
    subject: str
    payment_id: int | None
    line_id: int | None
    mismatch_id: int | None
    reference: str
    currency: str
    told_minor: int
    booked_minor: int
    shown_minor: int
    minor: int
    verdict: str
    code: str


OPEN_MINOR = "CASE WHEN state IN ('denied', 'returned') THEN 0 ELSE minor - matched_minor END"
"""What of a payment settles nothing yet, in whole minor units."""

# The day's payments, which one scan finds: nearly all that its entries and lines are of.
CAME = f"""
    SELECT id, channel, currency, minor, {OPEN_MINOR} AS open_minor, reported_at IS NOT NULL AS told
    FROM payments WHERE source = :bank AND business_date = :day
"""  # noqa: S608 - put together from constants, here and below; values travel as parameters

# What callbacks and notices said: money told of on this day, less what was taken back on this day.
TOLD = """
    SELECT CAST(NULL AS text) AS fact, id AS payment_id, CAST(NULL AS bigint) AS line_id, currency, minor
    FROM came WHERE told
    UNION ALL
    SELECT NULL, id, NULL, currency, -minor FROM payments
    WHERE source = :bank AND denied_at >= :since AND denied_at < :until AND reported_at IS NOT NULL
"""

# The day's entries, and those of other days that were booked late for it.
DAY_ENTRIES = """
    SELECT id, key, late_for IS NOT NULL AS late, business_date = :day AS today, debit, credit, minor, currency
    FROM entries WHERE bank = :bank AND (business_date = :day OR late_for = :day)
"""


def _added(*accounts: str) -> str:
    """Return, in SQL, what entry `b` adds to these accounts together: nothing if it moves money between two of them."""
    listed = ", ".join(accounts)
    return f"b.minor * (CAST(b.debit IN ({listed}) AS int) - CAST(b.credit IN ({listed}) AS int))"


# The number of the fact that an entry's key names, "line:12" or "line:12/undone"; a pattern would take three times as
# long as everything else that is asked of a row.
_NUMBER = r"CAST(split_part(split_part({key}, '\:', 2), '/', 1) AS bigint)"
_OF_PAYMENT, _OF_LINE, _OF_FEE, _OF_LUMP = (
    f"CASE WHEN b.key LIKE '{kind}\\:%' THEN {_NUMBER.format(key='b.key')} END"
    for kind in ("payment", "line", "fee", "lump")
)

_REPORTED, _CONFIRMED, _SETTLED = (
    r"'bank\:' || :bank || '\:reported'",
    r"'bank\:' || :bank || '\:confirmed'",
    r"'settled\:' || :bank",
)
_FEES = tuple(f"'{one}'" for one in FEE_ACCOUNTS)
# What our ledger holds of the bank's money: an entry that only turns "reported" into "confirmed" adds nothing. The key
# of an entry says which payment or line it books. What was booked late is named on the day it is missing from as well.
# A payment counts whole, and the fee kept from it (or from all payments of one line) stands apart as money leaving.
BOOKED = rf"""
    SELECT CASE WHEN coalesce(b.payment_id, l.payment_id) IS NULL THEN coalesce('line:' || l.id, b.key) END AS fact,
        coalesce(b.payment_id, l.payment_id) AS payment_id, l.id AS line_id, b.currency, b.minor, b.key, b.late,
        b.key LIKE '%/undone' AS undone, coalesce(l.minor < 0, false) AS leaving
    FROM (
        SELECT b.key, b.late, b.currency, CASE WHEN b.today THEN b.added ELSE 0 END AS minor,
            {_OF_PAYMENT} AS payment_id, {_OF_LINE} AS line_id
        FROM (SELECT *, {_added(_REPORTED, _CONFIRMED, _SETTLED)} AS added FROM day_entries b) b
        WHERE b.added <> 0 AND b.key NOT LIKE 'fee\:%' AND b.key NOT LIKE 'lump\:%'
    ) b LEFT JOIN LATERAL (
        SELECT id, payment_id, minor FROM statement_lines WHERE id = b.line_id OFFSET 0
    ) l ON true
    UNION ALL
    SELECT side.fact, side.payment_id, b.line_id, b.currency, CASE WHEN b.today THEN side.minor ELSE 0 END, b.key,
        b.late, b.undone, side.leaving
    FROM (
        SELECT b.key, b.late, b.today, b.currency, f.payment_id, coalesce(f.line_id, u.line_id) AS line_id,
            coalesce('fee:' || f.id, 'lump:' || u.id) AS kept,
            b.key LIKE '%/undone' OR EXISTS (SELECT 1 FROM entries n WHERE n.key = b.key || '/undone') AS undone,
            {_added(_REPORTED, _SETTLED, *_FEES)} AS whole, {_added(*_FEES)} AS fee
        FROM day_entries b LEFT JOIN fees f ON f.id = {_OF_FEE} AND f.charged = 'netted'
        LEFT JOIN lump_sums u ON u.id = {_OF_LUMP}
        WHERE (b.key LIKE 'fee\:%' OR b.key LIKE 'lump\:%') AND coalesce(f.id, u.id) IS NOT NULL
    ) b CROSS JOIN LATERAL (VALUES
        (NULL, b.payment_id, b.whole, false), (b.kept, NULL, -b.fee, true)
    ) AS side (fact, payment_id, minor, leaving)
    WHERE side.minor <> 0
"""  # noqa: S608 - constants

_OF_BANK = f"""
    SELECT l.id, l.payment_id, l.currency, l.minor, l.state <> 'rejected' AND {BOOKED_LINE} AS stands
    FROM statements s JOIN statement_lines l ON l.statement_id = s.id
    WHERE s.bank = :bank AND s.state = 'accepted' AND l.counts AND l.minor <> 0"""  # noqa: S608 - constants
# What the statements show; a line without a date of its own counts on the day its statement closes. A line that is
# taken apart shows its payments whole, and the fee kept from them.
LINES_SHOWN = f"""
    SELECT l.*, f.id AS fee_id, f.minor + f.vat_minor AS fee
    FROM (
        {_OF_BANK} AND l.booked_on = :day UNION ALL
        {_OF_BANK} AND l.booked_on IS NULL AND coalesce(s.closing_on, s.to_on) = :day
    ) l LEFT JOIN fees f ON f.line_id = l.id AND f.undone_at IS NULL AND f.charged = 'netted'
    WHERE l.id NOT IN (SELECT line_id FROM lump_sums WHERE source = :bank AND day IS NOT NULL AND undone_at IS NULL)
"""  # noqa: S608 - constants
SHOWN = r"""
    SELECT CASE WHEN payment_id IS NULL THEN 'line:' || id END AS fact, payment_id, id AS line_id, currency,
        minor + coalesce(fee, 0) AS minor
    FROM lines_shown
    UNION ALL
    SELECT 'fee:' || fee_id, NULL, id, currency, -fee FROM lines_shown WHERE fee_id IS NOT NULL
    UNION ALL
    SELECT NULL, a.payment_id, NULL, 'VND', a.minor + a.fee_minor + a.vat_minor
    FROM lump_sums u JOIN line_parts a ON a.lump_id = u.id AND a.undone_at IS NULL
    WHERE u.source = :bank AND u.booked_on = :day AND u.undone_at IS NULL
    UNION ALL
    SELECT 'lump:' || u.id, NULL, u.line_id, 'VND', CAST(-sum(a.fee_minor + a.vat_minor) AS bigint)
    FROM lump_sums u JOIN line_parts a ON a.lump_id = u.id AND a.undone_at IS NULL
    WHERE u.source = :bank AND u.booked_on = :day AND u.undone_at IS NULL
    GROUP BY u.id HAVING sum(a.fee_minor + a.vat_minor) > 0
"""

# What a side says nothing of is NULL, which costs a sum nothing.
_NO, _NONE = "CAST(NULL AS bigint)", "CAST(NULL AS int)"
# Each payment or fact with what the sides hold of it. `booked` is what came (`gross`, NULL if nothing did), what went
# back (`back`) and what left; a flag each says late 1, undone 2, corrected 4, new on this day 8.
SIDES = f"""
    came AS MATERIALIZED ({CAME}), day_entries AS MATERIALIZED ({DAY_ENTRIES}),
    lines_shown AS MATERIALIZED ({LINES_SHOWN}), added AS (
        SELECT payment_id, fact, currency, max(line_id) AS line_id, coalesce(sum(told), 0)\\:\\:bigint AS told,
            sum(gross)\\:\\:bigint AS gross, sum(back)\\:\\:bigint AS back, coalesce(sum(gone), 0)\\:\\:bigint AS gone,
            coalesce(sum(shown), 0)\\:\\:bigint AS shown, coalesce(bit_or(flags), 0) AS flags
        FROM (
            SELECT fact, payment_id, line_id, currency, minor AS told, {_NO} AS gross, {_NO} AS back, {_NO} AS gone,
                {_NO} AS shown, {_NONE} AS flags FROM ({TOLD}) t
            UNION ALL
            SELECT fact, payment_id, line_id, currency, {_NO}, CASE WHEN NOT back AND NOT leaving THEN moved END,
                CASE WHEN back AND NOT leaving THEN moved END, CASE WHEN leaving THEN moved END, {_NO},
                CASE WHEN late THEN 1 ELSE 0 END + CASE WHEN undone THEN 2 ELSE 0 END
                + CASE WHEN corrected THEN 4 WHEN moved > 0 AND NOT back AND NOT leaving THEN 8 ELSE 0 END
            FROM (
                SELECT *, nullif(minor, 0) AS moved, key LIKE '%/undone' OR key LIKE '%\\:denied' AS back,
                    key LIKE '%/corrected by %' AS corrected
                FROM ({BOOKED}) b
            ) b
            UNION ALL
            SELECT fact, payment_id, line_id, currency, {_NO}, {_NO}, {_NO}, {_NO}, minor, {_NONE} FROM ({SHOWN}) s
        ) each GROUP BY payment_id, fact, currency
    ), sides AS MATERIALIZED (
        SELECT payment_id, fact, currency, line_id, told, coalesce(gross, 0) + coalesce(back, 0) + gone AS booked,
            shown, gross, back, flags & 1 > 0 AS late, flags & 2 > 0 AS undone, flags & 4 > 0 AS corrected,
            flags & 8 > 0 AS is_new
        FROM added
    )
"""  # noqa: S608 - constants

# Why a row differs; the first reason that fits. What no reason fits is unexplained, and no day is signed with it.
_DIFFERING = """
    WITH differing AS MATERIALIZED (
        SELECT s.*, coalesce(s.fact ~ '^(fee|lump)\\:', false) AS is_fee, p.denied_at, p.state, p.reported_at,
            st.state = 'withdrawn' AS withdrawn,
            coalesce(nullif(p.bank_reference, ''), nullif(p.source_reference, ''), nullif(l.bank_reference, ''),
                s.subject) AS reference
        FROM (SELECT *, coalesce('payment:' || payment_id, fact) AS subject FROM sides) s
        LEFT JOIN payments p ON p.id = s.payment_id LEFT JOIN statement_lines l ON l.id = s.line_id
        LEFT JOIN statements st ON st.id = l.statement_id
        WHERE s.told <> s.booked OR s.booked <> s.shown
    ), asked AS MATERIALIZED (
        SELECT d.subject, d.currency, m.id, m.code, m.state <> 'resolved' AS open
        FROM differing d CROSS JOIN LATERAL (
            SELECT id, code, state FROM mismatches WHERE payment_id = d.payment_id
            UNION ALL SELECT id, code, state FROM mismatches WHERE line_id = d.line_id
        ) m
    ), judged AS MATERIALIZED (
        SELECT d.*, CASE
            WHEN is_fee AND booked = shown THEN 'fee'
            WHEN told = 0 AND booked = shown AND shown < 0 THEN 'outgoing'
            WHEN late THEN 'late'
            WHEN denied_at IS NOT NULL AND reported_at IS NOT NULL THEN 'taken_back'
            WHEN undone OR withdrawn THEN 'undone'
            WHEN told = 0 AND lump.line_id IS NOT NULL AND (booked = shown OR (booked = 0 AND lump.day IS NULL))
                THEN 'settlement'
            WHEN corrected OR (told <> booked AND two.subject IS NOT NULL) THEN 'other_amount'
            WHEN shown = 0 AND told = booked AND state = 'reported' THEN 'awaited'
            WHEN shown = 0 AND (told = booked OR booked = 0) AND state NOT IN ('reported', 'denied') THEN 'other_day'
            WHEN told = 0 AND (booked = shown OR booked = 0) AND reported_at IS NOT NULL THEN 'other_day'
            WHEN told = 0 AND booked = shown AND payment_id IS NOT NULL AND :tells THEN 'untold'
            WHEN told = 0 AND booked = shown AND payment_id IS NOT NULL THEN 'never_tells'
            ELSE 'unexplained' END AS verdict
        FROM differing d LEFT JOIN (SELECT DISTINCT subject, currency FROM asked WHERE code = 'M03') two
            USING (subject, currency)
        LEFT JOIN lump_sums lump ON lump.line_id = d.line_id AND lump.undone_at IS NULL AND d.payment_id IS NULL
            AND NOT d.is_fee
    ), coded AS (
        SELECT j.*, CASE verdict WHEN 'awaited' THEN 'M01' WHEN 'untold' THEN 'M02' WHEN 'other_amount' THEN 'M03'
            WHEN 'other_day' THEN 'M08' WHEN 'taken_back' THEN 'M09' ELSE '' END AS expected
        FROM judged j
    )
    SELECT DISTINCT ON (c.subject, c.currency) 'difference' AS kind, c.subject, c.payment_id, c.line_id,
        a.id AS mismatch_id, c.reference, c.currency, c.told AS told_minor, c.booked AS booked_minor,
        c.shown AS shown_minor, c.shown - c.told AS minor, c.verdict,
        CASE WHEN c.verdict IN ('never_tells', 'fee', 'unexplained') THEN ''
             ELSE coalesce(nullif(c.expected, ''), a.code, '') END AS code
    FROM coded c LEFT JOIN asked a
        ON (a.subject, a.currency) = (c.subject, c.currency) AND (c.expected = '' OR a.code = c.expected)
    ORDER BY c.subject, c.currency, a.open DESC, a.id DESC
"""

QUESTIONS = """
    FROM mismatches m LEFT JOIN payments p ON p.id = m.payment_id LEFT JOIN statement_lines l ON l.id = m.line_id
    LEFT JOIN statements s ON s.id = coalesce(m.statement_id, l.statement_id)
    WHERE m.source = :bank AND m.state <> 'resolved'
"""
"""A bank's open questions with what they are about."""
DAY_ASKED = """
    coalesce(CASE WHEN m.subject LIKE 'file:%' THEN CAST(m.facts->>'day' AS date) END,
        p.business_date, l.booked_on, s.closing_on, s.to_on,
        CAST(m.opened_at AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date))
"""
"""The day of one of them: that of the money, statement or file it is about, else the day it was asked on."""
BLOCKING = "(m.code IN ('M15', 'M16') OR m.subject LIKE 'file:%')"
"""Whether one of them leaves its day unknown, so that it may not stand open past a signature."""

# What stays open past the day: asked about its money, its statements, its files, or on the day itself.
_ASKED = f"""
    SELECT 'question' AS kind, m.subject, m.payment_id, m.line_id, m.id AS mismatch_id,
        coalesce(nullif(p.bank_reference, ''), nullif(p.source_reference, ''), nullif(l.bank_reference, ''),
            s.statement_id, m.subject) AS reference,
        m.currency, 0\\:\\:bigint AS told_minor, 0\\:\\:bigint AS booked_minor, 0\\:\\:bigint AS shown_minor, m.minor,
        CASE WHEN m.state = 'proposed' THEN 'proposed' WHEN {BLOCKING} THEN 'blocking' ELSE 'carried' END AS verdict,
        m.code
    {QUESTIONS} AND (
        m.payment_id IN (SELECT payment_id FROM sides WHERE payment_id IS NOT NULL)
        OR m.line_id IN (SELECT line_id FROM sides WHERE line_id IS NOT NULL)
        OR :day = {DAY_ASKED})
"""  # noqa: S608 - constants

TIED_OUT = f"""
    {SIDES}, differences AS MATERIALIZED ({_DIFFERING}), questions AS MATERIALIZED ({_ASKED})
"""
"""Entries, sides, differences and questions, for one statement that asks for several of them: a day is read once."""

ONE_SUM = ("never_tells", "fee")
"""Verdicts of which a close keeps one sum: a bank that never calls back, or nets fees, differs on every line."""

LISTED = f"verdict NOT IN {ONE_SUM}"
ROWS = f"SELECT * FROM differences WHERE {LISTED} UNION ALL SELECT * FROM questions"  # noqa: S608 - constants
"""What a close keeps row by row, of what TIED_OUT names."""
ITEMS = f"WITH {TIED_OUT} {ROWS}"
