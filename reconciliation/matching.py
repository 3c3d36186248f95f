"""Matching: which bill a payment settles, proven by a code that was quoted, never by the amount alone.

Rules, first hit wins: the end-to-end id of a debit · the payment code or bill number quoted · customer codes or several
bills quoted and an amount that only one choice among what they owe adds up to, which is a guess. Codes written with
look-alikes or in pieces count where the plain ones name nothing known. Whatever is ambiguous or contradicts itself goes
to people. All of it is set-based: a batch of callbacks and a statement's lines take the same road.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import guesses, ledger, misread, outbox, plain_matches, references, rivals, statistics, suggestions
from reconciliation.db import AdvisoryLock
from reconciliation.lifecycle import BILL, move
from reconciliation.unmatched import ask_about, settle_answered

_BATCH = 500
"""Payments decided at once: large enough for set-based speed, small enough that locks are held briefly."""


@dataclass(frozen=True, slots=True)
class Matched:
    """What one run of matching did."""

    allocations: int = 0
    bills_paid: int = 0
    questions: int = 0

    def __add__(self, other: "Matched") -> "Matched":
        return Matched(
            self.allocations + other.allocations, self.bills_paid + other.bills_paid, self.questions + other.questions
        )


_DECISIONS = """
    CREATE TEMP TABLE IF NOT EXISTS decisions (
        payment_id bigint PRIMARY KEY, bill_id bigint, rule text, quoted text, verdict text NOT NULL, candidates text,
        bills bigint[], customers bigint[], otherwise text, choices jsonb
    )
"""
# Emptied by hand: emptied by each commit, every plan that reads it would be made anew in every transaction. What
# deleted rows leave behind goes once it is worth it.
_OUTGROWN = "SELECT pg_relation_size('decisions') > 1000000"

_LOCK_PAYMENTS = "SELECT count(*) FROM (SELECT id FROM payments WHERE id = ANY(:ids) ORDER BY id FOR UPDATE) locked"
_LOCK_BILLS = """
    SELECT count(*) FROM (
        SELECT id FROM bills WHERE id IN (
            SELECT bill_id FROM decisions WHERE verdict = 'match' UNION
            SELECT bill_id FROM allocations WHERE payment_id = ANY(:ids) AND undone_at IS NULL)
        ORDER BY id FOR UPDATE
    ) locked
"""

# A bill's identity is its number: versions of one bill share it, and the newest version is the one that is owed.
# What names customers or several bills is a guess, weighed when all that is proven has settled; a payment code of a
# bill that is not known yet names another bill than those that are, and nothing is read into what stands beside it.
_DECIDE = f"""
    WITH todo AS MATERIALIZED (
        SELECT id, end_to_end_id, quoted, reversal, denied_at FROM payments
        WHERE id = ANY(:ids) AND currency = 'VND' AND state IN ('reported', 'confirmed')
    ), codes AS MATERIALIZED (
        SELECT id AS payment_id, code FROM todo, unnest(quoted) AS code WHERE code NOT LIKE '{misread.MARK}%'
    ), unknown AS MATERIALIZED (
        SELECT DISTINCT payment_id FROM codes c WHERE code ~ '{references.PAYMENT_CODE}'
          AND NOT EXISTS (SELECT 1 FROM bills b WHERE b.payment_code = c.code)
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
    ), named AS MATERIALIZED (
        SELECT i.payment_id, count(DISTINCT w.id) AS bills, min(w.id) AS bill_id,
            array_agg(DISTINCT w.id ORDER BY w.id) AS ids, array_agg(DISTINCT w.customer_id) AS owners,
            string_agg(DISTINCT w.number, ', ' ORDER BY w.number) AS numbers,
            bool_and(w.state IN ('open', 'part_paid', 'paid')) AS owed,
            (array_agg(i.rule ORDER BY i.rank, i.quoted))[1] AS rule,
            (array_agg(i.quoted ORDER BY i.rank, i.quoted))[1] AS quoted,
            string_agg(DISTINCT i.quoted, ', ' ORDER BY i.quoted) AS all_quoted
        FROM identities i JOIN newest w USING (number) GROUP BY i.payment_id
    ), people AS MATERIALIZED (
        SELECT payment_id, count(DISTINCT id) AS customers, array_agg(DISTINCT id ORDER BY id) AS ids,
            string_agg(DISTINCT code, ', ' ORDER BY code) AS codes
        FROM (
            SELECT c.payment_id, k.id, c.code FROM codes c JOIN customers k ON k.code = c.code
            UNION ALL
            SELECT r.payment_id, k.id, r.said FROM readings r JOIN customers k ON k.code = r.code
        ) quoted GROUP BY payment_id
    ), found AS (
        SELECT t.id, t.denied_at, t.reversal, n.bills, n.bill_id, n.ids, n.owed, n.numbers, n.rule, n.quoted,
            n.all_quoted, p.customers, p.codes, u.payment_id IS NULL AS all_known,
            ARRAY(SELECT unnest(p.ids) EXCEPT SELECT unnest(n.owners) ORDER BY 1) AS others
        FROM todo t
        LEFT JOIN named n ON n.payment_id = t.id
        LEFT JOIN people p ON p.payment_id = t.id
        LEFT JOIN unknown u ON u.payment_id = t.id
    ), judged AS (
        SELECT f.*, w.state,
            CASE
                WHEN bills > 1 THEN 'several_bills'
                WHEN bills = 1 AND others <> '{{}}' THEN 'contradiction'
                WHEN bills = 1 AND w.state IN ('cancelled', 'replaced') THEN 'cancelled'
                WHEN bills = 1 THEN 'match'
                WHEN customers > 1 THEN 'several_customers'
                WHEN customers = 1 AND all_known THEN 'other_amount'
                ELSE 'unknown'
            END AS verdict
        FROM found f LEFT JOIN bills w ON w.id = f.bill_id AND f.bills = 1
    )
    INSERT INTO decisions (payment_id, bill_id, rule, quoted, verdict, candidates, bills, customers, otherwise)
    SELECT id, CASE WHEN bills = 1 THEN bill_id END, rule, coalesce(CASE WHEN bills > 1 THEN all_quoted ELSE quoted END,
            codes),
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

