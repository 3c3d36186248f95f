"""Case links: which question came out of which, so that the story of money goes on from one case to the next.

An answer that leaves something opens a question about the rest; undoing an answer raises a doubt, whose reverse answer
leaves the question that stands in the old one's place; undoing words asks the same again. Each link is made once, with
the question it leads to, and stays.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from reconciliation.db import Base, Id, Label, one_of
from reconciliation.mismatches import Mismatch
from reconciliation.unmatched import RAISED

REST, DOUBT, AGAIN = "rest", "doubt", "again"
"""What an answer left; what undoing an answer raised to be settled by its reverse; what undoing words asked again."""
_LONGEST = 20
"""Links that a story is followed by at most."""


class CaseLink(Base):
    """One question that came out of another, by whom and when; `why` is what whoever undid it said."""

    __tablename__ = "case_links"
    __table_args__ = (
        UniqueConstraint("to_id", "from_id", "kind"),
        Index(None, "from_id"),
        CheckConstraint("to_id <> from_id", name="of_two_cases"),
        one_of("kind", [REST, DOUBT, AGAIN]),
    )

    id: Mapped[Id]
    from_id: Mapped[int] = mapped_column(ForeignKey("mismatches.id"))
    to_id: Mapped[int] = mapped_column(ForeignKey("mismatches.id"))
    kind: Mapped[str]
    by: Mapped[str]
    why: Mapped[Label]
    at: Mapped[datetime]


def link(session: Session, from_id: int, to_id: int, kind: str, *, by: str, why: str = "", now: datetime) -> None:
    """Note that a question came out of another; noted once."""
    if from_id == to_id:
        return
    session.execute(
        insert(CaseLink)
        .values(from_id=from_id, to_id=to_id, kind=kind, by=by, why=why, at=now)
        .on_conflict_do_nothing(index_elements=["to_id", "from_id", "kind"])
    )


def newest(session: Session, payment_id: int) -> int:
    """Return the number of the newest question about a payment; 0 when there is none."""
    return session.scalar(select(func.max(Mismatch.id)).where(Mismatch.payment_id == payment_id)) or 0


def link_rest(session: Session, from_id: int, payment_id: int, since: int, *, by: str, now: datetime) -> None:
    """Link what is asked about a payment since question number `since` to the question whose answer left it."""
    about = (Mismatch.payment_id == payment_id, Mismatch.id > since, Mismatch.state != "resolved")
    for asked in session.scalars(select(Mismatch.id).where(*about).order_by(Mismatch.id)).all():
        link(session, from_id, asked, REST, by=by, now=now)


def leads_to(session: Session, case_id: int) -> Sequence[CaseLink]:
    """Return what came out of a question, the oldest first."""
    return session.scalars(select(CaseLink).where(CaseLink.from_id == case_id).order_by(CaseLink.id)).all()


def before(session: Session, case_id: int) -> list[CaseLink]:
    """Return the links that led to a question, the nearest first."""
    found: list[CaseLink] = []
    at = case_id
    while len(found) < _LONGEST:
        wanted = select(CaseLink).where(CaseLink.to_id == at).order_by(CaseLink.id.desc()).limit(1)
        led = session.scalar(wanted)
        if led is None:
            break
        found.append(led)
        at = led.from_id
    return found


def undone(session: Session, case_id: int) -> CaseLink | None:
    """Return the link by which a question's answer was taken back for good; None while its answer stands."""
    return undone_among(session, [case_id]).get(case_id)


def undone_among(session: Session, ids: Iterable[int]) -> dict[int, CaseLink]:
    """Return by which links the answers to these questions were taken back for good: the question's id → the link."""
    doubted = aliased(Mismatch)
    wanted = (
        select(CaseLink)
        .join(doubted, doubted.id == CaseLink.to_id)
        .where(
            CaseLink.from_id.in_(list(ids)),
            (CaseLink.kind == AGAIN) | ((CaseLink.kind == DOUBT) & text(_CARRIED_OUT)),
        )
        .order_by(CaseLink.id)
    )
    return {one.from_id: one for one in session.scalars(wanted)}


_CARRIED_OUT = """EXISTS (SELECT 1 FROM settlements s WHERE s.mismatch_id = case_links.to_id AND s.state = 'applied')"""


def stands_now(session: Session, case_id: int) -> int:
    """Return the question that stands in a question's place: the last one that came out of it."""
    at = case_id
    for _step in range(_LONGEST):
        led = select(CaseLink.to_id).where(CaseLink.from_id == at).order_by(CaseLink.id.desc()).limit(1)
        following = session.scalar(led)
        if following is None:
            break
        at = following
    return at


def raised_by_undoing(session: Session, ids: Iterable[int]) -> dict[int, int]:
    """Return which of these questions nobody asked but undoing raised: id → the question whose answer it takes back."""
    wanted = (
        select(CaseLink.to_id, CaseLink.from_id)
        .join(Mismatch, Mismatch.id == CaseLink.to_id)
        .where(
            CaseLink.to_id.in_(list(ids)), CaseLink.kind == DOUBT, Mismatch.facts["verdict"].astext == RAISED
        )
    )  # fmt: skip
    return {row.to_id: row.from_id for row in session.execute(wanted.order_by(CaseLink.id))}
