from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from reconciliation import ledger
from tests.reconciliation.books import Books, a_line, a_notice

WANTED = """SELECT CAST(:key AS text) AS key, '' AS bank, DATE '2026-11-18' AS business_date, '' AS memo, 'a' AS debit,
    'b' AS credit, 5::bigint AS minor, 'VND' AS currency, now() AS at"""
ENTRY = """INSERT INTO entries (key, bank, business_date, at, debit, credit, minor, currency)
    VALUES ('e', '{bank}', DATE '2026-11-18', now(), '{debit}', '{credit}', {minor}, {currency})"""


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


def an_entry(*, bank: str = "", debit: str = "a", credit: str = "b", minor: str = "5", currency: str = "'VND'") -> str:
    return ENTRY.format(bank=bank, debit=debit, credit=credit, minor=minor, currency=currency)


def test_both_sides_of_an_entry_stand_in_the_view_of_postings(books: Books) -> None:
    acts(books, an_entry())
    sides = "SELECT account, minor, currency FROM postings ORDER BY account"
    assert books.rows(sides) == [("a", 5, "VND"), ("b", -5, "VND")]


@pytest.mark.parametrize(
    ("sides", "rule"),
    [
        ({"minor": "0"}, "positive"),
        ({"minor": "-5"}, "positive"),
        ({"minor": "NULL"}, "not-null"),
        ({"currency": "NULL"}, "not-null"),
        ({"credit": "a"}, "two_accounts"),
        ({"debit": "bank:x:reported"}, "names_its_bank"),
        ({"credit": "bank:x:reported", "bank": "y"}, "names_its_bank"),
        ({"credit": "suspense"}, "names_its_bank"),
    ],
)
def test_an_entry_of_no_amount_of_one_account_or_over_a_bank_it_does_not_name_is_refused(
    books: Books, sides: dict[str, str], rule: str
) -> None:
    with pytest.raises(DBAPIError, match=rule):
        acts(books, an_entry(**sides))
    assert books.one("SELECT count(*) FROM entries") == 0


def test_an_entry_names_the_bank_whose_money_it_moves(books: Books) -> None:
    acts(books, an_entry(bank="x", debit="bank:x:reported", credit="suspense"))
    assert books.run(ledger.balances) == {("bank:x:reported", "VND"): 5, ("suspense", "VND"): -5}


def test_no_side_is_booked_by_itself(books: Books) -> None:
    with pytest.raises(DBAPIError, match=r"permission denied|cannot insert into view"):
        acts(books, an_entry(), "INSERT INTO postings SELECT id, 'a', 1, 'VND' FROM entries")
    assert books.one("SELECT count(*) FROM entries") == 0


KEPT = ["entries", "transitions", "audit", "audit_checkpoints", "delivery_chunks", "refusals"]


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
