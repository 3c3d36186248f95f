"""Empty books: one database for all of these tests, emptied before each, because making one takes half a second."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from psycopg import Connection
from sqlalchemy import Engine, event

from gateway.database import app_engine, owner_engine
from reconciliation.sealing import Sealer
from tests import emptied
from tests.reconciliation.books import Books

_NAME = "test_rules"


@pytest.fixture(scope="session")
def _house(template: str) -> Iterator[str]:
    with emptied.made(template, _NAME) as url:
        yield url


@pytest.fixture(scope="session")
def _engine(_house: str) -> Iterator[Engine]:
    made = app_engine(_house, pooled=12)
    event.listen(made, "connect", _keep_plans)
    yield made
    made.dispose()


def _keep_plans(connection: Connection, _record: object) -> None:
    """Let all statements of the house stay prepared: a hundred would drive each other out, and be planned each time."""
    connection.prepared_max = 1_000


@pytest.fixture(scope="module")
def planned_once(_engine: Engine) -> Iterator[None]:
    """Plan each statement once in this module: over a handful of rows, planning anew takes longer than reading."""
    _engine.dispose()
    event.listen(_engine, "connect", _plan_once)
    yield
    event.remove(_engine, "connect", _plan_once)
    _engine.dispose()


def _plan_once(connection: Connection, _record: object) -> None:
    connection.execute("SET plan_cache_mode = force_generic_plan")
    connection.commit()  # or the end of the first transaction takes it back


@pytest.fixture
def database_url(_house: str) -> str:
    """The database of these tests, emptied."""
    emptied.empty(_NAME)
    return _house


@pytest.fixture
def engine(_engine: Engine, database_url: str) -> Engine:
    """Connections in the application's role to the emptied database."""
    return _engine


@pytest.fixture
def books(engine: Engine, database_url: str, sealer: Sealer, now: datetime) -> Iterator[Books]:
    """Empty books, for tests that tamper with them too."""
    owner = owner_engine(emptied.as_superuser(database_url))
    yield Books(engine, owner, sealer, now)
    owner.dispose()


@pytest.fixture
def sound_books(books: Books) -> Iterator[Books]:
    """Books that must satisfy every invariant when the test ends."""
    yield books
    assert books.broken() == []
