"""Patterns for elements that differ in nothing but their texts, and the way back from a match to those texts.

What a pattern matches is as well-formed as the element it was made from: its tags are the same, character for
character, and its texts hold no markup, no entity, no character that XML forbids, and nothing a parser would alter.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

Match = re.Match[str]
Matcher = Callable[[str, int], Match | None]
"""Matches a text from a place on."""

SPACE = " \t\r\n"
_SPACE = r"[ \t\r\n]*+"
_ANY = r"[^\x00-\x08\x0b-\x1f&<>]*+"
"""Also without the carriage return (a parser would make it a line feed) and ">" (no text may hold "]]>").

U+FFFE and U+FFFF are looked for elsewhere, once for many elements.
"""
_TEXT = r"((?!\s)[^\x00-\x08\x0b-\x1f&<>]++(?<!\s))"
"""The same, not empty and without white space at either end: the plain reader would strip that."""
_NOTHING = ("",)


@dataclass(frozen=True, slots=True)
class Texts:
    """Chooses texts among the groups of a match: for each place one group, none, or several joined by a space."""

    pick: Callable[[tuple[str, ...]], tuple[str, ...]]
    joins: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, wanted: Iterable[Sequence[int]], groups: int) -> "Texts":
        """Compile `wanted`, the numbers of the groups for each of two or more places, out of so many `groups`."""
        at, joins = list[int](), list[tuple[int, ...]]()
        for numbers in wanted:
            if len(numbers) > 1:
                joins.append(tuple(numbers))
                at.append(groups + len(joins))
            else:
                at.append(numbers[0] if numbers else groups)
        return cls(itemgetter(*at), tuple(joins))

    def __call__(self, groups: tuple[str, ...]) -> tuple[str, ...]:
        """Return the texts for all places."""
        texts = groups + _NOTHING
        if self.joins:
            texts += tuple(" ".join([groups[one] for one in numbers]) for numbers in self.joins)
        return self.pick(texts)


def compiled(literals: Sequence[str], first: int, captured: Sequence[int], forms: Mapping[int, str]) -> Matcher:
    """Return the pattern of `literals` with texts between them, the first of which has the number `first`.

    The numbers in `captured` become groups, of the form that `forms` asks for (a pattern of one group) or of any that
    is not empty; the others, of which nothing is wanted, may be anything. White space may stand before it all.
    """
    pattern = [_SPACE, re.escape(literals[0])]
    for number, literal in enumerate(literals[1:], first):
        pattern += (forms.get(number, _TEXT) if number in captured else _ANY, re.escape(literal))
    return re.compile("".join(pattern)).match
