"""`POST /collect/v1/<bank>/{inquiry,pay,reverse,status}`: prove, act in one transaction, commit, answer signed."""

import logging
from collections.abc import Callable, Mapping
from functools import partial

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from prometheus_client import Counter
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from banks import collect_signing
from banks.errors import Unproven, Unreadable
from banks.records import Answer, RawRequest
from gateway import bell
from gateway.collect import answers, asked, openapi
from gateway.collect.collectors import Collector, collectors_of
from gateway.composing import compose_promises
from gateway.database import insist, transaction
from gateway.webhooks import head_of, raw_request
from gateway.wiring import Wiring
from reconciliation import counter
from reconciliation.counter import Call, Refused

log = logging.getLogger(__name__)
CALLS = Counter("doisoat_collect_calls_total", "Calls to collect, by HTTP status", ["bank", "verb", "status"])
INQUIRIES: RateLimitItem = RateLimitItemPerMinute(600)
"""Per bank and process: more is a list of customer codes being tried out."""


def install(app: Flask, wiring: Wiring) -> None:
    """Put the counter's roads into `app`; raise SettingsError when a bank that collects has no usable key."""
    app.extensions["collectors"] = collectors_of(wiring.settings)
    app.extensions["inquiries"] = FixedWindowRateLimiter(MemoryStorage())
    blueprint = Blueprint("collect", __name__, url_prefix="/collect/v1")
    for verb in _VERBS:
        blueprint.add_url_rule(f"/<bank>/{verb}", verb, partial(_receive, verb), methods=["POST"])
    blueprint.add_url_rule("/openapi.json", "openapi", lambda: jsonify(openapi.document()))
    app.register_blueprint(blueprint)


def _receive(verb: str, bank: str) -> Response:
    """Take one call of a bank that collects."""
    wiring: Wiring = current_app.extensions["doisoat"]
    collector: Collector | None = current_app.extensions["collectors"].get(bank)
    if collector is None:
        return Response("no bank collects here\n", 404, mimetype="text/plain")
    now, language = wiring.clock(), _language()
    raw = raw_request(request.environ, asked.MAX_BYTES, now)
    if raw is None:
        answer = answers.refusal("too_large", language, expected=f"at most {asked.MAX_BYTES} bytes", got="more")
    elif (reason := _doubt(wiring, collector, raw, verb)) is not None:
        current_app.extensions["refusals"].keep(bank, raw, reason, head_of(raw), now)
        # The reason may repeat what was sent: it is for a person here, not for whoever can't prove who they are.
        answer = answers.refusal("unproven", language, expected="a signature as documented")
    else:
        answer = _act(wiring, collector, raw, verb, language)
    CALLS.labels(bank, verb, answer.status).inc()
    call_id = request.headers.get("collect-id", "")
    headers = collect_signing.sign(
        answer.body,
        str(answer.status),
        collector.keys,
        call_id=call_id if collect_signing.check_id(call_id) else "-",
        timestamp=int(now.timestamp()),
    )
    response = Response(answer.body, answer.status, headers, content_type=answer.content_type)
    response.headers["Cache-Control"] = "no-store"
    return response


def _language() -> str:
    """Return "vi" or "en": the caller's first choice among them, of whichever country."""
    asked_for = (tag.partition("-")[0].lower() for tag, _ in request.accept_languages)
    return next((one for one in asked_for if one in ("vi", "en")), "vi")


def _doubt(wiring: Wiring, collector: Collector, raw: RawRequest, verb: str) -> str | None:
    """Return why a call is not proven, None when it is."""
    subject = f"POST /collect/v1/{collector.bank.name}/{verb}"
    try:
        collector.bank.origin.check(raw, request.environ, wiring.settings.trusted_proxies)
        collect_signing.prove(raw.headers, raw.body, subject, collector.keys, raw.received_at)
    except Unproven as error:
        log.info("a call of %s to collect is not proven", collector.bank.name)
        return error.reason
    return None


def _act(wiring: Wiring, collector: Collector, raw: RawRequest, verb: str, language: str) -> Answer:
    try:
        return insist(lambda: _VERBS[verb](wiring, collector.bank.name, raw, language))
    except Unreadable as error:
        return answers.unreadable(error, language)
    except Refused as error:
        return answers.refused(error, language)
    except (OperationalError, NoConnection) as error:
        log.error("a call to collect failed for want of the database: %s", type(error).__name__)
        return answers.refusal("busy", language)


def _inquiry(wiring: Wiring, bank: str, raw: RawRequest, language: str) -> Answer:
    if not current_app.extensions["inquiries"].hit(INQUIRIES, bank):
        return answers.refusal("too_many", language, expected=f"at most {INQUIRIES.amount} a minute")
    code = asked.customer_code(raw.body)
    with transaction(wiring.engine) as session:
        return answers.owing(counter.inquire(session, code), language)


def _pay(wiring: Wiring, bank: str, raw: RawRequest, language: str) -> Answer:
    paying, now = asked.paying(raw.body, raw.received_at), raw.received_at
    call = _call(wiring, bank, raw)
    try:
        with transaction(wiring.engine) as session:
            answer = counter.pay(session, call, paying, answered=answers.paid, sealer=wiring.sealer, now=now)
            compose_promises(session, wiring.settings)
    except Refused as error:
        refused = answers.refused(error, language)
        if error.code == "conflict":
            with transaction(wiring.engine) as session:
                counter.keep_conflict(session, call, paying, refused, now=now)
        return refused
    bell.ring(wiring.valkey, "messages")
    return answer


def _reverse(wiring: Wiring, bank: str, raw: RawRequest, _language: str) -> Answer:
    reversing = asked.reversing(raw.body)
    with transaction(wiring.engine) as session:
        answer = counter.reverse(
            session, _call(wiring, bank, raw), reversing, answered=answers.reversed_, now=raw.received_at
        )
        # Whoever waited for the bill may have settled it now, and is told so.
        compose_promises(session, wiring.settings)
    return answer


def _status(wiring: Wiring, bank: str, raw: RawRequest, _language: str) -> Answer:
    reference = asked.reference(raw.body)
    with transaction(wiring.engine) as session:
        return counter.standing(session, bank, reference) or answers.unknown(reference)


def _call(wiring: Wiring, bank: str, raw: RawRequest) -> Call:
    head = wiring.sealer.seal(head_of(raw), "deliveries.head")
    return Call(bank, len(raw.body), head, wiring.sealer.seal(raw.body, "deliveries.body"))


_VERBS: Mapping[str, Callable[[Wiring, str, RawRequest, str], Answer]] = {
    "inquiry": _inquiry,
    "pay": _pay,
    "reverse": _reverse,
    "status": _status,
}
