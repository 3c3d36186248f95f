"""A business day in figures: per bank what was received, confirmed, matched and left open, and what nobody can explain.

The conditions behind the figures are exported, so that a list shows exactly the rows that a figure counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Executable, and_, case, exists, func, select, text
from sqlalchemy.orm import Session

from reconciliation import ageing, case_links, unexplained, unmatched
from reconciliation.case_links import CaseLink
from reconciliation.mismatches import Mismatch
from reconciliation.payments import Allocation, Payment
from reconciliation.placements import Placement
from reconciliation.statements import Statement

PAYMENT_VIEWS: Mapping[str, ColumnElement[bool]] = {
    "received": Payment.reported_at.is_not(None),
    "confirmed": Payment.confirmed_minor != 0,
    "counts": Payment.state.in_(["reported", "confirmed"]),
    "matched": and_(
        Payment.matched_minor > 0,
        exists().where(Allocation.payment_id == Payment.id, Allocation.undone_at.is_(None)),
    ),
    "placed": exists().where(Placement.payment_id == Payment.id, Placement.undone_at.is_(None)),
    "open": unexplained.OPEN,
    "unexplained": unexplained.PAYMENTS,
}
"""Which payments stand behind each figure; those that were taken back or returned count no more."""


@dataclass(frozen=True, slots=True)
class BankDay:
    """One bank on one business day; amounts in đồng.

    `sms_*` count messages: before a debit by the bank that debits, after a payment by the one that told us; all but
    the unsure ones as they were counted last (`counted_months.count`).
    """

    bank: str
    received: int = 0
    received_minor: int = 0
    confirmed: int = 0
    confirmed_minor: int = 0
    matched: int = 0
    matched_minor: int = 0
    """What settles bills."""
    placed: int = 0
    placed_minor: int = 0
    """What people put elsewhere: a customer's credit, a refund, suspense."""
    open: int = 0
    open_minor: int = 0
    mismatches: int = 0
    """Open questions about the bank, of whatever day."""
    unexplained_minor: int = 0
    files_expected: int = 0
    files: int = 0
    quarantined: int = 0
    sms_before: int = 0
    sms_after: int = 0
    sms_unsure: int = 0

    def __add__(self, other: "BankDay") -> "BankDay":
        names = [one.name for one in fields(self) if one.name != "bank"]
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True, slots=True)
class ChannelDay:
    """What came by one channel of one bank on one business day; amounts in đồng."""

    bank: str
    channel: str
    payments: int
    minor: int
    confirmed_minor: int
    matched_minor: int
    placed_minor: int


@dataclass(frozen=True, slots=True)
class Day:
    """A business day: per bank, and per bank and channel."""

    banks: list[BankDay]
    channels: list[ChannelDay]


@dataclass(frozen=True, slots=True)
class CodeAges:
    """The unsettled mismatches of one code: how many, over how much, since when, per age, and of which `KINDS`."""

    code: str
    count: int
    minor: int
    oldest: datetime
    ages: tuple[int, ...] = field(default=())
    kinds: tuple[str, ...] = field(default=())


def latest_day(session: Session) -> date | None:
    """Return the last business date on which money moved, else the last that a statement closed; None before both."""
    found: date | None = session.scalar(
        select(func.coalesce(
            select(func.max(Payment.business_date)).scalar_subquery(),
            select(func.max(Statement.closing_on)).where(Statement.kind == "statement").scalar_subquery(),
        ))
    )  # fmt: skip
    return found


def of_day(session: Session, day: date, expected: Mapping[str, int], *, now: datetime) -> Day:
    """Return a day's figures: of each bank that is expected to have a day (bank → files owed) or has anything on it."""
    found: dict[str, dict[str, int]] = {bank: {"files_expected": files} for bank, files in expected.items()}
    on_day = {"day": day, "now": now}
    came = _came(session, day)
    rows: list[Mapping[str, Any]] = [
        *({name: value for name, value in row.items() if name in _OF_BANK} for row in came),
        *(
            {"bank": bank, "unexplained_minor": minor}
            for bank, minor in unexplained.lines_by_bank(session, day).items()
        ),
        *session.execute(text(_QUESTIONS), on_day).mappings(),
        *session.execute(text(_FILES), on_day).mappings(),
        *session.execute(text(_MESSAGES), on_day).mappings(),
    ]
    for row in rows:
        figures = found.setdefault(row["bank"], {})
        for name, value in row.items():
            if name != "bank":
                figures[name] = figures.get(name, 0) + int(value)
    channels = [
        ChannelDay(row["bank"], row["channel"], row["counts"], *(int(row[name]) for name in _OF_CHANNEL))
        for row in came if row["counts"]
    ]  # fmt: skip
    return Day([BankDay(bank=bank, **figures) for bank, figures in sorted(found.items())], channels)


