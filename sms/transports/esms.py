"""eSMS (ViHAT): brand-name messages by `SendMultipleMessage_V4_post_json`, receipts by an unsigned GET.

    POST <url>/MainService.svc/json/SendMultipleMessage_V4_post_json/
    {"ApiKey", "SecretKey", "Brandname", "SmsType": "2", "Phone", "Content", "IsUnicode", "Sandbox", "RequestId",
     "CallbackUrl"}  →  200 {"CodeResult", "SMSID", "ErrorMessage", "SendStatus"}

100 accepted; 124 a RequestId that came before, which stays known for 24 hours. Source: the provider's pages for
developers (sending customer care messages, table of error codes, callback URL), read in November 2026.

    POST <url>/MainService.svc/json/GetBalance_json   {"ApiKey", "SecretKey"}
    →  200 {"Balance": 36693, "CodeResponse": "100", "UserID": 9999}
    →  200 {"Balance": 0, "CodeResponse": "101", "ErrorMessage"}

The zero beside another code is no balance. Source: developers.esms.vn, "Hàm lấy số dư tài khoản" (Get balance), which
calls the balance a text and shows a number; the service's own page on GetBalance_json calls it a double.
"""

from datetime import timedelta

from sms import receipts
from sms.balances import NotTold, whole_dong
from sms.encoding import Encoding, choose
from sms.transport import Accepted, Callback, OutgoingSms, Receipt, Refused, Unsure
from sms.transports.exchange import Answer, Exchange, checked_secret, checked_url, reference, refused_by_code, spoken

URL = "https://rest.esms.vn"
BALANCE = "103"
_PATH = "/MainService.svc/json/SendMultipleMessage_V4_post_json/"
_BALANCE_PATH = "/MainService.svc/json/GetBalance_json"
_CUSTOMER_CARE = "2"
_ACCEPTED, _KNOWN = "100", "124"
_HALTS = {
    "101": "the ApiKey or SecretKey is not theirs",
    "102": "the account has no price list",
    BALANCE: "the balance is used up",
    "104": "the brand name is not registered",
    "140": "our address is not on their list",
}
"""Codes that each message meets alike until a person has acted."""
_FOR_GOOD = {
    "108": "the number is not one of theirs",
    "110": "the request is not as they want it",
    "146": "the text follows no registered template",
    "177": "the brand name is not registered with this network",
    "300": "the request is not as they want it",
}
# 99 means a blocked number on one of their pages and any error on another: it proves nothing.
_REJECTED, _DONE = "4", "5"
_NOT_YET = ("1", "2", "7")


class EsmsTransport(Exchange):
    """An account at eSMS; `sandbox` has everything checked and nothing sent, `callback` is our receipt address."""

    dedupes = True
    remembers = timedelta(hours=23)  # they say 24: an hour for the clocks and for the way

    def __init__(
        self,
        api_key: str,
        secret_key: str,
        *,
        url: str = URL,
        name: str = "esms",
        callback: str = "",
        sandbox: bool = False,
        connect_seconds: float = 5.0,
        read_seconds: float = 15.0,
    ) -> None:
        self.name = name
        base = checked_url(url).rstrip("/")
        self._address, self._balance_address = f"{base}{_PATH}", f"{base}{_BALANCE_PATH}"
        self._keys = {"ApiKey": checked_secret(api_key), "SecretKey": checked_secret(secret_key)}
        self._usual = {
            **self._keys,
            "SmsType": _CUSTOMER_CARE,
            "Sandbox": str(int(sandbox)),
        } | ({"CallbackUrl": callback} if callback else {})
        super().__init__(connect_seconds=connect_seconds, read_seconds=read_seconds)

    def send(self, message: OutgoingSms) -> Accepted:
        """Hand `message` over; see `sms.transport` for Refused and Unsure."""
        body = self._usual | {
            "Brandname": message.brand,
            "Phone": "0" + message.to.removeprefix("+84"),
            "Content": message.text,
            "IsUnicode": str(int(choose(message.text) is Encoding.UCS2)),
            "RequestId": message.request_id,
        }
        return _judge(self.ask("POST", self._address, json=body))

    def balance(self) -> int:
        """Return what is left of our account in whole đồng; raise NotTold."""
        said = self.inquire("POST", self._balance_address, json=self._keys)
        code = reference(said.get("CodeResponse"))
        if code != _ACCEPTED:
            raise NotTold(_HALTS.get(code or "", "CodeResponse: expected 100, got another code"))
        return whole_dong(said.get("Balance"), "Balance")


def read_receipt(callback: Callback) -> Receipt | None:
    """Read a callback's query; None for one that tells of no end yet. Raises UnreadableReceipt.

    SendStatus 5 says that they are done with it, not that it arrived: the counts tell that, and one part or receiver
    that failed makes the message undelivered.
    """
    fields = receipts.form(callback.query)
    status = receipts.short(fields, "SendStatus")
    arrived, failed = (receipts.whole(fields, name) for name in ("SendSuccess", "SendFailed"))
    known = receipts.short(fields, "SMSID"), receipts.short(fields, "RequestId", may_be_empty=True)
    code = f"{status}: {arrived} arrived, {failed} failed"
    if status == _REJECTED or (status == _DONE and failed):
        return Receipt(*known, False, code, callback.at)
    if status == _DONE and arrived:
        return Receipt(*known, True, code, callback.at)
    if status in (*_NOT_YET, _DONE):
        return None
    raise receipts.UnreadableReceipt(f"SendStatus: expected 1, 2, 4, 5 or 7, got {status!r}")


def _judge(answer: Answer) -> Accepted:
    if answer.status != 200:
        refusal = answer.refusal()
        if refusal is None or refusal.permanent:  # their verdict on a message stands in CodeResult alone
            raise Unsure(f"expected 200, got {answer.status}")
        raise refusal
    code = reference(answer.content.get("CodeResult")) or ""
    if code == _ACCEPTED:
        return Accepted(reference(answer.content.get("SMSID")) or "")
    words = answer.content.get("ErrorMessage")
    if code == _KNOWN:
        if reference(answer.content.get("SendStatus")) == _REJECTED:
            raise Refused(spoken(words) or "they rejected it when it came first", permanent=True, code=code)
        return Accepted(reference(answer.content.get("SMSID")) or "")
    refusal = refused_by_code(code, words, halts=_HALTS, for_good=_FOR_GOOD)
    if refusal is not None:
        raise refusal
    raise Unsure(f"expected a CodeResult that says what became of it, got {code[:10] or 'none'}")
