"""Netted fees: a line that falls short of its payment by exactly what the tariff lets its bank keep.

The payment is what a callback told, or the bill that its line names; it then counts whole, and the fee is booked. Where
the difference is not the tariff's, the statement's amount counts, and M10 asks with the two figures.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import fees, mismatches, references
from reconciliation.fees import HOLDS
from reconciliation.tariffs import FEE, OF_PAYMENT, VAT

_NETS = "EXISTS (SELECT 1 FROM tariffs WHERE bank = :bank AND charged = 'netted')"
KNOWN = f"({HOLDS} OR EXISTS (SELECT 1 FROM mismatches m WHERE m.line_id = l.id AND m.code = 'M10'))"  # noqa: S608 - put together from constants, here and below
"""A line `l` that falls short of its payment by the fee, or of which M10 asks why it does."""
IS_NETTED = f"SELECT {_NETS}"

# A line and a payment that belong together by what both carry, if the fee of the one makes it the other.
_PAIR = f"""
    WITH lines AS MATERIALIZED (
        SELECT id, bank_reference, end_to_end_id, quoted, minor, currency, reversal FROM statement_lines
        WHERE statement_id = :statement AND state = 'pending' AND minor > 0
    ), waiting AS MATERIALIZED (
        SELECT p.id, p.bank_reference, p.source_reference, p.end_to_end_id, p.quoted, p.currency, p.reversal,
            p.minor - {FEE} - {VAT} AS net
        FROM (SELECT * FROM payments WHERE source = :bank AND :waiting) p {OF_PAYMENT}
        WHERE t.charged = 'netted' AND {FEE} > 0
    ), named_lines AS ({references.naming_one_bill("id", "SELECT id, quoted FROM lines WHERE quoted <> '{}'")}
    ), named_waiting AS ({references.naming_one_bill("id", "SELECT id, quoted FROM waiting WHERE quoted <> '{}'")}
    ), pairs AS (
        SELECT l.id AS line_id, w.id AS payment_id FROM lines l FULL JOIN waiting w
            ON w.bank_reference = nullif(l.bank_reference, '') AND w.net = l.minor
        UNION SELECT l.id, w.id FROM lines l FULL JOIN waiting w
            ON w.source_reference = nullif(l.bank_reference, '') AND w.net = l.minor
        UNION SELECT l.id, w.id FROM lines l FULL JOIN waiting w
            ON w.end_to_end_id = nullif(l.end_to_end_id, '') AND w.net = l.minor
        UNION SELECT l.id, w.id FROM named_lines n JOIN lines l USING (id) JOIN named_waiting m USING (bill)
            JOIN waiting w ON w.id = m.id AND w.net = l.minor
                AND (w.bank_reference = '' OR l.bank_reference = '' OR w.bank_reference = l.bank_reference)
        OFFSET 0  -- full joins stay so: none looks at all waiting ones for each line
    ), certain AS (
        SELECT line_id, payment_id, count(*) OVER (PARTITION BY line_id) AS payments,
            count(*) OVER (PARTITION BY payment_id) AS lines
        FROM pairs WHERE line_id IS NOT NULL AND payment_id IS NOT NULL
    )
    UPDATE statement_lines l SET payment_id = c.payment_id, state = 'matched'
    FROM certain c WHERE c.line_id = l.id AND c.payments = 1 AND c.lines = 1
"""  # noqa: S608 - put together from constants, here and below

_FROM_PAIRED = f"""
    INSERT INTO fees (bank, charged, tariff_id, line_id, payment_id, from_on, to_on, minor, vat_minor, credit, at)
    SELECT p.source, 'netted', t.id, l.id, p.id, p.business_date, p.business_date, {FEE}, {VAT},
        'bank:' || p.source || '\\:reported', :now
    FROM statement_lines l JOIN payments p ON p.id = l.payment_id {OF_PAYMENT}
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.counts AND l.direction = 'in'
      AND l.currency = p.currency
      AND t.charged = 'netted' AND p.state = 'reported' AND p.minor > l.minor AND p.minor - l.minor = {FEE} + {VAT}
    ORDER BY l.id RETURNING id
