"""What nobody can explain: money that settles no bill and of which nobody was asked, lines that stand for nothing.

Zero is the only good answer, of each day and of all.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import RowMapping, and_, exists, func, select, text
from sqlalchemy.orm import Session

from reconciliation.mismatches import Mismatch
from reconciliation.payments import Payment
from reconciliation.statements import BOOKED

OPEN = and_(Payment.matched_minor < Payment.minor, Payment.state.in_(["reported", "confirmed"]))
"""Payments with money that settles no bill yet."""
PAYMENTS = and_(
    OPEN, Payment.currency == "VND", ~exists().where(Mismatch.payment_id == Payment.id, Mismatch.state != "resolved")
)
"""Those of them that nobody was asked about."""
ASKED = select(Mismatch.payment_id).where(Mismatch.state != "resolved").distinct().subquery()
"""The payments that somebody was asked about, to be joined where very many payments are read at once."""

UNASKED = """
    NOT EXISTS (SELECT 1 FROM lump_sums u WHERE u.line_id = l.id AND u.undone_at IS NULL AND u.day IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM mismatches m WHERE m.line_id = l.id)
    AND NOT EXISTS (SELECT 1 FROM mismatches m WHERE m.payment_id = l.payment_id AND m.state <> 'resolved')
"""
"""Whether line `l` is no settlement taken apart, nobody was ever asked about it, nor is asked about its payment."""

# What may stand for nothing: lines listed as odd, and any that their booking left undecided. Statements with lines that
# wait are few and found one by one: the lines of those that were refused would be read in vain.
_LOOKED_AT = f"""
    WITH RECURSIVE waiting (statement_id) AS (
        SELECT min(statement_id) FROM statement_lines WHERE state = 'pending'
        UNION ALL
        SELECT (SELECT min(l.statement_id) FROM statement_lines l
                WHERE l.state = 'pending' AND l.statement_id > w.statement_id)
        FROM waiting w WHERE w.statement_id IS NOT NULL
    ), looked_at AS MATERIALIZED (
        SELECT line_id AS id FROM odd_lines {{listed}}
        UNION
        SELECT l.id FROM waiting w JOIN statements s ON s.id = w.statement_id
        JOIN statement_lines l ON l.statement_id = s.id AND l.state = 'pending'
        WHERE s.state = 'accepted' AND {BOOKED} {{undecided}}
    )
"""  # noqa: S608 - put together from constants, here and below
# Lines that count without a payment, or over another amount than theirs, with the fee kept from them.
_FOUND = f"""
    {_LOOKED_AT}
    SELECT * FROM (
        SELECT s.bank, s.delivery_id, l.id, l.booked_on, l.bank_reference, l.minor, l.payment_id,
            abs(l.minor + coalesce(f.minor + f.vat_minor, 0) - coalesce(p.minor, 0)) AS unexplained_minor
        FROM looked_at JOIN statement_lines l USING (id) JOIN statements s ON s.id = l.statement_id
        LEFT JOIN fees f ON f.line_id = l.id AND f.undone_at IS NULL AND f.charged = 'netted'
        LEFT JOIN payments p ON p.id = l.payment_id
        WHERE s.state = 'accepted' AND l.counts AND l.state <> 'rejected' AND l.currency = 'VND' AND {BOOKED}
          AND (p.id IS NULL OR l.minor + coalesce(f.minor + f.vat_minor, 0) <> p.minor) {{of_bank}}
    ) l WHERE {UNASKED}
"""  # noqa: S608 - constants
_OF_BANK = "AND s.bank = :bank"
_LISTED_ON_DAY = "WHERE day = CAST(:day AS date)"
_ON_DAY = "AND coalesce(l.booked_on, s.closing_on, s.to_on) = CAST(:day AS date)"


def lines_by_bank(session: Session, day: date | None = None, *, bank: str = "") -> Mapping[str, int]:
    """Return bank → the đồng of its lines that nobody can explain, on `day` or ever, of one bank or of all."""
    found = _found(day, bank)
    query = f"SELECT bank, CAST(sum(unexplained_minor) AS bigint) AS minor FROM ({found}) l GROUP BY bank"  # noqa: S608 - constants
    return {row.bank: row.minor for row in session.execute(text(query), _given(day, bank))}


def lines(session: Session, day: date, bank: str = "", *, most: int) -> Sequence[RowMapping]:
    """Return the first `most` lines of a day that nobody can explain, of one bank or of all.

    Each with bank, delivery_id, id, booked_on, bank_reference, minor and unexplained_minor, in đồng, and with `of_all`,
    what all such lines come to, whether they are among the first or not.
    """
    of_all = "CAST(sum(unexplained_minor) OVER () AS bigint) AS of_all"
    query = f"SELECT *, {of_all} FROM ({_found(day, bank)}) l ORDER BY id LIMIT :most"  # noqa: S608 - constants
    return session.execute(text(query), {**_given(day, bank), "most": most}).mappings().all()


def payments_by_bank(session: Session, day: date | None = None, *, bank: str = "") -> Mapping[str, int]:
    """Return bank → the đồng of its payments that nobody can explain, on `day` or ever, of one bank or of all."""
    wanted: Any = PAYMENTS if day is None else and_(PAYMENTS, Payment.business_date == day)
    if bank:
        wanted = and_(wanted, Payment.source == bank)
    left = func.sum(Payment.minor - Payment.matched_minor)
    found = session.execute(select(Payment.source, left).where(wanted).group_by(Payment.source))
    return {source: int(minor) for source, minor in found}


def total(session: Session, day: date | None = None, *, bank: str = "") -> int:
    """Return the đồng that nobody can explain, on `day` or ever, of one bank or of all."""
    found = (payments_by_bank(session, day, bank=bank), lines_by_bank(session, day, bank=bank))
    return sum(sum(each.values()) for each in found)


def _found(day: date | None, bank: str) -> str:
    on_day = {"listed": "", "undecided": ""} if day is None else {"listed": _LISTED_ON_DAY, "undecided": _ON_DAY}
    return _FOUND.format(of_bank=_OF_BANK if bank else "", **on_day)


def _given(day: date | None, bank: str) -> dict[str, object]:
    return {name: value for name, value in (("day", day), ("bank", bank)) if value}
