"""The ledger: double entry, only ever added to; every entry sums to zero per currency when it commits."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import Base, Id, Label, Minor


class Entry(Base):
    """One balanced event; its key says which fact it books, so that the same fact is booked once."""

    __tablename__ = "entries"
    __table_args__ = (
        UniqueConstraint("key"),
        Index(None, "business_date", "bank"),
        Index("ix_entries_late", "late_for", "bank", postgresql_where=text("late_for IS NOT NULL")),
    )

    id: Mapped[Id]
    key: Mapped[str]
    bank: Mapped[Label]
    """Whose day it belongs to; empty for what concerns no bank, such as the issuing of a bill."""
    business_date: Mapped[date]
    late_for: Mapped[date | None]
    """The day it would have been booked on, had that day not been signed by then."""
    memo: Mapped[Label]
    at: Mapped[datetime]
    transaction: Mapped[int] = mapped_column(server_default=text("(pg_current_xact_id()::text::bigint)"))
    """The database transaction that wrote the entry: postings may join it in that transaction only."""


FEE_ACCOUNTS = ("expense:bank-fees", "input-vat")
"""What banks keep for their service, and the VAT on it: whatever books a fee books it here."""


class Posting(Base):
    """One side of an entry: positive debits the account, negative credits it."""

    __tablename__ = "postings"
    __table_args__ = (
        # What all are asked for is read through anyway; by account only the fees are.
        Index("ix_postings_fees", "id", postgresql_where=text(f"account IN {FEE_ACCOUNTS}")),
        CheckConstraint("minor <> 0", name="not_zero"),
    )

    entry_id: Mapped[int] = mapped_column(primary_key=True)
    """Of an entry made in the same transaction: the database asks a statement's postings at once, not each by a key."""
    id: Mapped[Id]
    account: Mapped[str]
    minor: Mapped[Minor]
    currency: Mapped[str]


class EntriesToProve(Base):
    """Entries that one statement made and nobody has proven balanced yet; empty again at each commit.

    Written by the database alone, which no role of the application can do.
    """

    __tablename__ = "entries_to_prove"
    __table_args__ = {"prefixes": ["UNLOGGED"]}  # noqa: RUF012 - as SQLAlchemy reads it

    id: Mapped[Id]
    first_id: Mapped[int]
    last_id: Mapped[int]


def post(session: Session, wanted: str, values: dict[str, object]) -> int:
    """Book one entry per row of the query `wanted`, skipping keys already booked; return how many were new.

    `wanted` yields key, bank (empty for none), business_date, memo, debit, credit (account names), minor (> 0),
    currency and at. What belongs to a day its bank has signed is booked on the first open day after it.
    """
    statement = text(
        f"""
        WITH wanted AS MATERIALIZED ({wanted}), days AS MATERIALIZED (
            SELECT bank, business_date, open_day(bank, business_date) AS open
            FROM (SELECT DISTINCT bank, business_date FROM wanted ORDER BY 1, 2) d
        ), made AS (
            INSERT INTO entries (key, bank, business_date, late_for, memo, at)
            SELECT key, bank, open, nullif(business_date, open), memo, at
            FROM wanted JOIN days USING (bank, business_date) ORDER BY key
            ON CONFLICT (key) DO NOTHING
            RETURNING id, key
        ), posted AS (
            INSERT INTO postings (entry_id, account, minor, currency)
            SELECT made.id, side.account, side.minor, wanted.currency
            FROM made JOIN wanted USING (key)
            CROSS JOIN LATERAL (VALUES (wanted.debit, wanted.minor), (wanted.credit, -wanted.minor))
                AS side (account, minor)
        )
        SELECT count(*) FROM made
        """  # noqa: S608 - `wanted` is one of this package's own queries; values travel as parameters
    )
    return int(session.scalar(statement, values) or 0)


def balances(session: Session) -> dict[tuple[str, str], int]:
    """Return (account, currency) → balance in minor units, debit positive."""
    rows = session.execute(
        text("SELECT account, currency, sum(minor)::bigint FROM postings GROUP BY 1, 2 ORDER BY 1, 2")
    )
    return {(account, currency): minor for account, currency, minor in rows}
