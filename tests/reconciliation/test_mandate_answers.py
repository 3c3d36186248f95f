"""Banks' answers on real books: what fits is carried out whatever the order, the rest is asked of a person."""

from datetime import date
from itertools import permutations

import pytest

from reconciliation import mandate_answers, mandates
from reconciliation.mandate_answers import Answered, BankAnswer
from tests.reconciliation.books import CUSTOMER, OTHER_CUSTOMER, Books, a_bill
from tests.reconciliation.test_mandates import a_mandate, take


@pytest.fixture
def held(sound_books: Books) -> Books:
    """Customers with a mandate each: UQ1 waits, UQ2 is in force."""
    sound_books.issue(a_bill(), a_bill("HD0002", code="OTHERCODE0001", customer_code=OTHER_CUSTOMER))
    take(sound_books, a_mandate(1, state="submitted"), a_mandate(2, customer_code=OTHER_CUSTOMER))
    return sound_books


def answer(books: Books, *told: tuple[str, str], reason: str = "", name: str = "answers.csv") -> Answered:
    """Take answers, (reference, answer) each; one without an answer is a row that can't be read."""
    rows = [
        BankAnswer(at, f"line {at + 2}", one, what, reason, "" if what else "answer: expected another")
        for at, (one, what) in enumerate(told)
    ]
    done: Answered = books.run(
        lambda session: mandate_answers.take(session, rows, bank="standard", name=name, by="chau", now=books.now)
    )
    return done


def states(books: Books) -> dict[str, str]:
    return dict(books.rows("SELECT reference, state FROM mandates"))


def test_each_answer_moves_its_mandate_and_says_why(held: Books) -> None:
    assert answer(held, ("UQ1", "confirmed"), ("UQ2", "ended"), reason="AC04") == Answered(1, 0, 1, 0, [])
    assert states(held) == {"UQ1": "active", "UQ2": "ended"}
    assert held.rows("SELECT to_state, by, why FROM transitions WHERE kind = 'mandate' ORDER BY id DESC LIMIT 2") == [
        ("active", "chau", "the bank answered in answers.csv: AC04"),
        ("ended", "chau", "the bank answered in answers.csv: AC04"),
    ]
    assert answer(held, ("UQ1", "confirmed"), ("UQ2", "ended")) == Answered(0, 0, 0, 2, [])
    assert held.one("SELECT count(*) FROM audit WHERE action = 'mandates_answered'") == 2


def test_what_does_not_fit_is_asked_once_and_keeps_nothing_else_away(held: Books) -> None:
    told = (("UQ9", "confirmed"), ("UQ2", "refused"), ("", ""), ("UQ1", "confirmed"), ("UQ9", "confirmed"))
    done = answer(held, *told)
    assert done[:4] == (1, 0, 0, 0)
    assert done.problems == [
        "line 2: expected a mandate of standard that we know, got UQ9",
        "line 3: expected a mandate that waits for its bank, got refused for UQ2, which is active",
        "line 4: answer: expected another",
    ]
    assert answer(held, *told)[:4] == (0, 0, 0, 1)
    asked = "SELECT subject, owner, facts->>'file' FROM mismatches WHERE code = 'M17' ORDER BY subject"
    assert held.rows(asked) == [
        (f"mandate_answer:standard:{one}", "liaison", "answers.csv") for one in ("UQ2", "UQ9", "line 4")
    ]


def test_two_answers_on_one_mandate_move_nothing(held: Books) -> None:
    done = answer(held, ("UQ1", "confirmed"), ("UQ1", "refused"))
    assert done.problems == ["line 2: expected one answer on UQ1, got confirmed and refused"]
    assert states(held)["UQ1"] == "submitted"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_same_answers_end_alike_in_any_order(held: Books, order: tuple[int, ...]) -> None:
    # The first mandate ends at the bank, another one of the same customer begins, a third is refused.
    take(held, a_mandate(3, customer_code=OTHER_CUSTOMER, state="submitted"))
    told = [("UQ2", "ended"), ("UQ3", "confirmed"), ("UQ1", "refused")]
    answer(held, *(told[at] for at in order))
    assert states(held) == {"UQ1": "refused", "UQ2": "ended", "UQ3": "active"}


def test_a_second_mandate_in_force_and_one_that_is_over_are_not_confirmed(held: Books) -> None:
    take(held, a_mandate(3, state="submitted", valid_to=date(2026, 11, 18)))
    take(held, a_mandate(4, customer_code=OTHER_CUSTOMER, state="submitted"))
    beside = "expected a customer with one mandate in force, got confirmed for"
    assert answer(held, ("UQ1", "confirmed"), ("UQ3", "confirmed"), ("UQ4", "confirmed")).problems == [
        f"line 2: {beside} UQ1 beside another one", f"line 3: {beside} UQ3 beside another one",
        f"line 4: {beside} UQ4 beside another one",
    ]  # fmt: skip
    held.now = held.now.replace(day=19)
    assert answer(held, ("UQ3", "confirmed")).problems == [
        "line 2: expected a mandate that is still valid, got confirmed for UQ3, whose last day was 2026-11-18"
    ]


def test_a_question_closes_when_the_bank_answers_again_or_a_person_acts(held: Books) -> None:
    open_ones = "SELECT count(*) FROM mismatches WHERE state <> 'resolved'"
    answer(held, ("UQ1", "confirmed"), ("UQ1", "refused"))
    answer(held, ("UQ2", "refused"), ("UQ9", "ended"))
    assert held.one(open_ones) == 3
    answer(held, ("UQ1", "confirmed"))
    two = held.one("SELECT id FROM mandates WHERE reference = 'UQ2'")
    held.run(lambda session: mandates.carry_out(session, two, "end", by="chau", why="they spoke", now=held.now))
    assert held.one(open_ones) == 1
    settled = held.run(
        lambda session: mandates.settle(session, "standard", "UQ9", by="chau", how="a slip", now=held.now)
    )
    assert (settled, held.one(open_ones)) == (1, 0)
    assert CUSTOMER != OTHER_CUSTOMER
