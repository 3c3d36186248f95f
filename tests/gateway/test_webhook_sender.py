"""Outgoing webhooks: one event for each fact, signed, again by the pauses until it is taken, never within the house."""

import json
import socket
import threading
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy.exc import DBAPIError
from standardwebhooks import Webhook, WebhookVerificationError

from gateway import jobs, outside, schedule, webhook_sender
from gateway.database import owner_engine, transaction
from reconciliation import closes, matching, webhook_endpoints, webhook_events, webhook_sending
from reconciliation.lifecycle import CLOSE, PAYMENT, move
from reconciliation.webhook_endpoints import Endpoint
from reconciliation.webhook_sending import Again


class Receiver:
    """A system that answers as planned, and keeps what it got."""

    def __init__(self):
        self.got, self.plan, receiver = [], [], self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status, said = receiver.plan.pop(0) if receiver.plan else (200, b"")
                self.send_response(status)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks?of=doisoat"

    @property
    def bodies(self):
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver():
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def add(wiring, receiver):
    def do(*events, url=""):
        with transaction(wiring.engine) as session:
            return webhook_endpoints.add(
                session, url or receiver.url, events or webhook_endpoints.TYPES, sealer=wiring.sealer, by="test",
                now=wiring.clock(),
            )  # fmt: skip

    return do


@pytest.fixture
def send(wiring):
    return lambda: webhook_sender.send_due(wiring)[0]


@pytest.fixture
def undo(wiring):
    """Take back what a payment settled, as a person or a return does."""

    def do(reference, why="the money went back", by="test"):
        with transaction(wiring.engine) as session:
            found = session.execute(
                matching.text("SELECT a.id FROM allocations a JOIN payments p ON p.id = a.payment_id"
                              " WHERE p.source_reference = :reference ORDER BY a.id"), {"reference": reference},
            ).scalars().all()  # fmt: skip
            session.execute(
                matching.text("UPDATE allocations SET undone_at = :now, undone_by = :by, undone_why = :why"
                              " WHERE id = ANY(:ids)"), {"now": wiring.clock(), "by": by, "why": why, "ids": found},
            )  # fmt: skip

    return do


@pytest.fixture
def sign_day(wiring):
    def do(day, period="day"):
        now = wiring.clock()
        with transaction(wiring.engine) as session:
            made = closes.Close(bank="standard", period=period, day=day, version=1, created_at=now)
            session.add(made)
            session.flush()
            made.maker, made.made_at, made.digest, made.figures = "lan", now, "d1", {}
            session.flush()
            move(session, CLOSE, [made.id], "balanced", by="lan", why="", now=now)
            noted = {"who": "chi"}
            noting = "checker = :who, signed_at = :now"
            move(session, CLOSE, [made.id], "signed", by="chi", why="", now=now, noting=noting, noted=noted)

    return do


@pytest.fixture
def pass_by(wiring):
    return lambda **time: wiring.sandbox_clock.set(wiring.clock() + timedelta(**time))


def test_a_match_is_told_once_signed_as_standard_webhooks_wants_it(wiring, receiver, add, paid, send, rows):
    _, key = add()
    paid(1)
    assert (send(), send()) == (1, 0)
    [(headers, body)] = receiver.got
    told = json.loads(body)
    assert headers["webhook-id"].startswith("evt_")
    assert headers["host"] == receiver.url.split("/")[2]
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert Webhook(key).sign(headers["webhook-id"], at, body.decode()) == headers["webhook-signature"]
    assert (told["type"], told["timestamp"][:17]) == ("payment.matched", "2026-11-18T02:00:")
    assert told["data"]["payment"] == {
        "id": told["data"]["payment"]["id"], "bank": "standard", "reference": "FT1", "amount": 100_000,
        "currency": "VND", "business_date": "2026-11-18",
    }  # fmt: skip
    assert told["data"]["bills"] == [
        {"number": "HD2611-0000001", "version": 1, "customer": "PA00000000001", "amount": 100_000}
    ]
    assert (told["data"]["amount"], told["data"]["reason"]) == (100_000, None)
    assert rows("SELECT state, attempts FROM webhook_sendings") == [("delivered", 1)]
    assert rows("SELECT status, said, next_at FROM webhook_attempts") == [(200, "", None)]
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "YmlsbGluZy1rZXktZm9yLXRlc3RzLW9ubHktMDE=").verify(body, headers)


