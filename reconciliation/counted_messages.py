"""Messages in figures, counted ahead with their month: what each bank's customers were told per day, what offices cost.

A night brings hundreds of thousands of messages, which a page must not add up while somebody waits.
"""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import message_costs
from reconciliation.db import Base
from reconciliation.vietnamese_order import place


class OfficeMessages(Base):
    """Messages to one power office's customers that left in one month, and their parts."""

    __tablename__ = "office_messages"

    month: Mapped[date] = mapped_column(primary_key=True)
    office: Mapped[str] = mapped_column(primary_key=True)
    messages: Mapped[int]
    parts: Mapped[int]


class MessageDay(Base):
    """Messages promised on one day about one bank's debits and payments, those that went out of date left out."""

    __tablename__ = "message_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    bank: Mapped[str] = mapped_column(primary_key=True)
    before: Mapped[int]
    """Ahead of a debit, by the bank that debits."""
    after: Mapped[int]
    """After a payment, by the bank that told us of it."""


_CLEAR_OFFICES = "DELETE FROM office_messages WHERE month = :first"
_OFFICES = f"""
    INSERT INTO office_messages (month, office, messages, parts)
    SELECT CAST(:first AS date), office, messages, parts FROM ({message_costs.LEFT}) c
"""  # noqa: S608 - put together from constants
_CLEAR_DAYS = "DELETE FROM message_days WHERE day >= :first AND day < :after"
_DAYS = r"""
    INSERT INTO message_days (day, bank, before, after)
    SELECT CAST(m.created_at AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date), coalesce(p.source, b.bank),
        count(*) FILTER (WHERE m.event = 'before_debit'), count(*) FILTER (WHERE m.event = 'payment_recorded')
    FROM messages m JOIN bills b ON b.id = m.bill_id LEFT JOIN payments p ON p.id = m.payment_id
    WHERE m.created_at >= :since AND m.created_at < :until AND m.event IN ('before_debit', 'payment_recorded')
      AND m.state NOT IN ('withdrawn', 'expired') AND coalesce(p.source, b.bank) <> ''
    GROUP BY 1, 2
"""


def count(session: Session, first: date, after: date) -> None:
    """Count the messages of the month from `first` to before `after` anew; `counted_months.count` takes the turns."""
    given = {"first": first, "after": after, **message_costs.between(first, after)}
    for query in (_CLEAR_OFFICES, _OFFICES, _CLEAR_DAYS, _DAYS):
        session.execute(text(query), given)


def of_offices(session: Session, first: date) -> Sequence[OfficeMessages]:
    """Return what left in the month that begins on `first`, by office, as it was counted last."""
    wanted = select(OfficeMessages).where(OfficeMessages.month == first)
    return sorted(session.scalars(wanted), key=lambda one: place(one.office))
