"""Edits of the calendar: kept with who and why, seen at once by everybody, and every open deadline counted anew."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from reconciliation import bank_days, calendar_edits, deadlines, import_undo, sequence_gaps
from reconciliation.calendar_edits import NotNoted, Redated
from reconciliation.deadlines import ExpectedFile
from reconciliation.statements import Statement
from tests.reconciliation.books import DAY, Books, a_bill, a_line, a_notice

THURSDAY, FRIDAY, SATURDAY, MONDAY = (date(2026, 11, day) for day in (19, 20, 21, 23))


def end(day: int) -> datetime:
    """Midnight in Vietnam after that day of November."""
    return datetime(2026, 11, day, 17, tzinfo=UTC)


def note(books: Books, day: date, *, opens: bool, **more: Any) -> Redated:
    def act(session: Session) -> Redated:
        return calendar_edits.note(
            session, day, opens=opens, **{"why": "decree", "by": "lan", "now": books.now, **more}
        )

    done: Redated = books.run(act)
    return done


def dues(books: Books) -> list[datetime | None]:
    return [row[0] for row in books.rows("SELECT due_at FROM payments ORDER BY id")]


def test_an_edit_is_kept_and_counts_for_whoever_looks_next(sound_books: Books) -> None:
    books = sound_books
    note(books, FRIDAY, opens=False)
    note(books, SATURDAY, opens=True, why="compensatory")
    calendar = books.run(bank_days.calendar)
    assert calendar.after(THURSDAY, 1) == SATURDAY
    books.run(lambda session: calendar_edits.forget(session, FRIDAY, why="wrong", by="lan", now=books.now))
    assert books.run(bank_days.calendar).after(THURSDAY, 1) == FRIDAY
    assert books.rows("SELECT actor, action, subject, facts->>'why' FROM audit ORDER BY id") == [
        ("lan", "bank_day_noted", "bank_day:2026-11-20", "decree"),
        ("lan", "bank_day_noted", "bank_day:2026-11-21", "compensatory"),
        ("lan", "bank_day_forgotten", "bank_day:2026-11-20", "wrong"),
    ]
    with pytest.raises(NotNoted, match="expected a day that was noted"):
        books.run(lambda session: calendar_edits.forget(session, FRIDAY, why="x", by="lan", now=books.now))
    with pytest.raises(NotNoted, match="expected a reason"):
        note(books, FRIDAY, opens=False, why=" ")


def fill(books: Books) -> None:
    """One payment that waits for each reason there is."""
    books.issue(a_bill())
    books.hear(a_notice("T1", bank_reference="B1"))
    books.read(a_line(reference="N1"), id="N", kind="notice", bank="other")
    books.read(a_line(reference="L1"), id="L")
    books.hear(a_notice("T2", bank_reference="B2"))
    books.read(a_line(reference="B2"), id="U")
    undone = books.one("SELECT id FROM statements WHERE statement_id = 'U'")

    def undo(session: Session) -> None:
        statement = session.get_one(Statement, undone)
        import_undo.undo(session, [statement], by="lan", why="test", now=books.now + timedelta(days=1))

    books.run(undo)


DAYS = st.dictionaries(st.dates(date(2026, 11, 18), date(2026, 11, 28)), st.booleans(), max_size=4)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=DAYS)
def test_deadlines_end_as_if_the_calendar_had_always_been_so(books: Books, edits: dict[date, bool]) -> None:
    books.clear()
    for day, opens in edits.items():
        note(books, day, opens=opens)
    fill(books)
    every = "SELECT source_reference LIKE 'line:%', due_at FROM payments ORDER BY id"
    asked = "SELECT code, due_at FROM mismatches WHERE state <> 'resolved' ORDER BY id"
    wanted, questions = books.rows(every), books.rows(asked)
    assert [due for _, due in wanted if due] != []
    books.clear()
    fill(books)
    for day, opens in edits.items():
        note(books, day, opens=opens)
    assert books.rows(every) == wanted
    assert books.rows(asked) == questions
    assert books.broken() == []


def test_a_deadline_moves_with_the_days_and_only_a_passed_one_asks(sound_books: Books) -> None:
    books = sound_books
    books.issue(a_bill())
    books.hear(a_notice("T1", bank_reference="B1"))
    assert dues(books) == [end(20)]
    assert note(books, FRIDAY, opens=False) == Redated(payments=1)
    assert dues(books) == [end(23)]
    assert note(books, SATURDAY, opens=True) == Redated(payments=1)
    assert dues(books) == [end(21)]
    assert books.run(lambda session: deadlines.pass_deadlines(session, now=end(20))) == 0
    assert books.run(lambda session: deadlines.pass_deadlines(session, now=end(21))) == 1
    assert books.asked() == ["M01"]


def test_whoever_counted_by_the_old_calendar_is_not_asked_too_early(sound_books: Books) -> None:
    """A payment whose transaction began before the edit and ends after it."""
    books = sound_books
    books.issue(a_bill())
    books.hear(a_notice("T1", bank_reference="B1"))
    note(books, FRIDAY, opens=False)
    books.as_owner("UPDATE payments SET due_at = :due", due=end(20))
    assert books.run(lambda session: deadlines.pass_deadlines(session, now=end(20))) == 0
    assert dues(books) == [end(23)]


def test_a_question_asked_on_a_day_that_was_none_is_taken_back_and_asked_later(sound_books: Books) -> None:
    books = sound_books
    books.issue(a_bill())
    books.hear(a_notice("T1", bank_reference="B1"))
    assert books.run(lambda session: deadlines.pass_deadlines(session, now=end(20))) == 1
    assert note(books, FRIDAY, opens=False, now=end(21)) == Redated(questions=0, withdrawn=1)
    assert (books.asked(), dues(books)) == ([], [end(23)])
    assert books.run(lambda session: deadlines.pass_deadlines(session, now=end(23))) == 1
    assert books.asked() == ["M01"]


def test_a_file_of_a_day_that_was_none_is_not_missed(sound_books: Books) -> None:
    books = sound_books
    files = [ExpectedFile("standard", DAY, time(9, 0)), ExpectedFile("daily", DAY, time(9, 0), "daily")]

    def look(now: datetime) -> int:
        found: int = books.run(lambda session: deadlines.missing_files(session, files, now=now))
        return found

    assert look(end(19)) == 2
    note(books, DAY, opens=False)
    assert look(end(19)) == 0
    assert books.open_questions() == {("M13", "file:daily:2026-11-18")}
    assert look(end(20)) == 2, "of Thursday for both, and of Wednesday for nobody"


def test_the_deadline_a_person_set_for_a_question_stays(sound_books: Books) -> None:
    books = sound_books
    books.hear(a_notice("T1", code=""), a_notice("T2", code=""))
    books.as_owner("UPDATE mismatches SET due_at = :due WHERE id = (SELECT min(id) FROM mismatches)", due=end(28))
    assert books.rows("SELECT code, owner, due_at FROM mismatches ORDER BY id") == [
        ("M12", "accountant", end(28)),
        ("M12", "accountant", end(26)),  # the 24th is a public holiday
    ]
    assert note(books, MONDAY, opens=False) == Redated(questions=1)
    assert [row[0] for row in books.rows("SELECT due_at FROM mismatches ORDER BY id")] == [end(28), end(27)]


def test_a_missing_number_of_a_closed_day_is_no_missing_file(sound_books: Books) -> None:
    books = sound_books
    note(books, THURSDAY, opens=False)
    books.read(opening=0, id="A", on=DAY, sequence=322)
    books.read(opening=0, id="B", on=FRIDAY, sequence=324)
    account = books.one("SELECT account_hash FROM statements LIMIT 1")
    books.run(lambda session: sequence_gaps.look(session, bank="standard", account=account, now=books.now))
    assert books.asked() == []
