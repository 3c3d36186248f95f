"""Choices: what a person says a settlement line is of, made by one and above the limit approved by another.

A choice names payments that, less their fees by the tariff, come to exactly the line, or a day that the line is not of;
another one takes either back. Nothing is edited: what was booked is reversed by new entries.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, Row, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit, lump_days, lump_parts, lump_releases, mismatches, payments, settling_lumps
from reconciliation.db import Base, Id, Label, Minor, Moves, one_of
from reconciliation.lifecycle import LUMP_CHOICE, MISMATCH, move
from reconciliation.lump_sums import DENIED, REACHES, RELEASED
from reconciliation.mismatches import NotSettled

SETTLES, TAKES_BACK, NOT_DAY, DAY_AGAIN = "settles", "takes_back", "not_day", "day_again"
NO_SETTLEMENT, SETTLEMENT_AGAIN = "no_settlement", "settlement_again"


class Choice(Base):
    """One person's word on a settlement; `minor` and `limit_minor` are written by the database as it is made."""

    __tablename__ = "lump_choices"
    __table_args__ = (
        Index("uq_lump_choices_proposed", "lump_id", unique=True, postgresql_where=text("state = 'proposed'")),
        Index(None, "lump_id"),
        one_of("state", LUMP_CHOICE.states),
        one_of("kind", [SETTLES, TAKES_BACK, NOT_DAY, DAY_AGAIN, NO_SETTLEMENT, SETTLEMENT_AGAIN]),
        CheckConstraint("(kind = 'settles') = (payments <> '{}')", name="payments_settled"),
        CheckConstraint("(kind IN ('not_day', 'day_again')) = (day IS NOT NULL)", name="a_day_denied"),
        CheckConstraint("why <> '' AND maker <> ''", name="made_by_somebody_for_a_reason"),
        CheckConstraint(
            "state <> 'applied' OR minor <= limit_minor OR (checker <> '' AND checker <> maker)",
            name="checked_by_another",
        ),
    )

    id: Mapped[Id]
    lump_id: Mapped[int] = mapped_column(ForeignKey("lump_sums.id"))
    kind: Mapped[str]
    """It `settles` payments, or `takes_back` that; it is of `not_day`, or may be of that `day_again`; it is
    `no_settlement`, or a `settlement_again`.
    """
    payments: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    day: Mapped[date | None]
    minor: Mapped[Minor] = mapped_column(server_default="0")
    limit_minor: Mapped[Minor] = mapped_column(server_default="0")
    why: Mapped[str]
    maker: Mapped[str]
    made_at: Mapped[datetime]
    checker: Mapped[Label]
    checked_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(server_default=LUMP_CHOICE.start)
    moves: Mapped[Moves]


STANDS = f"""
    FROM lump_sums s JOIN statement_lines l ON l.id = s.line_id JOIN statements t ON t.id = l.statement_id
    WHERE s.line_id = :line AND (s.undone_at IS NULL OR (t.state = 'accepted' AND {RELEASED.format(lump="s")}))
"""
_SOURCES = f"SELECT s.source, t.bank {STANDS}"
_LUMP = f"""
    SELECT s.id, s.line_id, s.source, s.minor, s.booked_on, s.day, s.pinned, s.undone_at IS NOT NULL AS released
    {STANDS} FOR UPDATE OF s
"""
_MAKE = """
    INSERT INTO lump_choices (lump_id, kind, payments, day, why, maker, made_at)
    VALUES (:lump, :kind, :payments, :day, :why, :by, :now) RETURNING id, minor <= limit_minor AS alone
"""
_DENIES = f"SELECT {DENIED.format(lump=':lump', day='CAST(:day AS date)')}"
_REACHES = f"SELECT {REACHES.format(lump='s', day='CAST(:day AS date)')} FROM lump_sums s WHERE id = :lump"  # noqa: S608
_PROPOSED = "SELECT id FROM lump_choices WHERE lump_id = :lump AND state = 'proposed'"
_IS_SETTLED = "SELECT day IS NOT NULL FROM lump_sums WHERE id = :lump"
_QUESTION = "SELECT id FROM mismatches WHERE code = 'M11' AND subject = :subject AND state = ANY(:states)"


def propose(
    session: Session, line_id: int, *, day: date | None = None, references: Sequence[str] = (), why: str, by: str,
    now: datetime,
) -> Choice:  # fmt: skip
    """Say that a line settles all payments of a day, or those of these references; raises NotSettled, unchanged.

    What the line was weighed to be of gives way.
    """
    lump = _unexplained(session, line_id)
    if (day is None) == (not references):
        raise NotSettled("day_or_items", "expected a day or payments, got both or neither")
    wanted = sorted(set(references))
    these = lump_days.choice(session, lump, day=day, references=wanted, now=now)
    if not these or (wanted and len(these) != len(wanted)):
        said = f"expected payments that wait for their line, got {len(these)} of {len(wanted) or 'that day'}"
        raise NotSettled("no_items", said)
    _hold_sum(lump.minor, these)
    return _make(session, lump, SETTLES, these=[row.id for row in these], why=why, by=by, now=now)


