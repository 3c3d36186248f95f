"""`:86:`, what a bank tells about a transaction, in each of the styles that banks have made of its free text.

| style | looks like |
|---|---|
| subfields | `166?00GUTSCHRIFT?20EREF+E2E-1?21SVWZ+tien dien?32NAME`; the mark is one of `?<>~^` or a bar |
| SEPA words | `EREF+… MREF+… KREF+… SVWZ+…`, within the subfields 20 to 29 and 60 to 63 or by themselves |
| code words | `/EREF/…/ORDP//NAME/…/REMI/…/` |
| free text | anything else |

Sources: SWIFT category 9 (6 lines of 65 characters), the German banks' DFÜ agreement, annex 3 (subfields, SEPA
words, return keys), the Dutch banks' MT940 guides (code words).
"""

import re
from collections.abc import Container
from typing import NamedTuple

from banks.statements.mt940_entry import stated

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", re.ASCII)
_SUBFIELDS = re.compile(r"\s*([0-9]{0,3})\s*([?<>~^|])(?=[0-9]{2})", re.ASCII)
_WORDS = frozenset("EREF KREF MREF CRED DEBT SVWZ ABWA ABWE COAM OAMT RREF BREF PURP".split())
_CODE_WORDS = re.compile(
    r"/(EREF|PREF|KREF|IREF|RREF|MARF|MREF|CSID|REMI|BENM|ORDP|NAME|IBAN|ACCW?|BIC|CNTP|TRTP|RTRN|ISDT|ULTD|ULTC|ULTB"
    r"|ADDR|ID|CDTRREFTP|CDTRREF|PURP|OCMT|CHGS|EXCH|INST|SVCL|USTD|STRD|TRCD|BOOK|VALD)(?=/)"
)
MARKS = "?<>~^|"
_TEXT_MARKS = {mark: re.compile(rf"\{mark}(?![0-9]{{2}})", re.ASCII) for mark in MARKS}
_TEXTS = frozenset(map(str, [*range(20, 30), *range(60, 64)]))
RETURNS = frozenset({"108", "109", "159", "181", "184"})
"""Business codes under which German banks give a returned debit or transfer, with the reason in subfield 34."""
SUBFIELD_WIDTH = 27
_LINE_WIDTH = 65
# Most banks count ":86:" into the first line, so that it is full with 61.
are_full_lines = re.compile(r"(?:.{65}|.{61})(?:\n.{65})*\n.{0,65}").fullmatch
_SHORT_LINES = frozenset(range(_LINE_WIDTH))
CUT_LINES = frozenset({_LINE_WIDTH - 1})
Telling = tuple[str, str, str, str, str, str, str]
"""The fields of `Told`, in their order."""


class Told(NamedTuple):
    """What a `:86:` tells; "" where it tells nothing."""

    narrative: str
    end_to_end_id: str = ""
    mandate_id: str = ""
    return_reason: str = ""
    counterparty: str = ""
    counterparty_account: str = ""
    reference: str = ""


def read(text: str) -> Told:
    """Read the text of a `:86:`, its lines joined by line feeds; whatever its style, nothing in it is refused."""
    if not text[:1].isalpha():
        marked = _SUBFIELDS.match(text)
        if marked is not None:
            return _subfields(joined(text, CUT_LINES) if "\n" in text else text, marked[1], marked[2])
    if "\n" in text:
        text = unwrapped(text)
    if text.startswith("/"):
        return _code_words(text)
    if "+" in text:
        narrative, end_to_end_id, mandate_id, reference = sepa(text)
        return Told(narrative, end_to_end_id, mandate_id, reference=reference)
    return Told(text.strip())


def with_remark(told: Telling, remark: str) -> Telling:
    """Add the remark that stood below a `:61:`: the other side's account, where it is one and none is told, or text."""
    remark = remark.strip()
    if not remark:
        return told
    narrative, end_to_end_id, mandate_id, reason, name, account, reference = told
    if not account and _IBAN.fullmatch(remark):
        account = remark
    else:
        narrative = " ".join(f"{narrative} {remark}".split())
    return narrative, end_to_end_id, mandate_id, reason, name, account, reference


def unwrapped(text: str) -> str:
    """Return free text on one line."""
    text = joined(text, _SHORT_LINES)
    return " ".join(text.split()) if "  " in text else text.strip()


