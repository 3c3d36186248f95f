"""Fetching a bank's files over SFTP: a listing that trusts no name, and a download that proves itself.

A file counts as fetched only when its size and time were the same in the listing, before and after reading, exactly
that many bytes arrived, the server says that the file ends there, its marker (where the bank sets one) agrees, and the
bytes and the folder entry are on disk.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from banks import sftp_markers
from banks.errors import TransferError, Unreadable
from banks.sftp_link import After, SftpEndpoint
from banks.sftp_listing import RefusedName, RemoteFile, SftpSession, inbox_path, list_files, open_session
from banks.sftp_names import fault_of, shown
from banks.sftp_protocol import FileState

__all__ = [
    "After",
    "Downloaded",
    "NotStored",
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
_PART = ".part"


class NotStored(TransferError):
    """Our own disk would not take the file: no other file of any bank would fare better now."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A complete file on disk; `path` is named by `sha256` (hex), so equal names never overwrite other content."""

    path: Path
    size: int
    sha256: str
    remote: RemoteFile


def download(
    session: SftpSession,
    remote: RemoteFile,
    folder: Path,
    *,
    max_bytes: int = MAX_BYTES,
) -> Downloaded:
    """Fetch `remote` into `folder` as a file named by its SHA-256; at most 2 MiB of it are in memory at any time.

    Raises TransferError and leaves nothing in `folder` when the file is not exactly as listed, changes while it is
    read, is not what its marker promises, stalls, drops or can't be stored (may be tried again), or when its name is
    hostile or its size above `max_bytes` (permanent).
    """
    where = f"{session.link.endpoint}: {shown(remote.name)}"
    if fault := fault_of(remote.name):
        raise TransferError(f"{where}: {fault}", permanent=True)
    if remote.size > max_bytes:
        raise TransferError(f"{where}: expected at most {max_bytes} bytes, got {remote.size}", permanent=True)
    promised = _promised(session, remote, where) if remote.marker else ("sha256", "")
    part = None
    try:
        with _storing(where):
            number, name = tempfile.mkstemp(prefix="fetch-", suffix=_PART, dir=folder)
            part = Path(name)
            stream = os.fdopen(number, "wb")
        with _storing(where), stream:  # closing writes too
            digest = _fetch(session, remote, stream, where, promised)
        final = folder / digest
        with _storing(where):
            part.replace(final)
            _sync_folder(folder)
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    return Downloaded(final, remote.size, digest, remote)


def remove_leftovers(folder: Path, now: datetime, older_than: timedelta) -> int:
    """Remove the files that killed fetches left in `folder`, last written `older_than` before `now`; count them.

    Parts and whole files alike: whoever keeps a whole one takes it away at once, so an old one is kept or comes again.
    """
    limit = (now - older_than).timestamp()
    removed = 0
    for left in folder.iterdir():
        with suppress(FileNotFoundError):  # its download may be finishing just now
            if left.stat().st_mtime < limit:
                left.unlink()
                removed += 1
    return removed


def _promised(session: SftpSession, remote: RemoteFile, where: str) -> tuple[str, str]:
    """Return the digest that the file's marker promises, as (algorithm, hex); the hex is "" when it promises none."""
    algorithm = sftp_markers.algorithm_of(session.link.endpoint.done_marker)
    if not algorithm:
        return "sha256", ""
    client, path = session.link.client, inbox_path(session, remote.marker)
    with session.link.speaking(f"reading {shown(remote.marker)}"):
        size = client.state_of_path(path).size or 0
        if size > sftp_markers.MAX_BYTES:
            raise TransferError(f"{where}: expected a marker of at most {sftp_markers.MAX_BYTES} bytes, it has {size}")
        content = b"".join(client.blocks_of_path(path, size))
    try:
        return algorithm, sftp_markers.promised(content, remote.name, algorithm)
    except Unreadable as error:
        raise TransferError(f"{where}: {error.reason}") from error


def _fetch(session: SftpSession, remote: RemoteFile, stream: BinaryIO, where: str, promised: tuple[str, str]) -> str:
    """Copy the remote file into `stream`, down to the disk, and return its SHA-256; the proofs are here."""
    client = session.link.client
    path = inbox_path(session, remote.name)
    digest = hashlib.sha256()
    # The marker's digest only tells whether the transfer is whole; what identifies a file is its SHA-256.
    checked = hashlib.new(promised[0], usedforsecurity=False) if promised[1] else None
    got = 0
    with session.link.speaking(f"fetching {shown(remote.name)}"):
        handle = client.open_for_reading(path)
        try:
            _check_same(remote, client.state_of_handle(handle), "before reading", where)
            try:
                for block in client.blocks(handle, remote.size):
                    digest.update(block)
                    if checked is not None:
                        checked.update(block)
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
    if checked is not None and checked.hexdigest() != promised[1]:
        raise TransferError(
            f"{where}: expected the {promised[0]} {promised[1]} that its marker gives, got {checked.hexdigest()}"
        )
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


@contextmanager
def _storing(where: str) -> Iterator[None]:
    """Tell our own disk's failures from the bank's: both are OSError."""
    try:
        yield
    except OSError as error:
        raise NotStored(f"{where}: can't be stored here: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
