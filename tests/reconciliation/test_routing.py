"""Routing: shares by weight, no ill or refusing carrier, and nothing that may have left changes hands."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from reconciliation import routing, sending
from reconciliation.sending_hours import ANY_TIME
from reconciliation.sending_times import leaving
from tests.reconciliation.books import Books, a_bill

LEASE = timedelta(seconds=60)


@pytest.fixture
def queued(books: Books) -> Books:
    """300 messages, composed and due, without the bills they would tell of."""
    books.issue(a_bill(charge_on=date(2026, 11, 24), bank="standard"))
    books.run(
        lambda s: s.execute(
            text(
                "INSERT INTO messages"
                " (event_key, version, event, customer_id, bill_id, facts, body, not_after, created_at)"
                " SELECT 'bulk:' || n, 1, 'payment_recorded', m.customer_id, m.bill_id, '{}', 'x', :later, :now"
                " FROM messages m, generate_series(1, 299) n"
            ),
            {"now": books.now, "later": books.now + timedelta(days=2)},
        )
    )
    books.run(lambda s: s.execute(text("UPDATE messages SET body = 'x'")))
    return books


def route(books: Books, ill: tuple[str, ...] = (), limit: int = 1000, **weights: int) -> int:
    declared = [*weights, *ill]
    found: int = books.run(
        lambda s: routing.route(
            s, weights, leaving(s, ANY_TIME, now=books.now), declared=declared, ill=list(ill), limit=limit
        )
    )
    return found


def shares(books: Books) -> Counter[str | None]:
    return Counter(dict(books.rows("SELECT carrier, count(*) FROM messages GROUP BY 1")))


def claim(books: Books, carrier: str, *, limit: int = 10, of_all: bool = False) -> list[Any]:
    return list(
        books.run(lambda s: sending.claim(s, carrier=carrier, limit=limit, lease=LEASE, now=books.now, of_all=of_all))
    )


def test_shares_follow_the_weights_and_a_carrier_that_drops_out_moves_only_its_own(queued: Books) -> None:
    assert route(queued, esms=3, smpp=1) == 300
    first = dict(queued.rows("SELECT id, carrier FROM messages"))
    assert 195 <= shares(queued)["esms"] <= 255
    assert route(queued, esms=3, smpp=1) == 0, "what has a carrier keeps it"
    moved = shares(queued)["smpp"]
    assert route(queued, ("smpp",), esms=3, speedsms=1) == moved
    now = dict(queued.rows("SELECT id, carrier FROM messages"))
    assert {id for id in now if now[id] != first[id]} == {id for id in first if first[id] == "smpp"}


def test_a_carrier_that_is_gone_from_the_settings_loses_what_waits_for_it(queued: Books) -> None:
    route(queued, esms=1)
    assert route(queued, smpp=1) == 300
    assert shares(queued) == Counter(smpp=300)


def test_without_a_carrier_that_is_well_nothing_is_given(queued: Books) -> None:
    assert route(queued, ("esms",)) == 0
    assert shares(queued) == Counter({None: 300})


def test_routing_goes_piece_by_piece(queued: Books) -> None:
    assert [route(queued, limit=200, esms=1) for _ in range(3)] == [200, 100, 0]


def test_a_claim_takes_only_what_is_the_carrier_s_unless_it_takes_all(queued: Books) -> None:
    route(queued, esms=1)
    assert claim(queued, "smpp") == []
    assert len(claim(queued, "esms")) == 10
    assert len(claim(queued, "smpp", limit=3, of_all=True)) == 3
    assert queued.rows("SELECT carrier, count(*) FROM messages WHERE state = 'sending' GROUP BY 1 ORDER BY 1") == [
        ("esms", 10), ("smpp", 3)]  # fmt: skip


def test_one_for_good_refused_goes_to_a_carrier_that_did_not_and_fails_when_none_is_left(queued: Books) -> None:
    def refuse(one: Any, carrier: str) -> str:
        queued.run(
            lambda s: sending.refused(
                s, one.id, carrier=carrier, permanent=True, why="no such network", again_at=queued.now + LEASE,
                now=queued.now, others=["esms", "smpp"],
            )
        )  # fmt: skip
        found: str = queued.rows("SELECT state FROM messages WHERE id = :id", id=one.id)[0][0]
        return found

    [one] = claim(queued, "esms", limit=1, of_all=True)
    assert refuse(one, "esms") == "queued"
    assert queued.rows("SELECT carrier, refused_by, not_before FROM messages WHERE id = :id", id=one.id) == [
        (None, ["esms"], queued.now)]  # fmt: skip
    assert one.id not in {each.id for each in claim(queued, "esms", limit=300, of_all=True)}
    route(queued, esms=1000, smpp=1)
    assert queued.rows("SELECT carrier FROM messages WHERE id = :id", id=one.id) == [("smpp",)]
    [again] = claim(queued, "smpp", limit=1)
    assert (again.id, again.request_id) == (one.id, one.request_id)
    assert refuse(one, "smpp") == "failed"


@pytest.mark.parametrize("state", ["sending", "unsure", "sent"])
def test_nothing_that_may_have_left_changes_hands(queued: Books, state: str) -> None:
    [one] = claim(queued, "esms", limit=1, of_all=True)
    if state == "unsure":
        queued.run(lambda s: sending.unsure(s, one.id, why="timed out", again_at=queued.now, now=queued.now))
    if state == "sent":
        queued.run(lambda s: sending.sent(s, [(one.id, "R1")], provider="esms", now=queued.now))
    route(queued, ("esms",), smpp=1)
    assert queued.rows("SELECT carrier FROM messages WHERE id = :id", id=one.id) == [("esms",)]
    with pytest.raises(IntegrityError, match="no other carrier takes it"):
        queued.run(lambda s: s.execute(text("UPDATE messages SET carrier = 'smpp' WHERE id = :id"), {"id": one.id}))


def test_only_the_carrier_that_was_asked_is_asked_again_and_only_while_it_remembers(queued: Books) -> None:
    def ask_again(carrier: str, after: timedelta, remembers: timedelta | None) -> list[Any]:
        now = queued.now + after
        return list(
            queued.run(
                lambda s: sending.ask_again(s, carrier=carrier, remembers=remembers, limit=10, lease=LEASE, now=now)
            )
        )

    hour = timedelta(hours=1)
    [one] = claim(queued, "esms", limit=1, of_all=True)
    queued.run(lambda s: sending.unsure(s, one.id, why="timed out", again_at=queued.now + LEASE, now=queued.now))
    assert ask_again("smpp", hour, None) == []
    assert ask_again("esms", 23 * hour, 23 * hour) == []
    queued.run(lambda s: s.execute(text("UPDATE messages SET not_before = 'infinity' WHERE state = 'queued'")))
    memories = {"esms": 23 * hour, "smpp": None}
    for passed, due in ((22 * hour, True), (24 * hour, False)):
        found = queued.run(
            lambda s, passed=passed: sending.is_due(s, leaving(s, ANY_TIME, now=queued.now + passed), memories=memories)
        )
        assert found is due
    [again] = ask_again("esms", 22 * hour, 23 * hour)
    assert (again.id, again.request_id, again.state) == (one.id, one.request_id, "unsure")


def test_a_receipt_counts_from_the_carrier_that_was_asked_alone(queued: Books) -> None:
    def receipt(provider: str) -> bool:
        found: bool = queued.run(
            lambda s: sending.receipt(
                s, provider=provider, provider_ref="R9", request_id=one.request_id, delivered=True, code="0",
                now=queued.now,
            )
        )  # fmt: skip
        return found

    [one] = claim(queued, "esms", limit=1, of_all=True)
    queued.run(lambda s: sending.sent(s, [(one.id, "")], provider="esms", now=queued.now))
    assert queued.rows("SELECT provider_ref FROM messages WHERE id = :id", id=one.id) == [(None,)]
    assert not receipt("smpp")
    assert receipt("esms")
