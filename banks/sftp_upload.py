"""Handing a file over to a bank: it appears in the outbox whole and under its name, or not at all.

The bytes go to a part first, are flushed to the server's disk where it can be asked to, are measured (and read back
where the bank's declaration says so), and only then get their name, which is never taken from another file. The same
upload again ends in the same one file, wherever the one before was cut off.
"""

import hashlib
import io
import posixpath
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from banks import sftp_markers
from banks.errors import Misconfigured, TransferError
from banks.sftp_listing import SftpSession
from banks.sftp_names import fault_of, shown
from banks.sftp_protocol import BLOCK, FileState

PART = ".part"
_Open = Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that stands complete in the bank's outbox; `already_there` when an earlier try had put it there."""

    name: str
    size: int
    sha256: str
    already_there: bool


@dataclass(frozen=True, slots=True)
class _Ours:
    """What is to be sent, measured before anything is; `where` names it in errors."""

    opened: _Open
    size: int
    sha256: str
    where: str


def upload(session: SftpSession, source: Path, name: str) -> Uploaded:
    """Put the file `source` into the bank's outbox as `name`, then the marker where one is declared.

    One upload of a name at a time: two at once would share a part. A bank that takes files out of its outbox makes one
    that came look like one that never did, so the caller must remember what it has handed over. Raises Misconfigured
    without an outbox, and TransferError: permanent when another file stands under the name, the outbox is missing or
    read-only, or the name can't be used; otherwise the same call may simply be made again.
    """
    endpoint = session.link.endpoint
    if not endpoint.outbox:
        raise Misconfigured(f"{endpoint}: expected an outbox to upload to, none is declared")
    if fault := fault_of(name) or fault_of(name + endpoint.upload_marker + PART):
        raise TransferError(f"{endpoint}: {shown(name)}: {fault}", permanent=True)
    done = _place(session, name, lambda: source.open("rb"))
    if endpoint.upload_marker:
        algorithm = sftp_markers.algorithm_of(endpoint.upload_marker)
        digest = _measure(lambda: source.open("rb"), algorithm, shown(name))[1] if algorithm else ""
        content = sftp_markers.written(name, algorithm, digest)
        _place(session, name + endpoint.upload_marker, lambda: io.BytesIO(content))
    return done


def _place(session: SftpSession, name: str, opened: _Open) -> Uploaded:
    """Make the outbox hold exactly the bytes that `opened` gives, under `name`."""
    link = session.link
    where = f"{link.endpoint}: {shown(name)}"
    target = posixpath.join(link.endpoint.outbox, name)
    part = posixpath.join(link.endpoint.staging or link.endpoint.outbox, name + PART)
    ours = _Ours(opened, *_measure(opened, "sha256", where), where)
    try:
        with link.speaking(f"uploading {shown(name)}"):
            if (there := link.client.state_of_name(target)) is not None:
                _check_ours(session, target, there, ours)
                link.client.erase(part)
                return Uploaded(name, ours.size, ours.sha256, already_there=True)
            link.client.erase(part)  # what an earlier try left
            _write(session, part, ours)
            link.client.give_name(part, target)
    except TransferError as error:
        if link.alive:
            with suppress(TransferError), link.speaking("removing a part"):
                link.client.erase(part)
        if isinstance(error.__cause__, FileNotFoundError | PermissionError):
            raise TransferError(error.reason, permanent=True) from error
        raise
    return Uploaded(name, ours.size, ours.sha256, already_there=False)


def _write(session: SftpSession, part: str, ours: _Ours) -> None:
    """Write the part and prove it: flushed, of the right size, and read back where that is agreed."""
    client = session.link.client
    sent = hashlib.sha256()
    handle = client.create(part)
    try:
        with ours.opened() as stream:
            count = client.write(handle, _read(stream, sent, ours.where))
        if (count, sent.hexdigest()) != (ours.size, ours.sha256):
            raise TransferError(
                f"{ours.where}: our own file changed while it was sent, expected {ours.size} bytes as before"
            )
        client.flush_to_disk(handle)
    except BaseException:
        client.release(handle)
        raise
    client.finish(handle)
    arrived = client.state_of_name(part)
    if arrived is None or arrived.size != ours.size:
        raise TransferError(
            f"{ours.where}: expected {ours.size} bytes to arrive, got {arrived.size if arrived else 'no file'}"
        )
    if session.link.endpoint.read_back and _digest_on_server(session, part, ours.size) != ours.sha256:
        raise TransferError(f"{ours.where}: expected to read back the bytes that were sent, got others")


def _check_ours(session: SftpSession, target: str, there: FileState, ours: _Ours) -> None:
    """Raise TransferError (permanent) unless the file that has the name already is the one to be sent."""
    wanted = f"{ours.where}: expected no other file under this name, got"
    if there.mode is not None and not stat.S_ISREG(there.mode):
        raise TransferError(f"{wanted} something that is no regular file", permanent=True)
    if there.size != ours.size:
        raise TransferError(
            f"{wanted} one of {there.size} bytes where ours has {ours.size}; left as it is", permanent=True
        )
    try:
        found = _digest_on_server(session, target, ours.size)
    except PermissionError as error:
        raise TransferError(
            f"{wanted} one of the same size that can't be read to compare it; left as it is", permanent=True
        ) from error
    if found != ours.sha256:
        raise TransferError(f"{wanted} one of the same size and other content; left as it is", permanent=True)


def _digest_on_server(session: SftpSession, path: str, size: int) -> str:
    digest = hashlib.sha256()
    for block in session.link.client.blocks_of_path(path, size):
        digest.update(block)
    return digest.hexdigest()


def _measure(opened: _Open, algorithm: str, where: str) -> tuple[int, str]:
    """Return the size and the digest (hex) of our own file."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with opened() as stream:
            return sum(len(block) for block in _read(stream, digest, where)), digest.hexdigest()
    except OSError as error:
        raise TransferError(f"{where}: our own file can't be read: {error.strerror or error}") from error


def _read(stream: BinaryIO, digest: Any, where: str) -> Iterator[bytes]:
    while True:
        try:
            block = stream.read(BLOCK)
        except OSError as error:
            raise TransferError(f"{where}: our own file can't be read: {error.strerror or error}") from error
        if not block:
            return
        digest.update(block)
        yield block
