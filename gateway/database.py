"""Connections: engines that take on the application's role, and the one place where a transaction commits."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import NoneType
from typing import Any, TypeVar

from psycopg import Connection
from psycopg.abc import Buffer
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg.types.array import ListDumper
from sqlalchemy import Engine, NullPool, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from reconciliation.db import APP_ROLE

Result = TypeVar("Result")
_BREATH = 0.2
"""Seconds between two tries to reach a database that is away."""
# A page out of order costs hardly more than the next one, as on every disk without a head: by the default of a disk
# with one, five thousand payments are joined to their bills by reading all bills of the house, several times a piece.
_OPTIONS = f"-c role={APP_ROLE} -c timezone=UTC -c jit=off -c random_page_cost=1.1"


def app_engine(url: str, *, pooled: int = 0) -> Engine:
    """Return an engine whose connections act as the application's role.

    `pooled` = 0 opens a connection per session, which is what a forking worker needs; a web process passes the number
    of its threads.
    """
    arguments = {"options": _OPTIONS, "application_name": "doisoat"}
    # The values of a failed statement are customers' data: an error must not carry them into a log.
    options: dict[str, Any] = {"connect_args": arguments, "hide_parameters": True}
    if pooled:
        options |= {"pool_size": pooled, "max_overflow": 0, "pool_pre_ping": True}
    else:
        options["poolclass"] = NullPool
    engine = create_engine(_sqlalchemy(url), **options)
    event.listen(engine, "connect", _write_lists_at_once)
    return engine


def _quoted(sign: str) -> str:
    return '"' + sign.replace("\\", "\\\\").replace('"', '\\"') + '"'


_AT_ONCE: dict[type, Callable[[Any], str]] = {
    int: int.__repr__,
    str: _quoted,
    bytes: lambda octets: f'"\\\\x{octets.hex()}"',
}
"""How a value of these types stands in an array's text."""


class _AtOnceDumper(ListDumper):
    """Writes a list of numbers, texts or octets in one go: the thousands of values of a piece, many times over."""

    def dump(self, obj: list[Any]) -> Buffer | None:
        kinds = {*map(type, obj)} - {NoneType}
        write = _AT_ONCE.get(kinds.pop()) if len(kinds) == 1 else None
        if write is None:
            return super().dump(obj)
        written = ",".join(["NULL" if one is None else write(one) for one in obj]).encode()
        return b"{%b}" % written if b"\0" not in written else super().dump(obj)  # which refuses it


def _write_lists_at_once(connection: Connection[Any], _record: object) -> None:
    connection.adapters.register_dumper(list, _AtOnceDumper)


def owner_engine(url: str) -> Engine:
    """Return an engine that acts as the URL's own user: for migrations only."""
    return create_engine(_sqlalchemy(url), poolclass=NullPool)


def app_options() -> str:
    """Return the libpq `options` that make a bare connection act as the application's role."""
    return _OPTIONS


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """Yield a session; commit when the block ends well, roll back when it does not."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


def insist(work: Callable[[], Result], *, tries: int = 5) -> Result:
    """Do `work`, which is whole transactions, and do it again when the database made it give way to another."""
    while True:
        try:
            return work()
        except OperationalError as error:
            tries -= 1
            if not tries or not isinstance(error.orig, DeadlockDetected | SerializationFailure):
                raise


def outlast(work: Callable[[], Result], *, seconds: float) -> Result:
    """Do `work` and, while the database is away, again for so long: whole transactions that may be done twice."""
    until = time.monotonic() + seconds
    while True:
        try:
            return work()
        except OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(_BREATH)


def _sqlalchemy(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgresql", "postgres") else url