def test_without_an_endpoint_nothing_is_noted(paid, undo, sign_day, rows, send):
    paid(1)
    undo("FT1")
    sign_day(date(2026, 11, 17))
    assert send() == 0
    assert rows("SELECT id FROM webhook_waiting UNION ALL SELECT id FROM webhook_events") == []


@pytest.mark.parametrize(
    ("by", "state", "told_as"),
    [
        ("lan", "confirmed", "undone_by_person"), ("lan", "denied", "denied"), ("returns", "returned", "returned"),
        ("standard", "denied", "denied"), ("billing", "returned", "bill_replaced"),
        ("matching", "returned", "matched_otherwise"), ("callback", "confirmed", "amount_corrected"),
    ],
)  # fmt: skip
def test_a_reversal_is_told_by_a_code_and_never_in_a_persons_words(
    wiring, add, paid, undo, send, receiver, rows, by, state, told_as
):
    add()
    paid(1)
    send()
    undo("FT1", why="Nguyễn Văn An 0912345678 gọi đến", by=by)
    with transaction(wiring.engine) as session:
        for to in {"returned": ("confirmed", "returned")}.get(state, (state,)):
            move(session, PAYMENT, rows("SELECT id FROM payments ORDER BY id"), to, by=by, why="", now=wiring.clock())
    assert send() == 1
    [_, told] = receiver.bodies
    assert (told["type"], told["data"]["amount"], told["data"]["reason"]) == ("payment.reversed", 100_000, told_as)
    assert "Văn" not in json.dumps(receiver.bodies, ensure_ascii=False)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 2
    assert told["data"]["reason"] in webhook_events.REASONS


def test_what_came_and_went_in_one_transaction_is_not_told(wiring, add, paid, undo, rows, send):
    add()
    paid(1)
    send()
    undo("FT1")
    with transaction(wiring.engine) as session:
        session.execute(matching.text(
            "INSERT INTO allocations (payment_id, bill_id, minor, rule, quoted, evidence, by, at)"
            " SELECT payment_id, bill_id, minor, rule, quoted, evidence, by, at FROM allocations"
        ))  # fmt: skip
        session.execute(matching.text("UPDATE allocations SET undone_at = at, undone_by = 'x' WHERE undone_at IS NULL"))
    assert len(rows("SELECT id FROM webhook_waiting")) == 3
    assert send() == 1
    assert rows("SELECT type FROM webhook_events ORDER BY id") == ["payment.matched", "payment.reversed"]


def test_a_signed_day_is_told_and_a_month_is_not(add, sign_day, send, receiver):
    add()
    sign_day(date(2026, 11, 17))
    sign_day(date(2026, 10, 1), "month")
    assert send() == 1
    [told] = receiver.bodies
    assert told["type"] == "day.closed"
    assert {name: told["data"][name] for name in ("bank", "day", "version", "balanced_by", "signed_by", "digest")} == {
        "bank": "standard", "day": "2026-11-17", "version": 1, "balanced_by": "lan", "signed_by": "chi", "digest": "d1",
    }  # fmt: skip
    assert told["data"]["signed_at"].endswith("Z")


def test_each_endpoint_hears_of_what_it_asked_for(add, paid, sign_day, send, receiver, rows):
    add("day.closed")
    paid(1)
    sign_day(date(2026, 11, 17))
    assert send() == 1
    assert [told["type"] for told in receiver.bodies] == ["day.closed"]
    assert rows("SELECT type FROM webhook_events") == ["day.closed"]


