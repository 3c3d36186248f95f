"""Following debits: what is known of each decides its state, whatever came first, and what comes after it.

Money decides over words: a payment that bears a debit's end-to-end id means that it was carried out, and its return
that it was given back. Of words, a rejection outranks a cancellation, and both an acceptance.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import bank_days, debit_days, debit_promises, debit_recalls, debit_rules, mismatches
from reconciliation.business_days import end_of
from reconciliation.debits import LIVE, NEWEST, Fact
from reconciliation.lifecycle import DEBIT, move

BY = "debits"
_AT_ONCE = 5_000
SHOWN_WITHIN = 2
"""Business days after a debit's day until its money must be on a statement, once the bank has accepted it."""

_TAKE = """
    DELETE FROM debit_news WHERE id IN (SELECT id FROM debit_news ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING debit_id
"""
_LOCK = "SELECT id FROM debits WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"
# A bank that drops the end-to-end id may still name the mandate on the line that pays the bill: the newest debit that
# left is meant, whatever was said of it. Of money that was given back no match tells: there its amount and day do.
_OWED = "b.state = 'open' AND b.paid_minor = 0"
_FACTS = f"""
    WITH these AS MATERIALIZED (SELECT * FROM debits WHERE id = ANY(:ids)), money AS MATERIALIZED (
        SELECT d.id, p.state IN ('reported', 'confirmed') AS counts, p.id AS payment_id FROM these d
        JOIN payments p ON p.source = d.bank AND p.end_to_end_id = d.end_to_end_id
        WHERE p.end_to_end_id <> '' AND (p.state <> 'denied' OR p.source_reference NOT LIKE 'line:%')
        UNION ALL
        SELECT d.id, true, p.id FROM these d JOIN mandates m ON m.id = d.mandate_id
        JOIN allocations a ON a.bill_id = d.bill_id AND a.undone_at IS NULL
        JOIN payments p ON p.id = a.payment_id AND p.source = d.bank AND p.end_to_end_id = ''
            AND p.state IN ('reported', 'confirmed')
        WHERE d.sent_at IS NOT NULL AND EXISTS (
            SELECT 1 FROM statement_lines l WHERE l.payment_id = p.id AND l.mandate_id = m.reference)
            AND {NEWEST}
        UNION ALL
        SELECT d.id, false, p.id FROM these d JOIN mandates m ON m.id = d.mandate_id
        JOIN statement_lines l ON l.mandate_id = m.reference AND l.mandate_id <> '' AND l.payment_id IS NOT NULL
        JOIN payments p ON p.id = l.payment_id AND p.source = d.bank AND p.end_to_end_id = '' AND p.state = 'returned'
            AND p.minor = d.minor AND p.business_date >= d.charge_on
        WHERE d.sent_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM debits o WHERE o.mandate_id = d.mandate_id
            AND o.minor = d.minor AND o.charge_on <= p.business_date AND (o.charge_on, o.id) > (d.charge_on, d.id)
            AND o.sent_at IS NOT NULL)
    ), paid AS MATERIALIZED (
        SELECT id, bool_or(counts) AS counts, max(payment_id) AS payment_id FROM money GROUP BY id
    ), words AS MATERIALIZED (
        SELECT r.debit_id, bool_or(r.verdict = 'rejected') AS rejected, bool_or(r.verdict = 'cancelled') AS cancelled,
            bool_or(r.verdict = 'not_cancelled') AS kept,
            max(r.at) FILTER (WHERE r.verdict = 'accepted') AS accepted_at,
            max(r.reason) FILTER (WHERE r.verdict = 'rejected') AS reason
        FROM debit_reports r WHERE r.debit_id = ANY(:ids) GROUP BY r.debit_id
    )
    SELECT d.id, d.state, d.bill_id, d.bill_number, d.charge_on, d.minor, d.bank, b.state AS bill_state,
        {_OWED} AS owed, coalesce(w.kept, false) AS kept,
        coalesce(w.cancelled, false) AS cancelled,
        CASE WHEN p.counts THEN '' WHEN p.id IS NOT NULL THEN coalesce((SELECT r.reason FROM returns r
                WHERE r.payment_id = p.payment_id AND r.undone_at IS NULL ORDER BY r.id DESC LIMIT 1), '')
             ELSE coalesce(w.reason, '') END AS reason,
        CASE
            WHEN d.state = 'planned' AND NOT ({_OWED}) THEN 'dropped'
            WHEN d.sent_at IS NULL THEN d.state  -- money under its id is of whoever else asked for it
            WHEN p.counts THEN 'paid'
            WHEN p.id IS NOT NULL THEN 'returned'
            WHEN w.rejected THEN 'rejected'
            WHEN w.cancelled THEN 'recalled'
            WHEN d.state IN ('rejected', 'recalled', 'returned') THEN d.state
            WHEN d.state = 'paid' AND EXISTS (SELECT 1 FROM debits o
                WHERE o.bill_number = d.bill_number AND o.id <> d.id AND o.{LIVE}) THEN 'rejected'
            WHEN w.accepted_at IS NOT NULL AND (d.state <> 'unknown' OR w.accepted_at > (SELECT max(t.at)
                FROM transitions t WHERE t.kind = 'debit' AND t.subject_id = d.id AND t.to_state = 'unknown'))
                THEN 'accepted'
            WHEN d.state = 'paid' THEN 'unknown'
            ELSE d.state
        END AS target
    FROM these d JOIN bills b ON b.id = d.bill_id LEFT JOIN paid p ON p.id = d.id LEFT JOIN words w ON w.debit_id = d.id
    ORDER BY d.id
"""  # noqa: S608 - put together from constants
_WHY = {
    "accepted": "the bank has taken it on", "paid": "its money came", "rejected": "the bank took nothing",
    "returned": "the bank gave the money back", "recalled": "the bank cancelled it",
    "dropped": "the bill is not owed as it was", "unknown": "what showed its money was taken back",
}  # fmt: skip
_REASON = "UPDATE debits SET reason = :reason WHERE id = ANY(:ids)"


