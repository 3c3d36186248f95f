from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from reconciliation import lifecycle
from reconciliation.lifecycle import BILL, MESSAGE, PAYMENT, STATEMENT, born, move
from tests.reconciliation.books import Books, a_bill


def moved(books: Books, to: str, ids: list[int] | None = None) -> list[int]:
    ids = ids if ids is not None else [row[0] for row in books.rows("SELECT id FROM bills ORDER BY id")]
    found: list[int] = books.run(lambda session: move(session, BILL, ids, to, by="lan", why="because", now=books.now))
    return found


def test_only_those_that_may_move_do_and_each_leaves_who_and_why(books: Books) -> None:
    books.issue(a_bill(), a_bill("HD0002", code="OTHERCODE0001"))
    first = books.one("SELECT min(id) FROM bills")
    assert moved(books, "cancelled", [first]) == [first]
    assert moved(books, "part_paid") == [first + 1]
    assert moved(books, "open", [first]) == []
    assert moved(books, "open", [10**9]) == []
    assert moved(books, "open", []) == []
    assert books.rows("SELECT subject_id, sort_key, from_state, to_state, by, why FROM transitions ORDER BY id") == [
        (first, 1, "open", "cancelled", "lan", "because"),
        (first + 1, 1, "open", "part_paid", "lan", "because"),
    ]


def test_a_state_nobody_reaches_is_an_error(books: Books) -> None:
    with pytest.raises(ValueError, match="a bill never becomes 'reopened'; known states: open, cancelled"):
        moved(books, "reopened", [1])
    with pytest.raises(ValueError, match="a statement never becomes 'loading'"):
        STATEMENT.before("loading")


def test_what_is_born_past_its_start_takes_a_move_that_exists() -> None:
    assert "1, 'reported', 'confirmed'" in born(PAYMENT, "confirmed", "made")
    with pytest.raises(ValueError, match="a payment never becomes 'returned' from its start, 'reported'"):
        born(PAYMENT, "returned", "made")


def test_many_moving_one_row_make_one_step(books: Books) -> None:
    books.issue(a_bill())
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: moved(books, "cancelled"), range(24)))
    assert sum(map(len, found)) == 1
    assert books.rows("SELECT sort_key FROM transitions") == [(1,)]
    assert books.one("SELECT moves FROM bills") == 1


def test_the_same_step_is_never_written_twice(books: Books) -> None:
    books.issue(a_bill())
    moved(books, "cancelled")
    with pytest.raises(IntegrityError, match="uq_transitions"):
        books.run(lambda session: session.execute(text(
            "INSERT INTO transitions (kind, subject_id, sort_key, from_state, to_state, by, at)"
            " SELECT kind, subject_id, sort_key, from_state, to_state, by, at FROM transitions")))  # fmt: skip


@pytest.mark.parametrize("one", lifecycle.ALL, ids=lambda one: one.kind)
def test_the_database_knows_every_state_and_no_other(books: Books, one: lifecycle.Lifecycle) -> None:
    check = books.one(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name", name=f"ck_{one.table}_state"
    )
    assert all(f"'{state}'" in check for state in one.states)
    assert check.count("::text") >= len(one.states)
    assert one.states[0] == one.start
    assert set(one.moves) <= set(one.states)


def test_a_message_that_reached_its_end_stays_there() -> None:
    for end in ("delivered", "undelivered", "expired", "withdrawn", "failed"):
        assert end not in MESSAGE.moves
