"""VNPay's instant payment notification (IPN), version 2.1.0: a GET whose query is the event, and a JSON code as answer.

Signed text: every parameter but `vnp_SecureHash`, `vnp_SecureHashType` and the empty ones, sorted by name, form-encoded
(space → `+`); `vnp_SecureHash` is its HMAC-SHA512 in hex. Fields, after VNPay's integration page:

    vnp_Amount             required  digits, the đồng × 100
    vnp_TxnRef             required  ≤ 100, our reference: the payment code, with "-N" from the second attempt on
    vnp_ResponseCode       required  two characters; 00 = paid, 24 = cancelled by the customer, 07 = suspected fraud
    vnp_TransactionStatus  optional  two characters; 00 = paid, 01 = open, 02 = failed, 04 = reversed …
    vnp_TransactionNo      optional  VNPay's own number; "0" for an attempt that never reached a bank
    vnp_PayDate            optional  yyyyMMddHHmmss in GMT+7
    vnp_OrderInfo          optional  ≤ 255, unaccented text
    vnp_TmnCode, vnp_BankCode, vnp_BankTranNo, vnp_CardType are signed but not needed here.

Source: https://sandbox.vnpayment.vn/apis/docs/thanh-toan-pay/pay.html
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus

from banks.errors import Unproven, Unreadable
from banks.form import Pair, read_pairs
from banks.money import dong
from banks.order_codes import without_attempt
from banks.profile import Asked, CallbackProfile, Secrets, Signed, event_id
from banks.records import Answer, Outcome, PaymentNotice, Proof, RawRequest
from banks.signatures import Hmac, live_keys
from banks.vietnam_time import VIETNAM

_SECRET = "hash_secret"  # noqa: S105 - the name of the secret, not the secret
_SCHEME = Hmac("sha512", "hex")
_HASH, _HASH_TYPE = b"vnp_SecureHash", b"vnp_SecureHashType"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_AMOUNT = re.compile(r"[1-9][0-9]{0,16}")
_REFERENCE = re.compile(r"[!-~]{1,100}")
_CODE = re.compile(r"[0-9A-Za-z]{2}")
_NUMBER = re.compile(r"[0-9]{1,20}")
_PAY_DATE = re.compile(r"[0-9]{14}")

_ANSWERS = {
    Outcome.ACCEPTED: ("00", "Confirm Success"),
    Outcome.ALREADY_PAID: ("02", "Order already confirmed"),
    Outcome.UNKNOWN_BILL: ("01", "Order not found"),
    Outcome.WRONG_AMOUNT: ("04", "Invalid amount"),
    Outcome.UNPROVEN: ("97", "Invalid signature"),
    # The form carries no time, so nothing is ever stale; were it so, the event would be kept and need no repeat.
    Outcome.STALE: ("00", "Confirm Success"),
    Outcome.CONFLICT: ("99", "Unknown error: this event arrived before with other content"),
    Outcome.UNREADABLE: ("99", "Unknown error: the query does not have the documented form"),
    Outcome.TOO_LARGE: ("99", "Unknown error: the query is larger than we accept"),
    Outcome.BUSY: ("99", "Unknown error: the event could not be stored, please send it again"),
}


class Vnpay:
    """VNPay's IPN; see the module's docstring for the form."""

    name = "vnpay"
    method = "GET"
    secrets: tuple[str, ...] = (_SECRET,)
    any_secret = False
    max_bytes = 8 * 1024
    max_age: timedelta | None = None
    asks_bill = True
    answers_each = False

    def prove(self, request: RawRequest, secrets: Secrets, now: datetime) -> Proof:  # noqa: ARG002 - no time in the form
        """Check `vnp_SecureHash`. A text that is not UTF-8 does not hinder the proof; `read` refuses it later."""
        keys = live_keys(secrets, _SECRET)
        try:
            parameters = read_pairs(request.query)
        except Unreadable as error:
            raise Unproven(str(error)) from None
        covered = _covered(parameters)
        canonical = _canonical(covered)
        given = next((one.value for one in parameters if one.name == _HASH), b"")
        if not given:
            raise Unproven("expected vnp_SecureHash in the query, got none", canonical)
        # Libraries differ on escaping ! ( ) * ~ ', so the sender's own escaping is a second candidate. Both texts
        # decode to the very parameters that `read` uses, so whichever fits proves them.
        as_sent = b"&".join(one.wire for one in covered)
        for signed in dict.fromkeys((canonical, as_sent)):
            if _SCHEME.match(signed, given.decode("utf-8", "backslashreplace"), keys) is not None:
                return Proof(_event_id(covered, canonical), signed)
        raise Unproven("vnp_SecureHash is not the HMAC-SHA512 of the other parameters by our key", canonical)

    def read(self, request: RawRequest) -> PaymentNotice:
        """Normalise the query; raise Unreadable naming the parameter."""
        fields = {}
        for one in _covered(read_pairs(request.query)):
            name = one.name.decode("utf-8", "backslashreplace")
            try:
                fields[name] = one.value.decode("utf-8")
            except UnicodeDecodeError:
                raise Unreadable("expected UTF-8", name[:40]) from None
            if _CONTROL.search(fields[name]):
                raise Unreadable("expected text without control characters", name[:40])
        reference = _field(fields, "vnp_TxnRef", _REFERENCE, "1 to 100 visible ASCII characters", required=True)
        number = _real_number(_field(fields, "vnp_TransactionNo", _NUMBER, "1 to 20 digits"))
        code = _field(fields, "vnp_ResponseCode", _CODE, "two characters", required=True)
        status = _field(fields, "vnp_TransactionStatus", _CODE, "two characters")
        order_info = fields.get("vnp_OrderInfo", "")
        if len(order_info) > 255:
            raise Unreadable(f"expected at most 255 characters, got {len(order_info)}", "vnp_OrderInfo")
        if fields.get("vnp_CurrCode", "VND") != "VND":
            raise Unreadable(f"expected VND, got {fields['vnp_CurrCode'][:12]!a}", "vnp_CurrCode")
        return PaymentNotice(
            source_reference=number or f"TxnRef:{reference}",
            amount=dong(_dong(fields)),
            paid=code == "00" and status in ("00", ""),
            paid_at=_paid_at(fields),
            payment_code=without_attempt(reference),
            bank_reference=number,
            channel="wallet",
            narrative=order_info,
        )

    def answer(self, outcome: Outcome, detail: str = "", asked: Asked | None = None) -> Answer:  # noqa: ARG002 - the same for all
        """Say `outcome` as `{"RspCode", "Message"}` under HTTP 200; 00 and 02 stop VNPay's retries, others don't."""
        code, message = _ANSWERS[outcome]
        if detail and code == "99":
            message = f"Unknown error: {detail}"
        said = {"RspCode": code, "Message": message}
        return Answer(200, "application/json", json.dumps(said, ensure_ascii=False).encode())

    def sign(self, request: RawRequest, secrets: Secrets, now: datetime) -> Signed:  # noqa: ARG002 - no time in the form
        """Return the query in canonical order with `vnp_SecureHash` by the newest key at its end."""
        canonical = _canonical(_covered(read_pairs(request.query)))
        signature = _SCHEME.sign(canonical, live_keys(secrets, _SECRET)[0])
        return Signed("GET", canonical + b"&" + _HASH + b"=" + signature.encode("ascii"), {}, b"")


def _covered(parameters: Iterable[Pair]) -> list[Pair]:
    covered = [one for one in parameters if one.value and one.name not in (_HASH, _HASH_TYPE)]
    return sorted(covered, key=lambda one: one.name)


def _canonical(covered: Sequence[Pair]) -> bytes:
    text = "&".join(f"{quote_plus(one.name)}={quote_plus(one.value)}" for one in covered)
    # Python leaves ~ as it is; form-encoding, and VNPay's own samples in PHP and .NET, escape it.
    return text.replace("~", "%7E").encode("ascii")


def _event_id(covered: Sequence[Pair], canonical: bytes) -> str:
    """Return an id that is the same over retries and another for each result of the same reference.

    An attempt without VNPay's number is told apart by its time: references are unique only within a day.
    """
    values = {one.name: one.value.decode("ascii", "replace") for one in covered}
    number = _real_number(values.get(b"vnp_TransactionNo", "")) or f"at{values.get(b'vnp_PayDate', '')}"
    code, status, reference = (
        values.get(name, "") for name in (b"vnp_ResponseCode", b"vnp_TransactionStatus", b"vnp_TxnRef")
    )
    return event_id(f"{number}:{code}:{status}:{reference}" if code and reference else "", canonical)


def _real_number(number: str) -> str:
    return number if number.strip("0") else ""


def _field(fields: Mapping[str, str], name: str, form: re.Pattern[str], meaning: str, *, required: bool = False) -> str:
    value = fields.get(name, "")
    if not value and not required:
        return ""
    if not form.fullmatch(value):
        raise Unreadable(f"expected {meaning}, got {ascii(value[:40]) if value else 'nothing'}", name)
    return value


def _dong(fields: Mapping[str, str]) -> int:
    hundredths = int(_field(fields, "vnp_Amount", _AMOUNT, "1 to 17 digits, the đồng × 100", required=True))
    whole, rest = divmod(hundredths, 100)
    if rest:
        raise Unreadable(f"expected đồng × 100, got {hundredths}, which is not a whole đồng", "vnp_Amount")
    return whole


def _paid_at(fields: Mapping[str, str]) -> datetime | None:
    written = _field(fields, "vnp_PayDate", _PAY_DATE, "yyyyMMddHHmmss")
    if not written:
        return None
    try:
        return datetime.strptime(written, "%Y%m%d%H%M%S").replace(tzinfo=VIETNAM).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable(f"expected yyyyMMddHHmmss, got {written}", "vnp_PayDate") from None


PROFILE: CallbackProfile = Vnpay()
