"""What an answer about a payment's money may be: checked before it is made, and again before it is carried out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation.mismatches import NotSettled
from reconciliation.placements import ACCOUNTS, CREDIT, DIFFERENCE, DIFFERENCE_ACCOUNTS, Place

_GIVES = "SELECT minor - matched_minor AS left, minor, currency, state FROM payments WHERE id = :payment"
_HELD = "SELECT id, bill_id, minor FROM allocations WHERE payment_id = :payment AND undone_at IS NULL ORDER BY id"
_PLACED = """
    SELECT id, payment_id, bill_id, minor, line_id FROM placements WHERE undone_at IS NULL AND id = ANY(:lifts)
      AND (payment_id = :payment OR bill_id IN (SELECT bill_id FROM allocations WHERE payment_id = :payment))
"""
_OWED = """
    SELECT id, number, state, minor - paid_minor AS owed FROM bills WHERE id = ANY(:bills) ORDER BY id FOR UPDATE
"""
_CUSTOMERS = "SELECT count(*) FROM customers WHERE id = ANY(:customers)"
# Money of one customer that goes to another, to a bill or as credit: whatever its amount, two people and their evidence
# decide. What a person took from somebody before counts as theirs: in two steps it is the same transfer. The database
# asks the same once more as the answer is made.
_TRANSFERS = """
    SELECT EXISTS (
        SELECT 1 FROM (
            SELECT b.customer_id FROM allocations a JOIN bills b ON b.id = a.bill_id
            WHERE a.payment_id = :payment AND (a.id = ANY(:undoes) OR a.barred OR EXISTS (
                SELECT 1 FROM settlements s
                WHERE s.payment_id = :payment AND s.state = 'applied' AND a.id = ANY(s.undoes)))
            UNION SELECT l.customer_id FROM placements l
            WHERE l.payment_id = :payment AND l.kind = 'credit' AND (l.id = ANY(:lifts) OR l.undone_at IS NOT NULL)
        ) had JOIN (
            SELECT customer_id FROM bills WHERE id = ANY(:bills)
            UNION SELECT customer_id FROM jsonb_to_recordset(CAST(:places AS jsonb))
                AS place (kind text, customer_id bigint) WHERE kind = 'credit'
        ) gets ON gets.customer_id <> had.customer_id)
