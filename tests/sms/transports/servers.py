"""A carrier's server for tests: answers each request with fixed bytes, or as a provider that keeps what it takes."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Scripted:
    """A server that answers each request with fixed bytes, then keeps, holds, drips on or closes the connection."""

    def __init__(self, answer: bytes, *, keep: bool, hold: bool, drip: bool) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.arrived = threading.Event()
        self.hung_up = threading.Event()
        self.done = threading.Event()
        self._answer, self._keep, self._hold, self._drip = answer, keep, hold, drip
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                if self.done.is_set():
                    return
                self.connections += 1
                while self._one(connection) and self._keep:
                    pass
            self.hung_up.set()

    def _one(self, connection: socket.socket) -> bool:
        received = b""
        while b"\r\n\r\n" not in received or len(received.split(b"\r\n\r\n", 1)[1]) < length_of(received):
            piece = connection.recv(65_536)
            if not piece:
                return False
            received += piece
        self.requests.append(received)
        self.arrived.set()
        connection.sendall(self._answer)
        if self._hold:
            self.done.wait(10)
        while self._drip and not self.done.wait(0.02):
            try:
                connection.sendall(b" ")
            except OSError:
                return False
        return True

    def close(self) -> None:
        self.done.set()
        socket.create_connection(self._listener.getsockname()).close()  # wakes accept()
        self._thread.join()
        self._listener.close()


def length_of(received: bytes) -> int:
    for line in received.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


@contextmanager
def scripted(answer: bytes, *, keep: bool = False, hold: bool = False, drip: bool = False) -> Iterator[Scripted]:
    server = Scripted(answer, keep=keep, hold=hold, drip=drip)
    try:
        yield server
    finally:
        server.close()


def http(status: int, body: bytes = b"", head: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s" % (status, head, len(body), body)


@dataclass
class Asked:
    """One request as the provider saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Provider:
    """A provider on a port of its own; `answer` decides on each request, None keeps silent until the end."""

    answer: Callable[[Asked], tuple[int, object] | None]
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""


@contextmanager
def provider(answer: Callable[[Asked], tuple[int, object] | None], **headers: str) -> Iterator[Provider]:
    """Run a provider for a block; objects are answered as JSON, bytes as they are."""
    made = Provider(answer, {name.replace("_", "-"): value for name, value in headers.items()})
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave in one packet
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = Asked(self.command, self.path, dict(self.headers), body)
            made.asked.append(asked)
            said = made.answer(asked)
            if said is None:
                over.wait(10)
                self.close_connection = True
                return
            content = said[1] if isinstance(said[1], bytes) else json.dumps(said[1]).encode()
            self.send_response(said[0])
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            """Keep no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield made
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
