"""Taking settlements apart: what each line brings of which payment, booked as such, and put together again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import business_days, ledger, mismatches, statement_deadlines
from reconciliation.lifecycle import PAYMENT, PAYMENT_UNDONE, move
from reconciliation.lump_days import FREE

BY = "lump sums"

_PARTS = f"""
    INSERT INTO line_parts (lump_id, time, line_id, payment_id, minor, fee_minor, vat_minor, at)
    SELECT :lump, (SELECT times + 1 FROM lump_sums WHERE id = :lump), :line, id, minor - fee - vat, fee, vat, :now
    FROM ({FREE}) free ORDER BY id
    RETURNING payment_id
"""  # noqa: S608 - put together from constants
_FOUND = """
    WITH line AS (UPDATE statement_lines SET state = 'matched' WHERE id = :line)
    UPDATE lump_sums SET day = :day, times = times + 1, pinned = :pinned WHERE id = :lump
"""
_LOST = """
    WITH lost AS (UPDATE lump_sums SET day = NULL, pinned = false WHERE id = ANY(:lumps) RETURNING line_id)
    UPDATE statement_lines l SET state = 'mismatch' FROM lost WHERE l.id = lost.line_id
"""
_TOGETHER = """
    UPDATE line_parts SET undone_at = :now WHERE lump_id = ANY(:lumps) AND undone_at IS NULL RETURNING payment_id
"""
_UNCONFIRM = "UPDATE payments SET confirmed_minor = 0 WHERE id = ANY(:ids)"
_SIDES = (
    ("", r"'settled\:' || s.source", "sum(a.minor)"),
    ("/fee", "'expense:bank-fees'", "sum(a.fee_minor)"),
    ("/vat", "'input-vat'", "sum(a.vat_minor)"),
)
_REPORTED = r"'bank:' || s.source || '\:reported'"
_BOOK = """
    SELECT 'lump:' || s.id || '/' || s.times || '{end}' AS key, s.source AS bank, {day} AS business_date,
        '{said} of ' || count(*) || ' payments by ' || s.source AS memo, {debit} AS debit, {credit} AS credit,
        {minor}\\:\\:bigint AS minor, 'VND' AS currency, CAST(:now AS timestamptz) AS at
    FROM lump_sums s JOIN line_parts a ON a.lump_id = s.id AND a.undone_at IS NULL
    WHERE s.id = ANY(:lumps) GROUP BY s.id HAVING {minor} > 0
"""


def take_apart(session: Session, values: Mapping[str, Any], only: str, *, now: datetime) -> list[int]:
    """Book a settlement as what it brings of its payments, those of the source that `only` says; return them.

    `values` holds source, lump, line, day, pinned and what `only` asks for.
    """
    confirmed = list(session.scalars(text(_PARTS.format(only=only)), values))
    session.execute(text(_FOUND), values)
    for end, debit, minor in _SIDES:
        query = _BOOK.format(end=end, day="s.booked_on", said="settlement", debit=debit, credit=_REPORTED, minor=minor)
        ledger.post(session, query, {"lumps": [values["lump"]], "now": now})
    move(
        session, PAYMENT, confirmed, "confirmed", by=BY, why=f"settled by line {values['line']}", now=now,
        noting="confirmed_minor = t.minor, due_at = NULL",
    )  # fmt: skip
    late = session.scalars(
        text("SELECT id FROM mismatches WHERE payment_id = ANY(:ids) AND code = 'M01' AND state <> 'resolved'"),
        {"ids": confirmed},
    ).all()
    mismatches.resolve(session, late, by=BY, resolution="the settlement line came", now=now)
    return confirmed


def put_together(session: Session, lumps: Sequence[int], *, why: str, now: datetime) -> None:
    """Make the payments of these settlements reported again, by reversing entries."""
    if not lumps:
        return
    day = business_days.local_day(now)
    for end, debit, minor in _SIDES:
        query = _BOOK.format(
            end=f"{end}/undone", day="CAST(:day AS date)", said="undone: settlement", debit=_REPORTED, credit=debit,
            minor=minor,
        )  # fmt: skip
        ledger.post(session, query, {"lumps": list(lumps), "now": now, "day": day})
    again = list(session.scalars(text(_TOGETHER), {"lumps": list(lumps), "now": now}))
    session.execute(text(_LOST), {"lumps": list(lumps)})
    move(session, PAYMENT_UNDONE, again, "reported", by=BY, why=f"its settlement was taken back: {why}", now=now)
    session.execute(text(_UNCONFIRM), {"ids": again})
    statement_deadlines.wait_again(session, again, since=day)
