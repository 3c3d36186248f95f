from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from reconciliation import ledger
from tests.reconciliation.books import Books, a_line, a_notice

WANTED = """SELECT CAST(:key AS text) AS key, '' AS bank, DATE '2026-11-18' AS business_date, '' AS memo, 'a' AS debit,
    'b' AS credit, 5::bigint AS minor, 'VND' AS currency, now() AS at"""
ENTRY = "INSERT INTO entries (key, business_date, at) VALUES ('e', DATE '2026-11-18', now())"
SIDES = """INSERT INTO postings (entry_id, account, minor, currency)
    SELECT id, s.* FROM entries, (VALUES {}) AS s WHERE key = 'e'"""


def book(books: Books, key: str = "e") -> int:
    made: int = books.run(lambda session: ledger.post(session, WANTED, {"key": key}))
    return made


def acts(books: Books, *statements: str) -> None:
    books.run(lambda session: [session.execute(text(one)) for one in statements])


def test_a_balanced_entry_is_booked_once_per_key(books: Books) -> None:
    assert (book(books), book(books)) == (1, 0)
    assert books.run(ledger.balances) == {("a", "VND"): 5, ("b", "VND"): -5}


def test_many_posting_the_same_key_at_once_book_it_once(books: Books) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: book(books, f"k{n % 5}"), range(40)))
    assert sum(made) == 5
    assert books.run(ledger.balances) == {("a", "VND"): 25, ("b", "VND"): -25}


@pytest.mark.parametrize(
    "sides",
    [
        "('a', 5, 'VND')",
        "('a', 5, 'VND'), ('b', -4, 'VND')",
        "('a', 5, 'VND'), ('b', -5, 'USD')",
    ],
)
def test_an_entry_that_does_not_balance_is_refused(books: Books, sides: str) -> None:
    with pytest.raises(DBAPIError, match="do not balance"):
        acts(books, ENTRY, SIDES.format(sides))
    assert books.one("SELECT count(*) FROM entries") == 0


def test_an_entry_without_postings_is_refused_at_commit(books: Books) -> None:
    with Session(books.engine) as session:
        session.execute(text(ENTRY))
        with pytest.raises(DBAPIError, match="has no postings"):
            session.commit()


def test_an_entry_of_several_currencies_balances_in_each(books: Books) -> None:
    acts(books, ENTRY, SIDES.format("('a', 5, 'VND'), ('b', -5, 'VND'), ('a', 1, 'USD'), ('b', -1, 'USD')"))
    assert books.one("SELECT count(*) FROM postings") == 4


def test_nothing_joins_an_old_entry_not_even_in_balance(books: Books) -> None:
    book(books)
    with pytest.raises(DBAPIError, match="belongs to the transaction of its entry"):
        acts(books, SIDES.format("('a', 1, 'VND'), ('b', -1, 'VND')"))


def test_no_side_follows_after_the_check_was_made_to_run_early(books: Books) -> None:
    balanced = SIDES.format("('a', 5, 'VND'), ('b', -5, 'VND')")
    with pytest.raises(DBAPIError, match="do not balance"):
        acts(books, ENTRY, balanced, "SET CONSTRAINTS ALL IMMEDIATE", SIDES.format("('a', 1, 'VND')"))


def test_a_posting_of_no_entry_is_refused_even_beside_tables_of_ones_own(books: Books) -> None:
    alone = """INSERT INTO postings (entry_id, account, minor, currency)
        VALUES (999, 'a', 5, 'VND'), (999, 'b', -5, 'VND')"""
    shadow = "CREATE TEMP TABLE entries AS SELECT 999::bigint AS id, pg_current_xact_id()::text::bigint AS transaction"
    for before in ([], [shadow]):
        with pytest.raises(DBAPIError, match="there is none of the number 999"):
            acts(books, *before, alone)


def test_entries_of_several_statements_are_each_proven_and_leave_nothing_behind(books: Books) -> None:
    book(books)
    acts(books, ENTRY.replace("'e'", "'f'"), SIDES.replace("'e'", "'f'").format("('a', 1, 'VND'), ('b', -1, 'VND')"))
    with books.owner.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM entries_to_prove")).scalar_one() == 0
    with pytest.raises(DBAPIError, match="entry g has no postings"):
        acts(books, ENTRY.replace("'e'", "'g'"), ENTRY.replace("'e'", "'h'"),
             SIDES.replace("'e'", "'h'").format("('a', 1, 'VND'), ('b', -1, 'VND')"))  # fmt: skip
    with pytest.raises(DBAPIError, match="permission denied"):
        acts(books, "DELETE FROM entries_to_prove")


def test_a_posting_of_nothing_is_refused(books: Books) -> None:
    with pytest.raises(DBAPIError, match="not_zero"):
        acts(books, ENTRY, SIDES.format("('a', 0, 'VND')"))


KEPT = ["entries", "postings", "transitions", "audit", "audit_checkpoints", "delivery_chunks", "refusals"]


@pytest.mark.parametrize("table", [*KEPT, "deliveries", "allocations"])
def test_what_is_kept_is_neither_edited_nor_deleted_by_the_application_or_the_owner(books: Books, table: str) -> None:
    column = "id" if table != "delivery_chunks" else "ordinal"
    tries = [f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"]
    if table in KEPT:
        tries.append(f"UPDATE {table} SET {column} = DEFAULT" if column == "id" else f"UPDATE {table} SET ordinal = 1")
    for statement in tries:
        with pytest.raises(DBAPIError, match=r"permission denied|only ever added to"):
            acts(books, statement)
        # The owner is not stopped by rights, only by the guards.
        with pytest.raises(DBAPIError, match="only ever added to"):
            books.awake_owner(statement)


def test_what_a_bank_sent_stays_as_it_came_for_the_owner_too(books: Books) -> None:
    books.delivery()
    for change in ("body = 'x'", "head = NULL", "digest = 'x'", "answer_status = 500", "source = 'x'"):
        with pytest.raises(DBAPIError, match="never changed"):
            books.awake_owner(f"UPDATE deliveries SET {change}")


@pytest.mark.parametrize(
    "change",
    [
        "statement_lines SET minor = 1", "statements SET closing_minor = 1", "payments SET minor = 1",
        "payments SET matched_minor = 1", "bills SET minor = 1", "bills SET paid_minor = 1",
        "allocations SET minor = 1", "deliveries SET body = ''",
    ],
)  # fmt: skip
def test_the_application_may_not_change_what_was_said_or_counted(books: Books, change: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        acts(books, f"UPDATE {change}")


def test_only_a_payment_no_statement_has_confirmed_gets_another_amount(books: Books) -> None:
    ids = books.hear(a_notice(bank_reference="B1", code=""))
    books.read(a_line(reference="B1"))
    with pytest.raises(DBAPIError, match="no statement has confirmed"):
        acts(books, f"SELECT correct_payments(ARRAY[{ids[0]}], ARRAY[1], ARRAY['VND'])")
    assert books.one("SELECT minor FROM payments") == 100_000


def test_a_statement_that_was_judged_keeps_the_balance_it_told(books: Books) -> None:
    books.read(a_line(reference="B1"), opening=0)
    acts(books, f"SELECT close_statement({books.one('SELECT id FROM statements')}, 7, '2026-11-19')")
    assert books.one("SELECT closing_minor FROM statements") == 100_000
