"""Usual answers on real books: what is offered for each kind of case, and that it books exactly that."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from reconciliation import deadlines, usual_answers
from reconciliation.mismatches import Mismatch, NotSettled
from reconciliation.placements import CREDIT, HELD
from reconciliation.usual_answers import DENY, NOTE, REST, SETTLE, TRACE, Usual
from tests.reconciliation.books import CODE, CUSTOMER, OTHER_CODE, OTHER_CUSTOMER, Books, a_bill, a_line, a_notice


@pytest.fixture
def two_bills(sound_books: Books) -> Iterator[Books]:
    """A bill of 100,000 đ and one of 60,000 đ of another customer."""
    sound_books.issue(a_bill(), a_bill("HD0002", 60_000, OTHER_CODE, customer_code=OTHER_CUSTOMER))
    return sound_books


def open_case(books: Books) -> int:
    return int(books.one("SELECT id FROM mismatches WHERE state = 'open'"))


def usual(books: Books, mismatch: int | None = None) -> Usual:
    number = mismatch or open_case(books)
    found = books.run(lambda s: usual_answers.usual(s, s.get_one(Mismatch, number), now=books.now))
    assert found is not None
    return found  # type: ignore[no-any-return]


def give(books: Books) -> Usual:
    number, answer = open_case(books), usual(books)

    def act(session: Any) -> None:
        asked, same = usual_answers.same(session, number, answer.key, now=books.now)
        usual_answers.carry_out(session, asked, same, why="as usual", by="lan", now=books.now)

    books.run(act)
    return answer


def test_the_best_suggestion_is_booked_to_its_bills(two_bills: Books) -> None:
    two_bills.hear(a_notice(minor=40_000, code="", narrative=f"KH {CUSTOMER}"))
    answer = give(two_bills)
    assert (answer.kind, answer.because, list(answer.shares.values())) == (SETTLE, "owed", [40_000])
    assert two_bills.paid() == ("part_paid", 40_000)


def test_what_is_left_over_of_a_confirmed_payment_is_credited_with_the_same_answer(two_bills: Books) -> None:
    two_bills.hear(a_notice(minor=150_000))
    two_bills.read(a_line(150_000, "T1"))
    answer = give(two_bills)
    assert [(one.kind, one.minor) for one in answer.places] == [(CREDIT, 50_000)]
    assert answer.because == "carried_forward"
    assert two_bills.rows("SELECT kind, minor FROM placements") == [("credit", 50_000)]
    assert two_bills.asked() == []


def test_money_that_no_statement_has_shown_rests_until_the_next_business_day(two_bills: Books) -> None:
    two_bills.hear(a_notice(minor=30_000, code="", narrative="tien dien"))
    answer = give(two_bills)
    assert (answer.kind, answer.day) == (REST, date(2026, 11, 19))
    assert two_bills.one("SELECT rests_until IS NOT NULL FROM mismatches") is True


def test_money_of_nobody_is_held_in_suspense_once_it_has_arrived(two_bills: Books) -> None:
    two_bills.read(a_line(30_000, "T1", "tien dien"))
    answer = give(two_bills)
    assert [(one.kind, one.minor) for one in answer.places] == [(HELD, 30_000)]
    assert two_bills.asked() == []


def test_a_payment_that_fell_short_leaves_its_bill_part_paid_by_words(two_bills: Books) -> None:
    two_bills.hear(a_notice(minor=90_000))
    assert two_bills.asked() == ["M03"]
    assert give(two_bills).kind == NOTE
    assert two_bills.rows("SELECT state, resolution FROM mismatches") == [("resolved", "acknowledged: as usual")]
    assert two_bills.paid() == ("part_paid", 90_000)


def test_a_callback_without_its_line_is_asked_of_the_bank_first_and_denied_after(two_bills: Books) -> None:
    two_bills.hear(a_notice())
    two_bills.now = two_bills.now.replace(day=25)
    two_bills.run(lambda s: deadlines.pass_deadlines(s, now=two_bills.now))
    assert two_bills.asked() == ["M01"]
    assert give(two_bills).kind == TRACE
    assert give(two_bills).kind == DENY
    assert two_bills.rows("SELECT state FROM payments") == [("denied",)]
    assert two_bills.paid() == ("open", 0)


def test_what_a_person_took_apart_is_not_suggested_again(two_bills: Books) -> None:
    two_bills.hear(a_notice(minor=40_000, code="", narrative=f"KH {CUSTOMER}"))
    two_bills.as_owner(
        "INSERT INTO allocations (payment_id, bill_id, minor, rule, evidence, by, at, undone_at, undone_by,"
        " undone_why, barred) SELECT p.id, b.id, 5, 'person', '', 'x', now(), now(), 'x', 'x', true"
        " FROM payments p, bills b WHERE b.number = 'HD0001'"
    )
    assert usual(two_bills).kind == REST
    two_bills.as_owner("DELETE FROM allocations")


def test_another_answer_than_the_one_shown_is_refused(two_bills: Books) -> None:
    two_bills.hear(a_notice(minor=40_000, code="", narrative=f"KH {CUSTOMER}"))
    number, shown = open_case(two_bills), usual(two_bills)
    two_bills.hear(a_notice("T2", 100_000, CODE))
    with pytest.raises(NotSettled) as refused:
        two_bills.run(lambda s: usual_answers.same(s, number, shown.key, now=two_bills.now))
    assert refused.value.reason == "other_usual"


def test_answers_of_one_sort_are_alike_whatever_they_book(two_bills: Books) -> None:
    assert Usual(SETTLE, "named", shares={1: 5}).alike == Usual(SETTLE, "owed", shares={2: 7}).alike
    assert Usual(SETTLE, "named", shares={1: 5}).alike != Usual(SETTLE, "doubted", undoes=(1,)).alike
    assert Usual(SETTLE, "named", shares={1: 5}).key != Usual(SETTLE, "named", shares={1: 6}).key
