"""The HTTP carrier over real sockets: what is accepted, what is refused for certain, and what nobody can know."""

import json
import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from sms.sandbox import Faults, SmsSandbox
from sms.transport import Accepted, OutgoingSms, Refused, Transport, Unsure
from sms.transports.http import HttpTransport
from tests.sms.transports.servers import http, scripted

MESSAGE = OutgoingSms("r-1", "+84912345678", "Dien luc TP Vinh: 844.960 d", "EVN")
NOON = datetime(2026, 6, 25, 5, tzinfo=UTC)


def send(url: str, message: OutgoingSms = MESSAGE, *, read_seconds: float = 5) -> Accepted:
    with HttpTransport(url, "s3cret", connect_seconds=2, read_seconds=read_seconds) as transport:
        return transport.send(message)


def test_the_request_is_the_declared_one() -> None:
    with scripted(http(202, b'{"id": "p-1"}')) as server:
        assert send(f"{server.url}/v1/") == Accepted("p-1")
        head, body = server.requests[0].split(b"\r\n\r\n", 1)
    assert head.startswith(b"POST /v1/messages HTTP/1.1\r\n")
    assert b"Authorization: Bearer s3cret" in head
    assert json.loads(body) == {"request_id": "r-1", "to": MESSAGE.to, "text": MESSAGE.text, "brand": "EVN"}


def test_a_known_request_id_is_accepted_with_its_first_id() -> None:
    with scripted(http(409, b'{"id": "p-1"}')) as server:
        assert send(server.url) == Accepted("p-1")


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(400, True), (413, True), (422, True), (418, True)]
    + [(status, False) for status in (401, 402, 403, 404, 408, 425, 429, 503)],
)
def test_refusals_tell_the_message_at_fault_from_ourselves(status: int, permanent: bool) -> None:
    answer = http(status, b'{"error": "no such number +84912345678\\n"}')
    with scripted(answer) as server, pytest.raises(Refused) as caught:
        send(server.url)
    assert (caught.value.permanent, caught.value.code) == (permanent, str(status))
    assert caught.value.reason == "no such number +*678"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"error": 5}', b'{"error": " "}'])
def test_a_refusal_counts_whatever_its_body(body: bytes) -> None:
    with scripted(http(422, body)) as server, pytest.raises(Refused, match="422 without a reason"):
        send(server.url)


@pytest.mark.parametrize(
    "answer",
    [
        http(500),
        http(502, b'{"id": "p-1"}'),
        http(504),
        http(200, b'{"id": "p-1"}'),
        http(204),
        http(302, head=b"Location: http://127.0.0.1:1/\r\n"),
        http(202),
        http(202, b"accepted"),
        http(202, b'{"id": 7}'),
        http(202, b'{"id": ""}'),
        http(202, b'{"id": "a\\u0000"}'),
        http(202, b'{"id": "%s"}' % (b"x" * 101)),
        http(202, b"[" * 60_000),
        http(202, b'{"id": "p-1"}' + b" " * 70_000),
        http(202, b'{"id": "p-1"}', b"Content-Encoding: gzip\r\n"),
        http(409, b"{}"),
        b"HTTP/1.1 202 X\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 202",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"",
    ],
    ids=lambda answer: repr(answer[:60]),
)
def test_any_other_answer_proves_nothing(answer: bytes) -> None:
    with scripted(answer) as server, pytest.raises(Unsure):
        send(server.url)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 202 X\r\nContent-Length: 9\r\n\r\n{"])
def test_silence_is_unsure(answer: bytes) -> None:
    with scripted(answer, hold=True) as server, pytest.raises(Unsure, match="ReadTimeout"):
        send(server.url, read_seconds=0.2)


def test_an_answer_that_drips_on_is_unsure_in_time() -> None:
    answer = b"HTTP/1.1 202 X\r\nContent-Length: 9999\r\n\r\n{"
    with scripted(answer, drip=True) as server, pytest.raises(Unsure, match="no end"):
        send(server.url, read_seconds=0.3)


def test_nothing_was_sent_when_nobody_listens() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: refuses every connection
        with pytest.raises(Refused) as caught:
            send(f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert not caught.value.permanent


def test_nothing_was_sent_when_every_connection_is_busy() -> None:
    with scripted(b"", hold=True) as server:
        transport = HttpTransport(server.url, "t", connect_seconds=0.1, read_seconds=0.8, connections=1)
        with transport, ThreadPoolExecutor(1) as pool:
            first = pool.submit(transport.send, MESSAGE)
            assert server.arrived.wait(10)
            with pytest.raises(Refused, match="PoolTimeout"):
                transport.send(MESSAGE)
            with pytest.raises(Unsure):
                first.result()


def test_a_dropped_idle_connection_is_replaced() -> None:
    with scripted(http(202, b'{"id": "p-1"}')) as server:
        with HttpTransport(server.url, "t") as transport:
            transport.send(MESSAGE)
            assert server.hung_up.wait(10)  # a message that met the hang-up half-way would be unsure, and rightly so
            transport.send(MESSAGE)
        assert server.connections == 2


def test_messages_share_a_kept_alive_connection() -> None:
    with scripted(http(202, b'{"id": "p-1"}'), keep=True) as server, HttpTransport(server.url, "t") as transport:
        for _ in range(3):
            transport.send(MESSAGE)
        assert (server.connections, len(server.requests)) == (1, 3)


def test_threads_share_a_transport_and_repeats_come_back_as_they_were() -> None:
    def message(number: int) -> OutgoingSms:
        return OutgoingSms(f"r-{number}", MESSAGE.to, f"text {number}", "EVN")

    with SmsSandbox(clock=lambda: NOON) as sandbox, HttpTransport(sandbox.url, "sandbox") as transport:
        with ThreadPoolExecutor(8) as pool:
            first = list(pool.map(transport.send, map(message, range(100))))
            again = list(pool.map(transport.send, map(message, range(100))))
        stats = sandbox.stats()
    assert first == again
    assert len(set(first)) == 100
    assert (stats["accepted"], stats["duplicates"], stats["repeats"]) == (100, 0, 100)


def test_an_unanswered_message_is_known_when_repeated() -> None:
    sandbox = SmsSandbox(clock=lambda: NOON, faults=Faults(unanswered=1, hold_seconds=30))
    with sandbox, HttpTransport(sandbox.url, "sandbox", read_seconds=0.2) as transport:
        with pytest.raises(Unsure):
            transport.send(MESSAGE)
        assert transport.send(MESSAGE).provider_ref == sandbox.messages()[0]["id"]
        assert sandbox.stats()["accepted"] == 1


def test_no_log_and_no_error_carries_the_number(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(b"SSH-2.0\r\n") as server, pytest.raises(Unsure) as caught:
        send(server.url)
    assert "912345678" not in caplog.text + repr(caught.value) + repr(MESSAGE)
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: HttpTransport("ftp://carrier", "t"), "https://"),
        (lambda: HttpTransport("carrier.example", "t"), "https://"),
        (lambda: HttpTransport("https://carrier.example", ""), "token"),
        (lambda: HttpTransport("https://carrier.example", "a\r\nHost: b"), "token"),
    ],
)
def test_a_wrong_declaration_is_refused_at_once(make: Callable[[], HttpTransport], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make()


def test_it_is_a_transport() -> None:
    with HttpTransport("https://carrier.example", "t", name="vnpt") as transport:
        seen: Transport = transport
        assert (seen.name, seen.dedupes) == ("vnpt", True)