def take_back(session: Session, line_id: int, *, why: str, by: str, now: datetime) -> Choice:
    """Say that what a person said of a line does not hold: what it is of, or that it is no settlement.

    It is weighed by itself again. Raises NotSettled, unchanged.
    """
    lump = _locked(session, line_id)
    if lump.released:
        return _make(session, lump, SETTLEMENT_AGAIN, why=why, by=by, now=now)
    if not lump.pinned:
        raise NotSettled("not_open", "expected a settlement that a person has explained, got another one")
    return _make(session, lump, TAKES_BACK, why=why, by=by, now=now)


def deny_day(session: Session, line_id: int, day: date, *, why: str, by: str, now: datetime) -> Choice:
    """Say that a line is not the settlement of a day, whatever that comes to; raises NotSettled, unchanged.

    The line is weighed against its other days.
    """
    lump = _unexplained(session, line_id)
    if not session.scalar(text(_REACHES), {"lump": lump.id, "day": day}):
        raise NotSettled("no_day", f"expected a day that the line may be of, got {day}")
    if _is_denied(session, lump, day):
        raise NotSettled("not_open", f"expected a day that nobody has denied, got {day}")
    return _make(session, lump, NOT_DAY, day=day, why=why, by=by, now=now)


def allow_day(session: Session, line_id: int, day: date, *, why: str, by: str, now: datetime) -> Choice:
    """Take back that a line is not the settlement of a day; raises NotSettled, unchanged."""
    lump = _standing(session, line_id)
    if not _is_denied(session, lump, day):
        raise NotSettled("not_open", f"expected a day that a person has denied, got {day}")
    return _make(session, lump, DAY_AGAIN, day=day, why=why, by=by, now=now)


def disown(session: Session, line_id: int, *, why: str, by: str, now: datetime) -> Choice:
    """Say that a line is no settlement, whatever its words: it takes the usual road; raises NotSettled, unchanged."""
    return _make(session, _unexplained(session, line_id), NO_SETTLEMENT, why=why, by=by, now=now)


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
    if lump.day is None and not lump.released:
        move(session, MISMATCH, asked, "open", by=by, why=said, now=now)
    else:
        mismatches.resolve(session, asked, by=by, resolution=said, now=now)
    _note(session, made, f"settlement_choice_{state}", by=by, why=why, now=now)
    return made


def _locked(session: Session, line_id: int) -> Row[Any]:
    sources = session.execute(text(_SOURCES), {"line": line_id}).one_or_none()
    if sources is None:
        raise NotSettled("no_payment", f"expected the number of a settlement's line, got {line_id}")
    payments.lock_sources(session, {*sources})
    lump = session.execute(text(_LUMP), {"line": line_id}).one_or_none()
    if lump is None:
        raise NotSettled("not_open", "expected a settlement that stands, got one whose import was just undone")
    return lump


def _unexplained(session: Session, line_id: int) -> Row[Any]:
    lump = _standing(session, line_id)
    if lump.pinned:
        raise NotSettled("not_open", "expected a settlement that no person has explained, got one: take it back first")
    return lump


def _standing(session: Session, line_id: int) -> Row[Any]:
    lump = _locked(session, line_id)
    if lump.released:
        raise NotSettled("not_open", "expected a settlement, got a line that a person said is none: take it back first")
    return lump


def _is_denied(session: Session, lump: Row[Any], day: date) -> bool:
    return bool(session.scalar(text(_DENIES), {"lump": lump.id, "day": day}))


def _proposed(session: Session, line_id: int) -> tuple[Row[Any], Choice]:
    lump = _locked(session, line_id)
    found = session.scalar(text(_PROPOSED), {"lump": lump.id})
    if found is None:
        raise NotSettled("not_open", "expected a proposal that waits for approval, got none")
    return lump, session.get_one(Choice, found)


def _hold_reason(why: str) -> None:
    if not why.strip():
        raise NotSettled("nothing", "expected a reason, got none")


def _hold_open(holds: bool) -> None:
    if not holds:
        raise NotSettled("not_open", "expected a line as it was when this was proposed, got one that people changed")


def _hold_sum(minor: int, these: Sequence[Row[Any]]) -> None:
    net = sum(row.net for row in these)
    if net != minor:
        said = f"expected payments that come to {minor} đ less their fees, got {net} đ of {len(these)} payments"
        raise NotSettled("other_sum", said, expected=minor, given=net)


