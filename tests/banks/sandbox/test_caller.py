import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from banks import profile as bank_profiles
from banks.errors import Misconfigured
from banks.records import Outcome, RawRequest
from banks.sandbox.bills import make_bills
from banks.sandbox.caller import Caller
from banks.sandbox.day import plan_day
from banks.sandbox.notices import PlannedCallback
from banks.sandbox.transactions import DayDates

# Made up for these tests; they open nothing.
SECRETS = {
    "standard": {"webhook_secret": ["whsec_c2FuZGJveC1rZXktbnVtYmVyLW9uZQ=="]},
    "vnpay": {"hash_secret": ["SANDBOXHASHSECRET"]},
}
NOW = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)
Reply = tuple[int, bytes] | None
"""Status and body; None breaks the connection off."""


@dataclass
class Receiver:
    """A gateway of the test's own making: keeps each request, and answers as `reply` says."""

    reply: Callable[[str, int], Reply]
    requests: list[RawRequest] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def take(self, path: str, request: RawRequest) -> Reply:
        with self.lock:
            self.requests.append(request)
            self.paths.append(path)
            return self.reply(path, len(self.requests))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    received = Receiver(lambda path, number: (200, b"ok"))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            path, _, query = self.path.partition("?")
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = received.take(path, RawRequest(self.command, query.encode("ascii"), headers, body, NOW))
            if reply is None:
                self.close_connection = True
                return
            self.send_response(reply[0])
            self.send_header("content-length", str(len(reply[1])))
            self.end_headers()
            self.wfile.write(reply[1])

        do_GET = do_POST = _take

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    received.url = f"http://127.0.0.1:{server.server_port}"
    yield received
    server.shutdown()
    thread.join()
    server.server_close()


class Clock:
    """A minute later each time it is asked."""

    def __init__(self) -> None:
        self._minutes = 0
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            self._minutes += 1
            return NOW + timedelta(minutes=self._minutes)


def planned() -> tuple[PlannedCallback, ...]:
    dates = DayDates(date(2026, 11, 18), date(2026, 11, 19), date(2026, 11, 20))
    return plan_day(make_bills(60, 3, date(2026, 11, 5), dates.debit_on, date(2026, 11, 30)), 3, dates).callbacks


def one(profile: str) -> PlannedCallback:
    return next(each for each in planned() if each.profile == profile)


def caller(receiver: Receiver, pauses: list[float] | None = None) -> Caller:
    return Caller(receiver.url, Clock(), SECRETS, sleep=(pauses if pauses is not None else []).append)


def test_a_whole_day_is_signed_and_proves_itself(receiver: Receiver) -> None:
    callbacks, heard = planned(), list[tuple[int, int]]()
    report = caller(receiver).send_all(callbacks, threads=4, progress=lambda done, of: heard.append((done, of)))
    assert [call.callback for call in report.calls] == list(callbacks)
    assert heard == [(done, len(callbacks)) for done in range(1, len(callbacks) + 1)]
    assert (report.refused, report.retries, report.differing) == ((), 0, {})
    assert len(receiver.requests) == len(callbacks)
    assert set(receiver.paths) == {"/webhooks/standard", "/webhooks/vnpay"}
    said = {each.reference: each.event_id for each in callbacks}
    ids: dict[tuple[str, str], set[str]] = {}
    for path, request in zip(receiver.paths, receiver.requests, strict=True):
        name = path.rpartition("/")[2]
        profile = bank_profiles.find(name)
        proof = profile.prove(request, SECRETS[name], NOW)
        ids.setdefault((name, said[profile.read(request).source_reference]), set()).add(proof.event_id)
    assert ids.keys() == report.events.keys()
    assert all(len(proven) == 1 for proven in ids.values())  # a repeat is recognised as the same event
    assert len(set.union(*ids.values())) == len(ids)


def test_a_base_address_may_have_a_path(receiver: Receiver) -> None:
    Caller(f"{receiver.url}/gateway/", Clock(), SECRETS).send_all([one("vnpay")])
    assert receiver.paths == ["/gateway/webhooks/vnpay"]


