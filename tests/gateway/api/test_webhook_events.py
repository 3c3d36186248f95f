"""Events through the API: those that were made are listed and read as they are sent, and sent once more on demand."""

import json
from datetime import date

import pytest

from gateway.api.webhook_events import EVENTS, body_of
from gateway.database import transaction
from reconciliation import closes, webhook_endpoints, webhook_events
from reconciliation.lifecycle import CLOSE, move
from tests.gateway.api.conftest import faults


@pytest.fixture
def told(wiring, paid):
    """One event of each type, as the database makes them."""
    with transaction(wiring.engine) as session:
        endpoint, _ = webhook_endpoints.add(
            session, "http://127.0.0.1:9/", webhook_endpoints.TYPES, sealer=wiring.sealer, by="test",
            now=wiring.clock(),
        )  # fmt: skip
    paid(1)
    now = wiring.clock()
    with transaction(wiring.engine) as session:
        session.execute(webhook_events.text("UPDATE allocations SET undone_at = :now, undone_why = 'x'"), {"now": now})
    with transaction(wiring.engine) as session:
        made = closes.Close(bank="standard", period="day", day=date(2026, 11, 17), version=1, created_at=now)
        session.add(made)
        session.flush()
        made.maker, made.made_at, made.digest = "lan", now, "d1"
        session.flush()
        move(session, CLOSE, [made.id], "balanced", by="lan", why="", now=now)
        move(session, CLOSE, [made.id], "signed", by="chi", why="", now=now, noting="checker = :by, signed_at = :now")
    with transaction(wiring.engine) as session:
        noting = "reopened_by = :by, reopened_at = :now, reopened_why = 'late line'"
        move(session, CLOSE, [made.id], "reopened", by="hoa", why="", now=now, noting=noting)
    with transaction(wiring.engine) as session:
        webhook_events.gather(session, now=wiring.clock())
        webhook_events.ping(session, endpoint, now=wiring.clock())


@pytest.mark.usefixtures("told")
def test_every_event_is_as_described(rows):
    bodies = [json.loads(body) for body in rows("SELECT body FROM webhook_events ORDER BY id")]
    assert {body["type"] for body in bodies} == set(EVENTS)
    for body in bodies:
        assert faults(body_of(body["type"], EVENTS[body["type"]][1]), body) == [], body
    closed, reopened = (next(one for one in bodies if one["type"] == f"day.{what}") for what in ("closed", "reopened"))
    assert reopened["data"] == closed["data"]


def test_a_payment_that_a_line_alone_shows_is_called_by_its_banks_reference(wiring, paid, change, rows, ask):
    with transaction(wiring.engine) as session:
        webhook_endpoints.add(
            session, "http://127.0.0.1:9/", webhook_endpoints.TYPES, sealer=wiring.sealer, by="test",
            now=wiring.clock(),
        )  # fmt: skip
    for number, bank_reference in ((1, "SK-991"), (2, "")):
        paid(number)
        change(
            "UPDATE payments SET source_reference = :line, bank_reference = :named WHERE source_reference = :told",
            line=f"line:{number}", named=bank_reference, told=f"FT{number}",
        )  # fmt: skip
    with transaction(wiring.engine) as session:
        webhook_events.gather(session, now=wiring.clock())
    bodies = [json.loads(body) for body in rows("SELECT body FROM webhook_events ORDER BY id")]
    assert [body["data"]["payment"]["reference"] for body in bodies] == ["SK-991", "line:2"]
    listed = {one["id"]: one["reference"] for one in ask.get("/payments").json["items"]}
    assert sorted(listed.values()) == ["SK-991", "line:2"]
    for reference in ("SK-991", "line:1", "line:2"):
        told = ask.get(f"/payments/standard/{reference}").json
        assert told["reference"] == listed[told["id"]], reference
    change("UPDATE payments SET bank_reference = 'SK-991'")
    answer = ask.get("/payments/standard/SK-991")
    assert (answer.status_code, answer.json["errors"]) == (
        404, ["reference: expected that of one payment; ask by its number"],
    )  # fmt: skip


@pytest.mark.usefixtures("told")
def test_events_are_listed_and_read(ask):
    listed = ask.get("/webhook-events").json["items"]
    assert [one["type"] for one in listed] == [
        "day.reopened", "day.closed", "payment.reversed", "payment.matched",
    ]  # fmt: skip
    assert ask.get(f"/webhook-events/{listed[0]['id']}").json == listed[0]
    assert [one["type"] for one in ask.get("/webhook-events?type=day.closed").json["items"]] == ["day.closed"]
    assert ask.get("/webhook-events?since=2026-11-19").json["items"] == []
    assert ask.get("/webhook-events/evt_1").status_code == 404


@pytest.mark.usefixtures("told")
def test_one_is_sent_once_more(ask, change, rows, wiring):
    change("UPDATE webhook_sendings SET state = 'failed', attempts = 10")
    wiring.valkey.flushall()
    uid = ask.get("/webhook-events?type=payment.matched").json["items"][0]["id"]
    answer = ask("POST", f"/webhook-events/{uid}/replay")
    assert (answer.status_code, answer.json) == (202, {"sendings": 1})
    assert rows("SELECT count(*) FROM webhook_sendings WHERE state = 'waiting' AND attempts = 0") == [1]
    assert rows("SELECT actor FROM audit WHERE action = 'webhook_event.replayed'") == ["api:client 1"]
    assert wiring.valkey.exists("doisoat:rung:webhooks")
    assert ask("POST", f"/webhook-events/evt_{'0' * 32}/replay").status_code == 404