def test_a_refused_event_goes_again_the_same_by_the_pauses_of_75_hours(wiring, receiver, add, paid, send, rows, caplog):
    made, _ = add()
    paid(1)
    receiver.plan = [(503, b"busy\x00 with 0912345678")] * 10
    waits = []
    for _ in range(10):
        assert send() == 0
        at, next_at = rows("SELECT at, next_at FROM webhook_attempts ORDER BY id")[-1]
        if next_at is None:
            break
        waits.append(next_at - at)
        wiring.sandbox_clock.set(next_at - timedelta(seconds=1))
        assert send() == 0
        wiring.sandbox_clock.set(next_at)
    assert len(receiver.got) == 10
    assert len({(headers["webhook-id"], body) for headers, body in receiver.got}) == 1
    assert len({headers["webhook-signature"] for headers, _ in receiver.got}) == 10
    least = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert all(timedelta(seconds=s) <= wait <= timedelta(seconds=1.1 * s) for s, wait in zip(least, waits, strict=True))
    assert sum(least) > 75 * 3600
    assert rows("SELECT state, attempts FROM webhook_sendings") == [("failed", 10)]
    assert rows("SELECT DISTINCT status, said FROM webhook_attempts") == [(503, "busy with ···678")]
    [(state, why)] = rows("SELECT state, why FROM webhook_endpoints")
    assert (state, why.endswith("was tried 10 times: busy with ···678")) == ("ailing", True)
    assert f"webhook endpoint {made.id} is ailing" in caplog.text


def test_an_ailing_endpoint_is_live_with_the_first_it_takes(wiring, change, add, paid, send, rows):
    add()
    change("UPDATE webhook_endpoints SET state = 'ailing', why = 'x', failures = 3")
    paid(1)
    assert send() == 1
    assert rows("SELECT state, why, failures FROM webhook_endpoints") == [("live", "", 0)]


def test_gone_disables_the_endpoint_and_nothing_more_is_sent(receiver, add, paid, send, rows, pass_by):
    add()
    paid(1, 2)
    receiver.plan = [(410, b"")] * 2
    assert send() == 0
    paid(3)
    pass_by(days=2)
    assert send() == 0
    assert len(receiver.got) <= 2
    assert rows("SELECT state, why FROM webhook_endpoints") == [("disabled", "it answered 410 Gone")]
    assert rows("SELECT actor, action FROM audit ORDER BY id") == [
        ("test", "webhook_endpoint.added"), ("webhooks", "webhook_endpoint.disabled"),
    ]  # fmt: skip
    assert rows("SELECT id FROM webhook_waiting") == []


def test_no_redirect_is_followed(receiver, add, paid, send, rows):
    add()
    paid(1)
    receiver.plan = [(307, b"")]
    assert send() == 0
    assert rows("SELECT status FROM webhook_attempts") == [307]
    assert len(receiver.got) == 1


def test_an_endpoint_that_always_fails_is_tried_by_one_event_a_minute(wiring, receiver, add, paid, change, send):
    add()
    paid(1, 2, 3)
    change("UPDATE webhook_endpoints SET failures = 10")
    receiver.plan = [(500, b"")] * 3
    assert send() == 0
    assert len(receiver.got) == 1
    wiring.sandbox_clock.set(wiring.clock() + timedelta(minutes=1))
    receiver.plan = []
    assert send() == 3


def test_while_a_key_is_replaced_both_sign_and_after_a_day_the_new_one_alone(
    wiring, receiver, add, paid, send, pass_by
):
    made, old = add()
    with transaction(wiring.engine) as session:
        endpoint = webhook_endpoints.locked(session, made.id)
        new = webhook_endpoints.rotate(session, endpoint, sealer=wiring.sealer, by="test", now=wiring.clock())
    paid(1)
    send()
    pass_by(hours=24)
    paid(2)
    send()

    def signed_by(key, headers, body):
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        return Webhook(key).sign(headers["webhook-id"], at, body.decode()) in headers["webhook-signature"].split(" ")

    assert [[signed_by(key, *got) for key in (new, old)] for got in receiver.got] == [[True, True], [True, False]]


