"""Books as they were before a migration."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from alembic import command
from sqlalchemy import Engine, text

from gateway import migrate
from gateway.database import owner_engine
from gateway.embedded import Embedded
from tests import emptied


@dataclass(frozen=True, slots=True)
class OldBooks:
    """A database of its own, as its owner sees it."""

    url: str
    engine: Engine

    def migrate(self, revision: str) -> None:
        settings = migrate.config()
        with self.engine.connect() as connection:
            settings.attributes["connection"] = connection
            command.upgrade(settings, revision)
            connection.commit()

    def run(self, *statements: str, **values: object) -> None:
        with self.engine.begin() as connection:
            for one in statements:
                connection.execute(text(one), values)

    def have(self, *statements: str) -> None:
        """Put rows there as they may have come to be, with every guard asleep."""
        with owner_engine(emptied.as_superuser(self.url)).begin() as connection:
            for one in ("SET LOCAL session_replication_role = replica", *statements):
                connection.execute(text(one))

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture
def books_at(embedded: Embedded) -> Iterator[Callable[[str], OldBooks]]:
    """Make empty books as a revision had them."""
    head, _, options = embedded.database_url.partition("?")
    with psycopg.connect(embedded.database_url, autocommit=True) as house:

        def make(revision: str) -> OldBooks:
            house.execute("CREATE DATABASE old_books")
            url = f"{head.rpartition('/')[0]}/old_books?{options}"
            made = OldBooks(url, owner_engine(url))
            made.migrate(revision)
            return made

        yield make
        house.execute("DROP DATABASE old_books WITH (FORCE)")
