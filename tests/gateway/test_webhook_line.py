"""Lines to endpoints: no call outlasts its time whatever drips, and no two endpoints share a connection."""

import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway import outside, webhook_line, webhook_sender
from gateway.database import transaction
from gateway.webhook_line import Line
from reconciliation import webhook_endpoints

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n"
HEADERS, BODY = ANSWER + b"x-slow: ", ANSWER + b"\r\n"
STEP = 0.05
MOST_SECONDS = 1.5


class Dripper:
    """A system that answers each call with one byte after the other, for ever; says when its first caller left."""

    def __init__(self, beginning):
        self.beginning, self.left, self._ends = beginning, threading.Event(), threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def _listen(self):
        while not self._ends.is_set():
            caller, _ = self._listening.accept()
            self._threads.append(threading.Thread(target=self._drip, args=(caller,)))
            self._threads[-1].start()

    def _drip(self, caller):
        with caller:
            try:
                caller.sendall(self.beginning)
                while not self._ends.wait(STEP):
                    caller.sendall(b"a")
            except OSError:
                self.left.set()

    def close(self):
        self._ends.set()
        socket.create_connection(self._listening.getsockname()).close()
        for one in self._threads:
            one.join()
        self._listening.close()


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(webhook_line, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(webhook_line, "SECONDS", 1.0)


@pytest.fixture
def drip():
    made = []

    def do(beginning):
        made.append(Dripper(beginning))
        return made[-1]

    yield do
    for one in made:
        one.close()


@pytest.fixture
def quick():
    """A system that takes whatever comes."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.server.noted()
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.noted, server.url = lambda: None, f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def line():
    with Line(httpx.create_ssl_context(trust_env=False)) as made:
        yield made


def test_an_endpoint_that_drips_headers_holds_up_nobody_else_and_its_failures_are_kept(wiring, drip, quick, paid, rows):
    slow = drip(HEADERS)
    with transaction(wiring.engine) as session:
        for url in (slow.url, quick.url):
            webhook_endpoints.add(
                session, url, ["payment.matched"], sealer=wiring.sealer, by="test", now=wiring.clock()
            )  # fmt: skip
    paid(*range(1, 10))
    left = []
    quick.noted = lambda: left.append(slow.left.is_set())
    assert webhook_sender.send_due(wiring) == (9, False)
    assert left == [False] * 9, "the others' events go out while the slow one still holds its first call"
    assert rows(
        "SELECT e.url, a.status, a.said, count(*) FROM webhook_attempts a"
        " JOIN webhook_sendings s ON s.id = a.sending_id"
        " JOIN webhook_endpoints e ON e.id = s.endpoint_id GROUP BY e.id, a.status, a.said ORDER BY e.id"
    ) == [(slow.url, None, "no answer: too slow", 9), (quick.url, 200, "", 9)]
    assert rows("SELECT max(took_ms) < 3000 FROM webhook_attempts") == [True]
    assert rows("SELECT failures FROM webhook_endpoints ORDER BY id") == [9, 0]


@pytest.mark.parametrize(
    ("beginning", "became"),
    [(HEADERS, (None, "no answer: too slow")), (BODY, (200, "a" * 10))],
    ids=["headers", "body"],
)
def test_a_call_is_over_in_time_whatever_drips_and_the_next_one_goes_through(line, drip, quick, beginning, became):
    started = time.monotonic()
    answered = line.call(drip(beginning).url, b"{}", {}, inside=True)
    assert (answered.status, answered.said[: len(became[1])]) == became
    assert time.monotonic() - started < MOST_SECONDS * 2
    assert line.call(quick.url, b"{}", {}, inside=True).taken


def test_a_name_that_nobody_finds_in_time_holds_up_nothing(line, monkeypatch):
    ends = threading.Event()
    monkeypatch.setattr(outside.socket, "getaddrinfo", lambda *_args, **_more: ends.wait(20) and [])
    started = time.monotonic()
    answered = line.call("https://hooks.example.vn/", b"{}", {}, inside=True)
    ends.set()
    assert (answered.status, answered.said) == (None, "no answer: TimeoutError")
    assert time.monotonic() - started < MOST_SECONDS * 2


@pytest.fixture
def proving(tmp_path, monkeypatch):
    """A system of two names at one address; notes for which name each call's connection was proven, and its Host."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks")])
    names = x509.SubjectAlternativeName([x509.DNSName("crm.example.vn"), x509.DNSName("billing.example.vn")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, SHA256())
    )
    written = tmp_path / "both.pem"
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    written.write_bytes(made.public_bytes(Encoding.PEM) + sealed)
    trusting = ssl.create_default_context(cafile=str(written))
    monkeypatch.setattr(webhook_sender.httpx, "create_ssl_context", lambda **_: trusting)
    local = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    monkeypatch.setattr(outside.socket, "getaddrinfo", lambda _name, port, *_, **__: [(*local, ("127.0.0.1", port))])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.server.noted.append((self.connection.proven, self.headers["host"].partition(":")[0]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(written)
    serving.sni_callback = lambda connection, name, _context: setattr(connection, "proven", name)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = serving.wrap_socket(server.socket, server_side=True)
        server.noted = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_two_names_at_one_address_share_no_connection(wiring, proving, paid, monkeypatch):
    monkeypatch.setattr(webhook_sender, "_LINES", 1)
    hosts = ["billing.example.vn", "crm.example.vn"]
    with transaction(wiring.engine) as session:
        for host in hosts:
            webhook_endpoints.add(
                session, f"https://{host}:{proving.server_port}/", ["payment.matched"], sealer=wiring.sealer, by="test",
                now=wiring.clock(),
            )  # fmt: skip
    paid(1, 2, 3)
    assert webhook_sender.send_due(wiring) == (6, False)
    assert sorted(proving.noted) == [(host, host) for host in hosts for _ in range(3)]
