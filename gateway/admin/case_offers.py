"""What a case's page offers the person who is signed in: what they may give, who is beside them, what they may undo."""

from typing import Any

from flask import current_app, url_for
from flask_login import current_user

from gateway.admin import desk_queue, undo_words
from gateway.languages import clock_time, gettext
from gateway.request_session import db
from reconciliation import case_visits, undoing, usual_answers
from reconciliation.mismatches import Mismatch
from reconciliation.staff import BOOKKEEPERS


def may_give(answer: usual_answers.Usual) -> bool:
    """Tell whether the person who is signed in may give an answer: what books or closes is the bookkeepers'."""
    return current_user.role in BOOKKEEPERS or answer.kind in (usual_answers.TRACE, usual_answers.REST)


def may_take_back(act: str) -> bool:
    """Tell whether the person who is signed in may take back an act of a kind: who has left the books no longer may."""
    return current_user.role in BOOKKEEPERS or act in (undoing.GIVEN, undoing.RESTED)


def company(mismatch_id: int) -> str:
    """Note who looks at a case, and return who else does in one line; the caller commits."""
    now, me = current_app.extensions["doisoat"].clock(), current_user.username
    case_visits.note(db(), mismatch_id, by=me, now=now)
    return "; ".join(
        gettext("%(name)s is looking at this since %(time)s", name=name, time=clock_time(since))
        for name, since in case_visits.others(db(), mismatch_id, by=me, now=now)
    )


def undo_line(mismatch_id: int) -> dict[str, str] | None:
    """Return what a page offers to take back of a case: the address, the act and its words; None for nothing."""
    now = current_app.extensions["doisoat"].clock()
    asked = db().get(Mismatch, mismatch_id)
    act = undoing.last_act(db(), asked, current_user.username, now=now) if asked is not None else None
    if act is None or not may_take_back(act.kind):
        return None
    kept: dict[str, Any] = desk_queue.carried()
    return {
        "href": url_for("admin.casework.undo", mismatch_id=mismatch_id, **kept),
        "act": act.key,
        "said": str(undo_words.SAID[act.kind]) % {"id": mismatch_id},
    }
