"""What a statement file may be wrapped in: gzip, zip, OpenPGP, one inside the other; unwrapped as a stream, bounded.

A wrapper says how large its content is, or does not, and may lie: what comes out of each is counted as it comes, and
content out of all proportion to the file that came, however many wrappers deep, is refused before it is read further.
"""

import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from banks import openpgp
from banks.errors import Unreadable
from banks.openpgp import OpenPgpKeys
from banks.records import Readable
from banks.shown import shown_name
from banks.statements.zip_damage import ZIP_DAMAGE

HEAD = 64
MAX_BYTES = 1024**3
"""Bytes kept on disk of a wrapper that can't be read forward only (zip, OpenPGP), and of what one unfolds into."""
MAX_FILES = 100
_MAX_LEVELS = 4
_RATIO, _FREE = 200, 8 * 1024 * 1024
"""Statements shrink to a tenth or a fiftieth; after the first 8 MiB, content 200 times its wrapper is a bomb."""
_PIECE = 64 * 1024
_QUOTED = re.compile(r"['\"].*['\"]", re.DOTALL)
"""The names of files in what the zip library says."""


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


def parts(stream: Readable, keys: OpenPgpKeys | None = None) -> Iterator[Part]:
    """Yield what `stream` holds once unwrapped: itself, or the files inside, each read before the next is asked for.

    An XLSX workbook is a zip too and is yielded as it stands. Raise Unreadable for a wrapper that is broken, locked or
    out of all proportion, and for a file in the clear where `keys` declare who must have signed it.
    """
    measured = _Measured(stream)
    return _unwrapped(measured, keys or OpenPgpKeys(), measured, level=0, signed=False)


class _Measured:
    """The file that came, the bytes taken of it counted, and beside them those that each level of wrappers gave."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._taken = 0
        self._given = [0] * _MAX_LEVELS

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; b"" at the end."""
        piece = self._stream.read(size)
        self._taken += len(piece)
        return piece

    @property
    def bearable(self) -> int:
        """Bytes that what has been taken may unfold into."""
        return min(MAX_BYTES, max(_FREE, _RATIO * self._taken))

    def give(self, level: int, size: int) -> None:
        """Count `size` bytes more that wrappers at `level` gave; raise Unreadable when it is a bomb."""
        self._given[level] += size
        self.check(self._given[level])

    def check(self, given: int) -> None:
        """Raise Unreadable when `given` bytes are more than any statement shrinks to what was taken."""
        if given > self.bearable:
            raise Unreadable(
                f"expected a statement, got a wrapper that unfolds {self._taken} bytes into {given} and more"
            )


def _unwrapped(stream: Readable, keys: OpenPgpKeys, measured: _Measured, *, level: int, signed: bool) -> Iterator[Part]:
    """Yield the parts of `stream`, which stands `level` wrappers deep; `signed`: one of them was signed as declared."""
    seen = Rejoined(stream, HEAD)
    is_zip = seen.head.startswith((b"PK\x03\x04", b"PK\x05\x06"))
    is_gzip, is_pgp = seen.head.startswith(b"\x1f\x8b"), openpgp.is_message(seen.head)
    if not (is_zip or is_gzip or is_pgp):
        _expect_signed(keys, signed=signed)
        yield Part("", seen)
    elif level == _MAX_LEVELS:
        raise Unreadable(f"expected at most {_MAX_LEVELS} wrappers around a file, got more")
    elif is_gzip:
        inflated = _Inflated(seen, partial(measured.give, level))
        yield from _unwrapped(inflated, keys, measured, level=level + 1, signed=signed)
    elif is_zip:
        with _spooled(seen) as archive:
            yield from _zipped(archive, keys, measured, level=level, signed=signed)
    else:
        with _decrypted(seen, keys, measured) as content:
            # No message opens that none of the declared signers has signed.
            yield from _unwrapped(content, keys, measured, level=level + 1, signed=True)


def _expect_signed(keys: OpenPgpKeys, *, signed: bool) -> None:
    if keys.signers and not signed:
        raise Unreadable("expected a file signed by the bank's OpenPGP key, got one in the clear")


class _Inflated:
    """The content of a gzip stream, member after member, its checksums proven by zlib."""

    def __init__(self, source: Readable, give: Callable[[int], None]) -> None:
        self._source, self._give = source, give
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._rest = b""
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes (at most 64 KiB at once); raise Unreadable where the gzip is broken or a bomb."""
        wanted = _PIECE if size < 0 else min(size, _PIECE)
        while not self._ended:
            if not self._rest:
                self._rest = self._source.read(_PIECE)
            piece = self._inflate(wanted)
            if piece:
                self._give(len(piece))
                return piece
        return b""

    def _inflate(self, wanted: int) -> bytes:
        if self._inflater.eof:
            # Another member may follow; zeros behind the last one are the padding of a tape or a block device.
            self._rest = self._rest.lstrip(b"\0")
            if not self._rest:
                self._ended = not (more := self._source.read(_PIECE))
                self._rest = more
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


def _zipped(archive: IO[bytes], keys: OpenPgpKeys, measured: _Measured, *, level: int, signed: bool) -> Iterator[Part]:
    with _whole_zip():
        opened = zipfile.ZipFile(archive)
    listed = opened.infolist()
    if not all(one.filename for one in listed):
        raise Unreadable("expected a whole zip file, got: a file without a name")
    if any(one.filename == "xl/workbook.xml" for one in listed):
        _expect_signed(keys, signed=signed)
        archive.seek(0)
        yield Part("", archive)
        return
    files = [one for one in listed if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
    if not 1 <= len(files) <= MAX_FILES:
        raise Unreadable(f"expected a zip of 1 to {MAX_FILES} files, got {len(files)}")
    measured.check(sum(one.file_size for one in files))
    for one in files:
        if one.flag_bits & 1:
            raise Unreadable("expected a zip without a password, got a locked one", shown_name(one.filename))
        with _whole_zip():
            member = opened.open(one)
        content = _Member(member, partial(measured.give, level))
        for inner in _unwrapped(content, keys, measured, level=level + 1, signed=signed):
            yield Part(inner.name or one.filename, inner.stream)


@contextmanager
def _whole_zip() -> Iterator[None]:
    try:
        yield
    except ZIP_DAMAGE as error:
        said = _QUOTED.sub("(a name)", ascii(str(error))[1:-1])[:120]
        raise Unreadable(f"expected a whole zip file, got: {said or 'its end'}") from None


class _Member:
    """A file inside a zip, proven by its checksum; the zip gives at most the bytes that it declares."""

    def __init__(self, member: Readable, give: Callable[[int], None]) -> None:
        self._member, self._give = member, give

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes (at most 64 KiB at once); raise Unreadable where the zip is broken or a bomb."""
        with _whole_zip():
            piece = self._member.read(_PIECE if size < 0 else min(size, _PIECE))
        self._give(len(piece))
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


def _decrypted(stream: Readable, keys: OpenPgpKeys, measured: _Measured) -> IO[bytes]:
    """Open the message; its clear content has no name on disk when this returns, and no room once it is closed."""
    with tempfile.TemporaryDirectory(prefix="doisoat-pgp-") as folder:
        source, target = Path(folder) / "message", Path(folder) / "content"
        with source.open("wb") as kept:
            _copy(stream, kept)
        openpgp.decrypt(source, target, keys, max_bytes=measured.bearable)
        return target.open("rb")
