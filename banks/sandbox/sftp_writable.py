"""The sandbox's served folder for a client that may write too: uploads as a plain server takes them, with faults.

It knows no extensions: no flush, and a rename that never overwrites. OpenSSH's server is for trying those.
"""

import os
import stat
from typing import TYPE_CHECKING

from paramiko import SFTPAttributes, SFTPHandle
from paramiko.sftp import SFTP_FAILURE, SFTP_OK, SFTP_PERMISSION_DENIED

from banks.sandbox.sftp_folder import Fault, ServedFile, ServedFolder, status_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class WritableFolder(ServedFolder):
    """Answers requests about a folder into which new files may be put, and in which files may be renamed or removed."""

    def open(self, path: str, flags: int, attr: SFTPAttributes) -> SFTPHandle | int:
        """Open a file for reading, or create one that does not exist; what exists is never written to."""
        if not flags & (os.O_WRONLY | os.O_RDWR):
            return super().open(path, flags, attr)
        if not flags & os.O_EXCL or not flags & os.O_CREAT:
            return SFTP_PERMISSION_DENIED
        try:
            with self._parent(path) as (parent, name):
                number = os.open(name, _NEW, 0o644, dir_fd=parent)
        except OSError as error:
            return status_of(error)
        return _WrittenFile(number, self._faults, self._transport, self._path_of(path))

    def remove(self, path: str) -> int:
        """Remove a file."""
        try:
            with self._parent(path) as (parent, name):
                os.unlink(name, dir_fd=parent)
        except OSError as error:
            return status_of(error)
        return SFTP_OK

    def rename(self, oldpath: str, newpath: str) -> int:
        """Rename a file to a name that is free."""
        try:
            with self._parent(oldpath) as (old_parent, old), self._parent(newpath) as (new_parent, new):
                if not stat.S_ISREG(os.stat(old, dir_fd=old_parent, follow_symlinks=False).st_mode):
                    return SFTP_PERMISSION_DENIED
                os.link(old, new, src_dir_fd=old_parent, dst_dir_fd=new_parent, follow_symlinks=False)
                os.unlink(old, dir_fd=old_parent)
        except OSError as error:
            return status_of(error)
        return SFTP_OK


class _WrittenFile(ServedFile):
    """A new file, written by position, with the fault that strikes it."""

    def write(self, offset: int, data: "Buffer") -> int:
        """Write at `offset`; return a status."""
        data = bytes(data)
        struck = self._struck(offset + len(data))
        if struck is not None:
            fault, after = struck
            if fault is Fault.FULL:
                return SFTP_FAILURE
            if fault is Fault.LOSE:
                return SFTP_OK
            if fault is Fault.GARBLE:
                data = bytes(len(data))
            elif not self._suffer(fault, after):
                return SFTP_FAILURE
        try:
            os.pwrite(self._number, data, offset)
        except OSError as error:
            return status_of(error)
        return SFTP_OK
