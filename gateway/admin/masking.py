"""Free text of payers, masked for a look: names by first letters, while codes and the words of the trade stay."""

import re
import unicodedata

from reconciliation.sealing import mask_name, mask_numbers

_WORD = re.compile(r"[^\W\d_]+")
_PART = re.compile(r"\S+")
_TRADE = re.compile(
    r"\b(?:thanh toan|tien dien|hoa don|chuyen khoan|chuyen tien|tra tien|nop tien|khach hang|giao dich|cong ty"
    r"|dien luc|(?:thang|ky|nam|lan)(?= *[\d(])|ck|tt|hd|kh|gd|stk|tk|sdt|ibft|napas|vnpay|momo|zalopay|viettel"
    r"|internet|banking|mobile|bank|qr|pay|payment|bill|electricity|evn|atm|pos)\b"
)
"""Phrases that name nobody, without signs: single words of them are names of people too (Hoa, Nam, Công, Hằng)."""


def masked(text: str) -> str:
    """Return a text with numbers and names shortened: "VU AN tien dien ky 11" → "V· A· tien dien ky 11"."""
    shortened = unicodedata.normalize("NFC", mask_numbers(text))
    kept = [match.span() for match in _TRADE.finditer(_plain(shortened))]

    def shorten(part: re.Match[str]) -> str:
        # A word that touches digits is a code: codes are what people look for, and name no person.
        if any(sign.isdigit() for sign in part[0]):
            return part[0]
        return _WORD.sub(lambda word: word[0] if _within(part, word, kept) else mask_name(word[0]), part[0])

    return _PART.sub(shorten, shortened)


def _within(part: re.Match[str], word: re.Match[str], kept: list[tuple[int, int]]) -> bool:
    begins, ends = part.start() + word.start(), part.start() + word.end()
    return any(low <= begins and ends <= high for low, high in kept)


def _plain(text: str) -> str:
    """Return a text in small letters without signs, sign for sign, so that places in both are the same."""
    return "".join("d" if sign in "đĐ" else (unicodedata.normalize("NFD", sign)[0].lower() or sign)[0] for sign in text)
