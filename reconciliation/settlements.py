"""Settlements: how a person answers a question about a payment's money, made by one and checked by another.

A settlement says which matches of the payment are undone and which bills it settles instead: a match, an unmatch of one
link, a split over several bills, a part payment and a transfer are all of this form. Up to the limit the database keeps
it is carried out as it is made; above, only once somebody else has approved it. What was carried out stays: it is
taken back by another settlement.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit, denials, ledger, matching, mismatches, outbox, rivals, unmatched
from reconciliation.db import Base, Id, Label, Minor, Moves, one_of
from reconciliation.lifecycle import MISMATCH, SETTLEMENT, move
from reconciliation.mismatches import Mismatch


class NotSettled(ValueError):
    """A settlement that can't be; says what was expected and what arrived.

    `reason` names the kind of obstacle for a page's own words, `facts` are the bill's number and the most it can be.
    """

    def __init__(self, reason: str, said: str, **facts: object) -> None:
        self.reason, self.facts = reason, facts
        super().__init__(said)


class Settlement(Base):
    """One answer; `minor` is all the money it moves, `limit_minor` what one person might still move of its payment.

    Both are counted by the database as the answer is made.
    """

    __tablename__ = "settlements"
    __table_args__ = (
        Index("uq_settlements_proposed", "payment_id", unique=True, postgresql_where=text("state = 'proposed'")),
        Index(None, "mismatch_id"),
        Index(None, "payment_id"),
        one_of("state", SETTLEMENT.states),
        CheckConstraint("minor > 0", name="moves_money"),
        CheckConstraint("cardinality(bills) = cardinality(minors)", name="each_bill_its_amount"),
        CheckConstraint("why <> '' AND maker <> ''", name="made_by_somebody_for_a_reason"),
        CheckConstraint(
            "state <> 'applied' OR minor <= limit_minor OR (checker <> '' AND checker <> maker)",
            name="checked_by_another",
        ),
    )

    id: Mapped[Id]
    mismatch_id: Mapped[int] = mapped_column(ForeignKey("mismatches.id"))
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"))
    undoes: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    """Live allocations of the payment that are undone first, and that matching may not make again."""
    bills: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    minors: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    """The bills it settles then, each with its part."""
    minor: Mapped[Minor]
    limit_minor: Mapped[Minor] = mapped_column(server_default="0")
    why: Mapped[str]
    maker: Mapped[str]
    made_at: Mapped[datetime]
    checker: Mapped[Label]
    checked_at: Mapped[datetime | None]
    checked_why: Mapped[Label]
    state: Mapped[str] = mapped_column(server_default=SETTLEMENT.start)
    moves: Mapped[Moves]


class ApprovalLimit(Base):
    """Up to how much one person may move alone; kept by the owner of the tables, read by the guard of settlements."""

    __tablename__ = "approval_limits"

    action: Mapped[str] = mapped_column(primary_key=True)
    minor: Mapped[Minor]


_GIVES = "SELECT minor - matched_minor AS left, currency, state FROM payments WHERE id = :payment"
_HELD = "SELECT id, bill_id, minor FROM allocations WHERE payment_id = :payment AND undone_at IS NULL ORDER BY id"
_OWED = """
    SELECT id, number, state, minor - paid_minor AS owed FROM bills WHERE id = ANY(:bills) ORDER BY id FOR UPDATE
"""
_WAITING = "SELECT EXISTS (SELECT 1 FROM settlements WHERE payment_id = :payment AND state = 'proposed')"
_MAKE = """
    INSERT INTO settlements (mismatch_id, payment_id, undoes, bills, minors, minor, why, maker, made_at)
    VALUES (:mismatch, :payment, :undoes, :bills, :minors, 0, :why, :maker, :now)  -- how much, the guard counts itself
    RETURNING id, minor <= limit_minor
"""
_ALLOT = """
    INSERT INTO allocations (payment_id, bill_id, minor, rule, evidence, by, at)
    SELECT :payment, w.bill_id, w.minor, 'person', :why, :by, :now
    FROM unnest(CAST(:bills AS bigint[]), CAST(:minors AS bigint[])) AS w (bill_id, minor) ORDER BY 1, 2
    RETURNING id
"""


_PAYERS = """
    SELECT DISTINCT payment_id FROM allocations
    WHERE bill_id = ANY(:bills) AND undone_at IS NULL AND payment_id <> :payment
