"""Pairing: each line of an accepted statement with the payment it proves, then booking what the bank booked.

A line is paired by the bank's own reference, by an end-to-end id, or by a bill's code quoted in both, always over the
same amount; where a reference agrees and the amount does not, the statement's counts, and people are asked. Equal rows
are counted off against each other: two identical lines are two payments. What no callback has told yet becomes a
payment of its own. Pairing looks at a statement whole; booking takes its lines from `:first` to `:last`.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import (
    business_days,
    corrections,
    fee_charges,
    ledger,
    matching,
    mismatches,
    netted_fees,
    placements,
    references,
    returns,
    settling_lumps,
    statement_deadlines,
    statistics,
)
from reconciliation.fees import HOLDS
from reconciliation.lifecycle import PAYMENT, born, move
from reconciliation.pairing_rounds import IS_ANY_TAKEN_BACK, pair
from reconciliation.payments import UNDONE, lock_sources
from reconciliation.statements import Statement

_COLUMNS = "code, subject, source, minor, currency, payment_id, line_id, statement_id, facts"
CALLBACK_WITHIN = 1
"""Business days within which a bank that calls back must have told of a line."""
EVERY_LINE = (0, (1 << 63) - 1)
"""The first and the last line of whatever statement."""

# What the statement's own line could not be told to be is noted, not booked; the statement decides over amounts.
_BOOKABLE_NOTICE = f"""
    AND (l.bank_reference <> '' OR l.end_to_end_id <> '' OR EXISTS (
        SELECT 1 FROM unnest(l.quoted) AS code WHERE code ~ '{references.PAYMENT_CODE}'
            OR EXISTS (SELECT 1 FROM bills b WHERE b.payment_code = code OR b.number = code)))
    AND NOT EXISTS (
        SELECT 1 FROM payments p WHERE p.source = :bank AND l.bank_reference <> ''
            AND p.bank_reference = l.bank_reference AND p.reversal = l.reversal AND p.minor <> l.minor
            AND NOT ({UNDONE}))
"""  # noqa: S608 - put together from constants

# What the bank's line adds to what a callback told: references it did not give, codes it did not quote.
_ENRICH = """
    UPDATE payments p SET
        bank_reference = coalesce(nullif(p.bank_reference, ''), l.bank_reference),
        end_to_end_id = coalesce(nullif(p.end_to_end_id, ''), l.end_to_end_id),
        quoted = ARRAY(SELECT DISTINCT unnest(p.quoted || l.quoted) ORDER BY 1)
    FROM statement_lines l
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.payment_id = p.id AND l.minor > 0
      AND (NOT l.quoted <@ p.quoted OR (p.bank_reference = '' AND l.bank_reference <> '')
           OR (p.end_to_end_id = '' AND l.end_to_end_id <> ''))
    RETURNING p.id
"""

# A line of a statement is its payment's proof as well: the payment is born confirmed.
_NEW = """
    WITH made AS (
        INSERT INTO payments (source, source_reference, bank_reference, end_to_end_id, minor, currency, paid_at,
            business_date, narrative, quoted, reversal, payer_tail, payer_hash, origin, delivery_id, reported_at,
            due_at, created_at, state, moves, confirmed_minor)
        SELECT :bank, 'line:' || l.id, l.bank_reference, l.end_to_end_id, l.minor, l.currency, NULL,
            coalesce(l.booked_on, CAST(:day AS date)), l.narrative, l.quoted, l.reversal, l.counterparty_tail,
            l.counterparty_hash, :origin, :delivery, CASE WHEN l.counts THEN NULL ELSE CAST(:now AS timestamptz) END,
            CAST(:due AS timestamptz), :now, {state}
        FROM statement_lines l
        WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND (l.state = 'pending') IS TRUE
          AND l.minor > 0 {only}
        ORDER BY l.entry, l.transaction
        RETURNING id, source_reference
    ){noted}
    UPDATE statement_lines l SET payment_id = made.id, state = 'matched'
    FROM made WHERE l.id = CAST(substr(made.source_reference, 6) AS bigint) AND l.id BETWEEN :first AND :last
    RETURNING made.id
