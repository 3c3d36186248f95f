"""`doisoat webhooks`: endpoints added with a key shown once, tried, logged, sent again, disabled and enabled."""

import re
from datetime import timedelta

import pytest
from click.testing import CliRunner

from gateway.commands.webhooks import webhooks
from reconciliation import webhook_endpoints, webhook_sending
from reconciliation.webhook_endpoints import Endpoint
from reconciliation.webhook_sending import Answered

URL = "http://127.0.0.1:9/hooks"


@pytest.fixture
def run(at_home):
    return lambda *words: CliRunner().invoke(webhooks, words)


@pytest.fixture
def number(run, one):
    assert run("add", URL, "--event", "day.closed", "--event", "payment.matched", "--by", "hoa").exit_code == 0
    return str(one("SELECT id FROM webhook_endpoints"))


def test_an_endpoint_is_added_and_its_key_shown_this_once(run, session, wiring, rows):
    made = run("add", URL, "--event", "day.closed")
    [endpoint] = webhook_endpoints.every(session)
    assert made.stdout.strip() == webhook_endpoints.keys(endpoint, wiring.sealer, now=wiring.clock())[0]
    assert run("list").stdout == f"{endpoint.id}: live, day.closed, {URL}\n"
    assert rows("SELECT actor, action FROM audit") == [("command line", "webhook_endpoint.added")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((URL, "--event", "everything"), "expected events among payment.matched"),
        (("ftp://example.vn", "--event", "day.closed"), "expected an address that begins with https:// or http://"),
    ],
)
def test_what_can_not_be_added_is_refused(run, rows, words, said):
    result = run("add", *words)
    assert result.exit_code == 1
    assert said in result.stderr
    assert rows("SELECT id FROM webhook_endpoints") == []


def test_the_log_tells_of_each_event_and_a_replay_sends_it_again(run, number, wiring, session, one):
    assert run("send-test", number).exit_code == 0
    [claimed] = webhook_sending.claim(
        session, each=9, most=9, lease=wiring.clock() - wiring.clock(), now=wiring.clock()
    )
    webhook_sending.record(session, claimed, Answered(200, "ok", 12), now=wiring.clock())
    session.commit()
    said = f"{claimed.uid}: ping, delivered, 1 attempt: 200 in 12 ms ok\n"
    assert run("log", number).stdout == said
    assert run("replay", number, "--event", claimed.uid).stdout == f"1 event on the way to endpoint {number}\n"
    assert run("log", number).stdout.startswith(f"{claimed.uid}: ping, waiting, 1 attempt, next 18/11/2026 09:00:")
    again = webhook_sending.claim(session, each=9, most=9, lease=timedelta(), now=wiring.clock() + timedelta(hours=1))
    webhook_sending.record(session, again[0], Answered(503, "busy", 7), now=wiring.clock())
    session.commit()
    last, before = run("log", number).stdout.splitlines()
    assert last.startswith(f"{claimed.uid}: ping, waiting, 2 attempts, next ")
    assert last.endswith(": 503 in 7 ms busy (asked by command line)")
    assert re.fullmatch(r"  18/11/2026 09:00:\d\d: 200 in 12 ms ok", before)
    assert run("replay", number, "--since", "2026-11-18").stdout == f"0 events on the way to endpoint {number}\n"
    assert run("replay", number).exit_code == 1
    assert "expected a moment as 2026-11-18T08:00" in run("replay", number, "--since", "soon").stderr
    assert one("SELECT count(*) FROM webhook_events") == 1


def test_a_key_is_replaced_and_an_endpoint_disabled_and_enabled(run, number, session, wiring):
    key = run("rotate", number).stdout.strip()
    endpoint = session.get_one(Endpoint, int(number))
    assert webhook_endpoints.keys(endpoint, wiring.sealer, now=wiring.clock())[0] == key
    assert run("disable", number, "--why", "moved").exit_code == 0
    assert run("list").stdout.startswith(f"{number}: disabled (moved), ")
    assert run("enable", number).exit_code == 0
    assert run("list").stdout.startswith(f"{number}: live, ")
    assert "expected the number of an endpoint, got 99999" in run("enable", "99999").stderr
