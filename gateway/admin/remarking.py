"""Remarking: comments, evidence, trace requests and rests that people add to a question on its page."""

from collections.abc import Callable
from datetime import date

from flask import Blueprint, Response, abort, current_app, redirect, request
from flask_login import current_user
from werkzeug.wrappers import Response as Answer

from gateway.admin import desk_queue, mismatches
from gateway.admin.settling_words import NOT_REMARKED
from gateway.database import insist
from gateway.request_session import db
from reconciliation import remarks
from reconciliation.remarks import NotRemarked, Remark

blueprint = Blueprint("remarking", __name__, url_prefix="/mismatches")
ROOM = remarks.MOST_BYTES + (1 << 16)
"""What a form with evidence may hold: the file and the fields around it."""


def give_room() -> None:
    """Let the form with evidence be larger than others; called before any form is read."""
    if request.endpoint == "admin.remarking.attach":
        request.max_content_length = ROOM


@blueprint.post("/<row:mismatch_id>/remarks")
def add(mismatch_id: int) -> Answer | tuple[str, int]:
    """Add a comment, a trace request, the bank's answer, or the day until which something is expected."""
    said, who, now = request.form.get("said", ""), current_user.username, current_app.extensions["doisoat"].clock()
    acts: dict[str, Callable[[], Remark]] = {
        remarks.COMMENT: lambda: remarks.comment(db(), mismatch_id, said, by=who, now=now),
        remarks.TRACE: lambda: remarks.trace(db(), mismatch_id, said, by=who, now=now),
        remarks.TRACE_ANSWER: lambda: remarks.answer_trace(db(), mismatch_id, said, by=who, now=now),
        remarks.EXPECTED: lambda: remarks.expect(db(), mismatch_id, _day(), said, by=who, now=now),
        remarks.RESUMED: lambda: remarks.resume(db(), mismatch_id, said, by=who, now=now),
    }
    act = acts.get(request.form.get("kind", ""))
    if act is None:
        abort(400)
    return _done(mismatch_id, act)


@blueprint.post("/<row:mismatch_id>/evidence")
def attach(mismatch_id: int) -> Answer | tuple[str, int]:
    """Attach a file as evidence."""
    wiring = current_app.extensions["doisoat"]
    file = request.files.get("file")
    body, name = (file.read(), file.filename or "") if file is not None else (b"", "")
    request.close()  # a large file stands in a temporary one
    return _done(
        mismatch_id,
        lambda: remarks.attach(
            db(), mismatch_id, name, body, request.form.get("said", ""), sealer=wiring.sealer,
            by=current_user.username, now=wiring.clock(),
        ),
    )  # fmt: skip


@blueprint.post("/<row:mismatch_id>/remarks/<row:remark_id>/withdraw")
def withdraw(mismatch_id: int, remark_id: int) -> Answer | tuple[str, int]:
    """Take back a comment or evidence of one's own."""
    why, who, now = request.form.get("why", ""), current_user.username, current_app.extensions["doisoat"].clock()
    return _done(mismatch_id, lambda: remarks.withdraw(db(), mismatch_id, remark_id, why, by=who, now=now))


def too_large(mismatch_id: int) -> str:
    """Return the question's page for a file so large that its form was not read."""
    return mismatches.show(mismatch_id, problem=str(NOT_REMARKED["too_large"]))


@blueprint.get("/<row:mismatch_id>/evidence/<row:remark_id>")
def evidence(mismatch_id: int, remark_id: int) -> Response:
    """Hand a piece of evidence over as a download, never as a page of ours."""
    kept = db().get(Remark, remark_id)
    if kept is None or kept.mismatch_id != mismatch_id or kept.kind != remarks.EVIDENCE:
        abort(404)
    try:
        body = remarks.opened(db(), kept, current_app.extensions["doisoat"].sealer)
    except NotRemarked as problem:
        return Response(str(NOT_REMARKED[problem.reason]), 410, content_type="text/plain; charset=utf-8")
    answer = Response(body, content_type="application/octet-stream")
    answer.headers.set("Content-Disposition", "attachment", filename=kept.name)
    return answer


def _day() -> date:
    try:
        return date.fromisoformat(request.form.get("until", ""))
    except ValueError:
        raise NotRemarked("no_day", "expected a day as YYYY-MM-DD") from None


def _done(mismatch_id: int, act: Callable[[], Remark]) -> Answer | tuple[str, int]:
    def work() -> None:
        db().rollback()
        act()
        db().commit()

    try:
        insist(work)
    except NotRemarked as problem:
        db().rollback()
        return mismatches.show(mismatch_id, problem=str(NOT_REMARKED[problem.reason])), 400
    following = desk_queue.after(mismatch_id)
    stays = following == desk_queue.address(mismatch_id)
    return redirect(f"{following}#remarks-title" if stays else following, 303)
