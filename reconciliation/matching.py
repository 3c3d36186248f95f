"""Matching: which bill a payment settles, proven by a code that was quoted, never by the amount alone.

Rules, first hit wins: the end-to-end id of a debit · the payment code or bill number quoted · customer codes or several
bills quoted and an amount that only one choice among what they owe adds up to, which is a guess. Codes written with
look-alikes or in pieces count where the plain ones name nothing known. Whatever is ambiguous or contradicts itself goes
to people. All of it is set-based: a batch of callbacks and a statement's lines take the same road.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import (
    debit_promises,
    deciding,
    guesses,
    ledger,
    misread,
    outbox,
    plain_lines,
    plain_matches,
    rivals,
    statistics,
    suggestions,
)
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


_LOCK_PAYMENTS = "SELECT count(*) FROM (SELECT id FROM payments WHERE id = ANY(:ids) ORDER BY id FOR UPDATE) locked"
_LOCK_BILLS = """
    SELECT count(*) FROM (
        SELECT id FROM bills WHERE id IN (
            SELECT bill_id FROM decisions WHERE verdict = 'match' UNION
            SELECT bill_id FROM allocations WHERE payment_id = ANY(:ids) AND undone_at IS NULL)
        ORDER BY id FOR UPDATE
    ) locked
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
        {plain_matches.proof("quoted")} || CASE
            WHEN remaining = owed THEN {plain_matches.EXACT}
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
    deciding.decide(session, ids)
    session.execute(text(_LOCK_BILLS), {"ids": []})
    plain = plain_matches.keep_plain(session)
    if not plain:
        return set(), Matched()
    rows = session.execute(text(_ALLOCATE), {"now": now}).all()
    return set(plain), _book_plain(session, rows, new=False, now=now)


def match_lines(session: Session, values: Mapping[str, object], others: Sequence[int], *, now: datetime) -> Matched:
    """Make and match the payments of those pending lines of :statement that settle their bill plainly, if it has many.

    The lines from :first to :last; `others` are payments that will be matched with them and may name the same bills.
    """
    if not plain_lines.are_many(session, values):
        return Matched()
    plain_lines.decide(session, values, others)
    session.execute(text(_LOCK_BILLS), {"ids": []})
    if not plain_matches.keep_plain(session, lines=True):
        return Matched()
    return _book_plain(session, plain_lines.make(session, values), new=True, now=now)


def _book_plain(session: Session, rows: Sequence[Row[Any]], *, new: bool, now: datetime) -> Matched:
    """Book matches that pay their payment and their bill whole: `rows` of id, payment_id and bill_id."""
    allocations, bills = [row.id for row in rows], sorted(row.bill_id for row in rows)
    ledger.post(session, ALLOCATED, {"ids": allocations, "now": now})
    paid = move(session, BILL, bills, "paid", by="matching", why="matched", now=now)
    outbox.promise_confirmations(session, [row.payment_id for row in rows], allocations, now=now, new=new)
    debit_promises.withdraw_notices(session, paid, why="the bill is paid", now=now)
    return Matched(len(allocations), len(paid))


def _begin(session: Session, ids: list[int]) -> None:
    deciding.begin(session)
    session.execute(text(_LOCK_PAYMENTS), {"ids": ids})


def _match_batch(session: Session, ids: list[int], now: datetime) -> Matched:
    _begin(session, ids)
    deciding.decide(session, ids)
    bills = rivals.undo_doubted(session, ids, now=now)
    session.execute(text(_LOCK_BILLS), {"ids": ids})
    # Only now is it certain who else claims these bills: whoever held them before has committed.
    others = rivals.of(session, ids, bills)
    if others:
        session.execute(text(_LOCK_PAYMENTS), {"ids": others})
        deciding.decide(session, others)
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
    debit_promises.withdraw_notices(session, paid, why="the bill is paid", now=now)
    questions = ask_about(session, ids, now=now)
    settle_answered(session, ids, paid, now=now)
    suggestions.rank(session, ids)
    return Matched(len(allocations), len(paid), questions)


def _weigh_guesses(session: Session, bills: set[int], now: datetime) -> guesses.Weighed:
    """Weigh the guesses of this batch and those at bills it has changed, with all others at the same customers."""
    decided = deciding.decided(session)
    gathered = guesses.gather(session, bills, decided)
    if gathered:
        session.execute(text(_LOCK_PAYMENTS), {"ids": gathered})
        deciding.guesses_among(session, gathered, decided)  # what was read before the locks may have changed
    weighed = guesses.weigh(session, now=now)
    short = guesses.holders(session, weighed.freed) if weighed.freed else []
    if short:
        deciding.decide(session, short)
    return guesses.Weighed([*weighed.payments, *short], weighed.freed)


def settle_bills(
    session: Session, bill_ids: set[int], *, why: str, now: datetime, by: str = "matching"
) -> list[int]:  # fmt: skip
    """Move bills to the state their paid amount calls for; return those now paid. `by` is whose doing it is.

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
        moved = move(session, BILL, due, state, by=by, why=why, now=now)
        if state == "open":
            debit_promises.promise_notices(session, moved, now=now)
    return [row.id for row in rows if row.due == "paid"]