def test_a_replay_sends_the_same_id_and_bytes(wiring, receiver, add, paid, send, rows):
    add()
    paid(1, 2)
    send()
    [uid] = [headers["webhook-id"] for headers, body in receiver.got if b"FT2" in body]
    with transaction(wiring.engine) as session:
        assert len(webhook_sending.replay(session, uid, by="hoa", now=wiring.clock())) == 1
        assert webhook_sending.replay(session, "evt_none", by="hoa", now=wiring.clock()) == []
    assert send() == 1
    first = next((headers, body) for headers, body in receiver.got if headers["webhook-id"] == uid)
    assert (receiver.got[-1][0]["webhook-id"], receiver.got[-1][1]) == (uid, first[1])
    assert rows("SELECT count(*) FROM webhook_attempts GROUP BY sending_id ORDER BY sending_id") == [1, 2]
    assert rows("SELECT actor FROM audit WHERE action = 'webhook_event.replayed'") == ["hoa"]
    later, _ = add(url=receiver.url + "&second=1")
    with transaction(wiring.engine) as session:
        endpoint = session.get_one(Endpoint, later.id)
        since = (wiring.clock() - timedelta(hours=1), 0)
        assert webhook_sending.replay_since(session, endpoint, since, by="hoa", now=wiring.clock()) == Again(2, None)
        since = (wiring.clock() + timedelta(hours=1), 0)
        assert webhook_sending.replay_since(session, endpoint, since, by="hoa", now=wiring.clock()) == Again(0, None)
    assert send() == 2
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 2


def test_a_ping_tries_the_road_to_one_endpoint(wiring, receiver, add, send, rows):
    made, _ = add()
    add(url=receiver.url + "&second=1")
    with transaction(wiring.engine) as session:
        webhook_events.ping(session, session.get_one(Endpoint, made.id), now=wiring.clock())
    assert send() == 1
    assert receiver.bodies[0]["type"] == "ping"
    assert receiver.bodies[0]["data"] == {"endpoint": made.id}


def test_an_event_never_changes(add, paid, send, change):
    add()
    paid(1)
    send()
    for statement in (
        "UPDATE webhook_events SET body = ''",
        "DELETE FROM webhook_events",
        "DELETE FROM webhook_attempts",
    ):
        with pytest.raises(Exception, match="permission denied"):
            change(statement)


def test_whoever_dies_while_sending_leaves_the_event_to_the_next(wiring, add, paid, send, pass_by):
    add()
    paid(1)
    webhook_sender._gather(wiring)
    assert len(webhook_sender._claim(wiring)) == 1
    assert send() == 0
    pass_by(minutes=5)
    assert send() == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://example.vn/x", "https://127.0.0.1/x", "https://10.0.0.1/", "https://192.168.1.1", "https://[::1]/",
        "https://169.254.169.254/latest", "https://[::ffff:10.0.0.1]/", "https://0.0.0.0/", "https://224.0.0.1/",
        "https://user:secret@example.vn/", "ftp://example.vn", "example.vn", "https://", "https://example.vn:99999/",
        "https://exa mple.vn/", "https://example.vn/#part", "https://ví.vn/", "https://100.64.0.1/",
    ],
)  # fmt: skip
def test_what_may_not_be_called_is_refused_with_what_was_expected(url):
    with pytest.raises(outside.NotOutside, match="expected"):
        outside.check(url, inside=False)


def test_a_name_that_leads_into_the_house_is_not_called(wiring, receiver, add, paid, send, rows, monkeypatch):
    object.__setattr__(wiring.settings, "sandbox", False)
    monkeypatch.setattr(type(wiring), "clock", property(lambda self: self.sandbox_clock))
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, 443)) for number in ("8.8.8.8", "10.0.0.7")]
    monkeypatch.setattr(outside.socket, "getaddrinfo", lambda *_args, **_more: found)
    add(url="https://hooks.example.vn/x")
    paid(1)
    assert send() == 0
    assert rows("SELECT status, said FROM webhook_attempts") == [
        (None, "not sent: expected an address on the internet, got one within the house")
    ]


def test_a_call_goes_to_the_machine_that_was_looked_at_and_names_the_host(monkeypatch):
    found = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2606:4700::1111", 443, 0, 0))]
    monkeypatch.setattr(outside.socket, "getaddrinfo", lambda *_args, **_more: found)
    place = outside.place("https://hooks.example.vn/x?y=1", inside=False, seconds=5)
    assert (place.url, place.host, place.name) == (
        "https://[2606:4700::1111]:443/x?y=1", "hooks.example.vn", "hooks.example.vn",
    )  # fmt: skip


