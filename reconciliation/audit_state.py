"""How the audit chain stands, told cheaply: by its last signed checkpoint, and by what was added since.

The whole chain is proven by `audit.faults`, which `doisoat verify` runs; a page can't read a million entries.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from reconciliation.audit import GENESIS, AuditCheckpoint, AuditEntry, digest, sign

MOST = 2000
"""Entries since the checkpoint that are looked at; a checkpoint is made long before there are more."""


@dataclass(frozen=True, slots=True)
class ChainState:
    """The chain from its last checkpoint on: the last entry that follows, and the first that does not."""

    length: int
    intact_until: int
    broken_at: int | None
    signed_entry: int | None
    signed_at: datetime | None
    signed_by_us: bool
    key: str
    """A few digits by which a key is told from another."""

    @property
    def whole(self) -> bool:
        """Tell whether everything since the checkpoint was looked at, and nothing is wrong."""
        return self.broken_at is None and self.intact_until == self.length and (self.signed_by_us or not self.signed_at)


def state(session: Session, key: bytes, *, most: int = MOST) -> ChainState:
    """Return how the chain stands since its last checkpoint, looking at `most` entries at most."""
    mark = session.scalars(select(AuditCheckpoint).order_by(AuditCheckpoint.id.desc()).limit(1)).first()
    length = session.scalar(select(AuditEntry.id).order_by(AuditEntry.id.desc()).limit(1)) or 0
    number, previous, broken = 0, GENESIS, None
    if mark is not None:
        number, previous = mark.last_id, bytes(mark.hash)
        signed = session.get(AuditEntry, mark.last_id)
        if signed is None or digest(signed) != previous or bytes(signed.hash) != previous:
            broken = mark.last_id
    wanted = select(AuditEntry).where(AuditEntry.id > number).order_by(AuditEntry.id).limit(most)
    for entry in session.scalars(wanted) if broken is None else ():
        if entry.id != number + 1 or bytes(entry.previous) != previous or digest(entry) != bytes(entry.hash):
            broken = entry.id
            break
        number, previous = entry.id, bytes(entry.hash)
    ours = mark is not None and hmac.compare_digest(sign(key, mark.last_id, mark.hash), mark.signature)
    return ChainState(
        length=length, intact_until=number, broken_at=broken, signed_entry=mark.last_id if mark else None,
        signed_at=mark.at if mark else None, signed_by_us=ours, key=hashlib.sha256(key).hexdigest()[:8],
    )  # fmt: skip
