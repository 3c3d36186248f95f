"""Case sides: the amount that was expected and the one that arrived, as a question's facts and rows tell them."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from reconciliation.bills import Bill
from reconciliation.mismatches import Mismatch
from reconciliation.payments import Payment
from reconciliation.statements import Line

_EXPECTED = ("net", "fee_expected", "cap")
_ARRIVED = ("arrived", "paid", "fee_taken")
"""Facts that may tell a side's amount, the closest first."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides, in the currency's smallest unit; None where nothing tells one. With the rows they are of."""

    expected: int | None
    arrived: int | None
    bill: Bill | None
    payment: Payment | None

    @property
    def difference(self) -> int | None:
        """What arrived less what was expected."""
        if self.expected is None or self.arrived is None:
            return None
        return self.arrived - self.expected


def of(session: Session, cases: Iterable[Mismatch]) -> dict[int, Sides]:
    """Return the sides of questions, by their number."""
    known = {one.id: one for one in cases}
    wanted = (
        select(Mismatch.id, Bill, Payment, Line.minor)
        .outerjoin(Bill, Bill.id == Mismatch.bill_id)
        .outerjoin(Payment, Payment.id == Mismatch.payment_id)
        .outerjoin(Line, Line.id == Mismatch.line_id)
        .where(Mismatch.id.in_(known))
        .order_by(Mismatch.id)
    )
    return {row[0]: _sides(known[row[0]], *row[1:]) for row in session.execute(wanted)}


def _sides(case: Mismatch, bill: Bill | None, payment: Payment | None, booked: int | None) -> Sides:
    if case.code == "M01" and booked is None:  # a callback says so, and nothing has come
        return Sides(payment.minor if payment else None, None, bill, payment)
    came = booked if payment is None else payment.minor
    expected, arrived = _expected(case, bill), _first(case, _ARRIVED)
    return Sides(expected, came if arrived is None else arrived, bill, payment)


def _expected(case: Mismatch, bill: Bill | None) -> int | None:
    told, owed = _number(case, "expected"), _number(case, "owed")
    if told is not None:
        return told
    if owed is not None:  # what the payment had given the bill by then was owed before it came
        whole = owed + (_number(case, "matched") or 0)
        return whole if bill is None else min(whole, bill.minor)
    named = _first(case, _EXPECTED)
    return bill.minor if named is None and bill is not None else named


def _first(case: Mismatch, names: Iterable[str]) -> int | None:
    return next((told for name in names if (told := _number(case, name)) is not None), None)


def _number(case: Mismatch, name: str) -> int | None:
    told = case.facts.get(name)
    return told if isinstance(told, int) and not isinstance(told, bool) else None
