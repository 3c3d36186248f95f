"""One database that is lent to one test after another: each finds it as the template, or gets a new one."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql
from psycopg.rows import tuple_row

from tests.emptied import as_superuser

_LARGE = 30 << 20
"""Bytes beyond the template's size: a database that grew so much is slower to read than to make."""
_CATALOGS = (
    "pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_trigger", "pg_proc", "pg_type",
    "pg_policy", "pg_namespace", "pg_sequence", "pg_default_acl", "pg_extension", "pg_event_trigger", "pg_rewrite",
    "pg_largeobject_metadata", "pg_description",
)  # fmt: skip
# Whoever changes a row of a catalogue leaves his transaction's number on it; VACUUM and ANALYZE write in place.
_SHAPE = " UNION ALL ".join(
    [f"SELECT '{one}', count(*), sum(xmin::text::bigint)::bigint FROM {one}" for one in _CATALOGS]
    + ["SELECT 'pg_database', 1, xmin::text::bigint FROM pg_database WHERE datname = current_database()"]
    + [
        "SELECT 'pg_db_role_setting', count(*), sum(s.xmin::text::bigint)::bigint FROM pg_db_role_setting AS s"
        " JOIN pg_database AS d ON d.oid = setdatabase WHERE datname = current_database()"
    ]
)
_TABLES = """
    SELECT nspname, relname FROM pg_class JOIN pg_namespace AS space ON space.oid = relnamespace
    WHERE relkind = 'r' AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' ORDER BY 1, 2
"""
_SEQUENCES = "SELECT schemaname, sequencename, start_value, last_value FROM pg_sequences ORDER BY 1, 2"
_END_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""

_Sequences = Mapping[tuple[str, str], tuple[int, int | None]]


@dataclass(frozen=True)
class _Table:
    name: sql.Identifier
    digest: str | None
    """Of the rows that the migrations put in; None where they put in none."""
    columns: sql.Composable
    rows: bytes
    """The same rows as COPY writes them."""


class KeptDatabase:
    """Lends one database after the migrated one of `template_url`; `made` counts how often it was made."""

    def __init__(self, template_url: str, name: str) -> None:
        head, _, options = template_url.partition("?")
        place, _, self._template = head.rpartition("/")
        self._name, self._house = name, as_superuser(f"{place}/postgres?{options}")
        self.url = f"{place}/{name}?{options}"
        self.made = 0
        self._broom: Connection[tuple[object, ...]] | None = None

    @contextmanager
    def lent(self) -> Iterator[str]:
        """Lend the database, as the template is; yield its owner's URL."""
        if self._broom is None:
            self._make()
        try:
            yield self.url
        finally:
            if not self._is_clean():
                self.drop()

    def drop(self) -> None:
        """Drop the database, where there is one; the next test gets a new one."""
        if self._broom is not None:
            with suppress(psycopg.Error):
                self._broom.close()
            self._broom = None
        with closing(psycopg.connect(self._house, autocommit=True)) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")

    def _make(self) -> None:
        with closing(psycopg.connect(self._house, autocommit=True)) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {self._name} TEMPLATE {self._template} OWNER doisoat")
        self.made += 1
        broom = self._broom = psycopg.connect(as_superuser(self.url), autocommit=True, row_factory=tuple_row)
        broom.execute("SET session_replication_role = replica")  # every guard sleeps
        self._shape = broom.execute(_SHAPE).fetchall()
        self._tables = [self._learn(sql.Identifier(*one)) for one in broom.execute(_TABLES).fetchall()]
        self._filled = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {})").format(number, table.name)
            for number, table in enumerate(self._tables)
            if table.digest is None
        )
        self._sequences = self._count()
        self._size = self._weigh()

    def _is_clean(self) -> bool:
        try:
            return self._clean()
        except psycopg.Error:  # whatever a test has done to it, or to us
            return False

    def _clean(self) -> bool:
        """Make the contents those of the template; return False where more has changed than contents."""
        broom = self._broom
        assert broom is not None
        broom.execute(_END_OTHERS)
        if broom.execute(_SHAPE, prepare=True).fetchall() != self._shape or self._weigh() > self._size + _LARGE:
            return False
        with broom.transaction():
            for (number,) in broom.execute(self._filled, prepare=True).fetchall():
                broom.execute(sql.SQL("DELETE FROM {}").format(self._tables[int(str(number))].name))
            for table in self._tables:
                if table.digest is not None and self._digest(table.name) != table.digest:
                    self._restore(table)
            for place, (start, last) in self._count().items():
                if (start, last) != self._sequences[place]:
                    _, first = self._sequences[place]
                    values = (
                        sql.Identifier(*place).as_string(broom),
                        start if first is None else first,
                        first is not None,
                    )
                    broom.execute("SELECT setval(%s, %s, %s)", values)
        return True

    def _learn(self, name: sql.Identifier) -> _Table:
        assert self._broom is not None
        digest = self._digest(name)
        if digest is None:
            return _Table(name, None, sql.SQL(""), b"")
        found = self._broom.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
            " AND attgenerated = '' ORDER BY attnum",
            (name.as_string(self._broom),),
        ).fetchall()
        columns = sql.SQL(", ").join(sql.Identifier(str(one)) for (one,) in found)
        with self._broom.cursor().copy(sql.SQL("COPY {} ({}) TO STDOUT").format(name, columns)) as copy:
            return _Table(name, digest, columns, b"".join(bytes(one) for one in copy))

    def _restore(self, table: _Table) -> None:
        assert self._broom is not None
        self._broom.execute(sql.SQL("DELETE FROM {}").format(table.name))
        with self._broom.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN").format(table.name, table.columns)) as copy:
            copy.write(table.rows)

    def _digest(self, name: sql.Identifier) -> str | None:
        query = sql.SQL("SELECT md5(string_agg(one::text, '|' ORDER BY one::text)) FROM {} AS one").format(name)
        return self._one(query)

    def _weigh(self) -> int:
        return int(str(self._one(sql.SQL("SELECT pg_database_size(current_database())"))))

    def _count(self) -> _Sequences:
        assert self._broom is not None
        found = self._broom.execute(_SEQUENCES).fetchall()
        return {(space, name): (start, last) for space, name, start, last in found}

    def _one(self, query: sql.Composable) -> object:
        assert self._broom is not None
        [row] = self._broom.execute(query)
        return row[0]
