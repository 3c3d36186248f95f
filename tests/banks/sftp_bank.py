"""A bank under test: the sandbox's server or Debian's real sshd, the folder it serves, and how to get in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
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
