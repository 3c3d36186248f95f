"""Connections to a database that tests share, kept open: a new one must first learn of all tables and statements."""

import psycopg
from sqlalchemy import Engine, event

from gateway.database import app_engine

_ENOUGH = 16
"""What a wiring's engine and a test's own questions hold between them."""


class KeptPool:
    """A pool of connections in the application's role that outlives tests; each test has an engine of its own on it."""

    def __init__(self, url: str) -> None:
        self._engine = app_engine(url, pooled=_ENOUGH)
        self._known: set[int] = set()
        event.listen(self._engine, "connect", self._prepare)

    def engine(self) -> Engine:
        """Return a new engine on the kept connections; what listens to it ends with it."""
        return self._engine.execution_options()

    def own(self) -> list[int]:
        """Return the server's numbers of the kept connections, once none is lent any more.

        A test may have left one in the hands of a thread: then all of them are given up.
        """
        if self._engine.pool.checkedout():
            self.close()
        return sorted(self._known)

    def close(self) -> None:
        """Give up every connection."""
        self._known.clear()
        self._engine.dispose()

    def _prepare(self, connection: "psycopg.Connection[object]", _record: object) -> None:
        # A hundred statements would drive each other out, and be planned each time.
        connection.prepared_max = 1_000
        self._known.add(connection.info.backend_pid)
