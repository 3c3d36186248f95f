"""Reminders: one a bill, and to nobody who may have paid, is about to be debited, or does not want to hear of it."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from reconciliation import bill_holds, overdue, sms_wishes
from tests.reconciliation.books import CODE, CUSTOMER, Books, a_bill, a_notice
from tests.reconciliation.debits_made import sent

LATE = timedelta(days=10)
"""From the 18th to the 28th: three days after the bill was due."""


def remind(books: Books, after: timedelta = LATE) -> int:
    return len(books.run(lambda session: overdue.remind(session, days=3, now=books.now + after)))


def test_a_bill_is_reminded_of_once_on_its_day_and_not_when_it_is_old(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    assert remind(sound_books, LATE - timedelta(days=1)) == 0
    assert remind(sound_books, LATE + timedelta(days=14)) == 0
    assert remind(sound_books) == 1
    assert remind(sound_books, LATE + timedelta(days=1)) == 0
    assert sound_books.rows("SELECT event, facts->>'due_on' FROM messages") == [("overdue", "2026-11-25")]


def pay(books: Books) -> None:
    books.hear(a_notice("T1"))


def pay_too_little(books: Books) -> None:
    books.hear(a_notice("T1", 40_000))


def hold(books: Books) -> None:
    books.run(lambda session: bill_holds.hold(session, "HD0001", "person", by="mai", why="asked", now=books.now))


def refuse(books: Books) -> None:
    books.run(lambda session: sms_wishes.refuse(session, CUSTOMER, "overdue", by="mai", why="asked", now=books.now))


@pytest.mark.parametrize("what", [pay, pay_too_little, hold, refuse])
def test_nobody_is_reminded_of_what_is_paid_held_or_refused(sound_books: Books, what: Callable[[Books], None]) -> None:
    sound_books.issue(a_bill())
    what(sound_books)
    assert remind(sound_books) == 0


def test_a_bill_that_is_to_be_debited_or_is_being_debited_is_not_reminded_of(sound_books: Books) -> None:
    sound_books.issue(a_bill("HD0009", code=f"{CODE}9", charge_on=date(2026, 11, 28), bank="standard"))
    sent(sound_books)
    assert remind(sound_books, LATE - timedelta(days=2)) == 0
    assert remind(sound_books, LATE - timedelta(days=2) + timedelta(days=1)) == 1, "its day has passed without a debit"
