"""The sandbox carrier's door: a threaded HTTP server speaking the protocol of `sms.transports.http`.

    POST /messages             takes a message, or answers 409 with the same id for a request_id it knows
    GET  /balance              what is left in đồng (same bearer token as POST); when too little, messages get 402
    GET  /stats                counts: accepted = distinct + duplicates; repeats are the 409s
    GET  /messages?limit=N     the latest messages, numbers masked (same bearer token as POST)

Nothing is written to a log or a disk.
"""

import hmac
import json
import logging
import re
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from sms.numbers import mask
from sms.sandbox.carrier import Carrier, Faults
from sms.sandbox.courier import Courier

TOKEN = "sandbox"  # noqa: S105 - what everybody may know: it guards nothing but the practice carrier
_MAX_BODY = 16_384
_LIMITS = {"request_id": 100, "to": 16, "text": 1600, "brand": 40}
_LIMIT = re.compile(r"[0-9]{1,6}", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,9}", re.ASCII)
_NUMBER = re.compile(r"\+84[0-9]{9}", re.ASCII)
log = logging.getLogger(__name__)


class SmsSandbox:
    """A carrier on `host`:`port` (0 = a free one) while its `with` block lasts; `clock` gives the receipts' time.

    A receipt that nobody takes is told again after `receipts_pause` seconds, and then after twice as long each time.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        host: str = "127.0.0.1",
        port: int = 0,
        receipts_url: str = "",
        token: str = TOKEN,
        seed: int = 0,
        faults: Faults | None = None,
        receipts_pause: float = 0.1,
    ) -> None:
        self.receipts_url = receipts_url
        """Where receipts go; may be set while running, "" sends none."""
        self._host, self._port = host, port
        self._courier = Courier(receipts_pause)
        self._closing = threading.Event()
        carrier = Carrier(seed, faults or Faults(), clock, self._post_receipt)
        self._room = _Room(carrier, f"Bearer {token}".encode(), self.stats, self._closing)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Bind the port and begin to answer, once; raises OSError when the port is taken."""
        self._server = _Server((self._host, self._port), self._room)
        self._courier.start()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sms-sandbox")
        self._thread.start()

    def close(self) -> None:
        """Stop answering, drop every connection, give up receipts still waiting; returns when all threads ended."""
        if self._server is None or self._thread is None:
            return
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.drop_connections()
        self._server.server_close()
        self._courier.close()
        self._server = None

    @property
    def url(self) -> str:
        """The carrier's address, for HttpTransport."""
        if self._server is None:
            raise RuntimeError("expected a running sandbox: use it in a with block, or start() it")
        return f"http://{self._host}:{self._server.server_address[1]}"

    @property
    def faults(self) -> Faults:
        """What goes wrong; may be replaced while running."""
        return self._room.carrier.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._room.carrier.faults = faults

    @property
    def balance(self) -> int:
        """What is left of the account in đồng; may be set while running."""
        return self._room.carrier.balance

    @balance.setter
    def balance(self, left: int) -> None:
        self._room.carrier.balance = left

    def stats(self) -> dict[str, int]:
        """Return the counts so far, as GET /stats gives them."""
        receipts = {f"receipts_{name}": count for name, count in self._courier.counts().items()}
        return self._room.carrier.stats() | receipts

    def messages(self, limit: int = 100) -> list[dict[str, str]]:
        """Return the latest `limit` messages, newest last: as GET /messages, but with numbers whole."""
        return self._room.carrier.messages(limit)

    def drain(self, seconds: float) -> bool:
        """Wait until no receipt is under way; False when some still are after `seconds`."""
        return self._courier.drain(seconds)

    def _post_receipt(self, body: bytes, delay: float) -> None:
        if self.receipts_url:
            self._courier.post(self.receipts_url, body, delay)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve(
    host: str,
    port: int,
    *,
    clock: Callable[[], datetime],
    receipts_url: str = "",
    token: str = TOKEN,
    seed: int = 0,
    faults: Faults | None = None,
    stop: threading.Event | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Run a sandbox until `stop` is set or the thread is interrupted; `ready` is called with its address."""
    sandbox = SmsSandbox(
        clock=clock, host=host, port=port, receipts_url=receipts_url, token=token, seed=seed, faults=faults
    )
    with sandbox:
        if ready is not None:
            ready(sandbox.url)
        (stop or threading.Event()).wait()


@dataclass(frozen=True, slots=True)
class _Room:
    """What the threads of the server share."""

    carrier: Carrier
    bearer: bytes
    stats: Callable[[], dict[str, int]]
    closing: threading.Event

    def proves(self, header: str) -> bool:
        """Tell whether an Authorization header carries this carrier's token."""
        return hmac.compare_digest(header.encode("utf-8", "backslashreplace"), self.bearer)


class _Server(ThreadingHTTPServer):
    """One thread per connection, each joined at the end: no thread is left behind in a closed process."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, place: tuple[str, int], room: _Room) -> None:
        self.room = room
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(place, _Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own asks the name service for the host, which can take seconds
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        """Wake every thread that waits on a kept-alive connection, so that it can be joined."""
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):  # the other end may have left already, which is what we are after
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's signature
        if isinstance(sys.exc_info()[1], ConnectionError):
            self.room.carrier.count("disconnects")  # a client that gave up waiting is part of the exercise
            return
        self.room.carrier.count("errors")
        log.exception("the sandbox carrier failed")


class _Handler(BaseHTTPRequestHandler):
    """One connection; keeps it alive between messages."""

    protocol_version = "HTTP/1.1"
    server_version = "sms-sandbox"
    sys_version = ""
    timeout = 60
    wbufsize = -1  # head and body leave in one packet
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        room = self.server.room
        body = self._body()
        if body is None:
            return
        if self.path != "/messages":
            self._answer(404, {"error": "expected POST /messages"})
        elif not room.proves(self.headers.get("Authorization", "")):
            self._answer(401, {"error": "expected the bearer token of this carrier"})
        elif room.carrier.storming():
            self._answer(429, {"error": "too many requests"})
        else:
            self._take(room, body)

    def do_GET(self) -> None:
        room = self.server.room
        target = urlsplit(self.path)
        if target.path == "/stats":
            self._answer(200, room.stats())
        elif target.path not in ("/balance", "/messages"):
            self._answer(404, {"error": "expected /balance, /stats or /messages"})
        elif not room.proves(self.headers.get("Authorization", "")):
            self._answer(401, {"error": "expected the bearer token of this carrier"})
        elif target.path == "/balance":
            self._answer(200, {"balance": room.carrier.balance})
        else:
            limit = parse_qs(target.query).get("limit", ["100"])[0]
            if not _LIMIT.fullmatch(limit):
                self._answer(400, {"error": "limit: expected a whole number"})
                return
            self._answer(200, [{**message, "to": mask(message["to"])} for message in room.carrier.messages(int(limit))])

    def log_message(self, format: str, *args: Any) -> None:
        """Keep no log: a request line may carry a token, a message carries a number."""

    def _take(self, room: _Room, body: bytes) -> None:
        message = _message(body)
        if isinstance(message, str):
            room.carrier.count("refused")
            self._answer(422, {"error": message})
            return
        status, answer = room.carrier.take(message)
        if status == 202 and room.carrier.keeps_silent(message["request_id"]):
            room.closing.wait(room.carrier.faults.hold_seconds)
            self.close_connection = True
        else:
            self._answer(status, answer)

    def _body(self) -> bytes | None:
        """Read the body; None after a refusal, which ends the connection since its bytes were not read."""
        length = self.headers.get("Content-Length", "")
        if not _LENGTH.fullmatch(length):
            self.close_connection = True
            self._answer(411, {"error": "expected a Content-Length"})
            return None
        if int(length) > _MAX_BODY:
            self.close_connection = True
            self._answer(413, {"error": f"expected at most {_MAX_BODY} bytes"})
            return None
        return self.rfile.read(int(length))

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def _message(body: bytes) -> dict[str, str] | str:
    """Read a message, or say what was expected."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return "expected a JSON object"
    if not isinstance(content, dict):
        return "expected a JSON object"
    for name, limit in _LIMITS.items():
        value = content.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= limit:
            return f"{name}: expected a text of 1 to {limit} signs"
    if not _NUMBER.fullmatch(content["to"]):
        return "to: expected +84 and nine digits"
    return {name: content[name] for name in _LIMITS}
