"""What there is to know about outgoing lines: the payments they may return, and the lines that have to do with both.

Outgoing lines are few. All that share a reference, an end-to-end id or a code with one of them are gathered, so that a
line is judged with everything that may change the judgement, however long ago it came.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import references
from reconciliation.return_walk import In, Keys, Out, Place
from reconciliation.statements import BOOKED

_OUT = """
    statement_lines o JOIN statements so ON so.id = o.statement_id AND so.state = 'accepted' AND so.bank = :bank
    WHERE o.direction = 'out' AND o.counts AND o.state <> 'pending' AND coalesce(o.id < so.booking_from, true)
"""
"""Those that are booked: a file's later statements are loaded with the first and wait for their turn."""
IS_ANY = f"SELECT EXISTS (SELECT 1 FROM {_OUT})"  # noqa: S608 - put together from constants, here and below

_CONCERNED = f"""
    WITH outs AS MATERIALIZED (
        SELECT o.id, o.statement_id, o.bank_reference, o.end_to_end_id, o.quoted FROM {_OUT}
    ), mine AS MATERIALIZED (
        SELECT p.bank_reference, p.source_reference, p.end_to_end_id, p.quoted FROM payments p {{mine}}
    )
    SELECT id FROM outs WHERE statement_id = CAST(:statement AS bigint) AND id BETWEEN :first AND :last
    UNION SELECT id FROM outs JOIN mine USING (bank_reference) WHERE bank_reference <> ''
    UNION SELECT id FROM outs o JOIN mine m ON m.source_reference = o.bank_reference
    UNION SELECT id FROM outs JOIN mine USING (end_to_end_id) WHERE end_to_end_id <> ''
    UNION SELECT o.id FROM (SELECT id, unnest(quoted) AS code FROM outs) o JOIN (
        SELECT unnest(quoted || bank_reference || source_reference) AS code FROM mine
    ) m USING (code) WHERE code <> ''
"""  # noqa: S608
CONCERNED_BY_STATEMENT = _CONCERNED.format(
    mine="""
        JOIN statement_lines l ON l.payment_id = p.id
        WHERE l.statement_id = :statement AND l.id BETWEEN :first AND :last AND l.counts AND l.direction = 'in'
    """
)
"""The outgoing lines that a statement brings, or that may have to do with payments whose lines it brings."""
CONCERNED_BY_PAYMENTS = _CONCERNED.format(mine="WHERE p.id = ANY(:ids)")

CONCERNED_BY_BILLS = """
    SELECT DISTINCT o.id, s.bank FROM statement_lines o JOIN statements s ON s.id = o.statement_id
    CROSS JOIN LATERAL unnest(o.quoted) AS code
    WHERE o.direction = 'out' AND o.counts AND s.state = 'accepted' AND coalesce(o.id < s.booking_from, true)
      AND EXISTS (SELECT 1 FROM bills b WHERE b.number = code AND b.id > :after)
"""

_OUTS = f"""
    SELECT o.id AS line_id, coalesce(o.booked_on, so.closing_on, so.to_on) AS day, so.closing_on, so.sequence, so.page,
        so.statement_id AS name, o.entry, o.transaction, -o.minor AS minor, o.currency, o.bank_reference,
        o.end_to_end_id, o.quoted, o.reversal OR o.return_reason <> '' AS flagged, o.payment_id, o.turn
    FROM {_OUT} AND (o.id = ANY(:lines) OR o.payment_id = ANY(:payments) OR o.bank_reference = ANY(:references)
        OR o.end_to_end_id = ANY(:ends) OR o.quoted && :quotable)
      AND NOT EXISTS (SELECT 1 FROM placements refund WHERE refund.line_id = o.id)
      AND NOT EXISTS (SELECT 1 FROM fees f WHERE f.line_id = o.id AND f.undone_at IS NULL)
"""  # noqa: S608

# A payment stands with the line that brought it: its own even where that line now counts for another payment.
_INS = f"""
    WITH found AS (
        SELECT id FROM payments WHERE source = :bank AND bank_reference <> '' AND bank_reference = ANY(:references)
        UNION SELECT id FROM payments WHERE source = :bank AND source_reference = ANY(:references)
        UNION SELECT id FROM payments
            WHERE source = :bank AND end_to_end_id <> '' AND end_to_end_id = ANY(:ends)
        UNION SELECT id FROM payments WHERE source = :bank AND quoted && :codes AND minor = ANY(:minors)
        UNION SELECT id FROM payments WHERE id = ANY(:payments)
    )
    SELECT p.id AS payment_id, l.id AS line_id, coalesce(l.booked_on, s.closing_on, s.to_on) AS day, s.closing_on,
        s.sequence, s.page, s.statement_id AS name, l.entry, l.transaction, p.minor, p.currency, p.bank_reference,
        p.source_reference, p.end_to_end_id, p.quoted, l.reversal OR l.return_reason <> '' AS flagged,
        l.payment_id AS counts_for, l.turn
    FROM found JOIN payments p USING (id) CROSS JOIN LATERAL (
        SELECT * FROM statement_lines f WHERE f.payment_id = p.id AND f.direction = 'in' AND f.counts AND f.turn = 1
        UNION ALL
        SELECT * FROM statement_lines f
        WHERE f.id = CASE WHEN p.source_reference LIKE 'line:%' THEN CAST(substr(p.source_reference, 6) AS bigint) END
          AND f.turn > 1
        LIMIT 1
    ) l JOIN statements s ON s.id = l.statement_id AND s.state = 'accepted' AND {BOOKED}
"""  # noqa: S608


