"""Payments: one row per bank transaction, however often and by whichever door it is heard."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from banks.errors import Unreadable
from banks.records import PaymentNotice
from reconciliation import (
    bank_days,
    business_days,
    corrections,
    ledger,
    matching,
    mismatches,
    misread,
    references,
    returns,
)
from reconciliation.business_days import Calendar
from reconciliation.db import Base, Id, Label, Minor, Moves, one_of
from reconciliation.lifecycle import PAYMENT
from reconciliation.netted_fees import by_callbacks
from reconciliation.sealing import Sealer, mask_numbers, tail

STATEMENT_WITHIN = 2
"""Business days a reported payment may wait for its statement line: T+2."""
LINE = "line:"
"""How the source reference of a payment begins that no callback has told yet: its statement line stands for it."""
UNDONE = "state = 'denied' AND source_reference LIKE 'line:%'"
"""A payment that stood for a line whose import was undone: whatever comes later is another one."""


class Payment(Base):
    """Money that came in; `matched_minor` is kept by the database from the live allocations alone.

    `confirmed_minor` is what a statement has booked of it so far; `due_at` is when the other door must have spoken:
    the statement for a reported payment, the callback for one first seen on a statement.
    """

    __tablename__ = "payments"
    __table_args__ = (
        UniqueConstraint("source", "source_reference"),
        Index(None, "source", "bank_reference", postgresql_where=text("bank_reference <> ''")),
        Index(None, "source", "end_to_end_id", postgresql_where=text("end_to_end_id <> ''")),
        Index("ix_payments_waiting", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_payments_unmatched", "id", postgresql_where=text("matched_minor < minor")),
        Index("ix_payments_unconfirmed", "source", "minor", postgresql_where=text("state = 'reported'")),
        Index("ix_payments_denied", "source", postgresql_where=text("state = 'denied'")),
        Index("ix_payments_taken_back", "denied_at", postgresql_where=text("denied_at IS NOT NULL")),
        Index("ix_payments_untold", "source", "minor", postgresql_where=text("source_reference LIKE 'line:%'")),
        Index("ix_payments_payer", "payer_hash", postgresql_where=text("payer_hash IS NOT NULL")),
        # Without the list of pending entries, which every look-up would read through.
        Index("ix_payments_quoted", "quoted", postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
        Index(None, "business_date", "source"),
        Index(None, "delivery_id"),
        CheckConstraint("minor > 0", name="positive"),
        CheckConstraint("matched_minor >= 0 AND matched_minor <= minor", name="matched_within_amount"),
        one_of("state", PAYMENT.states),
        one_of("origin", ["callback", "statement", "notice"]),
        {"postgresql_with": {"fillfactor": 70}},
    )

    id: Mapped[Id]
    source: Mapped[str]
    source_reference: Mapped[str]
    bank_reference: Mapped[Label]
    end_to_end_id: Mapped[Label]
    minor: Mapped[Minor]
    currency: Mapped[str]
    matched_minor: Mapped[Minor] = mapped_column(server_default="0")
    confirmed_minor: Mapped[Minor] = mapped_column(server_default="0")
    paid_at: Mapped[datetime | None]
    business_date: Mapped[date]
    channel: Mapped[Label]
    narrative: Mapped[Label]
    quoted: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Codes found in what the payer or bank wrote: evidence for matching."""
    reversal: Mapped[bool] = mapped_column(server_default="false")
    """Money that only comes back, as a statement's line says: it settles no bill by itself."""
    payer_tail: Mapped[Label]
    payer_hash: Mapped[bytes | None]
    origin: Mapped[str]
    delivery_id: Mapped[int | None] = mapped_column(ForeignKey("deliveries.id"))
    reported_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    denied_at: Mapped[datetime | None]
    """When its bank took it back: from then on it settles no bill by itself, even if a statement shows it after all."""
    state: Mapped[str] = mapped_column(server_default=PAYMENT.start)
    moves: Mapped[Moves]
    created_at: Mapped[datetime]


class Allocation(Base):
    """Part of a payment settling part of a bill; undone by `undone_at`, never deleted."""

    __tablename__ = "allocations"
    __table_args__ = (
        Index("uq_allocations_live", "payment_id", "bill_id", unique=True, postgresql_where=text("undone_at IS NULL")),
        # With `undone_at`: the live ones of a bill are one look-up, even while no statistics say how many there are.
        Index("ix_allocations_of_bill", "bill_id", "undone_at"),
        Index("ix_allocations_barred", "payment_id", "bill_id", postgresql_where=text("barred")),
        CheckConstraint("minor > 0", name="positive"),
    )

    id: Mapped[Id]
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"))
    bill_id: Mapped[int] = mapped_column(ForeignKey("bills.id"))
    minor: Mapped[Minor]
    rule: Mapped[str]
    quoted: Mapped[Label]
    """The code that proved the identity."""
    evidence: Mapped[str]
    beaten: Mapped[list[dict[str, object]]] = mapped_column(JSONB, server_default="[]")
    """Bills it could have been for as well: number, what was owed, and "amount" or "unnamed" for why it is not."""
    by: Mapped[str]
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[Label]
    undone_why: Mapped[Label]
    barred: Mapped[bool] = mapped_column(server_default="false")
    """A person took it back: matching may not put these two together again."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A payment as one callback tells it: who says so, in which delivery, and what."""

    source: str
    delivery_id: int
    notice: PaymentNotice


