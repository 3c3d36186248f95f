"""Showing what arrived without showing whose it is: texts and file names, masked for messages that are logged and kept.

What is wrong with a value can nearly always be told from its form, and a field of a bank's file may hold anything: an
account number where an amount belongs, a payer's name where a code does.
"""

import re

_CODE = re.compile(r"[A-Z0-9]{1,12}", re.ASCII)
_AMOUNT = re.compile(r"[+-]?\d{1,12}[.,]\d{1,3}", re.ASCII)
"""With decimals it can't be an account, and a person must see what is wrong with them."""
_DATE = re.compile(r"20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", re.ASCII)
_NUMBER = re.compile(r"\d{5,}")
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f])+")
"""Two letters and more; Vietnamese may come with its marks as characters of their own."""
_SUFFIX = re.compile(r"\.[a-z0-9]{1,4}(?:\.(?:gz|zip|pgp|gpg|asc|md5|sha256|done))?", re.ASCII)
_LAST = 3


def shown(text: str, most: int = 40) -> str:
    """Return `text` in quotes: of a long number its last 3 digits, of a word its first letter.

    Amounts with decimals, days and codes (no spaces, at most 12 capital letters and digits) are shown as they are. More
    than `most` characters are cut off.
    """
    return repr(masked(text[:most]))


def shown_name(name: str) -> str:
    """Return a file's name in at most 80 ASCII characters, masked like any text except for its suffix and a date."""
    stem, dot, rest = name.partition(".")
    if not _SUFFIX.fullmatch(dot + rest):
        stem, dot, rest = name.rpartition(".")
        if not _SUFFIX.fullmatch(dot + rest):
            stem, dot, rest = name, "", ""
    return ascii(masked(stem))[1:-1][-70:] + dot + rest


def masked(text: str) -> str:
    """Return `text` with long numbers and words shortened, each by a "*"."""
    if _AMOUNT.fullmatch(text):
        return text
    text = _NUMBER.sub(_masked_number, text)
    return text if _CODE.fullmatch(text.replace("*", "")) else _WORD.sub(lambda match: match[0][0] + "*", text)


def _masked_number(match: re.Match[str]) -> str:
    return match[0] if _DATE.fullmatch(match[0]) else "*" + match[0][-_LAST:]
