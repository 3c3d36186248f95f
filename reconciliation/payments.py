"""Payments: one row per bank transaction, however often and by whichever door it is heard."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import CheckConstraint, ColumnElement, Index, Text, UniqueConstraint, and_, or_, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from banks.errors import Unreadable
from banks.records import PaymentNotice
from reconciliation import (
    adoptions,
    business_days,
    corrections,
    ledger,
    lump_parts,
    matching,
    mismatches,
    misread,
    returns,
    settling_lumps,
    statement_deadlines,
)
from reconciliation.adoptions import INCOMING, UNHEARD
from reconciliation.db import Base, Id, Label, Minor, Moves, one_of
from reconciliation.lifecycle import PAYMENT
from reconciliation.netted_fees import by_callbacks
from reconciliation.sealing import Sealer, mask_numbers, tail
from reconciliation.statement_deadlines import StatementDeadlines

LINE = "line:"
"""How the source reference of a payment begins that no callback has told yet: its statement line stands for it."""
UNDONE = "state = 'denied' AND source_reference LIKE 'line:%'"
"""A payment that stood for a line whose import was undone: whatever comes later is another one."""
OF_A_LINE = "payments.source_reference LIKE 'line:%'"
"""A payment that a statement's line showed before, or without, any call of its bank."""
REFERENCE = """coalesce(CASE WHEN p.source_reference LIKE 'line:%' THEN nullif(p.bank_reference, '') END,
    p.source_reference)"""