def test_the_sweep_rings_for_what_was_noted_and_what_is_due(wiring, receiver, add, paid, monkeypatch, pass_by):
    rung = []
    monkeypatch.setattr(schedule.bell, "ring", lambda _valkey, queue: rung.append(queue))
    monkeypatch.setattr(jobs, "wiring", lambda: wiring)
    schedule.sweep(wiring)
    assert "webhooks" not in rung
    add()
    paid(1)
    schedule.sweep(wiring)
    assert rung.count("webhooks") == 1
    receiver.plan = [(500, b"")]
    assert jobs.send_webhooks() == 0
    schedule.sweep(wiring)
    assert rung.count("webhooks") == 1, "it rests"
    pass_by(seconds=6)
    schedule.sweep(wiring)
    assert rung.count("webhooks") == 2
    assert jobs.send_webhooks() == 1


def test_many_matches_are_told_by_as_many_events_in_one_statement(add, paid, rows, wiring):
    add()
    paid(*range(1, 6))
    with transaction(wiring.engine) as session:
        assert webhook_events.gather(session, now=wiring.clock()) == 5
        assert webhook_events.gather(session, now=wiring.clock()) == 0
    assert rows("SELECT count(*) FROM webhook_events") == [5]


def test_events_of_one_moment_are_sent_again_piece_by_piece_none_twice(wiring, add, paid, send, rows, monkeypatch):
    made, _ = add()
    paid(*range(1, 6))
    send()
    monkeypatch.setattr(webhook_sending, "MOST_AGAIN", 2)
    [first] = rows("SELECT min(at) FROM webhook_events")
    place, asked = (first, 0), []
    with transaction(wiring.engine) as session:
        endpoint = session.get_one(Endpoint, made.id)
        while place:
            again = webhook_sending.replay_since(session, endpoint, place, by="hoa", now=wiring.clock())
            place = again.further
            asked.append(again.asked)
    assert asked == [2, 2, 1]
    assert rows("SELECT count(*) FROM webhook_sendings WHERE state = 'waiting'") == [5]
    assert rows("SELECT facts->>'sendings' FROM audit WHERE action = 'webhook_event.replayed' ORDER BY id") == [
        "2", "2", "1",
    ]  # fmt: skip


def test_what_was_taken_is_cleared_away_after_90_days_and_nothing_else(
    wiring, receiver, add, paid, send, rows, change, pass_by, monkeypatch
):
    monkeypatch.setattr(webhook_events, "AT_ONCE", 2)
    add()
    paid(*range(1, 6))
    send()
    pass_by(days=89)
    paid(6)
    send()
    receiver.plan = [(410, b"")]
    paid(7)
    send()
    assert schedule.clear_webhooks(wiring) == 0
    pass_by(days=2)
    change("UPDATE webhook_sendings SET state = 'waiting' WHERE id = (SELECT min(id) FROM webhook_sendings)")
    assert schedule.clear_webhooks(wiring) == 4, "one is being sent again"
    pass_by(days=100)
    assert schedule.clear_webhooks(wiring) == 1
    assert rows("SELECT state FROM webhook_sendings ORDER BY id") == ["waiting", "failed"]
    assert rows("SELECT count(*) FROM webhook_events") == [2]
    assert rows("SELECT count(*) FROM webhook_attempts") == [2]
    assert "webhooks" in [duty.name for duty in schedule.duties(wiring)]


def test_not_even_the_owner_clears_away_what_was_not_taken(receiver, add, paid, send, database_url):
    add()
    paid(1)
    receiver.plan = [(500, b"")]
    send()
    owner = owner_engine(database_url)
    with owner.connect() as connection:
        connection.execute(matching.text("DELETE FROM webhook_attempts"))
        with pytest.raises(DBAPIError, match="only ever added to"):
            connection.execute(matching.text("DELETE FROM webhook_sendings"))
