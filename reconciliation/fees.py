"""Fees: what banks take for their service, netted from a payment or apart; each a row, an entry, undone by another."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import business_days, ledger
from reconciliation.db import Base, Id, Label, Minor, one_of

ACCOUNT, VAT_ACCOUNT = "expense:bank-fees", "input-vat"


class Fee(Base):
    """What one line took: from the payment it brought, or, without one, from our account for a period."""

    __tablename__ = "fees"
    __table_args__ = (
        Index("uq_fees_line", "line_id", unique=True, postgresql_where=text("undone_at IS NULL")),
        Index(None, "payment_id"),
        Index(None, "bank", "from_on"),
        CheckConstraint("minor >= 0 AND vat_minor >= 0 AND minor + vat_minor > 0", name="positive"),
        CheckConstraint("(charged = 'netted') = (payment_id IS NOT NULL)", name="netted_from_a_payment"),
        one_of("charged", ["netted", "apart"]),
    )

    id: Mapped[Id]
    bank: Mapped[str]
    charged: Mapped[str]
    tariff_id: Mapped[int] = mapped_column(ForeignKey("tariffs.id"))
    line_id: Mapped[int] = mapped_column(ForeignKey("statement_lines.id"))
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"))
    from_on: Mapped[date]
    to_on: Mapped[date]
    """The days whose payments it is for."""
    minor: Mapped[Minor]
    vat_minor: Mapped[Minor]
    credit: Mapped[str]
    """The account that the fee is booked against."""
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_why: Mapped[Label]


HOLDS = "EXISTS (SELECT 1 FROM fees f WHERE f.line_id = l.id AND f.undone_at IS NULL)"
"""A line `l` is told apart from what it brought or took by its fee."""

_BOOK = """
    SELECT 'fee:' || f.id || {key} AS key, f.bank, {day} AS business_date, {memo} AS memo, {debit} AS debit,
        {credit} AS credit, {minor} AS minor, l.currency, CAST(:now AS timestamptz) AS at
    FROM fees f JOIN statement_lines l ON l.id = f.line_id JOIN statements s ON s.id = l.statement_id
    WHERE f.id = ANY(:ids) AND {minor} > 0
"""
_SIDES = (("", f"'{ACCOUNT}'", "f.minor"), ("/vat", f"'{VAT_ACCOUNT}'", "f.vat_minor"))
_UNDO = """
    UPDATE fees SET undone_at = :now, undone_why = :why
    WHERE undone_at IS NULL AND {of} RETURNING id
"""


def book(session: Session, ids: Sequence[int], *, now: datetime) -> None:
    """Book fees that were noted: the fee itself and its VAT each against the account it was taken from."""
    for end, account, minor in _SIDES if ids else ():
        query = _BOOK.format(
            key=f"'{end}'", day="coalesce(l.booked_on, s.closing_on, s.to_on, f.from_on)",
            memo="f.charged || ' by ' || f.bank", debit=account, credit="f.credit", minor=minor,
        )  # fmt: skip
        ledger.post(session, query, {"ids": list(ids), "now": now})


def undo(session: Session, statement_ids: Sequence[int], *, why: str, now: datetime) -> None:
    """Undo the fees of these statements' lines by reversing entries: their import is being undone."""
    of = "line_id IN (SELECT id FROM statement_lines WHERE statement_id = ANY(:these))"
    _undo(session, of, statement_ids, why=why, now=now)


def undo_lines(session: Session, line_ids: Sequence[int], *, why: str, now: datetime) -> None:
    """Undo the fees of these lines by reversing entries: they are no payments any more."""
    _undo(session, "line_id = ANY(:these)", line_ids, why=why, now=now)


def _undo(session: Session, of: str, these: Sequence[int], *, why: str, now: datetime) -> None:
    values = {"these": list(these), "why": why, "now": now}
    undone = list(session.scalars(text(_UNDO.format(of=of)), values))
    for end, account, minor in _SIDES if undone else ():
        query = _BOOK.format(
            key=f"'{end}/undone'", day="CAST(:day AS date)", memo="'undone: ' || f.undone_why",
            debit="f.credit", credit=account, minor=minor,
        )  # fmt: skip
        ledger.post(session, query, {"ids": undone, "now": now, "day": business_days.local_day(now)})
