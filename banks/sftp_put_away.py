"""Putting a fetched file away on the bank's server, so that its inbox stays short: into an archive, or gone.

For callers that have committed the bytes: whatever is cut short here is done again at the next listing.
"""

import posixpath

from banks.errors import Misconfigured, TransferError
from banks.sftp_link import After
from banks.sftp_listing import RemoteFile, SftpSession, inbox_path
from banks.sftp_names import shown
from banks.sftp_protocol import FileState


def put_away(session: SftpSession, remote: RemoteFile) -> bool:
    """Do with `remote` what the endpoint's `after` says; False when it is not (or no longer) the file that was fetched.

    Its marker goes first: left alone, it would declare the next file of that name complete before it is. Raises
    TransferError, permanent when the folder is missing or forbidden, Misconfigured when the archive is the inbox.
    """
    endpoint, client = session.link.endpoint, session.link.client
    if endpoint.after is After.LEAVE:
        return False
    if endpoint.after is After.ARCHIVE and posixpath.normpath(endpoint.archive) == posixpath.normpath(endpoint.inbox):
        raise Misconfigured(f"{endpoint}: expected an archive folder other than the inbox, got {endpoint.archive!r}")
    try:
        with session.link.speaking(f"putting {shown(remote.name)} away"):
            if not _is_same(client.state_of_name(inbox_path(session, remote.name)), remote):
                return False
            # One marker may stand for several files: the first of them took it along.
            if remote.marker and client.state_of_name(inbox_path(session, remote.marker)) is not None:
                _put(session, remote.marker, remote.mtime)
            moved = _put(session, remote.name, remote.mtime)
            if moved and not _is_same(client.state_of_name(moved), remote):
                # The bank put another file in its place in this very moment: nobody has read that one.
                client.give_name(moved, inbox_path(session, remote.name))
                return False
    except TransferError as error:
        if isinstance(error.__cause__, FileNotFoundError | PermissionError):
            raise TransferError(error.reason, permanent=True) from error
        raise
    return True


def _put(session: SftpSession, name: str, mtime: int) -> str:
    """Archive or delete the inbox's file `name`; return its path in the archive, "" when it is gone."""
    endpoint, client = session.link.endpoint, session.link.client
    if endpoint.after is After.DELETE:
        client.erase(inbox_path(session, name))
        return ""
    place = posixpath.join(endpoint.archive, name)
    if client.state_of_name(place) is not None:  # another day's file of that name, or the bank's corrected one
        place = f"{place}.{mtime}"
    client.give_name(inbox_path(session, name), place)
    return place


def _is_same(state: FileState | None, remote: RemoteFile) -> bool:
    return state is not None and (state.size, state.mtime) == (remote.size, remote.mtime)
