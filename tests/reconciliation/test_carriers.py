"""Carriers' health: when one falls ill, how it is tried again and is well, and what its pace lets through."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciliation import carriers
from reconciliation.carriers import FEW, KEPT, WINDOW, Carrier, Words
from tests.reconciliation.books import Books

MINUTE = timedelta(minutes=1)


def hear(books: Books, after: timedelta = timedelta(), name: str = "esms", **words: Any) -> Carrier:
    moment = books.now + after
    found: Carrier = books.run(lambda s: carriers.heard(s, name, Words(**words), now=moment, at=moment))
    return found


def may_take(books: Books, after: timedelta = timedelta()) -> tuple[list[str], list[str]]:
    found: tuple[list[str], list[str]] = books.run(
        lambda s: carriers.may_take(s, ["esms", "speedsms"], now=books.now + after)
    )
    return found


def room(books: Books, at: datetime, wanted: int = 100, per_second: int | None = 10, spent: int = 0) -> int:
    def ask(session: Any) -> int:
        many = carriers.room(session, "esms", wanted=wanted, per_second=per_second, at=at)
        carriers.spend(session, "esms", min(spent, many), per_second=per_second, at=at)
        return many

    found: int = books.run(ask)
    return found


def test_a_carrier_in_trouble_with_half_of_much_is_ill_and_gets_no_new_messages(books: Books) -> None:
    assert hear(books, accepted=10, troubled=9, milliseconds=100).ill_since is None, "too few to tell"
    assert hear(books, accepted=1).ill_since is None, "less than half"
    assert may_take(books) == (["esms", "speedsms"], [])
    ill = hear(books, troubled=3, last="unsure")
    assert (ill.ill_since, ill.ill_why) == (books.now, "in trouble with 12 of 23 messages")
    assert (ill.needs_person, ill.last_word) == (False, "unsure")
    assert may_take(books) == (["speedsms"], [])


def test_messages_at_fault_make_no_carrier_ill(books: Books) -> None:
    assert hear(books, refused=100).ill_since is None


def test_a_slow_carrier_is_ill(books: Books) -> None:
    ill = hear(books, accepted=30, milliseconds=30 * 10_001)
    assert ill.ill_why == "slow: 10001 ms a message over 30"


def test_one_that_hangs_is_ill_long_before_twenty_messages_have_hung(books: Books) -> None:
    assert hear(books, troubled=4, milliseconds=4 * 15_000).ill_since is None
    assert hear(books, timedelta(seconds=15), troubled=1, milliseconds=15_000).ill_why.startswith("slow: 15000 ms")


def test_what_was_before_the_window_counts_no_more(books: Books) -> None:
    hear(books, troubled=19)
    assert hear(books, WINDOW, accepted=1).ill_since is None
    assert hear(books, KEPT + 2 * WINDOW, accepted=1).ill_since is None
    assert books.rows("SELECT count(*) FROM sms_carrier_minutes") == [(1,)], "and is forgotten in time"


def test_a_carrier_that_wants_a_person_is_ill_at_once(books: Books) -> None:
    ill = hear(books, accepted=99, troubled=1, halts="the balance is used up (103)")
    assert (ill.needs_person, ill.ill_why) == (True, "the balance is used up (103)")


def test_an_ill_carrier_is_tried_by_one_sender_at_a_time_and_later_each_time(books: Books) -> None:
    def try_again(after: timedelta) -> bool:
        def ask(session: Any) -> bool:
            may = carriers.may_try(session, "esms", now=books.now + after)
            if may:
                carriers.tried(session, "esms", now=books.now + after)
            return may

        found: bool = books.run(ask)
        return found

    hear(books, troubled=20)
    assert not try_again(timedelta(seconds=29))
    assert may_take(books, MINUTE) == (["speedsms"], ["esms"])
    assert try_again(MINUTE)
    assert not try_again(MINUTE), "another sender has it"
    rests = []
    for _ in range(6):
        ill = hear(books, MINUTE, troubled=FEW)
        assert ill.try_at is not None
        rests.append(ill.try_at - books.now - MINUTE)
    assert rests[0] < rests[2] < rests[4] <= timedelta(minutes=10)


def test_an_ill_carrier_that_takes_a_few_is_well_and_counts_from_anew(books: Books) -> None:
    hear(books, troubled=20, halts="the key is not theirs")
    well = hear(books, MINUTE, accepted=2, troubled=1)
    assert (well.ill_since, well.try_at, well.ill_why, well.needs_person, well.tried) == (None, None, "", False, 0)
    assert hear(books, 2 * MINUTE, troubled=1).ill_since is None, "its old troubles are over"


def test_a_person_s_word_lets_it_be_tried_at_once_and_is_kept(books: Books) -> None:
    def allow() -> bool:
        found: bool = books.run(lambda s: carriers.allow(s, "esms", by="lan", now=books.now))
        return found

    assert not allow()
    hear(books, troubled=1, halts="no balance")
    assert allow()
    assert may_take(books) == (["speedsms"], ["esms"])
    assert books.rows("SELECT actor, subject FROM audit WHERE action = 'carrier.allowed'") == [("lan", "carrier:esms")]


def test_a_pace_lets_through_a_second_s_worth_and_then_as_time_passes(books: Books) -> None:
    assert room(books, books.now, spent=7) == 10
    assert room(books, books.now, spent=3) == 3
    assert room(books, books.now) == 0
    assert room(books, books.now + timedelta(milliseconds=500), spent=5) == 5
    assert room(books, books.now + MINUTE, wanted=4) == 4
    assert room(books, books.now + MINUTE) == 10, "an hour's silence is saved up for nobody"


def test_many_seconds_let_through_as_many_as_the_pace_allows(books: Books) -> None:
    sent = sum(room(books, books.now + timedelta(milliseconds=250 * step), per_second=3, spent=9) for step in range(41))
    assert sent == 3 * 10 + 3


@pytest.mark.parametrize("per_second", [None, 5])
def test_a_carrier_that_asks_to_be_left_alone_is(books: Books, per_second: int | None) -> None:
    hear(books, troubled=1, wait=timedelta(seconds=40))
    assert room(books, books.now + timedelta(seconds=39), per_second=per_second) == 0
    assert room(books, books.now + timedelta(seconds=41), per_second=per_second) > 0


def test_a_carrier_that_can_not_be_asked_is_ill_until_it_takes_a_few(books: Books) -> None:
    for why in ("no bind for 30 s", "no bind for 35 s"):
        books.run(lambda s, why=why: carriers.call_ill(s, "esms", why, now=books.now))
    assert books.rows("SELECT ill_why, needs_person FROM sms_carriers") == [("no bind for 30 s", False)]
    assert may_take(books) == (["speedsms"], ["esms"])
    assert hear(books, MINUTE, accepted=1).ill_since is None
