"""What a case's page offers the person who is signed in: what they may give, who is beside them, what they may undo."""

from typing import Any

from flask import current_app, url_for
from flask_login import current_user
from sqlalchemy import select, text

from gateway.admin import desk_queue, undo_words
from gateway.languages import clock_time, gettext, money
from gateway.request_session import db
from reconciliation import case_links, case_visits, undoing, usual_answers
from reconciliation.lump_choices import Choice
from reconciliation.mismatches import Mismatch
from reconciliation.roles import BOOKKEEPERS
from reconciliation.settlements import Settlement

_OF_LINE = "lump_choices.lump_id IN (SELECT id FROM lump_sums WHERE line_id = :line)"


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
    left = _left(mismatch_id) if act.kind == undoing.APPLIED else None
    return {
        **({"left": left[0], "rest": left[1], "rest_href": left[2]} if left else {}),
        "href": url_for("admin.casework.undo", mismatch_id=mismatch_id, **kept),
        "act": act.key,
        "said": str(undo_words.SAID[act.kind]) % {"id": mismatch_id},
    }


def decided(mismatch_id: int) -> str:
    """Return what the person decided of the last answer to a case, "" when it was not theirs to decide or waits."""
    asked, me = db().get(Mismatch, mismatch_id), current_user.username
    if asked is None:
        return ""
    choices = select(Choice).where(text(_OF_LINE).bindparams(line=asked.line_id)).order_by(Choice.id.desc())
    answers = select(Settlement).where(Settlement.mismatch_id == mismatch_id).order_by(Settlement.id.desc())
    made: Choice | Settlement | None = db().scalar(answers.limit(1)) or db().scalar(choices.limit(1))
    if made is None or made.checker != me or (made.state == "applied" and made.maker == me):
        return ""
    return str(undo_words.DECIDED[made.state]) % {"id": mismatch_id} if made.state in undo_words.DECIDED else ""


def _left(mismatch_id: int) -> tuple[str, str, str] | None:
    """Return what an answer has left to be asked: the amount, the case about it and its address."""
    rests = [one.to_id for one in case_links.leads_to(db(), mismatch_id) if one.kind == case_links.REST]
    asked = db().get_one(Mismatch, rests[-1]) if rests else None
    if asked is None or asked.state == "resolved":
        return None
    kept: dict[str, Any] = desk_queue.carried()
    address = url_for("admin.mismatches.page", mismatch_id=asked.id, **kept)
    return money(asked.minor, asked.currency), str(asked.id), address
