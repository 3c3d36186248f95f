"""The SFTP requests that change a bank's folders: a bounded run of writes, a flush, a name given or taken away.

paramiko's client drops what the server says of its extensions, and its pipelined writes wait without an end. Sources:
draft-ietf-secsh-filexfer-02 (protocol version 3), and OpenSSH's PROTOCOL for the two extensions.
"""

import errno
from collections import deque
from collections.abc import Callable, Iterable

from paramiko import Channel, Message, SFTPAttributes, SFTPError
from paramiko.sftp import (
    CMD_ATTRS,
    CMD_CLOSE,
    CMD_EXTENDED,
    CMD_INIT,
    CMD_LSTAT,
    CMD_OPEN,
    CMD_REMOVE,
    CMD_RENAME,
    CMD_STATUS,
    CMD_VERSION,
    CMD_WRITE,
    SFTP_FLAG_CREATE,
    SFTP_FLAG_EXCL,
    SFTP_FLAG_WRITE,
    int64,
)

from banks.sftp_protocol import WINDOW, FileState, ReadingClient, Replies, state_of

FSYNC = "fsync@openssh.com"
POSIX_RENAME = "posix-rename@openssh.com"
_VERSION = 3


class WritingClient(ReadingClient):
    """A client that may change things too; raises what ReadingClient raises. `extensions` are those the server told."""

    def __init__(self, channel: Channel, step: Callable[[], None]) -> None:
        self.extensions: frozenset[str] = frozenset()
        super().__init__(channel, step)

    def _send_version(self) -> int:
        """Agree on the protocol's version, and keep the names of the server's extensions."""
        hello = Message()
        hello.add_int(_VERSION)
        self._send_packet(CMD_INIT, hello)
        kind, data = self._read_packet()
        if kind != CMD_VERSION:
            raise SFTPError(f"expected the server's version, got reply {kind}")
        answer = Message(data)
        version = answer.get_int()
        names = []
        while answer.get_remainder():
            names.append(answer.get_binary().decode("ascii", "replace"))
            answer.get_binary()  # the extension's own version
        self.extensions = frozenset(names)
        return version

    def create(self, path: str) -> bytes:
        """Create the file at `path`, which must not exist, and return its handle for writing."""
        flags = SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_EXCL
        return self._handle(CMD_OPEN, path, flags, SFTPAttributes())

    def write(self, handle: bytes, blocks: Iterable[bytes]) -> int:
        """Write `blocks` one after the other, at most WINDOW unanswered; return the bytes written once all are."""
        replies = Replies()
        waiting: deque[int] = deque()
        offset = 0
        for block in blocks:
            if len(waiting) == WINDOW:
                self._confirm(replies, waiting.popleft())
            waiting.append(self._async_request(replies, CMD_WRITE, handle, int64(offset), block))
            offset += len(block)
        while waiting:
            self._confirm(replies, waiting.popleft())
        return offset

    def flush_to_disk(self, handle: bytes) -> bool:
        """Have the server bring the open file to its disk; False where it can't be asked to."""
        if FSYNC not in self.extensions:
            return False
        self._asked(CMD_STATUS, CMD_EXTENDED, FSYNC, handle)
        return True

    def finish(self, handle: bytes) -> None:
        """Close `handle` and wait for the answer: some servers tell only here that a write failed."""
        self._asked(CMD_STATUS, CMD_CLOSE, handle)

    def state_of_name(self, path: str) -> FileState | None:
        """Return the state of what stands under `path` itself, a link not followed; None when nothing does."""
        try:
            return state_of(self._asked(CMD_ATTRS, CMD_LSTAT, path))
        except FileNotFoundError:
            return None

    def give_name(self, old: str, new: str) -> None:
        """Rename `old` to `new`; FileExistsError when something stands there already: nothing is ever overwritten.

        The protocol's own rename never overwrites. OpenSSH's other one does, so it is asked only where the first is
        refused for another reason than a file in the way.
        """
        try:
            self._asked(CMD_STATUS, CMD_RENAME, old, new)
        except TimeoutError:
            raise
        except OSError as error:
            if self.state_of_name(new) is not None:
                raise FileExistsError(errno.EEXIST, "a file has that name already") from error
            if POSIX_RENAME not in self.extensions:
                raise
            self._asked(CMD_STATUS, CMD_EXTENDED, POSIX_RENAME, old, new)

    def erase(self, path: str) -> bool:
        """Remove the file at `path`; False when there was none."""
        try:
            self._asked(CMD_STATUS, CMD_REMOVE, path)
        except FileNotFoundError:
            return False
        return True

    def _confirm(self, replies: Replies, number: int) -> None:
        kind, message = self._answer(replies, number)
        if kind != CMD_STATUS:
            raise SFTPError(f"expected a status, got reply {kind}")
        self._convert_status(message)
