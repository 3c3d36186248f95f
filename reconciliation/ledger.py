"""The ledger: double entry, only ever added to; every entry debits one account what it credits another."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, Session

from reconciliation.db import Base, Id, Label, Minor

FEE_ACCOUNTS = ("expense:bank-fees", "input-vat")
"""What banks keep for their service, and the VAT on it: whatever books a fee books it here."""


class Entry(Base):
    """One event in whole minor units; its key says which fact it books, so that the same fact is booked once.

    Two sides and one amount: no entry can fail to balance. What debits several accounts is several entries. By
    account, the two sides are the rows of the view `postings`: entry_id, account, minor (negative: credited), currency.
    """

    __tablename__ = "entries"
    __table_args__ = (
        UniqueConstraint("key"),
        Index(None, "business_date", "bank"),
        Index("ix_entries_late", "late_for", "bank", postgresql_where=text("late_for IS NOT NULL")),
        # What all are asked for is read through anyway; by account only the fees are.
        Index("ix_entries_fees", "id", postgresql_where=text(f"debit IN {FEE_ACCOUNTS} OR credit IN {FEE_ACCOUNTS}")),
        CheckConstraint("minor > 0", name="positive"),
        CheckConstraint("debit <> credit", name="two_accounts"),
        # Without a bank an entry over a bank's money would get past its signed days.
        CheckConstraint(
            r"(debit NOT LIKE 'bank\:%' OR split_part(debit, '\:', 2) = bank)"
            r" AND (credit NOT LIKE 'bank\:%' OR split_part(credit, '\:', 2) = bank)"
            " AND (bank <> '' OR (debit <> 'suspense' AND credit <> 'suspense'))",
            name="names_its_bank",
        ),
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
    debit: Mapped[str]
    credit: Mapped[str]
    minor: Mapped[Minor]
    currency: Mapped[str]


SIDES = "CROSS JOIN LATERAL (VALUES (e.debit, e.minor), (e.credit, -e.minor)) AS side (account, minor)"
"""What turns each entry `e` of a query into its two sides, the credited one below nothing."""

BALANCES = f"""
    SELECT side.account, e.currency, CAST(sum(side.minor) AS bigint) AS minor
    FROM (SELECT debit, credit, currency, sum(minor) AS minor FROM entries GROUP BY 1, 2, 3) e {SIDES} GROUP BY 1, 2
"""  # noqa: S608 - put together from constants
"""Each account's balance per currency, debit positive: the accounts of all entries are few, the entries are not."""


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
            INSERT INTO entries (key, bank, business_date, late_for, memo, at, debit, credit, minor, currency)
            SELECT key, bank, open, nullif(business_date, open), memo, at, debit, credit, minor, currency
            FROM wanted JOIN days USING (bank, business_date) ORDER BY key
            ON CONFLICT (key) DO NOTHING
            RETURNING id
        )
        SELECT count(*) FROM made
        """  # noqa: S608 - `wanted` is one of this package's own queries; values travel as parameters
    )
    return int(session.scalar(statement, values) or 0)


def balances(session: Session) -> dict[tuple[str, str], int]:
    """Return (account, currency) → balance in minor units, debit positive."""
    rows = session.execute(text(f"{BALANCES} ORDER BY 1, 2"))
    return {(row.account, row.currency): row.minor for row in rows}