def joined(text: str, spaced: Container[int]) -> str:
    """Join lines, with a space after those whose length is in `spaced`.

    A full line may have been cut within a word. One character less is a full line whose last space was dropped. What
    is shorter still, the bank ended itself, which parts words in free text and only lines in subfields.
    """
    if are_full_lines(text) is not None:
        return text.replace("\n", "")
    first, *lines = text.split("\n")
    length = len(first) + 4
    if length not in (_LINE_WIDTH, _LINE_WIDTH - 1):
        length -= 4
    last = lines.pop()
    head = f"{first} " if length in spaced else first
    return f"{head}{''.join([f'{line} ' if len(line) in spaced else line for line in lines])}{last}"


def _subfields(text: str, business_code: str, mark: str) -> Told:
    parts = text.split(mark)
    if _TEXT_MARKS[mark].search(text) is not None:
        parts = _mended(parts, mark)
    found: dict[str, str] = {}
    # Text goes on from one part to the next where a part is full, so that a word or an id cut in two is whole again.
    texts = ""
    for part in parts[1:]:
        code, told = part[:2], part[2:]
        if code in _TEXTS:
            if code == "60" and f"{mark}29" not in text:
                texts += "\n"  # only after the last of the first ten does the text go on there
            texts += told if len(told) >= SUBFIELD_WIDTH else f"{told}\n"
        else:
            found[code] = f"{found[code]} {told}" if code in found else told
    get = found.get
    name, more = get("32", ""), get("33", "")
    if more:
        name += more if len(name) >= SUBFIELD_WIDTH else f" {more}"
    reason = get("34", "").strip() if business_code in RETURNS else ""
    narrative, end_to_end_id, mandate_id, reference = sepa(texts) if "+" in texts else (clean(texts), "", "", "")
    return Told(
        narrative or get("00", "").strip(), end_to_end_id, mandate_id, reason, clean(name),
        (get("31") or get("38", "")).strip(), reference,
    )  # fmt: skip


def _mended(parts: list[str], mark: str) -> list[str]:
    """Join parts again that were split at a mark without two digits after it, which is text."""
    whole: list[str] = parts[:1]
    for part in parts[1:]:
        if len(part) > 1 and part[:2].isdigit():
            whole.append(part)
        else:
            whole[-1] += mark + part
    return whole


def sepa(text: str) -> tuple[str, str, str, str]:
    """Return narrative, end-to-end id, mandate id and customer reference of a text with words such as EREF+ in it.

    A line feed ends an id that stands before it; what follows without a word is narrative.
    """
    texts: list[str] = []
    found: dict[str, str] = {}
    for line in text.split("\n"):
        plus = line.find("+")
        word, start = "SVWZ", 0
        while plus >= 0:
            following = line[plus - 4 : plus]
            if following in _WORDS and plus - 4 >= start:
                if plus > 4:
                    _keep(word, line[start : plus - 4], texts, found)
                word, start = following, plus + 1
            plus = line.find("+", plus + 1)
        _keep(word, line[start:], texts, found)
    end_to_end_id, mandate_id, reference = found.get("EREF"), found.get("MREF"), found.get("KREF")
    return (
        clean(" ".join(texts)),
        stated(end_to_end_id) if end_to_end_id else "",
        stated(mandate_id) if mandate_id else "",
        stated(reference) if reference else "",
    )


def _keep(word: str, value: str, texts: list[str], found: dict[str, str]) -> None:
    if word == "SVWZ":
        texts.append(value)
    else:
        found[word] = value


def _code_words(text: str) -> Told:
    before, *words = _CODE_WORDS.split(text)
    if not words:
        return Told(text)
    found: dict[str, str] = {}
    texts = [before.strip("/")]
    in_remittance = False
    for word, value in zip(words[::2], words[1::2], strict=True):
        told = value.strip().strip("/").strip()
        # "/REMI/USTD//text/" and "/REMI/STRD/CUR/reference/": the text stands under the inner word.
        in_remittance = word == "REMI" or (in_remittance and word in ("USTD", "STRD"))
        if in_remittance:
            texts.append(told.rpartition("/")[2] if word == "STRD" else told)
        else:
            found.setdefault(word, told)
    # "/CNTP/account/BIC/name/town/" holds what others spread over IBAN, BIC and NAME.
    account, _, name = [*found.get("CNTP", "").split("/"), "", "", ""][:3]
    reason = found.get("RTRN", "").partition("/")[0]
    return Told(
        clean(" ".join(texts)),
        stated(found.get("EREF", "")),
        stated(found.get("MARF") or found.get("MREF", "")),
        reason,
        clean(found.get("NAME") or name),
        found.get("IBAN") or found.get("ACC") or account,
        stated(found.get("CDTRREF") or found.get("KREF") or found.get("PREF", "")),
    )


def clean(text: str) -> str:
    """Return a text without what only sets it apart: outer white space, more than one space, line feeds."""
    return " ".join(text.split()) if "  " in text or "\n" in text else text.strip()
