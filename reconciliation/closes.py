"""Closes: a bank's day or month in figures, as one person balanced it and another signed it, version after version."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import bank_days
from reconciliation.db import Base, Id, Label, Minor, Moves, one_of
from reconciliation.lifecycle import CLOSE

DAY, MONTH = "day", "month"
DIFFERENCE, QUESTION = "difference", "question"


class Close(Base):
    """One version of a close; `day` is the first day of its period, `figures` what was balanced.

    `entries` and `booked_minor` are counted by the database as it is signed: how many entries the ledger has of the
    period, and all that they debit, in minor units of whatever currency. A signed version is reopened, never edited:
    both versions stay.
    """

    __tablename__ = "closes"
    __table_args__ = (
        UniqueConstraint("bank", "period", "day", "version"),
        Index(
            "uq_closes_live", "bank", "period", "day", unique=True,
            postgresql_where=text("state IN ('open', 'balanced', 'signed')"),
        ),
        one_of("period", [DAY, MONTH]),
        one_of("state", CLOSE.states),
        CheckConstraint("bank <> ''", name="of_a_bank"),
        CheckConstraint("period = 'day' OR EXTRACT(day FROM day) = 1", name="month_by_its_first"),
        CheckConstraint("state = 'open' OR (maker <> '' AND made_at IS NOT NULL AND digest <> '')", name="balanced"),
        CheckConstraint(
            "state NOT IN ('signed', 'reopened') OR (checker <> '' AND checker <> maker AND signed_at IS NOT NULL)",
            name="signed_by_two",
        ),
        CheckConstraint(
            "(state = 'reopened') = (reopened_by <> '') AND (state <> 'reopened' OR (reopened_why <> ''"
            " AND reopened_at IS NOT NULL AND reopened_by <> maker AND reopened_by <> checker))",
            name="reopened_by_a_third_for_a_reason",
        ),
    )  # fmt: skip

    id: Mapped[Id]
    bank: Mapped[str]
    period: Mapped[str]
    day: Mapped[date]
    version: Mapped[int]
    figures: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}")
    digest: Mapped[Label]
    """Over the figures and every item, in hexadecimal: what the two have signed, and what minutes carry."""
    entries: Mapped[int] = mapped_column(server_default="0")
    booked_minor: Mapped[Minor] = mapped_column(server_default="0")
    maker: Mapped[Label]
    made_at: Mapped[datetime | None]
    checker: Mapped[Label]
    signed_at: Mapped[datetime | None]
    reopened_by: Mapped[Label]
    reopened_at: Mapped[datetime | None]
    reopened_why: Mapped[Label]
    state: Mapped[str] = mapped_column(server_default=CLOSE.start)
    moves: Mapped[Moves]
    created_at: Mapped[datetime]


class CloseItem(Base):
    """One row behind a close: a difference between the three sides, or a question that stays open past it.

    `told_minor` is what callbacks and notices said, `booked_minor` what our ledger holds, `shown_minor` what the
    statement shows, each of this period; `minor` is shown less told, or the amount in question.
    """

    __tablename__ = "close_items"
    __table_args__ = (
        Index(None, "close_id", "id"),
        one_of("kind", [DIFFERENCE, QUESTION]),
    )

    id: Mapped[Id]
    close_id: Mapped[int] = mapped_column(ForeignKey("closes.id"))
    kind: Mapped[str]
    subject: Mapped[str]
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"))
    line_id: Mapped[int | None] = mapped_column(ForeignKey("statement_lines.id"))
    mismatch_id: Mapped[int | None] = mapped_column(ForeignKey("mismatches.id"))
    reference: Mapped[Label]
    currency: Mapped[str]
    told_minor: Mapped[Minor] = mapped_column(server_default="0")
    booked_minor: Mapped[Minor] = mapped_column(server_default="0")
    shown_minor: Mapped[Minor] = mapped_column(server_default="0")
    minor: Mapped[Minor] = mapped_column(server_default="0")
    verdict: Mapped[str]
    code: Mapped[Label]


def live(session: Session, bank: str, period: str, day: date) -> Close | None:
    """Return the version that is open, balanced or signed, None before anyone has begun and after a withdrawal."""
    found: Close | None = session.scalar(
        select(Close).where(
            Close.bank == bank,
            Close.period == period,
            Close.day == day,
            Close.state.in_(["open", "balanced", "signed"]),
        )
    )
    return found


def versions(session: Session, bank: str, period: str, day: date) -> Sequence[Close]:
    """Return every version, the first one first."""
    wanted = select(Close).where(Close.bank == bank, Close.period == period, Close.day == day)
    return session.scalars(wanted.order_by(Close.version)).all()


@dataclass(frozen=True, slots=True)
class BankDay:
    """A day of a bank with its latest version (0 and "open" before anyone has begun), and whether it has entries."""

    bank: str
    day: date
    version: int
    state: str
    booked: bool


# Day by day through the index, so that a year of entries is not read to find its days.
_DAYS = """
    SELECT CAST(:bank AS text) AS bank, CAST(d AS date) AS day, coalesce(c.version, 0) AS version,
        coalesce(c.state, 'open') AS state, e.booked
    FROM generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') AS d
    LEFT JOIN LATERAL (
        SELECT version, state FROM closes
        WHERE bank = :bank AND period = 'day' AND day = CAST(d AS date) ORDER BY version DESC LIMIT 1
    ) c ON true
    CROSS JOIN LATERAL (
        SELECT EXISTS (SELECT 1 FROM entries WHERE business_date = CAST(d AS date) AND bank = :bank) AS booked
    ) e
    WHERE c.version IS NOT NULL OR e.booked OR CAST(d AS date) = ANY(CAST(:quiet AS date[]))
    ORDER BY d DESC
