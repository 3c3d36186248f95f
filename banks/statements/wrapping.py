"""What a statement file may be wrapped in: gzip, zip, OpenPGP, one inside the other; unwrapped as a stream, bounded.

A wrapper says how large its content is, or does not, and may lie: what comes out is counted as it comes, and a content
out of all proportion to its wrapper is refused before it is read to its end.
"""

import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from banks import openpgp
from banks.errors import Unreadable
from banks.openpgp import OpenPgpKeys
from banks.records import Readable

HEAD = 64
MAX_BYTES = 1024**3
"""Bytes kept on disk of a wrapper that can't be read forward only (zip, OpenPGP), and of what one unfolds into."""
MAX_FILES = 100
_MAX_LEVELS = 4
_RATIO, _FREE = 200, 8 * 1024 * 1024
"""Statements shrink to a tenth or a fiftieth; after the first 8 MiB, content 200 times its wrapper is a bomb."""
_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One file found inside; `name` is its name in the zip that held it, empty where there was none."""

    name: str
    stream: Readable


class Rejoined:
    """A stream whose head has been read already, read from its beginning all the same."""

    def __init__(self, stream: Readable, size: int) -> None:
        self._rest = stream
        self.head = b""
        while len(self.head) < size and (piece := stream.read(size - len(self.head))):
            self.head += piece
        self._left = self.head

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; b"" at the end."""
        if not self._left:
            return self._rest.read(size)
        if size < 0:
            piece, self._left = self._left + self._rest.read(), b""
        else:
            piece, self._left = self._left[:size], self._left[size:]
        return piece


def parts(stream: Readable, keys: OpenPgpKeys | None = None, level: int = 0) -> Iterator[Part]:
    """Yield what `stream` holds once unwrapped: itself, or the files inside, each read before the next is asked for.

    An XLSX workbook is a zip too and is yielded as it stands. Raise Unreadable for a wrapper that is broken, locked or
    out of all proportion.
    """
    seen = Rejoined(stream, HEAD)
    is_zip = seen.head.startswith((b"PK\x03\x04", b"PK\x05\x06"))
    is_gzip, is_pgp = seen.head.startswith(b"\x1f\x8b"), openpgp.is_message(seen.head)
    if not (is_zip or is_gzip or is_pgp):
        yield Part("", seen)
    elif level == _MAX_LEVELS:
        raise Unreadable(f"expected at most {_MAX_LEVELS} wrappers around a file, got more")
    elif is_gzip:
        yield from parts(_Inflated(seen), keys, level + 1)
    elif is_zip:
        with _spooled(seen) as archive:
            yield from _zipped(archive, keys, level + 1)
    else:
        with _decrypted(seen, keys or OpenPgpKeys()) as content:
            yield from parts(content, keys, level + 1)


class _Inflated:
    """The content of a gzip stream, member after member, its checksums proven by zlib."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._rest = b""
        self._taken = self._given = 0
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes (at most 64 KiB at once); raise Unreadable where the gzip is broken or a bomb."""
        wanted = _PIECE if size < 0 else min(size, _PIECE)
        while not self._ended:
            if not self._rest:
                self._rest = self._source.read(_PIECE)
                self._taken += len(self._rest)
            piece = self._inflate(wanted)
            if piece:
                self._given += len(piece)
                check_ratio(self._given, self._taken)
                return piece
        return b""

    def _inflate(self, wanted: int) -> bytes:
        if self._inflater.eof:
            # Another member may follow; zeros behind the last one are the padding of a tape or a block device.
            self._rest = self._rest.lstrip(b"\0")
            if not self._rest:
                self._ended = not (more := self._source.read(_PIECE))
                self._rest = more
                self._taken += len(more)
                return b""
            self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        elif not self._rest and not self._inflater.unconsumed_tail:
            raise Unreadable("expected a whole gzip file, it ends before its end")
        try:
            piece = self._inflater.decompress(self._rest, wanted)
        except zlib.error as error:
            raise Unreadable(f"expected a whole gzip file, got: {error}") from None
        self._rest = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
        return piece


def check_ratio(given: int, taken: int) -> None:
    """Raise Unreadable when `given` bytes came out of `taken`, more than any statement shrinks."""
    if given > MAX_BYTES or (given > _FREE and given > _RATIO * taken):
        raise Unreadable(f"expected a statement, got a wrapper that unfolds {taken} bytes into {given} and more")


def _zipped(archive: IO[bytes], keys: OpenPgpKeys | None, level: int) -> Iterator[Part]:
    with _whole_zip():
        opened = zipfile.ZipFile(archive)
    listed = opened.infolist()
    if not all(one.filename for one in listed):
        raise Unreadable("expected a whole zip file, got: a file without a name")
    if any(one.filename == "xl/workbook.xml" for one in listed):
        archive.seek(0)
        yield Part("", archive)
        return
    files = [one for one in listed if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
    if not 1 <= len(files) <= MAX_FILES:
        raise Unreadable(f"expected a zip of 1 to {MAX_FILES} files, got {len(files)}")
    check_ratio(sum(one.file_size for one in files), archive.seek(0, 2))
    for one in files:
        if one.flag_bits & 1:
            raise Unreadable("expected a zip without a password, got a locked one", shown(one.filename))
        with _whole_zip():
            member = opened.open(one)
        for inner in parts(_Member(member, one.compress_size), keys, level):
            yield Part(inner.name or one.filename, inner.stream)


@contextmanager
def _whole_zip() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error, ValueError, OSError) as error:
        raise Unreadable(f"expected a whole zip file, got: {ascii(str(error))[1:-1][:120] or 'its end'}") from None


class _Member:
    """A file inside a zip; it is held to the proportion that its archive promised, and proven by its checksum."""

    def __init__(self, member: Readable, packed: int) -> None:
        self._member, self._packed, self._given = member, packed, 0

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes (at most 64 KiB at once); raise Unreadable where the zip is broken or a bomb."""
        with _whole_zip():
            piece = self._member.read(_PIECE if size < 0 else min(size, _PIECE))
        self._given += len(piece)
        check_ratio(self._given, self._packed)
        return piece


def _spooled(stream: Readable) -> IO[bytes]:
    """Copy `stream` to a nameless file on disk, because its reader needs its end first."""
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's `with` closes it
    try:
        _copy(stream, spool)
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return spool


def _copy(stream: Readable, target: IO[bytes]) -> None:
    copied = 0
    while piece := stream.read(_PIECE):
        copied += len(piece)
        if copied > MAX_BYTES:
            raise Unreadable(f"expected at most {MAX_BYTES} bytes, got more")
        target.write(piece)


def _decrypted(stream: Readable, keys: OpenPgpKeys) -> IO[bytes]:
    """Open the message; its clear content has no name on disk when this returns, and no room once it is closed."""
    with tempfile.TemporaryDirectory(prefix="doisoat-pgp-") as folder:
        source, target = Path(folder) / "message", Path(folder) / "content"
        with source.open("wb") as kept:
            _copy(stream, kept)
        openpgp.decrypt(source, target, keys, max_bytes=MAX_BYTES)
        return target.open("rb")


def shown(name: str) -> str:
    """Return a name inside an archive in a form that is safe to show."""
    return ascii(name)[1:-1][-80:]
