"""Hardened XML, read forward only: no DOCTYPE, bounded depth, bounded memory; elements arrive as they end.

A bank's file is text by strangers. Any DOCTYPE is refused (it is the only way to declare an entity), libxml2's own
limits stay on (256 levels deep, 10 MB a text), and what has been read is cut off the tree, so a file of any length
needs the memory of its largest single element. The encoding is what the XML declares: UTF-8, UTF-16, a byte order mark.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from lxml import etree

from banks.errors import Unreadable
from banks.records import Readable

Element = etree._Element
"""An lxml element; its class has no public name."""
Fields = dict[str, str]
"""Field name → text, as `gather` found it; a missing field has no key."""
Shape = dict[str, "str | Shape | Mixed"]
"""Tag → the field its text goes to, or the shape below it, or both: the compiled form of a table of paths."""

CHUNK = 64 * 1024
PIECE = 1024
"""Bytes parsed at a time until the root element starts: little of a hostile file is read before its DOCTYPE shows."""
MAX_PROLOG = 64 * 1024
"""The root element must start within so many bytes."""
MAX_PENDING = 4 * 1024 * 1024
"""So many bytes may pass without an awaited element ending; more is not a file of ours, however well-formed."""
MAX_TEXT = 100_000
"""Characters one field may hold, repetitions included."""


@dataclass(slots=True)
class Mixed:
    """What is wanted of an element beyond its text: an attribute and its field, or elements below it as well."""

    field: str = ""
    attribute: str = ""
    attribute_field: str = ""
    below: Shape = dataclass_field(default_factory=dict)

    def plain(self) -> "str | Shape | Mixed":
        """Return the simplest form that says the same: most elements hold either a text or elements."""
        if self.attribute or (self.field and self.below):
            return self
        return self.field or self.below


class Forward:
    """A parser that is handed bytes and hands back the awaited elements as they end.

    Those named in `kept` are not let go of, so their end does not make room for MAX_PENDING bytes more.
    """

    def __init__(self, names: Iterable[str], kept: Collection[str] = ()) -> None:
        self._names, self._kept = tuple(names), frozenset(kept)
        self._parser = _parser(("end",), [f"{{*}}{name}" for name in self._names])
        self._pending = 0

    def feed(self, chunk: bytes) -> Iterator[Element]:
        """Yield what ends within `chunk`; raise Unreadable for damage, after the elements that ended before it.

        The caller lets go of what it has read with `forget` (or `hollow`): whatever it keeps attached stays in memory.
        """
        wrong = None
        try:
            _feed(self._parser, chunk)
        except Unreadable as error:
            wrong = error
        self._pending += len(chunk)
        for _, element in self._parser.read_events():
            if split(str(element.tag))[1] not in self._kept:
                self._pending = 0
            yield element
        if wrong:
            raise wrong
        if self._pending > MAX_PENDING:
            raise Unreadable(f"expected one of {', '.join(self._names)} within {MAX_PENDING} bytes, got none")

    def skip(self, newlines: int) -> None:
        """Count lines of content that someone else has read; only between two elements, so after one has ended."""
        while newlines > 0:
            # A comment leaves nothing behind in the tree, where white space would pile up to one endless text.
            self._parser.feed(b"<!--" + b"\n" * min(newlines, CHUNK) + b"-->")
            newlines -= CHUNK

    def close(self) -> None:
        """Raise Unreadable when the document does not end here."""
        try:
            self._parser.close()
        except etree.XMLSyntaxError as error:
            raise _malformed(error) from None


def ended(source: Readable, names: Iterable[str], kept: Collection[str] = ()) -> Iterator[Element]:
    """Yield each element of `source` whose local name is in `names`, when it ends; raise Unreadable naming the line.

    `kept` are those of them that the caller does not let go of.
    """
    forward = Forward(names, kept)
    chunk = prolog(source)
    while chunk:
        yield from forward.feed(chunk)
        chunk = source.read(CHUNK)
    forward.close()


def started(head: bytes) -> list[str]:
    """List the tags ("{namespace}name") of the elements that start within `head`, the root first.

    `head` may end anywhere. Raise Unreadable for a DOCTYPE or for what can't be the beginning of XML.
    """
    parser = _parser(("start",), None)
    tags: list[str] = []
    for at in range(0, len(head), PIECE):
        tags += [str(element.tag) for element in _guarded(parser, head[at : at + PIECE])]
    return tags


def looks_like_xml(head: bytes) -> bool:
    """Tell whether `head` begins with "<", after a byte order mark and white space, in UTF-8 or UTF-16."""
    return head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<")


def split(tag: str) -> tuple[str, str]:
    """Split "{namespace}name" into the namespace ("" for none) and the local name."""
    namespace, _, name = tag.rpartition("}")
    return namespace[1:], name


def shape(paths: Mapping[str, str], namespace: str) -> Shape:
    """Compile a table of paths ("BookgDt/Dt", "Amt/@Ccy") → field names into what `gather` walks by."""
    leaves: dict[str, Mixed] = {}
    for path, field in paths.items():
        element, _, attribute = path.partition("/@")
        leaf = leaves.setdefault(element, Mixed())
        if attribute:
            leaf.attribute, leaf.attribute_field = attribute, field
        else:
            leaf.field = field
        while "/" in element:
            element = element.rpartition("/")[0]
            leaves.setdefault(element, Mixed())
    root: Shape = {}
    for element in sorted(leaves, key=lambda one: one.count("/"), reverse=True):
        parent, _, name = element.rpartition("/")
        level = leaves[parent].below if parent else root
        level[qualified(namespace, name)] = leaves[element].plain()
    return root


def qualified(namespace: str, name: str) -> str:
    """Return lxml's spelling of `name` in `namespace` ("" for none)."""
    return f"{{{namespace}}}{name}" if namespace else name


