"""The story of a bill or a payment: everything that happened to it, in order, each with its time and who did it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select, true
from sqlalchemy.orm import Session, load_only

from reconciliation import case_links
from reconciliation.bills import Bill
from reconciliation.customers import Customer
from reconciliation.inbox import Delivery
from reconciliation.ledger import Entry
from reconciliation.lifecycle import Transition
from reconciliation.mismatches import Mismatch
from reconciliation.outbox import Message
from reconciliation.payments import Allocation, Payment
from reconciliation.placements import Placement
from reconciliation.returns import Return
from reconciliation.settlements import Settlement
from reconciliation.statements import Line, Statement

_ORDER = (
    "issued", "delivery", "payment", "line", "taken_back", "allocated", "undone", "placed", "lifted", "moved",
    "message", "asked", "settled", "entry",
)  # fmt: skip
"""What comes first among things that one transaction wrote at the same moment: causes before effects."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `what` is the row it is about, `more` what belongs to it (steps, a payment, a bill)."""

    at: datetime
    kind: str
    what: object
    more: Sequence[object] = ()


@dataclass(frozen=True, slots=True)
class TakenBack:
    """That the answer to a question was taken back: when it counted no more, by whom and why, and who approved it."""

    at: datetime
    by: str
    why: str
    checker: str


@dataclass(frozen=True, slots=True)
class Story:
    """All versions of a bill (or the bills a payment settles), the payments, and the events, oldest first."""

    bills: Sequence[Bill]
    payments: Sequence[Payment]
    events: Sequence[Event]
    questions: Sequence[Mismatch] = field(default=())


def of_bill(session: Session, bill: Bill) -> Story:
    """Tell the story of a bill: of all its versions, since a payment may have met an earlier one."""
    bills = session.scalars(select(Bill).where(Bill.number == bill.number).order_by(Bill.version)).all()
    ids = [one.id for one in bills]
    allocations = session.scalars(select(Allocation).where(Allocation.bill_id.in_(ids))).all()
    questions = session.scalars(select(Mismatch).where(Mismatch.bill_id.in_(ids))).all()
    payment_ids = {one.payment_id for one in allocations} | {one.payment_id for one in questions if one.payment_id}
    payments = _payments(session, payment_ids)
    return _tell(session, bills, payments, allocations, questions)


def of_payment(session: Session, payment: Payment) -> Story:
    """Tell the story of a payment and of its links to bills, without the bills' own histories."""
    allocations = session.scalars(select(Allocation).where(Allocation.of(payment.id))).all()
    return _tell(session, [], [payment], allocations, [])


def customer_of(session: Session, bill: Bill) -> Customer:
    """Return whom a bill is addressed to."""
    return session.scalars(select(Customer).where(Customer.id == bill.customer_id)).one()


def moves_of(session: Session, kind: str, ids: Iterable[int]) -> list[Transition]:
    """Return the lifecycle moves of rows of one kind, in the order they were made."""
    found = session.scalars(
        select(Transition)
        .where(Transition.kind == kind, Transition.subject_id.in_(list(ids)))
        .order_by(Transition.subject_id, Transition.sort_key)
    )
    return list(found)


def entries_of(session: Session, keys: Iterable[str]) -> Sequence[Entry]:
    """Return the ledger entries booked under `keys`."""
    return session.scalars(select(Entry).where(Entry.key.in_(list(keys))).order_by(Entry.id)).all()


def _payments(session: Session, ids: Iterable[int]) -> Sequence[Payment]:
    return session.scalars(select(Payment).where(Payment.id.in_(list(ids))).order_by(Payment.id)).all()


def _tell(
    session: Session,
    bills: Sequence[Bill],
    payments: Sequence[Payment],
    allocations: Sequence[Allocation],
    asked: Sequence[Mismatch],
) -> Story:
    bill_ids, payment_ids = [one.id for one in bills], [one.id for one in payments]
    lines = session.execute(
        select(Line, Statement)
        .join(Statement, Statement.id == Line.statement_id)
        .where(Line.payment_id.in_(payment_ids))
        .order_by(Line.id)
    ).all()
    questions = {one.id: one for one in asked}
    found = session.scalars(
        select(Mismatch).where(
            or_(Mismatch.payment_id.in_(payment_ids), Mismatch.line_id.in_([line.id for line, _ in lines]))
        )
    )
    questions |= {one.id: one for one in found}

    events = [Event(one.created_at, "issued", one) for one in bills]
    events += _about_payments(session, payments)
    events += [Event(statement.created_at, "line", line, (statement,)) for line, statement in lines]
    events += _about_links(session, allocations)
    placed = _placed(session, bills, payment_ids)
    events += _about_places(session, placed)
    for kind, ids in (("bill", bill_ids), ("payment", payment_ids)):
        events += [Event(move.at, "moved", move) for move in moves_of(session, kind, ids)]
    events += _about_messages(session, bill_ids, payment_ids)
    events += _about_questions(session, questions)
    keys = [*_bill_keys(bills), *(f"payment:{one.id}:reported" for one in payments)]
    keys += [f"line:{line.id}" for line, _ in lines]
    returned = session.scalars(select(Return.id).where(Return.payment_id.in_(payment_ids))).all()
    keys += [f"return:{one}{end}" for one in returned for end in ("", "/undone")]
    keys += [key for one in allocations for key in (f"allocation:{one.id}", f"allocation:{one.id}/undone")]
    keys += [key for one in placed for key in (f"placement:{one.id}", f"placement:{one.id}/undone")]
    keys += _paid_out(session, placed)
    events += [Event(entry.at, "entry", entry) for entry in entries_of(session, keys)]
    events.sort(key=lambda one: (one.at, _ORDER.index(one.kind)))
    return Story(bills, payments, events, sorted(questions.values(), key=lambda one: one.id))


