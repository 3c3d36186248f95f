"""Settlements: how a person answers a question about a payment's money, made by one and checked by another.

A settlement says which matches and placements of the payment are undone, and which bills it settles and where else it
goes instead: a match, an unmatch of one link, a split, a part payment, a transfer, a credit, a refund and a difference
written off are all of this form; that the money never came is one too. Up to the limit the database keeps it is carried
out as it is made; above, only once somebody else has approved it. What was carried out stays: another settlement takes
it back.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import (
    audit,
    case_links,
    debit_promises,
    denials,
    ledger,
    matching,
    mismatches,
    outbox,
    payments,
    placements,
    rivals,
    unmatched,
)
from reconciliation.db import Base, Id, Label, Minor, Moves, one_of
from reconciliation.lifecycle import MISMATCH, SETTLEMENT, move
from reconciliation.mismatches import Mismatch, NotSettled
from reconciliation.placements import Place
from reconciliation.settlement_checks import check, transfers


class Settlement(Base):
    """One answer; `minor` is all the money it moves, `limit_minor` what one person might still move of its payment.

    Both are counted by the database as the answer is made.
    """

    __tablename__ = "settlements"
    __table_args__ = (
        Index("uq_settlements_proposed", "payment_id", unique=True, postgresql_where=text("state = 'proposed'")),
        Index("uq_settlements_holding", "mismatch_id", unique=True,
              postgresql_where=text("state IN ('proposed', 'applied')")),
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
    )  # fmt: skip

    id: Mapped[Id]
    mismatch_id: Mapped[int] = mapped_column(ForeignKey("mismatches.id"))
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"))
    undoes: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    """Live allocations of the payment that are undone first, and that matching may not make again."""
    bills: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    minors: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    """The bills it settles then, each with its part."""
    lifts: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    """Live placements, of the payment or of a bill it has settled, that are undone first."""
    places: Mapped[list[dict[str, object]]] = mapped_column(JSONB, server_default="[]")
    """Where else money goes then: see `Place`."""
    denies: Mapped[bool] = mapped_column(server_default="false")
    """The bank told of the payment and its money never came: it counts for nothing, and what it settled is owed."""
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


_WAITING = "SELECT EXISTS (SELECT 1 FROM settlements WHERE payment_id = :payment AND state = 'proposed')"
_MAKE = """
    INSERT INTO settlements (mismatch_id, payment_id, undoes, bills, minors, lifts, places, denies, minor, why, maker,
        made_at)
    VALUES (:mismatch, :payment, :undoes, :bills, :minors, :lifts, CAST(:places AS jsonb), :denies,
        0, :why, :maker, :now)  -- how much, the guard counts itself
    RETURNING id, minor <= limit_minor
"""
_ALLOT = """
    INSERT INTO allocations (payment_id, bill_id, minor, rule, evidence, by, at)
    SELECT :payment, w.bill_id, w.minor, 'person', :why, :by, :now
    FROM unnest(CAST(:bills AS bigint[]), CAST(:minors AS bigint[])) AS w (bill_id, minor) ORDER BY 1, 2
    RETURNING id
"""


_HAS_EVIDENCE = """
    SELECT EXISTS (SELECT 1 FROM remarks r WHERE r.mismatch_id = :mismatch AND r.kind = 'evidence'
                   AND NOT EXISTS (SELECT 1 FROM remarks w WHERE w.withdraws = r.id))
"""
_NEVER_CAME = "SELECT source, state FROM payments WHERE id = :payment"
# The rest of an old question is as old as it was.
_AS_OLD = """
    UPDATE mismatches rest SET opened_at = answered.opened_at, due_at = answered.due_at FROM mismatches answered
    WHERE answered.id = :mismatch AND rest.subject = answered.subject AND rest.state <> 'resolved'
      AND rest.opened_at > answered.opened_at
