"""Callbacks of a bank that lets us choose: Standard Webhooks 1.0 around our own documented JSON.

POST with the headers `webhook-id`, `webhook-timestamp` (Unix seconds of this attempt) and `webhook-signature`, which
covers `id.timestamp.body`:

    {"type": "payment.received",            or "payment.failed": an attempt that moved no money
     "data": {"transaction_id": "FT26322…", the bank's own reference, 1–64 visible characters, unique for ever
              "amount": 844960,             whole smallest units of the currency, 1 to 15 digits
              "currency": "VND",
              "paid_at": "2026-11-18T09:15:00+07:00",
              "payment_code", "customer_code", "end_to_end_id", "bank_reference", "narrative", "payer_account": texts,
              "channel": "auto_debit" | "transfer" | "wallet" | "counter",
              "failure_code": "AM04"}}      why nothing moved: an ISO 20022 reason code, or the bank's own

The first four of `data` are required. What a bank decides of a mandate is `mandate.confirmed`, `mandate.refused` or
`mandate.ended`, with {"reference": the mandate's, "reason": a text} as `data`.
Keys we don't know are passed over, so that a bank may add to the form.
Scheme: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from banks import strict_json
from banks.collections import mandate_answers
from banks.errors import Unproven, Unreadable
from banks.money import Money, check_currency
from banks.profile import Asked, CallbackProfile, Secrets, Signed
from banks.records import Answer, MandateAnswer, Notice, Outcome, PaymentNotice, Proof, RawRequest
from banks.signatures import StandardWebhooks, live_keys

_SECRET = "webhook_secret"  # noqa: S105 - the name of the secret, not the secret
_SCHEME = StandardWebhooks()
# No full stop: it parts id, timestamp and body in the signed text, so one inside the id would let the parts shift.
_ID = re.compile(r"[!-\-/-~]{1,128}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_REFERENCE = re.compile(r"[!-~]{1,64}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_PAID = {"payment.received": True, "payment.failed": False}
_MANDATE = {"mandate.confirmed": "confirmed", "mandate.refused": "refused", "mandate.ended": "ended"}
_CHANNELS = ("auto_debit", "transfer", "wallet", "counter")
WORDS: Mapping[str, frozenset[str]] = {
    "type": frozenset({*_PAID, *_MANDATE}),
    "channel": frozenset(_CHANNELS),
}
"""Field → the words of the form, one of which is all that it may hold."""

_ANSWERS = {
    Outcome.ACCEPTED: (200, "accepted", ""),
    # The bank has moved the money and can't undo it because of us: we take note, and people settle the difference.
    Outcome.ALREADY_PAID: (200, "accepted", ""),
    Outcome.UNKNOWN_BILL: (200, "accepted", ""),
    Outcome.WRONG_AMOUNT: (200, "accepted", ""),
    # Kept for a person; 2xx, because sending the same event again would only make it older.
    Outcome.STALE: (202, "set_aside", "The event is older than we accept unseen; it is kept for a person to decide."),
    Outcome.CONFLICT: (
        409,
        "conflict",
        "This webhook-id arrived before with another body; a person will look at both.",
    ),
    Outcome.UNREADABLE: (422, "unreadable", "The body does not have the documented form."),
    Outcome.UNPROVEN: (401, "unproven", "No signature fits webhook-id, webhook-timestamp and the body."),
    Outcome.TOO_LARGE: (413, "too_large", "The body is larger than we accept."),
    Outcome.BUSY: (503, "busy", "We can't store the event at the moment; please send it again."),
}


class Standard:
    """Standard Webhooks; see the module's docstring for the form."""

    name = "standard"
    method = "POST"
    secrets: tuple[str, ...] = (_SECRET,)
    any_secret = False
    max_bytes = 64 * 1024
    max_age: timedelta | None = timedelta(minutes=5)
    asks_bill = False
    answers_each = False

    def prove(self, request: RawRequest, secrets: Secrets, now: datetime) -> Proof:
        """Check the signature; the age (negative for a timestamp ahead of `now`) is for the caller to judge."""
        keys = live_keys(secrets, _SECRET)
        event_id = _header(request.headers, "webhook-id", _ID, "1 to 128 visible ASCII characters without a full stop")
        seconds = _header(request.headers, "webhook-timestamp", _SECONDS, "whole Unix seconds")
        signed = f"{event_id}.{seconds}.".encode("ascii") + request.body
        given = request.headers.get("webhook-signature", "")
        if not given:
            raise Unproven("expected the header webhook-signature, got none", signed)
        if _SCHEME.match(signed, given, keys) is None:
            raise Unproven("webhook-signature holds no v1 signature of this id, timestamp and body by our key", signed)
        return Proof(event_id, signed, now.timestamp() - int(seconds))

    def read(self, request: RawRequest) -> PaymentNotice:
        """Normalise the documented body of a payment; raise Unreadable naming the field, such as "data.amount"."""
        told = self.read_all(request)[0]
        if not isinstance(told, PaymentNotice):
            raise Unreadable(f"expected {' or '.join(_PAID)}, got an event of a mandate", "type")
        return told

    def read_all(self, request: RawRequest) -> Sequence[Notice]:
        """Normalise the documented body, which tells of one payment or of one mandate; raise Unreadable."""
        body = strict_json.read_object(request.body, max_bytes=self.max_bytes)
        kind = strict_json.text(body, "type", required=True)
        data = strict_json.member(body, "data")
        if kind in _MANDATE:
            return (_mandate(kind, data),)
        if kind not in _PAID:
            raise Unreadable(f"expected {', '.join([*_PAID, *_MANDATE])}, got {kind[:40]!a}", "type")
        return (_payment(kind, data),)

    def answer(self, outcome: Outcome, detail: str = "", asked: Asked | None = None) -> Answer:  # noqa: ARG002 - the same for all
        """Say `outcome` as `{"status"}` when we took the event, else as `{"error", "detail"}`."""
        status, word, usual = _ANSWERS[outcome]
        said = {"status" if status < 300 else "error": word}
        if detail or usual:
            said["detail"] = detail or usual
        return Answer(status, "application/json", json.dumps(said, ensure_ascii=False).encode())

    def sign(self, request: RawRequest, secrets: Secrets, now: datetime) -> Signed:
        """Sign the body with every live key; `webhook-id` and `webhook-timestamp` are kept when the request has them.

        Otherwise the id is made from the body, so that the same event keeps its id, and the timestamp is `now`.
        """
        keys = live_keys(secrets, _SECRET)
        made = {
            "webhook-id": f"msg_{hashlib.sha256(request.body).hexdigest()[:32]}",
            "webhook-timestamp": str(int(now.timestamp())),
        }
        headers = {name: request.headers.get(name, made[name]) for name in made}
        if not _ID.fullmatch(headers["webhook-id"]):
            raise Unreadable("expected 1 to 128 visible ASCII characters without a full stop", "webhook-id")
        if not _SECONDS.fullmatch(headers["webhook-timestamp"]):
            raise Unreadable("expected whole Unix seconds", "webhook-timestamp")
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode("ascii") + request.body
        headers["webhook-signature"] = " ".join(_SCHEME.sign(signed, key) for key in keys)
        return Signed("POST", request.query, {"content-type": "application/json", **headers}, request.body)


