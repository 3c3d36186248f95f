"""Refused calls: kept sealed, at a pace per sender and in all, and never in the way of an answer."""

import pytest
from limits import RateLimitItemPerMinute

from banks.records import RawRequest
from gateway import refusals
from gateway.refusals import Refusals


def a_call(now, remote="203.0.113.9", method="POST", query=b"", body=b"{}"):
    return RawRequest(method, query, {}, body, now, remote)


@pytest.fixture
def desk(engine, sealer):
    return Refusals(engine, sealer)


def test_a_refused_call_is_kept_sealed_with_its_reason(desk, now, sealer, one):
    assert desk.keep("vnpay", a_call(now, method="GET", query=b"vnp_TxnRef=PA1", body=b""), "no hash", b"head", now)
    source, outcome, reason, remote, head, body, at = one(
        "SELECT source, outcome, reason, remote, head, body, received_at FROM refusals"
    )
    assert (source, outcome, reason, remote, at) == ("vnpay", "unproven", "no hash", "203.0.113.9", now)
    assert sealer.open(head, "refusals.head") == b"head"
    assert sealer.open(body, "refusals.body") == b"vnp_TxnRef=PA1"


def test_one_sender_fills_its_share_and_no_other_s(desk, now, rows):
    assert [desk.keep("standard", a_call(now), "", b"", now) for _ in range(32)] == [True] * 30 + [False] * 2
    assert desk.keep("standard", a_call(now, "203.0.113.10"), "", b"", now)
    assert rows("SELECT count(*) FROM refusals") == [31]


def test_many_senders_together_fill_no_more_than_the_whole(desk, now, rows, monkeypatch):
    monkeypatch.setattr(refusals, "_IN_ALL", RateLimitItemPerMinute(5))
    kept = [desk.keep("standard", a_call(now, f"203.0.113.{number}"), "", b"", now) for number in range(8)]
    assert kept == [True] * 5 + [False] * 3
    assert rows("SELECT count(*) FROM refusals") == [5]


def test_a_call_that_can_not_be_kept_is_no_error(cut_off, now, caplog):
    desk = Refusals(cut_off.engine, cut_off.sealer)
    assert desk.keep("standard", a_call(now, body=b"0912345678"), "a reason", b"", now) is False
    assert "a refused call could not be kept: OperationalError" in caplog.text
    assert "0912345678" not in caplog.text
