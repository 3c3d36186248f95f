"""Letters: a message on its way as its parts, each of which leaves once and ends with a word of its own."""

from collections import OrderedDict
from dataclasses import dataclass, field
from random import SystemRandom

from sms import encoding
from sms.encoding import Encoding
from sms.smpp import pdus
from sms.transport import Accepted, OutgoingSms, Refused, Unsure

Word = Accepted | Refused | Unsure
_JOINED = 0x40
"""esm_class: the text begins with a header (UDHI)."""
_UCS2 = 0x08
_INTERNATIONAL, _ALPHANUMERIC = 1, 5
_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class Part:
    """One short message: its octets, header included, and how they are to be read."""

    octets: bytes = field(repr=False)
    esm_class: int
    data_coding: int


class References:
    """Counts the 8-bit references of longer texts, per number: a phone joins parts by sender and reference alone.

    Each number begins at a chance value, so that a restart seldom meets what a phone has not yet joined.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[str, int] = OrderedDict()
        self._chance = SystemRandom()

    def next(self, number: str) -> int:
        """Return the next reference for `number`, 0 to 255."""
        last = self._last.pop(number, None)
        value = self._chance.randrange(256) if last is None else (last + 1) % 256
        self._last[number] = value
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        return value


def parts_of(text: str, number: str, references: References) -> list[Part]:
    """Cut `text` for `number` into its parts; more than one begin with the header 05 00 03 reference total place."""
    alphabet = encoding.choose(text)
    coding = _UCS2 if alphabet is Encoding.UCS2 else 0
    cut = encoding.split(text)
    if len(cut) == 1:
        return [Part(encoding.octets(text, alphabet), 0, coding)]
    if not 0 < len(cut) < 256:
        raise ValueError(f"expected a text of 1 to 255 parts, got {len(cut)}")
    reference = references.next(number)
    heads = (bytes((5, 0, 3, reference, len(cut), place)) for place in range(1, len(cut) + 1))
    return [Part(head + encoding.octets(one, alphabet), _JOINED, coding) for head, one in zip(heads, cut, strict=True)]


class Letter:
    """A message in the bind's hands; one of its parts at a time is with the carrier.

    So a refusal of the message meets its first part, when nothing has left, and other messages fill the window. A part
    whose answer is missing does not hold up the others: the phone shows the text once all have come.
    """

    def __init__(self, message: OutgoingSms, parts: list[Part], give_up_at: float) -> None:
        self.message = message
        self.parts = parts
        self.give_up_at = give_up_at
        self.words: list[Word] = []
        self.last_refusal: Refused | None = None
        """What the carrier said while it would not take it yet."""

    @property
    def is_done(self) -> bool:
        """Whether every part has its word."""
        return len(self.words) == len(self.parts)

    @property
    def may_have_left(self) -> bool:
        """Whether any part of it is or may be with the customer."""
        return any(not isinstance(word, Refused) for word in self.words)

    def answered(self, word: Word) -> None:
        """Note the word on the part that is out; a refusal is one of all parts that follow."""
        self.words.append(word)
        if isinstance(word, Refused):
            self.give_up(word)

    def give_up(self, word: Refused) -> None:
        """End what has not left yet with `word`."""
        self.words += [word] * (len(self.parts) - len(self.words))

    def submit(self, sequence: int, source: str) -> bytes:
        """Return the submit_sm of the next part."""
        part = self.parts[len(self.words)]
        return pdus.submit(
            sequence, self.message.to.removeprefix("+"), part.octets,
            source_addr_ton=_ALPHANUMERIC if not source.isdigit() else 0,
            source_addr_npi=0 if not source.isdigit() else 1, source_addr=source,
            dest_addr_ton=_INTERNATIONAL, dest_addr_npi=1, esm_class=part.esm_class,
            registered_delivery=1, data_coding=part.data_coding,
        )  # fmt: skip
