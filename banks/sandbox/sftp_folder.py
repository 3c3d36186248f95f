"""The folder that the sandbox's SFTP server shows, read-only, and the faults that can befall files on such a server.

Nothing outside the folder can be reached: every path is walked name by name from the folder's descriptor, and symbolic
links are never followed.
"""

import os
import posixpath
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from paramiko import ServerInterface, SFTPAttributes, SFTPHandle, SFTPServer, SFTPServerInterface, Transport
from paramiko.sftp import SFTP_FAILURE, SFTP_NO_SUCH_FILE, SFTP_PERMISSION_DENIED

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a named pipe must not hang the session
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAX_READ = 256 * 1024


class Fault(StrEnum):
    """What may befall the reading of a file, and from FULL on its writing; DROP and STALL befall both."""

    DROP = "drop"
    """The connection breaks."""
    STALL = "stall"
    """No answer comes any more."""
    CUT = "cut"
    """The file seems to end, though its size says otherwise."""
    SHRINK = "shrink"
    """The file is cut short on disk."""
    GROW = "grow"
    """Bytes are added to the file on disk."""
    REPLACE = "replace"
    """A file of the same size and other content takes the name."""
    FULL = "full"
    """The disk has no room left."""
    LOSE = "lose"
    """What is written is confirmed and lost."""
    GARBLE = "garble"
    """What is written is confirmed, and other bytes are kept."""


class Faults:
    """The switches of one server, to be turned while it serves; `stopping` ends whatever stalls.

    `phantom_names` are listed beside the real files, for clients that must trust no name.
    """

    def __init__(self) -> None:
        self.phantom_names: list[bytes] = []
        self.stopping = threading.Event()
        self._next: tuple[Fault, int, int] | None = None
        self._lock = threading.Lock()

    def plan(self, fault: Fault, *, after: int = 0, times: int = 1) -> None:
        """Let `fault` strike the next `times` reads or writes that go beyond a file's first `after` bytes."""
        with self._lock:
            self._next = (fault, after, times)

    def strike(self, end: int) -> tuple[Fault, int] | None:
        """Return the fault, and after how many bytes, for a read or write that ends at `end`; that counts as once."""
        with self._lock:
            if self._next is None or end <= self._next[1]:
                return None
            fault, after, times = self._next
            self._next = (fault, after, times - 1) if times > 1 else None
            return fault, after


class ServedFolder(SFTPServerInterface):
    """Answers requests about `folder`; whatever would change something is left to paramiko's "unsupported"."""

    def __init__(self, server: ServerInterface, folder: Path, faults: Faults, transport: Transport) -> None:
        super().__init__(server)
        self._folder, self._faults, self._transport = folder, faults, transport

    def open(self, path: str, flags: int, attr: SFTPAttributes) -> SFTPHandle | int:  # noqa: ARG002 - paramiko's shape
        """Open a regular file for reading; everything else is forbidden."""
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND):
            return SFTP_PERMISSION_DENIED
        try:
            with self._parent(path) as (parent, name):
                number = os.open(name, _FILE, dir_fd=parent)
        except OSError as error:
            return status_of(error)
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            return SFTP_PERMISSION_DENIED
        return ServedFile(number, self._faults, self._transport, self._path_of(path))

    def list_folder(self, path: str) -> list[SFTPAttributes] | int:
        """List a folder: symbolic links as links, names as the bytes they are."""
        try:
            with self._parent(path) as (parent, name):
                folder = os.open(name, _FOLDER, dir_fd=parent)
            try:
                entries = [_entry(os.fsencode(name), _lstat(name, folder)) for name in sorted(os.listdir(folder))]
                like = os.fstat(folder)
            finally:
                os.close(folder)
        except OSError as error:
            return status_of(error)
        phantoms = [_entry(name, like, mode=stat.S_IFREG | 0o644) for name in self._faults.phantom_names]
        return entries + phantoms

    def stat(self, path: str) -> SFTPAttributes | int:
        """Tell the state of what stands under `path` itself: a symbolic link is never followed."""
        try:
            with self._parent(path) as (parent, name):
                return SFTPAttributes.from_stat(_lstat(name, parent))
        except OSError as error:
            return status_of(error)

    lstat = stat

    def _path_of(self, path: str) -> Path:
        return self._folder.joinpath(*_names(path))

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """Walk to the folder that holds the last name of `path`; give its descriptor and that name."""
        *folders, name = _names(path) or ["."]
        current = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                deeper = os.open(folder, _FOLDER, dir_fd=current)
                os.close(current)
                current = deeper
            yield current, name
        finally:
            os.close(current)


class ServedFile(SFTPHandle):
    """An open file, read by position, with the fault that strikes it."""

    def __init__(self, number: int, faults: Faults, transport: Transport, path: Path) -> None:
        super().__init__()
        self._number = number
        self._faults, self._transport, self._path = faults, transport, path
        self._end: int | None = None

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._number)

    def stat(self) -> SFTPAttributes:
        """Tell the state of the open file."""
        return SFTPAttributes.from_stat(os.fstat(self._number))

    def read(self, offset: int, length: int) -> bytes | int:
        """Return bytes from `offset` on, or a status."""
        length = min(length, _MAX_READ)
        struck = self._struck(offset + length)
        if struck is not None and not self._suffer(*struck):
            return SFTP_FAILURE
        if self._end is not None:
            length = max(0, min(length, self._end - offset))
        try:
            return os.pread(self._number, length, offset)
        except OSError as error:
            return status_of(error)

    def _struck(self, end: int) -> tuple[Fault, int] | None:
        # What a client asked before it hung up is still worked off: the next client's fault is not for that.
        return self._faults.strike(end) if self._transport.is_active() else None

    def _suffer(self, fault: Fault, after: int) -> bool:
        """Let `fault` happen; False when there is no answer to give any more."""
        if fault is Fault.DROP:
            self._transport.packetizer.close()
            return False
        if fault is Fault.STALL:
            while self._transport.is_active() and not self._faults.stopping.wait(0.05):
                pass
            return False
        if fault is Fault.CUT:
            self._end = after
        elif fault is Fault.SHRINK:
            os.truncate(self._path, after)
        elif fault is Fault.GROW:
            with self._path.open("ab") as file:
                file.write(b"later\n")
        else:
            other = self._path.with_name(self._path.name + ".other")
            other.write_bytes(b"x" * os.fstat(self._number).st_size)
            other.replace(self._path)
        return True


def _names(path: str) -> list[str]:
    """Split a client's path into names below the folder, which is its root; ".." can't climb above it."""
    return [name for name in posixpath.normpath("/" + path).split("/") if name]


def _lstat(name: str, folder: int) -> os.stat_result:
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def _entry(name: bytes, state: os.stat_result, mode: int | None = None) -> SFTPAttributes:
    entry = SFTPAttributes.from_stat(state)
    entry.st_mode = state.st_mode if mode is None else mode
    try:
        entry.filename = name.decode()
    except UnicodeDecodeError:
        entry.filename = name  # type: ignore[assignment]  # the protocol carries bytes and paramiko packs them
    return entry


def status_of(error: OSError) -> int:
    """Return the status by which the protocol tells `error`."""
    return SFTP_NO_SUCH_FILE if error.errno is None else SFTPServer.convert_errno(error.errno)
