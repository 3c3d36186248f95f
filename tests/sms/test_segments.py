"""Parts and where they part, against an independent library: 10,000 texts with difficult signs at the edges."""

import random
from collections import Counter

import smsutil  # type: ignore[import-untyped]  # the wheel carries no types

from sms.encoding import Encoding, measure, split

SEED = 20261129
TEXTS = 10_000
BASIC = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡AZÄÖÑÜ§¿azäöñüà"
ESCAPED = "\f^{}\\[~]|€"
BEYOND = "ấđệơưỹ–“”日"
PAIRS = "😀🔌⚡\U00020000\U0010ffff"
# What a GSM-7 part holds in septets and a UCS-2 part in words, alone and as one of several: edges lie around these.
EDGES = {Encoding.GSM7: (160, 153), Encoding.UCS2: (70, 67)}


def a_text(chance: random.Random) -> str:
    """Make a text that is about as long as some number of whole parts, with wide signs strewn at the joints."""
    encoding = chance.choice(list(EDGES))
    alone, joined = EDGES[encoding]
    plain, wide = (BASIC, ESCAPED) if encoding is Encoding.GSM7 else (BEYOND + BASIC, PAIRS)
    length = chance.choice([alone, joined, 2 * joined, 3 * joined, chance.randrange(1, 4 * joined)])
    signs = chance.choices(plain, k=max(1, length + chance.randrange(-3, 4)))
    if encoding is Encoding.UCS2:
        signs[chance.randrange(len(signs))] = chance.choice(BEYOND)
    for edge in (alone, joined, 2 * joined, 3 * joined):
        for place in range(edge - 3, edge + 3):
            if place < len(signs) and chance.random() < 0.3:
                signs[place] = chance.choice(wide)
    return "".join(signs)


def test_ten_thousand_texts_are_counted_and_parted_as_an_independent_library_does() -> None:
    chance = random.Random(SEED)
    seen: Counter[str] = Counter()
    for _ in range(TEXTS):
        text = a_text(chance)
        measured, parts, theirs = measure(text), split(text), smsutil.split(text)
        assert parts == [part.content for part in theirs.parts], repr(text)
        assert measured.parts == len(theirs.parts), repr(text)
        gsm = measured.encoding is Encoding.GSM7
        assert theirs.encoding == ("gsm0338" if gsm else "utf_16_be"), repr(text)
        assert theirs.total_bytes == (measured.units if gsm else 2 * measured.units), repr(text)
        seen[measured.encoding] += 1
        # How often a sign of two units did not fit what its part had left, which is what the edges are about.
        full = EDGES[measured.encoding][1]
        seen["moved on"] += sum(part.bytes < (full if gsm else 2 * full) for part in theirs.parts[:-1])
    assert min(seen[Encoding.GSM7], seen[Encoding.UCS2]) > 3_000, seen
    assert seen["moved on"] > 1_000, seen


def test_where_the_library_departs_from_the_standard_we_follow_the_standard() -> None:
    # An empty text: the library sends it in one part. TS 23.040 knows such a message, we never send one: no parts.
    assert (len(smsutil.split("").parts), measure("").parts, split("")) == (1, 0, [])
    # The bare escape: the library takes it for a sign of the table. In TS 23.038 it only announces another one, and
    # alone is shown as a space, so a text that holds it can't be written in GSM-7.
    assert (smsutil.split("a\x1b").encoding, measure("a\x1b").encoding) == ("gsm0338", Encoding.UCS2)