"""What a payment p is called by: see `Payment.reference`."""


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
        Index(
            "ix_payments_unmatched",
            "id",
            postgresql_where=text("matched_minor < minor"),
            postgresql_include=["state", "quoted"],
        ),
        Index("ix_payments_unconfirmed", "source", "minor", postgresql_where=text("state = 'reported'")),
        Index("ix_payments_denied", "source", postgresql_where=text("state = 'denied'")),
        Index("ix_payments_returned", "id", postgresql_where=text("state = 'returned'")),
        Index("ix_payments_taken_back", "denied_at", postgresql_where=text("denied_at IS NOT NULL")),
        Index("ix_payments_untold", "source", "minor", postgresql_where=text("source_reference LIKE 'line:%'")),
        Index("ix_payments_payer", "payer_hash", postgresql_where=text("payer_hash IS NOT NULL")),
        # Without the list of pending entries, which every look-up would read through.
        Index("ix_payments_quoted", "quoted", postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
        Index(None, "business_date", "source"),
        Index(None, "minor"),
        # What stands for a line is found by the line.
        Index(None, "delivery_id", postgresql_where=text("source_reference NOT LIKE 'line:%'")),
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
    told: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Those of them that callbacks told: what a line added goes with its import."""
    reversal: Mapped[bool] = mapped_column(server_default="false")
    """Money that only comes back, as a statement's line says: it settles no bill by itself."""
    payer_tail: Mapped[Label]
    payer_hash: Mapped[bytes | None]
    origin: Mapped[str]
    delivery_id: Mapped[int | None]
    """There, and for good: triggers see to it, once a statement instead of once a row."""
    reported_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    denied_at: Mapped[datetime | None]
    """When its bank took it back: from then on it settles no bill by itself, even if a statement shows it after all."""
    state: Mapped[str] = mapped_column(server_default=PAYMENT.start)
    moves: Mapped[Moves]
    created_at: Mapped[datetime]

    @property
    def reference(self) -> str:
        """What its bank calls it; of one that a line alone shows, the line's reference, or "line:" and its number."""
        of_a_line = self.source_reference.startswith("line:")
        return (self.bank_reference if of_a_line else "") or self.source_reference


class Allocation(Base):
    """Part of a payment settling part of a bill; undone by `undone_at`, never deleted.

    The trigger that keeps their counters refuses what names no payment or no bill: no foreign key asks once more.
    """

    __tablename__ = "allocations"
    __table_args__ = (
        Index("uq_allocations_live", "payment_id", "bill_id", unique=True, postgresql_where=text("undone_at IS NULL")),
        # With `undone_at`: the live ones of a bill are one look-up, even while no statistics say how many there are.
        Index("ix_allocations_of_bill", "bill_id", "undone_at"),
        Index("ix_allocations_undone", "payment_id", postgresql_where=text("undone_at IS NOT NULL")),
        Index("ix_allocations_barred", "payment_id", "bill_id", postgresql_where=text("barred")),
        CheckConstraint("minor > 0", name="positive"),
    )

    id: Mapped[Id]
    payment_id: Mapped[int]
    bill_id: Mapped[int]
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
    born: Mapped[bool] = mapped_column(server_default="false")
    """Made in one statement with its payment, whose counter came with it."""

    @classmethod
    def of(cls, payment_id: int | InstrumentedAttribute[int]) -> ColumnElement[bool]:
        """Return the condition of a payment's links, live and undone ones, each of which has an index of its own."""
        theirs = cls.payment_id == payment_id
        return or_(and_(theirs, cls.undone_at.is_(None)), and_(theirs, cls.undone_at.is_not(None)))


@dataclass(frozen=True, slots=True)
class Heard:
    """A payment as one callback tells it: who says so, in which delivery, and what."""

    source: str
    delivery_id: int
    notice: PaymentNotice


def report(session: Session, heard: Sequence[Heard], *, sealer: Sealer, now: datetime) -> list[int]:
    """Book what callbacks tell, once per bank transaction; return the ids of payments that are new or now complete.

    A payment that the statement showed first is recognised and not booked again. A transaction heard before is left
    as it is, unless it was told with an amount that gives way to this one, or without a code that this one quotes;
    other amounts are asked about in any case.
    What bears the words of an agreement is the line that settles many payments, and is left to the statement.
    Takes a lock per source, so that a statement of the same bank being read waits its turn.
    """
    lock_sources(session, {one.source for one in heard})
    until = statement_deadlines.read(session)
    rows = [_row(number, one, sealer, until, now) for number, one in enumerate(heard)]
    settling = settling_lumps.told(session, rows)
    values = {"rows": json.dumps([row for row in rows if row["n"] not in settling]), "now": now}
    touched = adoptions.adopt(session, values, {one.source for one in heard})
    made = list(session.scalars(text(_REPORT), values))
    ledger.post(session, _REPORTED, {"ids": made, "now": now})
    by_callbacks(session, INCOMING, values, touched)
    columns = "code, subject, source, minor, currency, payment_id, delivery_id, facts"
    mismatches.ask(session, columns, _OTHER_AMOUNT, values)
    outgrown = session.scalars(text(_OUTGROWN), values).all()
    lump_parts.put_together(session, outgrown, why="a payment of it was told with another amount", now=now)
    corrected = corrections.correct(session, _REPLACED, {**values, "adopted": touched}, by="callback", now=now)
    grown = session.scalars(text(_TOLD_MORE), values).all()
    returns.judge_payments(session, touched, now=now)
    settling_lumps.hear(session, [*touched, *made, *corrected], now=now)
    return [*touched, *made, *corrected, *grown]


_REPORT = f"""
    INSERT INTO payments (source, source_reference, bank_reference, end_to_end_id, minor, currency, paid_at,
        business_date, channel, narrative, quoted, told, payer_tail, payer_hash, origin, delivery_id, reported_at,
        due_at, created_at)
    SELECT source, source_reference, bank_reference, end_to_end_id, minor, currency, paid_at, business_date, channel,
        narrative, quoted, quoted, payer_tail, decode(payer_hash, 'hex'), 'callback', delivery_id, :now, due_at, :now
    FROM ({UNHEARD}) i ORDER BY n
    ON CONFLICT (source, source_reference) DO NOTHING
    RETURNING id
"""  # noqa: S608 - put together from constants, here and below; values travel as parameters

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
    FROM ({INCOMING}) i {_KNOWN}
    WHERE (p.minor, p.currency) <> (i.minor, i.currency) AND NOT EXISTS (
        SELECT 1 FROM mismatches m WHERE m.subject = 'payment:' || p.id || '/amount' AND m.code = 'M10')
    ORDER BY p.id, i.n
"""  # noqa: S608

# Whatever codes a transaction is told with are its evidence, in whichever order it is told.
_TOLD_MORE = f"""
    UPDATE payments p SET quoted = ARRAY(SELECT DISTINCT unnest(p.quoted || more.quoted) ORDER BY 1),
        told = ARRAY(SELECT DISTINCT unnest(p.told || more.quoted) ORDER BY 1)
    FROM (
        SELECT p.id, array_agg(DISTINCT code) AS quoted
        FROM ({INCOMING}) i {_KNOWN} CROSS JOIN LATERAL unnest(i.quoted) AS code
        WHERE NOT i.quoted <@ p.told GROUP BY p.id
    ) more WHERE p.id = more.id RETURNING p.id
"""  # noqa: S608

# What was weighed with an amount that gives way now; where nothing was ever weighed, nobody looks.
_OUTGROWN = f"""
    SELECT DISTINCT a.lump_id FROM ({INCOMING}) i {_KNOWN}
    JOIN line_parts a ON a.payment_id = p.id AND a.undone_at IS NULL
    JOIN lump_sums s ON s.id = a.lump_id AND NOT s.pinned
    WHERE EXISTS (SELECT 1 FROM lump_sums WHERE day IS NOT NULL)
      AND {corrections.RANK.format(one="i")} > {corrections.RANK.format(one="p")}
    ORDER BY 1
"""  # noqa: S608

# What was adopted and is not confirmed comes from a notice, over which any callback wins.
_REPLACED = f"""
    SELECT payment_id, minor, currency, cause FROM (
        SELECT DISTINCT ON (p.id) p.id AS payment_id, i.minor, i.currency, 'delivery:' || i.delivery_id AS cause,
            (p.minor, p.currency) <> (i.minor, i.currency) AS differs
        FROM ({INCOMING}) i {_KNOWN}
        WHERE p.state = 'reported' AND p.confirmed_minor = 0
          AND (p.id = ANY(:adopted) OR {corrections.RANK.format(one="i")} > {corrections.RANK.format(one="p")})
        ORDER BY p.id, {corrections.RANK.format(one="i")} DESC
    ) told WHERE differs
"""  # noqa: S608


# One after another in their order, so that two who wait for each other's are none.
_LOCK_SOURCES = """
    SELECT pg_advisory_xact_lock(hashtext('payments of ' || source))
    FROM (SELECT source FROM unnest(CAST(:sources AS text[])) AS s (source) ORDER BY 1) one
"""


def lock_sources(session: Session, sources: set[str]) -> None:
    """Wait until this transaction is the only one pairing payments of `sources`, and no bills are being issued."""
    matching.wait_for_bills(session)
    session.execute(text(_LOCK_SOURCES), {"sources": list(sources)})


def _row(number: int, heard: Heard, sealer: Sealer, until: StatementDeadlines, now: datetime) -> dict[str, object]:
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
        "due_at": until.of(heard.source, day).isoformat(),
    }
