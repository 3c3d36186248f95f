"""Plain lines: those of a statement that settle their bill plainly become payments with their match, written once.

What they say is decided on before there is a payment. Each other line becomes a payment first and is matched on the
usual road. So would these: their payments would be written twice, with all of their index entries.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import deciding, plain_matches
from reconciliation.lifecycle import PAYMENT, born

_PENDING = """
    SELECT count(*) FROM statement_lines
    WHERE statement_id = :statement AND id BETWEEN :first AND :last AND (state = 'pending') IS TRUE
      AND minor > 0
"""

# The database sees to it that a payment's counter and the match that came with it say the same.
_MAKE = f"""
    WITH plain AS MATERIALIZED (
        SELECT d.payment_id, d.line_id, d.bill_id, d.rule, d.quoted AS code, b.number, l.bank_reference,
            l.end_to_end_id, l.minor, l.currency, l.booked_on, l.narrative, l.quoted, l.counterparty_tail,
            l.counterparty_hash
        FROM decisions d JOIN statement_lines l ON l.id = d.line_id JOIN bills b ON b.id = d.bill_id
    ), made AS (
        INSERT INTO payments (id, source, source_reference, bank_reference, end_to_end_id, minor, currency,
            business_date, narrative, quoted, payer_tail, payer_hash, origin, delivery_id, due_at, created_at, state,
            moves, confirmed_minor, matched_minor)
        OVERRIDING SYSTEM VALUE
        SELECT payment_id, :bank, 'line:' || line_id, bank_reference, end_to_end_id, minor, currency,
            coalesce(booked_on, CAST(:day AS date)), narrative, quoted, counterparty_tail, counterparty_hash, :origin,
            :delivery, CAST(:due AS timestamptz), :now, 'confirmed', 1, minor, minor
        FROM plain ORDER BY payment_id
        RETURNING id
    ), noted AS ({born(PAYMENT, "confirmed", "made")}
    ), paired AS (
        UPDATE statement_lines l SET payment_id = plain.payment_id, state = 'matched'
        FROM plain WHERE l.id = plain.line_id
    )
    INSERT INTO allocations (payment_id, bill_id, minor, rule, quoted, evidence, by, at, born)
    SELECT payment_id, bill_id, minor, rule, code, {plain_matches.proof("code")} || {plain_matches.EXACT},
        'matching', :now, true
    FROM plain ORDER BY payment_id
    RETURNING id, payment_id, bill_id
"""  # noqa: S608 - put together from constants


def are_many(session: Session, values: Mapping[str, object]) -> bool:
    """Tell whether so many lines of :statement wait, from :first to :last, that the plain ones are looked for."""
    return int(session.scalar(text(_PENDING), values) or 0) >= plain_matches.MANY


def decide(session: Session, values: Mapping[str, object], others: Sequence[int]) -> None:
    """Decide what the pending lines say, and the payments `others`, which may name the same bills."""
    deciding.begin(session)
    deciding.decide_lines(session, values)
    if others:
        deciding.decide(session, others)


def make(session: Session, values: Mapping[str, object]) -> Sequence[Row[Any]]:
    """Make payments and matches of the lines that `decisions` holds; return id, payment_id and bill_id of each match.

    The caller has left only plain ones there, and holds the locks of their bills.
    """
    return session.execute(text(_MAKE), values).all()
