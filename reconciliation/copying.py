"""Copying: rows into a table by COPY, over the connection that the session's transaction has."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
from sqlalchemy.orm import Session


@contextmanager
def copying(session: Session, target: str) -> Iterator[psycopg.Copy]:
    """Open a COPY into `target`, a table with its columns if not all of them; whoever holds it writes the rows."""
    connection = session.connection().connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        raise TypeError("rows are copied over psycopg only")
    with connection.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN".encode()) as copy:
        yield copy


def copy_all(session: Session, target: str, rows: Iterable[Sequence[object]]) -> None:
    """Copy `rows` into `target`."""
    with copying(session, target) as copy:
        for row in rows:
            copy.write_row(row)
