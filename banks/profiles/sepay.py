"""SePay's webhook of a transaction on a linked bank account: a POST of JSON, proven by a signature or by an API key.

By `webhook_secret`: `X-SePay-Signature: sha256=<hex>` is the HMAC-SHA256 of `X-SePay-Timestamp` (Unix seconds), a full
stop and the raw body; more than five minutes of drift sets the event aside. By `api_key`: `Authorization: Apikey
<key>`, which tells who sends and neither what nor when. Each configured secret opens its way; a request that carries a
signature is judged by it whenever we hold a webhook secret, and a wrong one is not saved by a right key. Fields:

    id               required  SePay's own number of the transaction
    transferType     required  in | out; what goes out is no payment to us, and the statement books it
    transferAmount   required  whole đồng, positive both ways
    transactionDate  required  local time, "2026-11-18 09:15:00"
    code             optional  the payment code that SePay recognised by the prefixes we gave it
    content          optional  what the transfer says
    referenceCode    optional  the bank's own reference
    gateway, accountNumber, subAccount, accumulated, description are not needed here.

Sources: https://developer.sepay.vn/en/sepay-webhooks/xac-thuc and …/tich-hop-webhook
"""

import re
from datetime import datetime, timedelta
from typing import Any

from banks import strict_json, vietnam_time
from banks.errors import Misconfigured, Unproven, Unreadable
from banks.money import dong
from banks.profile import Asked, CallbackProfile, Secrets, Signed, event_id
from banks.records import Answer, Outcome, PaymentNotice, Proof, RawRequest
from banks.signatures import Hmac, live_keys, match_token
from banks.success_answers import success_answer

_SIGNING, _API_KEY = "webhook_secret", "api_key"
_SCHEME = Hmac("sha256", "hex", small=True)
_SECONDS = re.compile(r"[0-9]{1,12}")
_AUTHORIZATION = re.compile(r"apikey +(\S.*)", re.IGNORECASE)


class Sepay:
    """SePay's webhook; see the module's docstring for the form."""

    name = "sepay"
    method = "POST"
    secrets: tuple[str, ...] = (_SIGNING, _API_KEY)
    any_secret = True
    max_bytes = 32 * 1024
    max_age: timedelta | None = timedelta(minutes=5)
    asks_bill = False
    answers_each = False

    def prove(self, request: RawRequest, secrets: Secrets, now: datetime) -> Proof:
        """Check the signature or the key; the age of a signature is for the caller to judge, a key has none."""
        given = request.headers.get("x-sepay-signature", "")
        if _SIGNING in secrets and (given or _API_KEY not in secrets):
            keys = live_keys(secrets, _SIGNING)
            seconds = _seconds(request)
            signed = f"{seconds}.".encode("ascii") + request.body
            if not given:
                raise Unproven("expected the header X-SePay-Signature, got none", signed)
            scheme, _, signature = given.partition("=")
            if scheme != "sha256" or _SCHEME.match(signed, signature, keys) is None:
                raise Unproven(
                    "X-SePay-Signature is not sha256= and the HMAC-SHA256 of timestamp and body by our secret", signed
                )
            return Proof(self._event_id(request), signed, now.timestamp() - int(seconds))
        if _API_KEY not in secrets:
            raise Misconfigured(f"expected the secret {_SIGNING} or {_API_KEY}, got neither")
        keys = live_keys(secrets, _API_KEY)
        offered = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if offered is None:
            raise Unproven("expected the header Authorization as 'Apikey …', got none of that form")
        if match_token(offered[1], keys) is None:
            raise Unproven("the key in Authorization is not ours")
        return Proof(self._event_id(request), b"")

    def read(self, request: RawRequest) -> PaymentNotice:
        """Normalise the body; raise Unreadable naming the field."""
        body = self._body(request)
        direction = strict_json.text(body, "transferType", required=True)
        if direction not in ("in", "out"):
            raise Unreadable(f"expected in or out, got {direction[:40]!a}", "transferType")
        amount = dong(strict_json.whole(body, "transferAmount"))
        return PaymentNotice(
            source_reference=_number(body),
            amount=amount if direction == "in" else -amount,
            paid=direction == "in",
            paid_at=vietnam_time.moment(body, "transactionDate"),
            payment_code=strict_json.text(body, "code", longest=64),
            bank_reference=strict_json.text(body, "referenceCode", longest=128),
            channel="transfer",
            narrative=strict_json.text(body, "content", longest=1000),
        )

    def answer(self, outcome: Outcome, detail: str = "", asked: Asked | None = None) -> Answer:  # noqa: ARG002 - the same for all
        """Say `{"success": true}` for what is kept, else false under an HTTP status that makes SePay try again."""
        return success_answer(outcome, detail)

    def sign(self, request: RawRequest, secrets: Secrets, now: datetime) -> Signed:
        """Sign the body at `now` with the newest webhook secret, or show the newest API key when there is none."""
        headers = {"content-type": "application/json"}
        if _SIGNING in secrets:
            seconds = str(int(now.timestamp()))
            signature = _SCHEME.sign(f"{seconds}.".encode("ascii") + request.body, live_keys(secrets, _SIGNING)[0])
            headers |= {"x-sepay-timestamp": seconds, "x-sepay-signature": f"sha256={signature}"}
        else:
            headers["authorization"] = f"Apikey {live_keys(secrets, _API_KEY)[0]}"
        return Signed("POST", request.query, headers, request.body)

    def _event_id(self, request: RawRequest) -> str:
        try:
            return event_id(_number(self._body(request)), request.body)
        except Unreadable:
            return event_id("", request.body)

    def _body(self, request: RawRequest) -> dict[str, Any]:
        return strict_json.read_object(request.body, max_bytes=self.max_bytes, exact_numbers=True)


def _seconds(request: RawRequest) -> str:
    seconds = request.headers.get("x-sepay-timestamp", "")
    if not _SECONDS.fullmatch(seconds):
        arrived = ascii(seconds[:40]) if seconds else "none"
        raise Unproven(f"expected the header X-SePay-Timestamp to be whole Unix seconds, got {arrived}")
    return seconds


def _number(body: dict[str, Any]) -> str:
    return str(strict_json.whole(body, "id", most=10**18 - 1))


PROFILE: CallbackProfile = Sepay()
