"""Choices: what a person says a settlement line is of, made by one and above the limit approved by another.

A choice names payments that, less their fees by the tariff, come to exactly the line; one that names none takes back
what an earlier one said. Nothing is edited: what was booked is reversed by new entries.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, Row, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit, lump_parts, mismatches, payments, settling_lumps
from reconciliation.db import Base, Id, Label, Minor, Moves, one_of
from reconciliation.lifecycle import LUMP_CHOICE, MISMATCH, move
from reconciliation.mismatches import NotSettled


class Choice(Base):
    """One person's word on a settlement; `minor` and `limit_minor` are written by the database as it is made."""

    __tablename__ = "lump_choices"
    __table_args__ = (
        Index("uq_lump_choices_proposed", "lump_id", unique=True, postgresql_where=text("state = 'proposed'")),
        Index(None, "lump_id"),
        one_of("state", LUMP_CHOICE.states),
        CheckConstraint("why <> '' AND maker <> ''", name="made_by_somebody_for_a_reason"),
        CheckConstraint(
            "state <> 'applied' OR minor <= limit_minor OR (checker <> '' AND checker <> maker)",
            name="checked_by_another",
        ),
    )

    id: Mapped[Id]
    lump_id: Mapped[int] = mapped_column(ForeignKey("lump_sums.id"))
    payments: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    """What it settles; none: what was said before is taken back."""
    minor: Mapped[Minor] = mapped_column(server_default="0")
    limit_minor: Mapped[Minor] = mapped_column(server_default="0")
    why: Mapped[str]
    maker: Mapped[str]
    made_at: Mapped[datetime]
    checker: Mapped[Label]
    checked_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(server_default=LUMP_CHOICE.start)
    moves: Mapped[Moves]


_SOURCE = "SELECT source FROM lump_sums WHERE line_id = :line AND undone_at IS NULL"
_LUMP = """
    SELECT id, line_id, source, minor, booked_on, day, pinned FROM lump_sums
    WHERE line_id = :line AND undone_at IS NULL FOR UPDATE
"""
_MAKE = """
    INSERT INTO lump_choices (lump_id, payments, why, maker, made_at)
    VALUES (:lump, :payments, :why, :by, :now) RETURNING id, minor <= limit_minor AS alone
"""
_PROPOSED = "SELECT id FROM lump_choices WHERE lump_id = :lump AND state = 'proposed'"
_QUESTION = "SELECT id FROM mismatches WHERE code = 'M11' AND subject = :subject AND state = ANY(:states)"


def propose(
    session: Session, line_id: int, *, day: date | None = None, references: Sequence[str] = (), why: str, by: str,
    now: datetime,
) -> Choice:  # fmt: skip
    """Say that a line settles all payments of a day, or those of these references; raises NotSettled, unchanged.

    What the line was weighed to be of gives way.
    """
    lump = _locked(session, line_id)
    if (day is None) == (not references):
        raise NotSettled("day_or_items", "expected a day or payments, got both or neither")
    if lump.pinned:
        raise NotSettled("not_open", "expected a settlement that no person has explained, got one: take it back first")
    wanted = sorted(set(references))
    these = settling_lumps.free(session, lump, day=day, references=wanted, now=now)
    if not these or (wanted and len(these) != len(wanted)):
        said = f"expected payments that wait for their line, got {len(these)} of {len(wanted) or 'that day'}"
        raise NotSettled("no_items", said)
    _hold_sum(lump.minor, these)
    return _make(session, lump, [row.id for row in these], why=why, by=by, now=now)


def take_back(session: Session, line_id: int, *, why: str, by: str, now: datetime) -> Choice:
    """Say that what a person said of a line does not hold; raises NotSettled, unchanged."""
    lump = _locked(session, line_id)
    if not lump.pinned:
        raise NotSettled("not_open", "expected a settlement that a person has explained, got another one")
    return _make(session, lump, [], why=why, by=by, now=now)


def approve(session: Session, line_id: int, *, by: str, now: datetime) -> Choice:
    """Carry out what somebody else proposed; raises NotSettled for its maker, or when the books have moved on."""
    lump, made = _proposed(session, line_id)
    if made.maker == by:
        raise NotSettled("own", "expected another person to approve than the one who made it")
    _carry_out(session, lump, made, by=by, now=now)
    return made


def refuse(session: Session, line_id: int, *, by: str, why: str, now: datetime) -> Choice:
    """Turn a proposal down, or take one's own back; the question is open again where nothing else explains the line."""
    lump, made = _proposed(session, line_id)
    _hold_reason(why)
    state = "withdrawn" if made.maker == by else "refused"
    _decide(session, made, state, by=by, why=why, now=now)
    asked, said = _questions(session, lump, "proposed"), f"{state}: {why}"
    if lump.day is None:
        move(session, MISMATCH, asked, "open", by=by, why=said, now=now)
    else:
        mismatches.resolve(session, asked, by=by, resolution=said, now=now)
    _note(session, made, f"settlement_choice_{state}", by=by, why=why, now=now)
    return made


