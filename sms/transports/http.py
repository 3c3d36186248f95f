"""The plain HTTP carrier: our own declared protocol, JSON over keep-alive connections; the sandbox speaks it.

    POST <url>/messages        Authorization: Bearer <token>
    {"request_id": "…", "to": "+84…", "text": "…", "brand": "…"}

202 {"id"} accepted; 409 {"id"} this request_id was accepted before (so repeating is safe); 4xx {"error"} refused, for
good when the message is at fault; 429 and 503 refused for now. Whatever else comes back proves nothing.
"""

import json
import re
import time
from types import TracebackType
from typing import Self

import httpx

from sms.transport import Accepted, OutgoingSms, Refused, Unsure

_MAX_ANSWER = 65_536
_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_AT_FAULT_IS_NOT_THE_MESSAGE = frozenset((401, 402, 403, 404, 405, 407, 408, 425, 429, 503))
"""Refusals of our key, balance, address or pace: the next message fares no better, and this one may fare well later."""
_DIGITS = re.compile(r"\d{4,}(?=\d{3})")


class HttpTransport:
    """A carrier at `url`; one pool of connections serves all threads. Close it, or use it as a context manager."""

    dedupes = True

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
        if httpx.URL(url).scheme not in ("http", "https") or not httpx.URL(url).host:
            raise ValueError(
                f"expected a carrier address as https://host/path, got the scheme {httpx.URL(url).scheme!r}"
            )
        if not token or not token.isascii() or not token.isprintable():
            raise ValueError("expected a carrier token of printable ASCII signs")
        self.name = name
        self._address = f"{url.rstrip('/')}/messages"
        self._deadline = read_seconds
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=httpx.Timeout(read_seconds, connect=connect_seconds, pool=connect_seconds),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,  # a message with a number in it goes nowhere but to the declared carrier
            trust_env=False,
        )

    def send(self, message: OutgoingSms) -> Accepted:
        """Hand `message` over; see `sms.transport` for Refused and Unsure."""
        body = {"request_id": message.request_id, "to": message.to, "text": message.text, "brand": message.brand}
        started = time.monotonic()
        try:
            with self._client.stream("POST", self._address, json=body) as response:
                answer = bytearray()
                for piece in response.iter_bytes():
                    answer += piece
                    # A read time-out counts from the last byte only: a dripping answer would hold this thread for ever.
                    if len(answer) > _MAX_ANSWER or time.monotonic() - started > self._deadline:
                        raise Unsure(f"expected a short answer, got {len(answer)} bytes and no end")
        except _NOTHING_SENT as error:
            raise Refused(f"no connection: {type(error).__name__}", permanent=False, code="connect") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Unsure(f"no full answer: {type(error).__name__}") from error
        return _judge(response.status_code, bytes(answer))

    def close(self) -> None:
        """Close all connections; the transport can't be used afterwards."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _judge(status: int, answer: bytes) -> Accepted:
    """Read the carrier's answer: Accepted, or the right one of the two errors."""
    content = _content(answer)
    if status in (202, 409):
        reference = content.get("id")
        if isinstance(reference, str) and 0 < len(reference) <= 100 and reference.isprintable():
            return Accepted(reference)
        raise Unsure(f'{status}: expected {{"id"}}, got {len(answer)} bytes without one')
    if status in _AT_FAULT_IS_NOT_THE_MESSAGE or 400 <= status < 500:
        permanent = status not in _AT_FAULT_IS_NOT_THE_MESSAGE
        raise Refused(_reason(content, status), permanent=permanent, code=str(status))
    raise Unsure(f"expected 202, 409 or a refusal, got {status}")


def _content(answer: bytes) -> dict[str, object]:
    """Read the answer's JSON object, or an empty one: a refusal counts by its status, whatever its body."""
    try:
        content = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _reason(content: dict[str, object], status: int) -> str:
    """Repeat the carrier's own words, without the number they may repeat."""
    words = content.get("error")
    if not isinstance(words, str) or not words.strip():
        return f"the carrier answered {status} without a reason"
    return _DIGITS.sub("*", "".join(sign for sign in words[:200] if sign.isprintable()))
