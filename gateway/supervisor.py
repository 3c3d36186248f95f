"""The supervisor: runs the gateway's processes side by side, restarts what dies, and leaves nothing behind.

Every program gets a session of its own: a Ctrl-C in the terminal reaches the supervisor alone, which then stops the
programs in order, and the workers a program forked can be found and ended before it is started again.
"""

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from gateway import supervisor_guard
from gateway.supervisor_guard import kill_session

_FIRST_DELAY, _LONGEST_DELAY = 0.2, 5.0
_HEALTHY_SECONDS = 10.0
_QUICK_SECONDS, _QUICK_DEATHS = 1.0, 5
_LONGEST_LINE = 64 * 1024
_TICK, _WATCH_SECONDS = 0.1, 1.0
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)


@dataclass(frozen=True, slots=True)
class Program:
    """One process to keep running; `env` is added to our own environment."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


def run(
    programs: Sequence[Program],
    *,
    stop_event: threading.Event | None = None,
    watch: Callable[[], None] | None = None,
    out: BinaryIO | None = None,
    grace_seconds: float = 10.0,
) -> int:
    """Run `programs` until SIGINT, SIGTERM, SIGHUP or `stop_event`; return 0, or 1 when one can't be kept running.

    `watch` is called every second on a thread of its own; what it raises is reported and does not end anything.
    A second signal ends the patience with programs that are slow to stop. Everything they print goes to `out`
    (standard output), line by line behind the program's name.
    """
    return _Supervisor(programs, stop_event or threading.Event(), out or sys.stdout.buffer, grace_seconds).run(watch)


class _Child:
    """A program's present process, if it has one, and the record of its deaths."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.due_at = 0.0
        self.delay = _FIRST_DELAY
        self.quick_deaths = 0
        self.unfinished = b""

    def died(self, now: float) -> None:
        """Take note of a death at `now`: when to start again, and whether it was a quick one."""
        lived = now - self.started_at
        self.quick_deaths = self.quick_deaths + 1 if lived < _QUICK_SECONDS else 0
        if lived >= _HEALTHY_SECONDS:
            self.delay = _FIRST_DELAY
        self.due_at = now + self.delay
        self.delay = min(self.delay * 2, _LONGEST_DELAY)


