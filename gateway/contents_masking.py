"""What a bank sent, masked for a look: its structure stays, what stands in it is shortened like any free text.

Tags, field names and the words of the formats are kept; names, accounts and phone numbers are not. What can't be told
apart is masked: better a column title too many than a name.
"""

import html
import json
import re
from collections.abc import Callable
from urllib.parse import parse_qsl

from banks.profiles.standard import WORDS
from reconciliation.sealing import mask_numbers

_TAG = re.compile(r"(<!\[CDATA\[.*?\]\]>|<!--.*?-->|<[^<>]*>)", re.DOTALL)
_NAME = re.compile(r"<[/?]?[\w:.\-]+")
_ATTRIBUTE = re.compile(r"([\w:.\-]+\s*=\s*)(\"[^\"]*\"|'[^']*')")
_FIN = re.compile(r"\{\d:")
"""How a SWIFT message in its blocks begins."""
_FORM = re.compile(r"[\w.\-]+=[^\s&]*(?:&[\w.\-]+=[^\s&]*)*&?", re.ASCII)
_WORDS = frozenset(
    "CRDT DBIT BOOK PDNG INFO FUTR VND USD EUR OPBD CLBD PRCD ITBD CLAV OPAV FWAV OTHR NOTPROVIDED SLEV SHAR SALA TRF"
    " NTRF PMNT RCDT ICDT IDDT RDDT ACCC ACSC ACCP ACTC RJCT PART true false null".split()
)
"""Words of the formats that say nothing of a person."""
_ALONE = re.compile(
    rf"(?<!\w)({'|'.join(sorted(_WORDS, key=len, reverse=True))}"
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?|\d\d[/.]\d\d[/.]\d{4}|\d{1,12}[.,]\d\d)(?!\w|[.,]\d)"
)
"""Those words, days and amounts with decimals, which no account number looks like."""
_STRING = re.compile(r'("(?:[^"\\]|\\.)*"(?:\s*:)?)', re.DOTALL)
_BETWEEN = re.compile(r"(\?\d\d|\b\d{1,3}(?=[^\W\d_]{2,}\b)|[;,|\t\"'=:/?+<>()\[\]{}]+)")
"""What parts the fields of delimited files and of SWIFT messages, whose two digits may stand before a name."""
_LONG = re.compile(r"[A-Za-z0-9_+/=\-]{64,}")
Mask = Callable[[str], str]


def contents(text: str, mask: Mask) -> str:
    """Return a text as a bank sent it with everything but its structure run through `mask`."""
    begun = text.lstrip()
    if begun.startswith("<"):
        return _xml(text, mask)
    if begun.startswith(("{", "[")) and not _FIN.match(begun):
        return _json(text, mask)
    if _FORM.fullmatch(text.strip()):
        return "\n".join(
            f"{name}={_value(value, mask)}" for name, value in parse_qsl(text.strip(), keep_blank_values=True)
        )
    return "\n".join(_value(line, mask) for line in text.splitlines())


def _xml(text: str, mask: Mask) -> str:
    parts = _TAG.split(text)
    return "".join(
        _tag(part, mask) if place % 2 else _value(html.unescape(part), mask) for place, part in enumerate(parts)
    )


def _tag(tag: str, mask: Mask) -> str:
    for opens, closes in (("<!--", "-->"), ("<![CDATA[", "]]>")):
        if tag.startswith(opens):
            return opens + _value(tag[len(opens) : -len(closes)], mask) + closes
    name = _NAME.match(tag)
    if name is None:
        return _value(tag, mask)
    parts = _ATTRIBUTE.split(tag[name.end() :])
    for place in range(0, len(parts) - 2, 3):
        parts[place] = _value(parts[place], mask)
        if not parts[place + 1].startswith(("xmlns", "version", "encoding", "xsi:")):
            parts[place + 2] = _value(html.unescape(parts[place + 2]), mask)
    parts[-1] = _value(parts[-1], mask)
    return name[0] + "".join(parts)


def _json(text: str, mask: Mask) -> str:
    shown, words = [], frozenset[str]()
    for place, part in enumerate(_STRING.split(text)):
        if not place % 2:
            shown.append(_value(part, mask))
        elif part.endswith(":"):  # a field's name
            words = WORDS.get(_said(part[:-1].rstrip()), frozenset())
            shown.append(part)
        else:
            said = _said(part)
            shown.append(json.dumps(said if said in words else _value(said, mask), ensure_ascii=False))
            words = frozenset()  # they are of this one value
    return "".join(shown)


def _said(string: str) -> str:
    try:
        return str(json.loads(string, strict=False))
    except ValueError:
        return string[1:-1]


def _value(text: str, mask: Mask) -> str:
    """Return one value masked; days, amounts and words of the formats stay as they are."""
    text = _LONG.sub(lambda found: f"{found[0][:4]}···", text)
    kept = _ALONE.split(text)
    return "".join(part if place % 2 else _masked(part, mask) for place, part in enumerate(kept))


def _masked(part: str, mask: Mask) -> str:
    # A name beside a separator is a word of its own here, however the fields of a format are told apart.
    parts = _BETWEEN.split(mask_numbers(part))
    return "".join(one if place % 2 or not one.strip() else mask(one) for place, one in enumerate(parts))
