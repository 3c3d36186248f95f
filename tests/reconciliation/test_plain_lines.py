"""Plain lines: their payments come with their match, and the database refuses a counter that came alone."""

import pytest
from sqlalchemy.exc import DBAPIError

from reconciliation import plain_matches
from tests.reconciliation.books import CODE, Books, a_bill, a_line, a_notice

PAYMENT = """
    INSERT INTO payments (source, source_reference, minor, currency, business_date, origin, created_at, matched_minor)
    VALUES ('standard', 'X1', 100000, 'VND', '2026-11-18', 'statement', now(), {matched})
"""
MATCH = """
    INSERT INTO allocations (payment_id, bill_id, minor, rule, evidence, by, at, born)
    SELECT p.id, b.id, {minor}, 'payment_code', '', 'matching', now(), true FROM {payments} p, bills b
"""


@pytest.fixture
def plain_books(sound_books: Books, monkeypatch: pytest.MonkeyPatch) -> Books:
    monkeypatch.setattr(plain_matches, "MANY", 1)
    return sound_books


def test_a_plain_line_s_payment_is_written_once(plain_books: Books) -> None:
    plain_books.issue(a_bill())
    plain_books.read(a_line(100_000, "B1", CODE), opening=0)
    assert plain_books.rows("SELECT born, minor FROM allocations") == [(True, 100_000)]
    assert plain_books.rows("SELECT matched_minor, state, moves, origin FROM payments") == [
        (100_000, "confirmed", 1, "statement")
    ]
    assert plain_books.rows("SELECT state, paid_minor FROM bills") == [("paid", 100_000)]
    assert plain_books.rows("SELECT * FROM owed_bills") == []


def test_its_match_can_be_undone_as_any_other(plain_books: Books) -> None:
    plain_books.issue(a_bill())
    plain_books.read(a_line(100_000, "B1", CODE), opening=0)
    plain_books.hear(a_notice("T1", 100_000, CODE, bank_reference="B0", paid=True))
    assert plain_books.rows("SELECT state, paid_minor FROM bills") == [("paid", 100_000)]
    live = "SELECT count(*) FROM allocations WHERE undone_at IS NULL"
    assert plain_books.one(live) == 1


REFUSED = {
    "a counter without a match": (PAYMENT.format(matched=100_000), "counts from nothing"),
    "a counter that is more than its match": (
        f"WITH made AS ({PAYMENT.format(matched=100_000)} RETURNING id) {MATCH.format(minor=99_000, payments='made')}",
        "counts from nothing|whole counter",
    ),
    "a match that says it was born with a payment told before": (
        MATCH.format(minor=100_000, payments="(SELECT id FROM payments LIMIT 1)"), "whole counter",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_the_database_refuses(books: Books, what: str) -> None:
    said, why = REFUSED[what]
    books.hear(a_notice("T1", 100_000, CODE))
    books.issue(a_bill("HD0009", 100_000, "PA0000000000911126"))
    with pytest.raises(DBAPIError, match=why), books.engine.begin() as connection:
        connection.exec_driver_sql(said)


def test_a_payment_of_no_delivery_is_refused(books: Books) -> None:
    said = PAYMENT.format(matched=0).replace("matched_minor)", "matched_minor, delivery_id)").replace("0)", "0, 99)")
    with pytest.raises(DBAPIError, match="delivery that is there"), books.engine.begin() as connection:
        connection.exec_driver_sql(said)


def test_a_line_that_proves_no_payment_is_refused(books: Books) -> None:
    books.read(a_line(100_000, "B1", CODE), opening=0)
    with pytest.raises(DBAPIError, match="payment that is there"), books.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE statement_lines SET payment_id = 99")


def test_what_is_owed_follows_each_bill(books: Books) -> None:
    books.issue(a_bill(), a_bill("HD0002", 60_000, "PA0000000000111026"))
    assert books.one("SELECT count(*) FROM owed_bills") == 2
    books.hear(a_notice("T1", 60_000, "PA0000000000111026"))
    books.hear(a_notice("T2", 40_000, CODE))
    assert books.rows("SELECT number FROM owed_bills JOIN bills ON id = bill_id") == [("HD0001",)]
