"""Undoing: a person takes back the last thing they did with a case, by a new entry of the same kind.

A settlement that was carried out is taken back by its reverse, which is a settlement too: it is counted against the
same limit, and what one person may not move alone waits for another one here as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from reconciliation import acknowledgements, case_links, remarks, settlement_checks, settlements
from reconciliation.mismatches import Mismatch, NotSettled
from reconciliation.payments import Allocation
from reconciliation.placements import Place, Placement
from reconciliation.remarks import ASSIGNED, EXPECTED, NOBODY, RESUMED, TRACE, TRACE_ANSWER, Remark
from reconciliation.settlements import Settlement

KINDS = PROPOSED, APPLIED, NOTED, GIVEN, RESTED = "proposed", "applied", "noted", "given", "rested"


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did last with a case and may take back: its kind, and the row that says so."""

    kind: str
    id: int
    at: datetime

    @property
    def key(self) -> str:
        """What a form carries, so that what is taken back is what was shown."""
        return f"{self.kind}-{self.id}"


def last_act(session: Session, asked: Mismatch, by: str, *, now: datetime) -> Act | None:
    """Return what `by` did last with a case, if it can be taken back."""
    made = session.scalar(
        select(Settlement).where(Settlement.mismatch_id == asked.id).order_by(Settlement.id.desc()).limit(1)
    )
    if made is not None and made.maker == by and made.state == "proposed":
        return Act(PROPOSED, made.id, made.made_at)
    if made is not None and made.state == "applied":
        at = made.checked_at or made.made_at
        return Act(APPLIED, made.id, at) if made.maker == by and _reverse(session, made) is not None else None
    if asked.state == "resolved":
        theirs = acknowledgements.is_acknowledged(asked) and asked.resolved_by == by
        if theirs and not acknowledgements.is_asked_again(session, asked):
            return Act(NOTED, asked.id, asked.resolved_at or asked.opened_at)
        return None
    found = [
        Act(kind, one.id, one.at)
        for kind, kinds in ((GIVEN, [ASSIGNED]), (RESTED, [EXPECTED, TRACE, TRACE_ANSWER, RESUMED]))
        if (one := _last(session, asked.id, kinds)) is not None and one.by == by
        and (kind == GIVEN or (one.kind in (EXPECTED, TRACE) and asked.rests(now)))
    ]  # fmt: skip
    return max(found, key=lambda one: one.id, default=None)


def undo(session: Session, mismatch_id: int, key: str, *, why: str, by: str, now: datetime) -> int:
    """Take back what `key` names, if it is what `by` did last with the case; return the question to look at now.

    Raises NotSettled or NotRemarked, having changed nothing.
    """
    asked = session.get(Mismatch, mismatch_id, populate_existing=True)
    act = last_act(session, asked, by, now=now) if asked is not None else None
    if asked is None or act is None or act.key != key:
        raise NotSettled("not_last", "expected what this person did last with the case, got something else")
    if act.kind == PROPOSED:
        settlements.refuse(session, act.id, by=by, why=why, now=now)
    elif act.kind == APPLIED:
        return _take_back(session, asked, session.get_one(Settlement, act.id), why=why, by=by, now=now)
    elif act.kind == NOTED:
        again = acknowledgements.ask_again(session, asked.id, by=by, now=now)
        case_links.link(session, asked.id, again, case_links.AGAIN, by=by, why=why, now=now)
        return again
    elif act.kind == RESTED:
        remarks.resume(session, asked.id, why, by=by, now=now)
    else:
        remarks.assign(session, asked.id, _before(session, asked.id, act.id), by=by, now=now)
    return mismatch_id


_AS_OLD = """
    UPDATE mismatches doubt SET opened_at = known.opened_at, due_at = known.due_at, assignee = known.assignee
    FROM mismatches known WHERE doubt.id = :doubt AND known.id = :known AND doubt.opened_at >= known.opened_at
"""


