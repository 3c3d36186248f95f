from concurrent.futures import ThreadPoolExecutor

from reconciliation import mismatches
from tests.reconciliation.books import Books


def ask(books: Books, code: str = "M12", **more: object) -> int | None:
    found: int | None = books.run(
        lambda session: mismatches.ask_one(session, code=code, subject="payment:1", now=books.now, **more)
    )
    return found


def test_a_question_is_asked_once_while_open_and_again_when_answered(books: Books) -> None:
    first = ask(books, facts={"đồng": [1]}, minor=5)
    assert first is not None
    assert ask(books) is None
    assert ask(books, "M03") is not None
    answered = books.run(lambda s: mismatches.resolve(s, [first, first], by="lan", resolution="found", now=books.now))
    assert answered == [first]
    assert books.run(lambda s: mismatches.resolve(s, [first], by="mai", resolution="no", now=books.now)) == []
    assert books.rows("SELECT resolved_by, resolution FROM mismatches WHERE id = :id", id=first) == [("lan", "found")]
    assert ask(books) not in (None, first)
    assert books.facts_of("M12") == {}


def test_many_asking_at_once_ask_once(books: Books) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(lambda _: ask(books), range(24)))
    assert sum(one is not None for one in asked) == 1
