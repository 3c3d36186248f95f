"""/api/v1/marks: the billing system fetches what bills are paid and no longer paid, and says what it has received."""

from collections.abc import Iterator

from flask import Blueprint, Response, current_app, jsonify, request

from banks import strict_json
from banks.errors import Unreadable
from gateway import mark_files
from gateway.api.bills import is_allowed, problem
from gateway.request_session import db
from gateway.wiring import Wiring
from reconciliation import marks

blueprint = Blueprint("marks", __name__, url_prefix="/api/v1/marks")
_MAX_BYTES = 1024


@blueprint.before_request
def _allow() -> Response | None:
    wiring: Wiring = current_app.extensions["doisoat"]
    if is_allowed(wiring):
        return None
    return problem(401, "unauthorized", ["expected the header Authorization: Bearer <api token>"])


@blueprint.get("")
def fetch() -> Response:
    """Return the batches that hold the marks after `since`, or after the last acknowledged one, as CSV."""
    wiring: Wiring = current_app.extensions["doisoat"]
    written = request.args.get("since", "")
    if written and not (written.isascii() and written.isdigit() and len(written) <= 18):
        return problem(400, "not readable", ["since: expected the number of a mark"])

    def lines() -> Iterator[bytes]:
        for line in mark_files.lines(wiring, int(written) if written else None):
            yield line.encode()

    return Response(lines(), content_type="text/csv; charset=utf-8")


@blueprint.post("/acknowledged")
def acknowledge() -> Response:
    """Take in {"number": N}: mark N and all before it have been received; a repetition changes nothing."""
    wiring: Wiring = current_app.extensions["doisoat"]
    try:
        content = strict_json.read_object(request.stream.read(_MAX_BYTES + 1), max_bytes=_MAX_BYTES)
        number = content.get("number")
        if type(number) is not int or set(content) != {"number"}:
            raise Unreadable("expected a whole number and nothing else", "number")
    except Unreadable as error:
        return problem(400, "not readable", [str(error)])
    session = db()
    try:
        marks.acknowledge(session, number, by="billing", how="told by the billing system", now=wiring.clock())
    except marks.Unknown as error:
        return problem(422, "unknown mark", [str(error)])
    done = {"acknowledged": marks.acknowledged(session)}
    session.commit()
    return jsonify(done)
