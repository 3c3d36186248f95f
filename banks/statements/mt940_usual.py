"""`:86:` in the two forms that fill most files, free text and ordered subfields, each by a few steps in C.

Everything else, and what any of it means, is `mt940_narrative`'s; what is read here, it would read alike.
"""

import re

from banks.statements import mt940_narrative
from banks.statements.mt940_entry import stated
from banks.statements.mt940_narrative import (
    CUT_LINES,
    MARKS,
    RETURNS,
    SUBFIELD_WIDTH,
    Telling,
    are_full_lines,
    clean,
    joined,
    sepa,
    unwrapped,
)


def _ordered(mark: str) -> re.Pattern[str]:
    """Return the pattern of subfields in the order of their numbers: their texts 20 to 29 are one group."""
    value = rf"[^{re.escape(mark)}]*+"
    start = re.escape(mark)
    singles = "".join(rf"(?:{start}{code}({value}))?+" for code in (31, 32, 33, 34))
    return re.compile(
        rf"([0-9]{{3}})(?:{start}00({value}))?+(?:{start}10{value})?+((?:{start}2[0-9]{value})*+)"
        rf"(?:{start}30{value})?+{singles}",
        re.ASCII,
    )


_ORDERED = {mark: _ordered(mark).fullmatch for mark in MARKS}
_WORDS = re.compile(
    r"(?:EREF\+([^\n+]*+)\n)?+(?:KREF\+([^\n+]*+)\n)?+(?:MREF\+([^\n+]*+)\n)?+(?:CRED\+[^\n+]*+\n)?+SVWZ\+([^+]*+)"
).fullmatch
_HEAD = 6
"""Characters of a business code, a mark and the first subfield's number."""
_WHOLE_PART = SUBFIELD_WIDTH + 2
"""Characters of a full subfield with its number."""


def read(text: str) -> Telling:
    """Return what `mt940_narrative.read` does."""
    if text[:1].isalpha():
        if "+" not in text:
            if "\n" not in text:
                text = text.strip()
            elif are_full_lines(text) is None:
                text = unwrapped(text)
            else:
                text = text.replace("\n", "")
                text = " ".join(text.split()) if "  " in text else text.strip()
            return text, "", "", "", "", "", ""
    elif text[3:4] in _ORDERED and (told := _subfields(text)) is not None:
        return told
    return mt940_narrative.read(text)


def _subfields(text: str) -> Telling | None:
    """Read subfields that are in order and whose head stands on one line; None if they are not."""
    mark = text[3]
    if "\n" in text:
        if are_full_lines(text) is not None:
            text = text.replace("\n", "")
        elif "\n" in text[:_HEAD]:
            return None
        else:
            text = joined(text, CUT_LINES)
    found = _ORDERED[mark](text)
    if found is None:
        return None
    code, posting, texts, account, name, more, reason = found.groups("")
    if texts:
        texts = "".join([one[2:] if len(one) >= _WHOLE_PART else one[2:] + "\n" for one in texts[1:].split(mark)])
    if "+" in texts:
        narrative, end_to_end_id, mandate_id, reference = _words(texts)
    else:
        narrative, end_to_end_id, mandate_id, reference = clean(texts), "", "", ""
    if more:
        name += more if len(name) >= SUBFIELD_WIDTH else f" {more}"
    reason = reason.strip() if code in RETURNS else ""
    return narrative or posting.strip(), end_to_end_id, mandate_id, reason, clean(name), account.strip(), reference


def _words(text: str) -> tuple[str, str, str, str]:
    """Return what `mt940_narrative.sepa` does, by one scan where the words stand in their usual order."""
    found = _WORDS(text)
    if found is None:
        return sepa(text)
    end_to_end_id, reference, mandate_id, narrative = found.groups("")
    return (
        clean(narrative.replace("\n", " ")),
        stated(end_to_end_id) if end_to_end_id else "",
        stated(mandate_id) if mandate_id else "",
        stated(reference) if reference else "",
    )
