"""Questions about bills that a mandate keeps out: closed by what settles them, asked anew only where it is undone."""

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import debit_asking, denials, mismatches
from tests.reconciliation.books import Books, a_notice
from tests.reconciliation.debits_made import approve, code_of, issue, propose
from tests.reconciliation.test_mandates import carry_out


def kept_out(books: Books) -> None:
    """Let a paused mandate keep the one bill out of a run that is approved."""
    issue(books, 1)
    books.now += timedelta(days=2)
    carry_out(books, "pause", books.one("SELECT id FROM mandates"))
    approve(books, propose(books).id)


def look(books: Books) -> tuple[int, int]:
    """Return how many questions were closed, and how many asked anew."""
    done: tuple[int, int] = books.run(
        lambda session: (
            debit_asking.close_settled(session, now=books.now), debit_asking.ask_of_reopened(session, now=books.now)
        )
    )  # fmt: skip
    return done


def deny(books: Books) -> None:
    payment = books.one("SELECT id FROM payments")
    books.run(lambda session: denials.deny(session, payment, by="standard", why="taken back", now=books.now))


def questions(books: Books) -> list[tuple[str, str]]:
    return [tuple(row) for row in books.rows("SELECT code, state FROM mismatches WHERE code = 'M17' ORDER BY id")]


def test_what_settles_a_bill_closes_its_question_and_what_is_taken_back_asks_anew(sound_books: Books) -> None:
    kept_out(sound_books)
    assert look(sound_books) == (0, 0)
    sound_books.hear(a_notice("T1", 100_000, code_of(1)))
    assert look(sound_books) == (1, 0)
    deny(sound_books)
    assert look(sound_books) == (0, 1)
    assert look(sound_books) == (0, 0)
    assert questions(sound_books) == [("M17", "resolved"), ("M17", "open")]


def test_what_a_person_has_answered_is_not_asked_anew(sound_books: Books) -> None:
    kept_out(sound_books)

    def settle(session: Session) -> None:
        asked = session.scalars(text("SELECT id FROM mismatches WHERE code = 'M17'")).all()
        mismatches.resolve(session, asked, by="ha", resolution="its customer pays at the bank", now=sound_books.now)

    sound_books.run(settle)
    sound_books.hear(a_notice("T1", 100_000, code_of(1)))
    deny(sound_books)
    assert look(sound_books) == (0, 0)
    assert questions(sound_books) == [("M17", "resolved")]
