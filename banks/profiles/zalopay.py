"""ZaloPay's callback of a paid order, API v2: a POST of `{"data": "…", "mac": "…", "type": 1}`, and a code as answer.

Signed text: the text `data` exactly as received; `mac` is its HMAC-SHA256 in hex by `key2`, the callback key. `type` is
not signed and not gone by: an agreement's event (2) has neither a transaction number nor an amount. `data` holds JSON:

    zp_trans_id   required  ZaloPay's own number
    app_trans_id  required  yymmdd_ and our reference: the payment code, with "-N" from the second attempt on
    amount        required  whole đồng received
    server_time   required  milliseconds since 1970: when the payment was made, so it tells nothing of this call's age
    embed_data    optional  a text of JSON we attach to an order: {"payment_code", "customer_code", …}
    item          optional  a text of JSON: what we said is being paid
    app_id, app_time, app_user, channel, merchant_user_id, user_fee_amount, discount_amount are not needed here.

ZaloPay calls only for money it has received. Source: https://docs.zalopay.vn/docs/specs/callback-api
"""

import json
import re
from datetime import datetime, timedelta
from typing import Any

from banks import order_codes, strict_json, vietnam_time
from banks.errors import Unproven, Unreadable
from banks.money import dong
from banks.profile import Asked, CallbackProfile, Secrets, Signed, event_id
from banks.records import Answer, Outcome, PaymentNotice, Proof, RawRequest
from banks.signatures import Hmac, live_keys

_SECRET = "key2"  # noqa: S105 - the name of the secret, not the secret
_SCHEME = Hmac("sha256", "hex", small=True)
_DAY = re.compile(r"^[0-9]{6}_")
_REFERENCE = re.compile(r"[!-~]{1,64}")

_ANSWERS = {
    Outcome.ACCEPTED: (1, "success"),
    # ZaloPay has taken the money whatever the bill says: we take note, and people settle the difference.
    Outcome.ALREADY_PAID: (2, "duplicate: the bill is paid already"),
    Outcome.UNKNOWN_BILL: (1, "success"),
    Outcome.WRONG_AMOUNT: (1, "success"),
    # The form carries no time of signing, so nothing is ever stale; were it so, it would be kept and need no repeat.
    Outcome.STALE: (1, "success"),
    Outcome.CONFLICT: (2, "duplicate: this zp_trans_id arrived before with other content"),
    Outcome.UNREADABLE: (-1, "data does not have the documented form"),
    Outcome.UNPROVEN: (-1, "mac not equal"),
    Outcome.TOO_LARGE: (-1, "the body is larger than we accept"),
    Outcome.BUSY: (0, "the event could not be stored, please send it again"),
}


class Zalopay:
    """ZaloPay's order callback; see the module's docstring for the form."""

    name = "zalopay"
    method = "POST"
    secrets: tuple[str, ...] = (_SECRET,)
    any_secret = False
    max_bytes = 32 * 1024
    max_age: timedelta | None = None
    asks_bill = True
    answers_each = False

    def prove(self, request: RawRequest, secrets: Secrets, now: datetime) -> Proof:  # noqa: ARG002 - no time of signing
        """Check `mac` over the text `data`."""
        keys = live_keys(secrets, _SECRET)
        try:
            outer = self._outer(request)
            signed, given = _data(outer).encode(), strict_json.text(outer, "mac")
        except Unreadable as error:
            raise Unproven(str(error)) from None
        if not given:
            raise Unproven("expected mac in the body, got none", signed)
        if _SCHEME.match(signed, given, keys) is None:
            raise Unproven("mac is not the HMAC-SHA256 of data by our key2", signed)
        try:
            number = str(strict_json.whole(self._inner(outer), "zp_trans_id", most=10**18 - 1))
        except Unreadable:
            number = ""
        return Proof(event_id(number, signed), signed, content=signed)

    def read(self, request: RawRequest) -> PaymentNotice:
        """Normalise the text `data`; raise Unreadable naming the field, such as "data.amount"."""
        data = self._inner(self._outer(request))
        number = str(strict_json.whole(data, "zp_trans_id", place="data", most=10**18 - 1))
        reference = strict_json.text(data, "app_trans_id", place="data", required=True)
        if not _REFERENCE.fullmatch(reference):
            raise Unreadable("expected 1 to 64 visible ASCII characters", "data.app_trans_id")
        attached = strict_json.text(data, "embed_data", place="data", longest=2048)
        payment_code, customer_code = order_codes.attached(attached.encode())
        item = strict_json.text(data, "item", place="data", longest=4096)
        return PaymentNotice(
            source_reference=number,
            amount=dong(strict_json.whole(data, "amount", place="data")),
            paid=True,
            paid_at=vietnam_time.milliseconds(data, "server_time", place="data"),
            payment_code=payment_code or order_codes.without_attempt(_DAY.sub("", reference)),
            customer_code=customer_code,
            bank_reference=number,
            channel="wallet",
            narrative="" if item == "[]" else item,
        )

    def answer(self, outcome: Outcome, detail: str = "", asked: Asked | None = None) -> Answer:  # noqa: ARG002 - the same for all
        """Say `outcome` as `{"return_code", "return_message"}` under HTTP 200; ZaloPay calls again only after 0."""
        code, message = _ANSWERS[outcome]
        said = {"return_code": code, "return_message": message}
        if detail and code < 1:
            said["return_message"] = f"{message}: {detail}"
        return Answer(200, "application/json", json.dumps(said, ensure_ascii=False).encode())

    def sign(self, request: RawRequest, secrets: Secrets, now: datetime) -> Signed:  # noqa: ARG002 - no time of signing
        """Return the body, `{"data": "…"}` and whatever stands beside it, with `mac` by the newest key."""
        outer = self._outer(request)
        outer["mac"] = _SCHEME.sign(_data(outer).encode(), live_keys(secrets, _SECRET)[0])
        return Signed("POST", request.query, {"content-type": "application/json"}, strict_json.compact(outer).encode())

    def _outer(self, request: RawRequest) -> dict[str, Any]:
        return strict_json.read_object(request.body, max_bytes=self.max_bytes, exact_numbers=True)

    def _inner(self, outer: dict[str, Any]) -> dict[str, Any]:
        try:
            return strict_json.read_object(_data(outer).encode(), max_bytes=self.max_bytes, exact_numbers=True)
        except Unreadable as error:
            raise Unreadable(error.reason, f"data, {error.place}" if error.place else "data") from None


def _data(outer: dict[str, Any]) -> str:
    return strict_json.text(outer, "data", longest=32 * 1024, required=True)


PROFILE: CallbackProfile = Zalopay()
