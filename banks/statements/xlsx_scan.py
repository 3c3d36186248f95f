"""Long parts of a workbook (rows, shared texts) in two ways that agree: a pattern for plain ones, lxml for all others.

Excel and the libraries that banks use write millions of elements in a handful of forms. What matches such a form whole,
from tag to tag, right where the last one ended, needs no parser to be understood. Anything else (rich text, a prefix, a
comment, single quotes) is parsed by itself under the part's own root, and when even that fails the rest of the part
goes through the parser, which then says what is wrong.
"""

import codecs
import re
from collections.abc import Iterator
from io import BytesIO

from banks import xml
from banks.errors import Unreadable
from banks.records import Readable

CHUNK = 256 * 1024
_HEAD = 64 * 1024
_LONGEST = 4 * 1024 * 1024
"""Characters that one element may take."""
_MAX_ODD = 200
"""Elements parsed by themselves; where there are more, one parser for all the rest is faster."""
_PLAIN_HEAD = re.compile(r'\ufeff?(?:<\?xml version="1\.0"(?: encoding="(?i:utf-8)")?[^<>?]*\?>)?\s*(?!<\?)[^!?&]*')


def scan(stream: Readable, container: str, name: str, regular: re.Pattern[str]) -> Iterator[str | xml.Element]:
    """Yield, in order, texts that `regular` matches (any number of elements each) and single elements called `name`.

    `container` is the element whose children they are. The caller `xml.forget`s the elements. The stream is read to its
    end, as it proves its checksum there.
    """
    for piece in _pieces(stream, container, name, regular):
        if isinstance(piece, str) or xml.split(str(piece.tag))[1] == name:
            yield piece
        else:
            break  # the container's end: what stands behind it says nothing of its children
    while stream.read(CHUNK):
        pass


def _pieces(stream: Readable, container: str, name: str, regular: re.Pattern[str]) -> Iterator[str | xml.Element]:
    start = _start(stream, container)
    if isinstance(start, bytes):
        yield from xml.ended(_Joined(start, stream), (name, container))
        return
    head, text, decoder = start
    at, odd, root = 0, 0, re.search(r"<([\w.:-]+)", head.rpartition("?>")[2])
    undecoded = decoder.getstate()[0]
    closing, tag = f"</{name}>", re.compile(rf"\s*<{name}[\s/>]")
    while True:
        end = regular.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing as well
        if end > at:
            yield text[at:end]
            at = end
        stop = text.find(closing, at)
        if stop >= 0 and root is not None and tag.match(text, at):
            element = _parsed(head, text[at : stop + len(closing)], container, root[1], name)
            odd += 1
            if element is None or odd > _MAX_ODD:
                break
            yield element
            at = stop + len(closing)
        elif len(text) - at > _LONGEST or not (piece := stream.read(CHUNK)):
            break
        else:
            undecoded += piece
            try:
                text, at = text[at:] + decoder.decode(piece), 0
                undecoded = decoder.getstate()[0]
            except UnicodeDecodeError:
                break
    yield from xml.ended(_Joined((head + text[at:]).encode() + undecoded, stream), (name, container))


def _start(stream: Readable, container: str) -> bytes | tuple[str, str, codecs.IncrementalDecoder]:
    """Read up to the container's start; return what was read, as text in two parts where it is plain UTF-8."""
    opening = re.compile(rf"<{container}(?: [^<>]*)?(?<!/)>")
    data = b""
    while len(data) < _HEAD and (piece := stream.read(CHUNK)):
        data += piece
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(data)
    except UnicodeDecodeError:
        return data
    found = opening.search(text)
    if found is None or _PLAIN_HEAD.fullmatch(text[: found.end()]) is None:
        return data
    return text[: found.end()], text[found.end() :], decoder


def _parsed(head: str, piece: str, container: str, root: str, name: str) -> xml.Element | None:
    """Parse one element where it stands, under the part's own root; None when it is not whole by itself."""
    ends = f"</{container}>" if container == root else f"</{container}></{root}>"
    try:
        found = list(xml.ended(BytesIO((head + piece + ends).encode()), (name,)))
    except (Unreadable, UnicodeEncodeError):
        return None
    return found[0] if len(found) == 1 else None


class _Joined:
    """Bytes read already and the stream they came from, as one."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head, self._rest = BytesIO(head), rest

    def read(self, size: int = -1, /) -> bytes:
        return self._head.read(size) or self._rest.read(size)