"""


def propose(
    session: Session,
    mismatch_id: int,
    *,
    undoes: Sequence[int] = (),
    settles: Mapping[int, int] | None = None,
    lifts: Sequence[int] = (),
    places: Sequence[Place] = (),
    why: str,
    by: str,
    now: datetime,
) -> Settlement:
    """Answer an open question about a payment: undo these matches and placements, then settle bill id → đồng, place.

    `by` makes it. Up to the limit it is carried out at once. Raises NotSettled, having changed nothing.
    """
    asked = _asked(session, mismatch_id)
    if not answerable(asked):
        raise NotSettled("no_payment", "expected a question about a payment's money")
    shares = dict(settles or {})
    values = {
        "payment": asked.payment_id, "undoes": sorted(undoes), "bills": list(shares), "minors": list(shares.values()),
        "lifts": sorted(lifts), "places": json.dumps([asdict(one) for one in places]), "denies": False,
    }  # fmt: skip
    check(session, _payment_of(asked), undoes=undoes, lifts=lifts, shares=shares, places=places)
    goes = transfers(session, _payment_of(asked), undoes=undoes, settles=shares, lifts=lifts, places=places)
    if goes and not session.scalar(text(_HAS_EVIDENCE), {"mismatch": mismatch_id}):
        raise NotSettled("no_evidence", "expected evidence with the question before money goes to another customer")
    return _make(session, asked, values, why=why, by=by, now=now)


def propose_denial(session: Session, mismatch_id: int, *, why: str, by: str, now: datetime) -> Settlement:
    """Answer that the money of a callback never came (M01): the payment counts for nothing, its bill is owed again."""
    asked = _asked(session, mismatch_id)
    if not deniable(asked):
        raise NotSettled("no_payment", "expected a question about a callback without its statement line")
    _check_denial(session, _payment_of(asked))
    values: dict[str, object] = {
        "payment": asked.payment_id, "undoes": [], "bills": [], "minors": [], "lifts": [], "places": "[]",
        "denies": True,
    }  # fmt: skip
    return _make(session, asked, values, why=why, by=by, now=now)


def raise_question(session: Session, payment_id: int, *, why: str, by: str, now: datetime) -> int:
    """Doubt what a payment settles: return the question (M05, or the one open already) that an answer can settle."""
    lock(session, payment_id)
    known: int | None = session.scalar(
        text("SELECT id FROM mismatches WHERE subject = :subject AND code = ANY(:codes) AND state <> 'resolved'"),
        {"subject": f"payment:{payment_id}", "codes": list(unmatched.CODES)},
    )
    if known is not None:
        return known
    payment = session.get_one(payments.Payment, payment_id)
    asked = mismatches.ask_one(
        session, code="M05", subject=f"payment:{payment_id}", source=payment.source, minor=payment.minor,
        currency=payment.currency, payment_id=payment_id, facts={"verdict": unmatched.RAISED, "reason": why}, now=now,
    )  # fmt: skip
    audit.append(
        session, actor=by, action="question_raised", subject=f"payment:{payment_id}", facts={"why": why}, now=now
    )
    return asked or 0  # none is open, as we have just seen under the payment's lock


def _asked(session: Session, mismatch_id: int) -> Mismatch:
    asked = session.get(Mismatch, mismatch_id)
    if asked is None or asked.payment_id is None:
        raise NotSettled("no_payment", "expected a question about a payment's money")
    lock(session, asked.payment_id)
    session.refresh(asked, with_for_update=True)
    if asked.state != "open":
        raise NotSettled("not_open", f"expected an open question, got one that is {asked.state}")
    return asked


def _payment_of(asked: Mismatch) -> int:
    return asked.payment_id or 0


def _make(
    session: Session, asked: Mismatch, values: Mapping[str, object], *, why: str, by: str, now: datetime
) -> Settlement:
    if session.scalar(text(_WAITING), {"payment": asked.payment_id}):
        raise NotSettled("not_open", "expected a payment without a proposal, got one that waits for approval")
    said = {**values, "mismatch": asked.id, "why": why, "maker": by, "now": now}
    made_id, alone = session.execute(text(_MAKE), said).one()
    made = session.get_one(Settlement, made_id)
    move(session, MISMATCH, [asked.id], "proposed", by=by, why=why, now=now)
    if alone:
        _carry_out(session, made, by=by, why="within the limit", now=now)
    _note(session, made, "settlement_made", by=by, now=now)
    return made


def answerable(asked: Mismatch) -> bool:
    """Tell whether a question is about a payment's money, so that matches are its answer."""
    return asked.code in unmatched.CODES and asked.subject == f"payment:{asked.payment_id}"


def deniable(asked: Mismatch) -> bool:
    """Tell whether a question is about a payment whose statement line has not come."""
    return asked.code == "M01" and asked.payment_id is not None


def approve(session: Session, settlement_id: int, *, by: str, now: datetime) -> Settlement:
    """Carry out what somebody else has proposed; raises NotSettled for its maker, and when the books have moved on."""
    made = _proposed(session, settlement_id)
    if made.maker == by:
        raise NotSettled("own", "expected another person to approve than the one who made it")
    if made.denies:
        _check_denial(session, made.payment_id)
    else:
        check(
            session, made.payment_id, undoes=made.undoes, lifts=made.lifts,
            shares=dict(zip(made.bills, made.minors, strict=True)), places=[_place(one) for one in made.places],
        )  # fmt: skip
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


