"""Fee charges: outgoing lines that take fees apart, and all fees taken beside what the tariffs let expect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import fees, mismatches
from reconciliation.tariffs import OF_PAYMENT

_APART = """
    WITH lines AS (
        SELECT l.id, -l.minor AS taken, l.currency, coalesce(l.booked_on, CAST(:day AS date)) AS day, l.narrative
        FROM statement_lines l
        WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.counts AND l.direction = 'out'
          AND l.state = 'mismatch'
          AND l.payment_id IS NULL AND l.currency = 'VND' AND NOT l.reversal AND l.return_reason = ''
    ), known AS (
        SELECT DISTINCT ON (l.id) l.*, t.id AS tariff_id, t.vat_basis_points, t.period
        FROM lines l JOIN tariffs t ON t.bank = :bank AND t.charged = 'apart'
            AND l.day BETWEEN t.valid_from AND coalesce(t.valid_to, 'infinity') + 31
            AND EXISTS (SELECT 1 FROM unnest(t.words) AS word WHERE position(lower(word) IN lower(l.narrative)) > 0)
        ORDER BY l.id, t.channel, t.valid_from DESC
    ), split AS (
        SELECT k.*, (taken * 10000 + (10000 + vat_basis_points) / 2) / (10000 + vat_basis_points) AS fee FROM known k
    )
    INSERT INTO fees (bank, charged, tariff_id, line_id, from_on, to_on, minor, vat_minor, credit, at)
    SELECT :bank, 'apart', s.tariff_id, s.id, d.from_on, d.to_on, s.fee, s.taken - s.fee,
        'bank:' || CAST(:bank AS text) || '\\:outgoing', :now
    FROM split s CROSS JOIN LATERAL (
        SELECT from_on, CASE WHEN s.period LIKE 'month%'
            THEN (from_on + interval '1 month - 1 day')\\:\\:date ELSE from_on END AS to_on
        FROM (SELECT CASE s.period WHEN 'day' THEN s.day WHEN 'day_before' THEN s.day - 1
            WHEN 'month' THEN date_trunc('month', s.day)\\:\\:date
            ELSE (date_trunc('month', s.day) - interval '1 month')\\:\\:date END AS from_on) f
    ) d
    ORDER BY s.id RETURNING id
"""
_KNOWN = """
    UPDATE statement_lines l SET state = 'matched', reason = 'a fee' FROM fees f
    WHERE f.line_id = l.id AND f.id = ANY(:ids)
"""
_ANSWERED = """
    SELECT m.id FROM mismatches m JOIN fees f ON m.subject = 'line:' || f.line_id
    WHERE f.id = ANY(:ids) AND m.state <> 'resolved'
"""
_IS_APART = "SELECT EXISTS (SELECT 1 FROM tariffs WHERE bank = :bank AND charged = 'apart')"

# A payment that was returned was collected all the same. How many there were before it in its month decides its tier.
EXPECTED = rf"""
    SELECT p.source AS bank, p.channel, p.business_date AS day, t.charged, p.minor, f.fee,
        tariff_vat(t.tariff, f.fee) AS vat
    FROM (
        SELECT c.*, row_number() OVER (
            PARTITION BY source, channel, date_trunc('month', business_date) ORDER BY business_date, minor, id) AS nth
        FROM payments c WHERE state IN ('confirmed', 'returned') AND NOT reversal AND (:bank = '' OR source = :bank)
          AND business_date BETWEEN date_trunc('month', CAST(:from AS date))\:\:date AND :to
    ) p {OF_PAYMENT} CROSS JOIN LATERAL (SELECT tariff_fee(t.tariff, p.minor, p.nth) AS fee) f
    WHERE p.business_date >= :from
"""  # noqa: S608 - put together from constants, here and below
_PERIODS = """
    SELECT DISTINCT f.from_on, f.to_on FROM fees f
    WHERE f.bank = :bank AND f.charged = 'apart' AND (
        f.line_id IN (SELECT id FROM statement_lines WHERE statement_id = ANY(:statements))
        OR EXISTS (SELECT 1 FROM statement_lines l JOIN payments p ON p.id = l.payment_id
                   WHERE l.statement_id = ANY(:statements) AND p.business_date BETWEEN f.from_on AND f.to_on))
    ORDER BY 1, 2