"""  # noqa: S608

_ASK = f"""
    SELECT 'M10', 'payment:' || p.id || '/amount', p.source, p.minor - l.minor, l.currency, p.id, l.id, l.statement_id,
        jsonb_build_object('verdict', 'statement_differs', 'expected', p.minor, 'arrived', l.minor,
            'fee_expected', {FEE} + {VAT}, 'fee_taken', p.minor - l.minor)
    FROM statement_lines l JOIN payments p ON p.id = l.payment_id {OF_PAYMENT}
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.counts AND l.direction = 'in'
      AND l.currency = p.currency
      AND t.charged = 'netted' AND p.state = 'reported' AND p.minor > l.minor AND NOT {HOLDS}
"""  # noqa: S608

# What stands for its line alone is as large as the bill it names, if the fee on that is what it lacks.
_FROM_BILLS = f"""
    WITH alone AS MATERIALIZED (
        SELECT p.*, l.id AS line_id FROM payments p JOIN statement_lines l ON p.source_reference = 'line:' || l.id
            AND l.payment_id = p.id AND l.counts
        WHERE p.id = ANY(:ids) AND p.currency = 'VND' AND NOT p.reversal AND p.state <> 'denied' AND p.quoted <> '{{}}'
          AND p.minor = l.minor AND NOT {HOLDS}
    ), named AS ({references.naming_one_bill("id", "SELECT id, quoted FROM alone")}
    ), whole AS (
        SELECT a.id, a.line_id, a.source, a.channel, a.currency, a.business_date, a.minor AS net, b.minor
        FROM named n JOIN alone a USING (id) CROSS JOIN LATERAL (
            SELECT minor FROM bills WHERE number = n.bill ORDER BY version DESC LIMIT 1) b
    )
    INSERT INTO fees (bank, charged, tariff_id, line_id, payment_id, from_on, to_on, minor, vat_minor, credit, at)
    SELECT p.source, 'netted', t.id, p.line_id, p.id, p.business_date, p.business_date, {FEE}, {VAT}, 'suspense', :now
    FROM whole p {OF_PAYMENT} WHERE t.charged = 'netted' AND p.minor > p.net AND p.minor - p.net = {FEE} + {VAT}
    ORDER BY p.line_id RETURNING id
"""  # noqa: S608

_FROM_CALLBACKS = f"""
    WITH told AS (
        SELECT p.id, l.id AS line_id, p.source, p.channel, p.currency, p.business_date, p.minor AS net, i.minor
        FROM ({{incoming}}) i JOIN payments p ON p.source = i.source AND p.source_reference = i.source_reference
        JOIN statement_lines l ON l.payment_id = p.id AND l.counts AND l.direction = 'in' AND l.turn = 1
        WHERE p.id = ANY(:adopted) AND p.currency = i.currency AND p.minor = l.minor AND p.minor < i.minor
          AND NOT {HOLDS}
    )
    INSERT INTO fees (bank, charged, tariff_id, line_id, payment_id, from_on, to_on, minor, vat_minor, credit, at)
    SELECT DISTINCT ON (p.id) p.source, 'netted', t.id, p.line_id, p.id, p.business_date, p.business_date, {FEE}, {VAT},
        'suspense', :now
    FROM told p {OF_PAYMENT} WHERE t.charged = 'netted' AND p.minor - p.net = {FEE} + {VAT}
    ORDER BY p.id RETURNING id
