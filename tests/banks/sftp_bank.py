"""A bank under test: the sandbox's server or Debian's real sshd, the folder it serves, and how to get in."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from banks.sandbox import sftp_openssh
from banks.sandbox.sftp_server import SandboxSftpServer, new_key
from banks.sftp import SftpEndpoint

OLD = 1_700_000_000
"""A time long past, so that a change made by a test never falls into the same second."""
CONTENT = bytes(range(256)) * 400  # 102,400 bytes: four blocks
PRIVATE, PUBLIC = new_key()


@dataclass
class Bank:
    """A server under test: where its files lie and how to get in."""

    inbox: Path
    endpoint: SftpEndpoint
    server: SandboxSftpServer | None = None
    other_host_key: str = ""

    def put(self, name: str, content: bytes = CONTENT, mtime: int = OLD) -> Path:
        path = self.inbox / name
        path.write_bytes(content)
        os.utime(path, (mtime, mtime))
        return path


@contextmanager
def sandbox_bank(place: Path, *, writable: bool = False) -> Iterator[Bank]:
    inbox = place / "served"
    inbox.mkdir()
    with SandboxSftpServer(
        inbox, place / "host_key", username="evn", password="right", authorized_keys=[PUBLIC], writable=writable
    ) as server:
        endpoint = SftpEndpoint("127.0.0.1", server.port, "evn", server.host_key, password="right", inbox="/")
        yield Bank(inbox, endpoint, server)


@contextmanager
def sshd_bank(place: Path, *, options: str = "") -> Iterator[Bank]:
    """Debian's real sshd, run as whoever runs the tests."""
    if not os.access(sftp_openssh.SSHD, os.X_OK):
        pytest.skip("openssh-server is not installed")
    inbox, keys = place / "served", place / "sshd"
    inbox.mkdir()
    keys.mkdir()
    with sftp_openssh.serving(keys, PUBLIC, options=options) as server:
        endpoint = SftpEndpoint(
            "127.0.0.1", server.port, server.username, server.host_key, private_key=PRIVATE, inbox=str(inbox)
        )
        yield Bank(inbox, endpoint, other_host_key=server.ecdsa_host_key)


class Relay:
    """The road between us and a server, which breaks or goes dumb once `limit` bytes have travelled in one direction.

    `towards_us` picks the direction that is counted: what the server sends, or what we do. Without a limit it holds.
    """

    def __init__(self, port: int) -> None:
        self.limit: int | None = None
        self.towards_us = True
        self.stalls = False
        self.travelled = 0
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> "Relay":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            self._break(one)
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                ours = self._listener.accept()[0]
            except OSError:
                return
            theirs = socket.create_connection(("127.0.0.1", self._target))
            self.travelled = 0
            self._open += [ours, theirs]
            for source, sink, counted in ((ours, theirs, not self.towards_us), (theirs, ours, self.towards_us)):
                thread = threading.Thread(target=self._carry, args=(source, sink, counted), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _carry(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while block := source.recv(4096):
                if counted and self.limit is not None:
                    block = block[: max(0, self.limit - self.travelled)]
                if counted:
                    self.travelled += len(block)
                sink.sendall(block)
                if counted and self.limit is not None and self.travelled >= self.limit:
                    if self.stalls:
                        return
                    break
        self._break(source)
        self._break(sink)

    @staticmethod
    def _break(one: socket.socket) -> None:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
