"""Usual answers: how a question like this one is settled as a rule, worked out to the last đồng and not yet given.

The best suggestion, or the only answer that is possible. A person gives it by one press; it takes the same road, the
same checks and the same limits as an answer put together by hand.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from reconciliation import (
    acknowledgements,
    bank_days,
    business_days,
    lump_choices,
    placements,
    remarks,
    settlements,
)
from reconciliation.bills import Bill
from reconciliation.mismatches import Mismatch, NotSettled
from reconciliation.payments import Allocation, Payment
from reconciliation.placements import CREDIT, HELD, Place
from reconciliation.remarks import NotRemarked

SETTLE, DENY, PAY_OUT, DAY, NOTE, TRACE, REST = "settle", "deny", "pay_out", "day", "note", "trace", "rest"
MOST_BILLS = 4
"""Bills that one answer can name on a page."""
_CARRIED_FORWARD = ("M03", "M04", "M06")
"""What a customer paid too much is theirs: it waits on their account for the next bill."""
_NOTED_AS = {"M17": "kept_out", "M13": "sends_none"}
_QUOTED = "SELECT id FROM customers WHERE code = ANY(:codes) ORDER BY id LIMIT 2"


@dataclass(frozen=True, slots=True)
class Usual:
    """The usual answer: what is done, why (a word for the page), and what it books.

    `shares` are bill id → đồng, `undoes` allocations, `day` the day a settlement line is of, or until which the
    question rests.
    """

    kind: str
    because: str
    shares: Mapping[int, int] = field(default_factory=dict)
    undoes: tuple[int, ...] = ()
    places: tuple[Place, ...] = ()
    placement_id: int | None = None
    day: date | None = None
    minor: int = 0

    @property
    def key(self) -> str:
        """What tells this answer from any other: it is given only as it was shown."""
        told = json.dumps([self.kind, sorted(self.shares.items()), self.undoes, [asdict(one) for one in self.places],
                           self.placement_id, str(self.day or "")])  # fmt: skip
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def alike(self) -> str:
        """What answers of the same sort share, however much each of them books."""
        goes = [one.kind for one in self.places]
        return f"{self.kind}:{'bills' if self.shares else ''}:{'undo' if self.undoes else ''}:{'+'.join(goes)}"


def usual(session: Session, asked: Mismatch, *, now: datetime) -> Usual | None:
    """Return the usual answer to an open question; None when it is not open."""
    if asked.state != "open":
        return None
    payment = session.get(Payment, asked.payment_id) if asked.payment_id else None
    if payment is not None and settlements.answerable(asked):
        return _of_money(session, asked, payment, now)
    if payment is not None and settlements.deniable(asked) and payment.state == "reported":
        traced = remarks.is_noted(session, asked.id, remarks.TRACE)
        return Usual(DENY, "never_came", minor=payment.minor) if traced else Usual(TRACE, "ask_for_line")
    explained = _of_line(session, asked) if asked.line_id is not None else None
    if explained is None and acknowledgements.is_enough(session, asked, payment):
        return Usual(NOTE, _NOTED_AS.get(asked.code, "booked_already"))
    return explained or Usual(TRACE, "ask_the_bank")


def carry_out(
    session: Session, asked: Mismatch, answer: Usual, *, why: str, by: str, now: datetime
) -> None:  # fmt: skip
    """Give an answer; raises NotSettled or NotRemarked, having changed nothing."""
    if answer.kind == SETTLE:
        settlements.propose(
            session, asked.id, undoes=answer.undoes, settles=answer.shares, places=answer.places, why=why, by=by,
            now=now,
        )  # fmt: skip
    elif answer.kind == DENY:
        settlements.propose_denial(session, asked.id, why=why, by=by, now=now)
    elif answer.kind == PAY_OUT:
        placements.answer(session, asked.id, answer.placement_id or 0, by=by, now=now)
    elif answer.kind == DAY:
        lump_choices.propose(session, asked.line_id or 0, day=answer.day, why=why, by=by, now=now)
    elif answer.kind == NOTE:
        acknowledgements.acknowledge(session, asked.id, why=why, by=by, now=now)
    elif answer.kind == TRACE:
        remarks.trace(session, asked.id, why, by=by, now=now)
    elif answer.day is not None:
        remarks.expect(session, asked.id, answer.day, why, by=by, now=now)
    else:
        raise NotRemarked("no_day", "expected a day until which the question rests, got none")


def standing(session: Session, asked: Mismatch) -> Sequence[Mapping[str, Any]]:
    """Return the suggestions that can still be taken whole: their bills lack the parts, and nobody took them apart."""
    found = asked.facts.get("ranked")
    suggested = [one for one in found if len(one["bills"]) <= MOST_BILLS] if isinstance(found, list) else []
    numbers = {part["bill"] for one in suggested for part in one["bills"]}
    if not numbers:
        return []
    barred = select(Allocation.bill_id).where(Allocation.payment_id == asked.payment_id, Allocation.barred)
    wanted = select(Bill).where(Bill.number.in_(numbers), Bill.state.in_(["open", "part_paid"]), Bill.id.not_in(barred))
    owed = {bill.number: bill.minor - bill.paid_minor for bill in session.scalars(wanted.order_by(Bill.id))}
    return [one for one in suggested if all(part["minor"] <= owed.get(part["bill"], 0) for part in one["bills"])]


def _of_line(session: Session, asked: Mismatch) -> Usual | None:
    days = asked.facts.get("days_that_fit") if asked.code == "M11" else None
    if isinstance(days, list) and len(days) == 1:
        return Usual(DAY, "only_day", day=date.fromisoformat(days[0]), minor=asked.minor)
    owed = placements.owed(session, asked.line_id or 0) if asked.payment_id is None else []
    if len(owed) == 1:
        return Usual(PAY_OUT, "only_refund", placement_id=owed[0].id, minor=owed[0].minor)
    return None


def _of_money(session: Session, asked: Mismatch, payment: Payment, now: datetime) -> Usual:
    left = payment.minor - payment.matched_minor
    doubted = _doubted(session, asked, payment)
    if doubted is not None:
        return doubted
    if acknowledgements.is_enough(session, asked, payment):
        return Usual(NOTE, "part_paid")
    if payment.currency != "VND" or payment.state not in ("reported", "confirmed") or left <= 0:
        return Usual(TRACE, "ask_the_bank")
    suggested = _suggested(session, asked, left, arrived=payment.state == "confirmed")
    if suggested is not None:
        return suggested
    if payment.state != "confirmed":
        until = bank_days.calendar(session).after(business_days.local_day(now), 1)
        return Usual(REST, "not_arrived", day=until)
    customer = _customer(session, asked, payment) if asked.code in _CARRIED_FORWARD else None
    goes = Place(HELD, left) if customer is None else Place(CREDIT, left, customer_id=customer)
    return Usual(SETTLE, "nobodys" if customer is None else "carried_forward", places=(goes,), minor=left)


def _doubted(session: Session, asked: Mismatch, payment: Payment) -> Usual | None:
    if asked.facts.get("verdict") != "raised":
        return None
    live = select(Allocation).where(Allocation.payment_id == payment.id, Allocation.undone_at.is_(None))
    held = session.scalars(live.order_by(Allocation.id)).all()
    undoes = tuple(one.id for one in held)
    return Usual(SETTLE, "doubted", undoes=undoes, minor=sum(one.minor for one in held)) if held else None


def _suggested(session: Session, asked: Mismatch, left: int, *, arrived: bool) -> Usual | None:
    for one in standing(session, asked):
        shares = _shares(session, one["bills"])
        rest = left - sum(shares.values())
        if rest < 0:
            continue
        places: tuple[Place, ...] = ()
        if rest and arrived and asked.code in _CARRIED_FORWARD:
            owner = session.get_one(Bill, next(iter(shares))).customer_id
            places = (Place(CREDIT, rest, customer_id=owner),)
        return Usual(SETTLE, one["rule"], shares=shares, places=places, minor=left if places else left - rest)
    return None


def _shares(session: Session, bills: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    wanted = select(Bill.number, Bill.id).where(
        Bill.number.in_([one["bill"] for one in bills]), Bill.state.in_(["open", "part_paid"])
    )
    ids: dict[str, int] = {row.number: row.id for row in session.execute(wanted)}
    return {ids[one["bill"]]: int(one["minor"]) for one in bills}


def _customer(session: Session, asked: Mismatch, payment: Payment) -> int | None:
    """Return whose money it is when nothing else is owed: of the bill asked about, or the only customer named."""
    if asked.bill_id is not None:
        return session.get_one(Bill, asked.bill_id).customer_id
    quoted = session.scalars(text(_QUOTED), {"codes": list(payment.quoted)}).all()
    if len(quoted) == 1:
        return int(quoted[0])
    paid = select(Bill.customer_id).join(Allocation, Allocation.bill_id == Bill.id).where(
        Allocation.payment_id == payment.id, Allocation.undone_at.is_(None)
    ).distinct().limit(2)  # fmt: skip
    found = session.scalars(paid).all()
    return found[0] if len(found) == 1 else None


def same(session: Session, mismatch_id: int, key: str, *, now: datetime) -> tuple[Mismatch, Usual]:
    """Return the question and its usual answer, if that is the one that was shown; raises NotSettled otherwise."""
    asked = session.get(Mismatch, mismatch_id, populate_existing=True)
    answer = usual(session, asked, now=now) if asked is not None else None
    if asked is None or answer is None:
        raise NotSettled("not_open", "expected an open question")
    if answer.key != key:
        raise NotSettled("other_usual", "expected the answer that was shown, got another one by now")
    return asked, answer
