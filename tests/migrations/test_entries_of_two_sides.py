"""Books of before, whose entries had postings of their own, come over whole or not at all."""

from collections.abc import Callable

import pytest
from sqlalchemy.exc import DBAPIError

from tests.migrations.conftest import OldBooks

SIDES = """
    INSERT INTO postings (entry_id, account, minor, currency)
    SELECT e.id, s.account, s.minor, 'VND' FROM entries e JOIN (VALUES {}) AS s (key, account, minor) USING (key)
"""
FEE = ("('fee:1', 'expense:bank-fees', 10)", "('fee:1', 'input-vat', 1)", "('fee:1', 'suspense', -11)")
LINE = ("('line:1', 'suspense', -5)", "('line:1', 'bank:x:confirmed', 5)")


@pytest.fixture
def before(books_at: Callable[[str], OldBooks]) -> OldBooks:
    return books_at("0063")


def _book(books: OldBooks, key: str, *sides: str) -> None:
    entry = "INSERT INTO entries (key, bank, business_date, at) VALUES (:key, 'x', '2026-11-18', now())"
    books.run(entry, SIDES.format(", ".join(sides).replace(":", "\\:")), key=key)


def test_each_entry_gets_the_sides_of_its_postings(before: OldBooks) -> None:
    _book(before, "line:1", *LINE)
    before.migrate("head")
    entry = "SELECT key, bank, debit, credit, minor, currency FROM entries"
    assert before.rows(entry) == [("line:1", "x", "bank:x:confirmed", "suspense", 5, "VND")]
    assert before.rows("SELECT account, minor FROM postings ORDER BY 1") == [
        ("bank:x:confirmed", 5),
        ("suspense", -5),
    ]
    with pytest.raises(DBAPIError, match="only ever added to"):
        before.run("UPDATE entries SET minor = 6")


def test_books_with_an_entry_of_three_sides_stay_as_they_are(before: OldBooks) -> None:
    _book(before, "line:1", *LINE)
    _book(before, "fee:1", *FEE)
    with pytest.raises(DBAPIError, match="entry fee:1 has other sides"):
        before.migrate("head")
    assert before.rows("SELECT count(*) FROM postings") == [(5,)]
    assert before.rows("SELECT version_num FROM alembic_version") == [("0063",)]
