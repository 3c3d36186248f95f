"""The sandbox bank's SFTP server: one folder on this machine, read-only unless told otherwise, with faults on demand.

It is for practice and tests; a bank's own server is the real thing.
"""

import hmac
import logging
import os
import selectors
import socket
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from paramiko import Channel, Ed25519Key, PKey, ServerInterface, SFTPServer, Transport
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

from banks.sandbox.sftp_folder import Faults, ServedFolder
from banks.sandbox.sftp_writable import WritableFolder
from banks.sftp_link import read_public_keys

_ENDING = 5.0  # seconds a thread gets to end

logger = logging.getLogger(__name__)


class SandboxSftpServer:
    """Serve `folder` until stopped; a context manager, several clients at once.

    The host key is kept in `host_key_file` and made there when it does not exist. `authorized_keys` are "ssh-ed25519
    AAAA…" lines; without them and without a password nobody gets in. Port 0 takes a free one, told by `port`.
    With `writable`, clients may also put files there, rename and remove them. `faults` holds the switches for what may
    go wrong.
    """

    def __init__(
        self,
        folder: Path,
        host_key_file: Path,
        *,
        username: str,
        password: str | None = None,
        authorized_keys: Sequence[str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        writable: bool = False,
    ) -> None:
        self.folder, self.username, self.password = folder, username, password
        self.allowed = frozenset(read_public_keys("\n".join(authorized_keys))) if authorized_keys else frozenset()
        self.host, self.port = host, port
        self.faults = Faults()
        self._shown = WritableFolder if writable else ServedFolder
        self._host_key = _kept_key(host_key_file)
        self._accounts: list[_Account] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def host_key(self) -> str:
        """The public host key as clients pin it: "ssh-ed25519 AAAA…"."""
        return f"{self._host_key.get_name()} {self._host_key.get_base64()}"

    def start(self) -> None:
        """Listen and return; connections are accepted in a thread."""
        self._listener = socket.create_server((self.host, self.port), backlog=64)
        self._listener.setblocking(False)  # a client that is gone again must not hold up the others
        self.port = self._listener.getsockname()[1]
        self._bell, self._ring = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, name="sandbox-sftp", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hang up on everybody and return when every thread has ended and every socket is closed."""
        self.faults.stopping.set()
        self._ring.close()
        self._thread.join()
        self._listener.close()
        self._bell.close()
        for account in self._accounts:
            account.end()

    def present_other_host_key(self) -> None:
        """Show a new host key from the next connection on, as an impostor would; the kept one stays in its file."""
        self._host_key = Ed25519Key(file_obj=StringIO(new_key()[0]))

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._bell, selectors.EVENT_READ)
            while not self.faults.stopping.is_set():
                for key, _ in selector.select():
                    if key.fileobj is self._listener:
                        self._welcome()

    def _welcome(self) -> None:
        try:
            connection = self._listener.accept()[0]
        except OSError as error:
            logger.warning("a client was gone before it was let in: %s", error)
            return
        self._accounts = [account for account in self._accounts if account.is_alive()]
        transport = Transport(connection)
        transport.add_server_key(self._host_key)
        transport.set_subsystem_handler("sftp", _Subsystem, self._shown, self.folder, self.faults, transport)
        account = _Account(self, transport)
        self._accounts.append(account)
        transport.start_server(event=threading.Event(), server=account)


def serve(
    folder: Path,
    host_key_file: Path,
    *,
    username: str,
    password: str | None = None,
    authorized_keys: Sequence[str] = (),
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[SandboxSftpServer], None] | None = None,
    stopping: threading.Event | None = None,
) -> None:
    """Serve `folder` until `stopping` is set or an interrupt comes; `ready` is told once the server listens."""
    server = SandboxSftpServer(
        folder,
        host_key_file,
        username=username,
        password=password,
        authorized_keys=authorized_keys,
        host=host,
        port=port,
    )
    with server:
        if ready is not None:
            ready(server)
        (stopping or threading.Event()).wait()


def new_key() -> tuple[str, str]:
    """Make an Ed25519 key: (OpenSSH private key text, "ssh-ed25519 AAAA…" public line)."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), public.decode()


class _Account(ServerInterface):
    """One connection: who may sign in, and the threads to end with it."""

    def __init__(self, server: SandboxSftpServer, transport: Transport) -> None:
        self.server = server
        self.transport = transport
        self.subsystems: list[_Subsystem] = []

    def is_alive(self) -> bool:
        """Whether any thread of the connection still runs."""
        return any(thread.is_alive() for thread in (self.transport, *self.subsystems))

    def end(self) -> None:
        """Hang up and wait for the threads; raise RuntimeError if one stays."""
        self.transport.close()
        self.transport.packetizer.complete_handshake()  # stops the handshake's timer, which paramiko leaves running
        for thread in (self.transport, *self.subsystems):
            thread.join(_ENDING)
            if thread.is_alive():
                raise RuntimeError(f"a sandbox SFTP thread did not end within {_ENDING:g} s: {thread.name}")

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - paramiko's shape
        ways = {"publickey": self.server.allowed, "password": self.server.password}
        return ",".join(way for way, means in ways.items() if means)

    def check_auth_password(self, username: str, password: str) -> int:
        expected = self.server.password
        right = expected is not None and hmac.compare_digest(password.encode(), expected.encode())
        return AUTH_SUCCESSFUL if right and self._known(username) else AUTH_FAILED

    def check_auth_publickey(self, username: str, key: PKey) -> int:
        return AUTH_SUCCESSFUL if key.asbytes() in self.server.allowed and self._known(username) else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - paramiko's shape
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def _known(self, username: str) -> bool:
        return hmac.compare_digest(username.encode(), self.server.username.encode())


class _Subsystem(SFTPServer):
    """paramiko's SFTP thread, entered in its account so that stopping can wait for it."""

    def __init__(self, channel: Channel, name: str, server: _Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(channel, name, server, *args, **kwargs)
        server.subsystems.append(self)


def _kept_key(file: Path) -> Ed25519Key:
    """Return the key kept in `file`, made when there is none; readable by its owner only."""
    if not file.exists():
        number, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(number, "w") as stream:
            stream.write(new_key()[0])
        with suppress(FileExistsError):  # another server was quicker: its key is the one
            os.link(name, file)
        os.unlink(name)
    return Ed25519Key.from_private_key_file(str(file))
