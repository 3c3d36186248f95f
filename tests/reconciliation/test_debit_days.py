"""Putting debits off: whatever speaks against it is said in so many words."""

from datetime import date, timedelta

import pytest

from reconciliation import debit_days
from reconciliation.debit_days import NotMovable
from tests.reconciliation.books import Books, a_bill, a_notice
from tests.reconciliation.debits_made import CHARGE_ON, code_of, issue, sent

LATER = CHARGE_ON + timedelta(days=7)


def postpone(books: Books, *, bank: str = "standard", day: date = CHARGE_ON, number: str = "") -> list[int]:
    moved: list[int] = books.run(
        lambda session: debit_days.postpone(
            session, bank, day, LATER, number=number, by="lan", why="holiday", now=books.now
        )
    )
    return moved


def test_one_bill_or_all_of_a_day_are_put_off(sound_books: Books) -> None:
    issue(sound_books, 3)
    assert len(postpone(sound_books, number="HD0002")) == 1
    assert len(postpone(sound_books)) == 2
    with pytest.raises(NotMovable, match=f"bills of standard that are owed whole, were to be debited on {CHARGE_ON}"):
        postpone(sound_books)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"number": "HD9999"}, "expected the number of a bill that stands, got HD9999"),
        ({"bank": "other"}, "expected a bill that other is to debit, got HD0001, which standard is"),
        ({"number": "HD0002"}, "expected a bill that standard is to debit, got HD0002, which no bank is"),
        ({"day": LATER}, f"expected a bill that was to be debited on {LATER}, got HD0001, whose day is {CHARGE_ON}"),
    ],
)
def test_a_bill_that_can_t_be_put_off_is_told_why(books: Books, changes: dict[str, str], said: str) -> None:
    issue(books, 1)
    books.issue(a_bill("HD0002", code="PA0000000000211126", customer_code="PA00000000002"))
    with pytest.raises(NotMovable) as refused:
        postpone(books, **{"number": "HD0001", **changes})
    assert str(refused.value) == said


def test_a_bill_whose_debit_is_under_way_is_not_put_off(books: Books) -> None:
    sent(books, 1)
    with pytest.raises(NotMovable, match="without a debit that is under way or paid, got HD0001, which has one"):
        postpone(books, number="HD0001")


def test_a_bill_that_is_not_owed_whole_is_not_put_off(books: Books) -> None:
    issue(books, 1)
    books.hear(a_notice("T1", 40_000, code_of(1)))
    with pytest.raises(NotMovable, match="owed whole, got HD0001, which is part_paid"):
        postpone(books, number="HD0001")