"""
_TAKEN = r"""
    SELECT coalesce(sum(minor + vat_minor), 0)\:\:bigint AS taken, min(line_id) AS line_id FROM fees
    WHERE bank = :bank AND charged = 'apart' AND (from_on, to_on) = (:from, :to) AND undone_at IS NULL
"""
_SUM = rf"SELECT coalesce(sum(fee + vat), 0)\:\:bigint FROM ({EXPECTED}) e WHERE charged = 'apart'"  # noqa: S608
_OPEN = "SELECT id, facts FROM mismatches WHERE code = 'M10' AND subject = :subject AND state <> 'resolved'"
_REPORT = rf"""
    WITH expected AS (
        SELECT bank, {{day}} AS day, count(*) AS payments, sum(minor) AS gross, sum(fee + vat) AS expected
        FROM ({EXPECTED}) e GROUP BY 1, 2
    ), taken AS (
        SELECT bank, {{taken_day}} AS day, sum(minor + vat_minor) AS taken, sum(vat_minor) AS vat FROM (
            SELECT bank, from_on, minor, vat_minor FROM fees WHERE undone_at IS NULL UNION ALL
            SELECT p.source, p.business_date, a.fee_minor, a.vat_minor FROM line_parts a
            JOIN payments p ON p.id = a.payment_id WHERE a.undone_at IS NULL) each
        WHERE (:bank = '' OR bank = :bank) AND from_on BETWEEN :from AND :to GROUP BY 1, 2
    )
    SELECT bank, day, coalesce(payments, 0)\:\:bigint AS payments, coalesce(gross, 0)\:\:bigint AS gross,
        coalesce(expected, 0)\:\:bigint AS expected, coalesce(taken, 0)\:\:bigint AS taken,
        coalesce(vat, 0)\:\:bigint AS vat
    FROM expected FULL JOIN taken USING (bank, day) ORDER BY bank, day
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Taken:
    """What a bank took on a day (or in the month that begins on it) beside what its tariffs let expect, in đồng."""

    bank: str
    day: date
    payments: int
    gross: int
    expected: int
    taken: int
    vat: int

    @property
    def difference(self) -> int:
        """What was taken too much; below zero, too little."""
        return self.taken - self.expected


def recognise(session: Session, values: Mapping[str, object], *, now: datetime) -> None:
    """Book the outgoing lines of a statement that bear the bank's own words for fees, and compare their periods."""
    if not session.scalar(text(_IS_APART), values):
        return
    noted = list(session.scalars(text(_APART), values))
    session.execute(text(_KNOWN), {"ids": noted})
    fees.book(session, noted, now=now)
    asked = session.scalars(text(_ANSWERED), {"ids": noted}).all()
    mismatches.resolve(session, asked, by="fees", resolution="the bank's own words call it a fee", now=now)


def compare(session: Session, statement_ids: Sequence[int], bank: str, *, now: datetime) -> None:
    """Ask about each period these statements touch whose fees, taken apart, are not what the tariff lets expect."""
    for period in session.execute(text(_PERIODS), {"bank": bank, "statements": list(statement_ids)}).all():
        values = {"bank": bank, "from": period.from_on, "to": period.to_on}
        taken, line_id = session.execute(text(_TAKEN), values).one()
        expected = session.scalar(text(_SUM), values) or 0
        subject = f"fees:{bank}:{period.from_on}:{period.to_on}"
        facts = {"verdict": "fee_differs", "fee_expected": expected, "fee_taken": taken}
        open_ = session.execute(text(_OPEN), {"subject": subject}).one_or_none()
        if open_ is not None and (line_id is None or facts != open_.facts):
            same = line_id is None or expected == taken
            why = "what was taken is what the tariff lets expect" if same else "asked anew with other figures"
            mismatches.resolve(session, [open_.id], by="fees", resolution=why, now=now)
        if line_id is not None and expected != taken:
            mismatches.ask_one(
                session, code="M10", subject=subject, source=bank, now=now, minor=abs(taken - expected),
                line_id=line_id, facts=facts,
            )  # fmt: skip


def report(session: Session, *, since: date, until: date, bank: str = "", monthly: bool = False) -> list[Taken]:
    """Return expected and taken fees by bank and day, or month; days from `since` to `until`, a bank or all."""
    day = r"date_trunc('month', {})\:\:date" if monthly else "{}"
    query = _REPORT.format(day=day.format("day"), taken_day=day.format("from_on"))
    return [Taken(*row) for row in session.execute(text(query), {"bank": bank, "from": since, "to": until})]
