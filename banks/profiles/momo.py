"""MoMo's instant payment notification (IPN), API v2 and v3: a POST of JSON, answered by HTTP 204 without a body.

Signed text: `accessKey=…&amount=…&extraData=…&message=…&orderId=…&orderInfo=…&orderType=…&partnerCode=…&payType=…
&requestId=…&responseTime=…&resultCode=…&transId=…`, the values as they stand, in UTF-8; `accessKey` is ours and not in
the body. `signature` is its HMAC-SHA256 in hex. Fields, after MoMo's page on notifications:

    orderId       required  our reference: the payment code, with "-N" from the second attempt on
    amount        required  whole đồng
    resultCode    required  0 = paid, 9000 = held and not taken yet, others = not paid
    transId       required  MoMo's own number; 0 for an attempt that never became a transaction
    responseTime  required  milliseconds since 1970: when the attempt ended, so it tells nothing of this call's age
    orderInfo     optional  the order's description
    extraData     optional  base64 of a JSON object we attach to an order: {"payment_code", "customer_code"}
    message, orderType, partnerCode, payType, requestId are signed but not needed here.

Source: https://developers.momo.vn/v3/docs/payment/api/result-handling/notification
"""

import base64
import binascii
import re
from datetime import datetime, timedelta
from typing import Any

from banks import order_codes, signed_fields, strict_json, vietnam_time
from banks.errors import Unproven, Unreadable
from banks.money import dong
from banks.profile import Asked, CallbackProfile, Secrets, Signed, event_id
from banks.records import Answer, Outcome, PaymentNotice, Proof, RawRequest
from banks.signatures import Hmac, live_keys
from banks.success_answers import is_taken, success_answer

_SCHEME = Hmac("sha256", "hex", small=True)
_NAMES = (
    "amount extraData message orderId orderInfo orderType partnerCode payType requestId responseTime resultCode transId"
).split()
_REFERENCE = re.compile(r"[!-~]{1,100}")


class Momo:
    """MoMo's IPN; see the module's docstring for the form."""

    name = "momo"
    method = "POST"
    secrets: tuple[str, ...] = ("access_key", "secret_key")
    any_secret = False
    max_bytes = 16 * 1024
    max_age: timedelta | None = None
    asks_bill = False
    answers_each = False

    def prove(self, request: RawRequest, secrets: Secrets, now: datetime) -> Proof:  # noqa: ARG002 - no time of signing
        """Check `signature` with every pair of a live access key and a live secret key."""
        access_keys, keys = live_keys(secrets, "access_key"), live_keys(secrets, "secret_key")
        try:
            body = self._body(request)
            candidates = [_signed(body, access_key) for access_key in access_keys]
            given = strict_json.text(body, "signature")
        except Unreadable as error:
            raise Unproven(str(error)) from None
        if not given:
            raise Unproven("expected signature in the body, got none", candidates[0])
        fits = [signed for signed in candidates if _SCHEME.match(signed, given, keys) is not None]
        if not fits:
            raise Unproven("signature is not the HMAC-SHA256 of the thirteen fields by our keys", candidates[0])
        told = ":".join(strict_json.written(body.get(name)) for name in ("transId", "resultCode", "orderId"))
        # Without our access key: one that has been changed between two sendings makes no other event.
        content = signed_fields.joined(body, _NAMES)
        return Proof(event_id(told, content), fits[0], content=content)

    def read(self, request: RawRequest) -> PaymentNotice:
        """Normalise the body; raise Unreadable naming the field."""
        body = self._body(request)
        signed_fields.check_one_reading(body, _NAMES)
        reference = strict_json.text(body, "orderId", required=True)
        if not _REFERENCE.fullmatch(reference):
            raise Unreadable("expected 1 to 100 visible ASCII characters", "orderId")
        number = strict_json.whole(body, "transId", least=0, most=10**18 - 1)
        payment_code, customer_code = _attached(strict_json.text(body, "extraData", longest=1000))
        return PaymentNotice(
            source_reference=str(number) if number else f"orderId:{reference}",
            amount=dong(strict_json.whole(body, "amount")),
            paid=strict_json.whole(body, "resultCode", least=-(10**9), most=10**9) == 0,
            paid_at=vietnam_time.milliseconds(body, "responseTime"),
            payment_code=payment_code or order_codes.without_attempt(reference),
            customer_code=customer_code,
            bank_reference=str(number) if number else "",
            channel="wallet",
            narrative=strict_json.text(body, "orderInfo", longest=500),
        )

    def answer(self, outcome: Outcome, detail: str = "", asked: Asked | None = None) -> Answer:  # noqa: ARG002 - the same for all
        """Say 204 for what is kept; MoMo documents no other answer, so a refusal is told by its HTTP status."""
        return Answer(204, "application/json", b"") if is_taken(outcome) else success_answer(outcome, detail)

    def sign(self, request: RawRequest, secrets: Secrets, now: datetime) -> Signed:  # noqa: ARG002 - no time of signing
        """Return the body with `signature` by the newest keys at its end, written without spaces."""
        access_key, key = live_keys(secrets, "access_key")[0], live_keys(secrets, "secret_key")[0]
        body = self._body(request)
        body.pop("signature", None)
        body["signature"] = _SCHEME.sign(_signed(body, access_key), key)
        return Signed("POST", request.query, {"content-type": "application/json"}, strict_json.compact(body).encode())

    def _body(self, request: RawRequest) -> dict[str, Any]:
        return strict_json.read_object(request.body, max_bytes=self.max_bytes, exact_numbers=True)


def _signed(body: dict[str, Any], access_key: str) -> bytes:
    # As bytes, since a key from a command line may hold what is not UTF-8.
    key = access_key.encode("utf-8", "surrogateescape")
    return b"accessKey=" + key + b"&" + signed_fields.joined(body, _NAMES)


def _attached(extra: str) -> tuple[str, str]:
    try:
        return order_codes.attached(base64.b64decode(extra, validate=True))
    except (binascii.Error, ValueError):
        return "", ""


PROFILE: CallbackProfile = Momo()
