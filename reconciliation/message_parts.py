"""Parts of messages: what a carrier answered to each, what became of it, and the state of the message that follows."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import CheckConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import Base, Id, Label, one_of
from reconciliation.lifecycle import MESSAGE, move


class MessagePart(Base):
    """One part that left or may have: parts of a message refused as a whole leave no row, since it may leave again.

    Its state is no lifecycle with notes of its own: who told what of it stands in `carrier_receipts`.
    """

    __tablename__ = "message_parts"
    __table_args__ = (
        UniqueConstraint("message_id", "ordinal"),
        Index("uq_message_parts_provider_ref_key", "provider", "ref_key", unique=True,
              postgresql_where=text("ref_key IS NOT NULL")),
        one_of("state", ["accepted", "refused", "unsure", "delivered", "undelivered"]),
        CheckConstraint("ordinal > 0", name="ordinal"),
        CheckConstraint("(provider_ref IS NULL) = (ref_key IS NULL)", name="ref_has_its_key"),
        CheckConstraint("ref_key IS NULL OR state NOT IN ('refused', 'unsure')", name="named_when_taken"),
        {"postgresql_with": {"fillfactor": 70}},
    )  # fmt: skip

    id: Mapped[Id]
    message_id: Mapped[int]
    """There: a trigger asks once a statement."""
    ordinal: Mapped[int] = mapped_column(SmallInteger)
    provider: Mapped[str]
    provider_ref: Mapped[str | None]
    """The carrier's name for it, as it came; absent where the carrier gave none, or one that another part has."""
    ref_key: Mapped[str | None]
    """The same without leading zeros and capitals: carriers write it one way in answers, another in receipts."""
    state: Mapped[str]
    reason: Mapped[Label]
    answered_at: Mapped[datetime]
    told_at: Mapped[datetime | None]


class PartAnswer(NamedTuple):
    """What a carrier answered to one part: "accepted" with its reference, "refused" or "unsure" with why."""

    message_id: int
    ordinal: int
    state: str
    ref: str = ""
    ref_key: str = ""
    why: str = ""


# A reference that another part has, or that came twice at once, names nobody: taken it was, its receipts are lost.
_RECORD = """
    INSERT INTO message_parts AS p (message_id, ordinal, provider, provider_ref, ref_key, state, reason, answered_at)
    SELECT n.message_id, n.ordinal, :provider, CASE WHEN named THEN n.ref END, CASE WHEN named THEN n.ref_key END,
        n.state, n.why, :now
    FROM (
        SELECT a.*, a.ref_key <> '' AND row_number() OVER (PARTITION BY a.ref_key ORDER BY a.message_id, a.ordinal) = 1
            AND NOT EXISTS (
                SELECT 1 FROM message_parts o WHERE o.provider = :provider AND o.ref_key = a.ref_key) AS named
        FROM unnest(CAST(:message_ids AS bigint[]), CAST(:ordinals AS smallint[]), CAST(:states AS text[]),
            CAST(:refs AS text[]), CAST(:ref_keys AS text[]), CAST(:whys AS text[]))
            AS a (message_id, ordinal, state, ref, ref_key, why)
    ) n ORDER BY n.message_id, n.ordinal
    ON CONFLICT (message_id, ordinal) DO UPDATE SET
        provider_ref = EXCLUDED.provider_ref, ref_key = EXCLUDED.ref_key, state = EXCLUDED.state, reason = ''
    WHERE p.state = 'unsure' AND EXCLUDED.state = 'accepted'
"""
_OF_PARTS = """
    SELECT m.id, greatest(m.parts, 1) AS parts,
        count(*) FILTER (WHERE p.state IN ('accepted', 'delivered', 'undelivered')) AS left_for_certain,
        count(*) FILTER (WHERE p.state = 'delivered') AS delivered,
        bool_or(p.state IN ('refused', 'undelivered')) AS incomplete,
        coalesce(min(p.reason) FILTER (WHERE p.state IN ('refused', 'undelivered')), min(p.reason)) AS why
    FROM messages m JOIN message_parts p ON p.message_id = m.id WHERE m.id = ANY(:ids) GROUP BY m.id ORDER BY m.id
"""


def record(session: Session, answers: Sequence[PartAnswer], *, provider: str, now: datetime) -> None:
    """Note what a carrier answered to parts that left or may have, and move their messages on.

    An answer that comes after all takes the place of "unsure"; nothing else is ever written over.
    """
    if not answers:
        return
    values = {
        "message_ids": [one.message_id for one in answers], "ordinals": [one.ordinal for one in answers],
        "states": [one.state for one in answers], "refs": [one.ref for one in answers],
        "ref_keys": [one.ref_key for one in answers], "whys": [one.why for one in answers],
    }  # fmt: skip
    session.execute(text(_RECORD), {**values, "provider": provider, "now": now})
    follow(session, sorted({one.message_id for one in answers}), provider=provider, now=now)


def follow(session: Session, message_ids: Sequence[int], *, provider: str, now: datetime) -> None:
    """Move messages to the state that their parts make.

    Sent once each part was taken, delivered once each is. A message that the carrier took in part and then refused is
    undelivered: a phone does not show what lacks a part. It is not sent again. Were only the missing part sent later,
    its text might have been rewritten, or its bill paid, since; were it sent whole, a phone that shows parts as they
    come would show the first one twice. A person who knows what the customer saw may send another version.
    """
    # Whoever follows another part of the same message at this moment goes first, or waits until this is committed.
    session.execute(text("SELECT 1 FROM messages WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), {"ids": [*message_ids]})
    steps: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in session.execute(text(_OF_PARTS), {"ids": [*message_ids]}):
        whole = row.left_for_certain == row.parts
        steps["sent" if whole or (row.incomplete and row.left_for_certain) else "unsure", row.why].append(row.id)
        if row.incomplete:
            steps["undelivered", row.why].append(row.id)
        elif row.delivered == row.parts:
            steps["delivered", row.why].append(row.id)
    for to, noting in _STEPS.items():
        for (wanted, why), ids in steps.items():
            if wanted == to:
                move(session, MESSAGE, ids, to, by=provider, why=why or "accepted", now=now, noting=noting)


_STEPS = {
    "unsure": "reason = :why, lease_until = NULL",
    "sent": "sent_at = coalesce(sent_at, :now), reason = '', provider = :by",
    "delivered": "delivered_at = :now",
    "undelivered": "reason = :why",
}
"""In the order of a message's life, and what else is noted."""
