"""Tokens: what opens the API, for how long and to what, at what pace; every refusal says what was expected."""

from datetime import timedelta

import pytest
from limits import RateLimitItemPerMinute

from gateway.api import callers
from gateway.api.operations import OPERATIONS
from gateway.database import transaction
from reconciliation import api_tokens
from tests.gateway.api.conftest import Caller
from tests.gateway.samples import a_bill

PLACES = {"number": "HD1", "id": "1", "bank": "standard", "reference": "FT1", "date": "2026-11-18"}
_UID = "evt_" + "0" * 32


def path_of(one):
    return one.path.format(**PLACES | ({"id": _UID} if "webhook" in one.path else {}))


@pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one.name)
def test_without_the_scope_an_operation_is_refused_and_the_scope_is_named(caller, one, rows):
    others = [scope for scope in api_tokens.SCOPES if scope != one.scope]
    answer = caller(*others)(one.method, path_of(one))
    assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
    assert f"expected a token with the scope {one.scope}, " in answer.json["errors"][0]
    assert rows("SELECT id FROM api_idempotency") == []


@pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one.name)
def test_without_a_token_an_operation_is_refused_and_the_scope_is_named(web, one):
    for headers in ({}, {"Authorization": "Bearer dst_unknown"}, {"Authorization": "dst_unknown"}):
        answer = web.open("/api/v1" + path_of(one), method=one.method, headers=headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert f"of a token with the scope {one.scope}" in answer.json["errors"][0]


@pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one.name)
def test_the_scope_alone_is_enough(caller, one):
    answer = caller(one.scope)(one.method, path_of(one), json={} if one.method == "POST" else None)
    assert answer.status_code in (200, 400, 404), answer.data


def test_a_token_ends_with_its_day_and_with_its_revocation(web, token_of, wiring, later, rows):
    brief = Caller(web, token_of("bills:read", lasts=timedelta(days=1)))
    for_ever = Caller(web, token_of("bills:read", name="billing"))
    later(wiring.clock() + timedelta(days=1))
    assert (brief.get("/bills").status_code, for_ever.get("/bills").status_code) == (401, 200)
    with transaction(wiring.engine) as session:
        found = api_tokens.live_named(session, "billing")
        assert api_tokens.revoke(session, found.id, by="admin", now=wiring.clock())
        assert not api_tokens.revoke(session, found.id, by="admin", now=wiring.clock())
    assert for_ever.get("/bills").status_code == 401
    assert rows("SELECT actor, action FROM audit ORDER BY id") == [
        ("test", "api_token.made"), ("test", "api_token.made"), ("admin", "api_token.revoked"),
    ]  # fmt: skip


def test_the_last_use_is_noted_once_a_minute(ask, wiring, later, one):
    noted = "SELECT last_used_at, xmin::text FROM api_tokens"
    ask.get("/bills")
    first = one(noted)
    later(first[0] + timedelta(seconds=59))
    ask.get("/bills")
    assert one(noted) == first
    later(first[0] + timedelta(seconds=60))
    ask.get("/bills")
    assert one(noted)[0] >= first[0] + timedelta(seconds=60)


def test_the_table_knows_no_token_by_itself(token_of, rows):
    token = token_of("marks")
    assert token.startswith("dst_")
    assert len(token) > 40
    [row] = rows("SELECT api_tokens::text FROM api_tokens")
    assert token not in row
    assert token[4:] not in row


def test_above_the_pace_a_caller_is_told_when_to_come_again(caller, monkeypatch):
    monkeypatch.setattr(callers, "PACE", RateLimitItemPerMinute(2))
    quick, other = caller("bills:read"), caller("bills:read")
    assert [quick.get("/bills").status_code for _ in range(3)] == [200, 200, 429]
    refused = quick.get("/bills")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert f"again in {refused.headers['Retry-After']} s" in refused.json["errors"][0]
    assert other.get("/bills").status_code == 200, "each token has a pace of its own"


def test_the_token_of_the_settings_has_every_scope_and_its_answers_are_its_own(web, caller, rows):
    house, other = Caller(web, "sandbox-api-token-for-tests"), caller()
    for who in (house, other):
        assert who.post("/bills", {"bills": [a_bill()]}, key="k1").status_code == 200
    assert rows("SELECT token_id > 0 FROM api_idempotency ORDER BY id") == [False, True]


def test_a_token_stays_as_it_was_made(wiring, token_of, change):
    token_of("marks")
    for what in ("scopes = '{bills:read}'", "expires_at = NULL, name = 'x'", "digest = ''"):
        with pytest.raises(Exception, match="permission denied"):
            change(f"UPDATE api_tokens SET {what}")
