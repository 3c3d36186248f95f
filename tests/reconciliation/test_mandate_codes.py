"""Codes on real books: the database counts the tries, locks, and lets a code work once, whoever comes at it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from reconciliation import mandate_codes
from reconciliation.mandate_codes import Letter, NoSuchCustomer, Question, Tried
from tests.reconciliation.books import CUSTOMER, Books, a_bill

LETTER = Letter("mandate_code.vi.1", "048151 la ma", "gsm7", 1)
RIGHT = b"r" * 16


@pytest.fixture
def ask(books: Books) -> Callable[..., UUID | None]:
    """Ask for a code of the one customer; return its handle, or None where one has to wait."""
    books.issue(a_bill())

    def do(phone: bytes = b"h" * 16, minutes: int = 0) -> UUID | None:
        handle, now = uuid4(), books.now + timedelta(minutes=minutes)
        question = Question(handle, CUSTOMER, b"code", phone, RIGHT)
        wait = books.run(lambda session: mandate_codes.ask(session, question, LETTER, now=now))
        return None if wait else handle

    return do


def tried(books: Books, handle: UUID | None, digest: bytes) -> tuple[Tried, int]:
    found: tuple[Tried, int] = books.run(
        lambda session: mandate_codes.try_code(session, handle or uuid4(), digest, now=books.now)
    )
    return found


def test_many_tries_at_once_are_counted_one_by_one(books: Books, ask: Callable[..., UUID | None]) -> None:
    handle = ask()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: tried(books, handle, bytes([n]) * 16), range(12)))
    assert sorted(left for what, left in answers if what is Tried.WRONG) == [0, 1, 2, 3, 4]
    assert [what for what, _ in answers].count(Tried.OVER) == 7
    assert tried(books, handle, RIGHT) == (Tried.OVER, 0)


def test_the_right_code_at_many_doors_opens_one(books: Books, ask: Callable[..., UUID | None]) -> None:
    handle = ask()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: tried(books, handle, RIGHT), range(8)))
    assert [what for what, _ in answers].count(Tried.RIGHT) == 1


def test_two_questions_at_one_moment_are_one(books: Books, ask: Callable[..., UUID | None]) -> None:
    with ThreadPoolExecutor(6) as pool:
        handles = list(pool.map(lambda _: ask(), range(6)))
    assert len([one for one in handles if one]) == 1
    assert books.one("SELECT count(*) FROM messages") == 1


def test_a_code_nobody_was_told_of_proves_nobody(books: Books, ask: Callable[..., UUID | None]) -> None:
    handle = ask(b"x" * 16)
    assert tried(books, handle, RIGHT) == (Tried.WRONG, 4)
    assert books.run(lambda session: mandate_codes.proven(session, handle, now=books.now)) is None
    assert books.one("SELECT count(*) FROM messages") == 0


def test_the_database_refuses_what_no_try_does(books: Books, ask: Callable[..., UUID | None]) -> None:
    handle = ask()
    tried(books, handle, b"w" * 16)

    def refuses(change: str) -> None:
        with pytest.raises((IntegrityError, ProgrammingError), match=r"works once|permission denied"):
            books.run(lambda session: session.execute(text(f"UPDATE mandate_codes SET {change}")))

    for change in ("tries = 0", "tries = tries + 2", "used_at = now()", "mandate_id = 1", "digest = 'x'"):
        refuses(change)
    tried(books, handle, RIGHT)
    for change in ("used_at = NULL", "used_at = now()", "tries = tries + 1", "expires_at = now()", "customer_id = 1"):
        refuses(change)


def test_a_person_lets_a_customer_ask_again_at_once(books: Books, ask: Callable[..., UUID | None]) -> None:
    handle = ask()
    for _ in range(5):
        tried(books, handle, b"w" * 16)
    assert ask(minutes=10) is None

    def release(code: str) -> int:
        done: int = books.run(
            lambda session: mandate_codes.release(
                session, code, b"code", by="mai", why="the customer called", now=books.now
            )
        )
        return done

    with pytest.raises(NoSuchCustomer, match="expected a customer we know, got 'PA9'"):
        release("PA9")
    assert release(CUSTOMER) == 1
    assert ask(minutes=10) is not None
    assert books.one("SELECT action FROM audit") == "mandate_codes_released"
