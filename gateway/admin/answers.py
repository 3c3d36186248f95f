"""Answers: what a question's page offers the person who settles it, and what was answered before."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import request
from sqlalchemy import or_, select

from gateway.admin import answer_parts, candidates
from gateway.request_session import db
from reconciliation import placements, settlements, usual_answers
from reconciliation.bills import Bill
from reconciliation.customers import Customer
from reconciliation.mismatches import Mismatch
from reconciliation.payments import Allocation, Payment
from reconciliation.placements import Placement
from reconciliation.settlements import Settlement

NOTHING: Mapping[str, Any] = {"made": (), "answerable": False, "leaving": ()}
"""What a page offers to who may not answer."""
ROWS = usual_answers.MOST_BILLS
"""Bills that one answer can name on the page."""
PLACES = 2
"""Other places that one answer can put money to on the page."""
_OFFERED = 20


def offered(mismatch: Mismatch, payment: Payment | None) -> Mapping[str, Any]:
    """Return what the page offers: the payment's live matches, bills it may be for, and what was proposed."""
    leaving = placements.owed(db(), mismatch.line_id) if payment is None and mismatch.line_id else []
    if payment is None:
        return {"made": (), "answerable": False, "leaving": leaving if mismatch.state == "open" else []}
    held = db().execute(
        select(Allocation, Bill).join(Bill, Bill.id == Allocation.bill_id)
        .where(Allocation.payment_id == payment.id, Allocation.undone_at.is_(None)).order_by(Allocation.id)
    ).all()  # fmt: skip
    made = db().scalars(select(Settlement).where(Settlement.mismatch_id == mismatch.id).order_by(Settlement.id)).all()
    placed = db().execute(
        select(Placement, Bill.number).outerjoin(Bill, Bill.id == Placement.bill_id)
        .where(
            Placement.undone_at.is_(None), Placement.line_id.is_(None),
            or_(
                Placement.payment_id == payment.id,
                Placement.bill_id.in_(select(Allocation.bill_id).where(Allocation.of(payment.id))),
            ),
        ).order_by(Placement.id)
    ).all()  # fmt: skip
    ranked = usual_answers.standing(db(), mismatch)
    take = request.args.get("take", type=int)
    return {
        "held": held,
        "placed": placed,
        "places": PLACES,
        "deniable": mismatch.state == "open" and settlements.deniable(mismatch) and payment.state == "reported",
        "left": payment.minor - payment.matched_minor,
        "bills": _candidates(mismatch, payment),
        "ranked": candidates.weighed(ranked, payment),
        "taken": ranked[take]["bills"] if take is not None and 0 <= take < len(ranked) else [],
        "made": made,
        "parts": answer_parts.of(made),
        "rows": ROWS,
        "answerable": mismatch.state == "open" and payment.currency == "VND" and settlements.answerable(mismatch),
    }


def _candidates(mismatch: Mismatch, payment: Payment) -> Sequence[Bill]:
    """Return bills still owed that the payment may be for, the oldest first: of those it names, and of who it names."""
    customers = (
        select(Customer.id)
        .where(Customer.code.in_(payment.quoted))
        .union(select(Bill.customer_id).where(or_(Bill.payment_code.in_(payment.quoted), Bill.id == mismatch.bill_id)))
    )
    owed = Bill.state.in_(["open", "part_paid"])
    wanted = select(Bill).where(owed, Bill.customer_id.in_(customers)).order_by(Bill.issued_on, Bill.id)
    return db().scalars(wanted.limit(_OFFERED)).all()
