"""PayOS's webhook of a payment into a linked bank account: a POST of `{"data", "signature", "code", "desc", …}`.

Signed text: the fields of `data` sorted by name, `name=value&…` without escaping, null empty, lists as compact JSON
with sorted keys; `signature` is its HMAC-SHA256 in hex by the channel's checksum key. Only `data` is signed, and only
`data` is read:

    orderCode            required  whole number, our reference
    amount               required  whole đồng received
    reference            required  the bank's own reference of the transfer
    paymentLinkId        required  PayOS's id of the payment link; one link may be paid in several transfers
    code                 required  00 = received
    transactionDateTime  required  local time, "2026-11-18 09:15:00"
    description          optional  what the transfer says
    currency             optional  VND
    counterAccountNumber optional  the payer's account
    accountNumber, desc, virtualAccount…, other counterAccount… are signed but not needed here.

When an address is registered PayOS sends a trial event, order 123 described "VQRIO123", or one referred to as
"MA_GIAO_DICH_THU_NGHIEM"; it is answered like any other and counts as no money.
Sources: https://payos.vn/docs/tich-hop-webhook/kiem-tra-du-lieu-voi-signature/ and PayOS's libraries for Node and
Python, which write lists and null so; they write a nested object as no text that could be checked, so it is refused.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from banks import signed_fields, strict_json, vietnam_time
from banks.errors import Unproven, Unreadable
from banks.money import dong
from banks.profile import Asked, CallbackProfile, Secrets, Signed, event_id
from banks.records import Answer, Outcome, PaymentNotice, Proof, RawRequest
from banks.signatures import Hmac, live_keys
from banks.success_answers import success_answer

_SECRET = "checksum_key"  # noqa: S105 - the name of the secret, not the secret
_SCHEME = Hmac("sha256", "hex", small=True)
_TOKEN = re.compile(r"[!-~]{1,64}")
_TRIAL_REFERENCE, _TRIAL_ORDER = "MA_GIAO_DICH_THU_NGHIEM", (123, "VQRIO123")


class Payos:
    """PayOS's webhook; see the module's docstring for the form."""

    name = "payos"
    method = "POST"
    secrets: tuple[str, ...] = (_SECRET,)
    any_secret = False
    max_bytes = 32 * 1024
    max_age: timedelta | None = None
    asks_bill = False
    answers_each = False

    def prove(self, request: RawRequest, secrets: Secrets, now: datetime) -> Proof:  # noqa: ARG002 - no time of signing
        """Check `signature` over the fields of `data`."""
        keys = live_keys(secrets, _SECRET)
        try:
            body = self._body(request)
            data, given = strict_json.member(body, "data"), strict_json.text(body, "signature")
            signed = _signed(data)
        except Unreadable as error:
            raise Unproven(str(error)) from None
        if not given:
            raise Unproven("expected signature in the body, got none", signed)
        if _SCHEME.match(signed, given, keys) is None:
            raise Unproven("signature is not the HMAC-SHA256 of the fields of data by our checksum key", signed)
        link, reference = (data.get(name) for name in ("paymentLinkId", "reference"))
        told = f"{link}:{reference}" if link and reference and not _is_trial(data) else ""
        return Proof(event_id(told, signed), signed, content=signed)

    def read(self, request: RawRequest) -> PaymentNotice:
        """Normalise `data`; raise Unreadable naming the field, such as "data.amount"."""
        data = strict_json.member(self._body(request), "data")
        signed_fields.check_one_reading(data, data, place="data")
        link, reference, code = (_token(data, name) for name in ("paymentLinkId", "reference", "code"))
        currency = strict_json.text(data, "currency", place="data")
        if currency not in ("", "VND"):
            raise Unreadable(f"expected VND, got {currency[:12]!a}", "data.currency")
        return PaymentNotice(
            source_reference=f"{link}:{reference}",
            amount=dong(strict_json.whole(data, "amount", place="data")),
            paid=code == "00" and not _is_trial(data),
            paid_at=vietnam_time.moment(data, "transactionDateTime", place="data"),
            payment_code=str(strict_json.whole(data, "orderCode", place="data", least=0, most=2**53 - 1)),
            bank_reference=reference,
            channel="transfer",
            narrative=strict_json.text(data, "description", place="data", longest=500),
            payer_account=strict_json.text(data, "counterAccountNumber", place="data", longest=64),
        )

    def answer(self, outcome: Outcome, detail: str = "", asked: Asked | None = None) -> Answer:  # noqa: ARG002 - the same for all
        """Say `{"success": true}` for what is kept, else false under an HTTP status that says why."""
        return success_answer(outcome, detail)

    def sign(self, request: RawRequest, secrets: Secrets, now: datetime) -> Signed:  # noqa: ARG002 - no time of signing
        """Return the body with `signature` by the newest key at its end, written without spaces."""
        body = self._body(request)
        body.pop("signature", None)
        body["signature"] = _SCHEME.sign(_signed(strict_json.member(body, "data")), live_keys(secrets, _SECRET)[0])
        return Signed("POST", request.query, {"content-type": "application/json"}, strict_json.compact(body).encode())

    def _body(self, request: RawRequest) -> dict[str, Any]:
        return strict_json.read_object(request.body, max_bytes=self.max_bytes, exact_numbers=True)


def _signed(data: Mapping[str, Any]) -> bytes:
    # PayOS's libraries take the texts "null" and "undefined" for null.
    plain = {name: None if value in ("null", "undefined") else value for name, value in data.items()}
    return signed_fields.joined(plain, sorted(plain), place="data")


def _token(data: Mapping[str, Any], name: str) -> str:
    value = strict_json.text(data, name, place="data", required=True)
    if not _TOKEN.fullmatch(value):
        raise Unreadable("expected 1 to 64 visible ASCII characters", f"data.{name}")
    return value


def _is_trial(data: Mapping[str, Any]) -> bool:
    # The order's number as well: a description alone is the payer's to choose.
    order = (data.get("orderCode"), data.get("description"))
    return data.get("reference") == _TRIAL_REFERENCE or order == _TRIAL_ORDER


PROFILE: CallbackProfile = Payos()