"""
_FIRST = """
    SELECT least(
        (SELECT CAST(min(d) AS date)
         FROM generate_series((SELECT min(business_date) FROM entries), CAST(:last AS date), interval '1 day') AS d
         WHERE EXISTS (SELECT 1 FROM entries WHERE business_date = CAST(d AS date) AND bank = :bank)),
        (SELECT min(coalesce(closing_on, to_on)) FROM statements
         WHERE bank = :bank AND kind = 'statement' AND state = 'accepted'),
        (SELECT min(day) FROM closes WHERE bank = :bank AND period = 'day' AND state <> 'withdrawn'))
"""
_FIRST_SIGNED = "SELECT min(day) FROM closes WHERE bank = :bank AND period = 'day' AND state IN ('signed', 'reopened')"


def days(session: Session, bank: str, first: date, last: date, *, quiet: Sequence[date] = ()) -> list[BankDay]:
    """Return the days of a bank from `first` to `last` with entries or a close, and the `quiet` ones, latest first."""
    rows = session.execute(text(_DAYS), {"bank": bank, "first": first, "last": last, "quiet": list(quiet)})
    return [BankDay(*row) for row in rows]


def listed(session: Session, bank: str, first: date, last: date, *, owed: Collection[date] = ()) -> list[BankDay]:
    """Return `days` and every business day since the bank's first one: a missing one is seen, whatever happened.

    So are days for which the bank owes a statement (`owed`). A bank's first day is the first with an entry, a statement
    or a close.
    """
    since = first_day(session, bank, last)
    if since is None:
        return []
    calendar = bank_days.calendar(session)
    start = max(first, since)
    every = (start + timedelta(days=n) for n in range((last - start).days + 1))
    return days(
        session, bank, first, last, quiet=[day for day in every if calendar.is_business_day(day) or day in owed]
    )


def first_day(session: Session, bank: str, last: date) -> date | None:
    """Return a bank's first day: of an entry (up to `last`), a statement, or a close that stands; None without any."""
    found: date | None = session.scalar(text(_FIRST), {"bank": bank, "last": last})
    return found


def unsigned(session: Session, bank: str, first: date, last: date, *, owed: Collection[date] = ()) -> list[date]:
    """Return the days from `first` to `last` that are to be signed and are not, the latest first.

    Those on which something was booked, that somebody began to close and did not withdraw, or for which the bank owes a
    statement (`owed`); none of a month that is signed, which closes its other days too.
    """
    signed = select(Close.day).where(Close.bank == bank, Close.period == MONTH, Close.state == "signed")
    shut = set(session.scalars(signed.where(Close.day.between(first.replace(day=1), last))))
    return [
        one.day
        for one in days(session, bank, first, last, quiet=[day for day in owed if first <= day <= last])
        if one.state != "signed"
        and one.day.replace(day=1) not in shut
        and (one.booked or one.state != "withdrawn" or one.day in owed)
    ]


def first_signed(session: Session, bank: str) -> date | None:
    """Return the day from which on a bank's days are closed in order; None before the first."""
    found: date | None = session.scalar(text(_FIRST_SIGNED), {"bank": bank})
    return found
