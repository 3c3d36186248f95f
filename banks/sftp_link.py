"""The road to a bank's SFTP server: pinned host keys, a sign-in without look-ups, and an end to every wait."""

import base64
import binascii
import hashlib
import io
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

from paramiko import (
    AuthenticationException,
    ECDSAKey,
    Ed25519Key,
    PasswordRequiredException,
    PKey,
    RSAKey,
    SFTPError,
    SSHException,
    Transport,
)

from banks.errors import Misconfigured, TransferError
from banks.sftp_writing import WritingClient

_KEY_TYPES = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),  # the key's name; its SHA-1 signatures are not accepted
}
_PRIVATE_KEYS: tuple[type[Ed25519Key | ECDSAKey | RSAKey], ...] = (Ed25519Key, ECDSAKey, RSAKey)
_FAILURES = (SSHException, SFTPError, OSError, EOFError, UnicodeDecodeError, struct.error)
"""What paramiko raises for a link that failed, a refused request and a reply that can't be understood."""
_FOREVER = 10**7  # seconds: threading's limit on a wait lies above, an endpoint's deadline below


class After(StrEnum):
    """What becomes of a file on the bank's server once its bytes are kept here."""

    LEAVE = "leave"
    ARCHIVE = "archive"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class SftpEndpoint:
    """Where a bank leaves its files and how to get in; all times are in seconds.

    `host_key` holds one or more "ssh-ed25519 AAAA…" lines as the bank published them (two during a change of keys; the
    host name that ssh-keyscan puts in front may stay). `private_key` is an unencrypted OpenSSH private key; `password`
    signs in alone, or as the second factor when the server asks for one after the key. `pattern` is fnmatch's.

    What the bank and we have agreed on: `done_marker` is the ending of the small file that says a bigger one is
    complete; `after` is what becomes of a file once we keep it; our own files go to `outbox`, are written in `staging`
    (or beside their place), are read back when `read_back`, and are followed by a marker with `upload_marker`'s ending.
    """

    host: str
    port: int
    username: str
    host_key: str
    password: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    inbox: str = "."
    pattern: str = "*"
    done_marker: str = ""
    after: After = After.LEAVE
    archive: str = ""
    outbox: str = ""
    staging: str = ""
    upload_marker: str = ""
    read_back: bool = False
    connect_timeout: float = 15
    channel_timeout: float = 30
    deadline: float = 900

    def __str__(self) -> str:
        return f"SFTP {self.host}:{self.port}"


class Deadline:
    """The end of a whole session: checked at every step, and enforced by cutting the link when a step hangs."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until = clock() + seconds
        self._cut_after: float | None = None

    def remaining(self) -> float:
        """Seconds left, never below a millisecond (a time-out of 0 would mean "do not block")."""
        return max(self._until - self._clock(), 0.001)

    @property
    def over(self) -> bool:
        """Whether the deadline has passed, or the link was cut for it."""
        return self._cut_after is not None or self._clock() >= self._until

    def check(self) -> None:
        """Raise TransferError (may be tried again) once the deadline has passed or the link was cut."""
        if self._cut_after is not None:
            raise TransferError(f"expected an end within {self._cut_after:g} s, the link was cut then")
        if self.over:
            raise TransferError(f"expected the whole exchange within {self._seconds:g} s, it took longer")

    @contextmanager
    def cutting(self, transport: Transport, seconds: float | None = None) -> Iterator[None]:
        """Close `transport` if the body outlasts `seconds` (or the deadline): a trickle resets every other wait."""

        def cut() -> None:
            self._cut_after = seconds or self._seconds
            transport.close()

        timer = threading.Timer(min(seconds or self.remaining(), _FOREVER), cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


@dataclass(frozen=True, slots=True)
class Link:
    """A signed-in connection; what it raises becomes a TransferError inside `speaking`."""

    endpoint: SftpEndpoint
    client: WritingClient
    deadline: Deadline

    @property
    def alive(self) -> bool:
        """Whether anything can still be asked; False once the link dropped, stalled or passed its deadline."""
        channel = self.client.get_channel()
        if channel is None or channel.closed or self.deadline.over:
            return False
        return channel.get_transport().is_active()

    @contextmanager
    def speaking(self, doing: str) -> Iterator[None]:
        """Turn what paramiko raises into a TransferError that says where and what was being done.

        A link that did not answer in time is hung up: each later request would only wait as long again. So is one that
        broke: paramiko may take a moment to see that nobody is there any more.
        """
        try:
            with _speaking(self.endpoint, self.deadline, doing):
                yield
        except TransferError as error:
            if isinstance(error.__cause__, TimeoutError | SSHException):
                self.client.close()
            raise


@contextmanager
def open_link(endpoint: SftpEndpoint, clock: Callable[[], float] = time.monotonic) -> Iterator[Link]:
    """Connect, check the host key, sign in and start SFTP; `clock` is monotonic seconds.

    Raises Misconfigured for keys of ours that can't be read, TransferError for the rest: permanent when the host key is
    not a pinned one or the sign-in was refused, so that no password reaches a stranger and no account gets locked.
    """
    pins = read_public_keys(endpoint.host_key)
    private_key = _read_private_key(endpoint)
    deadline = Deadline(endpoint.deadline, clock)
    with ExitStack() as stack:
        with _speaking(endpoint, deadline, "connecting"):
            timeout = min(endpoint.connect_timeout, deadline.remaining())
            sock = socket.create_connection((endpoint.host, endpoint.port), timeout)
            stack.callback(sock.close)
            # Requests are small: held back until the last one is acknowledged, they would leave the server idle.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = _start(sock, pins, endpoint, stack)
            stack.enter_context(deadline.cutting(transport))
            transport.start_client(timeout=min(endpoint.connect_timeout, deadline.remaining()))
            deadline.check()
        with _speaking(endpoint, deadline, f"shaking hands within {endpoint.connect_timeout:g} s"):
            host_key = transport.get_remote_server_key()  # refuses when the handshake has not finished in time
        _check_host_key(host_key, pins, endpoint)
        with _speaking(endpoint, deadline, f"signing in as {endpoint.username}"):
            _sign_in(transport, endpoint, private_key)
        with _speaking(endpoint, deadline, "starting SFTP"):
            channel = transport.open_session(timeout=min(endpoint.channel_timeout, deadline.remaining()))
            channel.settimeout(endpoint.channel_timeout)
            with deadline.cutting(transport, endpoint.channel_timeout):  # paramiko waits for this answer for ever
                channel.invoke_subsystem("sftp")
            client = WritingClient(channel, deadline.check)
        yield Link(endpoint, client, deadline)


def read_public_keys(lines: str) -> dict[bytes, str]:
    """Read "ssh-ed25519 AAAA…" lines into public key → type; raise Misconfigured for anything else or for none."""
    pins: dict[bytes, str] = {}
    for line in filter(None, map(str.strip, lines.splitlines())):
        if line.startswith("#"):
            continue
        parts = line.split()
        kind = next((part for part in parts if part in _KEY_TYPES), "")
        encoded = parts[parts.index(kind) + 1 :][:1] if kind else []
        blob = b""
        with suppress(binascii.Error):
            blob = base64.b64decode("".join(encoded), validate=True)
        if not kind or blob[4 : 4 + int.from_bytes(blob[:4], "big")] != kind.encode():
            raise Misconfigured(f'expected a public key line like "ssh-ed25519 AAAA…", got {line[:24]!r}')
        pins[blob] = kind
    if not pins:
        raise Misconfigured("expected at least one public key line, got none")
    return pins


def fingerprint(public_key: bytes) -> str:
    """Return the SHA-256 fingerprint of a public key in OpenSSH's form: "SHA256:…"."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(public_key).digest()).decode().rstrip("=")


