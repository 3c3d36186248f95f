"""One request to a carrier and its answer: the one place that knows which failures of HTTP prove that nothing was sent.

What fails before a byte of the request may have left is Refused; whatever fails later is Unsure. The HTTP client is
loaded with the first exchange: every process reads the settings of carriers, and few of them ever speak with one.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from sms import balances
from sms.transport import Refused, Unsure

_MAX_ANSWER = 65_536
_MAX_WAIT = 3600
_DIGITS = re.compile(r"\d{4,}(?=\d{3})")
_WAITS = ("Retry-After", "X-Rate-Limit-Reset")
"""Headers that tell for how many seconds to stay away."""
_SENDER = frozenset((401, 402, 403, 404, 405, 407))
"""Refusals of our key, our balance or our address: each message fares alike until a person has acted."""
_PACE = frozenset((408, 425, 429, 503))
"""Refusals of our pace: this message may fare well later."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A carrier's whole answer; `content` is its JSON object, empty where it is none."""

    status: int
    body: bytes
    wait: timedelta | None
    content: Mapping[str, object]

    def refusal(self, words: object = None) -> Refused | None:
        """Return the refusal that the status alone means; None where it means none."""
        if not 400 <= self.status < 500 and self.status not in _PACE:
            return None
        halts = self.status in _SENDER
        permanent = not halts and self.status not in _PACE
        return Refused(
            spoken(words) or f"the carrier answered {self.status} without a reason",
            permanent=permanent, code=str(self.status), halts=halts, wait=self.wait,
        )  # fmt: skip


class Exchange:
    """A pool of kept-alive connections that serves all threads; `auth` is a user and a password for HTTP Basic.

    Close it, or use it as a context manager.
    """

    def __init__(
        self,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        connect_seconds: float = 5.0,
        read_seconds: float = 15.0,
        connections: int = 20,
    ) -> None:
        import httpx

        self._deadline = read_seconds
        self._client = httpx.Client(
            headers={"Accept": "application/json", **(headers or {})},
            auth=auth,
            timeout=httpx.Timeout(read_seconds, connect=connect_seconds, pool=connect_seconds),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,  # a message with a number in it goes nowhere but to the declared carrier
            trust_env=False,
        )

    def ask(self, method: str, url: str, **parts: Any) -> Answer:
        """Send one request (`parts` as httpx takes them: json, data, params, headers); raise Refused or Unsure."""
        import httpx

        started = time.monotonic()
        try:
            with self._client.stream(method, url, **parts) as response:
                answer = bytearray()
                for piece in response.iter_bytes():
                    answer += piece
                    # A read time-out counts from the last byte only: a dripping answer would hold this thread for ever.
                    if len(answer) > _MAX_ANSWER or time.monotonic() - started > self._deadline:
                        raise Unsure(f"expected a short answer, got {len(answer)} bytes and no end")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:  # nothing was sent
            raise Refused(f"no connection: {type(error).__name__}", permanent=False, code="connect") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Unsure(f"no full answer: {type(error).__name__}") from error
        return Answer(response.status_code, bytes(answer), _wait(response.headers), _content(bytes(answer)))

    def inquire(self, method: str, url: str, **parts: Any) -> Mapping[str, object]:
        """Ask what changes nothing, as for a balance; return the answer with its numbers exact, or raise NotTold."""
        try:
            answer = self.ask(method, url, **parts)
        except (Refused, Unsure) as error:
            raise balances.NotTold(error.reason) from None
        if answer.status != 200:
            raise balances.NotTold(f"the carrier answered {answer.status}")
        return balances.content(answer.body)

    def close(self) -> None:
        """Close all connections; nothing can be asked afterwards."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def checked_url(url: str) -> str:
    """Return a carrier's address as it is; raise ValueError for one that is no http or https address."""
    try:
        read = urlsplit(url)
        sound = bool(read.hostname) and read.port != 0 and url.isprintable() and url == url.strip()
    except ValueError:  # its own words would repeat what stands where a port should, which may be a password
        raise ValueError("expected a carrier address as https://host/path, got a host or a port that is none") from None
    if read.scheme not in ("http", "https") or not sound:
        raise ValueError(f"expected a carrier address as https://host/path, got the scheme {read.scheme!r}")
    return url


def checked_secret(secret: str) -> str:
    """Return a carrier's key as it is; raise ValueError for one that no header can carry."""
    if not secret or not secret.isascii() or not secret.isprintable():
        raise ValueError("expected a carrier token of printable ASCII signs")
    return secret


def reference(value: object) -> str | None:
    """Return the carrier's name for a message, a text or a whole number; None for anything else."""
    if type(value) is int and 0 <= value < 10**18:
        return str(value)
    return value if isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable() else None


def spoken(words: object) -> str:
    """Return a carrier's own words fit to be kept: one line, without the number they may repeat; "" for none."""
    if not isinstance(words, str) or not words.strip():
        return ""
    return _DIGITS.sub("*", "".join(sign for sign in words[:200] if sign.isprintable()))


def refused_by_code(
    code: str, words: object, *, halts: Mapping[str, str], for_good: Mapping[str, str]
) -> Refused | None:
    """Return the refusal that a carrier's own code means, our words for it first; None for a code that means none."""
    if code not in halts and code not in for_good:
        return None
    ours, theirs = halts.get(code) or for_good.get(code, ""), spoken(words)
    reason = f"{ours} ({theirs})" if ours and theirs else ours or theirs or "without a reason"
    return Refused(reason, permanent=code not in halts, code=code, halts=code in halts)


def _content(answer: bytes) -> dict[str, object]:
    """Read the answer's JSON object, or an empty one: what an answer means does not hang on its body alone."""
    try:
        content = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _wait(headers: Mapping[str, str]) -> timedelta | None:
    for name in _WAITS:
        value = headers.get(name, "")
        if re.fullmatch("[0-9]{1,6}", value, re.ASCII):
            return timedelta(seconds=min(int(value), _MAX_WAIT))
    return None
