"""Databases that many tests share, emptied before each: making one takes half a second, emptying one a fiftieth."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from reconciliation.approval_limits import ApprovalLimit
from reconciliation.debit_rules import DebitRule
from reconciliation.lifecycle import AllowedBirth, AllowedMove
from reconciliation.tables import metadata

_BY_MIGRATION = [one.__table__ for one in (ApprovalLimit, AllowedMove, AllowedBirth, DebitRule)]
OF_TESTS = [table for table in metadata.sorted_tables if table not in _BY_MIGRATION]
"""What tests fill: all but what the migrations themselves put in."""
_EMPTY = "; ".join(f"DELETE FROM {table.name}" for table in OF_TESTS)
_urls: dict[str, str] = {}
_brooms: dict[str, psycopg.Connection] = {}
"""Database → the connection that empties it, kept open: a new one takes ten times as long, to learn of all tables."""


@contextmanager
def made(template_url: str, name: str) -> Iterator[str]:
    """Make the database `name` after the migrated and empty one of `template_url`; yield its owner's URL."""
    head, _, options = template_url.partition("?")
    place, _, template = head.rpartition("/")
    url = f"{place}/{name}?{options}"
    with psycopg.connect(f"{place}/postgres?{options}", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        # These tests end no server: waiting for the disk would only make them slow.
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    _urls[name], _brooms[name] = url, _broom(url)
    yield url
    _brooms.pop(name).close()


def _broom(url: str) -> psycopg.Connection:
    broom = psycopg.connect(as_superuser(url), autocommit=True)
    broom.execute("SET session_replication_role = replica")
    return broom


def empty(name: str) -> None:
    """Empty the database `name` past its own guards, as only a superuser can."""
    _sweep(name, _EMPTY)  # statements sent together are one transaction


def leave_alone(name: str, but: Sequence[int] = ()) -> None:
    """End the connections that earlier tests left: the thread of a web process ends with its process only.

    Of the connections numbered in `but` those stay that hold nothing: neither a transaction nor a lock of a session.
    """
    _sweep(
        name,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity AS one"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        " AND NOT (pid = ANY (%s) AND state = 'idle' AND NOT EXISTS (SELECT FROM pg_locks WHERE pid = one.pid))",
        list(but),
    )


def _sweep(name: str, statements: str, *values: object) -> None:
    try:
        _brooms[name].execute(statements, values or None)
    except psycopg.OperationalError:  # a test has ended everyone at the database
        _brooms[name].close()
        _brooms[name] = _broom(_urls[name])
        _brooms[name].execute(statements, values or None)


@contextmanager
def any_state(url: str) -> Iterator[None]:
    """Let rows stand in any state at once, as they would after moves that a test leaves out."""
    with psycopg.connect(as_superuser(url), autocommit=True) as connection:
        connection.execute("SET lock_timeout = '10s'")
        connection.execute(_GUARDS.format("DISABLE"))
        yield
        connection.execute(_GUARDS.format("ENABLE"))


_GUARDS = """
    DO $$ DECLARE guard record; BEGIN
        FOR guard IN SELECT tgrelid::regclass AS guarded, tgname FROM pg_trigger
            WHERE tgname IN ('moves_are_allowed', 'births_are_allowed', 'birth_is_allowed')
        LOOP
            EXECUTE format('ALTER TABLE %s {} TRIGGER %I', guard.guarded, guard.tgname);
        END LOOP;
    END $$
"""


def as_superuser(url: str) -> str:
    """Return `url` for the superuser of the embedded server."""
    return url.replace("//doisoat@", "//postgres@")
