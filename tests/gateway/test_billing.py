"""The road to the billing system: signed, in order, again until acknowledged, and never other bytes under one id."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standardwebhooks import Webhook

from gateway import billing, jobs, mark_forms, schedule
from gateway.database import transaction
from reconciliation import marks

KEY = "whsec_" + "YmlsbGluZy1rZXktZm9yLXRlc3RzLW9ubHktMDE="


class Receiver:
    """A billing system that answers as planned, and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.plan: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.plan.pop(0) if receiver.plan else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/marks"


@pytest.fixture
def receiver(wiring, monkeypatch) -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("DOISOAT_SECRET_BILLING_WEBHOOK_SECRET", KEY)
    object.__setattr__(wiring.settings, "billing_url", made.url)
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def pass_by(wiring, later):
    return lambda **time: later(wiring.clock() + timedelta(**time))


def test_a_batch_is_told_once_signed_as_standard_webhooks_wants_it(wiring, receiver, paid, one):
    paid(1, 2)
    assert billing.tell(wiring) == 1
    assert billing.tell(wiring) == 0
    [(headers, body)] = receiver.got
    assert headers["webhook-id"] == "marks-1"
    told = json.loads(body)
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert timedelta() <= wiring.clock() - at < timedelta(seconds=60)
    assert Webhook(KEY).sign("marks-1", at, body.decode()) == headers["webhook-signature"]
    assert (told["type"], told["data"]["totals"]) == (
        "bills.marked", {"items": 2, "marked": 2 * told["data"]["items"][0]["billed"], "unmarked": 0},
    )  # fmt: skip
    first = told["data"]["items"][0]
    assert (first["number"], first["action"], first["state"], first["owed"]) == (1, "mark", "paid", 0)
    assert one("SELECT state, attempts, said FROM mark_batches") == ("acknowledged", 1, "HTTP 204")
    assert one("SELECT by, why FROM transitions WHERE kind = 'mark_batch'") == ("billing", "HTTP 204")


def test_what_is_not_acknowledged_goes_again_with_the_same_id_and_bytes_and_nothing_before_it(
    wiring, receiver, paid, pass_by, one
):
    paid(1)
    receiver.plan = [503, 302, 204]
    assert billing.tell(wiring) == 0
    paid(2)
    assert billing.tell(wiring) == 0, "not at once"
    assert len(receiver.got) == 1
    pass_by(seconds=5)
    assert billing.tell(wiring) == 0
    assert one("SELECT said, attempts FROM mark_batches WHERE id = 1") == ("HTTP 302", 2)
    pass_by(seconds=9)
    assert billing.tell(wiring) == 0
    pass_by(seconds=1)
    assert billing.tell(wiring) == 2
    assert [headers["webhook-id"] for headers, _ in receiver.got] == ["marks-1", "marks-1", "marks-1", "marks-2"]
    assert len({body for _, body in receiver.got[:3]}) == 1
    assert len({headers["webhook-signature"] for headers, _ in receiver.got[:3]}) == 3


def test_an_unheard_receiver_is_tried_again_ever_more_seldom(wiring, receiver, paid, pass_by, rows):
    paid(1)
    receiver.server.shutdown()
    receiver.server.server_close()
    pauses = []
    for _ in range(12):
        billing.tell(wiring)
        [(said, again, tried)] = rows("SELECT said, not_before, tried_at FROM mark_batches")
        assert said == "no answer: ConnectError"
        pauses.append(int((again - tried).total_seconds()))
        wiring.sandbox_clock.set(again)
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


def test_whoever_dies_while_sending_leaves_the_batch_to_the_next(wiring, receiver, paid, pass_by, one):
    paid(1)
    with transaction(wiring.engine) as session:
        marks.number(session, now=wiring.clock())
    with transaction(wiring.engine) as session:
        held = marks.claim(session, lease=billing.LEASE, now=wiring.clock())
        first = billing.body_of(session, held)
    assert billing.tell(wiring) == 0
    pass_by(seconds=60)
    assert billing.tell(wiring) == 1
    assert [body for _, body in receiver.got] == [first]


def test_a_batch_that_would_read_otherwise_is_not_sent(wiring, receiver, paid, monkeypatch, pass_by, one):
    paid(1)
    receiver.plan = [500]
    billing.tell(wiring)
    monkeypatch.setattr(mark_forms, "TYPE", "bills.changed")
    pass_by(seconds=5)
    assert billing.tell(wiring) == 0
    assert len(receiver.got) == 1
    assert one("SELECT state, said FROM mark_batches") == (
        "waiting", "expected batch 1 of marks as it was first sent, got other bytes",
    )  # fmt: skip


def test_without_an_address_changes_are_numbered_and_kept(wiring, paid, one):
    paid(1)
    assert billing.tell(wiring) == 0
    assert one("SELECT state, attempts FROM mark_batches") == ("waiting", 0)


def test_the_sweep_rings_for_what_waits(wiring, receiver, paid, monkeypatch):
    rung = []
    monkeypatch.setattr(schedule.bell, "ring", lambda _valkey, queue: rung.append(queue))
    monkeypatch.setattr(jobs, "wiring", lambda: wiring)
    schedule.sweep(wiring)
    assert "billing" not in rung
    paid(1)
    schedule.sweep(wiring)
    assert "billing" in rung
    receiver.plan = [500]
    assert jobs.tell_billing() == 0
    rung.clear()
    schedule.sweep(wiring)
    assert "billing" not in rung, "it rests"
    wiring.sandbox_clock.set(wiring.clock() + timedelta(seconds=5))
    schedule.sweep(wiring)
    assert "billing" in rung
    assert jobs.tell_billing() == 1