"""
_DIFFERENCE = "SELECT minor FROM approval_limits WHERE action = 'difference'"


def check(
    session: Session,
    payment_id: int,
    *,
    undoes: Sequence[int],
    lifts: Sequence[int],
    shares: Mapping[int, int],
    places: Sequence[Place],
) -> None:
    """Lock the bills of a locked payment's settlement; raise NotSettled when it can't be."""
    payment = session.execute(text(_GIVES), {"payment": payment_id}).one()
    held = {row.id: row for row in session.execute(text(_HELD), {"payment": payment_id})}
    placed = {row.id: row for row in session.execute(text(_PLACED), {"payment": payment_id, "lifts": list(lifts)})}
    unknown = [one for one in undoes if one not in held] + [one for one in lifts if one not in placed]
    if unknown:
        raise NotSettled("no_match", f"expected live matches of this payment, got {', '.join(map(str, unknown))}")
    if not (undoes or lifts or shares or places):
        raise NotSettled("nothing", "expected a match to undo or a bill to settle, got neither")
    if any(row.line_id is not None for row in placed.values()):
        raise NotSettled("paid_out", "expected a refund that has not left yet, got one that a statement shows")
    if (shares or places) and (payment.currency != "VND" or payment.state not in ("reported", "confirmed")):
        said = f"expected a payment in đồng that counts, got {payment.currency}, {payment.state}"
        raise NotSettled("not_counting", said)
    _check_places(session, payment.state, places)
    freed: dict[int, int] = {}
    for row in (*(held[one] for one in undoes), *(row for row in placed.values() if row.bill_id is not None)):
        freed[row.bill_id] = freed.get(row.bill_id, 0) + row.minor
    wanted = dict(shares)
    for one in places:
        if one.bill_id is not None:
            wanted[one.bill_id] = wanted.get(one.bill_id, 0) + one.minor
    kept = {row.bill_id for one, row in held.items() if one not in undoes}
    _check_bills(session, wanted, freed, set(shares) & kept)
    strangers = {one.bill_id for one in places if one.bill_id is not None} - kept - set(shares)
    if strangers:
        raise NotSettled("not_its_bill", "expected a difference on a bill that this payment settles")
    most = payment.left + sum(held[one].minor for one in undoes)
    most += sum(row.minor for row in placed.values() if row.payment_id is not None)
    given = sum(shares.values()) + sum(one.minor for one in places if one.bill_id is None)
    if given > most == 0:
        raise NotSettled("spent", f"expected money that is left, got {given} đ of a payment that has none")
    if given > most:
        raise NotSettled("over", f"expected at most {most} đ in all, got {given} đ", most=most)


def transfers(
    session: Session,
    payment_id: int,
    *,
    undoes: Sequence[int],
    settles: Mapping[int, int],
    lifts: Sequence[int],
    places: Sequence[Place],
) -> bool:
    """Tell whether an answer moves a payment's money from one customer to another, as `propose` would be told it."""
    values = {
        "payment": payment_id, "undoes": list(undoes), "lifts": list(lifts), "bills": list(settles),
        "places": json.dumps([asdict(one) for one in places]),
    }  # fmt: skip
    return bool(session.scalar(text(_TRANSFERS), values))


def _check_places(session: Session, state: str, places: Sequence[Place]) -> None:
    for one in places:
        if one.minor <= 0:
            raise NotSettled("nothing", f"expected at least 1 đ, got {one.minor} đ")
        if one.kind in ACCOUNTS and state != "confirmed":
            raise NotSettled("not_arrived", f"expected money that a statement has shown, got a payment {state}")
        if one.kind == DIFFERENCE:
            most = int(session.scalar(text(_DIFFERENCE)) or 0)
            if one.account not in DIFFERENCE_ACCOUNTS:
                listed = ", ".join(DIFFERENCE_ACCOUNTS)
                raise NotSettled("no_account", f"expected one of {listed}, got {one.account[:40]!r}")
            if one.minor > most:
                raise NotSettled("too_different", f"expected at most {most} đ, got {one.minor} đ", most=most)
    customers = {one.customer_id for one in places if one.kind == CREDIT}
    if session.scalar(text(_CUSTOMERS), {"customers": [one for one in customers if one]}) != len(customers):
        raise NotSettled("no_customer", "expected the customer whose credit it is, got none of ours")


def _check_bills(
    session: Session, wanted: Mapping[int, int], freed: Mapping[int, int], matched_already: set[int]
) -> None:
    bills: dict[int, Row[Any]] = {
        row.id: row for row in session.execute(text(_OWED), {"bills": sorted({*wanted, *freed})})
    }
    for bill_id, minor in wanted.items():
        bill = bills.get(bill_id)
        if bill is None:
            raise NotSettled("no_bill", f"expected the number of a bill, got {bill_id}")
        most, about = bill.owed + freed.get(bill_id, 0), f"bill {bill.number}: expected"
        if bill.state not in ("open", "part_paid", "paid"):
            raise NotSettled("not_owed", f"{about} one that is owed, got one that is {bill.state}", number=bill.number)
        if bill_id in matched_already:
            raise NotSettled("twice", f"{about} its match with this payment to be undone as well", number=bill.number)
        if most == 0:
            raise NotSettled("paid", f"{about} one that is owed, got one that is paid already", number=bill.number)
        if not 0 < minor <= most:
            raise NotSettled("too_much", f"{about} 1 to {most} đ, got {minor} đ", number=bill.number, most=most)
