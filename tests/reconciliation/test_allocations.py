"""The counters and guards that the database keeps around allocations, whoever writes them."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from reconciliation import rivals
from tests.reconciliation.books import Books, a_bill, a_notice

ALLOCATE = """
    INSERT INTO allocations (payment_id, bill_id, minor, rule, evidence, by, at)
    SELECT p.id, b.id, :minor, 'by_hand', 'a receipt', 'lan', now() FROM payments p, bills b
    WHERE p.source_reference = :payment AND b.number = 'HD0001' AND b.state <> 'replaced'
"""


@pytest.fixture
def paired(books: Books) -> Books:
    """A bill of 100,000 and eight payments of 60,000 that nothing connects with it."""
    books.issue(a_bill())
    books.hear(*[a_notice(f"T{n}", 60_000, code="") for n in range(8)])
    return books


def allocate(books: Books, payment: str = "T0", minor: int = 60_000) -> None:
    books.run(lambda session: session.execute(text(ALLOCATE), {"payment": payment, "minor": minor}))


def counters(books: Books) -> tuple[int, int]:
    paid, matched = books.rows(
        "SELECT (SELECT sum(paid_minor) FROM bills)::bigint, sum(matched_minor)::bigint FROM payments"
    )[0]
    return paid, matched


def test_the_counters_follow_the_live_allocations(paired: Books) -> None:
    allocate(paired)
    allocate(paired, "T1", 40_000)
    assert counters(paired) == (100_000, 100_000)
    undo(paired)
    assert counters(paired) == (0, 0)


def undo(books: Books) -> None:
    books.run(lambda session: session.execute(text("UPDATE allocations SET undone_at = now(), undone_by = 'lan'")))


@pytest.mark.parametrize("minor", [60_001, 0, -1])
def test_more_than_the_payment_or_nothing_is_refused(paired: Books, minor: int) -> None:
    with pytest.raises(DBAPIError, match=r"matched_within_amount|positive"):
        allocate(paired, minor=minor)
    assert counters(paired) == (0, 0)


@pytest.mark.parametrize(("payment", "bill"), [("0", "min(b.id)"), ("min(p.id)", "0")])
def test_what_names_no_payment_or_no_bill_is_refused(paired: Books, payment: str, bill: str) -> None:
    with pytest.raises(DBAPIError, match="that is there"):
        paired.run(lambda session: session.execute(text(
            f"""INSERT INTO allocations (payment_id, bill_id, minor, rule, evidence, by, at)
            SELECT {payment}, {bill}, 1, 'by_hand', 'a receipt', 'lan', now() FROM payments p, bills b"""
        )))  # fmt: skip
    assert counters(paired) == (0, 0)


@pytest.mark.parametrize(
    "act",
    [
        "DELETE FROM payments", "DELETE FROM bills", "DELETE FROM customers", "TRUNCATE customers CASCADE",
        "UPDATE payments SET id = DEFAULT", "UPDATE bills SET id = DEFAULT", "UPDATE customers SET id = DEFAULT",
        "UPDATE bills SET customer_id = customer_id + 1",
    ],
)  # fmt: skip
def test_what_is_named_stays_for_the_owner_too(paired: Books, act: str) -> None:
    with pytest.raises(DBAPIError, match="only ever added to"):
        paired.awake_owner(act)


def test_a_bill_of_no_customer_is_refused(paired: Books) -> None:
    columns = "number, version, payment_code, period, kwh, charge_minor, tax_minor, arrears_minor, minor, issued_on,"
    columns += " due_on, created_at"
    with pytest.raises(DBAPIError, match="a customer who is there"):
        paired.run(lambda session: session.execute(text(
            f"""INSERT INTO bills (customer_id, {columns})
            SELECT 0, {columns.replace("number,", "'HD9',").replace("payment_code,", "'PX',")} FROM bills"""
        )))  # fmt: skip


def test_eight_at_once_never_settle_more_than_is_owed(paired: Books) -> None:
    def one(number: int) -> str:
        try:
            allocate(paired, f"T{number}", 30_000)
        except DBAPIError as error:
            return str(error.orig)
        return ""

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(one, range(8)))
    assert said.count("") == 3
    assert sum("paid_within_amount" in one for one in said) == 5
    assert counters(paired) == (90_000, 90_000)


def test_one_payment_settles_one_bill_once_at_a_time(paired: Books) -> None:
    allocate(paired, minor=1)
    with pytest.raises(DBAPIError, match="uq_allocations_live"):
        allocate(paired, minor=1)
    undo(paired)
    allocate(paired, minor=1)
    assert counters(paired) == (1, 1)


def test_an_allocation_is_undone_once_and_never_revived_or_edited(paired: Books) -> None:
    allocate(paired)
    undo(paired)
    for change in ("undone_at = now()", "undone_at = NULL", "undone_why = 'other'"):
        with pytest.raises(DBAPIError, match="can only be undone, once"):
            paired.run(lambda session, change=change: session.execute(text(f"UPDATE allocations SET {change}")))
    assert counters(paired) == (0, 0)


@pytest.mark.parametrize("change", ["minor = 1", "by = 'x'", "evidence = 'x'", "rule = 'x'"])
def test_even_the_owner_does_not_edit_one(paired: Books, change: str) -> None:
    allocate(paired)
    with pytest.raises(DBAPIError, match="can only be undone, once"):
        paired.awake_owner(f"UPDATE allocations SET {change}, undone_at = now()")


def test_one_born_undone_is_refused(paired: Books) -> None:
    with pytest.raises(DBAPIError, match="born live"):
        paired.run(lambda session: session.execute(text(
            "INSERT INTO allocations (payment_id, bill_id, minor, rule, evidence, by, at, undone_at)"
            " SELECT p.id, b.id, 1, '', '', '', now(), now() FROM payments p, bills b LIMIT 1")))  # fmt: skip


def test_a_replaced_bill_takes_nothing(paired: Books) -> None:
    paired.issue(a_bill(version=2))
    with pytest.raises(DBAPIError, match="takes no allocation"):
        paired.run(lambda session: session.execute(text(ALLOCATE.replace("<> 'replaced'", "= 'replaced'")),
                                                   {"payment": "T0", "minor": 1}))  # fmt: skip


def test_a_bill_with_money_on_it_is_not_withdrawn_past_the_rules(paired: Books) -> None:
    allocate(paired)
    with pytest.raises(DBAPIError, match="withdrawn_unpaid"):
        paired.run(lambda session: session.execute(text("UPDATE bills SET state = 'cancelled'")))


def test_undoing_books_the_reverse_once(books: Books) -> None:
    books.issue(a_bill())
    books.hear(a_notice())
    ids = [row[0] for row in books.rows("SELECT id FROM allocations")]
    freed = [books.run(lambda session: rivals.undo(session, ids, by="lan", why="wrong", now=books.now)) for _ in "ab"]
    assert [len(one) for one in freed] == [1, 0]
    assert books.balances() == {"bank:standard:reported": 100_000, "receivable": 100_000, "revenue": -100_000,
                                "suspense": -100_000}  # fmt: skip
    assert books.one("SELECT count(*) FROM entries WHERE key LIKE 'allocation:%/undone'") == 1