def gather(element: Element, wanted: Shape, found: Fields, until: Element | None = None) -> Fields:
    """Collect the texts below `element` that `wanted` names into `found`, in one walk that skips everything else.

    `until` is the child to stop before: how far beyond it the tree has grown depends on how the bytes came in.

    Repetitions are joined by a space: right for a narrative, and an amount or a date given twice becomes one that no
    parser accepts, instead of one of the two winning silently.
    """
    for child in element[:] if until is None else element[: element.index(until)]:
        leaf = wanted.get(child.tag)  # type: ignore[arg-type]  # lxml-stubs allow tags that a parser never makes
        if leaf is None:
            continue
        if isinstance(leaf, dict):
            gather(child, leaf, found)
            continue
        if isinstance(leaf, str):
            field = leaf
        else:
            field = leaf.field
            _gather_more(child, leaf, found)
        text = child.text
        if text is not None and (text := text.strip()):
            if field in found or len(text) > MAX_TEXT:
                text = _joined(found, field, text)
            found[field] = text
    return found


def _gather_more(element: Element, leaf: Mixed, found: Fields) -> None:
    if leaf.below:
        gather(element, leaf.below, found)
    if leaf.attribute:
        # An element with an attribute of interest is an amount: "1<x/>000" must not be read as 1.
        if len(element):
            raise Unreadable("expected plain text, got elements inside it", split(str(element.tag))[1])
        value = element.get(leaf.attribute)
        if value is not None:
            found[leaf.attribute_field] = _joined(found, leaf.attribute_field, value.strip())


def forget(element: Element) -> None:
    """Empty `element` and cut off everything before it under its parent; it may be the newest in a growing tree."""
    # The element itself and the text after it must stay: the parser may still be writing that text.
    element.clear(keep_tail=True)
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def hollow(element: Element) -> None:
    """Empty `element`, and cut off those of its own name that stand right before it; others before it stay."""
    element.clear(keep_tail=True)
    before = element.getprevious()
    if before is not None and before.tag == element.tag:
        parent = element.getparent()
        while parent is not None and before is not None and before.tag == element.tag:
            parent.remove(before)
            before = element.getprevious()


def line(element: Element, path: str = "") -> int | None:
    """Line in the file of the element at `path` ("BookgDt/Dt") below `element`, or of `element` when there is none."""
    for step in filter(None, path.split("/")):
        below = element.find(f"{{*}}{step}")
        if below is None:
            break
        element = below
    return element.sourceline


def _joined(found: Fields, field: str, text: str) -> str:
    if field in found:
        text = f"{found[field]} {text}"
    if len(text) > MAX_TEXT:
        raise Unreadable(f"expected at most {MAX_TEXT} characters of {field.replace('_', ' ')}, got more")
    return text


def prolog(source: Readable) -> bytes:
    """Read up to the start of the root element and return the bytes read, having refused any DOCTYPE."""
    parser = _parser(("start",), None)
    head = b""
    while len(head) < MAX_PROLOG:
        piece = source.read(PIECE)
        head += piece
        if not piece or _guarded(parser, piece):
            return head
    raise Unreadable(f"expected the root element within {MAX_PROLOG} bytes, got none")


def _guarded(parser: "etree.XMLPullParser[Any]", piece: bytes) -> list[Element]:
    """Feed one small piece and return the elements that started in it, or refuse the DOCTYPE before them."""
    wrong = None
    try:
        _feed(parser, piece)
    except Unreadable as error:
        wrong = error
    elements = [element for _, element in parser.read_events()]
    if elements:
        _refuse_doctype(elements[0])  # first, as it is the cause of "Entity 'x' not defined" and the like
    if wrong:
        raise wrong
    return elements


def _refuse_doctype(root: Element) -> None:
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable("expected XML without a DOCTYPE, got one", "line 1")


def _parser(events: tuple[Any, ...], tags: list[str] | None) -> "etree.XMLPullParser[Any]":
    # Not collect_ids=False: in libxml2 it is a form of "load the subset" and would fetch an external DTD.
    # Not resolve_entities=False: the push parser then swallows an undeclared "&x;" and reads on as if a file began.
    # Comments and instructions are dropped while parsing, so that "1<!-- -->000" is the text 1000, not 1.
    return etree.XMLPullParser(
        events=events,
        tag=tags,
        resolve_entities="internal",
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _feed(parser: "etree.XMLPullParser[Any]", chunk: bytes) -> None:
    try:
        parser.feed(chunk)
    except etree.XMLSyntaxError as error:
        raise _malformed(error) from None


def _malformed(error: etree.XMLSyntaxError) -> Unreadable:
    at = error.position[0]
    said = " ".join(str(error.msg).split()).partition(", line ")[0][:200]
    return Unreadable(f"expected well-formed XML, got: {said}", f"line {at}" if at else "")