def _bill_keys(bills: Sequence[Bill]) -> list[str]:
    return [f"bill:{one.number}/{one.version}{end}" for one in bills for end in ("", "/replaced", "/cancelled")]


def _about_payments(session: Session, payments: Sequence[Payment]) -> list[Event]:
    deliveries = {
        one.id: one
        for one in session.scalars(
            select(Delivery)
            .options(load_only(Delivery.source, Delivery.kind, Delivery.state, Delivery.received_at, Delivery.name))
            .where(Delivery.id.in_([one.delivery_id for one in payments if one.delivery_id]))
        )
    }
    events = [Event(one.received_at, "delivery", one) for one in deliveries.values()]
    return events + [Event(one.reported_at or one.created_at, "payment", one) for one in payments]


def _about_links(session: Session, allocations: Sequence[Allocation]) -> list[Event]:
    ids = {one.bill_id for one in allocations}
    bills = {one.id: one for one in session.scalars(select(Bill).where(Bill.id.in_(ids)))}
    payments = {one.id: one for one in _payments(session, {one.payment_id for one in allocations})}
    events = []
    for one in allocations:
        both = (bills[one.bill_id], payments[one.payment_id])
        events.append(Event(one.at, "allocated", one, both))
        if one.undone_at is not None:
            events.append(Event(one.undone_at, "undone", one, both))
    return events


def _placed(session: Session, bills: Sequence[Bill], payment_ids: Sequence[int]) -> Sequence[Placement]:
    """Return what went to no bill of these payments, and what was written off of these bills, undone ones too.

    A bill's story names its own customer's credit only: a payment may settle several customers' bills.
    """
    ours = or_(Placement.customer_id.is_(None), Placement.customer_id.in_({one.customer_id for one in bills}))
    found: list[Placement] = []
    # Each of the two has its index; asked for by one "or", neither is used.
    for wanted in (
        select(Placement).where(Placement.payment_id.in_(payment_ids), ours if bills else true()),
        select(Placement).where(Placement.bill_id.in_([one.id for one in bills])),
    ):
        found += session.scalars(wanted.order_by(Placement.id))
    return found


def _about_places(session: Session, placed: Sequence[Placement]) -> list[Event]:
    answers = _by_id(session, Settlement, {one.settlement_id for one in placed})
    owners = _by_id(session, Customer, {one.customer_id for one in placed})
    bills = _by_id(session, Bill, {one.bill_id for one in placed})
    events = []
    for one in placed:
        about = (answers[one.settlement_id], owners.get(one.customer_id or 0), bills.get(one.bill_id or 0))
        events.append(Event(one.at, "placed", one, about))
        if one.undone_at is not None:
            events.append(Event(one.undone_at, "lifted", one, about))
    return events


def _by_id(session: Session, model: type[Any], ids: set[Any]) -> dict[int, Any]:
    wanted = ids - {None}
    return {one.id: one for one in session.scalars(select(model).where(model.id.in_(wanted)))} if wanted else {}


def _paid_out(session: Session, placed: Sequence[Placement]) -> list[str]:
    """Return the keys of entries that tied refunds to the lines that paid them, or took the two apart."""
    found: list[str] = []
    for one in placed:
        if one.account == "refunds_payable":
            tied = Entry.key.between(f"placement:{one.id}/line:", f"placement:{one.id}/line;")
            found += session.scalars(select(Entry.key).where(tied).order_by(Entry.id))
    return found


def _about_questions(session: Session, questions: Mapping[int, Mismatch]) -> list[Event]:
    raised, backs = case_links.raised_by_undoing(session, questions), _taken_back(session, questions)
    events = []
    for one in questions.values():
        if one.id in raised and one.state == "resolved":
            continue  # nobody asked it: what its reverse answer undid is told by itself
        events.append(Event(one.opened_at, "asked", one, (one.id in raised,)))
        back = (backs[one.id],) if one.id in backs else ()
        if one.resolved_at is not None:
            events.append(Event(one.resolved_at, "settled", one, back))
        events += [Event(each.at, "taken_back", one, back) for each in back]
    return events


def _taken_back(session: Session, ids: Iterable[int]) -> dict[int, TakenBack]:
    links = case_links.undone_among(session, ids)
    reverses = {
        one.mismatch_id: one
        for one in session.scalars(
            select(Settlement).where(
                Settlement.mismatch_id.in_([one.to_id for one in links.values()]), Settlement.state == "applied"
            )
        )
    }
    found = {}
    for asked, link in links.items():
        reverse = reverses.get(link.to_id)  # none where words were taken back
        at, checker = (reverse.checked_at, reverse.checker) if reverse is not None else (None, "")
        found[asked] = TakenBack(at or link.at, link.by, link.why, "" if checker == link.by else checker)
    return found


def _about_messages(session: Session, bill_ids: Sequence[int], payment_ids: Sequence[int]) -> list[Event]:
    # A payment may settle several bills: a bill's story tells what its own customer was told, not what others were.
    ours = and_(Message.payment_id.in_(payment_ids), Message.bill_id.is_(None) if bill_ids else true())
    wanted = select(Message).where(or_(Message.bill_id.in_(bill_ids), ours)).order_by(Message.id)
    messages = session.scalars(wanted).all()
    steps: dict[int, list[Transition]] = {}
    for move in moves_of(session, "message", [one.id for one in messages]):
        steps.setdefault(move.subject_id, []).append(move)
    return [Event(one.created_at, "message", one, steps.get(one.id, ())) for one in messages]
