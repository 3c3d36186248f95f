"""Credit: what a customer has paid too much and is kept for them, each part with the payment it came from."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from reconciliation.payments import Payment
from reconciliation.placements import Placement

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Credit:
    """All that a customer is credited with, in đồng, and its newest parts: (placement, payment)."""

    total: int
    rows: Sequence[tuple[Placement, Payment]]


def of_customer(session: Session, customer_id: int) -> Credit:
    """Return the customer's credit as it stands; what was taken back does not count."""
    live = (Placement.customer_id == customer_id, Placement.undone_at.is_(None))
    total = session.scalar(select(func.coalesce(func.sum(Placement.minor), 0)).where(*live)) or 0
    wanted = select(Placement, Payment).join(Payment, Payment.id == Placement.payment_id).where(*live)
    found = session.execute(wanted.order_by(Placement.id.desc()).limit(SHOWN)).all() if total else []
    return Credit(int(total), [(one, payment) for one, payment in found])
