"""Expectations: what must still come, by kind, bank and deadline, and none of it a mismatch before that."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from reconciliation import counted_months, deadlines, expectations
from reconciliation.deadlines import ExpectedFile
from reconciliation.expectations import Expected
from tests.reconciliation.books import CODE, CUSTOMER, DAY, Books, a_bill, a_line, a_notice

FILES = [ExpectedFile("standard", DAY, time(9, 0))]


def end(day: int) -> datetime:
    return datetime(2026, 11, day, 17, tzinfo=UTC)


def expected(books: Books, now: datetime) -> list[Expected]:
    books.run(counted_months.count_owed)
    found: list[Expected] = books.run(lambda session: expectations.expected(session, FILES, now=now))
    return found


def test_all_that_must_come_is_listed_once_the_overdue_first(sound_books: Books) -> None:
    books = sound_books
    other = f"{CUSTOMER}21126"
    books.issue(a_bill(bank="vidien"), a_bill("HD2", 70_000, other), a_bill("HD3", 50_000, f"{CUSTOMER}31126"))
    books.hear(a_notice("T1"), a_notice("T2", 30_000, other))
    books.read(a_line(50_000, narrative=f"{CUSTOMER}31126"), bank="quiet")
    said = [(one.kind, one.bank, one.deadline, one.count, one.minor) for one in expected(books, books.now)]
    assert said == [
        ("file", "standard", datetime(2026, 11, 19, 2, tzinfo=UTC), 1, 0),
        ("callback", "quiet", end(19), 1, 50_000),
        ("statement_line", "standard", end(20), 2, 130_000),
        ("answer", "standard", end(23), 1, 40_000),
        ("bill", "", end(25), 1, 40_000),
    ]
    assert not any(one.overdue for one in expected(books, books.now))
    assert books.run(lambda session: deadlines.pass_deadlines(session, now=books.now)) == 0
    late = expected(books, end(24))
    assert [one.overdue for one in late] == sorted((one.overdue for one in late), reverse=True)
    assert [one.deadline.day for one in late if one.overdue and one.kind == "file"] == [19, 20, 23]


def test_a_file_that_came_is_expected_no_more(sound_books: Books) -> None:
    sound_books.read(opening=0)
    assert expected(sound_books, sound_books.now) == []


def test_what_is_long_overdue_stands_together(sound_books: Books) -> None:
    books = sound_books
    early: dict[str, Any] = {"issued_on": DAY - timedelta(days=90)}
    for day in range(60, 50, -1):
        books.issue(a_bill(f"HD{day}", 1_000, f"{CUSTOMER}{day}26", due_on=DAY - timedelta(days=day), **early))
    [one] = [one for one in expected(books, books.now) if one.kind == "bill"]
    assert (one.count, one.minor, one.overdue) == (10, 10_000, True)
    assert one.deadline == datetime(2026, 10, 18, 17, tzinfo=UTC)
    assert books.asked() == [], "a bill past its day is owed, not a mismatch"


def test_what_a_bank_told_of_a_paid_bill_is_expected_of_the_bank_alone(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice("T1", code=CODE))
    assert [one.kind for one in expected(sound_books, sound_books.now)] == ["file", "statement_line"]
