"""Carriers that nobody here wrote, as programs beside the test: npm's `smpp` and the server of the `smpp34` package."""

import fcntl
import hashlib
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
CACHE = HERE.parents[2] / ".cache"
SECONDS = 30.0


def wait(condition: Callable[[], object], what: str = "it") -> None:
    """Return once `condition` holds."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {SECONDS:.0f} s"
        time.sleep(0.002)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def node_modules() -> Path:
    """Return the folder with npm's `smpp` as the lock file pins it, installed once for all test runs."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"needs Debian's nodejs and npm: there is no {program}")
    lock = HERE / "package-lock.json"
    folder = CACHE / f"node-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "node.lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder / name)
            subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True,
                timeout=120, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            (folder / "installed").touch()
    return folder / "node_modules"


class Carrier:
    """A program that tells what it sees as lines of JSON: `seen` in order."""

    def __init__(self, *command: str, env: dict[str, str] | None = None, follows: bool = True) -> None:
        self._follows = follows  # orders
        self.seen: list[dict[str, Any]] = []
        self._done = queue.SimpleQueue[None]()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, start_new_session=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        wait(lambda: self.seen or self.process.poll() is not None, "the carrier's start")
        self.port = int(self.seen[0]["port"])

    def tell(self, **order: Any) -> None:
        """Give an order and return when it is followed."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        self._done.get(timeout=SECONDS)

    def ways(self, **changed: Any) -> None:
        """Change what it does from now on."""
        self.tell(set=changed)

    def of(self, kind: str) -> list[Any]:
        """Return what it has seen of one kind until now: what it said before it follows an order has been read then."""
        if self._follows:
            self.tell()
        return [one for one in list(self.seen) if kind in one]

    def freeze(self) -> None:
        """Let it answer nothing more, while its connections stand."""
        self._follows = False
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)
        self._follows = True

    def kill(self) -> None:
        """Kill it where it stands."""
        self._follows = False
        self.process.kill()
        self.close()

    def close(self) -> None:
        """End it and read what it says last."""
        self._follows = False
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        with suppress(ProcessLookupError):
            self.thaw()
        try:
            self.process.wait(SECONDS)
        finally:
            self._follows = False
            with suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()
            self._reader.join()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            if told == {"done": True}:
                self._done.put(None)
            else:
                self.seen.append(told)


def start_node(*key_and_certificate: Path, **environment: str) -> Carrier:
    """Start npm's server; with a key and a certificate it speaks TLS."""
    words = ["node", str(HERE / "smsc.js"), *map(str, key_and_certificate)]
    return Carrier(*words, env={**os.environ, "NODE_PATH": str(node_modules()), **environment})


@contextmanager
def node_carrier(*key_and_certificate: Path) -> Iterator[Carrier]:
    """Run npm's server for a block."""
    carrier = start_node(*key_and_certificate)
    try:
        yield carrier
    finally:
        carrier.close()


@contextmanager
def rust_carrier(*flags: str, port: int = 0) -> Iterator[Carrier]:
    """Run the server of smpp34."""
    carrier = Carrier(sys.executable, str(HERE / "smsc.py"), str(port or free_port()), *flags, follows=False)
    try:
        yield carrier
    finally:
        carrier.close()


class Road:
    """A stretch of network before a carrier: it passes everything on, to us in pieces of so many octets.

    While it is held, what comes for us stops after `hold_after` octets, in the middle of whatever that is.
    """

    def __init__(self, port: int, *, piece: int = 3) -> None:
        self._target = port
        self._piece = piece
        self.held = threading.Event()
        self.stopped_inside = threading.Event()
        self._passed = 0
        self.hold_after = 0
        self._closing = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._threads = [threading.Thread(target=self._run)]
        self._sockets: list[socket.socket] = [self._listening]
        self._threads[0].start()

    def close(self) -> None:
        self._closing = True
        self.held.clear()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with suppress(OSError):
            while not self._closing:
                near, _ = self._listening.accept()
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                far = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [near, far]
                for one, other, cut in ((near, far, 0), (far, near, self._piece)):
                    self._threads.append(threading.Thread(target=self._pass_on, args=(one, other, cut)))
                    self._threads[-1].start()

    def _pass_on(self, one: socket.socket, other: socket.socket, cut: int) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                for at in range(0, len(data), cut or len(data)):
                    piece = data[at : at + (cut or len(data))]
                    if cut:
                        self._passed += len(piece)
                        while self.held.is_set() and self._passed > self.hold_after and not self._closing:
                            self.stopped_inside.set()
                            time.sleep(0.001)
                    other.sendall(piece)
            other.shutdown(socket.SHUT_WR)