def _take_back(
    session: Session, asked: Mismatch, made: Settlement, *, why: str, by: str, now: datetime
) -> int:  # fmt: skip
    settlements.lock(session, made.payment_id)
    reverse = _reverse(session, made)
    if reverse is None:
        raise NotSettled("not_last", "expected a settlement whose entries still stand")
    doubt = settlements.raise_question(session, made.payment_id, why=why, by=by, now=now)
    session.execute(text(_AS_OLD), {"doubt": doubt, "known": asked.id})
    case_links.link(session, asked.id, doubt, case_links.DOUBT, by=by, why=why, now=now)
    session.expire_all()
    settlements.propose(session, doubt, why=why, by=by, now=now, **reverse)
    stands = _asked_now(session, made.payment_id, doubt)
    session.execute(text(_AS_OLD), {"doubt": stands, "known": asked.id})
    session.expire_all()
    return stands


def _asked_now(session: Session, payment_id: int, doubt: int) -> int:
    """Return what the payment asks once its settlement is taken back; the doubt itself when it asks nothing more."""
    about = select(Mismatch.id).where(Mismatch.subject == f"payment:{payment_id}", Mismatch.state != "resolved")
    return session.scalar(about.order_by(Mismatch.id.desc()).limit(1)) or doubt


def _reverse(session: Session, made: Settlement) -> Mapping[str, Any] | None:
    """Return what a settlement must say to take `made` back; None when nothing of it stands, or it can't be."""
    if made.denies:
        return None  # who was told that their money never came may have paid again
    theirs = Allocation.payment_id == made.payment_id
    undoes = session.scalars(
        select(Allocation.id).where(
            theirs, Allocation.bill_id.in_(made.bills), Allocation.rule == "person", Allocation.at == made.checked_at,
            Allocation.undone_at.is_(None),
        ).order_by(Allocation.id)
    ).all()  # fmt: skip
    placed = session.scalars(
        select(Placement)
        .where(Placement.settlement_id == made.id, Placement.undone_at.is_(None))
        .order_by(Placement.id)
    ).all()
    if (made.bills and len(undoes) != len(made.bills)) or len(placed) != len(made.places):
        return None
    if any(one.line_id is not None for one in placed):
        return None
    gone = session.scalars(select(Allocation).where(theirs, Allocation.id.in_(made.undoes)).order_by(Allocation.id))
    lifted = session.scalars(select(Placement).where(Placement.id.in_(made.lifts)).order_by(Placement.id)).all()
    shares = {one.bill_id: one.minor for one in gone}
    live = select(Allocation.id).where(
        theirs, Allocation.bill_id.in_(shares), Allocation.undone_at.is_(None), Allocation.id.not_in(undoes)
    )
    if session.scalar(live.limit(1)) is not None:
        return None
    places = [
        Place(one.kind, one.minor, one.account, bill_id=one.bill_id, customer_id=one.customer_id) for one in lifted
    ]
    reverse: dict[str, Any] = {
        "undoes": undoes,
        "lifts": [one.id for one in placed],
        "settles": shares,
        "places": places,
    }
    # Money that would go from one customer to another is nobody's to move by a press: whoever doubts it raises a
    # question about the payment, where the evidence is attached.
    return None if settlement_checks.transfers(session, made.payment_id, **reverse) else reverse


def _last(session: Session, mismatch_id: int, kinds: list[str]) -> Remark | None:
    wanted = select(Remark).where(Remark.mismatch_id == mismatch_id, Remark.kind.in_(kinds))
    return session.scalar(wanted.order_by(Remark.id.desc()).limit(1))


def _before(session: Session, mismatch_id: int, remark_id: int) -> str:
    wanted = select(Remark.text).where(
        Remark.mismatch_id == mismatch_id, Remark.kind == ASSIGNED, Remark.id < remark_id
    )  # fmt: skip
    known = session.scalar(wanted.order_by(Remark.id.desc()).limit(1)) or NOBODY
    return "" if known == NOBODY else known