"""

_NEW_OF_STATEMENT = _NEW.format(
    only="", state="'confirmed', 1, l.minor", noted=f", noted AS ({born(PAYMENT, 'confirmed', 'made')})"
)
_NEW_OF_NOTICE = _NEW.format(only=_BOOKABLE_NOTICE, state=f"'{PAYMENT.start}', 0, 0", noted="")

# Each line's payment by its key: no statistics know yet how many lines have one by now.
_CONFIRMED = r"""
    SELECT 'line:' || l.id AS key, s.bank, coalesce(l.booked_on, CAST(:day AS date)) AS business_date,
        'statement ' || s.statement_id || ' line ' || l.entry || '.' || l.transaction AS memo,
        'bank:' || s.bank || '\:confirmed' AS debit,
        CASE WHEN p.source_reference = 'line:' || l.id OR p.state IN ('denied', 'returned') THEN 'suspense'
             ELSE 'bank:' || s.bank || '\:reported' END AS credit,
        l.minor, l.currency, CAST(:now AS timestamptz) AS at
    FROM statement_lines l JOIN statements s ON s.id = l.statement_id
    CROSS JOIN LATERAL (SELECT source_reference, state FROM payments WHERE id = l.payment_id OFFSET 0) p
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.minor > 0 AND l.counts
"""

_NOTICED = r"""
    SELECT 'payment:' || p.id || '\:reported' AS key, p.source AS bank, p.business_date, 'notice line ' || l.id AS memo,
        'bank:' || p.source || '\:reported' AS debit, 'suspense' AS credit, p.minor, p.currency,
        CAST(:now AS timestamptz) AS at
    FROM statement_lines l JOIN payments p ON p.id = l.payment_id
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND NOT l.counts
      AND p.source_reference = 'line:' || l.id
"""


# Its bank took it back, and its statement shows it all the same.
_SHOWN_AFTER_ALL = """
    SELECT p.id FROM payments p JOIN statement_lines l ON l.payment_id = p.id
    WHERE p.source = :bank AND p.state = 'denied' AND l.counts
      AND l.statement_id = :statement AND l.id BETWEEN :first AND :last
"""

# Nor does such a line always carry the reference: the bill it settles is the one that a payment taken back had settled.
_ASK_TAKEN_BACK_BEFORE = """
    WITH back AS MATERIALIZED (
        SELECT id, source_reference, minor, currency FROM payments
        WHERE source = :bank AND state = 'denied' AND source_reference NOT LIKE 'line:%'
    ), had AS MATERIALIZED (
        SELECT DISTINCT back.source_reference, back.minor, back.currency, b.number
        FROM back JOIN allocations a ON a.payment_id = back.id JOIN bills b ON b.id = a.bill_id
    )
    SELECT DISTINCT ON (p.id) 'M09', 'payment:' || p.id || '/taken-back', p.source, p.minor, p.currency, p.id, l.id,
        l.statement_id, jsonb_build_object('verdict', 'taken_back_before', 'reference', had.source_reference)
    FROM had JOIN bills b USING (number) JOIN allocations a ON a.bill_id = b.id AND a.undone_at IS NULL
    JOIN payments p ON p.id = a.payment_id AND p.minor = had.minor AND p.currency = had.currency
    JOIN statement_lines l ON l.payment_id = p.id AND l.counts
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last
      AND p.source_reference = 'line:' || l.id
    ORDER BY p.id, had.source_reference
