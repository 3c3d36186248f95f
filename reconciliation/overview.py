"""A business day in figures: per bank what was received, confirmed, matched and left open, and what nobody can explain.

The conditions behind the figures are exported, so that a list shows exactly the rows that a figure counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, ColumnExpressionArgument, Executable, and_, exists, func, select, text
from sqlalchemy.orm import Session

from reconciliation.mismatches import Mismatch
from reconciliation.payments import Payment
from reconciliation.statements import BOOKED, Statement

OPEN = and_(Payment.matched_minor < Payment.minor, Payment.state.in_(["reported", "confirmed"]))
_ASKED = exists().where(Mismatch.payment_id == Payment.id, Mismatch.state != "resolved")

PAYMENT_VIEWS: Mapping[str, ColumnElement[bool]] = {
    "received": Payment.reported_at.is_not(None),
    "confirmed": Payment.confirmed_minor != 0,
    "matched": Payment.matched_minor > 0,
    "open": OPEN,
    "unexplained": and_(OPEN, Payment.currency == "VND", ~_ASKED),
}
"""Which payments stand behind each figure; "open" has money that settles no bill yet."""

AGES = (1, 3, 7)
"""Ageing: up to 1 day, 2 to 3, 4 to 7, and above."""


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


@dataclass(frozen=True, slots=True)
class CodeAges:
    """The open mismatches of one code: how many, over how much, since when, and per age."""

    code: str
    count: int
    minor: int
    oldest: datetime
    ages: tuple[int, ...] = field(default=())


def latest_day(session: Session) -> date | None:
    """Return the last business date on which money moved, else the last that a statement closed; None before both."""
    found: date | None = session.scalar(
        select(func.coalesce(
            select(func.max(Payment.business_date)).scalar_subquery(),
            select(func.max(Statement.closing_on)).where(Statement.kind == "statement").scalar_subquery(),
        ))
    )  # fmt: skip
    return found


def bank_days(session: Session, day: date, expected: Mapping[str, int]) -> list[BankDay]:
    """Return one row per bank that is expected to have a day (bank → files owed) or that has anything on it."""
    found: dict[str, dict[str, int]] = {bank: {"files_expected": files} for bank, files in expected.items()}
    on_day = {"day": day}
    rows = [
        *session.execute(_payments(day)).mappings(),
        *session.execute(text(_UNEXPLAINED_LINES.format(of_day=_OF_DAY)), on_day).mappings(),
        *session.execute(text(_QUESTIONS)).mappings(),
        *session.execute(text(_FILES), on_day).mappings(),
        *session.execute(text(_MESSAGES), on_day).mappings(),
    ]
    for row in rows:
        figures = found.setdefault(row["bank"], {})
        for name, value in row.items():
            if name != "bank":
                figures[name] = figures.get(name, 0) + int(value)
    return [BankDay(bank=bank, **figures) for bank, figures in sorted(found.items())]


def channel_days(session: Session, day: date) -> list[ChannelDay]:
    """Return what was heard, confirmed and matched on one day by each bank and channel."""
    rows = session.execute(
        select(
            Payment.source, Payment.channel, func.count(), func.sum(Payment.minor), func.sum(Payment.confirmed_minor),
            func.sum(Payment.matched_minor),
        )
        .where(
            Payment.business_date == day, Payment.currency == "VND", Payment.state.in_(["reported", "confirmed"])
        )
        .group_by(Payment.source, Payment.channel).order_by(Payment.source, Payment.channel)
    )  # fmt: skip
    return [ChannelDay(bank, channel, *map(int, figures)) for bank, channel, *figures in rows]


def unexplained(session: Session, day: date | None = None) -> int:
    """Return the đồng that nobody can explain, on `day` or ever: 0 is the only good answer.

    Counted are statement lines without a payment, a question or a rejection that are no settlement taken apart, lines
    that with the fee kept from them are over another amount than their payment and that nobody was asked about, and
    parts of payments that settle no bill and have no open question.
    """
    wanted = PAYMENT_VIEWS["unexplained"]
    if day is not None:
        wanted = and_(wanted, Payment.business_date == day)
    payments = session.scalar(select(func.coalesce(func.sum(Payment.minor - Payment.matched_minor), 0)).where(wanted))
    query = _UNEXPLAINED_LINES.format(of_day="" if day is None else _OF_DAY)
    lines = session.execute(text(query), {} if day is None else {"day": day}).mappings().all()
    return int(payments or 0) + sum(int(row["unexplained_minor"]) for row in lines)


def open_by_code(session: Session, now: datetime) -> list[CodeAges]:
    """Return the open mismatches by code, in the order of codes, with their ages in days at `now`."""
    edges = [now - timedelta(days=days) for days in AGES]
    opened = Mismatch.opened_at
    buckets = [
        func.count().filter(opened > edges[0]),
        func.count().filter(opened <= edges[0], opened > edges[1]),
        func.count().filter(opened <= edges[1], opened > edges[2]),
        func.count().filter(opened <= edges[2]),
    ]
    rows = session.execute(
        select(
            Mismatch.code,
            func.count(),
            func.coalesce(func.sum(Mismatch.minor).filter(Mismatch.currency == "VND"), 0),
            func.min(opened),
            *buckets,
        )
        .where(Mismatch.state != "resolved")
        .group_by(Mismatch.code)
        .order_by(Mismatch.code)
    ).all()
    return [CodeAges(code=row[0], count=row[1], minor=int(row[2]), oldest=row[3], ages=tuple(row[4:])) for row in rows]


def _payments(day: date) -> Executable:
    views, unmatched = PAYMENT_VIEWS, Payment.minor - Payment.matched_minor

    def total(column: ColumnExpressionArgument[int], view: str) -> ColumnElement[int]:
        return func.coalesce(func.sum(column).filter(views[view]), 0)

    return (
        select(
            Payment.source.label("bank"),
            func.count().filter(views["received"]).label("received"),
            total(Payment.minor, "received").label("received_minor"),
            func.count().filter(views["confirmed"]).label("confirmed"),
            total(Payment.confirmed_minor, "confirmed").label("confirmed_minor"),
            func.count().filter(views["matched"]).label("matched"),
            total(Payment.matched_minor, "matched").label("matched_minor"),
            func.count().filter(views["open"]).label("open"),
            total(unmatched, "open").label("open_minor"),
            total(unmatched, "unexplained").label("unexplained_minor"),
        )
        .where(Payment.business_date == day, Payment.currency == "VND")
        .group_by(Payment.source)
    )


# By the day a line bears, which is indexed, or by its statement's where it bears none.
_OF_DAY = """AND (l.booked_on = CAST(:day AS date)
        OR (l.booked_on IS NULL AND coalesce(s.closing_on, s.to_on) = CAST(:day AS date)))"""
_UNEXPLAINED_LINES = f"""
    SELECT s.bank, sum(abs(l.minor + coalesce(f.minor + f.vat_minor, 0) - coalesce(p.minor, 0))) AS unexplained_minor
    FROM statement_lines l
    JOIN statements s ON s.id = l.statement_id
    LEFT JOIN payments p ON p.id = l.payment_id
    LEFT JOIN fees f ON f.line_id = l.id AND f.undone_at IS NULL AND f.charged = 'netted'
    WHERE s.state = 'accepted' AND l.counts AND l.state <> 'rejected' AND l.currency = 'VND' AND {BOOKED}
      AND (l.payment_id IS NULL OR l.minor + coalesce(f.minor + f.vat_minor, 0) <> p.minor)
      AND NOT EXISTS (SELECT 1 FROM lump_sums u WHERE u.line_id = l.id AND u.undone_at IS NULL AND u.day IS NOT NULL)
      {{of_day}}
      AND NOT EXISTS (SELECT 1 FROM mismatches m WHERE m.line_id = l.id)
      AND NOT EXISTS (SELECT 1 FROM mismatches m WHERE m.payment_id = l.payment_id AND m.state <> 'resolved')
    GROUP BY s.bank
"""  # noqa: S608 - put together from constants

_QUESTIONS = """
    SELECT source AS bank, count(*) AS mismatches FROM mismatches
    WHERE state <> 'resolved' AND source <> '' GROUP BY source
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