_ALL_WAITING = """
    SELECT (SELECT count(*) FROM settlements WHERE state = 'proposed')
        + (SELECT count(*) FROM lump_choices WHERE state = 'proposed')
"""


def waiting(session: Session) -> int:
    """Return how many answers wait for somebody's approval, those on lump sums too."""
    return int(session.scalar(text(_ALL_WAITING)) or 0)


def _proposed(session: Session, settlement_id: int) -> Settlement:
    made = session.get(Settlement, settlement_id)
    if made is None:
        raise NotSettled("not_open", f"expected the number of a settlement, got {settlement_id}")
    lock(session, made.payment_id)
    session.refresh(made, with_for_update=True)
    if made.state != "proposed":
        raise NotSettled("not_open", f"expected a settlement that waits for approval, got one that is {made.state}")
    return made


def lock(session: Session, payment_id: int) -> None:
    """Wait for the payment before its questions, as whoever matches does."""
    matching.wait_for_bills(session)
    session.execute(text("SELECT id FROM payments WHERE id = :payment FOR UPDATE"), {"payment": payment_id})


def _check_denial(session: Session, payment_id: int) -> None:
    state = session.execute(text(_NEVER_CAME), {"payment": payment_id}).one().state
    if state != "reported":
        raise NotSettled("arrived", f"expected a payment that no statement has shown, got one that is {state}")


def _place(said: Mapping[str, object]) -> Place:
    return Place(**said)  # type: ignore[arg-type]  # as `asdict` wrote it


def _decide(session: Session, made: Settlement, state: str, *, by: str, why: str, now: datetime) -> None:
    noting = "checker = :by, checked_at = :now, checked_why = :why"
    move(session, SETTLEMENT, [made.id], state, by=by, why=why, now=now, noting=noting)
    session.refresh(made)


def _carry_out(session: Session, made: Settlement, *, by: str, why: str, now: datetime) -> None:
    _decide(session, made, "applied", by=by, why=why, now=now)
    said = f"settlement {made.id}: {made.why}"
    if made.denies:
        source = session.execute(text(_NEVER_CAME), {"payment": made.payment_id}).one().source
        payments.lock_sources(session, {source})
        if not denials.deny(session, made.payment_id, by=by, why=said, now=now):
            raise NotSettled("arrived", "expected a payment that no statement has shown, got one that has just come")
        mismatches.resolve(session, [made.mismatch_id], by=by, resolution=said, now=now)
        return
    lacking = placements.lift(session, made.lifts, by=made.maker, why=said, now=now)
    freed = rivals.undo(session, made.undoes, by=made.maker, why=said, now=now, barring=made.bills)
    outbox.promise_confirmations(session, [made.payment_id], [], now=now)
    allotted: list[int] = []
    if made.bills:
        values = {"payment": made.payment_id, "bills": made.bills, "minors": made.minors, "why": made.why,
                  "by": made.maker, "now": now}  # fmt: skip
        allotted = list(session.scalars(text(_ALLOT), values))
        ledger.post(session, matching.ALLOCATED, {"ids": allotted, "now": now})
    written_off = placements.make(session, made.id, made.payment_id, json.dumps(made.places), by=made.maker, now=now)
    paid = matching.settle_bills(session, {*made.bills, *written_off}, why=said, by=made.maker, now=now)
    outbox.promise_confirmations(session, [made.payment_id], allotted, now=now)
    debit_promises.withdraw_notices(session, paid, why="the bill is paid", now=now)
    mismatches.resolve(session, [made.mismatch_id], by=by, resolution=said, now=now)
    # What is left of the payment or of a bill is asked about anew, and so is whoever else pays one of these bills.
    touched = sorted({*made.bills, *lacking, *written_off}.union(*freed.values()))
    known = case_links.newest(session, made.payment_id)
    denials.offer(session, touched, [made.payment_id], why=said, by=made.maker, now=now)
    case_links.link_rest(session, made.mismatch_id, made.payment_id, known, by=made.maker, now=now)
    session.execute(text(_AS_OLD), {"mismatch": made.mismatch_id})


def _note(session: Session, made: Settlement, action: str, *, by: str, why: str = "", now: datetime) -> None:
    facts = {
        "settlement": made.id, "payment": made.payment_id, "undoes": made.undoes, "bills": made.bills,
        "minors": made.minors, "lifts": made.lifts, "places": made.places, "denies": made.denies,
        "minor": made.minor, "why": why or made.why,
    }  # fmt: skip
    audit.append(session, actor=by, action=action, subject=f"mismatch:{made.mismatch_id}", facts=facts, now=now)
