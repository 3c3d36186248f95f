"""Settlement lines as their question's page shows them: the payments each is of, and what people said of it."""

from typing import Any

from sqlalchemy import text

from gateway.request_session import db
from reconciliation import lump_choices
from reconciliation.lump_choices import STANDS, Choice

SHOWN = 50
"""Payments of a settlement that its page lists."""
_OF_LINE = f"SELECT s.id, s.source, s.minor, s.day, s.pinned, s.undone_at IS NOT NULL AS released {STANDS}"
_ITEMS = """
    SELECT p.id, p.source_reference AS reference, p.paid_at, p.minor, a.fee_minor + a.vat_minor AS fee,
        a.minor AS net, count(*) OVER () AS payments, (sum(p.minor) OVER ())\\:\\:bigint AS gross,
        (sum(a.fee_minor + a.vat_minor) OVER ())\\:\\:bigint AS fees
    FROM line_parts a JOIN payments p ON p.id = a.payment_id WHERE a.lump_id = :lump AND a.undone_at IS NULL
    ORDER BY p.id LIMIT :shown
"""
_CHOICES = "SELECT id FROM lump_choices WHERE lump_id = :lump ORDER BY id"


def settlement(line_id: int | None) -> dict[str, Any] | None:
    """Return a settlement line with the first of its payments and what people said of it; None for other lines."""
    lump = db().execute(text(_OF_LINE), {"line": line_id}).one_or_none() if line_id else None
    if lump is None:
        return None
    items = db().execute(text(_ITEMS), {"lump": lump.id, "shown": SHOWN}).all()
    made = [db().get_one(Choice, one) for one in db().scalars(text(_CHOICES), {"lump": lump.id})]
    last = {one.day: one for one in made if one.day and one.state == "applied"}
    denied = sorted(day for day, one in last.items() if one.kind == lump_choices.NOT_DAY)
    waits = next((one for one in made if one.state == "proposed"), None)
    return {"lump": lump, "items": items, "made": made, "waits": waits, "denied": denied}
