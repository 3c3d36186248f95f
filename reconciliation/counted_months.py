"""A month in figures, counted ahead: what came per day, bank and channel, what is due per day, each office's share.

A page must not add up a million payments while somebody waits: the schedule counts a month anew every few minutes, and
the page says as of when. The figures are derived; whatever they say can be counted again from payments and bills.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import counted_messages
from reconciliation.bills import LIVE, Bill
from reconciliation.db import Base, Minor
from reconciliation.payments import Payment
from reconciliation.vietnamese_order import place


class PaymentDay(Base):
    """What came in on one business day by one channel of one bank, in đồng, of payments that count."""

    __tablename__ = "payment_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    bank: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    payments: Mapped[int]
    minor: Mapped[Minor]
    matched: Mapped[int]
    """Payments of which every đồng settles a bill."""
    matched_minor: Mapped[Minor]
    placed_minor: Mapped[Minor]
    """What people put elsewhere: a customer's credit, a refund, suspense."""
    confirmed_minor: Mapped[Minor]


class DueDay(Base):
    """What live bills due on one day come to."""

    __tablename__ = "due_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    bills: Mapped[int]
    minor: Mapped[Minor]
    paid_minor: Mapped[Minor]


class OfficeMonth(Base):
    """One power office's live bills of one month of issue, and what banks and wallets have brought for them."""

    __tablename__ = "office_months"

    month: Mapped[date] = mapped_column(primary_key=True)
    office: Mapped[str] = mapped_column(primary_key=True)
    bills: Mapped[int]
    minor: Mapped[Minor]
    paid_bills: Mapped[int]
    paid_minor: Mapped[Minor]

    @property
    def share(self) -> int:
        """Per mille of the amount billed that came without cash."""
        return 1000 * self.paid_minor // self.minor if self.minor else 0


class OwedDay(Base):
    """What is still owed of the live bills that one bank debits, or nobody does (""), due on one day."""

    __tablename__ = "owed_days"

    bank: Mapped[str] = mapped_column(primary_key=True)
    due_on: Mapped[date] = mapped_column(primary_key=True)
    bills: Mapped[int]
    minor: Mapped[Minor]


class CountedFigure(Base):
    """One figure that is dear to count, as it was counted last."""

    __tablename__ = "counted_figures"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]
    counted_at: Mapped[datetime]


class CountedMonth(Base):
    """As of when the figures of one month were counted."""

    __tablename__ = "counted_months"

    month: Mapped[date] = mapped_column(primary_key=True)
    counted_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Month:
    """The figures of one month; `counted_at` is None when they were never counted."""

    first: date
    counted_at: datetime | None
    days: Sequence[PaymentDay]
    due: Sequence[DueDay]
    offices: Sequence[OfficeMonth]


_RANGE = {
    "payment_days": "day >= :first AND day < :after",
    "due_days": "day >= :first AND day < :after",
    "office_months": "month = :first",
}
_PAYMENTS = """
    WITH placed AS (
        SELECT payment_id, sum(minor) AS minor FROM placements WHERE undone_at IS NULL AND payment_id IS NOT NULL
        GROUP BY 1
    )
    INSERT INTO payment_days
        (day, bank, channel, payments, minor, matched, matched_minor, placed_minor, confirmed_minor)
    SELECT business_date, source, channel, count(*), sum(p.minor),
        count(*) FILTER (WHERE matched_minor - coalesce(l.minor, 0) = p.minor),
        sum(matched_minor - coalesce(l.minor, 0)), coalesce(sum(l.minor), 0), sum(confirmed_minor)
    FROM payments p LEFT JOIN placed l ON l.payment_id = p.id
    WHERE business_date >= :first AND business_date < :after AND currency = 'VND'
      AND state IN ('reported', 'confirmed')
    GROUP BY 1, 2, 3
"""
_DUE = f"""
    INSERT INTO due_days (day, bills, minor, paid_minor)
    SELECT due_on, count(*), sum(minor), sum(paid_minor) FROM bills
    WHERE due_on >= :first AND due_on < :after AND {LIVE} GROUP BY 1
"""  # noqa: S608 - put together from constants, here and below
_OFFICES = f"""
    INSERT INTO office_months (month, office, bills, minor, paid_bills, paid_minor)
    SELECT CAST(:first AS date), c.office, count(*), sum(b.minor), count(*) FILTER (WHERE b.paid_minor = b.minor),
        sum(b.paid_minor)
    FROM bills b JOIN customers c ON c.id = b.customer_id
    WHERE b.issued_on >= :first AND b.issued_on < :after AND {LIVE} GROUP BY 2
"""  # noqa: S608
_OWED = """
    INSERT INTO owed_days (bank, due_on, bills, minor)
    SELECT o.bank, o.due_on, count(*), sum(b.minor - b.paid_minor)
    FROM owed_bills o JOIN bills b ON b.id = o.bill_id GROUP BY 1, 2
"""
_ONE_AT_A_TIME = "LOCK TABLE owed_days IN SHARE ROW EXCLUSIVE MODE"
_NOTE = """
    INSERT INTO counted_months (month, counted_at) VALUES (:first, :now)
    ON CONFLICT (month) DO UPDATE SET counted_at = excluded.counted_at
"""