"""

_OUTGOING = r"""
    SELECT 'line:' || l.id AS key, s.bank, coalesce(l.booked_on, CAST(:day AS date)) AS business_date,
        'statement ' || s.statement_id || ' line ' || l.entry || '.' || l.transaction AS memo,
        'bank:' || s.bank || '\:outgoing' AS debit, 'bank:' || s.bank || '\:confirmed' AS credit, -l.minor AS minor,
        l.currency, CAST(:now AS timestamptz) AS at
    FROM statement_lines l JOIN statements s ON s.id = l.statement_id
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.minor < 0 AND l.counts
"""

_ASK_OUTGOING = """
    SELECT CASE WHEN l.reversal OR l.return_reason <> '' THEN 'M09' ELSE 'M12' END, 'line:' || l.id,
        CAST(:bank AS text), -l.minor, l.currency, l.id, l.statement_id,
        jsonb_build_object('verdict', 'outgoing', 'paid', l.minor, 'reason', l.return_reason, 'quoted', l.quoted)
    FROM statement_lines l
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.state = 'mismatch' AND l.minor < 0
"""

_ASK_OTHER_AMOUNT = f"""
    SELECT 'M03', 'payment:' || p.id || '/amount', CAST(:bank AS text), abs(p.minor - l.minor), l.currency, p.id, l.id,
        l.statement_id, jsonb_build_object('verdict', 'statement_differs', 'expected', p.minor, 'arrived', l.minor)
    FROM statement_lines l JOIN payments p ON p.id = l.payment_id
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.counts AND l.minor <> p.minor
      AND NOT {netted_fees.KNOWN}
"""  # noqa: S608 - put together from constants, here and below
_CORRECTED = f"""
    SELECT p.id AS payment_id, l.minor, l.currency, 'line:' || l.id AS cause
    FROM statement_lines l JOIN payments p ON p.id = l.payment_id
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.counts AND l.minor <> p.minor
      AND NOT {HOLDS}
"""  # noqa: S608

# Callbacks and statements say what came; what a notice says of it is evidence, and its amount a question.
_ASK_OTHER_NOTICE = """
    SELECT 'M03', 'payment:' || p.id || '/amount', CAST(:bank AS text), abs(p.minor - l.minor), l.currency, p.id, l.id,
        l.statement_id, jsonb_build_object('verdict', 'notice_differs', 'expected', p.minor, 'arrived', l.minor)
    FROM statement_lines l JOIN payments p ON p.id = l.payment_id
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND NOT l.counts AND l.minor <> p.minor
"""

# What a statement shows has the statement's amount by now.
_PROVEN = """
    SELECT p.id FROM statement_lines l JOIN payments p ON p.id = l.payment_id
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.counts AND p.state <> 'confirmed'
"""

_CUT_OVER = """
    SELECT 'M08', 'payment:' || p.id || '/cut-over', p.source, p.minor, p.currency, p.id, l.id, l.statement_id,
        jsonb_build_object('reported_on', p.business_date, 'booked_on', l.booked_on)
    FROM statement_lines l JOIN payments p ON p.id = l.payment_id
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.counts
      AND p.origin = 'callback' AND l.booked_on > p.business_date
