"""POST /api/v1/bills: the billing system hands over bills, as often as it likes; a repetition changes nothing."""

import hmac
import logging
from collections.abc import Mapping

from flask import Blueprint, Response, current_app, jsonify, request

from banks import strict_json
from banks.errors import Unreadable
from gateway import bell, bill_import, table_files
from gateway.composing import compose_promises
from gateway.request_session import db
from gateway.secrets import secret
from gateway.setting_tables import SettingsError
from gateway.wiring import Wiring
from reconciliation.issuing import Issued

log = logging.getLogger(__name__)
blueprint = Blueprint("api", __name__, url_prefix="/api/v1")
MAX_BYTES = 8 * 1024 * 1024
MAX_BILLS = 5_000


@blueprint.post("/bills")
def issue() -> Response:
    """Take in {"bills": [{…the columns of the CSV import…}]}: all of them, or none with every problem named."""
    wiring: Wiring = current_app.extensions["doisoat"]
    if not is_allowed(wiring):
        return problem(401, "unauthorized", ["expected the header Authorization: Bearer <api token>"])
    told = request.content_length or 0
    # A body that does not tell its length is known to be too large only once it is read.
    body = request.stream.read(MAX_BYTES + 1) if told <= MAX_BYTES else b""
    if max(told, len(body)) > MAX_BYTES:
        return problem(413, "too large", [f"expected at most {MAX_BYTES} bytes"])
    try:
        rows = _rows(strict_json.read_object(body, max_bytes=MAX_BYTES))
    except Unreadable as error:
        return problem(400, "not readable", [str(error)])
    session, total = db(), Issued()
    try:
        for total in bill_import.take_in(session, wiring, rows):  # noqa: B007 - the last sum is the answer
            compose_promises(session, wiring.settings)
    except table_files.ImportRefused as error:
        session.rollback()
        return problem(422, "bills refused, nothing was changed", error.problems)
    session.commit()
    bell.ring(wiring.valkey, "messages")
    done = {"new": total.new, "replaced": total.replaced, "unchanged": total.unchanged, "matched": total.matched}
    return jsonify(done)


def problem(status: int, title: str, details: list[str]) -> Response:
    """Return an error in the form of RFC 9457."""
    answer = jsonify({"type": "about:blank", "status": status, "title": title, "errors": details})
    answer.status_code = status
    answer.content_type = "application/problem+json"
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def is_allowed(wiring: Wiring) -> bool:
    """Tell whether the request at hand bears one of the API's live tokens."""
    presented = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
    try:
        live = [key.encode() for key in secret(wiring.settings, "api_token")]
    except SettingsError as error:
        log.error("nobody may hand over bills: %s", error)
        return False
    return any([hmac.compare_digest(presented, key) for key in live])  # noqa: C419 - all are compared, so that time tells nothing


def _rows(content: Mapping[str, object]) -> list[tuple[str, Mapping[str, object]]]:
    bills = content.get("bills")
    if not isinstance(bills, list) or not bills or len(bills) > MAX_BILLS:
        raise Unreadable(f"expected a list of 1 to {MAX_BILLS} bills", "bills")
    rows: list[tuple[str, Mapping[str, object]]] = []
    for number, bill in enumerate(bills):
        place = f"bills[{number}]"
        if not isinstance(bill, dict):
            raise Unreadable("expected an object", place)
        unknown = sorted(set(bill) - set(bill_import.COLUMNS))
        if unknown:
            raise Unreadable(f"unknown fields {', '.join(unknown)}; known: {', '.join(bill_import.COLUMNS)}", place)
        rows.append((place, {name: _written(value, f"{place}.{name}") for name, value in bill.items()}))
    return rows


def _written(value: object, place: str) -> object:
    if isinstance(value, dict | list):
        raise Unreadable("expected a text, a whole number, true, false or null", place)
    if value is True or value is False:
        return "1" if value else "0"
    return "" if value is None else str(value)
