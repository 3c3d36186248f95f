"""Days of a source that pays many payments by one line: what each comes to, and of which payments.

A day is the payments that wait for their line, less the fee of their tariff, and whatever a line that was weighed to be
the day's has brought already. The latter stands in the line itself: its payments are not read again to be added up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import business_days
from reconciliation.lump_sums import DAY, TERM
from reconciliation.tariffs import FEE, OF_PAYMENT

LOOKED_BACK = timedelta(days=60)
"""Lines booked longer ago than this are not weighed anew, unless nobody knows yet what they are of."""
_REACH = timedelta(days=32)

_NETTED = f"""
    LEFT JOIN LATERAL (
        SELECT fee, tariff_vat(t.tariff, fee) AS vat
        FROM (SELECT 1) one {OF_PAYMENT} AND t.charged = 'netted' CROSS JOIN LATERAL (SELECT {FEE} AS fee) counted
    ) f ON true
"""  # noqa: S608 - put together from constants, here and below
FREE = f"""
    SELECT p.id, p.minor, {DAY} AS day, coalesce(f.fee, 0) AS fee, coalesce(f.vat, 0) AS vat
    FROM payments p JOIN lump_terms a ON {TERM} {_NETTED}
    WHERE p.source = :source AND p.currency = 'VND' AND NOT p.reversal AND p.business_date >= CAST(:paid_since AS date)
      AND p.state = 'reported' AND p.confirmed_minor = 0 AND {{only}}
      AND NOT EXISTS (SELECT 1 FROM statement_lines n WHERE n.payment_id = p.id AND n.counts)
"""  # noqa: S608
"""What a settlement may be of: told of and shown by no line at all; `only` says which of it."""
OF_DAY = f"p.business_date BETWEEN CAST(:day AS date) - 1 AND CAST(:day AS date) AND {DAY} = CAST(:day AS date)"

_SUMS = f"""
    SELECT day, sum(minor - fee - vat)\\:\\:bigint AS net, NULL AS lump
    FROM ({FREE.format(only="true")}) free GROUP BY day
    UNION ALL
    SELECT day, minor, id FROM lump_sums
    WHERE source = :source AND undone_at IS NULL AND NOT pinned AND day IS NOT NULL AND booked_on >= :since
"""  # noqa: S608
# Days that lines have which are not weighed any more: what is told of them later is no day of its own.
_TAKEN = """
    SELECT day FROM lump_sums
    WHERE source = :source AND undone_at IS NULL AND NOT pinned AND booked_on < :since AND day >= :paid_since
"""
_OLDEST = """
    SELECT least(min(booked_on), CAST(:since AS date)) FROM lump_sums
    WHERE source = :source AND undone_at IS NULL AND day IS NULL
"""
_MADE_OF = f"""
    SELECT count(*) AS payments, sum(minor)\\:\\:bigint AS gross, sum(fee + vat)\\:\\:bigint AS fee
    FROM (
        SELECT minor, fee, vat FROM ({FREE.format(only=OF_DAY)}) free UNION ALL
        SELECT a.minor + a.fee_minor + a.vat_minor, a.fee_minor, a.vat_minor
        FROM line_parts a WHERE a.undone_at IS NULL AND a.lump_id = ANY(:lumps)
    ) both_kinds
"""  # noqa: S608
_CHOICE = f"""
    SELECT id, day, minor - fee - vat AS net FROM ({FREE}) free UNION ALL
    SELECT p.id, s.day, a.minor FROM line_parts a JOIN payments p ON p.id = a.payment_id
    JOIN lump_sums s ON s.id = a.lump_id WHERE a.lump_id = :lump AND a.undone_at IS NULL AND {{of_lump}} ORDER BY 1
"""  # noqa: S608
# Payments of weighed settlements that are of another day, or cost another fee, by what is known of them now.
_STALE = f"""
    SELECT DISTINCT b.lump_id
    FROM line_parts b JOIN payments p ON p.id = b.payment_id JOIN lump_sums s ON s.id = b.lump_id AND NOT s.pinned
    LEFT JOIN lump_terms a ON {TERM} {_NETTED}
    WHERE b.undone_at IS NULL AND s.booked_on >= :since AND {{which}} AND (a.id IS NULL OR s.day <> {DAY}
        OR (b.fee_minor, b.vat_minor) <> (coalesce(f.fee, 0), coalesce(f.vat, 0)))
    ORDER BY 1
"""  # noqa: S608


@dataclass(slots=True)
class DaySum:
    """What a day comes to in đồng, and the lines that were weighed to be its; `is_free` when some of it waits."""

    net: int = 0
    lumps: tuple[int, ...] = ()
    is_free: bool = False


def scope(session: Session, source: str, now: datetime) -> dict[str, Any]:
    """Return whose lines are weighed, those booked `since` and any unexplained ones, with payments `paid_since`."""
    these = {"source": source, "since": business_days.local_day(now) - LOOKED_BACK}
    oldest = session.execute(text(_OLDEST), these).scalar_one()
    return {**these, "paid_since": oldest - _REACH, "now": now}


def sums(session: Session, these: Mapping[str, Any]) -> dict[date, DaySum]:
    """Return what each day of a scope comes to, but for those of lines that are weighed no more."""
    taken = set(session.scalars(text(_TAKEN), these))
    found: dict[date, DaySum] = {}
    for row in session.execute(text(_SUMS), these):
        if row.day not in taken:
            one = found.setdefault(row.day, DaySum())
            one.net += row.net
            one.lumps, one.is_free = (one.lumps, True) if row.lump is None else ((*one.lumps, row.lump), one.is_free)
    return found


def made_of(session: Session, these: Mapping[str, Any], day: date, lumps: Sequence[int]) -> Row[Any]:
    """Return payments (how many), gross and fee with VAT of a day of which `lumps` have brought a part."""
    return session.execute(text(_MADE_OF), {**these, "day": day, "lumps": list(lumps)}).one()


def choice(
    session: Session, lump: Row[Any], *, day: date | None = None, ids: Sequence[int] = (),
    references: Sequence[str] = (), now: datetime,
) -> Sequence[Row[Any]]:  # fmt: skip
    """Return id, day and net of the payments of a day, of these ids or references that no line but the lump's shows."""
    only, of_lump = OF_DAY, "s.day = CAST(:day AS date)"
    if day is None:
        only = of_lump = "p.id = ANY(:ids)" if ids else "p.source_reference = ANY(:references)"
    wanted = {
        **scope(session, lump.source, now), "lump": lump.id, "day": day, "ids": list(ids),
        "references": list(references),
    }  # fmt: skip
    return session.execute(text(_CHOICE.format(only=only, of_lump=of_lump)), wanted).all()


def stale(session: Session, these: Mapping[str, Any], payment_ids: Sequence[int] | None = None) -> list[int]:
    """Return the weighed settlements with a payment that is another day's or fee's by now, of these or of any."""
    which = "p.source = :source" if payment_ids is None else "p.id = ANY(:ids)"
    return list(session.scalars(text(_STALE.format(which=which)), {**these, "ids": list(payment_ids or ())}))