def first_of(day: date) -> date:
    """Return the first day of a day's month."""
    return day.replace(day=1)


def after(first: date) -> date:
    """Return the first day of the next month."""
    return first_of(first + timedelta(days=31))


def count(session: Session, first: date, *, now: datetime) -> None:
    """Count the month that begins on `first` anew; the caller commits. Whoever reads meanwhile sees the old figures."""
    given = {"first": first, "after": after(first), "now": now}
    session.execute(text(_NOTE), given)  # first, so that two who count at once take turns
    for table, month in _RANGE.items():
        session.execute(text(f"DELETE FROM {table} WHERE {month}"), given)  # noqa: S608 - constants
    for query in (_PAYMENTS, _DUE, _OFFICES):
        session.execute(text(query), given)
    counted_messages.count(session, first, after(first))


def count_owed(session: Session) -> None:
    """Count anew what is still owed; the caller commits."""
    for query in (_ONE_AT_A_TIME, "DELETE FROM owed_days", _OWED):
        session.execute(text(query))


def to_count(session: Session, *, today: date) -> list[date]:
    """Return the months to count: this one, the one before, the next once bills fall due in it, and an earlier one.

    The earlier one is the first that has payments and was never counted, else the one that was counted longest ago:
    what is paid late still moves its shares.
    """
    current = first_of(today)
    previous, following = first_of(current - timedelta(days=1)), after(current)
    wanted = [current, previous]
    due = select(Bill.id).where(Bill.due_on >= following, Bill.due_on < after(following)).limit(1)
    if session.scalar(due) is not None:
        wanted.append(following)
    counted = select(CountedMonth.month).where(CountedMonth.month < previous)
    known = session.scalars(counted.order_by(CountedMonth.counted_at, CountedMonth.month)).all()
    earliest = session.scalar(select(func.min(Payment.business_date)))
    month = first_of(earliest) if earliest else previous
    while month < previous and month in known:
        month = after(month)
    return [*wanted, month] if month < previous else [*wanted, *known[:1]]


def as_of(session: Session, first: date) -> datetime | None:
    """Return when the month that begins on `first` was counted last; None when it never was."""
    return session.scalar(select(CountedMonth.counted_at).where(CountedMonth.month == first))


def read(session: Session, first: date) -> Month:
    """Return the figures of the month that begins on `first`, as they were counted last."""
    end = after(first)
    return Month(
        first,
        as_of(session, first),
        session.scalars(
            select(PaymentDay).where(PaymentDay.day >= first, PaymentDay.day < end)
            .order_by(PaymentDay.day, PaymentDay.bank, PaymentDay.channel)
        ).all(),
        session.scalars(select(DueDay).where(DueDay.day >= first, DueDay.day < end).order_by(DueDay.day)).all(),
        sorted(
            session.scalars(select(OfficeMonth).where(OfficeMonth.month == first)), key=lambda one: place(one.office)
        ),
    )  # fmt: skip


def offices(session: Session) -> Sequence[str]:
    """Return the power offices that bills were counted of."""
    named = select(OfficeMonth.office).where(OfficeMonth.office != "").distinct()
    return sorted(session.scalars(named), key=place)
