"""A line to one endpoint: one connection of its own, and no call on it lasts longer than it may, whatever drips.

A read time-out counts from the last byte only, so a clock of its own hangs up on every call that is not over in time.
"""

import logging
import socket
import ssl
import threading
import time
from types import TracebackType
from typing import Any, Self

import httpx

from gateway import outside
from reconciliation.sealing import mask_numbers
from reconciliation.webhook_sending import Answered

log = logging.getLogger(__name__)

CONNECT_SECONDS, SECONDS = 5.0, 15.0
"""For the way to an endpoint, each step of it, and for its answer; both together are all that a call lasts."""
TOO_SLOW = "no answer: too slow"
_MOST_ANSWER = 65_536
_EXCERPT = 200
_NO_MORE = httpx.Limits(max_connections=1, max_keepalive_connections=1)


class Line:
    """Calls to one endpoint, one after the other; a line is never shared: a connection proves one name alone."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        timeout = httpx.Timeout(SECONDS, connect=CONNECT_SECONDS)
        self._client = httpx.Client(
            timeout=timeout, follow_redirects=False, trust_env=False, verify=tls, limits=_NO_MORE
        )
        self._socket: socket.socket | None = None
        self._late = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._client.close()

    def call(self, url: str, body: bytes, headers: dict[str, str], *, inside: bool) -> Answered:
        """Bring a body to an address and return what came of it, after CONNECT_SECONDS + SECONDS at the latest."""
        started, self._late = time.monotonic(), False
        clock = threading.Timer(CONNECT_SECONDS + SECONDS, self._hang_up)
        clock.daemon = True
        clock.start()
        status: int | None
        try:
            to = outside.place(url, inside=inside, seconds=CONNECT_SECONDS)
            status, said = self._ask(to, body, {"host": to.host, **headers}, started)
        except outside.NotOutside as error:
            status, said = None, f"not sent: {error}"
        except (httpx.HTTPError, OSError, UnicodeError) as error:
            status, said = None, TOO_SLOW if self._late else f"no answer: {type(error).__name__}"
        finally:
            clock.cancel()
        return Answered(status, said, int((time.monotonic() - started) * 1000))

    def _ask(self, to: outside.Place, body: bytes, headers: dict[str, str], started: float) -> tuple[int, str]:
        known = {"sni_hostname": to.name, "trace": self._note}
        with self._client.stream("POST", to.url, content=body, headers=headers, extensions=known) as response:
            read = b""
            for piece in response.iter_raw():
                read += piece
                if len(read) > _MOST_ANSWER or time.monotonic() - started > SECONDS:
                    break
            return response.status_code, _excerpt(response, read)

    def _note(self, what: str, told: dict[str, Any]) -> None:
        if what in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = told["return_value"].get_extra_info("socket")
            if self._late:
                self._hang_up()

    def _hang_up(self) -> None:
        self._late = True
        if self._socket is not None:
            try:
                # Closing would not wake whoever reads from it. Past the TLS layer, whose goodbye nobody waits for.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                log.debug("the line was down already")


def _excerpt(response: httpx.Response, read: bytes) -> str:
    if response.headers.get("content-encoding", "identity") != "identity":
        return ""
    words = "".join(letter if letter.isprintable() else " " for letter in read[:_EXCERPT].decode("utf-8", "replace"))
    return mask_numbers(" ".join(words.split()))