_INCOMING = """
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
        n bigint, delivery_id bigint, source text, source_reference text, bank_reference text, end_to_end_id text,
        minor bigint, currency text, paid_at timestamptz, business_date date, channel text, narrative text,
        quoted text[], payer_tail text, payer_hash text, due_at timestamptz)
"""
# One row per transaction, however often it is told, none for those known already; of two amounts the one that counts.
_UNHEARD = f"""
    SELECT DISTINCT ON (source, source_reference) * FROM ({_INCOMING}) told
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
    quoted = ARRAY(SELECT DISTINCT unnest(p.quoted || h.quoted) ORDER BY 1)
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
        SELECT id, source, minor, currency, quoted FROM payments
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


# A line of a large statement that waits to be booked proves them by a reference: nothing less may give them to another.
_UNAWAITED = f"""
    SELECT * FROM ({_UNHEARD}) awaited WHERE NOT EXISTS (
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
            ("bank_reference", "bank_reference", _UNHEARD),
            ("source_reference", "bank_reference", _UNHEARD),
            ("end_to_end_id", "end_to_end_id", unheard),
        )
    ]
    rounds += [
        _ADOPT_QUOTED.format(
            told=told, seen=seen, unheard=unheard, adopted=_ADOPTED,
            named_by_notices=references.naming_one_bill("n", "SELECT * FROM unheard"),
            named_by_lines=references.naming_one_bill("id", "SELECT * FROM untold"),
        )
        for told, seen in (("bank_reference = ''", "true"), ("true", "bank_reference = ''"))
    ]  # fmt: skip
    # The bank's own reference agrees and the amount does not: one transaction all the same, and a question below.
    # A reference that stands on several rows is a batch's: it proves nothing once the amounts differ.
    alone = "AND s.unit = h.currency AND s.rows = 1 AND h.rows = 1"
    by_reference = {"told": "bank_reference", "seen": "bank_reference", "same": alone}
    return [*rounds, _ADOPT.format(unheard=unheard, adopted=_ADOPTED, amount="", **by_reference)]


def report(session: Session, heard: Sequence[Heard], *, sealer: Sealer, now: datetime) -> list[int]:
    """Book what callbacks tell, once per bank transaction; return the ids of payments that are new or now complete.

    A payment that the statement showed first is recognised and not booked again. A transaction heard before is left
    as it is, unless it was told with an amount that gives way to this one; other amounts are asked about in any case.
    Takes a lock per source, so that a statement of the same bank being read waits its turn.
    """
    lock_sources(session, {one.source for one in heard})
    calendar = bank_days.calendar(session)
    rows = json.dumps([_row(number, one, sealer, calendar, now) for number, one in enumerate(heard)])
    values = {"rows": rows, "now": now}
    touched: list[int] = []
    if session.scalar(text(_MAY_BE_ADOPTED), values):
        sources = {"sources": sorted({one.source for one in heard})}
        awaited = session.scalar(text(_IS_ANY_AWAITED), sources)
        for query in _ADOPTIONS_BESIDE_LINES_IN_WORK if awaited else _ADOPTIONS:
            touched += session.scalars(text(query), values)
    made = list(session.scalars(text(_REPORT), values))
    ledger.post(session, _REPORTED, {"ids": made, "now": now})
    by_callbacks(session, _INCOMING, values, touched)
    columns = "code, subject, source, minor, currency, payment_id, delivery_id, facts"
    mismatches.ask(session, columns, _OTHER_AMOUNT, values)
    corrected = corrections.correct(session, _REPLACED, {**values, "adopted": touched}, by="callback", now=now)
    returns.judge_payments(session, touched, now=now)
    return [*touched, *made, *corrected]


_ADOPTIONS = _adoptions(_UNHEARD)
_ADOPTIONS_BESIDE_LINES_IN_WORK = _adoptions(_UNAWAITED)

