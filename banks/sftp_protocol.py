"""The SFTP requests a trustworthy fetch needs and paramiko's client lacks: raw names, and a bounded run of reads.

paramiko's `listdir` fails as a whole on one name that is not UTF-8, its attributes loop as often as the server says,
and its read-ahead sends from a background thread that dies with a traceback when the link drops. The requests here go
out from the calling thread, are answered by number, and check what arrives. Source: draft-ietf-secsh-filexfer-02
(protocol version 3).
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from paramiko import Channel, Message, SFTPAttributes, SFTPClient, SFTPError, SSHException
from paramiko.sftp import (
    CMD_ATTRS,
    CMD_CLOSE,
    CMD_DATA,
    CMD_FSTAT,
    CMD_HANDLE,
    CMD_NAME,
    CMD_OPEN,
    CMD_OPENDIR,
    CMD_READ,
    CMD_READDIR,
    CMD_STAT,
    CMD_STATUS,
    SFTP_FLAG_READ,
    int64,
)

BLOCK = 32 * 1024
"""Bytes asked for at once: the size every server must grant (larger ones are answered short by some)."""
WINDOW = 64
"""Reads under way at once; BLOCK × WINDOW = 2 MiB is all that a download holds in memory."""
_MAX_EXTENSIONS = 64


class FileState(NamedTuple):
    """What the server says of a file; None where it does not say. `mtime` is in whole seconds since 1970, UTC."""

    size: int | None
    mtime: int | None
    mode: int | None


class Replies:
    """Keeps the answers to the requests under way until their turn comes, by request number."""

    def __init__(self) -> None:
        self.arrived: dict[int, tuple[int, Message]] = {}

    def _async_response(self, kind: int, message: Message, number: int) -> None:
        self.arrived[number] = (kind, message)


class ReadingClient(SFTPClient):
    """A read-only SFTP client; raises EOFError, OSError, SSHException or SFTPError. One thread at a time.

    `step` is called before every wait for an answer: the place where the caller's deadline is checked.
    """

    if TYPE_CHECKING:  # paramiko has these since 2003; its type stubs leave them out

        def _request(self, kind: int, *args: object) -> tuple[int, Message]: ...
        def _async_request(self, receiver: object, kind: int, *args: object) -> int: ...
        def _read_response(self, waitfor: int | None = None) -> tuple[int, Message]: ...
        def _convert_status(self, message: Message) -> None: ...
        def _read_packet(self) -> tuple[int, bytes]: ...

    def __init__(self, channel: Channel, step: Callable[[], None]) -> None:
        super().__init__(channel)
        self._step = step

    def names(self, folder: str) -> Iterator[tuple[bytes, FileState]]:
        """Yield each entry of `folder` with its name as raw bytes, "." and ".." included when the server lists them."""
        handle = self._handle(CMD_OPENDIR, folder)
        try:
            while True:
                try:
                    message = self._asked(CMD_NAME, CMD_READDIR, handle)
                except EOFError:
                    return
                for _ in range(message.get_int()):
                    name = message.get_binary()
                    message.get_binary()  # the long form, made for people's eyes
                    if not name:  # also what a count larger than the entries present looks like
                        raise SFTPError("expected a name in the listing, got none")
                    yield name, state_of(message)
        finally:
            self.release(handle)

    def open_for_reading(self, path: str) -> bytes:
        """Open the file at `path` and return its handle."""
        return self._handle(CMD_OPEN, path, SFTP_FLAG_READ, SFTPAttributes())

    def release(self, handle: bytes) -> None:
        """Close `handle` without waiting: after a stall no answer may come, and a link that is gone has closed it."""
        with suppress(OSError, EOFError, SSHException):
            self._async_request(type(None), CMD_CLOSE, handle)

    def close(self) -> None:
        """Close the channel; that nobody hears of it any more is nothing to tell."""
        with suppress(OSError, EOFError, SSHException):
            super().close()

    def state_of_path(self, path: str) -> FileState:
        """Return the state of the file that `path` leads to now."""
        return state_of(self._asked(CMD_ATTRS, CMD_STAT, path))

    def state_of_handle(self, handle: bytes) -> FileState:
        """Return the state of the open file, whatever its name leads to by now."""
        return state_of(self._asked(CMD_ATTRS, CMD_FSTAT, handle))

    def blocks(self, handle: bytes, size: int) -> Iterator[bytes]:
        """Yield the first `size` bytes in order, at most WINDOW reads ahead; EOFError when the file ends earlier."""
        replies = Replies()
        waiting: deque[tuple[int, int, int]] = deque()
        asked = 0
        while asked < size or waiting:
            while asked < size and len(waiting) < WINDOW:
                length = min(BLOCK, size - asked)
                waiting.append((asked, length, self._ask(replies, handle, asked, length)))
                asked += length
            offset, length, number = waiting.popleft()
            while True:
                block = self._block(replies, number, length)
                yield block
                offset, length = offset + len(block), length - len(block)
                if not length:
                    break
                number = self._ask(replies, handle, offset, length)  # a server may answer short: ask for the rest

    def blocks_of_path(self, path: str, size: int) -> Iterator[bytes]:
        """Yield the first `size` bytes of the file at `path`; EOFError when it ends earlier."""
        handle = self.open_for_reading(path)
        try:
            yield from self.blocks(handle, size)
        finally:
            self.release(handle)

    def ends_at(self, handle: bytes, size: int) -> bool:
        """Whether the file has nothing to read at offset `size`."""
        replies = Replies()
        try:
            self._block(replies, self._ask(replies, handle, size, 1), 1)
        except EOFError:
            return True
        return False

    def _send_packet(self, kind: int, packet: Message) -> None:
        # A link that closes while a request leaves is an EOFError to paramiko: as if the listing or the file had ended.
        try:
            super()._send_packet(kind, packet)  # type: ignore[misc] # paramiko's own; its type stubs leave it out
        except EOFError as error:
            raise SSHException("the connection was closed while a request was sent") from error

    def _ask(self, replies: Replies, handle: bytes, offset: int, length: int) -> int:
        return self._async_request(replies, CMD_READ, handle, int64(offset), length)

    def _block(self, replies: Replies, number: int, length: int) -> bytes:
        kind, message = self._answer(replies, number)
        if kind == CMD_STATUS:
            self._convert_status(message)
        if kind != CMD_DATA:
            raise SFTPError(f"expected data, got reply {kind}")
        # Message.get_binary would pad a packet that is shorter than it claims with zeros: silently wrong bytes.
        rest = message.get_remainder()
        claimed = int.from_bytes(rest[:4], "big")
        block = rest[4 : 4 + claimed]
        if not 0 < len(block) == claimed <= length:
            raise SFTPError(f"expected 1 to {length} bytes, got {len(block)} of {claimed} claimed")
        return block

    def _answer(self, replies: Replies, number: int) -> tuple[int, Message]:
        while number not in replies.arrived:
            self._step()
            self._read_response()
        return replies.arrived.pop(number)

    def _handle(self, kind: int, *args: object) -> bytes:
        return self._asked(CMD_HANDLE, kind, *args).get_binary()

    def _asked(self, expected: int, kind: int, *args: object) -> Message:
        self._step()
        got, message = self._request(kind, *args)
        if got != expected:
            raise SFTPError(f"expected reply {expected} to request {kind}, got {got}")
        return message


def state_of(message: Message) -> FileState:
    """Read an attribute block; its extensions are counted by the server, so their number is capped."""
    flags = message.get_int()
    size = message.get_int64() if flags & SFTPAttributes.FLAG_SIZE else None
    if flags & SFTPAttributes.FLAG_UIDGID:
        message.get_bytes(8)
    mode = message.get_int() if flags & SFTPAttributes.FLAG_PERMISSIONS else None
    mtime = None
    if flags & SFTPAttributes.FLAG_AMTIME:
        message.get_int()
        mtime = message.get_int()
    if flags & SFTPAttributes.FLAG_EXTENDED:
        count = message.get_int()
        if count > _MAX_EXTENSIONS:
            raise SFTPError(f"expected at most {_MAX_EXTENSIONS} extended attributes, got {count}")
        for _ in range(2 * count):
            message.get_binary()
    return FileState(size, mtime, mode)
