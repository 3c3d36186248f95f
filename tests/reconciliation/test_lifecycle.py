import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

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


# ── the database keeps to the same tables ────────────────────────────────────────────────────────────────────────────


def test_the_database_allows_the_moves_and_births_of_the_code_and_no_other(books: Books) -> None:
    assert set(books.rows("SELECT kind, from_state, to_state FROM lifecycle_moves")) == lifecycle.allowed_moves()
    assert set(books.rows("SELECT kind, state, moves FROM lifecycle_births")) == lifecycle.allowed_births()


@pytest.mark.parametrize("one", lifecycle.ALL, ids=lambda one: one.kind)
def test_every_table_of_a_lifecycle_is_guarded(books: Books, one: lifecycle.Lifecycle) -> None:
    guards = books.rows(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = CAST(:table AS regclass) AND tgenabled = 'O'"
        " AND encode(tgargs, 'escape') LIKE :kind || '%'",
        table=one.table, kind=one.kind,
    )  # fmt: skip
    births = "births_are_allowed" if any(one.births.values()) else "birth_is_allowed"
    assert sorted(guards) == sorted([(births,), ("moves_are_allowed",)])


@pytest.mark.parametrize("table", ["lifecycle_moves", "lifecycle_births"])
@pytest.mark.parametrize("right", ["INSERT", "UPDATE", "DELETE", "TRUNCATE"])
def test_the_application_can_not_allow_itself_more(books: Books, table: str, right: str) -> None:
    assert books.one("SELECT has_table_privilege(:table, :right)", table=table, right=right) is False


def test_a_state_that_does_not_follow_is_refused_however_many_rows_change(books: Books) -> None:
    books.issue(a_bill(), a_bill("HD0002", code="OTHERCODE0001"))
    moved(books, "cancelled", [books.one("SELECT min(id) FROM bills")])
    for statement in ("UPDATE bills SET state = 'open'", "UPDATE bills SET state = 'open', moves = moves + 1"):
        with pytest.raises(IntegrityError, match="a bill that is cancelled does not become open"):
            books.run(lambda session, statement=statement: session.execute(text(statement)))
        with pytest.raises(IntegrityError, match="a bill that is cancelled does not become open"):
            books.awake_owner(statement)
    assert books.rows("SELECT state FROM bills ORDER BY id") == [("cancelled",), ("open",)]


@pytest.mark.parametrize(
    ("kind", "was", "becomes"), [("bill", "cancelled", "open"), ("bill", "open", "open"), ("invoice", "open", "paid")]
)
def test_a_note_of_a_move_that_does_not_exist_is_refused(books: Books, kind: str, was: str, becomes: str) -> None:
    note = "INSERT INTO transitions (kind, subject_id, sort_key, from_state, to_state, by, at) VALUES (%s, now())"
    with pytest.raises(IntegrityError, match=f"a {kind} that is {was} does not become {becomes}"):
        books.run(lambda session: session.execute(text(note % f"'{kind}', 1, 1, '{was}', '{becomes}', 'lan'")))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("'resolved', 0", "a mismatch does not come into being as resolved after 0 moves"),
        ("'open', 1", "a mismatch does not come into being as open after 1 moves"),
    ],
)
def test_a_row_that_begins_elsewhere_is_refused(books: Books, columns: str, said: str) -> None:
    made = "INSERT INTO mismatches (code, subject, opened_at, state, moves) VALUES ('M12', 'x', now(), %s)"
    with pytest.raises(IntegrityError, match=said):
        books.run(lambda session: session.execute(text(made % columns)))
    books.run(lambda session: session.execute(text(made % "'open', 0")))


def test_a_payment_begins_reported_or_confirmed_by_its_line(books: Books) -> None:
    made = (
        "INSERT INTO payments (source, source_reference, minor, currency, business_date, origin, created_at, state,"
        " moves) VALUES ('s', '%s', 1, 'VND', now(), 'statement', now(), %s)"
    )
    for number, refused in enumerate(("'confirmed', 0", "'reported', 1", "'denied', 0", "'returned', 2")):
        with pytest.raises(IntegrityError, match="a payment does not come into being as"):
            books.run(lambda session, values=(number, refused): session.execute(text(made % values)))
    for allowed in ("'confirmed', 1", "'reported', 0"):
        books.run(lambda session, values=(allowed[1:4], allowed): session.execute(text(made % values)))


def test_a_move_of_thousands_is_looked_at_once_though_one_row_moved_before(books: Books) -> None:
    """A plan that was made for one row would compare each of them with each."""
    subjects = "SELECT 'M12', 'x' || g, now() FROM generate_series(1, 4000) g"
    many = f"INSERT INTO mismatches (code, subject, opened_at) {subjects}"

    def act(session: Session) -> str:
        session.execute(text(many))
        session.execute(text("UPDATE mismatches SET state = 'proposed' WHERE subject = 'x1'"))
        said = session.scalars(text("EXPLAIN (ANALYZE) UPDATE mismatches SET state = 'resolved'")).all()
        return next(line for line in said if "moves_are_allowed" in line)

    [milliseconds] = re.findall(r"time=([\d.]+)", books.run(act))
    assert float(milliseconds) < 500
