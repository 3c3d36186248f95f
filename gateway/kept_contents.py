"""The kept bytes of a delivery, opened a window at a time: as text, or as what they are where they are no text.

A window is cut at a fixed size, so that a file of a gigabyte is looked at like one of a kilobyte.
"""

import codecs
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from sqlalchemy import select
from sqlalchemy.orm import Session

from reconciliation.inbox import CHUNK, Delivery, DeliveryChunk, chunk_of
from reconciliation.sealing import Sealer

WINDOW = 1 << 16
"""Bytes shown at once; a piece of a kept file holds a whole number of windows."""
_BINARY = {
    b"PK\x03\x04": "zip", b"\x1f\x8b": "gzip", b"\xd0\xcf\x11\xe0": "xls", b"%PDF": "pdf",
    b"\x84": "openpgp", b"\x85": "openpgp", b"\xc1": "openpgp",
}  # fmt: skip
"""How files begin that are no text."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of what came: `length` of `size` bytes from `start` on. Bytes that are no text have a `kind` instead."""

    start: int
    length: int
    size: int
    text: str | None
    kind: str = ""

    @property
    def before(self) -> int | None:
        """Where the window before begins; None for the first."""
        return self.start - WINDOW if self.start else None

    @property
    def after(self) -> int | None:
        """Where the window after begins; None for the last."""
        return self.start + WINDOW if self.start + self.length < self.size else None


def window(session: Session, sealer: Sealer, delivery: Delivery, start: int) -> Window:
    """Return the window that begins at `start`, put back onto a window's edge; an empty one beyond the end."""
    start = max(start, 0) // WINDOW * WINDOW
    try:
        data, first, size = _opened(session, sealer, delivery, start)
    except (KeyError, InvalidTag):  # sealed under a key that is no longer here, or changed since
        return Window(start, 0, delivery.size, None, "sealed")
    kind = next((name for magic, name in _BINARY.items() if first.startswith(magic)), "")
    text = None if kind else _text(data, first, whole=start + len(data) >= size)
    return Window(start, len(data), size, text, kind or ("" if text is not None else "binary"))


def _opened(session: Session, sealer: Sealer, delivery: Delivery, start: int) -> tuple[bytes, bytes, int]:
    """Return a window's bytes, the first bytes of all, and how many there are."""
    if delivery.kind == "callback":
        kept = sealer.open(delivery.body, "deliveries.body") if delivery.body is not None else b""
        return kept[start : start + WINDOW], kept[:4], len(kept)
    data = _piece(session, sealer, delivery.id, start // CHUNK)[start % CHUNK :][:WINDOW]
    return data, data[:4] if start == 0 else _piece(session, sealer, delivery.id, 0)[:4], delivery.size


def _piece(session: Session, sealer: Sealer, delivery_id: int, ordinal: int) -> bytes:
    sealed = session.scalar(
        select(DeliveryChunk.body).where(DeliveryChunk.delivery_id == delivery_id, DeliveryChunk.ordinal == ordinal)
    )
    return chunk_of(sealer, sealed) if sealed is not None else b""


def _text(data: bytes, first: bytes, *, whole: bool) -> str | None:
    """Return bytes as UTF-16 where their mark says so, as UTF-8 if they are, else a letter a byte; None for no text."""
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        wide = "utf-16-le" if first.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
        return data.decode(wide, "replace").removeprefix("\ufeff")
    if b"\0" in data:
        return None
    try:
        # A letter that a window cuts in two is left out.
        decoder = codecs.getincrementaldecoder("utf-8")()
        return decoder.decode(data.lstrip(_CONTINUED), final=whole).removeprefix("\ufeff")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


_CONTINUED = bytes(range(0x80, 0xC0))
