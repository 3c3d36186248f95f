"""Callbacks in: prove over the raw bytes, keep them, commit, answer in the sender's own form.

The road is a WSGI application of its own: a callback needs neither session, form nor context of a request, and
those cost a web process more than the signature does. Flask knows it as the endpoint `webhooks.receive`.
"""

import hashlib
import json
import logging
import traceback
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Flask
from prometheus_client import Counter

from banks.errors import Unproven, Unreadable
from banks.profile import read_all
from banks.records import Answer, Outcome, PaymentNotice, Proof, RawRequest
from gateway.intake import Arrival, Busy, Intake
from gateway.payment_time import check_time
from gateway.refusals import Refusals
from gateway.wiring import Caller, Wiring

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

log = logging.getLogger(__name__)
CALLBACKS = Counter("doisoat_callbacks_total", "Callbacks by bank and HTTP status of the answer", ["bank", "status"])
PATH = "/webhooks/"
_NOBODY = Answer(404, "text/plain; charset=utf-8", b"no bank calls back here\n")
_FAILED = Answer(500, "text/plain; charset=utf-8", b"not kept; please send it again\n")
_JSON = json.JSONEncoder(separators=(",", ":"))
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Callbacks:
    """Takes the callbacks of every bank, at `/webhooks/<name of the bank>`."""

    def __init__(self, wiring: Wiring, intake: Intake, refusals: Refusals) -> None:
        self._wiring, self._intake, self._refusals = wiring, intake, refusals

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one call (WSGI)."""
        caller = self._wiring.callers.get(environ["PATH_INFO"].removeprefix(PATH))
        allowed: list[tuple[str, str]] = []
        if caller is None:
            answer = _NOBODY
        elif environ["REQUEST_METHOD"] != caller.profile.method:
            answer, allowed = Answer(405, "text/plain; charset=utf-8", b""), [("Allow", caller.profile.method)]
        else:
            answer = self._answer(caller, environ)
            CALLBACKS.labels(caller.bank.name, answer.status).inc()
        headers = [("Content-Type", answer.content_type), *allowed]
        if answer.status != HTTPStatus.NO_CONTENT:  # which has no body, and so no length of it
            headers.append(("Content-Length", str(len(answer.body))))
        start_response(_STATUS_LINES[answer.status], headers)
        return (answer.body,)

    def _answer(self, caller: Caller, environ: Mapping[str, Any]) -> Answer:
        try:
            return self._take(caller, environ)
        except Exception as error:
            # The server would cut the connection, and its log might repeat what was sent.
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} at {place.filename}:{place.lineno}"
            log.error("a call for %s failed: %s", caller.bank.name, where)
            return _FAILED

    def _take(self, caller: Caller, environ: Mapping[str, Any]) -> Answer:
        wiring, now = self._wiring, self._wiring.clock()
        raw = raw_request(environ, caller.profile.max_bytes, now)
        if raw is None:
            detail = f"expected at most {caller.profile.max_bytes} bytes"
            nothing = RawRequest(caller.profile.method, b"", {}, b"", now)
            return caller.answers(nothing, detail)(Outcome.TOO_LARGE)
        try:
            caller.bank.origin.check(raw, environ, wiring.settings.trusted_proxies)
            proof = caller.profile.prove(raw, caller.secrets, now)
        except Unproven as error:
            return self._refuse(caller, raw, error, now)
        try:
            return self._intake.keep(_arrival(caller, raw, proof))
        except Busy:
            return caller.answers(raw, "not kept; please send it again")(Outcome.BUSY)

    def _refuse(self, caller: Caller, raw: RawRequest, error: Unproven, now: datetime) -> Answer:
        kind = "its signature" if error.signed else "its origin, token or form"
        log.info("a call for %s is not proven by %s; `doisoat callback refusals` has why", caller.bank.name, kind)
        self._refusals.keep(caller.bank.name, raw, error.reason, head_of(raw), now)
        # The reason may repeat what was sent: it is for a person here, not for whoever can't prove who they are.
        return caller.answers(raw)(Outcome.UNPROVEN)


def install(app: Flask, wiring: Wiring, intake: Intake, refusals: Refusals) -> None:
    """Put the callbacks' road into `app`."""
    callbacks = Callbacks(wiring, intake, refusals)
    app.extensions |= {"callbacks": callbacks, "refusals": refusals}

    @app.route(f"{PATH}<name>", methods=["GET", "POST"], endpoint="webhooks.receive")
    def receive(name: str) -> Callbacks:  # noqa: ARG001 - the road reads its own address
        return callbacks


def raw_request(environ: Mapping[str, Any], limit: int, now: datetime) -> RawRequest | None:
    """Return the call as it came over the wire, taken from the WSGI environment; None when it exceeds `limit` bytes."""
    method: str = environ["REQUEST_METHOD"]
    query = environ.get("QUERY_STRING", "").encode("latin-1")
    body = environ["wsgi.input"].read(limit + 1) if method == "POST" else b""
    if len(query) > limit or len(body) > limit:
        return None
    headers = {_header_name(key): value for key, value in environ.items() if key.startswith("HTTP_")}
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    return RawRequest(method, query, headers, body, now, environ.get("REMOTE_ADDR", ""))


@lru_cache(maxsize=512)
def _header_name(key: str) -> str:
    return key.removeprefix("HTTP_").replace("_", "-").lower()


def _arrival(caller: Caller, raw: RawRequest, proof: Proof) -> Arrival:
    """Judge a proven call: what state it is kept in, and which answer it earns unless the bill says otherwise."""
    carried = raw.body if raw.method == "POST" else raw.query
    content = proof.content if proof.content is not None else raw.body if raw.method == "POST" else proof.signed
    state, reason, outcome, notice = _judge(caller, raw, proof)
    asks = caller.profile.asks_bill and notice is not None and notice.paid
    return Arrival(
        source=caller.bank.name,
        event_id=proof.event_id,
        digest=hashlib.sha256(proof.event_id.encode() + b"\0" + content).digest(),
        head=head_of(raw),
        body=carried,
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
    first, *others = notices
    return "received", "", Outcome.ACCEPTED, first if isinstance(first, PaymentNotice) and not others else None


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
    return _JSON.encode(head).encode()
