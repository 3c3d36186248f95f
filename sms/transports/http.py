"""The plain HTTP carrier: our own declared protocol, JSON over keep-alive connections; the sandbox speaks it.

    POST <url>/messages        Authorization: Bearer <token>
    {"request_id": "…", "to": "+84…", "text": "…", "brand": "…"}

202 {"id"} accepted; 409 {"id"} this request_id was accepted before (so repeating is safe); 4xx {"error"} refused, for
good when the message is at fault; 429 and 503 refused for now. Whatever else comes back proves nothing.

    GET <url>/balance          Authorization: Bearer <token>

200 {"balance": 53380}, what is left in đồng; a carrier that keeps no account for us answers 404.
"""

from sms import receipts
from sms.balances import whole_dong
from sms.transport import Accepted, Callback, OutgoingSms, Receipt, Unsure
from sms.transports.exchange import Answer, Exchange, checked_secret, checked_url, reference


class HttpTransport(Exchange):
    """A carrier at `url`; one pool of connections serves all threads. Close it, or use it as a context manager."""

    dedupes = True
    remembers = None

    def __init__(
        self,
        url: str,
        token: str,
        *,
        name: str = "http",
        connect_seconds: float = 5.0,
        read_seconds: float = 15.0,
        connections: int = 20,
    ) -> None:
        self.name = name
        base = checked_url(url).rstrip("/")
        self._address, self._balance_address = f"{base}/messages", f"{base}/balance"
        super().__init__(
            headers={"Authorization": f"Bearer {checked_secret(token)}"},
            connect_seconds=connect_seconds, read_seconds=read_seconds, connections=connections,
        )  # fmt: skip

    def send(self, message: OutgoingSms) -> Accepted:
        """Hand `message` over; see `sms.transport` for Refused and Unsure."""
        body = {"request_id": message.request_id, "to": message.to, "text": message.text, "brand": message.brand}
        return _judge(self.ask("POST", self._address, json=body))

    def balance(self) -> int:
        """Return what is left of our account in whole đồng; raise NotTold."""
        return whole_dong(self.inquire("GET", self._balance_address).get("balance"), "balance")


def read_receipt(callback: Callback) -> Receipt:
    """Read what this carrier leaves at its receipt address; raise UnreadableReceipt."""
    return receipts.parse(callback.body)


def _judge(answer: Answer) -> Accepted:
    """Read the carrier's answer: Accepted, or the right one of the two errors."""
    if answer.status in (202, 409):
        name = reference(answer.content.get("id"))
        if name is None or not isinstance(answer.content["id"], str):
            raise Unsure(f'{answer.status}: expected {{"id"}}, got {len(answer.body)} bytes without one')
        return Accepted(name)
    refusal = answer.refusal(answer.content.get("error"))
    if refusal is not None:
        raise refusal
    raise Unsure(f"expected 202, 409 or a refusal, got {answer.status}")
