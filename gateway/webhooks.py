"""Callbacks in: prove over the raw bytes, keep them, commit, answer in the sender's own form."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from prometheus_client import Counter

from banks.errors import Unproven, Unreadable
from banks.profile import read_all
from banks.records import Answer, Outcome, PaymentNotice, Proof, RawRequest
from gateway.intake import Arrival, Busy, Intake
from gateway.payment_time import check_time
from gateway.refusals import Refusals
from gateway.wiring import Caller, Wiring

log = logging.getLogger(__name__)
blueprint = Blueprint("webhooks", __name__)
CALLBACKS = Counter("doisoat_callbacks_total", "Callbacks by bank and HTTP status of the answer", ["bank", "status"])


@blueprint.route("/webhooks/<name>", methods=["GET", "POST"])
def receive(name: str) -> Response:
    """Take one callback of the bank called `name`."""
    # The proxies' look-up costs as much as the signature, so each is resolved once.
    extensions = current_app.extensions
    environ: Mapping[str, Any] = request.environ
    wiring: Wiring = extensions["doisoat"]
    caller = wiring.callers.get(name)
    if caller is None:
        return Response("no bank calls back here\n", 404, mimetype="text/plain")
    if environ["REQUEST_METHOD"] != caller.profile.method:
        return Response(status=405, headers={"Allow": caller.profile.method})
    now = wiring.clock()
    raw = raw_request(environ, caller.profile.max_bytes, now)
    if raw is None:
        detail = f"expected at most {caller.profile.max_bytes} bytes"
        nothing = RawRequest(caller.profile.method, b"", {}, b"", now)
        return _respond(caller, caller.answers(nothing, detail)(Outcome.TOO_LARGE))
    try:
        caller.bank.origin.check(raw, environ, wiring.settings.trusted_proxies)
        proof = caller.profile.prove(raw, caller.secrets, now)
    except Unproven as error:
        return _refuse(caller, raw, error, now)
    try:
        answer = extensions["intake"].keep(_arrival(wiring, caller, raw, proof))
    except Busy:
        answer = caller.answers(raw, "not kept; please send it again")(Outcome.BUSY)
    return _respond(caller, answer)


def install(app: Flask, wiring: Wiring, intake: Intake) -> None:
    """Put the callbacks' road into `app`."""
    app.extensions["intake"] = intake
    app.extensions["refusals"] = Refusals(wiring.engine, wiring.sealer)
    app.register_blueprint(blueprint)


def raw_request(environ: Mapping[str, Any], limit: int, now: datetime) -> RawRequest | None:
    """Return the call as it came over the wire, taken from the WSGI environment; None when it exceeds `limit` bytes."""
    method: str = environ["REQUEST_METHOD"]
    query = environ.get("QUERY_STRING", "").encode("latin-1")
    body = environ["wsgi.input"].read(limit + 1) if method == "POST" else b""
    if len(query) > limit or len(body) > limit:
        return None
    headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    return RawRequest(method, query, headers, body, now, environ.get("REMOTE_ADDR", ""))


def _arrival(wiring: Wiring, caller: Caller, raw: RawRequest, proof: Proof) -> Arrival:
    """Judge a proven call: what state it is kept in, and which answer it earns unless the bill says otherwise."""
    source, sealer = caller.bank.name, wiring.sealer
    carried = raw.body if raw.method == "POST" else raw.query
    content = proof.content if proof.content is not None else raw.body if raw.method == "POST" else proof.signed
    state, reason, outcome, notice = _judge(caller, raw, proof)
    asks = caller.profile.asks_bill and notice is not None and notice.paid
    return Arrival(
        source=source,
        event_id=proof.event_id,
        digest=hashlib.sha256(proof.event_id.encode() + b"\0" + content).digest(),
        size=len(carried),
        head=sealer.seal(head_of(raw), "deliveries.head"),
        body=sealer.seal(carried, "deliveries.body"),
        received_at=raw.received_at,
        state=state,
        reason=reason,
        outcome=outcome,
        answers=_words(caller, raw, outcome, reason),
        payment_code=notice.payment_code if asks and notice else "",
        minor=notice.amount.minor if notice else 0,
    )


def _judge(caller: Caller, raw: RawRequest, proof: Proof) -> tuple[str, str, Outcome, PaymentNotice | None]:
    limit = caller.profile.max_age
    if limit is not None and proof.age_seconds is not None and abs(proof.age_seconds) > limit.total_seconds():
        reason = f"signed {proof.age_seconds:.0f} s before it arrived; expected at most {limit.total_seconds():.0f} s"
        return "set_aside", reason, Outcome.STALE, None
    try:
        notices = read_all(caller.profile, raw)
        for notice in notices:
            check_time(notice, raw.received_at)
    except Unreadable as error:
        return "unreadable", str(error), Outcome.UNREADABLE, None
    # An answer that depends on the bill can be given to a delivery of one payment only.
    return "received", "", Outcome.ACCEPTED, notices[0] if len(notices) == 1 else None


def _words(caller: Caller, raw: RawRequest, judged: Outcome, reason: str) -> Callable[[Outcome], Answer]:
    """Return how the sender is told each outcome: `reason` belongs to the `judged` one, not to what the inbox finds."""
    usual = caller.answers(raw)
    if not reason:
        return usual
    with_reason = caller.answers(raw, reason)
    return lambda outcome: (with_reason if outcome is judged else usual)(outcome)


def head_of(raw: RawRequest) -> bytes:
    """Return what stood around a call's bytes, as JSON: method, query and headers."""
    head = {"method": raw.method, "query": raw.query.decode("latin-1"), "headers": dict(raw.headers)}
    return json.dumps(head, separators=(",", ":")).encode()


def _refuse(caller: Caller, raw: RawRequest, error: Unproven, now: datetime) -> Response:
    kind = "its signature" if error.signed else "its origin, token or form"
    log.info("a call for %s is not proven by %s; `doisoat callback refusals` has why", caller.bank.name, kind)
    current_app.extensions["refusals"].keep(caller.bank.name, raw, error.reason, head_of(raw), now)
    # The reason may repeat what was sent: it is for a person here, not for whoever can't prove who they are.
    return _respond(caller, caller.answers(raw)(Outcome.UNPROVEN))


def _respond(caller: Caller, answer: Answer) -> Response:
    CALLBACKS.labels(caller.bank.name, answer.status).inc()
    return Response(answer.body, answer.status, content_type=answer.content_type)