def _came(session: Session, day: date) -> Sequence[dict[str, Any]]:
    """Return a day's payments by bank and channel: `matched` settle bills, `placed` were put elsewhere by people."""
    placed = {(row["bank"], row["channel"]): row for row in session.execute(text(_PLACED), {"day": day}).mappings()}
    rows = []
    for row in session.execute(_payments(day)).mappings():
        put = placed.get((row["bank"], row["channel"]), _NOTHING)
        rows.append({
            **row, "placed": put["placed"], "placed_minor": put["minor"],
            "matched": row["matched"] - put["alone"], "matched_minor": row["matched_minor"] - put["minor"],
            "counts_matched": row["counts_matched"] - put["minor"],
        })  # fmt: skip
    return rows


KINDS = OF_CODE, DOUBTED, UNDONE, OF_MANDATE = "code", "doubted", "undone", "mandate"
"""What a mismatch may ask: what its code says, whether a person's doubt is right, whether an answer is taken back as
somebody asked, or what a bank's word on a mandate means."""
_RAISED = Mismatch.facts["verdict"].astext == unmatched.RAISED
_BY_UNDOING = exists().where(CaseLink.to_id == Mismatch.id, CaseLink.kind == case_links.DOUBT)
_KIND = case(
    (and_(_RAISED, _BY_UNDOING), UNDONE),
    (_RAISED, DOUBTED),
    (Mismatch.subject.startswith("mandate_answer:"), OF_MANDATE),
    else_=OF_CODE,
)


def open_by_code(session: Session, now: datetime) -> list[CodeAges]:
    """Return the unsettled mismatches by code, in the order of codes, per span of `ageing.SPANS`.

    One that rests until a day is expected, and not among them: as in the queue.
    """
    opened = Mismatch.opened_at
    spans = [ageing.bounds(span, now) for span in ageing.SPANS]
    buckets = [
        func.count().filter(opened < until, *([opened >= since] if since is not None else []))
        for since, until in spans
    ]  # fmt: skip
    rows = session.execute(
        select(
            Mismatch.code,
            func.count(),
            func.coalesce(func.sum(Mismatch.minor).filter(Mismatch.currency == "VND"), 0),
            func.min(opened),
            func.array_agg(_KIND.distinct()),
            *buckets,
        )
        .where(Mismatch.state != "resolved", ~Mismatch.resting(now))
        .group_by(Mismatch.code)
        .order_by(Mismatch.code)
    ).all()
    return [
        CodeAges(
            code=row[0], count=row[1], minor=int(row[2]), oldest=row[3], ages=tuple(row[5:]),
            kinds=tuple(sorted(row[4], key=KINDS.index)),
        )
        for row in rows
    ]  # fmt: skip


def resting(session: Session, now: datetime) -> tuple[int, int]:
    """Return how many unsettled mismatches rest until a day, which `open_by_code` leaves out, and their đồng."""
    minor = func.coalesce(func.sum(Mismatch.minor).filter(Mismatch.currency == "VND"), 0)
    count, total = session.execute(
        select(func.count(), minor).where(Mismatch.state != "resolved", Mismatch.resting(now))
    ).one()
    return count, int(total)


