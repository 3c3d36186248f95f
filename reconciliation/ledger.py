"""The ledger: double entry, only ever added to; every entry sums to zero per currency when it commits."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import Base, Id, Label, Minor


class Entry(Base):
    """One balanced event; its key says which fact it books, so that the same fact is booked once."""

    __tablename__ = "entries"
    __table_args__ = (UniqueConstraint("key"), Index(None, "business_date"))

    id: Mapped[Id]
    key: Mapped[str]
    business_date: Mapped[date]
    memo: Mapped[Label]
    at: Mapped[datetime]
    transaction: Mapped[int] = mapped_column(server_default=text("(pg_current_xact_id()::text::bigint)"))
    """The database transaction that wrote the entry: postings may join it in that transaction only."""


class Posting(Base):
    """One side of an entry: positive debits the account, negative credits it."""

    __tablename__ = "postings"
    __table_args__ = (
        Index(None, "entry_id"),
        Index(None, "account", "currency", postgresql_include=["minor"]),
        CheckConstraint("minor <> 0", name="not_zero"),
    )

    id: Mapped[Id]
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"))
    account: Mapped[str]
    minor: Mapped[Minor]
    currency: Mapped[str]


def post(session: Session, wanted: str, values: dict[str, object]) -> int:
    """Book one entry per row of the query `wanted`, skipping keys already booked; return how many were new.

    `wanted` yields key, business_date, memo, debit, credit (account names), minor (> 0), currency and at.
    """
    statement = text(
        f"""
        WITH wanted AS MATERIALIZED ({wanted}), made AS (
            INSERT INTO entries (key, business_date, memo, at)
            SELECT key, business_date, memo, at FROM wanted ORDER BY key
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