def _start(sock: socket.socket, pins: dict[bytes, str], endpoint: SftpEndpoint, stack: ExitStack) -> Transport:
    """Wrap `sock` with every time-out set, asking for a pinned type of host key first."""
    transport = Transport(sock)
    stack.callback(_hang_up, transport, sock)
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = endpoint.connect_timeout
    transport.channel_timeout = transport.clear_to_send_timeout = endpoint.channel_timeout
    options = transport.get_security_options()
    pinned = [name for kind in pins.values() for name in _KEY_TYPES[kind]]
    # The other types follow: a server that lost its pinned key is then caught with its new fingerprint in hand.
    options.key_types = tuple(dict.fromkeys([*pinned, *options.key_types]))
    return transport


def _check_host_key(host_key: PKey, pins: dict[bytes, str], endpoint: SftpEndpoint) -> None:
    if host_key.asbytes() not in pins:
        expected = " or ".join(f"{fingerprint(blob)} ({kind})" for blob, kind in pins.items())
        raise TransferError(
            f"{endpoint}: THE HOST KEY IS NOT THE PINNED ONE. Expected {expected}, got "
            f"{fingerprint(host_key.asbytes())} ({host_key.get_name()}). Nothing was sent. "
            "Ask the bank by another road before pinning a new key",
            permanent=True,
        )


def _sign_in(transport: Transport, endpoint: SftpEndpoint, private_key: PKey | None) -> None:
    try:
        if private_key is not None:
            transport.auth_publickey(endpoint.username, private_key)
        if not transport.is_authenticated() and endpoint.password is not None:
            transport.auth_password(endpoint.username, endpoint.password)
    except AuthenticationException as error:
        # paramiko says "refused", "the link dropped" and "no answer in time" by one type: only the first is final
        refused = transport.is_active() and "timeout" not in str(error).lower()
        raise TransferError(f"{endpoint}: sign-in as {endpoint.username} failed: {error}", permanent=refused) from error
    if not transport.is_authenticated():
        raise TransferError(f"{endpoint}: the key was accepted, the bank wants a password too", permanent=True)


def _read_private_key(endpoint: SftpEndpoint) -> PKey | None:
    if endpoint.private_key is None:
        if endpoint.password is None:
            raise Misconfigured(f"{endpoint}: expected a password or a private key, got neither")
        return None
    for kind in _PRIVATE_KEYS:
        try:
            return kind.from_private_key(io.StringIO(endpoint.private_key))
        except PasswordRequiredException:
            raise Misconfigured(f"{endpoint}: expected a private key without a passphrase, got a locked one") from None
        except (SSHException, ValueError, IndexError, struct.error):  # another type of key, or none at all
            continue
    raise Misconfigured(f"{endpoint}: expected an OpenSSH private key (Ed25519, ECDSA or RSA), got something else")


def _hang_up(transport: Transport, sock: socket.socket) -> None:
    """Close `transport` and wait for its threads, so that nothing of the session outlives it."""
    with suppress(OSError):  # not connected any more
        sock.shutdown(socket.SHUT_RDWR)  # wakes the reading thread at once; closing alone leaves it to its next look
    transport.close()
    transport.packetizer.complete_handshake()  # stops the handshake's timer, which paramiko leaves running
    if transport.is_alive():
        transport.join(5)
    transport.sock.close()


@contextmanager
def _speaking(endpoint: SftpEndpoint, deadline: Deadline, doing: str) -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        deadline.check()
        reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        raise TransferError(f"{endpoint}: {doing}: {ascii(reason[:160])[1:-1]}") from error
