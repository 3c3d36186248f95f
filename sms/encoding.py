"""How a text travels: GSM-7 or UCS-2, how many parts it takes, and the same text without Vietnamese diacritics.

Source: 3GPP TS 23.038 (the default alphabet and its extension table) and TS 23.040 (a part of a longer text gives up
six octets to a header with an 8-bit reference). Vietnamese has no national shift table, so one ấ makes a text UCS-2.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum


class Encoding(StrEnum):
    """The two alphabets a short message can be sent in."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a text costs: `units` are septets (GSM-7) or 16-bit words (UCS-2), `parts` are what a carrier bills."""

    encoding: Encoding
    units: int
    parts: int


_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPE = 0x1B
_EXTENSION = {"\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40}
_EXTENSION["€"] = 0x65

_OCTETS = {sign: bytes((code,)) for code, sign in enumerate(_BASIC) if code != _ESCAPE}
_OCTETS.update({sign: bytes((_ESCAPE, code)) for sign, code in _EXTENSION.items()})

_SIGNS = re.compile(f"[{re.escape(''.join(_OCTETS))}]*")
_WRITTEN = {ord(sign): octets.decode("latin-1") for sign, octets in _OCTETS.items()}

_SINGLE = {Encoding.GSM7: 160, Encoding.UCS2: 70}
_JOINED = {Encoding.GSM7: 153, Encoding.UCS2: 67}

_FOLDED = str.maketrans(
    {
        # đ is a letter of its own for Unicode: no decomposition yields a d. Ð ð (eth) stand in for it in old files.
        "đ": "d",
        "Đ": "D",
        "ð": "d",
        "Ð": "D",
        "₫": "d",
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("‘’‚‛′", "'"),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("\u00a0\u2007\u2009\u200a\u202f\t", " "),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
        "…": "...",
        "•": "-",
        "×": "x",
    }
)


def choose(text: str) -> Encoding:
    """Return the encoding `text` needs: GSM-7 when each sign is in its tables, else UCS-2."""
    return Encoding.GSM7 if _SIGNS.fullmatch(text) else Encoding.UCS2


def measure(text: str) -> Measured:
    """Measure `text` as it stands (nothing is normalised); an empty text has no parts."""
    encoding = choose(text)
    units = _units(text, encoding)
    whole = units <= _SINGLE[encoding]  # as nearly all texts are: nobody looks for where they part
    return Measured(encoding, units, int(units > 0) if whole else len(_ends(_widths(text, encoding), encoding)))


def split(text: str) -> list[str]:
    """Cut `text` into the parts it is sent in; an escaped sign or a surrogate pair stays in one part."""
    encoding = choose(text)
    if _units(text, encoding) <= _SINGLE[encoding]:
        return [text] if text else []
    ends = _ends(_widths(text, encoding), encoding)
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def octets(text: str, encoding: Encoding) -> bytes:
    """Write `text` as octets: one septet to an octet, unpacked (as SMPP carries it), or UTF-16 big-endian.

    Raises UnicodeEncodeError for a sign that `encoding` does not have.
    """
    if encoding is Encoding.UCS2:
        return text.encode("utf-16-be")
    known = _SIGNS.match(text)
    if known is not None and (place := known.end()) < len(text):
        raise UnicodeEncodeError("gsm7", text, place, place + 1, "expected a sign of the GSM-7 tables")
    return text.translate(_WRITTEN).encode("latin-1")


def strip_diacritics(text: str) -> str:
    """Return `text` without diacritics, typographic signs replaced by plain ones: "Điện lực…" → "Dien luc...".

    Signs that have no plain form (emoji, other scripts) stay; `choose` then says UCS-2.
    """
    if text.isascii() and "\t" not in text:
        return text
    folded = unicodedata.normalize("NFC", text).translate(_FOLDED)
    letters = (sign for sign in unicodedata.normalize("NFD", folded) if unicodedata.category(sign) != "Mn")
    return unicodedata.normalize("NFC", "".join(letters))


def _units(text: str, encoding: Encoding) -> int:
    if encoding is Encoding.GSM7:
        return len(text) + sum(map(text.count, _EXTENSION))
    return len(text) + sum(sign > "\uffff" for sign in text)


def _widths(text: str, encoding: Encoding) -> list[int]:
    """Units per sign: two for an escaped sign of GSM-7, two for a sign outside the basic plane of UCS-2."""
    if encoding is Encoding.GSM7:
        return [len(_OCTETS[sign]) for sign in text]
    return [2 if ord(sign) > 0xFFFF else 1 for sign in text]


def _ends(widths: list[int], encoding: Encoding) -> list[int]:
    """Where each part of a text for several ends, as an index into it; no sign is ever divided."""
    ends: list[int] = []
    used = 0
    for place, width in enumerate(widths):
        if used + width > _JOINED[encoding]:
            ends.append(place)
            used = 0
        used += width
    return [*ends, len(widths)]
