"""An XML element as it is written: its tags word for word, and the texts between them with the paths they stand at.

Only the plainest XML has an outline: letters for names, no prefix, no namespace of its own, no entity, comment, CDATA
or instruction. All other is for the XML parser alone.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

_TAG = re.compile(r"""<(/?)([A-Za-z][A-Za-z0-9]*)((?:\s+[A-Za-z]+=(?:"[^"<&]*"|'[^'<&]*'))*)\s*(/?)>""", re.ASCII)
_ATTRIBUTE = re.compile(r"""([A-Za-z]+)=(?:"([^"]*)"|'([^']*)')""", re.ASCII)


@dataclass(frozen=True, slots=True)
class Outline:
    """What `literals` hold never changes; `texts` stand between them, at `paths` ("BookgDt/Dt") below the element.

    `kept` are (path, value) pairs of what is part of the literals and yet means something: attributes ("Amt/@Ccy") and
    the texts at the paths that `outline` was told to keep. `elements` are the paths of all elements, with "" for the
    outermost.
    """

    literals: tuple[str, ...]
    paths: tuple[str, ...]
    texts: tuple[str, ...]
    kept: tuple[tuple[str, str], ...]
    elements: tuple[str, ...]

    def write(self, texts: Sequence[str]) -> str:
        """Return the element with other texts in it."""
        written = [self.literals[0]]
        for text, literal in zip(texts, self.literals[1:], strict=True):
            written += (text, literal)
        return "".join(written)


def outline(written: str, name: str, keep: Collection[str] = ()) -> Outline | None:
    """Return the outline of the element `name` that is all of `written`, known to be well-formed; None if it has none.

    The texts at the paths in `keep` stay literals.
    """
    if not written.startswith(f"<{name}>"):
        return None
    literals, paths, texts, kept, elements = list[str](), list[str](), list[str](), list[tuple[str, str]](), list[str]()
    within = list[str]()
    at = start = 0
    while at < len(written):
        tag = _TAG.match(written, at)
        if tag is None or (at and not within):
            return None
        ends, tagged, attributes, empty = tag.groups()
        if ends:
            if attributes or empty or within.pop() != tagged:
                return None
        else:
            within.append(tagged)
            elements.append("/".join(within[1:]))
            kept += [(f"{elements[-1]}/@{key}", value) for key, value in _values(attributes)]
            if empty:
                within.pop()
        after = written.find("<", tag.end())
        at = len(written) if after < 0 else after
        text = written[tag.end() : at]
        if not text.strip():
            continue
        leaf = not ends and not empty and written.startswith(f"</{tagged}", at)
        if not leaf or "&" in text or ">" in text:
            return None
        if elements[-1] in keep:
            kept.append((elements[-1], text.strip()))
        else:
            literals.append(written[start : tag.end()])
            paths.append(elements[-1])
            texts.append(text)
            start = at
    if within or any(path.endswith("/@xmlns") for path, _ in kept):
        return None
    literals.append(written[start:])
    return Outline(tuple(literals), tuple(paths), tuple(texts), tuple(kept), tuple(elements))


def _values(attributes: str) -> list[tuple[str, str]]:
    return [(name, (one or other).strip()) for name, one, other in _ATTRIBUTE.findall(attributes)]
