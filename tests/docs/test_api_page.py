"""The page on the API shows what happens: its requests are sent in their order, and each is answered as it says."""

import json
import re
import time
from pathlib import Path

import pytest
from werkzeug.test import Client

from banks.signatures import StandardWebhooks
from gateway import api, bill_import, callback_reading, composing, jobs
from gateway.api.webhook_events import EVENTS, body_of
from gateway.database import transaction
from gateway.web import create_app
from reconciliation import api_tokens, mismatches, webhook_endpoints, webhook_events
from tests.gateway.api.conftest import assert_described, faults
from tests.gateway.samples import a_bill, an_event

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
HTTP = re.compile(r"^```http\n(.*?)^```", re.DOTALL | re.MULTILINE)
JSON = re.compile(r"^```json\n(.*?)^```", re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
ANY = "…"


@pytest.fixture
def known(wiring):
    """A gateway with what the page speaks of; returns what its names stand for."""
    now = wiring.clock()
    with transaction(wiring.engine) as session:
        billing = ("bills:read", "bills:write")
        _, bills = api_tokens.make(session, "billing", billing, by="test", now=now)
        _, token = api_tokens.make(session, "docs", api_tokens.SCOPES, by="test", now=now)
        url, hears = "http://127.0.0.1:9/", webhook_endpoints.TYPES
        webhook_endpoints.add(session, url, hears, sealer=wiring.sealer, by="test", now=now)
        asked = mismatches.ask_one(session, code="M13", subject="link:x", source="standard", now=now)
        rows = ((f"line {n}", a_bill(n)) for n in (1, 2, 3))
        for _ in bill_import.take_in(session, wiring, rows):
            composing.compose_promises(session, wiring.settings)
    signed = an_event(wiring, "FT1")
    web = Client(create_app(wiring))
    assert web.post("/webhooks/standard", data=signed.body, headers=dict(signed.headers)).status_code == 200
    callback_reading.read(wiring, callback_reading.claim(wiring, limit=10, lease=jobs.LEASE))
    with transaction(wiring.engine) as session:
        webhook_events.gather(session, now=now)
    return web, {"$BILLS": bills, "$TOKEN": token, "$MISMATCH": str(asked)}


def filled(text, names):
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def fit(shown, got, names):
    """Tell whether an answer is what is shown; a name that is not known yet is learnt from it."""
    if isinstance(shown, str) and shown.startswith("$"):
        names[shown] = got
        return isinstance(got, str)
    if isinstance(shown, dict):
        wanted = {name: value for name, value in shown.items() if name != ANY}
        same = isinstance(got, dict) and (set(wanted) <= set(got) if ANY in shown else set(wanted) == set(got))
        return same and all(fit(value, got[name], names) for name, value in wanted.items())
    if isinstance(shown, list):
        return isinstance(got, list) and len(shown) == len(got) and all(map(fit, shown, got, [names] * len(got)))
    return shown in (ANY, got)


def read(block):
    """Return method, path, headers, body, status and answer of one block."""
    head, *parts = block.strip().split("\n\n")
    first, *headers = head.splitlines()
    method, path = first.split(" ")
    body = parts[0] if len(parts) == 2 else None
    status, _, answer = parts[-1].partition("\n")
    return method, path, dict(line.split(": ", 1) for line in headers), body, int(status), json.loads(answer)


def test_every_request_is_answered_as_shown(known):
    web, names = known
    blocks = HTTP.findall(PAGE)
    assert len(blocks) >= 10
    for block in blocks:
        method, path, headers, body, status, shown = read(filled(block, names))
        answer = web.open(path, method=method, headers=headers, data=body.encode() if body else None)
        assert (answer.status_code, fit(shown, answer.json, names)) == (status, True), (path, answer.text)
        assert_described(method, path, answer)


def test_the_event_shown_is_as_described():
    [shown] = map(json.loads, JSON.findall(PAGE))
    assert faults(body_of(shown["type"], EVENTS[shown["type"]][1]), shown) == []


def test_the_words_on_scopes_lists_and_events_are_complete():
    assert [scope for scope in api_tokens.SCOPES if f"`{scope}`" not in PAGE] == []
    assert [kind for kind in EVENTS if f"| `{kind}` |" not in PAGE] == []
    for path, methods in api.description()["paths"].items():
        named = {one["name"] for one in methods.get("get", {}).get("parameters", []) if one["in"] == "query"}
        if {"limit", "since"} <= named:
            [row] = re.findall(rf"^\| `{path}` .*", PAGE, re.MULTILINE)
            assert named - {"limit", "after", "since", "until"} == set(re.findall(r"`(\w+)`", row.split("|")[2])), path


def test_the_code_shown_verifies_what_we_send_and_nothing_else():
    [code] = PYTHON.findall(PAGE)
    shown: dict = {}
    exec(code, shown)
    old, new = "whsec_b2xkLWtleS1mb3ItdGVzdHMtb25seS0wMQ==", "whsec_bmV3LWtleS1mb3ItdGVzdHMtb25seS0wMQ=="
    body = '{"type": "ping", "ví": 1}'.encode()
    headers = StandardWebhooks().headers("evt_1", body, int(time.time()), [new, old])
    assert [shown["verify"](key, headers, body) for key in (new, old)] == [True, True]
    assert not shown["verify"](new, headers, body + b" ")
    assert not shown["verify"]("whsec_" + "b3RoZXI=", headers, body)
    late = StandardWebhooks().headers("evt_1", body, int(time.time()) - 400, [new])
    assert not shown["verify"](new, late, body)


def test_what_does_not_fit_is_found():
    assert fit({"a": 1, ANY: ANY}, {"a": 1, "b": 2}, {})
    assert not fit({"a": 1}, {"a": 1, "b": 2}, {})
    assert not fit({"a": 1}, {"a": 2}, {})
    assert not fit([1], [1, 2], {})
