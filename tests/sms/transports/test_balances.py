"""Balances over real HTTP: what each carrier is asked, what its answers mean, and that no key is ever repeated."""

import base64
import logging
import socket
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from sms.balances import NotTold
from sms.sandbox import SmsSandbox
from sms.transport import OutgoingSms, Refused, Transport
from sms.transports.declared import BalanceAsked, Declaration, DeclaredTransport, Meanings
from sms.transports.esms import EsmsTransport
from sms.transports.http import HttpTransport
from sms.transports.memory import MemoryTransport
from sms.transports.speedsms import SpeedSmsTransport
from tests.sms.transports.servers import http, provider, scripted

ASKED = BalanceAsked(
    "http://carrier.example/account/{secret.user}", "data.accounts.0.left",
    headers={"X-Key": "{secret.key}"}, body={"key": "{secret.key}", "what": "balance"},
)  # fmt: skip
DECLARED = Declaration(
    "http://carrier.example/send", body={"to": "{to}", "text": "{text}"}, answer=Meanings(accepted=frozenset({"200"})),
    balance=ASKED,
)  # fmt: skip


def esms(url: str, seconds: float = 5) -> EsmsTransport:
    return EsmsTransport("s3cret-a", "s3cret-b", url=f"{url}/", connect_seconds=2, read_seconds=seconds)


def speedsms(url: str, seconds: float = 5) -> SpeedSmsTransport:
    return SpeedSmsTransport("s3cret-a", url=url, connect_seconds=2, read_seconds=seconds)


def own(url: str, seconds: float = 5) -> HttpTransport:
    return HttpTransport(url, "s3cret-a", connect_seconds=2, read_seconds=seconds)


def declared(url: str, seconds: float = 5, **change: object) -> DeclaredTransport:
    how = replace(ASKED, url=ASKED.url.replace("http://carrier.example", url), **change)  # type: ignore[arg-type]  # fields by name
    secrets = {"user": "s3cret u/1", "key": "s3cret-a"}
    made = replace(DECLARED, balance=how)
    return DeclaredTransport(made, secrets, name="vnpt", connect_seconds=2, read_seconds=seconds)


ALL = pytest.mark.parametrize("make", [esms, speedsms, own, declared])
Make = Callable[..., AbstractContextManager[Transport]]


def why(make: Make, url: str, **more: float) -> str:
    """Ask, and return why it is not told."""
    with make(url, **more) as carrier, pytest.raises(NotTold) as caught:
        carrier.balance()
    whole = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "s3cret" not in whole
    return caught.value.reason


def test_esms_is_asked_with_its_keys_in_the_body() -> None:
    answer = {"Balance": 36693, "CodeResponse": "100", "UserID": 9999}
    with provider(lambda _: (200, answer)) as server, esms(server.url) as account:
        assert account.balance() == 36693
    [asked] = server.asked
    assert (asked.method, asked.path) == ("POST", "/MainService.svc/json/GetBalance_json")
    assert asked.content == {"ApiKey": "s3cret-a", "SecretKey": "s3cret-b"}