# What a person has taken apart stays apart: the payment asks, as one that names no bill.
_BAR = """
    UPDATE decisions d SET verdict = 'barred', bill_id = NULL FROM allocations a
    WHERE d.verdict = 'match' AND a.payment_id = d.payment_id AND a.bill_id = d.bill_id AND a.barred
"""

# Each bill is shared out in turn, so that it does not depend on which payment was heard first.
_ALLOCATE = f"""
    WITH ready AS (
        SELECT d.*, p.minor - p.matched_minor AS remaining, b.minor - b.paid_minor AS owed, b.number, b.customer_id,
            sum(p.minor - p.matched_minor) OVER (
                PARTITION BY d.bill_id ORDER BY {rivals.turn("d")} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS before
        FROM decisions d JOIN payments p ON p.id = d.payment_id JOIN bills b ON b.id = d.bill_id
        WHERE d.verdict = 'match' AND b.state IN ('open', 'part_paid', 'paid') AND b.paid_minor < b.minor
          AND p.matched_minor < p.minor
          AND NOT EXISTS (SELECT 1 FROM allocations a
                          WHERE a.payment_id = d.payment_id AND a.bill_id = d.bill_id AND a.undone_at IS NULL)
    ), shared AS (
        SELECT payment_id, bill_id, customer_id, rule, quoted, number, remaining, owed - coalesce(before, 0) AS owed
        FROM ready
    )
    INSERT INTO allocations (payment_id, bill_id, minor, rule, quoted, evidence, beaten, by, at)
    SELECT payment_id, bill_id, least(remaining, owed), rule, quoted,
        CASE rule
            WHEN 'end_to_end_id'
                THEN 'The bank repeats the end-to-end id ' || quoted || ' of our debit for bill ' || number
            WHEN 'payment_code' THEN 'The payment code ' || {misread.in_words("quoted")} || ' of bill ' || number
                 || ' is quoted'
            ELSE 'The bill number ' || {misread.in_words("quoted")} || ' is quoted'
        END || CASE
            WHEN remaining = owed THEN '; the amount is exactly what is owed.'
            WHEN remaining < owed THEN '; ' || remaining || ' đ of ' || owed || ' đ owed.'
            ELSE '; ' || owed || ' đ owed of ' || remaining || ' đ paid.'
        END,
        -- A code beats an amount that agrees elsewhere.
        CASE WHEN remaining = owed THEN '[]' ELSE coalesce((
            SELECT jsonb_agg(jsonb_build_object('bill', o.number, 'owed', remaining, 'why', 'unnamed')
                ORDER BY o.number)
            FROM bills o WHERE o.customer_id = shared.customer_id AND o.id <> bill_id
              AND o.state IN ('open', 'part_paid') AND o.minor - o.paid_minor = remaining), '[]') END,
        'matching', :now
    FROM shared WHERE owed > 0 ORDER BY payment_id
    RETURNING id, payment_id, bill_id
"""  # noqa: S608 - put together from constants

