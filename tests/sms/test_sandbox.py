"""The practice carrier over real HTTP: what it takes, counts and posts back, its faults, and a clean end."""

import json
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from sms.receipts import parse
from sms.sandbox import Faults, SmsSandbox, serve
from sms.sandbox.carrier import PRICE
from sms.sandbox.courier import TRIES, Courier
from sms.transport import OutgoingSms, Receipt, Refused, Unsure
from sms.transports.http import HttpTransport

NOON = datetime(2026, 6, 25, 5, tzinfo=UTC)
BODY: dict[str, Any] = {"request_id": "r-1", "to": "+84912345678", "text": "844.960 d", "brand": "EVN"}
AUTH = {"Authorization": "Bearer sandbox"}


def message(number: int) -> OutgoingSms:
    return OutgoingSms(f"r-{number}", f"+8491234{number:04}", f"text {number}", "EVN")


class Gateway(HTTPServer):
    """Takes receipts; answers with the planned statuses first, then 204."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.plan: list[int] = []
        super().__init__(("127.0.0.1", 0), ReceiptHandler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/sms/receipts/sandbox/token"

    def receipts(self) -> list[Receipt]:
        return [parse(body) for body in self.bodies]


class ReceiptHandler(BaseHTTPRequestHandler):
    server: Gateway

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.plan.pop(0) if self.server.plan else 204
        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def sandbox() -> Iterator[SmsSandbox]:
    with SmsSandbox(clock=lambda: NOON) as running:
        yield running


def post(sandbox: SmsSandbox, body: object = BODY, headers: dict[str, str] = AUTH) -> httpx.Response:
    return httpx.post(f"{sandbox.url}/messages", json=body, headers=headers, trust_env=False)


def test_a_message_is_taken_once(sandbox: SmsSandbox) -> None:
    first, again = post(sandbox), post(sandbox)
    assert (first.status_code, again.status_code) == (202, 409)
    assert first.json() == again.json() == {"id": sandbox.messages()[0]["id"]}
    stats = sandbox.stats()
    assert {name: stats[name] for name in ("accepted", "distinct", "duplicates", "repeats")} == {
        "accepted": 1,
        "distinct": 1,
        "duplicates": 0,
        "repeats": 1,
    }


def test_each_message_costs_and_none_is_taken_once_the_balance_is_too_little(sandbox: SmsSandbox) -> None:
    full = sandbox.balance
    assert [post(sandbox, BODY | {"request_id": f"r-{number}"}).status_code for number in (1, 2, 2)] == [202, 202, 409]
    told = httpx.get(f"{sandbox.url}/balance", headers=AUTH, trust_env=False)
    assert (told.status_code, told.json()) == (200, {"balance": full - 2 * PRICE})
    sandbox.balance = PRICE - 1
    assert post(sandbox, BODY | {"request_id": "r-3"}).status_code == 402
    assert post(sandbox, BODY | {"request_id": "r-2"}).status_code == 409, "it was paid for"
    sandbox.balance = PRICE
    assert post(sandbox, BODY | {"request_id": "r-3"}).status_code == 202
    assert (sandbox.balance, sandbox.stats()["refused"]) == (0, 1)


def test_the_same_text_under_another_key_is_a_duplicate(sandbox: SmsSandbox) -> None:
    post(sandbox)
    post(sandbox, BODY | {"request_id": "r-2"})
    post(sandbox, BODY | {"request_id": "r-3", "to": "+84912345679"})
    stats = sandbox.stats()
    assert (stats["accepted"], stats["distinct"], stats["duplicates"]) == (3, 2, 1)


def test_a_key_used_for_another_message_is_refused(sandbox: SmsSandbox) -> None:
    post(sandbox)
    assert post(sandbox, BODY | {"text": "999 d"}).status_code == 422
    assert sandbox.stats()["accepted"] == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": "0912345678"}, "to"),
        ({"to": "+84912345678 "}, "to"),
        ({"text": ""}, "text"),
        ({"text": "x" * 1601}, "text"),
        ({"request_id": None}, "request_id"),
        ({"brand": 7}, "brand"),
    ],
)
def test_a_message_of_another_shape_is_refused_by_name(sandbox: SmsSandbox, change: dict[str, Any], field: str) -> None:
    answer = post(sandbox, BODY | change)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(f"{field}: expected")
    assert sandbox.stats()["refused"] == 1


@pytest.mark.parametrize("body", [[], "text", None, 5])
def test_a_body_that_is_no_object_is_refused(sandbox: SmsSandbox, body: object) -> None:
    assert post(sandbox, body).status_code == 422


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer other"}, {"Authorization": "sandbox"}])
def test_the_token_guards_messages_and_not_the_counts(sandbox: SmsSandbox, headers: dict[str, str]) -> None:
    assert post(sandbox, headers=headers).status_code == 401
    for guarded in ("messages", "balance"):
        assert httpx.get(f"{sandbox.url}/{guarded}", headers=headers, trust_env=False).status_code == 401
    assert httpx.get(f"{sandbox.url}/stats", headers=headers, trust_env=False).json() == sandbox.stats()
    assert sandbox.stats()["accepted"] == 0


def test_the_latest_messages_are_shown_with_masked_numbers(sandbox: SmsSandbox) -> None:
    with HttpTransport(sandbox.url, "sandbox") as transport:
        for number in range(5):
            transport.send(message(number))
    answer = httpx.get(f"{sandbox.url}/messages?limit=2", headers=AUTH, trust_env=False)
    assert [shown["request_id"] for shown in answer.json()] == ["r-3", "r-4"]
    assert [shown["to"] for shown in answer.json()] == ["*********003", "*********004"]
    assert sandbox.messages(1)[0]["to"] == "+84912340004"
    assert sandbox.messages(0) == []
    assert httpx.get(f"{sandbox.url}/messages?limit=-1", headers=AUTH, trust_env=False).status_code == 400
    assert httpx.get(f"{sandbox.url}/else", headers=AUTH, trust_env=False).status_code == 404
    assert httpx.post(f"{sandbox.url}/else", json={}, headers=AUTH, trust_env=False).status_code == 404


@pytest.mark.parametrize(
    ("head", "status"), [(b"", b"411"), (b"Content-Length: 99999999\r\n", b"413"), (b"Content-Length: -1\r\n", b"411")]
)
def test_a_body_without_an_end_is_not_read(sandbox: SmsSandbox, head: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rsplit(":", 1)[1])), 5) as line:
        line.sendall(b"POST /messages HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
        answer = line.makefile("rb").read()  # ends: the server closes
    assert answer.startswith(b"HTTP/1.1 " + status)


def test_receipts_come_back_for_what_was_taken(gateway: Gateway) -> None:
    sandbox = SmsSandbox(clock=lambda: NOON, receipts_url=gateway.url, seed=7, faults=Faults(undelivered=0.3))
    with sandbox, HttpTransport(sandbox.url, "sandbox") as transport:
        references = {f"r-{n}": transport.send(message(n)).provider_ref for n in range(40)}
        assert sandbox.drain(10)
        stats = sandbox.stats()
    receipts = gateway.receipts()
    assert {receipt.request_id: receipt.provider_ref for receipt in receipts} == references
    assert len(receipts) == stats["receipts_acknowledged"] == 40
    assert {receipt.at for receipt in receipts} == {NOON}
    undelivered = {receipt.request_id for receipt in receipts if not receipt.delivered}
    assert 0 < len(undelivered) == stats["undelivered"] < 40


def test_the_seed_decides_and_not_the_order(gateway: Gateway) -> None:
    def undelivered(seed: int, numbers: range, threads: int) -> set[str]:
        gateway.bodies.clear()
        faults = Faults(undelivered=0.4)
        with SmsSandbox(clock=lambda: NOON, receipts_url=gateway.url, seed=seed, faults=faults) as sandbox:
            with HttpTransport(sandbox.url, "sandbox") as transport, ThreadPoolExecutor(threads) as pool:
                list(pool.map(transport.send, map(message, numbers)))
            assert sandbox.drain(10)
        return {receipt.request_id for receipt in gateway.receipts() if not receipt.delivered}

    first = undelivered(1, range(30), 1)
    assert first == undelivered(1, range(29, -1, -1), 4)
    assert first != undelivered(2, range(30), 1)


def test_receipts_can_come_twice_or_never(gateway: Gateway) -> None:
    faults = Faults(receipts_twice=1)
    sandbox = SmsSandbox(clock=lambda: NOON, receipts_url=gateway.url, faults=faults)
    with sandbox, HttpTransport(sandbox.url, "sandbox") as transport:
        transport.send(message(1))
        assert sandbox.drain(10)
        assert len(gateway.bodies) == 2
        sandbox.faults = Faults(receipts_lost=1)
        transport.send(message(2))
        assert sandbox.drain(10)
    assert Counter(receipt.request_id for receipt in gateway.receipts()) == {"r-1": 2}


def test_a_receipt_is_repeated_until_acknowledged(gateway: Gateway) -> None:
    gateway.plan = [500, 302, 429]
    courier = Courier(pause=0.001)
    courier.start()
    try:
        courier.post(gateway.url, b"{}")
        assert courier.drain(10)
        assert courier.counts() == {"tried": 4, "acknowledged": 1, "given_up": 0}
        gateway.plan = [500] * 9
        courier.post(gateway.url, b"{}")
        assert courier.drain(10)
        assert courier.counts() == {"tried": 4 + TRIES, "acknowledged": 1, "given_up": 1}
    finally:
        courier.close()
    courier.post(gateway.url, b"{}")
    assert courier.counts()["given_up"] == 2


def test_a_receipt_nobody_takes_is_given_up() -> None:
    courier = Courier(pause=0.001)
    courier.start()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        courier.post(f"http://127.0.0.1:{closed.getsockname()[1]}/x", b"{}")
        assert courier.drain(10)
    courier.close()
    assert courier.counts() == {"tried": TRIES, "acknowledged": 0, "given_up": 1}


def test_a_storm_refuses_for_now_and_passes() -> None:
    sandbox = SmsSandbox(clock=lambda: NOON, faults=Faults(storm_every=5, storm_length=2))
    with sandbox, HttpTransport(sandbox.url, "sandbox") as transport:
        for number in range(10):
            if number % 5 < 3:
                transport.send(message(number))
                continue
            with pytest.raises(Refused) as caught:
                transport.send(message(number))
            assert (caught.value.permanent, caught.value.code) == (False, "429")
        stats = sandbox.stats()
    assert (stats["accepted"], stats["throttled"]) == (6, 4)


def test_closing_wakes_the_silent_and_the_idle() -> None:
    before, accepted = threading.active_count(), threading.Event()

    def clock() -> datetime:
        accepted.set()  # the receipt of a message is stamped when it is taken
        return NOON

    faults = Faults(unanswered=1, hold_seconds=300, receipt_delay_seconds=300)
    sandbox = SmsSandbox(clock=clock, receipts_url="http://127.0.0.1:9/", faults=faults)
    with sandbox, ThreadPoolExecutor(1) as pool, httpx.Client(trust_env=False) as idle:
        idle.get(f"{sandbox.url}/stats")  # leaves a kept-alive connection open
        with HttpTransport(sandbox.url, "sandbox", read_seconds=60) as transport:
            waiting = pool.submit(transport.send, message(1))
            assert accepted.wait(10)
            started = time.monotonic()
            sandbox.close()
            assert time.monotonic() - started < 5
            with pytest.raises(Unsure):
                waiting.result(5)
    assert threading.active_count() == before
    assert sandbox.stats()["unanswered"] == sandbox.stats()["receipts_given_up"] == 1
    sandbox.close()  # a second time does nothing
    with pytest.raises(RuntimeError, match="expected a running sandbox"):
        _ = sandbox.url


def test_a_taken_port_is_an_error_that_leaves_nothing_behind(sandbox: SmsSandbox) -> None:
    before = threading.active_count()
    with pytest.raises(OSError, match="in use"):
        SmsSandbox(clock=lambda: NOON, port=int(sandbox.url.rsplit(":", 1)[1])).start()
    assert threading.active_count() == before


def test_nothing_is_logged(sandbox: SmsSandbox, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    caplog.set_level(logging.DEBUG, "sms")
    post(sandbox)
    post(sandbox, BODY | {"to": "0912345678"})
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rsplit(":", 1)[1])), 5) as line:
        line.sendall(b"nonsense +84912345678\r\n\r\n")
        assert b"400" in line.makefile("rb").read()
    assert [record for record in caplog.records if record.name.startswith("sms")] == []
    assert capfd.readouterr() == ("", "")


def test_serving_ends_when_told() -> None:
    stop, places = threading.Event(), []

    def ready(url: str) -> None:
        places.append(httpx.get(f"{url}/stats", trust_env=False).json()["accepted"])
        stop.set()

    serve("127.0.0.1", 0, clock=lambda: NOON, stop=stop, ready=ready)
    assert places == [0]


def test_it_keeps_up_with_a_busy_minute(sandbox: SmsSandbox) -> None:
    # Raw requests on kept-alive connections, so that the client's own cost does not count; the aim is several hundred
    # a second, the bar leaves room for a loaded machine.
    port, each, lines = int(sandbox.url.rsplit(":", 1)[1]), 250, 4

    def run(line_number: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 10) as line:
            answers = line.makefile("rb")
            for number in range(each):
                body = json.dumps(BODY | {"request_id": f"{line_number}-{number}"}).encode()
                line.sendall(
                    b"POST /messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sandbox\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
                )
                assert answers.readline().startswith(b"HTTP/1.1 202")
                length = 0
                while (header := answers.readline()) != b"\r\n":
                    if header.lower().startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                answers.read(length)
            answers.close()

    started = time.monotonic()
    with ThreadPoolExecutor(lines) as pool:
        list(pool.map(run, range(lines)))
    rate = each * lines / (time.monotonic() - started)
    assert sandbox.stats()["accepted"] == each * lines
    assert rate > 200, f"{rate:.0f} messages a second"
