"""What an answer moves, as pages name it: the bills it settles, the matches and the placed money it takes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from gateway.request_session import db
from reconciliation.bills import Bill
from reconciliation.payments import Allocation
from reconciliation.placements import Placement
from reconciliation.settlements import Settlement


@dataclass(frozen=True, slots=True)
class Parts:
    """What some answers name, each by its id: numbers of bills, matches and placements that are undone."""

    numbers: Mapping[int, str]
    matches: Mapping[int, Allocation]
    placed: Mapping[int, Placement]


def of(made: Sequence[Settlement]) -> Parts:
    """Return all that these answers name."""
    undoes, lifts = {one for each in made for one in each.undoes}, {one for each in made for one in each.lifts}
    matches = db().scalars(select(Allocation).where(Allocation.id.in_(undoes))).all() if undoes else ()
    placed = db().scalars(select(Placement).where(Placement.id.in_(lifts))).all() if lifts else ()
    bills = {one for each in made for one in each.bills} | {one.bill_id for one in matches}
    bills |= {one.bill_id for one in placed if one.bill_id}
    named = db().execute(select(Bill.id, Bill.number).where(Bill.id.in_(bills))).all() if bills else ()
    return Parts(
        {row.id: row.number for row in named}, {one.id: one for one in matches}, {one.id: one for one in placed}
    )


def applied(case_id: int) -> Settlement | None:
    """Return the answer to a case that was carried out."""
    wanted = select(Settlement).where(Settlement.mismatch_id == case_id, Settlement.state == "applied")
    return db().scalar(wanted)
