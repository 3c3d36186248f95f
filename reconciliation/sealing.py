"""Sealed fields and blind indexes: personal data is encrypted at rest, found by a keyed hash, shown masked."""

import hashlib
import os
import re
from collections.abc import Sequence
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

_NONCE = 12
_KEY_ID = 4
_DIGITS = re.compile(
    r"(?<![0-9A-Za-z])(S?TK|SDT|[DĐ]T|TEL|ACC?|SO|VI|LH|MOMO|ZALO(?:PAY)?|HOTLINE)?"
    r"\+?(\d(?:[ .\-\u00a0\u2007\u202f]{0,2}\d){7,}"
    # With signs that also part amounts and dates, only what begins and is grouped like a phone number.
    r"|\(0\d{1,3}\)[ ]?\d{3,4}[ .\-]?\d{3,4}|(?:84|0)\d{2,3}[,/_]\d{3}[,/_]\d{3,4})(?![0-9A-Za-z])",
    re.IGNORECASE,
)
"""Eight or more digits (of any script), in one run or grouped: a phone or account number, not a code with letters; the
letters before it are those people write when they name such a number (STK190026112233, SDT0912345678)."""


def is_number(token: str) -> bool:
    """Tell whether a whole word is a phone or account number, with or without the letters that say so."""
    return _DIGITS.fullmatch(token) is not None


class Sealer:
    """Seals bytes with AES-256-GCM under the newest key and opens them under any live one.

    Keys are 32 bytes each; the blind index has a key of its own (the last one given), so that sealing keys can be
    rotated without losing the index.
    """

    def __init__(self, keys: Sequence[bytes], index_key: bytes) -> None:
        if not keys or any(len(key) != 32 for key in (*keys, index_key)):
            raise ValueError("sealing needs keys of 32 bytes: at least one to seal with, and one for the index")
        self._ciphers = {hashlib.sha256(key).digest()[:_KEY_ID]: AESGCM(key) for key in keys}
        self._newest = next(iter(self._ciphers))
        self._index_key = index_key
        self._begun: dict[str, HMAC] = {}

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Return `plain` sealed for `purpose` (table.column): it can't be opened as anything else."""
        return self.seal_all([plain], purpose)[0]

    def seal_all(self, plains: Sequence[bytes], purpose: str) -> list[bytes]:
        """Return each of `plains` sealed for `purpose`; chance is asked for once, which lets other threads in once."""
        cipher, meant, chance = self._ciphers[self._newest], purpose.encode(), os.urandom(_NONCE * len(plains))
        nonces = (chance[start : start + _NONCE] for start in range(0, len(chance), _NONCE))
        return [
            self._newest + nonce + cipher.encrypt(nonce, plain, meant)
            for nonce, plain in zip(nonces, plains, strict=True)
        ]

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Return what was sealed for `purpose`; raises KeyError for an unknown key, InvalidTag for changed bytes."""
        cipher = self._ciphers[bytes(sealed[:_KEY_ID])]
        return cipher.decrypt(sealed[_KEY_ID : _KEY_ID + _NONCE], sealed[_KEY_ID + _NONCE :], purpose.encode())

    def blind(self, value: str, purpose: str) -> bytes:
        """Return 16 bytes by which `value` can be found again without standing in the clear."""
        begun = self._begun.get(purpose)
        if begun is None:
            begun = HMAC(self._index_key, SHA256())
            begun.update(f"{purpose}\0".encode())
            self._begun[purpose] = begun  # a key is prepared once, not for each of a million lines
        index = begun.copy()
        index.update(value.encode())
        return index.finalize()[:16]


def tail(number: str) -> str:
    """Return the last four characters of an account or phone number: what a person may see."""
    return number[-4:] if len(number) > 6 else ""


def mask_numbers(text: str) -> str:
    """Replace phone and account numbers in free text by their last three digits: "chuyen tu ···321"."""
    return _DIGITS.sub(lambda match: (match[1] or "") + "···" + re.sub(r"\D", "", match[2])[-3:], text)


def mask_name(name: str) -> str:
    """Keep the first letter of each word of a name: "NGUYEN VAN AN" → "N··· V·· A·"."""
    return " ".join(map(_mask_word, name.split()))


@lru_cache(maxsize=8192)  # names of a large file are many, the words they consist of are few
def _mask_word(word: str) -> str:
    return word[0] + "·" * min(len(word) - 1, 3)