@dataclass(slots=True)
class Gathered:
    """Outgoing lines and payments that have to do with each other, and what counts for what at present."""

    outs: dict[int, Out] = field(default_factory=dict)
    ins: dict[int, In] = field(default_factory=dict)
    returns: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Outgoing line → the payment it returns now, and its turn."""
    again: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Line of a payment that came once more → the payment it counts for now, and its turn."""
    names: dict[int, str] = field(default_factory=dict)
    """Payment → what people call it."""


def gather(session: Session, bank: str, lines: Iterable[int]) -> Gathered:
    """Return the outgoing lines `lines` of `bank` with all that may have a say in what they return."""
    found, seen = Gathered(), (-1, -1)
    wanted = set(lines)
    while (len(found.outs), len(found.ins)) != seen:
        seen = len(found.outs), len(found.ins)
        _add_outs(session, found, bank, wanted)
        _add_ins(session, found, bank)
    return found


def _add_outs(session: Session, found: Gathered, bank: str, wanted: set[int]) -> None:
    ins = found.ins.values()
    known = {ref for one in ins for ref in one.keys.references}
    values = {
        "bank": bank, "lines": sorted(wanted), "payments": sorted(found.ins), "references": sorted(known),
        "ends": sorted({one.keys.end_to_end_id for one in ins} - {""}),
        "quotable": sorted(known.union(*(one.keys.quoted for one in ins))),
    }  # fmt: skip
    rows = [row for row in session.execute(text(_OUTS), values) if row.line_id not in found.outs]
    bills = _bills(session, [row.line_id for row in rows], "statement_lines")
    for row in rows:
        keys = Keys(row.minor, row.currency, row.bank_reference, "", row.end_to_end_id, frozenset(row.quoted),
                    bills.get(row.line_id, ""))  # fmt: skip
        found.outs[row.line_id] = Out(row.line_id, _place(row), keys, row.flagged)
        if row.payment_id is not None:
            found.returns[row.line_id] = row.payment_id, row.turn


def _add_ins(session: Session, found: Gathered, bank: str) -> None:
    outs = found.outs.values()
    quoted = {code for one in outs for code in one.keys.quoted}
    known = {ref for one in outs for ref in one.keys.references}
    known |= {ref for one in found.ins.values() for ref in one.keys.references}
    counting = {payment for payment, _ in (*found.returns.values(), *found.again.values())}
    values = {
        "bank": bank, "references": sorted(known | quoted), "codes": sorted(quoted),
        "minors": sorted({one.keys.minor for one in outs}), "payments": sorted(counting),
        "ends": sorted({one.keys.end_to_end_id for one in outs} - {""}),
    }  # fmt: skip
    rows = [row for row in session.execute(text(_INS), values) if row.payment_id not in found.ins]
    bills = _bills(session, [row.payment_id for row in rows], "payments")
    for row in rows:
        alone = row.source_reference == f"line:{row.line_id}"
        own = "" if row.source_reference.startswith("line:") else row.source_reference
        keys = Keys(row.minor, row.currency, row.bank_reference, own, row.end_to_end_id, frozenset(row.quoted),
                    bills.get(row.payment_id, ""))  # fmt: skip
        found.ins[row.payment_id] = In(row.payment_id, row.line_id, _place(row), keys, row.flagged, alone)
        found.names[row.payment_id] = own or row.bank_reference or row.source_reference
        if row.counts_for != row.payment_id:
            found.again[row.line_id] = row.counts_for, row.turn


def _bills(session: Session, ids: Sequence[int], table: str) -> dict[int, str]:
    """Return id → the one bill that its codes name, for those that name one."""
    if not ids:
        return {}
    named = references.naming_one_bill("id", f"SELECT id, quoted FROM {table} WHERE id = ANY(:ids)")  # noqa: S608 - one of two names
    return {row.id: row.bill for row in session.execute(text(named), {"ids": list(ids)})}


def _place(row: Row[Any]) -> Place:
    day, closing = row.day or date.min, row.closing_on or date.min
    return day, closing, row.sequence or 0, row.page, row.name, row.entry, row.transaction, row.line_id