_DELETE = "DELETE FROM decisions WHERE payment_id = ANY(:ids) {which}"
_GUESSES_AMONG = "SELECT payment_id FROM decisions WHERE verdict = 'guess' AND payment_id = ANY(:ids)"

ALLOCATED = """
    SELECT 'allocation:' || a.id AS key, p.source AS bank, p.business_date,
        'payment ' || p.source_reference || ' settles bill ' || b.number AS memo,
        'suspense' AS debit, 'receivable' AS credit, a.minor, p.currency,
        CAST(:now AS timestamptz) AS at
    FROM allocations a JOIN payments p ON p.id = a.payment_id JOIN bills b ON b.id = a.bill_id WHERE a.id = ANY(:ids)
"""


def match(session: Session, payment_ids: Sequence[int], *, now: datetime) -> Matched:
    """Match payments to bills, book it, promise the confirmations and ask people about the rest.

    A payment matched before is looked at again: its evidence may have grown, or another claims its bill.
    """
    wait_for_bills(session)
    done = Matched()
    wanted = sorted(set(payment_ids))
    if len(wanted) >= plain_matches.MANY:
        for some in [wanted[at : at + plain_matches.AT_ONCE] for at in range(0, len(wanted), plain_matches.AT_ONCE)]:
            settled, plainly = _match_plain(session, some, now)
            done += plainly
            wanted = [one for one in wanted if one not in settled]
    known = 0
    for start in range(0, len(wanted), _BATCH):
        if start > 2 * known:  # what this run has written changes the plans of the rest: counted at each doubling
            statistics.refresh(session, start)
            known = start
        done += _match_batch(session, wanted[start : start + _BATCH], now)
    return done


def wait_for_bills(session: Session, *, alone: bool = False) -> None:
    """Wait until no bills are being issued (`alone`: until nobody matches), and keep it so for this transaction.

    Otherwise a payment and its bill, each not yet committed, would not see each other and stay apart for ever.
    """
    kind = "" if alone else "_shared"
    session.execute(text(f"SELECT pg_advisory_xact_lock{kind}(:key)"), {"key": AdvisoryLock.ISSUING})


def waiting(session: Session, codes: Sequence[str]) -> list[int]:
    """Return the payments that quote one of `codes`: they came before their bill, or name a second bill now known."""
    found = session.scalars(
        text(
            """
            SELECT p.id FROM unnest(CAST(:quoted AS text[])) AS c (code) JOIN payments p ON p.quoted @> ARRAY[c.code]
            UNION SELECT id FROM payments WHERE end_to_end_id <> '' AND end_to_end_id = ANY(:codes)
            """
        ),
        {"codes": list(codes), "quoted": [*codes, *(misread.MARK + code for code in codes)]},
    )
    return list(found)


def _match_plain(session: Session, ids: list[int], now: datetime) -> tuple[set[int], Matched]:
    """Settle the plain ones of `ids`; return which they were. To each the usual road would do the same."""
    _begin(session, ids)
    _decide(session, ids)
    session.execute(text(_LOCK_BILLS), {"ids": []})
    plain = plain_matches.keep_plain(session)
    if not plain:
        return set(), Matched()
    rows = session.execute(text(_ALLOCATE), {"now": now}).all()
    allocations = [row.id for row in rows]
    ledger.post(session, ALLOCATED, {"ids": allocations, "now": now})
    paid = settle_bills(session, {row.bill_id for row in rows}, why="matched", now=now)
    outbox.promise_confirmations(session, plain, allocations, now=now)
    outbox.withdraw_notices(session, paid, why="the bill is paid", now=now)
    return set(plain), Matched(len(allocations), len(paid))


