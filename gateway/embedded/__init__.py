"""PostgreSQL and Valkey that come with the gateway and run by themselves when no URL names others.

Several commands may use the servers of one home at once (`doisoat verify` beside `doisoat up`). The first one starts
them, the last one out stops them: each holds a shared lock on `<home>/run/users.lock` while it works, and whoever can
turn it into an exclusive one was the last. A lock dies with its process, so a killed command leaves servers running
for the next one to find, never a lock to clear by hand.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.embedded.place import StartError, find_place, make_folder
from gateway.embedded.postgres import Postgres
from gateway.embedded.server import Server
from gateway.embedded.valkey import Valkey
from gateway.settings import Settings

__all__ = ["Embedded", "Running", "StartError", "erase", "services"]

Log = Callable[[str], None]
"""Takes one line for a person."""

_LOCK_SECONDS = 180.0
"""Longer than any start or stop that another command may be busy with."""


@dataclass(frozen=True, slots=True)
class Running:
    """Where the database (a libpq URL) and Valkey are; `ensure_alive` restarts those of ours that died."""

    database_url: str
    valkey_url: str
    ensure_alive: Callable[[], None]


@contextmanager
def services(settings: Settings, log: Log) -> Iterator[Running]:
    """Yield running servers, ours for every URL that is not set; raise StartError when one can't be started."""
    if settings.database_url and settings.valkey_url:
        yield Running(settings.database_url, settings.valkey_url, lambda: None)
        return
    with Embedded(settings.home, log, postgres=not settings.database_url, valkey=not settings.valkey_url) as embedded:
        yield Running(
            settings.database_url or embedded.database_url,
            settings.valkey_url or embedded.valkey_url,
            embedded.ensure_alive,
        )


class Embedded:
    """The servers of one home, for as long as the `with` block lasts."""

    def __init__(self, home: Path, log: Log, *, postgres: bool = True, valkey: bool = True) -> None:
        self._home = home.resolve()
        self._log = log
        self._wanted = (postgres, valkey)
        self._users = -1
        self._postgres: Postgres | None = None
        self._valkey: Valkey | None = None

    @property
    def database_url(self) -> str:
        """The database as a libpq URL."""
        if self._postgres is None:
            raise RuntimeError("no PostgreSQL was asked for, or it is not running yet")
        return self._postgres.url

    @property
    def valkey_url(self) -> str:
        """Valkey as a unix:// URL."""
        if self._valkey is None:
            raise RuntimeError("no Valkey was asked for, or it is not running yet")
        return self._valkey.url

    def __enter__(self) -> Self:
        try:
            with _start_lock(self._home):
                place = find_place(self._home, self._log)
                self._users = _open_lock(self._home, "users.lock")
                fcntl.flock(self._users, fcntl.LOCK_SH)
                postgres, valkey = self._wanted
                self._postgres = Postgres(place, self._log) if postgres else None
                self._valkey = Valkey(place, self._log) if valkey else None
                for server in self._servers():
                    server.ensure()
        except OSError as wrong:
            self._leave()
            raise StartError(_one_line(wrong)) from wrong
        except BaseException:
            self._leave()  # an interrupted start must not leave a server behind
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def ensure_alive(self) -> None:
        """Restart what died; cheap enough to be called every second. Raise StartError when a restart fails."""
        if all(server.alive() for server in self._servers()):
            return
        try:
            with _start_lock(self._home):
                for server in self._servers():
                    if not server.alive():
                        self._log(f"{server.name} is gone, starting it again")
                        server.ensure()
        except OSError as wrong:
            raise StartError(_one_line(wrong)) from wrong

    def _servers(self) -> list[Server]:
        return [server for server in (self._postgres, self._valkey) if server is not None]

    def _leave(self) -> None:
        """Let go, and stop the servers when nobody else holds on to them."""
        if self._users < 0:
            return
        try:
            with _start_lock(self._home):
                last = _try_exclusive(self._users)
                for server in self._servers():
                    if last:
                        server.stop()
                    else:
                        server.leave_running()
        finally:
            os.close(self._users)
            self._users = -1


def erase(home: Path, log: Log) -> None:
    """Stop the servers of `home` and delete their data for good; raise StartError while a command uses them."""
    home = home.resolve()
    with _start_lock(home):
        users = _open_lock(home, "users.lock")
        try:
            if not _try_exclusive(users):
                raise StartError(f"{home}: expected servers that nobody uses, another command is still running")
            place = find_place(home, log)
            for server in (Postgres(place, log), Valkey(place, log)):
                server.stop()
            place.forget()
        finally:
            os.close(users)


@contextmanager
def _start_lock(home: Path) -> Iterator[None]:
    """Hold the lock under which servers are started and stopped, one command at a time."""
    lock = _open_lock(home, "start.lock")
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _try_exclusive(lock):
            if time.monotonic() > deadline:
                raise StartError(
                    f"{home}: another command has been starting or stopping servers for {_LOCK_SECONDS:.0f} s"
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(lock)


def _open_lock(home: Path, name: str) -> int:
    """Open `<home>/run/<name>` for locking; a lock needs no right to write, so any user who may read can take part."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        make_folder(home / "run")
        return os.open(home / "run" / name, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as wrong:
        raise StartError(_one_line(wrong)) from wrong


def _try_exclusive(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _one_line(wrong: OSError) -> str:
    return f"{wrong.filename or 'the embedded servers'}: {wrong.strerror or wrong}"
