"""Case versions: what a person had before them when they answered, so that nobody answers a case that has changed."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import settlements
from reconciliation.mismatches import Mismatch, NotSettled

_LAST_REMARK = "SELECT coalesce(max(id), 0) FROM remarks WHERE mismatch_id = :id"
_MOVED = """
    SELECT t.by, t.at, 'move' AS kind, t.to_state AS what, t.why AS said FROM transitions t
    WHERE t.kind = 'mismatch' AND t.subject_id = :id AND t.sort_key > :moves
    UNION ALL
    SELECT r.by, r.at, r.kind, r.kind, r.text FROM remarks r WHERE r.mismatch_id = :id AND r.id > :remark
    ORDER BY 2, 3
"""


class Changed(NotSettled):
    """The case has changed since it was read; `meanwhile` are rows of by, at, kind, what and said, the oldest first.

    None of them when only what was found about the money has changed.
    """

    def __init__(self, meanwhile: list[Row[tuple[str, datetime, str, str, str]]]) -> None:
        super().__init__("changed", "expected the case as it was read, got one that has changed")
        self.meanwhile = meanwhile


@dataclass(frozen=True, slots=True)
class Version:
    """How often the case had moved, its last remark, and a digest of what it asks."""

    moves: int
    remark: int
    asks: str = field(default="")

    def __str__(self) -> str:
        return f"{self.moves}-{self.remark}-{self.asks}"

    @classmethod
    def of(cls, written: str) -> "Version | None":
        """Read a version as a form carries it; None for what is none."""
        parts = written.split("-")
        if len(parts) != 3 or not all(one.isascii() and one.isdigit() and len(one) < 18 for one in parts[:2]):
            return None
        return cls(int(parts[0]), int(parts[1]), parts[2])


def version(session: Session, asked: Mismatch) -> Version:
    """Return the version of a case as the session sees it."""
    told = json.dumps([asked.minor, asked.bill_id, asked.facts], sort_keys=True, ensure_ascii=False)
    remark = session.scalar(text(_LAST_REMARK), {"id": asked.id}) or 0
    return Version(asked.moves, remark, hashlib.sha256(told.encode()).hexdigest()[:12])


def hold(session: Session, mismatch_id: int, read: Version) -> None:
    """Keep the case as it was read until the transaction ends, or raise Changed.

    A payment's question waits for its payment first, as whoever matches does; of two people at once, or of a form sent
    twice, the second finds the case changed.
    """
    asked = session.get(Mismatch, mismatch_id)
    if asked is None:
        raise NotSettled("not_open", f"expected the number of a question, got {mismatch_id}")
    if asked.payment_id is not None:
        settlements.lock(session, asked.payment_id)
    session.refresh(asked, with_for_update=True)
    if version(session, asked) != read:
        values = {"id": mismatch_id, "moves": read.moves, "remark": read.remark}
        raise Changed(list(session.execute(text(_MOVED), values)))
