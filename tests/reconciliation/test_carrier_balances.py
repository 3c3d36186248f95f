"""Carriers' balances: low and well again are said once, and what is not told is no balance of nothing."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from reconciliation import carrier_balances
from reconciliation.carrier_balances import CarrierBalance, Turn
from tests.reconciliation.books import Books

TEN = timedelta(minutes=10)
ALARM = 500_000


def tell(books: Books, minor: int, after: timedelta = timedelta(), alarm: int = ALARM) -> Turn:
    turn: Turn = books.run(lambda s: carrier_balances.told(s, "esms", minor, alarm_minor=alarm, now=books.now + after))
    return turn


def refuse(books: Books, after: timedelta = timedelta(), why: str = "the carrier answered 500") -> Turn:
    turn: Turn = books.run(lambda s: carrier_balances.not_told(s, "esms", why, now=books.now + after))
    return turn


def kept(books: Books) -> CarrierBalance:
    found: CarrierBalance = books.run(carrier_balances.known)["esms"]
    return found


def test_a_balance_is_low_below_its_alarm_and_that_is_said_once(books: Books) -> None:
    turns = [tell(books, minor, TEN * place) for place, minor in enumerate([ALARM, ALARM - 1, 5, ALARM - 1, ALARM, 9])]
    assert turns == [Turn.NONE, Turn.LOW, Turn.NONE, Turn.NONE, Turn.WELL, Turn.LOW]
    now = kept(books)
    assert (now.balance_minor, now.told_at, now.low_since) == (9, books.now + 5 * TEN, books.now + 5 * TEN)


def test_low_is_since_it_became_so(books: Books) -> None:
    for place in range(3):
        tell(books, 100 - place, TEN * place)
    assert (kept(books).low_since, kept(books).balance_minor) == (books.now, 98)


def test_the_first_word_may_be_low_and_an_alarm_of_nothing_never_is(books: Books) -> None:
    assert tell(books, -70_000, alarm=0) is Turn.NONE
    assert kept(books).low_since is None
    assert tell(books, -70_000, TEN) is Turn.LOW
    assert tell(books, -70_000, TEN * 2, alarm=0) is Turn.NONE, "nobody is told that all is well"
    assert kept(books).low_since is None


def test_a_lower_alarm_makes_it_well_again(books: Books) -> None:
    assert tell(books, 300_000) is Turn.LOW
    assert tell(books, 300_000, TEN, alarm=300_000) is Turn.WELL


def test_what_was_told_before_stays_when_it_is_not_told(books: Books) -> None:
    tell(books, 70_000)
    assert refuse(books, TEN) is Turn.NONE
    now = kept(books)
    assert (now.balance_minor, now.told_at, now.asked_at) == (70_000, books.now, books.now + TEN)
    assert (now.untold_why, now.untold_since) == ("the carrier answered 500", books.now + TEN)
    assert now.low_since == books.now
    refuse(books, 2 * TEN, "no connection: ConnectError")
    assert (kept(books).untold_why, kept(books).untold_since) == ("no connection: ConnectError", books.now + TEN)
    assert tell(books, 60_000, 3 * TEN) is Turn.NONE, "it was low all the while"
    assert (kept(books).untold_why, kept(books).untold_since) == ("", None)


def test_after_an_hour_in_vain_it_is_unknown_and_that_is_said_once(books: Books) -> None:
    tell(books, 700_000)
    turns = [refuse(books, TEN * place) for place in range(1, 10)]
    assert turns == [Turn.NONE] * 6 + [Turn.UNKNOWN] + [Turn.NONE] * 2
    now = kept(books)
    assert [now.is_unknown(books.now + TEN * place) for place in (5, 6, 7)] == [False, False, True]
    tell(books, 700_000, TEN * 10)
    assert kept(books).is_unknown(books.now + TEN * 17), "nobody asked for more than an hour"
    assert not kept(books).is_unknown(books.now + TEN * 10)
    assert [refuse(books, TEN * place) for place in range(11, 19)].count(Turn.UNKNOWN) == 1


def test_one_that_never_told_is_unknown_after_an_hour_and_not_nothing(books: Books) -> None:
    turns = [refuse(books, TEN * place) for place in range(10)]
    assert turns == [Turn.NONE] * 7 + [Turn.UNKNOWN] + [Turn.NONE] * 2
    assert (kept(books).balance_minor, kept(books).told_at, kept(books).low_since) == (None, None, None)


def test_carriers_do_not_mix(books: Books) -> None:
    tell(books, 5)
    books.run(lambda s: carrier_balances.told(s, "fast", 900_000, alarm_minor=ALARM, now=books.now))
    assert {name: one.balance_minor for name, one in books.run(carrier_balances.known).items()} == {
        "esms": 5, "fast": 900_000,
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [{"balance_minor": None}, {"told_at": None}, {"untold_why": "why"}, {"balance_minor": None, "told_at": None}],
)
def test_the_database_refuses_what_does_not_fit_together(books: Books, change: dict[str, object]) -> None:
    tell(books, 5)

    def spoil(session: Session) -> None:
        for name, value in change.items():
            setattr(session.get_one(CarrierBalance, "esms"), name, value)

    with pytest.raises(IntegrityError, match="ck_sms_balances"):
        books.run(spoil)
