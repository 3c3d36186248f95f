"""Fetching a bank's files over SFTP: a listing that trusts no name, and a download that proves itself.

A file counts as fetched only when its size and time were the same in the listing, before and after reading, exactly
that many bytes arrived, the server says that the file ends there, and the bytes and the folder entry are on disk.
"""

import hashlib
import logging
import os
import posixpath
import re
import stat
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from banks.errors import TransferError
from banks.sftp_link import Link, SftpEndpoint, open_link
from banks.sftp_protocol import FileState

__all__ = [
    "Downloaded",
    "RefusedName",
    "RemoteFile",
    "SftpEndpoint",
    "SftpSession",
    "download",
    "list_files",
    "open_session",
    "remove_leftovers",
]

MAX_BYTES = 1024**3
"""The largest file taken unless the caller says otherwise: 1 GiB, about two million statement lines."""
MAX_ENTRIES = 100_000
"""A folder with more entries is not an inbox that anybody empties."""
_MAX_NAME_BYTES = 255
_LONG_NUMBER = re.compile(r"\d{9,}")
_PART = ".part"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A regular file in the inbox as the listing tells it: bytes, and whole seconds since 1970 in UTC."""

    name: str
    size: int
    mtime: int


@dataclass(frozen=True, slots=True)
class RefusedName:
    """An entry of the inbox that was left alone, its name in a form that is safe to show, and why."""

    shown: str
    reason: str


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A complete file on disk; `path` is named by `sha256` (hex), so equal names never overwrite other content."""

    path: Path
    size: int
    sha256: str
    remote: RemoteFile


@dataclass(slots=True)
class SftpSession:
    """A signed-in session for one thread; `refused` holds what the latest listing left alone."""

    link: Link
    refused: list[RefusedName] = field(default_factory=list)


@contextmanager
def open_session(endpoint: SftpEndpoint, *, clock: Callable[[], float] = time.monotonic) -> Iterator[SftpSession]:
    """Connect and sign in; `clock` (monotonic seconds) measures the endpoint's overall deadline.

    Raises Misconfigured for keys of ours that can't be read; TransferError otherwise, permanent for a host key that is
    not pinned and for a refused sign-in.
    """
    with open_link(endpoint, clock) as link:
        yield SftpSession(link)


def list_files(session: SftpSession) -> list[RemoteFile]:
    """List the inbox's regular files that match the pattern, oldest first; hostile names go to `session.refused`.

    Raises TransferError: permanent when the inbox is missing, forbidden or holds more than MAX_ENTRIES.
    """
    endpoint = session.link.endpoint
    session.refused = []
    files = []
    try:
        with session.link.speaking("listing the inbox"):
            for count, (raw, state) in enumerate(session.link.client.names(endpoint.inbox or ".")):
                if count >= MAX_ENTRIES:
                    raise TransferError(f"{endpoint}: expected at most {MAX_ENTRIES} inbox entries", permanent=True)
                if (file := _taken(raw, state, session)) is not None:
                    files.append(file)
    except TransferError as error:
        if isinstance(error.__cause__, FileNotFoundError | PermissionError):
            raise TransferError(error.reason, permanent=True) from error
        raise
    if session.refused:
        first = "; ".join(f"{refused.shown}: {refused.reason}" for refused in session.refused[:3])
        logger.warning("%s: left %d inbox entries alone, first: %s", endpoint, len(session.refused), first)
    return sorted(files, key=lambda file: (file.mtime, file.name))


def download(
    session: SftpSession,
    remote: RemoteFile,
    folder: Path,
    *,
    max_bytes: int = MAX_BYTES,
    settled_seconds: float = 0,
    now: datetime | None = None,
) -> Downloaded:
    """Fetch `remote` into `folder` as a file named by its SHA-256; at most 2 MiB of it are in memory at any time.

    With `settled_seconds`, a file changed less than that before `now` (aware) is not taken yet: its time has whole
    seconds, so a change within the same second would not show. Raises TransferError and leaves nothing in `folder` when
    the file is not exactly as listed, changes while it is read, stalls, drops or can't be stored (may be tried again),
    or when its name is hostile or its size above `max_bytes` (permanent).
    """
    where = f"{session.link.endpoint}: {shown(remote.name)}"
    if fault := fault_of(remote.name):
        raise TransferError(f"{where}: {fault}", permanent=True)
    if remote.size > max_bytes:
        raise TransferError(f"{where}: expected at most {max_bytes} bytes, got {remote.size}", permanent=True)
    if settled_seconds:
        _check_settled(remote, settled_seconds, now, where)
    part = None
    try:
        with _storing(where):
            number, name = tempfile.mkstemp(prefix="fetch-", suffix=_PART, dir=folder)
            part = Path(name)
            stream = os.fdopen(number, "wb")
        with _storing(where), stream:  # closing writes too
            digest = _fetch(session, remote, stream, where)
        final = folder / digest
        with _storing(where):
            part.replace(final)
            _sync_folder(folder)
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    return Downloaded(final, remote.size, digest, remote)


