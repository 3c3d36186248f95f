"""Payments that name customers or several bills: what their amount explains, whatever is heard first."""

import pytest

from reconciliation.explaining import Policy
from reconciliation.policies import MatchingPolicy
from tests.reconciliation.books import CODE, CUSTOMER, OTHER_CODE, OTHER_CUSTOMER, Books, a_line, a_notice, at
from tests.reconciliation.test_orders import (
    NEXT_CODE,
    OPEN,
    OTHERS,
    PAID,
    A,
    Told,
    ends_in_the_same_books,
    guesses,
    hears,
    issues,
    reads,
)

SECOND = issues("HD0002", 80_000, NEXT_CODE)
BOTH = f"{CUSTOMER} va {OTHER_CUSTOMER}"
CODES = f"{CODE}, {OTHER_CODE}"

STORIES: dict[str, Told] = {
    "all that a customer owes": (
        [A, SECOND, guesses(minor=180_000)],
        {"HD0001": PAID, "HD0002": ("paid", 80_000)}, {"T1": 180_000}, set(),
    ),
    "all that a customer owes, or one bill over the same amount": (
        [A, SECOND, issues("HD0003", 180_000, CUSTOMER + "11326"), guesses(minor=180_000)],
        {"HD0001": OPEN, "HD0002": OPEN, "HD0003": OPEN}, {"T1": 0}, {("M12", "T1")},
    ),
    "all that is left when a part was paid by its code": (
        [A, SECOND, guesses(minor=140_000), hears("T2", 40_000, CODE, paid_at=at(3))],
        {"HD0001": PAID, "HD0002": ("paid", 80_000)}, {"T1": 140_000, "T2": 40_000}, set(),
    ),
    "one payment for two customers": (
        [A, OTHERS, hears(minor=170_000, narrative=BOTH)],
        {"HD0001": PAID, "HD0009": ("paid", 70_000)}, {"T1": 170_000}, set(),
    ),
    "one payment for two bills by their codes": (
        [A, OTHERS, hears(minor=170_000, narrative=CODES)],
        {"HD0001": PAID, "HD0009": ("paid", 70_000)}, {"T1": 170_000}, set(),
    ),
    "one payment for two bills by their numbers, one of them paid in part": (
        [A, OTHERS, hears(minor=130_000, narrative="HD0001 HD0009"), hears("T2", 40_000, CODE, paid_at=at(3))],
        {"HD0001": PAID, "HD0009": ("paid", 70_000)}, {"T1": 130_000, "T2": 40_000}, set(),
    ),
    "one payment for two bills, one of them paid by its code": (
        [A, OTHERS, hears(minor=170_000, narrative=CODES), hears("T2", code=CODE, paid_at=at(3))],
        {"HD0001": PAID, "HD0009": OPEN}, {"T1": 0, "T2": 100_000}, {("M12", "T1")},
    ),
    "one payment for two customers, one of them paid before by its name": (
        [A, OTHERS, guesses("T2", paid_at=at(0)), hears(minor=170_000, narrative=BOTH)],
        {"HD0001": PAID, "HD0009": OPEN}, {"T1": 0, "T2": 100_000}, {("M12", "T1")},
    ),
    "all of a customer, and then its line names one bill": (
        [A, SECOND, guesses(minor=180_000, bank_reference="B1"), reads(a_line(180_000, "B1", CODE))],
        {"HD0001": PAID, "HD0002": OPEN}, {"T1": 100_000}, {("M03", "T1")},
    ),
    "a code in pieces": (
        [A, issues("HD0002", code=NEXT_CODE), hears(narrative=f"{CUSTOMER[:2]} {CUSTOMER[2:]} 11126")],
        {"HD0001": PAID, "HD0002": OPEN}, {"T1": 100_000}, set(),
    ),
    "a code in pieces beside another one": (
        [A, OTHERS, hears(narrative=f"{CODE} {OTHER_CODE[:2]} {OTHER_CODE[2:]}")],
        {"HD0001": OPEN, "HD0009": OPEN}, {"T1": 0}, {("M12", "T1")},
    ),
    "look-alikes, and then the line says it plainly": (
        [A, OTHERS, hears(narrative=CODE.replace("0000", "OO0O"), bank_reference="B1"),
         reads(a_line(reference="B1", narrative=OTHER_CODE))],
        {"HD0001": OPEN, "HD0009": OPEN}, {"T1": 0}, {("M12", "T1")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_every_order_ends_in_the_same_books(books: Books, story: str) -> None:
    ends_in_the_same_books(books, STORIES[story], most=8)


def test_each_match_says_why_and_what_it_has_beaten(sound_books: Books) -> None:
    for fact in (A, SECOND, issues("HD0003", 50_000, CUSTOMER + "11326"), guesses(minor=130_000)):
        fact(sound_books)
    found = sound_books.rows("SELECT rule, evidence, beaten FROM allocations ORDER BY bill_id")
    assert [row[0] for row in found] == ["customer_subset", "customer_subset"]
    assert "only these add up to the amount: HD0002 80000 đ, HD0003 50000 đ" in found[0][1]
    assert found[0][2] == [{"bill": "HD0001", "owed": 100_000, "why": "amount"}]


def test_a_code_beats_an_amount_that_agrees_elsewhere(sound_books: Books) -> None:
    for fact in (A, SECOND, hears(minor=80_000, code=CODE)):
        fact(sound_books)
    assert sound_books.paid() == ("part_paid", 80_000)
    assert sound_books.rows("SELECT beaten FROM allocations") == [
        ([{"bill": "HD0002", "owed": 80_000, "why": "unnamed"}],)
    ]


def test_what_was_read_as_what_stands_in_the_evidence(sound_books: Books) -> None:
    A(sound_books)
    sound_books.hear(a_notice(code="", narrative="tra tien PAO000000000I 11126"))
    [(evidence,)] = sound_books.rows("SELECT evidence FROM allocations")
    assert f'The payment code {CODE} (read from "PAO000000000I 11126") of bill HD0001 is quoted' in evidence


def test_policies_are_the_owners_of_the_tables(sound_books: Books) -> None:
    equal = issues("HD0002", 100_000, NEXT_CODE)
    for fact in (A, equal, guesses()):
        fact(sound_books)
    assert sound_books.matched() == {"T1": 0}
    sound_books.as_owner("INSERT INTO matching_policies (name, allowed) VALUES ('oldest_first', true)")
    guesses("T2", paid_at=at(2))(sound_books)
    assert sound_books.matched() == {"T1": 100_000, "T2": 100_000}
    assert sound_books.one("SELECT has_table_privilege('doisoat_app', 'matching_policies', 'INSERT, UPDATE')") is False
    assert set(MatchingPolicy.__table__.columns.keys()) == {"name", "allowed"}
    assert set(Policy.__dataclass_fields__) == {"oldest_first", "part_payment"}


def test_a_part_is_paid_where_the_policy_lets_it_and_asked_about(sound_books: Books) -> None:
    sound_books.as_owner("INSERT INTO matching_policies (name, allowed) VALUES ('part_payment', true)")
    for fact in (A, SECOND, guesses(minor=130_000)):
        fact(sound_books)
    assert (sound_books.paid(), sound_books.paid("HD0002")) == (PAID, ("part_paid", 30_000))
    assert sound_books.open_questions() == {("M03", "T1")}
