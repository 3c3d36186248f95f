"""A bulk load is counted while it is under way: nobody's plan may rest on a table that seems empty."""

import pytest
from sqlalchemy import text

from reconciliation import statistics
from tests.reconciliation.books import Books, a_line

COUNTED = text("SELECT reltuples FROM pg_class WHERE relname = 'statement_lines'")


def test_a_large_statement_is_counted_before_it_is_paired(books: Books) -> None:
    books.read(*(a_line(1_000 + n, reference=f"R{n}", narrative="?") for n in range(statistics.MANY)), opening=0)
    assert books.run(lambda s: s.scalar(COUNTED)) == statistics.MANY
    assert books.broken() == []


@pytest.mark.parametrize(("loaded", "asked"), [(statistics.MANY - 1, 0), (statistics.MANY, 1)])
def test_a_small_load_is_not_worth_the_look(loaded: int, asked: int) -> None:
    class Counting:
        looks = 0

        def execute(self, *_: object) -> None:
            self.looks += 1

    session = Counting()
    statistics.refresh(session, loaded)  # type: ignore[arg-type]  # all that is used of a session
    assert session.looks == asked
