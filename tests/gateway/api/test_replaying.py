"""Idempotency keys: the same request is done once, whatever else comes under its key is refused, by token."""

import threading

import pytest

from gateway.api import mismatches as module
from gateway.database import transaction
from reconciliation import api_answers, mismatches
from tests.gateway.samples import a_bill


@pytest.fixture
def question(wiring):
    with transaction(wiring.engine) as session:
        return mismatches.ask_one(session, code="M13", subject="link:x", source="x", now=wiring.clock())


@pytest.fixture
def say(ask, question):
    return lambda text, key="k1", who=ask: who.post(f"/mismatches/{question}/remarks", {"text": text}, key=key)


REMARKS = "SELECT text, by FROM remarks ORDER BY id"


def test_a_remark_is_made_once_and_answered_the_same(say, rows):
    first = say("đang hỏi ngân hàng")
    assert (first.status_code, first.json["kind"], first.json["by"]) == (201, "comment", "api:client 1")
    again = say("đang hỏi ngân hàng")
    assert (again.status_code, again.data) == (201, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert rows(REMARKS) == [("đang hỏi ngân hàng", "api:client 1")]
    assert rows("SELECT actor, action FROM audit WHERE action = 'remarked'") == [("api:client 1", "remarked")]


def test_another_request_under_the_key_is_refused(say, rows):
    say("one")
    refused = say("two")
    assert (refused.status_code, refused.content_type) == (422, "application/problem+json")
    assert rows(REMARKS) == [("one", "api:client 1")]
    assert say("two", key="k2").status_code == 201


def test_a_key_with_quotes_is_the_same_key(say, rows):
    say("one", key="k1")
    assert say("one", key='"k1"').headers["Idempotent-Replayed"] == "true"
    assert len(rows(REMARKS)) == 1


def test_each_token_has_keys_of_its_own(say, caller, rows):
    say("one")
    say("one", who=caller("mismatches:write"))
    assert rows(REMARKS) == [("one", "api:client 1"), ("one", "api:client 2")]


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, '"half', "khóa"])
def test_a_remark_needs_a_key_that_can_be_read(ask, question, rows, key):
    headers = {"Idempotency-Key": key.encode().decode("latin-1")} if key else {}
    answer = ask("POST", f"/mismatches/{question}/remarks", json={"text": "x"}, headers=headers)
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json["errors"][0]
    assert rows(REMARKS) == []


def test_while_one_is_at_work_the_other_is_told_to_come_again(say, rows, monkeypatch):
    at_work, go_on, answers = threading.Event(), threading.Event(), []
    comment = module.remarks.comment

    def slow(*args, **more):
        at_work.set()
        assert go_on.wait(20)
        return comment(*args, **more)

    monkeypatch.setattr(module.remarks, "comment", slow)
    thread = threading.Thread(target=lambda: answers.append(say("one")))
    thread.start()
    assert at_work.wait(20)
    assert say("one").status_code == 409
    go_on.set()
    thread.join()
    assert [answer.status_code for answer in answers] == [201]
    assert say("one").headers["Idempotent-Replayed"] == "true"
    assert len(rows(REMARKS)) == 1


def test_a_refusal_is_answered_the_same_too(ask, rows):
    for _ in range(2):
        answer = ask.post("/mismatches/999/remarks", {"text": "x"}, key="k1")
        assert answer.status_code == 404
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert rows("SELECT status, content_type FROM api_idempotency") == [(404, "application/problem+json")]


def test_a_fault_of_ours_leaves_the_key_free(say, ask, question, rows, monkeypatch):
    def broken(*_args, **_more):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(module.remarks, "comment", broken)
        assert say("one").status_code == 500
    assert rows("SELECT id FROM api_idempotency") == []
    assert say("one").status_code == 201


def test_bills_are_taken_once_under_a_key_and_without_one_as_before(ask, rows):
    first = ask.post("/bills", {"bills": [a_bill(1)]}, key="k1")
    assert ask.post("/bills", {"bills": [a_bill(1)]}, key="k1").json == first.json == {
        "new": 1, "replaced": 0, "unchanged": 0, "matched": 0,
    }  # fmt: skip
    assert ask.post("/bills", {"bills": [a_bill(1)]}).json["unchanged"] == 1
    assert ask.post("/bills", {"bills": [a_bill(2)]}, key="k1").status_code == 422
    assert rows("SELECT number FROM bills") == ["HD2611-0000001"]
    refused = ask.post("/bills", {"bills": [a_bill(3, amount=1)]}, key="k2")
    again = ask.post("/bills", {"bills": [a_bill(3, amount=1)]}, key="k2")
    assert (refused.status_code, refused.data) == (again.status_code, again.data)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_old_keys_are_forgotten_as_new_ones_come(say, wiring, later, rows):
    say("one", key="k1")
    later(wiring.clock() + api_answers.KEPT_FOR)
    say("two", key="k2")
    later(wiring.clock() + api_answers.KEPT_FOR)
    assert rows("SELECT key FROM api_idempotency ORDER BY id") == ["k2"]


@pytest.mark.parametrize(
    ("content", "status"),
    [({"text": ""}, 400), ({"text": "x" * 2001}, 400), ({"text": 1}, 400), ({}, 400), ({"text": "x", "by": "y"}, 400),
     ({"text": "   "}, 422)],
)  # fmt: skip
def test_a_remark_of_another_form_is_refused(ask, question, rows, content, status):
    assert ask.post(f"/mismatches/{question}/remarks", content, key="k1").status_code == status
    assert rows(REMARKS) == []


def test_a_body_of_another_kind_or_size_is_refused(ask, question):
    path, key = f"/mismatches/{question}/remarks", {"Idempotency-Key": "k1"}
    answer = ask("POST", path, data="text=x", content_type="application/x-www-form-urlencoded", headers=key)
    assert answer.status_code == 415
    assert "expected application/json, got application/x-www-form-urlencoded" in answer.json["errors"][0]
    assert ask.post(path, {"text": "x" * 20_000}, key="k1").status_code == 413