def _begin(session: Session, ids: list[int]) -> None:
    session.execute(text(_DECISIONS))
    session.execute(text("TRUNCATE decisions" if session.scalar(text(_OUTGROWN)) else "DELETE FROM decisions"))
    session.execute(text(_LOCK_PAYMENTS), {"ids": ids})


def _match_batch(session: Session, ids: list[int], now: datetime) -> Matched:
    _begin(session, ids)
    _decide(session, ids)
    bills = rivals.undo_doubted(session, ids, now=now)
    session.execute(text(_LOCK_BILLS), {"ids": ids})
    # Only now is it certain who else claims these bills: whoever held them before has committed.
    others = rivals.of(session, ids, bills)
    if others:
        session.execute(text(_LOCK_PAYMENTS), {"ids": others})
        _decide(session, others)
        ids = [*ids, *others]
        session.execute(text(_LOCK_BILLS), {"ids": ids})
    bills |= rivals.make_room(session, ids, bills, now=now)
    proven = session.execute(text(_ALLOCATE), {"now": now}).all()
    bills |= {row.bill_id for row in proven}
    weighed = _weigh_guesses(session, bills, now)
    ids = sorted({*ids, *weighed.payments})
    bills |= weighed.freed
    guessed = guesses.settle(session, now=now) if weighed.payments else []
    bills |= {row.bill_id for row in guessed}
    allocations = [row.id for row in (*proven, *guessed)]
    ledger.post(session, ALLOCATED, {"ids": allocations, "now": now})
    paid = settle_bills(session, bills, why="matched", now=now)
    outbox.promise_confirmations(session, ids, allocations, now=now)
    outbox.withdraw_notices(session, paid, why="the bill is paid", now=now)
    questions = ask_about(session, ids, now=now)
    settle_answered(session, ids, paid, now=now)
    suggestions.rank(session, ids)
    return Matched(len(allocations), len(paid), questions)


def _decide(session: Session, ids: Sequence[int]) -> None:
    session.execute(text(_DECIDE), {"ids": list(ids)})
    session.execute(text(_BAR))


def _weigh_guesses(session: Session, bills: set[int], now: datetime) -> guesses.Weighed:
    """Weigh the guesses of this batch and those at bills it has changed, with all others at the same customers."""
    decided = set(session.scalars(text("SELECT payment_id FROM decisions")))

    def decide_anew(payments: Sequence[int]) -> list[int]:
        """Return which of `payments` are guesses. Those that name a bill were settled with it, and are left alone."""
        added = [one for one in payments if one not in decided]
        session.execute(text(_DELETE.format(which="")), {"ids": added})
        _decide(session, added)
        session.execute(text(_DELETE.format(which="AND verdict <> 'guess'")), {"ids": added})
        return list(session.scalars(text(_GUESSES_AMONG), {"ids": list(payments)}))

    gathered = guesses.gather(session, bills, decide_anew)
    if gathered:
        session.execute(text(_LOCK_PAYMENTS), {"ids": gathered})
        decide_anew(gathered)  # what was read before the locks may have changed
    weighed = guesses.weigh(session, now=now)
    short = guesses.holders(session, weighed.freed) if weighed.freed else []
    if short:
        _decide(session, short)
    return guesses.Weighed([*weighed.payments, *short], weighed.freed)


def settle_bills(session: Session, bill_ids: set[int], *, why: str, now: datetime) -> list[int]:
    """Move bills to the state their paid amount calls for; return those now paid.

    One that is owed again is announced again, if the word that was taken back can still come in time.
    """
    if not bill_ids:
        return []
    rows = session.execute(
        text(
            """
            SELECT id, state, CASE WHEN paid_minor = minor THEN 'paid' WHEN paid_minor > 0 THEN 'part_paid'
                              ELSE 'open' END AS due
            FROM bills WHERE id = ANY(:ids) AND state IN ('open', 'part_paid', 'paid')
            """
        ),
        {"ids": sorted(bill_ids)},
    ).all()
    for state in ("open", "part_paid", "paid"):
        due = [row.id for row in rows if row.due == state != row.state]
        moved = move(session, BILL, due, state, by="matching", why=why, now=now)
        if state == "open":
            outbox.promise_notices(session, moved, now=now)
    return [row.id for row in rows if row.due == "paid"]
