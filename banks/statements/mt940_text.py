"""The bytes of an MT940 or MT942 file as text, in blocks of whole lines, whatever their encoding and line endings."""

import codecs
import re
import unicodedata
from collections.abc import Iterator

from banks.errors import Unreadable
from banks.records import Readable

CHUNK = 48 * 1024
MAX_LINE = 64 * 1024
"""Bytes of one line: SWIFT allows 65, real banks a few hundred."""

# A character of control inside an amount must not join the digits around it, so each becomes a space.
_WITHOUT_CONTROL = bytes(b" "[0] if (one < 32 and one != 10) or one == 127 else one for one in range(256))
_BARE_RETURN = re.compile(rb"\r(?!\n)")
# In CP1258 tone marks follow their vowel, and D0 and F0 are Đ and đ.
_VIETNAMESE = re.compile(
    rb"[AEIOUYaeiouy\xc2\xca\xd4\xe2\xea\xf4\xc3\xe3\xd5\xf5\xdd\xfd][\xcc\xd2\xde\xec\xf2]|[\xd0\xf0]"
)
_UTF16 = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b":\0": "utf-16-le", b"\0:": "utf-16-be"}


def glance(head: bytes) -> str:
    """Return the beginning of a file as text in which ASCII is right, whatever became of the rest."""
    text = head.decode(_UTF16.get(head[:2], "latin-1"), errors="replace")
    return text.removeprefix("\xef\xbb\xbf").removeprefix("\ufeff")


def blocks(stream: Readable) -> Iterator[str]:
    """Yield the text of `stream`, some thousand lines at a time; each ends in a line feed, no other control character.

    Raise Unreadable for a line of more than MAX_LINE bytes.
    """
    tail, number, first = b"", 0, True
    for chunk in _utf8(stream):
        data = tail + chunk
        if first:
            data, first = data.removeprefix(codecs.BOM_UTF8), False
        cut = data.endswith(b"\r")  # its "\n" may be the next byte
        if b"\r" in data:
            data = data[:-1] if cut else data
            # To take one byte out is far quicker than to put one for two.
            if _BARE_RETURN.search(data) is not None:
                data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            data = data.replace(b"\r", b"")
        end = data.rfind(b"\n") + 1
        tail = data[end:]
        if end:
            _check_length(data.index(b"\n"), number + 1)
            number += data.count(b"\n", 0, end)
            yield _decoded(data[:end])
        _check_length(len(tail), number + 1)
        if cut:
            tail += b"\r"
    if tail:
        yield _decoded(tail.removesuffix(b"\r") + b"\n")


def _check_length(length: int, number: int) -> None:
    if length > MAX_LINE:
        raise Unreadable(f"expected lines of at most {MAX_LINE} bytes, got a longer one", f"line {number}")


def _utf8(stream: Readable) -> Iterator[bytes]:
    """Yield the bytes of `stream`, in UTF-8 if they came in UTF-16."""
    chunk = stream.read(CHUNK)
    while len(chunk) < 3 and (piece := stream.read(CHUNK)):
        chunk += piece
    encoding = _UTF16.get(chunk[:2])
    if encoding is None:
        while chunk:
            yield chunk
            chunk = stream.read(CHUNK)
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while chunk:
            yield decoder.decode(chunk).encode()
            chunk = stream.read(CHUNK)
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError:
        raise Unreadable("expected UTF-16 as the file begins in it, got bytes that are none") from None


def _decoded(data: bytes) -> str:
    data = data.translate(_WITHOUT_CONTROL)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "\n".join(map(_line, data.split(b"\n")))


def _line(data: bytes) -> str:
    """Decode one line of a file that is not all UTF-8; any byte means something, so nothing is refused here."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    for encoding in ("cp1258", "cp1252") if _VIETNAMESE.search(data) else ("cp1252",):
        try:
            return unicodedata.normalize("NFC", data.decode(encoding))
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")
