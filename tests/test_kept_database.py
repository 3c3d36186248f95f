"""The database that tests share: whoever has it next finds it as the template is, whatever was done to it."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg import Connection, sql

from tests.emptied import as_superuser
from tests.kept_database import KeptDatabase

TABLES = """
    SELECT relname FROM pg_class JOIN pg_namespace AS space ON space.oid = relnamespace
    WHERE relkind = 'r' AND nspname = 'public' ORDER BY 1
"""


@pytest.fixture(scope="module")
def kept(template: str) -> Iterator[KeptDatabase]:
    made = KeptDatabase(template, "test_lent")
    yield made
    made.drop()


def superuser(url: str) -> "closing[Connection]":
    return closing(psycopg.connect(as_superuser(url), autocommit=True))


def contents(url: str) -> dict[str, object]:
    """Return a digest of each table and the state of each sequence."""
    digest = sql.SQL("SELECT md5(coalesce(string_agg(one::text, '|' ORDER BY one::text), '')) FROM {} AS one")
    with superuser(url) as connection:
        tables = [name for (name,) in connection.execute(TABLES).fetchall()]
        found = {name: connection.execute(digest.format(sql.Identifier(name))).fetchone() for name in tables}
        sequences = [name for (name,) in connection.execute("SELECT sequencename FROM pg_sequences ORDER BY 1")]
        state = sql.SQL("SELECT last_value, is_called FROM {}")
        return found | {name: connection.execute(state.format(sql.Identifier(name))).fetchone() for name in sequences}


@pytest.fixture
def plain(template: str) -> dict[str, object]:
    return contents(template)


CHANGES = {
    "rows in every kind of table": (
        "INSERT INTO customers (code, office, created_at, updated_at) VALUES ('PA00000000001', 'HD1', now(), now())",
        "INSERT INTO entries (key, bank, business_date, at, debit, credit, minor, currency)"
        " VALUES ('k', 'b', now(), now(), 'x', 'y', 5, 'VND')",
        "INSERT INTO deliveries (source, kind, event_id, digest, size, received_at)"
        " VALUES ('standard', 'callback', 'e', 'd', 0, now())",
    ),
    "a row of the migrations": ("UPDATE approval_limits SET minor = minor + 1",),
    "the rows of the migrations": ("DELETE FROM approval_limits", "DELETE FROM lifecycle_moves"),
    "sequences": (
        "SELECT setval('customers_id_seq', 77)", "SELECT nextval('entries_id_seq') FROM generate_series(1, 9)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("statements", CHANGES.values(), ids=CHANGES)
def test_changed_contents_are_put_back_and_the_database_stays(kept, plain, statements):
    with kept.lent() as url, superuser(url) as connection:
        made = kept.made
        assert contents(url) == plain
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(statement)
        assert contents(url) != plain
    with kept.lent() as url:
        assert contents(url) == plain
        assert kept.made == made


def test_an_open_transaction_is_ended_and_holds_nothing_up(kept, plain):
    with kept.lent() as url:
        made = kept.made
        left = psycopg.connect(url)
        left.execute("SELECT pg_advisory_lock(1)")
        left.execute("LOCK TABLE bills IN ACCESS EXCLUSIVE MODE")
    with kept.lent() as url, superuser(url) as connection:
        assert contents(url) == plain
        assert connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)
        assert kept.made == made
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE bills ADD COLUMN odd int", "CREATE TABLE odd (id int)", "DROP INDEX uq_mandates_in_force",
        "CREATE FUNCTION odd() RETURNS int LANGUAGE sql AS 'SELECT 1'", "GRANT DELETE ON bills TO doisoat_app",
        "ALTER TABLE bills DISABLE TRIGGER ALL", "ALTER DATABASE test_lent SET lock_timeout = '1s'",
        "GRANT CONNECT ON DATABASE test_lent TO doisoat_app", "ALTER TABLE bills ALTER charge_minor SET DEFAULT 5",
        "DROP SCHEMA public CASCADE", "SELECT lo_from_bytea(0, 'odd')",
    ],
)  # fmt: skip
def test_a_database_of_another_shape_is_made_anew(kept, plain, statement):
    with kept.lent() as url, superuser(url) as connection:
        made = kept.made
        connection.execute(statement)
    with kept.lent() as url:
        assert kept.made == made + 1
        assert contents(url) == plain


def test_shape_outlasts_what_the_server_does_by_itself(kept):
    with kept.lent() as url, superuser(url) as connection:
        made = kept.made
        connection.execute("VACUUM (FREEZE, ANALYZE)")
    with kept.lent():
        assert kept.made == made


def test_a_database_that_grew_large_is_made_anew(kept, plain):
    with kept.lent() as url, superuser(url) as connection:
        made = kept.made
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "INSERT INTO deliveries (source, kind, event_id, digest, size, body, received_at)"
            " SELECT 'standard', 'callback', n::text, n::text::bytea, 0, string_agg(sha512((n * m)::text::bytea), ''),"
            " now() FROM generate_series(1, 40) AS n, generate_series(1, 16384) AS m GROUP BY n"
        )
    with kept.lent() as url:
        assert kept.made == made + 1
        assert contents(url) == plain


def test_a_test_that_ends_everyone_gets_the_next_one_a_new_database(kept, plain):
    with kept.lent() as url, superuser(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with kept.lent() as url:
        assert contents(url) == plain
