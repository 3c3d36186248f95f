"""What a bank sent, masked for a look: its structure stays, what stands in it is shortened like any free text.

Tags, field names and the words of the formats are kept; names, accounts and phone numbers are not. What can't be told
apart is masked: better a column title too many than a name.
"""

import html
import json
import re
from collections.abc import Callable
from urllib.parse import parse_qsl

from reconciliation.sealing import mask_numbers

_TAG = re.compile(r"(<[^<>]*>)")
_ATTRIBUTE = re.compile(r"(=\s*)(\"[^\"]*\"|'[^']*')")
_FORM = re.compile(r"[\w.\-]+=[^\s&]*(?:&[\w.\-]+=[^\s&]*)*&?", re.ASCII)
_WORDS = frozenset(
    "CRDT DBIT BOOK PDNG INFO FUTR VND USD EUR OPBD CLBD PRCD ITBD CLAV OPAV FWAV OTHR NOTPROVIDED SLEV SHAR SALA TRF"
    " NTRF PMNT RCDT ICDT IDDT RDDT ACCC ACSC ACCP ACTC RJCT PART true false null".split()
)
"""Words of the formats that say nothing of a person."""
_ALONE = re.compile(
    rf"(?<!\w)({'|'.join(sorted(_WORDS, key=len, reverse=True))}"
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?|\d\d[/.]\d\d[/.]\d{4}|\d{1,12}[.,]\d\d)(?![\w.,])"
)
"""Those words, days and amounts with decimals, which no account number looks like."""
_JSON = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+\-]*', re.DOTALL)
_BETWEEN = re.compile(r"(\?\d\d|\b\d{1,3}(?=[^\W\d_]{2,}\b)|[;,|\t\"'=:/?+<>()\[\]{}]+)")
"""What parts the fields of delimited files and of SWIFT messages, whose two digits may stand before a name."""
_LONG = re.compile(r"[A-Za-z0-9_+/=\-]{64,}")
Mask = Callable[[str], str]


def contents(text: str, mask: Mask) -> str:
    """Return a text as a bank sent it with everything but its structure run through `mask`."""
    begun = text.lstrip()
    if begun.startswith("<"):
        return _xml(text, mask)
    if begun.startswith(("{", "[")):
        return _JSON.sub(lambda found: _json(found, mask), text)
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
    if tag.startswith("<!--"):
        return f"<!--{_value(tag[4:-3], mask)}-->"
    if tag.startswith("<?") or "xmlns" in tag:
        return tag
    return _ATTRIBUTE.sub(lambda found: found[1] + _value(html.unescape(found[2]), mask), tag)


def _json(found: re.Match[str], mask: Mask) -> str:
    if found[2] is not None or found[1] is None:  # a field's name, or a number
        return found[0] if found[2] is not None else mask_numbers(found[0])
    try:
        said = str(json.loads(found[1], strict=False))
    except ValueError:
        said = found[1][1:-1]
    return json.dumps(_value(said, mask), ensure_ascii=False)


def _value(text: str, mask: Mask) -> str:
    """Return one value masked; days, amounts and words of the formats stay as they are."""
    text = _LONG.sub(lambda found: f"{found[0][:4]}···", text)
    kept = _ALONE.split(text)
    return "".join(part if place % 2 else _masked(part, mask) for place, part in enumerate(kept))


def _masked(part: str, mask: Mask) -> str:
    # A name beside a separator is a word of its own here, however the fields of a format are told apart.
    parts = _BETWEEN.split(mask_numbers(part))
    return "".join(one if place % 2 or not one.strip() else mask(one) for place, one in enumerate(parts))