@pytest.mark.parametrize("trouble", [(503, b"later"), (500, b""), None], ids=["busy", "fault", "broken off"])
def test_trouble_is_tried_again_with_the_same_bytes_and_a_fresh_time(receiver: Receiver, trouble: Reply) -> None:
    receiver.reply = lambda path, number: trouble if number < 3 else (200, b"ok")
    pauses: list[float] = []
    report = caller(receiver, pauses).send_all([one("standard")])
    (call,) = report.calls
    assert (call.answer.status, call.answer.body) == (200, b"ok")
    assert report.retries == 2
    assert report.refused == ()
    assert pauses == [0.2, 0.5]
    assert len({request.body for request in receiver.requests}) == 1
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len({request.headers["webhook-timestamp"] for request in receiver.requests}) == 3
    for request in receiver.requests:
        bank_profiles.find("standard").prove(request, SECRETS["standard"], NOW)


def test_a_wallet_repeats_when_told_busy_in_its_own_words(receiver: Receiver) -> None:
    busy = bank_profiles.find("vnpay").answer(Outcome.BUSY)
    receiver.reply = lambda path, number: (busy.status, busy.body) if number == 1 else (200, b'{"RspCode":"00"}')
    report = caller(receiver).send_all([one("vnpay")])
    assert [attempt.body for attempt in report.calls[0].attempts] == [busy.body, b'{"RspCode":"00"}']
    assert receiver.requests[0].query == receiver.requests[1].query


def test_it_gives_up_after_the_last_pause_and_says_so(receiver: Receiver) -> None:
    receiver.reply = lambda path, number: (503, b"never")
    pauses: list[float] = []
    report = Caller(receiver.url, Clock(), SECRETS, pauses=(1, 2), sleep=pauses.append).send_all([one("standard")])
    assert pauses == [1, 2]
    assert report.refused == report.calls
    assert [attempt.status for attempt in report.calls[0].attempts] == [503, 503, 503]


def test_a_refusal_is_reported_and_not_repeated(receiver: Receiver) -> None:
    receiver.reply = lambda path, number: (401, b"who?")
    report = caller(receiver).send_all([one("standard")])
    assert len(receiver.requests) == 1
    assert [(call.answer.status, call.answer.body) for call in report.refused] == [(401, b"who?")]


def test_nobody_listening_is_an_answer_too(receiver: Receiver) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as gone:
        address = f"http://127.0.0.1:{gone.server_port}"
    report = Caller(address, Clock(), SECRETS, pauses=(1,), sleep=lambda seconds: None).send_all([one("vnpay")])
    (call,) = report.refused
    assert [(attempt.status, attempt.error) for attempt in call.attempts] == [(None, "ConnectError")] * 2


def test_answers_that_differ_between_repeats_are_named(receiver: Receiver) -> None:
    receiver.reply = lambda path, number: (200, b"first" if number == 1 else b"again")
    wallet, bank = one("vnpay"), one("standard")
    report = caller(receiver).send_all([wallet, wallet, bank], threads=1)
    assert list(report.differing) == [("vnpay", wallet.event_id)]
    assert [call.answer.body for call in report.events["vnpay", wallet.event_id]] == [b"first", b"again"]
    assert report.refused == ()


def test_a_missing_secret_stops_the_calls(receiver: Receiver) -> None:
    with pytest.raises(Misconfigured, match="webhook_secret"):
        Caller(receiver.url, Clock(), {}).send_all([one("standard")])
    assert receiver.requests == []


def test_several_threads_call_at_once(receiver: Receiver) -> None:
    together = threading.Barrier(3, timeout=5)

    def meeting() -> datetime:
        together.wait()  # breaks after five seconds unless three calls are under way at the same moment
        return NOW

    wallet = one("vnpay")
    report = Caller(receiver.url, meeting, SECRETS).send_all([wallet] * 3, threads=3)
    assert len(receiver.requests) == 3
    assert report.differing == {}
