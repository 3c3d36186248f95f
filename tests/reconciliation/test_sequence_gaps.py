from datetime import date, time, timedelta
from itertools import permutations

import pytest

from reconciliation import deadlines, import_undo, mismatches, sequence_gaps
from reconciliation.deadlines import ExpectedFile
from reconciliation.sequence_gaps import MOST
from reconciliation.statements import Statement
from tests.reconciliation.books import Books

MONDAY = date(2026, 11, 9)


def read(books: Books, number: int | None, on: date, **more: object) -> None:
    """Read an empty statement: its balances agree with whatever lies between."""
    values = {"id": f"S{number}-{on}", "opening": 0, **more}
    books.read(sequence=number, on=on, **values)  # type: ignore[arg-type]  # as the books take them


def asked(books: Books) -> list[tuple[int, str]]:
    return books.rows("SELECT (facts->>'number')::int, state FROM mismatches WHERE code = 'M13' ORDER BY 1, id")


def weekday(number: int) -> date:
    return MONDAY + timedelta(days=number)


def test_a_number_that_never_came_is_asked_about_and_closes_when_it_comes(sound_books: Books) -> None:
    read(sound_books, 7, weekday(0))
    assert asked(sound_books) == []
    read(sound_books, 10, weekday(1))
    assert asked(sound_books) == [(8, "open"), (9, "open")]
    read(sound_books, 9, weekday(1))
    assert asked(sound_books) == [(8, "open"), (9, "resolved")]
    read(sound_books, 8, weekday(1))
    assert asked(sound_books) == [(8, "resolved"), (9, "resolved")]
    assert set(sound_books.rows("SELECT resolved_by, resolution FROM mismatches")) == {
        ("reader", "the statement of this number came")
    }


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_in_every_order_the_same_number_is_missing(sound_books: Books, order: tuple[int, ...]) -> None:
    numbers = (1, 2, 4, 5)
    for at in order:
        read(sound_books, numbers[at], weekday(numbers[at] // 2))
    assert [row for row in asked(sound_books) if row[1] == "open"] == [(3, "open")]


@pytest.mark.parametrize(
    "told",
    [
        [(None, weekday(0)), (None, weekday(1))],
        [(5, weekday(0)), (None, weekday(1)), (6, weekday(2))],
        [(5, weekday(0)), (5, weekday(1))],
        [(365, date(2026, 12, 31)), (1, date(2027, 1, 4))],
        [(260, date(2026, 12, 31)), (261, date(2027, 1, 4))],
        [(99_999, weekday(0)), (0, weekday(1))],
        [(2026365, date(2026, 12, 31)), (2027004, date(2027, 1, 4))],
        [(317, date(2026, 11, 13)), (320, date(2026, 11, 16))],
        [(20261113, date(2026, 11, 13)), (20261116, date(2026, 11, 16))],
    ],
    ids=["no numbers", "some without", "the same again", "begun anew", "going on", "wrapped", "year and day",
         "days of the year over a weekend", "dates over a weekend"],
)  # fmt: skip
def test_numbering_without_a_gap_asks_nothing(sound_books: Books, told: list[tuple[int | None, date]]) -> None:
    for number, on in told:
        read(sound_books, number, on)
    assert asked(sound_books) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [((364, date(2026, 12, 30)), (366, date(2027, 1, 4))), ((10, date(2026, 11, 10)), (12, date(2026, 11, 16)))],
    ids=["over new year", "over a weekend"],
)
def test_a_gap_is_seen_where_numbers_go_on(
    sound_books: Books, before: tuple[int, date], after: tuple[int, date]
) -> None:
    read(sound_books, *before)
    read(sound_books, *after)
    assert asked(sound_books) == [(before[0] + 1, "open")]


def test_a_number_that_stands_for_a_day_is_the_file_of_that_day(sound_books: Books) -> None:
    read(sound_books, 316, date(2026, 11, 12))
    read(sound_books, 320, date(2026, 11, 16))
    assert sound_books.open_questions() == {("M13", "file:standard:2026-11-13")}, "banks rest at the weekend"
    owed = [ExpectedFile("standard", date(2026, 11, 12), time(8))]
    later = sound_books.now
    assert sound_books.run(lambda session: deadlines.missing_files(session, owed, now=later)) == 1, "that of the 17th"
    read(sound_books, 317, date(2026, 11, 13))
    sound_books.run(lambda session: deadlines.missing_files(session, owed, now=later))
    assert sound_books.open_questions() == {("M13", "file:standard:2026-11-17")}


def test_a_number_of_a_day_on_which_banks_rest_is_not_missing(sound_books: Books) -> None:
    def missing() -> list[int]:
        account = sound_books.one("SELECT account_hash FROM statements ORDER BY id LIMIT 1")
        found = sound_books.run(lambda session: sequence_gaps.missing(session, bank="standard", account=account))
        return [one.number for one in found]

    read(sound_books, 331, date(2026, 11, 27))
    read(sound_books, 334, date(2026, 11, 30))  # a Monday
    assert missing() == []
    read(sound_books, 336, date(2026, 12, 2))
    assert missing() == [335]


def test_a_long_jump_is_another_numbering(sound_books: Books) -> None:
    read(sound_books, 1, weekday(0))
    read(sound_books, 2 + MOST, weekday(1))
    assert len(asked(sound_books)) == MOST
    read(sound_books, 2 + MOST + MOST + 2, weekday(2))
    assert len(asked(sound_books)) == MOST


def test_each_account_has_numbers_of_its_own(sound_books: Books) -> None:
    read(sound_books, 1, weekday(0))
    read(sound_books, 3, weekday(1), account="190026119999")
    read(sound_books, 5, weekday(1), bank="other")
    assert asked(sound_books) == []


def test_what_a_person_answered_is_not_asked_again(sound_books: Books) -> None:
    read(sound_books, 1, weekday(0))
    read(sound_books, 3, weekday(1))
    (number,) = sound_books.rows("SELECT id FROM mismatches WHERE code = 'M13'")[0]
    now = sound_books.now
    sound_books.run(
        lambda session: mismatches.resolve(session, [number], by="ketoan", resolution="never issued", now=now)
    )
    read(sound_books, 4, weekday(2))
    assert asked(sound_books) == [(2, "resolved")]


def test_a_statement_that_was_undone_is_missing_again(sound_books: Books) -> None:
    for number in (1, 3, 2):
        read(sound_books, number, weekday(number // 2))
    undone = sound_books.one("SELECT id FROM statements WHERE sequence = 2")
    sound_books.run(
        lambda session: import_undo.undo(
            session, [session.get_one(Statement, undone)], by="ketoan", why="wrong", now=sound_books.now,
            with_following=True,
        )
    )  # fmt: skip
    # What follows on went too, so nothing shows yet that a number is missing.
    assert [state for _, state in asked(sound_books)] == ["resolved"]
    read(sound_books, 3, weekday(1))
    assert asked(sound_books) == [(2, "resolved"), (2, "open")]