"""
# The rest of an old question is as old as it was.
_AS_OLD = """
    UPDATE mismatches rest SET opened_at = answered.opened_at FROM mismatches answered
    WHERE answered.id = :mismatch AND rest.subject = answered.subject AND rest.state <> 'resolved'
      AND rest.opened_at > answered.opened_at
"""


def propose(
    session: Session,
    mismatch_id: int,
    *,
    undoes: Sequence[int] = (),
    settles: Mapping[int, int] | None = None,
    why: str,
    by: str,
    now: datetime,
) -> Settlement:
    """Answer an open question about a payment: undo these allocations, then settle bill id → đồng; `by` makes it.

    Up to the limit it is carried out at once. Raises NotSettled, having changed nothing.
    """
    asked = session.get(Mismatch, mismatch_id)
    if asked is None or asked.payment_id is None or not answerable(asked):
        raise NotSettled("no_payment", "expected a question about a payment's money")
    _lock(session, asked.payment_id)
    session.refresh(asked, with_for_update=True)
    if asked.state != "open":
        raise NotSettled("not_open", f"expected an open question, got one that is {asked.state}")
    shares = dict(settles or {})
    _check(session, asked.payment_id, list(undoes), shares)
    if session.scalar(text(_WAITING), {"payment": asked.payment_id}):
        raise NotSettled("not_open", "expected a payment without a proposal, got one that waits for approval")
    values = {
        "mismatch": mismatch_id, "payment": asked.payment_id, "undoes": sorted(undoes), "bills": list(shares),
        "minors": list(shares.values()), "why": why, "maker": by, "now": now,
    }  # fmt: skip
    made_id, alone = session.execute(text(_MAKE), values).one()
    made = session.get_one(Settlement, made_id)
    move(session, MISMATCH, [mismatch_id], "proposed", by=by, why=why, now=now)
    if alone:
        _carry_out(session, made, by=by, why="within the limit", now=now)
    _note(session, made, "settlement_made", by=by, now=now)
    return made


def answerable(asked: Mismatch) -> bool:
    """Tell whether a question is about a payment's money, so that matches are its answer."""
    return asked.code in unmatched.CODES and asked.subject == f"payment:{asked.payment_id}"


def approve(session: Session, settlement_id: int, *, by: str, now: datetime) -> Settlement:
    """Carry out what somebody else has proposed; raises NotSettled for its maker, and when the books have moved on."""
    made = _proposed(session, settlement_id)
    if made.maker == by:
        raise NotSettled("own", "expected another person to approve than the one who made it")
    _check(session, made.payment_id, made.undoes, dict(zip(made.bills, made.minors, strict=True)))
    _carry_out(session, made, by=by, why="approved", now=now)
    _note(session, made, "settlement_approved", by=by, now=now)
    return made


def refuse(session: Session, settlement_id: int, *, by: str, why: str, now: datetime) -> Settlement:
    """Turn a proposal down, or take one's own back; the question is open again."""
    made = _proposed(session, settlement_id)
    state = "withdrawn" if made.maker == by else "refused"
    _decide(session, made, state, by=by, why=why, now=now)
    move(session, MISMATCH, [made.mismatch_id], "open", by=by, why=f"{state}: {why}", now=now)
    _note(session, made, f"settlement_{state}", by=by, why=why, now=now)
    return made


def limit(session: Session) -> int:
    """Return how many đồng one person may move alone."""
    found = session.get(ApprovalLimit, "settle")
    return found.minor if found else 0


def set_limit(session: Session, minor: int, *, by: str, now: datetime) -> None:
    """Set what one person may move alone from now on; only the owner of the tables can."""
    before = limit(session)
    session.merge(ApprovalLimit(action="settle", minor=minor))
    facts = {"before": before, "after": minor}
    audit.append(session, actor=by, action="approval_limit_set", subject="settle", facts=facts, now=now)


def _proposed(session: Session, settlement_id: int) -> Settlement:
    made = session.get(Settlement, settlement_id)
    if made is None:
        raise NotSettled("not_open", f"expected the number of a settlement, got {settlement_id}")
    _lock(session, made.payment_id)
    session.refresh(made, with_for_update=True)
    if made.state != "proposed":
        raise NotSettled("not_open", f"expected a settlement that waits for approval, got one that is {made.state}")
    return made


def _lock(session: Session, payment_id: int) -> None:
    """Wait for the payment before its questions, as whoever matches does."""
    matching.wait_for_bills(session)
    session.execute(text("SELECT id FROM payments WHERE id = :payment FOR UPDATE"), {"payment": payment_id})


