"""Books of before, whose entries had postings of their own, come over whole or not at all."""

from collections.abc import Iterator

import psycopg
import pytest
from alembic import command
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from gateway import migrate
from gateway.database import owner_engine
from gateway.embedded import Embedded

SIDES = """
    INSERT INTO postings (entry_id, account, minor, currency)
    SELECT e.id, s.account, s.minor, 'VND' FROM entries e JOIN (VALUES {}) AS s (key, account, minor) USING (key)
"""
FEE = ("('fee:1', 'expense:bank-fees', 10)", "('fee:1', 'input-vat', 1)", "('fee:1', 'suspense', -11)")
LINE = ("('line:1', 'suspense', -5)", "('line:1', 'bank:x:confirmed', 5)")


@pytest.fixture
def before(embedded: Embedded) -> Iterator[Engine]:
    """An empty database as it was before entries had two sides, as its owner sees it."""
    head, _, options = embedded.database_url.partition("?")
    with psycopg.connect(embedded.database_url, autocommit=True) as house:
        house.execute("CREATE DATABASE before_sides")
        engine = owner_engine(f"{head.rpartition('/')[0]}/before_sides?{options}")
        _migrate(engine, "0063")
        yield engine
        house.execute("DROP DATABASE before_sides WITH (FORCE)")


def _migrate(engine: Engine, revision: str) -> None:
    settings = migrate.config()
    with engine.connect() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, revision)
        connection.commit()


def _book(engine: Engine, key: str, *sides: str) -> None:
    with engine.begin() as connection:
        entry = "INSERT INTO entries (key, bank, business_date, at) VALUES (:key, 'x', '2026-11-18', now())"
        connection.execute(text(entry), {"key": key})
        connection.execute(text(SIDES.format(", ".join(sides).replace(":", "\\:"))))


def _rows(engine: Engine, query: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_each_entry_gets_the_sides_of_its_postings(before: Engine) -> None:
    _book(before, "line:1", *LINE)
    _migrate(before, "head")
    entry = "SELECT key, bank, debit, credit, minor, currency FROM entries"
    assert _rows(before, entry) == [("line:1", "x", "bank:x:confirmed", "suspense", 5, "VND")]
    assert _rows(before, "SELECT account, minor FROM postings ORDER BY 1") == [
        ("bank:x:confirmed", 5),
        ("suspense", -5),
    ]
    with pytest.raises(DBAPIError, match="only ever added to"), before.begin() as connection:
        connection.execute(text("UPDATE entries SET minor = 6"))


def test_books_with_an_entry_of_three_sides_stay_as_they_are(before: Engine) -> None:
    _book(before, "line:1", *LINE)
    _book(before, "fee:1", *FEE)
    with pytest.raises(DBAPIError, match="entry fee:1 has other sides"):
        _migrate(before, "head")
    assert _rows(before, "SELECT count(*) FROM postings") == [(5,)]
    assert _rows(before, "SELECT version_num FROM alembic_version") == [("0063",)]
