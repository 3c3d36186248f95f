"""SpeedSMS: brand-name messages by `sms/send` with HTTP Basic, receipts by a POST of JSON.

    POST <url>/index.php/sms/send      Authorization: Basic <token>:x
    {"to": ["849…"], "content", "sms_type": 3, "sender"}
    →  {"status": "success", "code": "00", "data": {"tranId", "totalSMS", "totalPrice", "invalidPhone": []}}
    →  {"status": "error", "code": "105", "message"}

60 requests in 60 seconds, then 429 with `X-Rate-Limit-Reset`. It knows no key of ours again, so what is unsure there
waits for a receipt or a person. Source: the provider's page on its SMS API, read in November 2026.

    GET <url>/index.php/user/info      Authorization: Basic <token>:x
    →  {"status": "success", "code": "00", "data": {"email", "balance": "100000", "currency": "VND"}}

Source: speedsms.vn/sms-api, "API lấy thông tin tài khoản". The examples of its libraries (speedsms.vn/sms-api-service)
show the same names without the envelope, {"email", "balance": 100000.0, "currency"}; both are read.
"""

from collections.abc import Mapping

from sms import receipts
from sms.balances import NotTold, whole_dong
from sms.transport import Accepted, Callback, OutgoingSms, Receipt, Refused, Unsure
from sms.transports.exchange import Answer, Exchange, checked_secret, checked_url, reference, refused_by_code

URL = "https://api.speedsms.vn"
PER_SECOND = 1
BALANCE = "300"
_BRAND_NAME = 3
_HALTS = {
    "007": "our address is locked",
    "008": "the account is blocked",
    "009": "the account may not use their API",
    BALANCE: "the balance is used up",
}
_FOR_GOOD = {
    "101": "the request is not as they want it",
    "105": "the number is not one of theirs",
    "110": "they can't send these signs",
    "113": "the text is too long for them",
}
_FAILED_FROM = 64


class SpeedSmsTransport(Exchange):
    """An account at SpeedSMS, known by its access token."""

    dedupes = False
    remembers = None

    def __init__(
        self,
        token: str,
        *,
        url: str = URL,
        name: str = "speedsms",
        connect_seconds: float = 5.0,
        read_seconds: float = 15.0,
    ) -> None:
        self.name = name
        base = checked_url(url).rstrip("/")
        self._address, self._balance_address = f"{base}/index.php/sms/send", f"{base}/index.php/user/info"
        super().__init__(auth=(checked_secret(token), "x"), connect_seconds=connect_seconds, read_seconds=read_seconds)

    def send(self, message: OutgoingSms) -> Accepted:
        """Hand `message` over; see `sms.transport` for Refused and Unsure."""
        body = {
            "to": [message.to.removeprefix("+")],
            "content": message.text,
            "sms_type": _BRAND_NAME,
            "sender": message.brand,
        }
        return _judge(self.ask("POST", self._address, json=body))

    def balance(self) -> int:
        """Return what is left of our account in whole đồng; raise NotTold."""
        said = self.inquire("GET", self._balance_address)
        if said.get("status", "success") != "success":
            code = reference(said.get("code")) or ""
            raise NotTold(_HALTS.get(code, "status: expected success, got another"))
        data = said.get("data", said)
        account = data if isinstance(data, Mapping) else {}
        if account.get("currency", "VND") != "VND":
            raise NotTold("currency: expected VND, got another")
        return whole_dong(account.get("balance"), "balance")


def read_receipt(callback: Callback) -> Receipt | None:
    """Read {"type": "report", "tranId", "phone", "status"}: 0 arrived, below 64 not yet, from 64 on never.

    None for what tells of no end: it may still arrive, or it is no report. Raises UnreadableReceipt.
    """
    fields = receipts.json_object(callback.body)
    if receipts.short(fields, "type") != "report":
        return None
    status = receipts.whole(fields, "status")
    if 0 < status < _FAILED_FROM:
        return None
    return Receipt(receipts.short(fields, "tranId"), "", status == 0, str(status), callback.at)


def _judge(answer: Answer) -> Accepted:
    said = answer.content
    code = reference(said.get("code")) or ""
    if answer.status == 200 and said.get("status") == "success":
        data = said.get("data")
        taken = data if isinstance(data, Mapping) else {}
        name = reference(taken.get("tranId"))
        if taken.get("totalSMS") == 0 and taken.get("invalidPhone"):
            raise Refused(_FOR_GOOD["105"], permanent=True, code="105")
        if name is None:
            raise Unsure(f"expected a tranId, got {len(answer.body)} bytes without one")
        return Accepted(name)
    by_code = refused_by_code(code, said.get("message"), halts=_HALTS, for_good=_FOR_GOOD)
    if said.get("status") == "error" and by_code is not None:
        raise by_code
    by_status = answer.refusal(said.get("message"))
    if by_status is not None and not by_status.permanent:
        raise by_status
    # 500 is "internal error, please try again": whether the message left before it, they don't say.
    raise Unsure(f"expected a code that says what became of it, got {code[:10] or answer.status}")
