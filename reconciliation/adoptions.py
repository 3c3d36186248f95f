"""Adoptions: payments that a statement showed first, recognised in what callbacks tell of them later."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import corrections, references
from reconciliation.tariffs import FEE, OF_PAYMENT, VAT

INCOMING = """
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
        n bigint, delivery_id bigint, source text, source_reference text, bank_reference text, end_to_end_id text,
        minor bigint, currency text, paid_at timestamptz, business_date date, channel text, narrative text,
        quoted text[], payer_tail text, payer_hash text, due_at timestamptz)
"""
# One row per transaction, however often it is told, none for those known already; of two amounts the one that counts.
UNHEARD = f"""
    SELECT DISTINCT ON (source, source_reference) * FROM ({INCOMING}) told
    WHERE NOT EXISTS (SELECT 1 FROM payments k WHERE k.source = told.source
                      AND k.source_reference = told.source_reference)
    ORDER BY source, source_reference, {corrections.RANK.format(one="told")} DESC, n
"""  # noqa: S608 - put together from constants, here and below; values travel as parameters

_ADOPTED = """
    source_reference = h.source_reference, delivery_id = h.delivery_id, reported_at = coalesce(p.reported_at, :now),
    due_at = CASE WHEN p.state = 'reported' THEN p.due_at END, business_date = h.business_date,
    paid_at = coalesce(h.paid_at, p.paid_at), channel = h.channel,
    bank_reference = coalesce(nullif(p.bank_reference, ''), h.bank_reference),
    end_to_end_id = coalesce(nullif(p.end_to_end_id, ''), h.end_to_end_id),
    quoted = ARRAY(SELECT DISTINCT unnest(p.quoted || h.quoted) ORDER BY 1), told = h.quoted
"""

# How a payment first seen on a statement is known to be the one now reported: its rows are compared by what both
# carry. Equal ones are counted off against each other, so that two real rows stay two payments.
_ADOPT = """
    WITH heard AS (
        SELECT i.*, row_number() OVER (PARTITION BY source, {told}{amount} ORDER BY n) AS turn,
            count(*) OVER (PARTITION BY source, {told}) AS rows
        FROM ({unheard}) i WHERE {told} <> ''
    ), seen AS (
        SELECT id, source AS at, {seen} AS by, minor AS amount, currency AS unit,
            row_number() OVER (PARTITION BY source, {seen}{amount} ORDER BY id) AS turn,
            count(*) OVER (PARTITION BY source, {seen}) AS rows
        FROM payments
        WHERE source_reference LIKE 'line:%' AND (source, {seen}) IN (SELECT source, {told} FROM heard) AND NOT reversal
          AND state <> 'denied'
    )
    UPDATE payments p SET {adopted}
    FROM heard h JOIN seen s ON s.at = h.source AND s.by = h.{told} AND s.turn = h.turn {same}
    WHERE p.id = s.id
    RETURNING p.id
"""
_SAME_AMOUNT = {"amount": ", minor, currency", "same": "AND s.amount = h.minor AND s.unit = h.currency"}


# The last resort of identity: both name the same bill, over the same amount, and their references don't contradict.
_ADOPT_QUOTED = """
    WITH unheard AS MATERIALIZED (
        SELECT * FROM ({unheard}) u WHERE quoted <> '{{}}' AND {told}
    ), untold AS MATERIALIZED (
        SELECT id, source, minor, currency, quoted FROM (
            SELECT * FROM payments WHERE quoted && ARRAY({named_by_either}) OFFSET 0
        ) alike
        WHERE source_reference LIKE 'line:%' AND {seen} AND quoted <> '{{}}' AND NOT reversal AND state <> 'denied'
          AND (source, minor) IN (SELECT source, minor FROM unheard)
    ), heard AS (
        SELECT u.*, bill, row_number() OVER (PARTITION BY source, bill, minor, currency ORDER BY n) AS turn
        FROM unheard u JOIN ({named_by_notices}) one USING (n)
    ), seen AS (
        SELECT u.id, source, bill, minor, currency,
            row_number() OVER (PARTITION BY source, bill, minor, currency ORDER BY id) AS turn
        FROM untold u JOIN ({named_by_lines}) one USING (id)
    )
    UPDATE payments p SET {adopted}
    FROM heard h JOIN seen s USING (source, bill, minor, currency, turn)
    WHERE p.id = s.id
    RETURNING p.id
