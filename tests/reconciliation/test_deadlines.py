from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from reconciliation import deadlines, import_undo, mismatches
from reconciliation.deadlines import ExpectedFile
from reconciliation.statements import Statement
from tests.reconciliation.books import CODE, DAY, Books, a_bill, a_line, a_notice

DAILY = [ExpectedFile("standard", DAY, time(9, 0))]
OWED = datetime(2026, 11, 19, 2, 0, tzinfo=UTC)


def pass_at(books: Books, moment: datetime) -> int:
    asked: int = books.run(lambda session: deadlines.pass_deadlines(session, now=moment))
    return asked


def look_at(books: Books, moment: datetime, expected: list[ExpectedFile] = DAILY) -> int:
    asked: int = books.run(lambda session: deadlines.missing_files(session, expected, now=moment))
    return asked


@pytest.mark.parametrize(
    ("paid_at", "due"),
    [
        (datetime(2026, 11, 18, 1, tzinfo=UTC), datetime(2026, 11, 20, 17, tzinfo=UTC)),
        (datetime(2026, 11, 19, 1, tzinfo=UTC), datetime(2026, 11, 23, 17, tzinfo=UTC)),
        (datetime(2026, 11, 18, 18, tzinfo=UTC), datetime(2026, 11, 23, 17, tzinfo=UTC)),
        (datetime(2026, 8, 31, 1, tzinfo=UTC), datetime(2026, 9, 4, 17, tzinfo=UTC)),
    ],
    ids=["plain", "over a weekend", "after midnight in Vietnam", "over the national day"],
)
def test_a_callback_waits_two_business_days_for_its_line(sound_books: Books, paid_at: datetime, due: datetime) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(bank_reference="B1", paid_at=paid_at))
    assert pass_at(sound_books, due - timedelta(seconds=1)) == 0
    assert pass_at(sound_books, due) == 1
    assert sound_books.open_questions() == {("M01", "T1")}
    assert pass_at(sound_books, due + timedelta(days=3)) == 0, "asked once"
    sound_books.read(a_line(reference="B1"))
    assert sound_books.open_questions() == set()
    assert pass_at(sound_books, due + timedelta(days=9)) == 0