# Every round asks for the same amount, and the last one for the same reference: one look spares most batches all six.
_MAY_BE_ADOPTED = f"""
    SELECT EXISTS (
        SELECT 1 FROM ({_INCOMING}) i JOIN payments p ON p.source = i.source AND p.minor = i.minor
        WHERE p.source_reference LIKE 'line:%'
    ) OR EXISTS (
        SELECT 1 FROM ({_INCOMING}) i JOIN payments p ON p.source = i.source AND p.bank_reference = i.bank_reference
        WHERE i.bank_reference <> '' AND p.bank_reference <> '' AND p.source_reference LIKE 'line:%'
    )
"""  # noqa: S608 - put together from constants; values travel as parameters

_REPORT = f"""
    INSERT INTO payments (source, source_reference, bank_reference, end_to_end_id, minor, currency, paid_at,
        business_date, channel, narrative, quoted, payer_tail, payer_hash, origin, delivery_id, reported_at, due_at,
        created_at)
    SELECT source, source_reference, bank_reference, end_to_end_id, minor, currency, paid_at, business_date, channel,
        narrative, quoted, payer_tail, decode(payer_hash, 'hex'), 'callback', delivery_id, :now, due_at, :now
    FROM ({_UNHEARD}) i ORDER BY n
    ON CONFLICT (source, source_reference) DO NOTHING
    RETURNING id
"""  # noqa: S608

_REPORTED = r"""
    SELECT 'payment:' || id || '\:reported' AS key, source AS bank, business_date,
        source || ' ' || source_reference AS memo, 'bank:' || source || '\:reported' AS debit, 'suspense' AS credit,
        minor, currency, CAST(:now AS timestamptz) AS at
    FROM payments WHERE id = ANY(:ids)
"""

# Each by its own key (OFFSET keeps it so), instead of through all that their source has reported.
_KNOWN = """CROSS JOIN LATERAL (
        SELECT * FROM payments k WHERE k.source = i.source AND k.source_reference = i.source_reference OFFSET 0
    ) p"""

_OTHER_AMOUNT = f"""
    SELECT DISTINCT ON (p.id) 'M03' AS code, 'payment:' || p.id || '/amount' AS subject, p.source,
        abs(i.minor - p.minor) AS minor, p.currency, p.id AS payment_id, i.delivery_id,
        jsonb_build_object('expected', p.minor, 'arrived', i.minor, 'currency', i.currency,
            'reason', 'one transaction told with two amounts')
    FROM ({_INCOMING}) i {_KNOWN}
    WHERE (p.minor, p.currency) <> (i.minor, i.currency) ORDER BY p.id, i.n
"""  # noqa: S608

# What was adopted and is not confirmed comes from a notice, over which any callback wins.
_REPLACED = f"""
    SELECT payment_id, minor, currency, cause FROM (
        SELECT DISTINCT ON (p.id) p.id AS payment_id, i.minor, i.currency, 'delivery:' || i.delivery_id AS cause,
            (p.minor, p.currency) <> (i.minor, i.currency) AS differs
        FROM ({_INCOMING}) i {_KNOWN}
        WHERE p.state = 'reported' AND p.confirmed_minor = 0
          AND (p.id = ANY(:adopted) OR {corrections.RANK.format(one="i")} > {corrections.RANK.format(one="p")})
        ORDER BY p.id, {corrections.RANK.format(one="i")} DESC
    ) told WHERE differs
"""  # noqa: S608


def lock_sources(session: Session, sources: set[str]) -> None:
    """Wait until this transaction is the only one pairing payments of `sources`, and no bills are being issued."""
    matching.wait_for_bills(session)
    for source in sorted(sources):
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext('payments of ' || :source))"), {"source": source})


def _row(number: int, heard: Heard, sealer: Sealer, calendar: Calendar, now: datetime) -> dict[str, object]:
    notice = heard.notice
    if notice.source_reference.startswith(LINE):
        raise Unreadable(f"a transaction reference can't begin with {LINE!r}")
    if notice.amount.minor <= 0:
        raise Unreadable(f"expected a payment of more than nothing, got {notice.amount}")
    day = business_days.local_day(notice.paid_at or now)
    return {
        "n": number,
        "delivery_id": heard.delivery_id,
        "source": heard.source,
        "source_reference": notice.source_reference,
        "bank_reference": notice.bank_reference,
        "end_to_end_id": notice.end_to_end_id,
        "minor": notice.amount.minor,
        "currency": notice.amount.currency,
        "paid_at": notice.paid_at.isoformat() if notice.paid_at else None,
        "business_date": day.isoformat(),
        "channel": notice.channel,
        "narrative": mask_numbers(notice.narrative),
        "quoted": misread.codes_in(notice.payment_code, notice.customer_code, notice.end_to_end_id, notice.narrative),
        "payer_tail": tail(notice.payer_account),
        "payer_hash": sealer.blind(notice.payer_account, "account").hex() if notice.payer_account else None,
        "due_at": business_days.end_of(calendar.after(day, STATEMENT_WITHIN)).isoformat(),
    }