@pytest.mark.parametrize("written", [b'"36693.5"', b"36693.99", b"3.669350E+4", b'"36,693"'])
def test_esms_may_write_a_text_or_a_double(written: bytes) -> None:
    body = b'{"Balance": %s, "CodeResponse": 100}' % written
    with provider(lambda _: (200, body)) as server, esms(server.url) as account:
        assert account.balance() == 36693


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"Balance": 0, "CodeResponse": "101", "ErrorMessage": "no s3cret-a"}, "ApiKey or SecretKey is not theirs"),
        ({"Balance": 0, "CodeResponse": "99", "ErrorMessage": "s3cret-a"}, "expected 100, got another code"),
        ({"Balance": 0, "CodeResponse": "s3cret-a"}, "expected 100, got another code"),
        ({"Balance": 0}, "expected 100, got another code"),
        ({"CodeResponse": "100"}, "Balance: expected an amount, got nothing"),
        ({"CodeResponse": "100", "Balance": "s3cret-a"}, "Balance: expected an amount, got a text that is none"),
    ],
)
def test_esms_nought_beside_another_code_is_no_balance(answer: dict[str, object], reason: str) -> None:
    with provider(lambda _: (200, answer)) as server:
        assert reason in why(esms, server.url)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "success", "code": "00", "data": {"email": "a@b.example", "balance": "100000", "currency": "VND"}},
        {"email": "a@b.example", "balance": 100000.0, "currency": "VND"},
    ],
)
def test_speedsms_is_asked_for_the_account(answer: dict[str, object]) -> None:
    with provider(lambda _: (200, answer)) as server, speedsms(server.url) as account:
        assert account.balance() == 100_000
    [asked] = server.asked
    assert (asked.method, asked.path, asked.body) == ("GET", "/index.php/user/info", b"")
    assert asked.headers["Authorization"] == f"Basic {base64.b64encode(b's3cret-a:x').decode()}"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"status": "error", "code": "008", "message": "s3cret-a"}, "the account is blocked"),
        ({"status": "error", "code": "s3cret-a", "message": "?"}, "status: expected success, got another"),
        ({"status": "error", "balance": 5}, "status: expected success"),
        ({"status": "success", "code": "00"}, "balance: expected an amount, got nothing"),
        ({"status": "success", "data": [1]}, "balance: expected an amount, got nothing"),
        ({"balance": 100, "currency": "USD"}, "currency: expected VND, got another"),
        ({"data": {"balance": "100.000", "currency": "VND"}}, "read one way only"),
    ],
)
def test_speedsms_may_refuse_or_count_in_other_money(answer: dict[str, object], reason: str) -> None:
    with provider(lambda _: (200, answer)) as server:
        assert reason in why(speedsms, server.url)


def test_our_own_protocol_asks_at_balance_and_the_practice_carrier_tells() -> None:
    with provider(lambda _: (200, {"balance": 53380})) as server, own(f"{server.url}/v1/") as carrier:
        assert carrier.balance() == 53380
    [asked] = server.asked
    assert (asked.method, asked.path, asked.headers["Authorization"]) == ("GET", "/v1/balance", "Bearer s3cret-a")

    message = OutgoingSms("r-1", "+84912345678", "844.960 d", "EVN")
    with SmsSandbox(clock=lambda: datetime(2026, 11, 29, tzinfo=UTC)) as sandbox:
        with HttpTransport(sandbox.url, "sandbox") as carrier:
            sandbox.balance = 500
            carrier.send(message)
            assert carrier.balance() == sandbox.balance == 150
            assert carrier.send(message).provider_ref, "a repeat costs nothing"
            with pytest.raises(Refused) as caught:
                carrier.send(replace(message, request_id="r-2"))
            assert (caught.value.halts, caught.value.code) == (True, "402")
            assert (carrier.balance(), sandbox.stats()["accepted"], sandbox.stats()["refused"]) == (150, 1, 1)
        assert why(own, sandbox.url) == "the carrier answered 401"


def test_a_declared_carrier_is_asked_as_its_table_says() -> None:
    answer = {"data": {"accounts": [{"left": "240,000.5"}]}, "code": 0}
    with provider(lambda _: (200, answer)) as server:
        with declared(server.url) as carrier:
            assert carrier.balance() == 240_000
        with declared(server.url, method="POST", form="json", code="code", accepted=frozenset({"0"})) as carrier:
            assert carrier.balance() == 240_000
        with declared(server.url, method="POST", form="form", headers={}) as carrier:
            assert carrier.balance() == 240_000
        bare = BalanceAsked(f"{server.url}/left", "data.accounts.0.left")
        with DeclaredTransport(replace(DECLARED, balance=bare), {}, name="vnpt") as carrier:
            assert carrier.balance() == 240_000
    got, posted, form, plain = server.asked
    fields = {"key": ["s3cret-a"], "what": ["balance"]}
    assert got.method == "GET"
    assert urlsplit(got.path).path == "/account/s3cret%20u%2F1"
    assert parse_qs(urlsplit(got.path).query) == fields
    assert got.headers["X-Key"] == "s3cret-a"
    assert (posted.method, posted.content) == ("POST", {"key": "s3cret-a", "what": "balance"})
    assert parse_qs(form.body.decode()) == fields
    assert (plain.method, plain.path, plain.body) == ("GET", "/left", b"")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"code": "1", "data": {"accounts": [{"left": 0}]}}, "code: expected a code that means accepted, got another"),
        ({"data": {"accounts": [{"left": 0}]}}, "code: expected a code that means accepted"),
        ({"code": "0", "data": {"accounts": []}}, "data.accounts.0.left: expected an amount, got nothing"),
        ({"code": "0", "data": {"accounts": [{"left": "s3cret-a"}]}}, "data.accounts.0.left: expected an amount"),
    ],
)
def test_a_declared_nought_beside_another_code_is_no_balance(answer: dict[str, object], reason: str) -> None:
    def make(url: str) -> DeclaredTransport:
        return declared(url, code="code", accepted=frozenset({"0"}))

    with provider(lambda _: (200, answer)) as server:
        assert reason in why(make, server.url)