"""

# A bank that keeps its fee from each payment: what both carry agrees, and the line's amount is the payment's less the
# fee. As in pairing, it takes one line and one payment that fit nothing else.
_ADOPT_NETTED = f"""
    WITH unheard AS MATERIALIZED (
        SELECT p.*, p.minor - {FEE} - {VAT} AS net FROM (:unheard) p {OF_PAYMENT}
        WHERE t.charged = 'netted' AND {FEE} > 0
    ), untold AS MATERIALIZED (
        SELECT * FROM payments s
        WHERE source_reference LIKE 'line:%' AND NOT reversal AND state <> 'denied' AND currency = 'VND'
          AND (source, minor) IN (SELECT source, net FROM unheard)
          AND NOT EXISTS (SELECT 1 FROM fees f WHERE f.payment_id = s.id AND f.undone_at IS NULL)
    ), named_unheard AS ({references.naming_one_bill("n", "SELECT n, quoted FROM unheard")}
    ), named_untold AS ({references.naming_one_bill("id", "SELECT id, quoted FROM untold")}
    ), pairs AS (
        SELECT h.n, s.id FROM unheard h JOIN untold s ON s.source = h.source AND s.minor = h.net
        LEFT JOIN named_unheard b USING (n) LEFT JOIN named_untold m ON m.id = s.id
        WHERE nullif(s.bank_reference, '') IN (h.bank_reference, h.source_reference)
           OR nullif(s.end_to_end_id, '') = h.end_to_end_id
           OR (b.bill = m.bill AND (s.bank_reference = '' OR h.bank_reference IN ('', s.bank_reference)))
    ), certain AS (
        SELECT n, id, count(*) OVER (PARTITION BY n) = 1 AND count(*) OVER (PARTITION BY id) = 1 AS only FROM pairs
    )
    UPDATE payments p SET {_ADOPTED} FROM certain c JOIN unheard h USING (n) WHERE c.only AND p.id = c.id RETURNING p.id
"""  # noqa: S608


# A line of a large statement that waits to be booked proves them by a reference: nothing less may give them to another.
_UNAWAITED = f"""
    SELECT * FROM ({UNHEARD}) awaited WHERE NOT EXISTS (
        SELECT 1 FROM statements s JOIN statement_lines l ON l.statement_id = s.id AND l.id >= s.booking_from
        WHERE s.booking_from IS NOT NULL AND s.bank = awaited.source AND s.state = 'accepted' AND l.counts
          AND l.minor = awaited.minor AND NOT l.reversal
          AND (l.bank_reference IN (nullif(awaited.bank_reference, ''), awaited.source_reference)
               OR l.end_to_end_id = nullif(awaited.end_to_end_id, '')))
"""  # noqa: S608
_IS_ANY_AWAITED = "SELECT EXISTS (SELECT 1 FROM statements WHERE booking_from IS NOT NULL AND bank = ANY(:sources))"


def _adoptions(unheard: str) -> list[str]:
    rounds = [
        _ADOPT.format(told=told, seen=seen, unheard=among, adopted=_ADOPTED, **_SAME_AMOUNT)
        for told, seen, among in (
            ("bank_reference", "bank_reference", UNHEARD),
            ("source_reference", "bank_reference", UNHEARD),
            ("end_to_end_id", "end_to_end_id", unheard),
        )
    ]
    rounds += [
        _ADOPT_QUOTED.format(
            told=told, seen=seen, unheard=unheard, adopted=_ADOPTED,
            named_by_either=references.naming_the_same("SELECT quoted FROM unheard"),
            named_by_notices=references.naming_one_bill("n", "SELECT * FROM unheard"),
            named_by_lines=references.naming_one_bill("id", "SELECT * FROM untold"),
        )
        for told, seen in (("bank_reference = ''", "true"), ("true", "bank_reference = ''"))
    ]  # fmt: skip
    # The bank's own reference agrees and the amount does not: one transaction all the same, and a question below.
    # A reference that stands on several rows is a batch's: it proves nothing once the amounts differ.
    alone = "AND s.unit = h.currency AND s.rows = 1 AND h.rows = 1"
    by_reference = {"told": "bank_reference", "seen": "bank_reference", "same": alone}
    netted = _ADOPT_NETTED.replace(":unheard", unheard)
    return [*rounds, netted, _ADOPT.format(unheard=unheard, adopted=_ADOPTED, amount="", **by_reference)]


_ADOPTIONS = _adoptions(UNHEARD)
_ADOPTIONS_BESIDE_LINES_IN_WORK = _adoptions(_UNAWAITED)

# Most rounds ask for the same amount, and the last one for the same reference: one look spares most batches all.
_MAY_BE_ADOPTED = f"""
    SELECT EXISTS (
        SELECT 1 FROM ({INCOMING}) i JOIN payments p ON p.source = i.source AND p.minor = i.minor
        WHERE p.source_reference LIKE 'line:%'
    ) OR EXISTS (
        SELECT 1 FROM ({INCOMING}) i JOIN payments p ON p.source = i.source AND p.bank_reference = i.bank_reference
        WHERE i.bank_reference <> '' AND p.bank_reference <> '' AND p.source_reference LIKE 'line:%'
    ) OR EXISTS (SELECT 1 FROM tariffs WHERE charged = 'netted' AND bank = ANY(:sources))
"""  # noqa: S608 - put together from constants; values travel as parameters


def adopt(session: Session, values: Mapping[str, object], sources: set[str]) -> list[int]:
    """Give payments that stand for a line alone what a callback of `values` tells of them; return their ids.

    `values` are `rows`, the callbacks as INCOMING reads them, and `now`; the caller holds the locks of `sources`.
    """
    told = {**values, "sources": sorted(sources)}
    if not session.scalar(text(_MAY_BE_ADOPTED), told):
        return []
    awaited = session.scalar(text(_IS_ANY_AWAITED), told)
    queries = _ADOPTIONS_BESIDE_LINES_IN_WORK if awaited else _ADOPTIONS
    return [one for query in queries for one in session.scalars(text(query), values)]