_OF_BANK = (
    "bank", "received", "received_minor", "confirmed", "confirmed_minor", "matched", "matched_minor", "placed",
    "placed_minor", "open", "open_minor", "unexplained_minor",
)  # fmt: skip
_OF_CHANNEL = ("counts_minor", "counts_confirmed", "counts_matched", "placed_minor")
_NOTHING = {"placed": 0, "minor": 0, "alone": 0}
# `alone` of them settle no bill at all.
_PLACED = """
    SELECT bank, channel, count(*) AS placed, CAST(sum(minor) AS bigint) AS minor,
        count(*) FILTER (WHERE alone) AS alone
    FROM (
        SELECT p.source AS bank, p.channel, sum(l.minor) AS minor, NOT EXISTS (
            SELECT 1 FROM allocations a WHERE a.payment_id = p.id AND a.undone_at IS NULL) AS alone
        FROM payments p JOIN placements l ON l.payment_id = p.id AND l.undone_at IS NULL
        WHERE p.business_date = :day AND p.currency = 'VND' GROUP BY p.id
    ) o GROUP BY 1, 2
"""


def _payments(day: date) -> Executable:
    """Return the query of a day's payments in đồng by bank and channel, which looks at each of them once.

    Payments that count for the same figures are added up first: each sum over all of them takes a fifth longer.
    """
    views = [PAYMENT_VIEWS[name].label(name) for name in ("received", "confirmed", "open", "counts")]
    alike = (Payment.source.label("bank"), Payment.channel, *views, (Payment.matched_minor > 0).label("matched"))
    left, asked = Payment.minor - Payment.matched_minor, unexplained.ASKED.c.payment_id
    summed = (
        select(
            *alike, func.count().label("payments"), func.sum(Payment.minor).label("minor"),
            func.sum(Payment.confirmed_minor).label("confirmed_minor"),
            func.sum(Payment.matched_minor).label("matched_minor"), func.sum(left).label("left_minor"),
            func.sum(left).filter(unexplained.OPEN, asked.is_(None)).label("unexplained_minor"),
        )
        .outerjoin(unexplained.ASKED, asked == Payment.id)
        .where(Payment.business_date == day, Payment.currency == "VND").group_by(*alike)
    ).subquery()  # fmt: skip
    of = summed.c

    def total(column: ColumnElement[int], view: ColumnElement[bool] | None = None) -> ColumnElement[int]:
        whole = func.sum(column)
        return func.coalesce(whole if view is None else whole.filter(view), 0)

    return (
        select(
            of.bank, of.channel,
            total(of.payments, of.received).label("received"), total(of.minor, of.received).label("received_minor"),
            total(of.payments, of.confirmed).label("confirmed"),
            total(of.confirmed_minor).label("confirmed_minor"),
            # With what people have put elsewhere, which is taken off afterwards (`_came`).
            total(of.payments, of.matched).label("matched"), total(of.matched_minor).label("matched_minor"),
            total(of.payments, of.open).label("open"), total(of.left_minor, of.open).label("open_minor"),
            total(of.unexplained_minor).label("unexplained_minor"),
            total(of.payments, of.counts).label("counts"), total(of.minor, of.counts).label("counts_minor"),
            total(of.confirmed_minor, of.counts).label("counts_confirmed"),
            total(of.matched_minor, of.counts).label("counts_matched"),
        )
        .group_by(of.bank, of.channel).order_by(of.bank, of.channel)
    )  # fmt: skip


# Without those that rest, as the queue that the figure opens.
_QUESTIONS = """
    SELECT source AS bank, count(*) AS mismatches FROM mismatches
    WHERE state <> 'resolved' AND source <> '' AND (rests_until IS NULL OR rests_until <= :now) GROUP BY source
"""

_FILES = """
    SELECT bank, count(DISTINCT delivery_id) FILTER (WHERE state = 'accepted') AS files,
        count(DISTINCT delivery_id) FILTER (WHERE state = 'quarantined') AS quarantined
    FROM statements WHERE kind = 'statement' AND coalesce(closing_on, to_on) = CAST(:day AS date) GROUP BY bank
"""

# Those that nobody is sure of are few and found by their state; the others are counted ahead with their month.
_MESSAGES = r"""
    SELECT bank, before AS sms_before, after AS sms_after, 0 AS sms_unsure FROM message_days
    WHERE day = CAST(:day AS date)
    UNION ALL
    SELECT coalesce(p.source, b.bank), 0, 0, count(*)
    FROM messages m JOIN bills b ON b.id = m.bill_id LEFT JOIN payments p ON p.id = m.payment_id
    WHERE m.state = 'unsure' AND CAST(m.created_at AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date) = CAST(:day AS date)
      AND coalesce(p.source, b.bank) <> ''
    GROUP BY 1
"""
