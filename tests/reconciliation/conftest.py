"""Empty books: one database for all of these tests, emptied before each, because making one takes half a second."""

from collections.abc import Iterator
from datetime import datetime

import psycopg
import pytest
from sqlalchemy import Engine

from gateway import migrate
from gateway.database import app_engine, owner_engine
from gateway.embedded import Embedded
from reconciliation.sealing import Sealer
from reconciliation.tables import metadata
from tests.reconciliation.books import Books

_NAME = "test_rules"


@pytest.fixture(scope="session")
def _house(embedded: Embedded) -> str:
    with psycopg.connect(embedded.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {_NAME}")
    head, _, options = embedded.database_url.partition("?")
    url = f"{head.rpartition('/')[0]}/{_NAME}?{options}"
    migrate.upgrade(url)
    with psycopg.connect(embedded.database_url, autocommit=True) as connection:
        # These tests end no server: waiting for the disk would only make them slow.
        connection.execute(f"ALTER DATABASE {_NAME} SET synchronous_commit = off")
    return url


@pytest.fixture(scope="session")
def _engine(_house: str) -> Iterator[Engine]:
    made = app_engine(_house, pooled=12)
    yield made
    made.dispose()


@pytest.fixture
def database_url(_house: str) -> str:
    """The database of these tests, emptied past its own guards as only a superuser can."""
    with psycopg.connect(_house.replace("//doisoat@", "//postgres@"), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        with connection.transaction():
            for table in metadata.sorted_tables:
                connection.execute(f"DELETE FROM {table.name}")
    return _house


@pytest.fixture
def engine(_engine: Engine, database_url: str) -> Engine:
    """Connections in the application's role to the emptied database."""
    return _engine


@pytest.fixture
def books(engine: Engine, database_url: str, sealer: Sealer, now: datetime) -> Iterator[Books]:
    """Empty books, for tests that tamper with them too."""
    owner = owner_engine(database_url.replace("//doisoat@", "//postgres@"))
    yield Books(engine, owner, sealer, now)
    owner.dispose()


@pytest.fixture
def sound_books(books: Books) -> Iterator[Books]:
    """Books that must satisfy every invariant when the test ends."""
    yield books
    assert books.broken() == []