"""  # noqa: S608


# As when the callback came first: the line brought less than was told, and not by the fee.
_ASK_CALLBACKS = f"""
    SELECT DISTINCT ON (p.payment_id) 'M10', 'payment:' || p.payment_id || '/amount', p.source, p.minor - p.arrived,
        p.currency, p.payment_id, p.line_id, p.statement_id,
        jsonb_build_object('verdict', 'statement_differs', 'expected', p.minor, 'arrived', p.arrived,
            'fee_expected', {FEE} + {VAT}, 'fee_taken', p.minor - p.arrived)
    FROM (
        SELECT i.*, k.id AS payment_id, k.minor AS arrived, l.id AS line_id, l.statement_id
        FROM ({{incoming}}) i
        JOIN payments k ON k.source = i.source AND k.source_reference = i.source_reference AND k.currency = i.currency
        JOIN statement_lines l ON l.payment_id = k.id AND l.counts AND l.direction = 'in' AND l.turn = 1
        WHERE k.id = ANY(:adopted) AND k.minor = l.minor AND k.minor < i.minor AND NOT {HOLDS}
    ) p {OF_PAYMENT} WHERE t.charged = 'netted' ORDER BY p.payment_id, p.n
"""  # noqa: S608

# The difference that is exactly the fee makes the payment whole; the database counts it itself.
_WHOLE = "SELECT gross_up_payments(CAST(:ids AS bigint[]))"
_OF_STATEMENT = """
    SELECT f.id FROM fees f JOIN statement_lines l ON l.id = f.line_id
    WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND f.charged = 'netted'
      AND f.undone_at IS NULL AND f.credit <> 'suspense'
"""
_COLUMNS = "code, subject, source, minor, currency, payment_id, line_id, statement_id, facts"
# Fees are there for a few banks only; their payments are looked at for each bill that comes later.
_ANY = "SELECT EXISTS (SELECT 1 FROM tariffs WHERE charged = 'netted')"


def pair(session: Session, values: Mapping[str, object], waiting: str) -> None:
    """Pair the pending lines of a statement with payments they bring less the fee; `waiting` says which ones wait."""
    if session.scalar(text(IS_NETTED), values):
        session.execute(text(_PAIR.replace(":waiting", waiting)), values)


def note(session: Session, values: Mapping[str, object]) -> None:
    """Note the fee of each paired line of a statement that its payment exceeds by exactly that; ask about others."""
    if session.scalar(text(IS_NETTED), values):
        session.execute(text(_FROM_PAIRED), values)
        mismatches.ask(session, _COLUMNS, _ASK, values)


def book(session: Session, values: Mapping[str, object], made: Sequence[int], *, now: datetime) -> None:
    """Book what was noted of a statement, and make whole those of the payments `made` that stand for a line alone."""
    if session.scalar(text(IS_NETTED), values):
        noted = session.scalars(text(_OF_STATEMENT), values).all()
        fees.book(session, noted, now=now)
        by_bills(session, made, now=now)


def by_bills(session: Session, payment_ids: Sequence[int], *, now: datetime) -> None:
    """Make whole payments of lines alone that fall short of the bill they name by exactly the fee on it."""
    if payment_ids and session.scalar(text(_ANY)):
        _make_whole(session, _FROM_BILLS, {"ids": list(payment_ids), "now": now})


def by_callbacks(session: Session, incoming: str, values: Mapping[str, object], adopted: Sequence[int]) -> None:
    """Make whole payments first seen on a line, now told (`incoming` is a query) as exactly the fee larger.

    M10 asks about those told as larger by something else.
    """
    if adopted and session.scalar(text(_ANY)):
        told = {**values, "adopted": list(adopted)}
        _make_whole(session, _FROM_CALLBACKS.format(incoming=incoming), told)
        mismatches.ask(session, _COLUMNS, _ASK_CALLBACKS.format(incoming=incoming), told)


def _make_whole(session: Session, noting: str, values: dict[str, object]) -> None:
    noted = list(session.scalars(text(noting), values))
    if noted:
        session.execute(text(_WHOLE), {"ids": noted})
        now = values["now"]
        assert isinstance(now, datetime)  # noqa: S101 - every caller hands it in
        fees.book(session, noted, now=now)