def _check(session: Session, payment_id: int, undoes: list[int], shares: Mapping[int, int]) -> None:
    """Lock the bills of a locked payment's settlement; raise NotSettled when it can't be."""
    payment = session.execute(text(_GIVES), {"payment": payment_id}).one()
    held = {row.id: row for row in session.execute(text(_HELD), {"payment": payment_id})}
    unknown = [one for one in undoes if one not in held]
    if unknown:
        raise NotSettled("no_match", f"expected live matches of this payment, got {', '.join(map(str, unknown))}")
    if not undoes and not shares:
        raise NotSettled("nothing", "expected a match to undo or a bill to settle, got neither")
    touched = sorted({*shares, *(held[one].bill_id for one in undoes)})
    bills = {row.id: row for row in session.execute(text(_OWED), {"bills": touched})}
    freed = {held[one].bill_id: held[one].minor for one in undoes}
    for bill_id, minor in shares.items():
        bill = bills.get(bill_id)
        if bill is None:
            raise NotSettled("no_bill", f"expected the number of a bill, got {bill_id}")
        if payment.currency != "VND" or payment.state not in ("reported", "confirmed"):
            said = f"expected a payment in đồng that counts, got {payment.currency}, {payment.state}"
            raise NotSettled("not_counting", said)
        most, about = bill.owed + freed.get(bill_id, 0), f"bill {bill.number}: expected"
        if bill.state not in ("open", "part_paid", "paid"):
            raise NotSettled("not_owed", f"{about} one that is owed, got one that is {bill.state}", number=bill.number)
        if any(row.bill_id == bill_id for one, row in held.items() if one not in undoes):
            raise NotSettled("twice", f"{about} its match with this payment to be undone as well", number=bill.number)
        if not 0 < minor <= most:
            raise NotSettled("too_much", f"{about} 1 to {most} đ, got {minor} đ", number=bill.number, most=most)
    most = payment.left + sum(freed.values())
    if sum(shares.values()) > most:
        raise NotSettled("over", f"expected at most {most} đ in all, got {sum(shares.values())} đ", most=most)


def _decide(session: Session, made: Settlement, state: str, *, by: str, why: str, now: datetime) -> None:
    noting = "checker = :by, checked_at = :now, checked_why = :why"
    move(session, SETTLEMENT, [made.id], state, by=by, why=why, now=now, noting=noting)
    session.refresh(made)


def _carry_out(session: Session, made: Settlement, *, by: str, why: str, now: datetime) -> None:
    _decide(session, made, "applied", by=by, why=why, now=now)
    said = f"settlement {made.id}: {made.why}"
    freed = rivals.undo(session, made.undoes, by=made.maker, why=said, now=now, barring=made.bills)
    outbox.promise_confirmations(session, [made.payment_id], [], now=now)
    if made.bills:
        values = {"payment": made.payment_id, "bills": made.bills, "minors": made.minors, "why": made.why,
                  "by": made.maker, "now": now}  # fmt: skip
        allotted = list(session.scalars(text(_ALLOT), values))
        ledger.post(session, matching.ALLOCATED, {"ids": allotted, "now": now})
        paid = matching.settle_bills(session, set(made.bills), why=said, now=now)
        outbox.promise_confirmations(session, [made.payment_id], allotted, now=now)
        outbox.withdraw_notices(session, paid, why="the bill is paid", now=now)
    mismatches.resolve(session, [made.mismatch_id], by=by, resolution=said, now=now)
    # What is left of the payment or of a bill is asked about anew, and so is whoever else pays one of these bills.
    touched = sorted(set(made.bills).union(*freed.values()))
    payers = session.scalars(text(_PAYERS), {"bills": touched, "payment": made.payment_id}).all()
    denials.offer(session, touched, [made.payment_id, *payers], why=said, now=now)
    session.execute(text(_AS_OLD), {"mismatch": made.mismatch_id})


def _note(session: Session, made: Settlement, action: str, *, by: str, why: str = "", now: datetime) -> None:
    facts = {
        "settlement": made.id, "payment": made.payment_id, "undoes": made.undoes, "bills": made.bills,
        "minors": made.minors, "minor": made.minor, "why": why or made.why,
    }  # fmt: skip
    audit.append(session, actor=by, action=action, subject=f"mismatch:{made.mismatch_id}", facts=facts, now=now)
