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

# Lines that count, with the fee kept from them.
_STANDING = f"""
    SELECT l.id, l.payment_id, l.minor + coalesce(f.minor + f.vat_minor, 0) AS whole_minor
    FROM statement_lines l JOIN statements s ON s.id = l.statement_id
    LEFT JOIN fees f ON f.line_id = l.id AND f.undone_at IS NULL AND f.charged = 'netted'
    WHERE s.state = 'accepted' AND l.counts AND l.state <> 'rejected' AND l.currency = 'VND' AND {BOOKED} {{which}}
"""  # noqa: S608 - put together from constants, here and below
# Those without a payment, or over another amount than theirs. A day's payments are neighbours: found by one walk.
_FOUND = f"""
    WITH standing AS {{kept}} ({{standing}}), odd AS MATERIALIZED (
        SELECT l.id, abs(l.whole_minor - coalesce(p.minor, 0)) AS unexplained_minor
        FROM standing l LEFT JOIN {{payments}} p ON p.id = l.payment_id
        WHERE l.payment_id IS NULL OR l.whole_minor <> p.minor
    )
    SELECT s.bank, s.delivery_id, l.id, l.booked_on, l.bank_reference, l.minor, odd.unexplained_minor
    FROM odd JOIN statement_lines l ON l.id = odd.id JOIN statements s ON s.id = l.statement_id WHERE {UNASKED}
"""  # noqa: S608 - constants
_PAYMENTS_OF_DAY = "(SELECT id, minor FROM payments WHERE id = ANY(ARRAY(SELECT payment_id FROM standing)))"
_OF_BANK = "AND s.bank = :bank"
# By the day a line bears or, where it bears none, by its statement's: each by its own index.
_ON_DAY = (
    "AND l.booked_on = CAST(:day AS date)",
    "AND l.booked_on IS NULL AND coalesce(s.closing_on, s.to_on) = CAST(:day AS date)",
)


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
    of_bank = _OF_BANK if bank else ""
    if day is None:
        return _FOUND.format(kept="", standing=_STANDING.format(which=of_bank), payments="payments")
    each = (_STANDING.format(which=f"{of_bank} {on_day}") for on_day in _ON_DAY)
    return _FOUND.format(kept="MATERIALIZED", standing=" UNION ALL ".join(each), payments=_PAYMENTS_OF_DAY)


def _given(day: date | None, bank: str) -> dict[str, object]:
    return {name: value for name, value in (("day", day), ("bank", bank)) if value}
