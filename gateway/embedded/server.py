"""One embedded server process: found when it runs, started when it does not, stopped by the last user."""

import os
import re
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway.embedded.place import Place, StartError

_STEP, _LONGEST_STEP = 0.01, 0.2
_LOG_BYTES = 10 * 1024 * 1024
_TELLING = re.compile(r"FATAL|PANIC|ERROR|error|could not|can't|cannot", re.ASCII)
_left_running: list[subprocess.Popen[bytes]] = []
"""Children that outlive us on purpose; kept so that Python doesn't take them for forgotten."""


class Server(ABC):
    """What PostgreSQL and Valkey have in common. The caller holds the start lock around every method but `alive`.

    A server is recognised by its program's name and its working folder, which is its data folder: unlike a pid file,
    that can't be stale or mean another process that came by the same number.
    """

    name: str
    program: str
    """What the kernel calls the process (/proc/PID/comm)."""
    stop_signals: tuple[tuple[signal.Signals, float], ...]
    """What to send, and how many seconds to wait for its effect."""
    start_seconds: float

    def __init__(self, place: Place, log: Callable[[str], None]) -> None:
        self.place = place
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None
        self._pid = 0

    @property
    @abstractmethod
    def folder(self) -> Path:
        """The data folder, which is also the working folder of every process of the server."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find the server."""

    @abstractmethod
    def answers(self) -> bool:
        """Tell whether the server takes requests now."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the data folder ready for a start; no process of the server is running."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line that runs the server in the foreground."""

    def main_pid(self) -> int:
        """Return the process that rules the others, 0 when there is none."""
        return next(iter(self.living()), 0)

    def ensure(self) -> None:
        """Return when the server answers; raise StartError when it can't be made to."""
        self._reap()
        if not self.answers():
            self.settle()
        if not self.answers():
            self.prepare()
            self._start()
        self._pid = self.main_pid()

    def alive(self) -> bool:
        """Tell whether the server's main process is there; costs one look into /proc."""
        self._reap()
        return self._pid in self.living([self._pid])

    def settle(self) -> None:
        """Wait for a server that is still starting, recovering or going, until it answers or is gone."""
        if not self._wait(lambda: self.answers() or not self.living(), self.start_seconds):
            raise StartError(
                f"{self.name} runs (process {self.main_pid() or self.living()}) but has not answered for "
                f"{self.start_seconds:.0f} s: {self.last_word()}"
            )

    def stop(self) -> None:
        """Stop the server and wait until all of it is gone."""
        for number, seconds in self.stop_signals:
            pid = self.main_pid()
            if pid:
                with suppress(ProcessLookupError):  # it went by itself between the look and the signal
                    os.kill(pid, number)
            if self._wait(lambda: not self.living(), seconds):
                if self._child is not None:
                    self._child.wait()  # its folder is let go a moment before it ends
                    self._child = None
                return
        self._log(f"{self.name} could not be stopped: process {self.living()} remains")

    def leave_running(self) -> None:
        """Part with a server that others still use."""
        if self._child is not None:
            _left_running.append(self._child)
            self._child = None

    def living(self, among: list[int] | None = None) -> list[int]:
        """Return the processes of this server, those of `among` when given."""
        folder = str(self.folder.resolve())
        return [pid for pid in (among if among is not None else _all_pids()) if self._is_ours(pid, folder)]

    def last_word(self, since: int = 0) -> str:
        """Return the last line of the log that tells what went wrong."""
        try:
            with self.log_path.open("rb") as file:
                file.seek(max(since, self.log_path.stat().st_size - 16_384))
                lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
        except OSError as wrong:
            return f"{self.log_path}: {wrong.strerror}"
        return telling_line(lines) or f"nothing in {self.log_path}"

    @property
    def log_path(self) -> Path:
        """The file that everything the server says goes to."""
        return self.place.logs / f"{self.program}.log"

    def _is_ours(self, pid: int, folder: str) -> bool:
        try:
            named = Path(f"/proc/{pid}/comm").read_bytes().rstrip(b"\n") == self.program.encode()
            return named and os.readlink(f"/proc/{pid}/cwd") == folder
        except OSError:
            return False  # gone, a zombie, or somebody else's

    def _start(self) -> None:
        log = self._open_log()
        try:
            since = os.fstat(log).st_size
            command = self.command()
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"PATH": "/usr/bin:/bin", "LANG": "C", "LC_ALL": "C"},
                start_new_session=True,  # a Ctrl-C in our terminal is meant for us, not for the database
                umask=0o077,
                **self.place.run_as(),
            )
        except (OSError, subprocess.SubprocessError) as wrong:
            raise StartError(f"{self.name} could not be started: {wrong}") from wrong
        finally:
            os.close(log)
        child = self._child
        answered = self._wait(lambda: child.poll() is not None or self.answers(), self.start_seconds)
        if child.poll() is not None:
            self._child = None
            raise StartError(f"{self.name} ended while starting: {self.last_word(since)}")
        if not answered:
            raise StartError(
                f"{self.name} has not answered {self.start_seconds:.0f} s after its start: {self.last_word(since)}"
            )

    def _open_log(self) -> int:
        path = self.log_path
        if path.exists() and path.stat().st_size > _LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if self.place.account and self.place.account.pw_uid == self.place.home.stat().st_uid:
            os.fchown(log, self.place.account.pw_uid, self.place.account.pw_gid)  # root helps out; the owner goes on
        return log

    def _wait(self, done: Callable[[], bool], seconds: float) -> bool:
        deadline, step = time.monotonic() + seconds, _STEP
        while not done():
            if time.monotonic() > deadline:
                return False
            time.sleep(step)
            step = min(step * 1.5, _LONGEST_STEP)
            self._reap()
        self._reap()
        return True

    def _reap(self) -> None:
        if self._child is not None and self._child.poll() is not None:
            self._child = None


def telling_line(lines: list[str]) -> str:
    """Return the last of `lines` that tells of an error, else the last one."""
    return next((line for line in reversed(lines) if _TELLING.search(line)), lines[-1] if lines else "")[:500]


def _all_pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