"""


def accept(session: Session, statement: Statement, *, callbacks: bool, now: datetime) -> matching.Matched:
    """Pair, book and match the lines of an accepted statement.

    `callbacks` tells whether this bank calls back at all: if it does not, a line without a callback is no surprise.
    """
    lock_sources(session, settling_lumps.locked_with(session, statement.bank))
    statistics.refresh(session, statement.lines)
    pair(session, statement)
    matched = book(session, statement, EVERY_LINE, callbacks=callbacks, now=now)
    judge(session, statement, EVERY_LINE, now=now)
    return matched


def book(
    session: Session, statement: Statement, lines: tuple[int, int], *, callbacks: bool, now: datetime
) -> matching.Matched:
    """Book and match the paired lines from the first to the last of `lines`; the caller holds the source's lock."""
    counts = statement.kind == "statement"
    day = statement.closing_on or statement.to_on or business_days.local_day(now)
    until = statement_deadlines.read(session)
    due = business_days.end_of(until.calendar.after(day, CALLBACK_WITHIN)) if counts else until.of(statement.bank, day)
    values: dict[str, object] = {
        "statement": statement.id, "bank": statement.bank, "now": now, "delivery": statement.delivery_id,
        "day": day, "origin": statement.kind, "due": due if callbacks or not counts else None,
        "first": lines[0], "last": lines[1], "by": "statement", "why": f"statement {statement.id}",
    }  # fmt: skip
    if counts:
        settling_lumps.give_way(session, values, now=now)
        netted_fees.note(session, values)
    taken_back = counts and bool(session.scalar(text(IS_ANY_TAKEN_BACK), values))
    shown = list(session.scalars(text(_SHOWN_AFTER_ALL), values)) if taken_back else []
    mismatches.ask(session, _COLUMNS, _ASK_OTHER_AMOUNT if counts else _ASK_OTHER_NOTICE, values)
    corrected = corrections.correct(session, _CORRECTED, values, by="statement", now=now)
    grown = session.scalars(text(_ENRICH), values).all()
    settling = settling_lumps.recognise(session, values) if counts else set[str]()
    others = [*grown, *corrected, *shown]
    plainly = matching.match_lines(session, values, others, now=now) if counts else matching.Matched()
    made = session.scalars(text(_NEW_OF_STATEMENT if counts else _NEW_OF_NOTICE), values).all()
    if lines == EVERY_LINE:  # by the piece, whoever asks for the pieces counts
        statistics.refresh(session, plainly.allocations + len(made))
    _set_the_rest_aside(session, values)
    ledger.post(session, _CONFIRMED if counts else _NOTICED, values)
    ledger.post(session, _OUTGOING, values)
    mismatches.ask(session, _COLUMNS.replace("payment_id, ", ""), _ASK_OUTGOING, values)
    placements.recognise(session, statement.id, lines, now=now)
    if counts:
        _confirm(session, values, now)
        netted_fees.book(session, values, made, now=now)
        fee_charges.recognise(session, values, now=now)
        settling_lumps.judge_statement(session, values, settling, now=now)
    matched = plainly + matching.match(session, [*made, *others], now=now)
    if taken_back:
        mismatches.ask(session, _COLUMNS, _ASK_TAKEN_BACK_BEFORE, values)
    return matched


def judge(session: Session, statement: Statement, lines: tuple[int, int], *, now: datetime) -> None:
    """Judge what the booked lines from the first to the last of `lines` mean beyond themselves: returns, periods' fees.

    The caller holds the source's lock.
    """
    if statement.kind == "statement":
        returns.judge_statement(session, statement.id, statement.bank, lines, now=now)
        fee_charges.compare(session, [statement.id], statement.bank, now=now)


def confirm_line(session: Session, statement_id: int, line_id: int, *, now: datetime) -> None:
    """Confirm the payment that one booked line counts for since a moment ago; the caller holds the source's lock."""
    why = f"statement {statement_id}"
    values = {"statement": statement_id, "first": line_id, "last": line_id, "why": why, "now": now}
    session.execute(text(_ENRICH), values)
    _confirm(session, values, now)


def _set_the_rest_aside(session: Session, values: dict[str, object]) -> None:
    session.execute(
        text(
            """
            UPDATE statement_lines SET
                state = CASE WHEN minor < 0 AND counts THEN 'mismatch' ELSE 'rejected' END,
                reason = CASE WHEN minor = 0 THEN 'no money moved'
                              WHEN NOT counts THEN 'a notice: the statement will decide'
                              ELSE 'money going out' END
            WHERE statement_id = :statement AND id BETWEEN :first AND :last AND (state = 'pending') IS TRUE
            """
        ),
        values,
    )


def _confirm(session: Session, values: Mapping[str, object], now: datetime) -> None:
    proven = session.scalars(text(_PROVEN), values)
    confirmed = move(
        session, PAYMENT, proven, "confirmed", by="statement", why=str(values["why"]), now=now,
        noting="confirmed_minor = t.minor, due_at = CASE WHEN t.reported_at IS NULL THEN t.due_at END",
    )  # fmt: skip
    cleared = mismatches.ask(session, _COLUMNS, _CUT_OVER, values)
    mismatches.resolve(
        session, cleared, by="pairing", resolution="booked by the bank on a later day; it cleared itself", now=now
    )
    late = session.scalars(
        text("SELECT id FROM mismatches WHERE payment_id = ANY(:ids) AND code = 'M01' AND state <> 'resolved'"),
        {"ids": confirmed},
    )
    mismatches.resolve(session, late, by="pairing", resolution="the statement line came", now=now)