def _payment(kind: str, data: Mapping[str, Any]) -> PaymentNotice:
    reference = strict_json.text(data, "transaction_id", place="data", required=True)
    if not _REFERENCE.fullmatch(reference):
        raise Unreadable("expected 1 to 64 visible ASCII characters", "data.transaction_id")
    channel = _text(data, "channel")
    if channel and channel not in _CHANNELS:
        raise Unreadable(f"expected one of {', '.join(_CHANNELS)}, got {channel[:40]!a}", "data.channel")
    return PaymentNotice(
        source_reference=reference,
        amount=Money(strict_json.whole(data, "amount", place="data"), _currency(data)),
        paid=_PAID[kind],
        paid_at=_moment(data),
        payment_code=_text(data, "payment_code"),
        customer_code=_text(data, "customer_code"),
        end_to_end_id=_text(data, "end_to_end_id"),
        bank_reference=_text(data, "bank_reference") or reference,
        channel=channel,
        narrative=_text(data, "narrative", longest=500),
        payer_account=_text(data, "payer_account"),
        failure_code="" if _PAID[kind] else _text(data, "failure_code", longest=35),
    )


def _mandate(kind: str, data: Mapping[str, Any]) -> MandateAnswer:
    reference = strict_json.text(data, "reference", place="data", required=True)
    if not mandate_answers.REFERENCE.fullmatch(reference):
        raise Unreadable(f"expected {mandate_answers.EXPECTED_REFERENCE}", "data.reference")
    return MandateAnswer("", reference, _MANDATE[kind], _text(data, "reason", longest=200))


def _header(headers: Mapping[str, str], name: str, form: re.Pattern[str], meaning: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise Unproven(f"expected the header {name}, got none")
    if not form.fullmatch(value):
        raise Unproven(f"expected the header {name} to be {meaning}, got {value[:40]!a}")
    return value


def _text(data: Mapping[str, Any], name: str, *, longest: int = 64) -> str:
    return strict_json.text(data, name, place="data", longest=longest)


def _currency(data: Mapping[str, Any]) -> str:
    currency = strict_json.text(data, "currency", place="data", required=True)
    try:
        return check_currency(currency)
    except Unreadable as error:
        raise Unreadable(error.reason, "data.currency") from None


def _moment(data: Mapping[str, Any]) -> datetime:
    written = strict_json.text(data, "paid_at", place="data", required=True)
    try:
        if not _MOMENT.fullmatch(written):
            raise ValueError(written)
        return datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable(
            f"expected a moment with an offset such as 2026-11-18T09:15:00+07:00, got {written[:40]!a}",
            "data.paid_at",
        ) from None


PROFILE: CallbackProfile = Standard()