def remove_leftovers(folder: Path, now: datetime, older_than: timedelta) -> int:
    """Remove the parts that killed downloads left in `folder`, last written `older_than` before `now`; count them."""
    limit = (now - older_than).timestamp()
    removed = 0
    for part in folder.glob(f"fetch-*{_PART}"):
        with suppress(FileNotFoundError):  # its download may be finishing just now
            if part.stat().st_mtime < limit:
                part.unlink()
                removed += 1
    return removed


def fault_of(name: str) -> str:
    """Say why a remote name is not to be trusted, "" when it is fine."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "the name is not text"
    if name in ("", ".", "..") or not length:
        return "the name is empty or leads elsewhere"
    if "/" in name or "\\" in name:
        return "the name holds a path separator"
    if length > _MAX_NAME_BYTES:
        return f"the name has {length} bytes, at most {_MAX_NAME_BYTES} are taken"
    # Cf: invisible characters and those that turn the reading direction, so that "fdp.exe" reads as "exe.pdf"
    if any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in name):
        return "the name holds control characters"
    return ""


def shown(name: str | bytes) -> str:
    """Return `name` safe for a log: at most 80 ASCII characters, of an account-like number only the last 4 digits."""
    text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
    return ascii(_LONG_NUMBER.sub(lambda match: "…" + match[0][-4:], text))[1:-1][:80]


def _taken(raw: bytes, state: FileState, session: SftpSession) -> RemoteFile | None:
    """Return the entry as a file, or None when it is not one for us; say why in `session.refused` if that is odd."""
    if raw in (b".", b".."):
        return None
    try:
        name = raw.decode()
        fault = fault_of(name)
    except UnicodeDecodeError:
        name, fault = "", "the name is not UTF-8"
    if not fault:
        if not fnmatchcase(name, session.link.endpoint.pattern):
            return None
        if state.mode is not None and not stat.S_ISREG(state.mode):
            return None
        if state.mode is not None and state.size is not None and state.mtime is not None:
            return RemoteFile(name, state.size, state.mtime)
        fault = "the server does not tell its type, size or time"
    session.refused.append(RefusedName(shown(raw), fault))
    return None


def _fetch(session: SftpSession, remote: RemoteFile, stream: BinaryIO, where: str) -> str:
    """Copy the remote file into `stream`, down to the disk, and return its SHA-256; the proofs are here."""
    client = session.link.client
    path = posixpath.join(session.link.endpoint.inbox or ".", remote.name)
    digest = hashlib.sha256()
    got = 0
    with session.link.speaking(f"fetching {shown(remote.name)}"):
        handle = client.open_for_reading(path)
        try:
            _check_same(remote, client.state_of_handle(handle), "before reading", where)
            try:
                for block in client.blocks(handle, remote.size):
                    digest.update(block)
                    got += len(block)
                    with _storing(where):
                        stream.write(block)
            except EOFError as error:
                raise TransferError(f"{where}: expected {remote.size} bytes, the file ended after {got}") from error
            if not client.ends_at(handle, remote.size):
                raise TransferError(f"{where}: expected {remote.size} bytes, the file goes on")
            # The handle tells of a change to the bytes that were read, the path of another file put in their place.
            _check_same(remote, client.state_of_handle(handle), "after reading", where)
            _check_same(remote, client.state_of_path(path), "under its name after reading", where)
        finally:
            client.release(handle)
    if got != remote.size:
        raise TransferError(f"{where}: expected {remote.size} bytes, got {got}")
    with _storing(where):
        stream.flush()
        os.fsync(stream.fileno())
    return digest.hexdigest()


def _check_same(remote: RemoteFile, state: FileState, when: str, where: str) -> None:
    if state.mode is None or not stat.S_ISREG(state.mode):
        raise TransferError(f"{where}: expected a regular file {when}")
    if (state.size, state.mtime) != (remote.size, remote.mtime):
        raise TransferError(
            f"{where}: expected {remote.size} bytes of time {remote.mtime} as listed, "
            f"got {state.size} of time {state.mtime} {when}"
        )


def _check_settled(remote: RemoteFile, settled_seconds: float, now: datetime | None, where: str) -> None:
    if now is None or now.tzinfo is None:
        raise ValueError("settled_seconds needs now, an aware datetime")
    age = now.timestamp() - remote.mtime
    if age < settled_seconds:
        raise TransferError(f"{where}: expected a file unchanged for {settled_seconds:g} s, it is {age:.0f} s old")


@contextmanager
def _storing(where: str) -> Iterator[None]:
    """Tell our own disk's failures from the bank's: both are OSError."""
    try:
        yield
    except OSError as error:
        raise TransferError(f"{where}: can't be stored here: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