def _make(
    session: Session, lump: Row[Any], kind: str, *, these: Sequence[int] = (), day: date | None = None, why: str,
    by: str, now: datetime,
) -> Choice:  # fmt: skip
    _hold_reason(why)
    if session.scalar(text(_PROPOSED), {"lump": lump.id}) is not None:
        raise NotSettled("not_open", "expected a settlement without a proposal, got one that waits for approval")
    said = {"kind": kind, "payments": list(these), "day": day, "why": why, "by": by, "now": now}
    row = session.execute(text(_MAKE), {"lump": lump.id, **said}).one()
    made = session.get_one(Choice, row.id)
    asked = _questions(session, lump, "open")
    shown = lump.day is not None or kind == SETTLEMENT_AGAIN
    if not asked and shown and (kind not in (TAKES_BACK, SETTLEMENT_AGAIN) or not row.alone):
        # A line that is explained has no question: without one nobody would see what is said, nor that it waits.
        facts = {"verdict": "explained_otherwise", "arrived": lump.minor, "settles": lump.source}
        if lump.day is not None:
            facts["settled_day"] = lump.day.isoformat()
        settling_lumps.raise_question(session, lump.source, lump.line_id, facts, now=now)
        asked = _questions(session, lump, "open")
    if not row.alone or kind not in (NOT_DAY, DAY_AGAIN):
        move(session, MISMATCH, asked, "proposed", by=by, why=why, now=now)
    _note(session, made, "settlement_choice_made", by=by, why=why, now=now)
    if row.alone:
        _carry_out(session, lump, made, by=by, now=now)
    return made


def _carry_out(session: Session, lump: Row[Any], made: Choice, *, by: str, now: datetime) -> None:
    said = f"settlement choice {made.id}: {made.why}"
    if made.kind in (NOT_DAY, DAY_AGAIN):
        _carry_out_of_day(session, lump, made, said=said, by=by, now=now)
    elif made.kind == SETTLES:
        these = lump_days.choice(session, lump, ids=made.payments, now=now)
        if lump.pinned or len(these) != len(made.payments):
            raise NotSettled("not_open", "expected payments that still wait for their line, got some that do not")
        _hold_sum(lump.minor, these)
        _decide(session, made, "applied", by=by, why=said, now=now)
        if lump.day is not None:
            lump_parts.put_together(session, [lump.id], why=said, now=now)
        settling_lumps.pin(session, lump, these, now=now)
    elif made.kind == NO_SETTLEMENT:
        _hold_open(not lump.released and not lump.pinned)
        _decide(session, made, "applied", by=by, why=said, now=now)
        lump_releases.release(session, lump, made.id, why=said, now=now)
    elif made.kind == SETTLEMENT_AGAIN:
        _hold_open(lump.released)
        lump_releases.admit(session, lump.id, by=by, why=said, now=now)
        _decide(session, made, "applied", by=by, why=said, now=now)
    else:
        if not lump.pinned:
            raise NotSettled("not_open", "expected a settlement that a person has explained, got another one")
        _decide(session, made, "applied", by=by, why=said, now=now)
        lump_parts.put_together(session, [lump.id], why=said, now=now)
    if made.kind not in (NOT_DAY, DAY_AGAIN):
        mismatches.resolve(session, _questions(session, lump, "open", "proposed"), by=by, resolution=said, now=now)
    settling_lumps.judge(session, lump.source, now=now)
    if session.scalar(text(_IS_SETTLED), {"lump": lump.id}):
        mismatches.resolve(session, _questions(session, lump, "open"), by=by, resolution=said, now=now)
    _note(session, made, "settlement_choice_applied", by=by, why=made.why, now=now)


def _carry_out_of_day(
    session: Session, lump: Row[Any], made: Choice, *, said: str, by: str, now: datetime
) -> None:  # fmt: skip
    # Who asked goes on asking, with what is known then: the line may be no other day's.
    _decide(session, made, "applied", by=by, why=said, now=now)
    move(session, MISMATCH, _questions(session, lump, "proposed"), "open", by=by, why=said, now=now)
    if made.kind == NOT_DAY and lump.day == made.day and not lump.pinned:
        lump_parts.put_together(session, [lump.id], why=said, now=now)


def _decide(session: Session, made: Choice, state: str, *, by: str, why: str, now: datetime) -> None:
    noting = "checker = :by, checked_at = :now"
    move(session, LUMP_CHOICE, [made.id], state, by=by, why=why, now=now, noting=noting)
    session.refresh(made)


def _questions(session: Session, lump: Row[Any], *states: str) -> list[int]:
    asked = {"subject": f"line:{lump.line_id}", "states": list(states)}
    return list(session.scalars(text(_QUESTION), asked))


def _note(session: Session, made: Choice, action: str, *, by: str, why: str, now: datetime) -> None:
    facts = {"choice": made.id, "payments": len(made.payments), "minor": made.minor, "why": why}
    if made.kind not in (SETTLES, TAKES_BACK):
        facts |= {"kind": made.kind} | ({} if made.day is None else {"day": made.day.isoformat()})
    audit.append(session, actor=by, action=action, subject=f"lump:{made.lump_id}", facts=facts, now=now)