def test_what_is_not_declared_is_not_asked() -> None:
    made = DeclaredTransport(replace(DECLARED, balance=None), {}, name="vnpt")
    with made, pytest.raises(NotTold, match="not declared"):
        made.balance()
    assert DECLARED.secrets() == ["key", "user"]
    assert replace(DECLARED, balance=None).secrets() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"url": "ftp://x/"}, "https://"),
        ({"url": "http://x/{to}"}, r"balance: expected holes of secret.NAME, got \{to\}"),
        ({"headers": {"X": "{text}"}}, r"got \{text\}"),
        ({"code": "status"}, "code and accepted both, or neither"),
        ({"accepted": frozenset({"0"})}, "code and accepted both, or neither"),
    ],
)
def test_a_wrong_declaration_is_refused_at_once(change: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(ASKED, **change)  # type: ignore[arg-type]  # one field at a time, by name


@ALL
@pytest.mark.parametrize("status", [201, 302, 401, 402, 404, 429, 500, 503])
def test_another_status_tells_nothing_whatever_its_body(make: Make, status: int) -> None:
    body = {"Balance": 5, "balance": 5, "CodeResponse": "100", "data": {"accounts": [{"left": 5}], "balance": 5}}
    with provider(lambda _: (status, body), Location="http://127.0.0.1:1/") as server:
        assert why(make, server.url) == f"the carrier answered {status}"


@ALL
@pytest.mark.parametrize("body", [b"", b"<html>s3cret-a</html>", b"[5]", b"null", b"[" * 60_000])
def test_another_body_tells_nothing(make: Make, body: bytes) -> None:
    with provider(lambda _: (200, body)) as server:
        assert why(make, server.url).startswith("expected a JSON object")


@ALL
def test_silence_an_endless_answer_and_a_closed_door_end_in_time(make: Make) -> None:
    began = time.monotonic()
    with provider(lambda _: None) as server:
        assert why(make, server.url, seconds=0.2) == "no full answer: ReadTimeout"
    with scripted(b"HTTP/1.1 200 X\r\nContent-Length: 9999\r\n\r\n{", drip=True) as dripping:
        assert "no end" in why(make, dripping.url, seconds=0.3)
    with scripted(http(200, b'{"balance": 5}' + b" " * 70_000)) as endless:
        assert "no end" in why(make, endless.url)
    with scripted(b"SSH-2.0-OpenSSH_9.9\r\n") as other:
        assert why(make, other.url).startswith("no full answer")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: refuses every connection
        assert why(make, f"http://127.0.0.1:{closed.getsockname()[1]}") == "no connection: ConnectError"
    assert time.monotonic() - began < 10


@ALL
def test_no_log_of_ours_holds_a_key(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with provider(lambda _: (200, {"message": "s3cret-a is unknown"})) as server:
        why(make, server.url)
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert "s3cret" not in " ".join(record.getMessage() for record in ours)


def test_the_carrier_in_memory_tells_what_it_was_given() -> None:
    carrier = MemoryTransport()
    carrier.left = 5
    assert carrier.balance() == 5
    carrier.left = NotTold("gone")
    with pytest.raises(NotTold, match="gone"):
        carrier.balance()