def _locked(session: Session, line_id: int) -> Row[Any]:
    source = session.scalar(text(_SOURCE), {"line": line_id})
    if source is None:
        raise NotSettled("no_payment", f"expected the number of a settlement's line, got {line_id}")
    payments.lock_sources(session, {source})
    lump = session.execute(text(_LUMP), {"line": line_id}).one_or_none()
    if lump is None:
        raise NotSettled("not_open", "expected a settlement that stands, got one whose import was just undone")
    return lump


def _proposed(session: Session, line_id: int) -> tuple[Row[Any], Choice]:
    lump = _locked(session, line_id)
    found = session.scalar(text(_PROPOSED), {"lump": lump.id})
    if found is None:
        raise NotSettled("not_open", "expected a proposal that waits for approval, got none")
    return lump, session.get_one(Choice, found)


def _hold_reason(why: str) -> None:
    if not why.strip():
        raise NotSettled("nothing", "expected a reason, got none")


def _hold_sum(minor: int, these: Sequence[Row[Any]]) -> None:
    net = sum(row.net for row in these)
    if net != minor:
        said = f"expected payments that come to {minor} đ less their fees, got {net} đ of {len(these)} payments"
        raise NotSettled("other_sum", said, expected=minor, given=net)


def _make(session: Session, lump: Row[Any], these: list[int], *, why: str, by: str, now: datetime) -> Choice:
    _hold_reason(why)
    if session.scalar(text(_PROPOSED), {"lump": lump.id}) is not None:
        raise NotSettled("not_open", "expected a settlement without a proposal, got one that waits for approval")
    row = session.execute(text(_MAKE), {"lump": lump.id, "payments": these, "why": why, "by": by, "now": now}).one()
    made = session.get_one(Choice, row.id)
    asked = _questions(session, lump, "open")
    if not asked and lump.day is not None and (these or not row.alone):
        # A line that is explained has no question: without one nobody would see what is said, nor that it waits.
        facts = {"verdict": "explained_otherwise", "arrived": lump.minor, "settles": lump.source,
                 "settled_day": lump.day.isoformat()}  # fmt: skip
        settling_lumps.raise_question(session, lump.source, lump.line_id, facts, now=now)
        asked = _questions(session, lump, "open")
    move(session, MISMATCH, asked, "proposed", by=by, why=why, now=now)
    _note(session, made, "settlement_choice_made", by=by, why=why, now=now)
    if row.alone:
        _carry_out(session, lump, made, by=by, now=now)
    return made


def _carry_out(session: Session, lump: Row[Any], made: Choice, *, by: str, now: datetime) -> None:
    said = f"settlement choice {made.id}: {made.why}"
    if made.payments:
        these = settling_lumps.free(session, lump, ids=made.payments, now=now)
        if lump.pinned or len(these) != len(made.payments):
            raise NotSettled("not_open", "expected payments that still wait for their line, got some that do not")
        _hold_sum(lump.minor, these)
        _decide(session, made, "applied", by=by, why=said, now=now)
        if lump.day is not None:
            lump_parts.put_together(session, [lump.id], why=said, now=now)
        settling_lumps.pin(session, lump, these, now=now)
    else:
        if not lump.pinned:
            raise NotSettled("not_open", "expected a settlement that a person has explained, got another one")
        _decide(session, made, "applied", by=by, why=said, now=now)
        lump_parts.put_together(session, [lump.id], why=said, now=now)
    mismatches.resolve(session, _questions(session, lump, "open", "proposed"), by=by, resolution=said, now=now)
    settling_lumps.judge(session, lump.source, now=now)
    _note(session, made, "settlement_choice_applied", by=by, why=made.why, now=now)


def _decide(session: Session, made: Choice, state: str, *, by: str, why: str, now: datetime) -> None:
    noting = "checker = :by, checked_at = :now"
    move(session, LUMP_CHOICE, [made.id], state, by=by, why=why, now=now, noting=noting)
    session.refresh(made)


def _questions(session: Session, lump: Row[Any], *states: str) -> list[int]:
    asked = {"subject": f"line:{lump.line_id}", "states": list(states)}
    return list(session.scalars(text(_QUESTION), asked))


def _note(session: Session, made: Choice, action: str, *, by: str, why: str, now: datetime) -> None:
    facts = {"choice": made.id, "payments": len(made.payments), "minor": made.minor, "why": why}
    audit.append(session, actor=by, action=action, subject=f"lump:{made.lump_id}", facts=facts, now=now)