def test_a_line_without_callback_is_noted_and_closed(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.read(a_line(narrative=CODE))
    assert pass_at(sound_books, datetime(2026, 11, 19, 17, tzinfo=UTC)) == 1
    assert sound_books.rows("SELECT code, state, resolved_by FROM mismatches") == [("M02", "resolved", "deadlines")]


def test_a_bank_that_does_not_call_back_owes_no_callback(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.read(a_line(narrative=CODE), callbacks=False)
    assert pass_at(sound_books, datetime(2027, 1, 1, tzinfo=UTC)) == 0


def test_a_line_whose_callback_came_owes_nothing(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.read(a_line(reference="B1", narrative=CODE))
    sound_books.hear(a_notice(bank_reference="B1"))
    assert pass_at(sound_books, datetime(2027, 1, 1, tzinfo=UTC)) == 0


def test_a_line_nobody_can_place_is_asked_about_once(sound_books: Books) -> None:
    sound_books.read(a_line())
    assert pass_at(sound_books, datetime(2027, 1, 1, tzinfo=UTC)) == 0
    assert sound_books.asked() == ["M12"]


def test_a_file_is_missed_once_and_the_question_closes_when_it_comes(sound_books: Books) -> None:
    assert look_at(sound_books, OWED - timedelta(seconds=1)) == 0
    assert look_at(sound_books, OWED) == 1
    assert look_at(sound_books, OWED + timedelta(hours=1)) == 0
    assert sound_books.open_questions() == {("M13", "file:standard:2026-11-18")}
    sound_books.read(opening=0)
    assert look_at(sound_books, OWED + timedelta(hours=2)) == 0
    assert sound_books.asked() == []


def test_a_file_a_person_has_answered_for_is_not_asked_about_again(sound_books: Books) -> None:
    look_at(sound_books, OWED)
    ids = [row[0] for row in sound_books.rows("SELECT id FROM mismatches")]
    sound_books.run(
        lambda session: mismatches.resolve(session, ids, by="lan", resolution="no business", now=sound_books.now)
    )
    assert look_at(sound_books, OWED + timedelta(hours=1)) == 0
    assert sound_books.asked() == []


def test_no_file_is_owed_for_a_weekend_and_fridays_is_owed_on_monday(sound_books: Books) -> None:
    friday = [ExpectedFile("standard", date(2026, 11, 20), time(9, 0))]
    assert look_at(sound_books, datetime(2026, 11, 23, 1, 59, tzinfo=UTC), friday) == 0
    assert look_at(sound_books, datetime(2026, 11, 23, 2, 0, tzinfo=UTC), friday) == 1
    assert sound_books.open_questions() == {("M13", "file:standard:2026-11-20")}


@pytest.mark.parametrize(
    ("days", "owed"),
    [
        ("business", ["2026-08-28"]),
        ("daily", ["2026-08-28", "2026-08-29", "2026-08-30", "2026-08-31", "2026-09-01", "2026-09-02"]),
        (frozenset({4, 5, 2}), ["2026-08-28", "2026-08-29"]),
    ],
    ids=["business days", "every day", "weekdays, a holiday left out"],
)
def test_a_bank_owes_a_file_for_the_days_it_sends_one(
    sound_books: Books, days: str | frozenset[int], owed: list[str]
) -> None:
    expected = [ExpectedFile("standard", date(2026, 8, 28), time(9, 0), days)]
    look_at(sound_books, datetime(2026, 9, 3, 2, tzinfo=UTC), expected)
    assert sound_books.open_questions() == {("M13", f"file:standard:{day}") for day in owed}


def test_a_file_that_comes_weeks_late_closes_its_question(sound_books: Books) -> None:
    look_at(sound_books, OWED)
    sound_books.read(opening=0)
    weeks_later = OWED + timedelta(days=40)
    assert look_at(sound_books, weeks_later, [ExpectedFile("standard", weeks_later.date(), time(9, 0))]) == 0
    assert sound_books.asked() == []


def test_a_file_whose_import_was_undone_is_missing(sound_books: Books) -> None:
    sound_books.read(opening=0)
    sound_books.run(
        lambda session: import_undo.undo(
            session, session.query(Statement).all(), by="ketoan", why="wrong", now=sound_books.now
        )
    )
    assert look_at(sound_books, OWED) == 1


def test_a_file_of_another_bank_or_a_notice_is_not_the_file(sound_books: Books) -> None:
    sound_books.read(opening=0, bank="vnpay")
    sound_books.read(a_line(reference="B1"), id="N1", kind="notice")
    assert look_at(sound_books, OWED) == 1


def test_a_quarantined_file_is_not_missing(sound_books: Books) -> None:
    sound_books.read(opening=0, closing=1)
    assert look_at(sound_books, OWED) == 0
    assert sound_books.asked() == ["M15"]


def test_a_payment_that_comes_while_deadlines_pass_keeps_its_own(
    sound_books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = datetime(2026, 12, 1, tzinfo=UTC)

    def ask_while_another_is_heard(*given: Any) -> list[int]:
        monkeypatch.undo()
        asked = mismatches.ask(*given)
        sound_books.hear(a_notice("T2", code=""))
        return asked

    sound_books.hear(a_notice("T1", code=""))
    monkeypatch.setattr(mismatches, "ask", ask_while_another_is_heard)
    pass_at(sound_books, late)
    assert {about for code, about in sound_books.open_questions() if code == "M01"} == {"T1"}
    pass_at(sound_books, late)
    assert {about for code, about in sound_books.open_questions() if code == "M01"} == {"T1", "T2"}
