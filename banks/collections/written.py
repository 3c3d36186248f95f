"""What went into a file of ours: counted, summed and hashed while it is written, so that no file is read again."""

from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

from banks.money import Money

_PIECE = 512
"""Texts joined into one write: neither a system call for each debit nor a file in memory."""


@dataclass(frozen=True, slots=True)
class Written:
    """What went into a file: for the books, and for the comparison with what the bank says it got."""

    message_id: str
    debits: int
    total: Money
    groups: int
    size: int
    sha256: str


class Output:
    """A stream that takes text, writes it in pieces and knows what it wrote."""

    def __init__(self, out: BinaryIO, encoding: str = "utf-8") -> None:
        self._out, self._encoding, self._texts = out, encoding, list[str]()
        self._digest, self._size = sha256(), 0

    def write(self, text: str) -> None:
        """Take `text`; it may be written later."""
        self._texts.append(text)
        if len(self._texts) == _PIECE:
            self._flush()

    def finish(self) -> tuple[int, str]:
        """Write what is left; return the size in bytes and the SHA-256 in hex."""
        self._flush()
        return self._size, self._digest.hexdigest()

    def _flush(self) -> None:
        data = "".join(self._texts).encode(self._encoding)
        self._texts.clear()
        self._out.write(data)
        self._digest.update(data)
        self._size += len(data)