class _Supervisor:
    def __init__(
        self, programs: Sequence[Program], stop_event: threading.Event, out: BinaryIO, grace_seconds: float
    ) -> None:
        self._children = [_Child(program) for program in programs]
        self._stop_event = stop_event
        self._out = out
        self._grace_seconds = grace_seconds
        self._width = max([len("doisoat"), *(len(program.name) for program in programs)])
        self._coloured = out.isatty()
        self._selector = selectors.DefaultSelector()
        self._signals = 0
        self._guard: subprocess.Popen[bytes] | None = None
        self._writing = threading.Lock()

    def run(self, watch: Callable[[], None] | None) -> int:
        watching = threading.Thread(target=self._watch, args=(watch,), name="watch", daemon=True)
        with self._signals_caught(), self._selector:
            try:
                self._start_guard()
                if watch is not None:
                    watching.start()
                failed = self._keep_running()
            finally:
                self._stop_event.set()
                self._stop_all()
                self._stop_guard()
                if watching.is_alive():
                    watching.join(self._grace_seconds)
        return 1 if failed else 0

    def _keep_running(self) -> bool:
        """Start and restart until told to stop; return True when a program can't be kept running."""
        while not self._signals and not self._stop_event.is_set():
            if self._guard is None or self._guard.poll() is not None:
                self._start_guard()
            now = time.monotonic()
            for child in self._children:
                if child.process is None and now >= child.due_at:
                    self._start(child)
                elif child.process is not None and child.process.poll() is not None:
                    self._bury(child, f"ended ({_status(child.process.returncode)}), starting it again")
                if child.quick_deaths >= _QUICK_DEATHS:
                    self._say(
                        "doisoat",
                        f"{child.program.name} died {_QUICK_DEATHS} times within its first second: stopping everything",
                    )
                    return True
            self._pump(_TICK)
        return False

    def _start(self, child: _Child) -> None:
        child.started_at = time.monotonic()
        try:
            child.process = subprocess.Popen(
                child.program.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **child.program.env},
                start_new_session=True,
            )
        except OSError as wrong:
            self._say(child.program.name, f"can't be started: {wrong.strerror}: {wrong.filename}")
            child.died(child.started_at)
            return
        self._tell_guard("+", child.process.pid)
        if child.process.stdout is not None:
            os.set_blocking(child.process.stdout.fileno(), False)
            self._selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _bury(self, child: _Child, why: str) -> None:
        """End what a dead program left running, so that it does not hold the port or the job of its successor."""
        process = child.process
        if process is None:
            return
        if not kill_session(process.pid):
            self._say(child.program.name, "left processes behind that can't be killed")
        process.poll()
        self._tell_guard("-", process.pid)
        if process.stdout is not None:
            with suppress(KeyError):  # its end was already read
                self._selector.unregister(process.stdout)
            self._read(child, to_the_end=True)
            process.stdout.close()
            if child.unfinished:
                self._write(child.program.name, child.unfinished)
                child.unfinished = b""
        child.process = None
        child.died(time.monotonic())
        if why:
            self._say(child.program.name, why)

    def _stop_all(self) -> None:
        """Ask everything to stop, wait, and kill what has not; a second signal shortens the wait."""
        patience = max(self._signals, 1)
        for child in self._children:
            if child.process is not None:
                child.process.terminate()
        deadline = time.monotonic() + self._grace_seconds
        while running := [child for child in self._children if child.process is not None]:
            for child in running:
                if child.process is not None and child.process.poll() is not None:
                    self._bury(child, "")
                elif child.process is not None and (time.monotonic() > deadline or self._signals > patience):
                    self._say(child.program.name, "does not stop, killing it")
                    kill_session(child.process.pid)
                    self._bury(child, "")
            self._pump(_TICK / 2)

    # ── output ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _pump(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            if not self._read(key.data):
                self._selector.unregister(key.fileobj)

    def _read(self, child: _Child, *, to_the_end: bool = False) -> bool:
        """Pass on what a program printed; return False at the end of its output."""
        more = True
        if child.process is not None and child.process.stdout is not None:
            with suppress(BlockingIOError):
                while more:
                    data = os.read(child.process.stdout.fileno(), _LONGEST_LINE)
                    more = bool(data)
                    *lines, child.unfinished = (child.unfinished + data).split(b"\n")
                    if len(child.unfinished) >= _LONGEST_LINE:
                        lines.append(child.unfinished)
                        child.unfinished = b""
                    for line in lines:
                        self._write(child.program.name, line)
                    if not to_the_end:
                        break
        return more

    def _say(self, name: str, text: str) -> None:
        self._write(name, text.encode())

    def _write(self, name: str, line: bytes) -> None:
        label = f"{name:<{self._width}} │ "
        if self._coloured:
            names = [child.program.name for child in self._children]
            colour = _COLOURS[names.index(name) % len(_COLOURS)] if name in names else 1
            label = f"\x1b[{colour}m{label}\x1b[0m"
        with self._writing, suppress(BrokenPipeError):  # nobody reads any more, which is no reason to stop working
            self._out.write(label.encode() + line.rstrip(b"\r") + b"\n")
            self._out.flush()

    # ── surroundings ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _watch(self, watch: Callable[[], None]) -> None:
        said = ""
        while not self._stop_event.wait(_WATCH_SECONDS):
            try:
                watch()
                said = ""
            except Exception as wrong:  # whatever it is, the programs go on and a person reads it, once
                if said != str(wrong):
                    said = str(wrong)
                    self._say("doisoat", f"{type(wrong).__name__}: {said}")

    def _start_guard(self) -> None:
        self._stop_guard()
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(supervisor_guard.__file__).resolve()), str(self._grace_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        for child in self._children:
            if child.process is not None:
                self._tell_guard("+", child.process.pid)

    def _tell_guard(self, sign: str, session: int) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with suppress(BrokenPipeError):  # it was killed; the next round starts another one
                self._guard.stdin.write(f"{sign}{session}\n".encode())

    def _stop_guard(self) -> None:
        if self._guard is not None:
            if self._guard.stdin is not None:
                self._guard.stdin.close()
            self._guard.wait()
            self._guard = None

    @contextmanager
    def _signals_caught(self) -> Iterator[None]:
        """Count stop signals for as long as we run; only a process's main thread may."""

        def count(_number: int, _frame: FrameType | None) -> None:
            self._signals += 1

        before = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup asked to live on
                    before[number] = signal.signal(number, count)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _status(code: int) -> str:
    try:
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"
    except ValueError:
        return f"signal {-code}"
