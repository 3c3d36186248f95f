"""The history of a case: which one it came out of, what was said and answered there, and which one stands now."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from gateway.admin import answer_parts, office_scope
from gateway.admin.answer_parts import Parts
from gateway.request_session import db
from reconciliation import case_links, story
from reconciliation.case_links import AGAIN, DOUBT, REST, CaseLink
from reconciliation.lifecycle import Transition
from reconciliation.mismatches import Mismatch
from reconciliation.remarks import Remark
from reconciliation.settlements import Settlement

BACK, LEFT, RAISED = "back", "left", "raised"
"""How a case came out of another: its answer was taken back; its answer left something; undoing raised it."""
ACT, ANSWER, ASKED = "act", "answer", "asked"
"""What undoing came to: the last act counts no more; the answer is taken back; that it is waits for another person."""


@dataclass(frozen=True, slots=True)
class Before:
    """A case that this one came out of: how, by whom and when, and its story."""

    how: str
    link: CaseLink
    case: Mismatch
    made: Sequence[Settlement]
    parts: Parts
    moves: Sequence[Transition]
    remarks: Sequence[Remark]
    raised: bool
    """Whether nobody asked it: undoing raised it."""


@dataclass(frozen=True, slots=True)
class History:
    """What came before a case, the nearest first, and what came after it.

    `undone` is the link by which its answer was taken back, `waits` the case in which taking it back waits for another
    person, `now` the case that stands in its place, `left` what its answer left to be asked.
    """

    before: Sequence[Before]
    undone: CaseLink | None
    waits: int | None
    now: Mismatch | None
    left: Sequence[Mismatch]


def of(case: Mismatch, *, whole: bool) -> History:
    """Return a case's history; answers name other customers' bills and are given only to who may see them `whole`."""
    led = case_links.leads_to(db(), case.id)
    undone = case_links.undone(db(), case.id)
    now = db().get(Mismatch, case_links.stands_now(db(), case.id)) if undone is not None else None
    left = [db().get_one(Mismatch, one.to_id) for one in led if one.kind == REST]
    before = [one for one in _before(case.id, whole=whole) if _sees(one.case)]
    waits = _waits(led) if undone is None else None
    return History(
        before, undone, waits, now if now is None or _sees(now) else None, [one for one in left if _sees(one)]
    )


def undone(case_id: int, shown_id: int) -> str:
    """Return what undoing something of a case came to, told where it led to; "" when nothing of it was undone."""
    if case_id == shown_id:
        return ACT
    if case_links.undone(db(), case_id) is not None:
        return ANSWER
    return ASKED if _waits(case_links.leads_to(db(), case_id)) else ""


def _sees(case: Mismatch) -> bool:
    # An earlier question about the same payment may be about another office's bill.
    return office_scope.sees("mismatch_id", case.id)


def _waits(led: Sequence[CaseLink]) -> int | None:
    """Return the case in which taking an answer back waits for approval."""
    doubts = [db().get_one(Mismatch, one.to_id) for one in led if one.kind == DOUBT]
    return next((one.id for one in reversed(doubts) if one.state == "proposed"), None)


def _before(case_id: int, *, whole: bool) -> list[Before]:
    links = case_links.before(db(), case_id)
    raised = case_links.raised_by_undoing(db(), [one.from_id for one in links])
    found: list[Before] = []
    doubted, between = None, []
    for link, further in zip(links, [*links, None][1:], strict=True):
        if further is not None and further.kind == DOUBT:
            doubted = further
            if link.from_id not in raised:  # else it was opened only to take the older one's answer back
                between = [_told(LEFT, link, whole=whole, raised=False)]
            continue
        how = BACK if doubted or link.kind == AGAIN else RAISED if link.kind == DOUBT else LEFT
        found += [_told(how, doubted or link, whole=whole, raised=link.from_id in raised), *between]
        doubted, between = None, []
    return found


def _told(how: str, link: CaseLink, *, whole: bool, raised: bool) -> Before:
    case = db().get_one(Mismatch, link.from_id)
    wanted = select(Settlement).where(Settlement.mismatch_id == case.id).order_by(Settlement.id)
    made: Sequence[Settlement] = db().scalars(wanted).all() if whole else ()
    remarks = db().scalars(select(Remark).where(Remark.mismatch_id == case.id).order_by(Remark.id)).all()
    moves = story.moves_of(db(), "mismatch", [case.id])
    return Before(how, link, case, made, answer_parts.of(made), moves, remarks, raised)
