"""Listing a bank's inbox: the session, the files that are complete, and the entries that are not to be trusted."""

import logging
import posixpath
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase

from banks import sftp_markers
from banks.errors import TransferError
from banks.sftp_link import Link, SftpEndpoint, open_link
from banks.sftp_names import fault_of, shown
from banks.sftp_protocol import FileState

MAX_ENTRIES = 100_000
"""A folder with more entries is not an inbox that anybody empties."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A regular file in the inbox as the listing tells it: bytes, and whole seconds since 1970 in UTC.

    `marker` is the name of the small file that says it is complete; "" where the bank sets none, or none yet.
    """

    name: str
    size: int
    mtime: int
    marker: str = ""

    def settled(self, seconds: float, now: datetime) -> bool:
        """Whether it was last changed so many seconds before `now`: within one second a change would not show."""
        return now.timestamp() - self.mtime >= seconds


@dataclass(frozen=True, slots=True)
class RefusedName:
    """An entry of the inbox that was left alone, its name in a form that is safe to show, and why."""

    shown: str
    reason: str


@dataclass(slots=True)
class SftpSession:
    """A signed-in session for one thread.

    Of the latest listing, `refused` holds the entries whose names or kinds are not to be trusted, and `unmarked` the
    files that wait for the bank's marker.
    """

    link: Link
    refused: list[RefusedName] = field(default_factory=list)
    unmarked: list[RemoteFile] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        """Whether it is worth asking for anything more."""
        return self.link.alive


@contextmanager
def open_session(endpoint: SftpEndpoint, *, clock: Callable[[], float] = time.monotonic) -> Iterator[SftpSession]:
    """Connect and sign in; `clock` (monotonic seconds) measures the endpoint's overall deadline.

    Raises Misconfigured for keys of ours that can't be read; TransferError otherwise, permanent for a host key that is
    not pinned and for a refused sign-in.
    """
    with open_link(endpoint, clock) as link:
        yield SftpSession(link)


def list_files(session: SftpSession) -> list[RemoteFile]:
    """List the inbox's complete regular files that match the pattern, oldest first.

    With a done-marker declared, a file is complete once its marker is there. What else the inbox holds stands in the
    session's lists. Raises TransferError, permanent for an inbox that is missing, forbidden or beyond MAX_ENTRIES.
    """
    endpoint = session.link.endpoint
    session.refused, session.unmarked = [], []
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
    files.sort(key=lambda file: (file.mtime, file.name))
    return _marked(files, session) if endpoint.done_marker else files


def inbox_path(session: SftpSession, name: str) -> str:
    """Return the path of the inbox's file `name` on the server."""
    return posixpath.join(session.link.endpoint.inbox or ".", name)


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
        endpoint = session.link.endpoint
        is_marker = bool(endpoint.done_marker) and name.endswith(endpoint.done_marker)
        if not fnmatchcase(name, endpoint.pattern) and not is_marker:
            return None
        if state.mode is not None and not stat.S_ISREG(state.mode):
            return None
        if state.mode is not None and state.size is not None and state.mtime is not None:
            return RemoteFile(name, state.size, state.mtime)
        fault = "the server does not tell its type, size or time"
    session.refused.append(RefusedName(shown(raw), fault))
    return None


def _marked(files: list[RemoteFile], session: SftpSession) -> list[RemoteFile]:
    """Return those of `files` that a marker declares complete; the others wait in `session.unmarked`."""
    ending = session.link.endpoint.done_marker
    markers = {file.name: file.mtime for file in files if file.name.endswith(ending)}
    complete = []
    for file in files:
        if file.name in markers:
            continue
        marker = sftp_markers.marker_of(file.name, file.mtime, ending, markers)
        if marker:
            complete.append(replace(file, marker=marker))
        else:
            session.unmarked.append(file)
    return complete