@dataclass(frozen=True, slots=True)
class Retries:
    """After which reason codes another try may succeed, and how long before their day each bank gets its debits."""

    codes: Collection[str]
    leads: Mapping[str, timedelta] = field(default_factory=dict)


def follow(session: Session, retries: Retries, *, now: datetime) -> dict[str, int] | None:
    """Take some of what is new and bring its debits to the state it calls for; return how many came to each.

    None when nothing is new.
    """
    ids = sorted(set(session.scalars(text(_TAKE), {"limit": _AT_ONCE})))
    if not ids:
        return None
    these = {"ids": ids}
    session.execute(text(_LOCK), these)
    facts = session.execute(text(_FACTS), these).all()
    moved = _move(session, facts, now=now)
    debit_recalls.follow(session, facts, now=now)
    missed = [one for one in facts if one.id in moved.get("rejected", set()) | moved.get("returned", set())]
    _after_miss(session, [one for one in missed if one.owed], retries, now=now)
    _answer(session, set[int]().union(*(ids for state, ids in moved.items() if state != "unknown")), now=now)
    return {state: len(found) for state, found in moved.items()}


def _move(session: Session, facts: Sequence[Fact], *, now: datetime) -> dict[str, set[int]]:
    moved: dict[str, set[int]] = {}
    # Money that came and went between two looks was there: both steps are noted.
    passed = [one.id for one in facts if one.target == "returned" and one.state not in ("paid", "returned")]
    move(session, DEBIT, passed, "paid", by=BY, why=_WHY["paid"], now=now, noting="ask_at = NULL")
    for target, said in _WHY.items():
        due = [one for one in facts if one.target == target != one.state]
        noting = "ask_at = CAST(:now AS timestamptz), asked = 0" if target == "unknown" else "ask_at = NULL"
        for reason in sorted({one.reason for one in due}):
            these = [one.id for one in due if one.reason == reason]
            why = f"{said}: {reason}" if reason else said
            found = move(session, DEBIT, these, target, by=BY, why=why, now=now, noting=noting)
            session.execute(text(_REASON), {"reason": reason, "ids": found})
            moved.setdefault(target, set()).update(found)
    _await_money(session, [one for one in facts if one.id in moved.get("accepted", set())])
    return moved


def _await_money(session: Session, accepted: Sequence[Fact]) -> None:
    """Ask after what was accepted if its money is not shown in time."""
    if not accepted:
        return
    calendar = bank_days.calendar(session)
    for day in sorted({one.charge_on for one in accepted}):
        values = {
            "ids": [one.id for one in accepted if one.charge_on == day],
            "at": end_of(calendar.after(day, SHOWN_WITHIN)),
        }  # fmt: skip
        session.execute(text("UPDATE debits SET ask_at = :at WHERE id = ANY(:ids)"), values)


_TRIED = """
    SELECT d.bill_number, min(d.charge_on) AS first, array_agg(d.charge_on) AS days FROM debits d
    WHERE d.bill_number = ANY(:numbers) AND d.state <> 'dropped' GROUP BY d.bill_number
"""


def _after_miss(session: Session, missed: Sequence[Fact], retries: Retries, *, now: datetime) -> None:
    """Try again on a payday what met too small a balance, its customer told before; tell the others, once."""
    if not missed:
        return
    rules, calendar = debit_rules.rules(session), bank_days.calendar(session)
    numbers = {"numbers": [one.bill_number for one in missed]}
    tried = {row.bill_number: row for row in session.execute(text(_TRIED), numbers)}
    again: dict[int, date] = {}
    for one in missed:
        known = tried[one.bill_number]
        if one.reason in retries.codes:
            lead = retries.leads.get(one.bank, timedelta(0))
            day = debit_days.next_try(rules, calendar, first=known.first, earlier=known.days, lead=lead, now=now)
            if day is not None:
                again[one.bill_id] = day
    if again:
        debit_days.date_anew(session, again, by=BY, why="the balance was too small", now=now)
        debit_promises.promise_notices(session, list(again), now=now)
    failed = [one.bill_id for one in missed if one.bill_id not in again and one.target == "rejected"]
    debit_promises.promise_failed(session, failed, now=now)


_ASKED = """
    SELECT m.id FROM mismatches m WHERE m.code = 'M16' AND m.state <> 'resolved'
      AND m.subject = ANY(ARRAY(SELECT 'debit:' || id FROM unnest(CAST(:ids AS bigint[])) AS w (id)))
"""


def _answer(session: Session, known: set[int], *, now: datetime) -> None:
    """Close the questions about debits of which it is known now what became of them."""
    if known:
        asked = session.scalars(text(_ASKED), {"ids": sorted(known)}).all()
        mismatches.resolve(session, asked, by=BY, resolution="the bank's word came", now=now)
