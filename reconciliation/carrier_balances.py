"""Prepaid carriers' balances: what each told last, why it did not, and since when it is low.

What a carrier told stands until it tells anew: an answer that never came is no balance of nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum, auto

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation.db import Base, Label, Minor

PATIENCE = timedelta(hours=1)
"""A balance not told for longer is not known any more."""


class Turn(Enum):
    """What became of a balance with the carrier's newest word, where somebody has to hear of it."""

    NONE = auto()
    LOW = auto()
    WELL = auto()
    UNKNOWN = auto()


class CarrierBalance(Base):
    """What one carrier told of our account; one that was never asked has no row."""

    __tablename__ = "sms_balances"

    name: Mapped[str] = mapped_column(primary_key=True)
    balance_minor: Mapped[Minor | None]
    """As it was last told; below nothing where the carrier gives credit."""
    told_at: Mapped[datetime | None]
    asked_at: Mapped[datetime]
    untold_why: Mapped[Label]
    untold_since: Mapped[datetime | None]
    """Since when it answers without telling, if it at all answers."""
    low_since: Mapped[datetime | None]

    def is_unknown(self, now: datetime) -> bool:
        """Tell whether nothing was told for so long, in vain or because nobody asked, that it is not known any more."""
        return now - (self.told_at or self.untold_since or self.asked_at) > PATIENCE


def known(session: Session) -> Mapping[str, CarrierBalance]:
    """Return every balance that was ever asked for, by its carrier."""
    return {one.name: one for one in session.scalars(select(CarrierBalance))}


def told(session: Session, name: str, minor: int, *, alarm_minor: int, now: datetime) -> Turn:
    """Note what a carrier told; it is low below `alarm_minor`, and never where that is 0."""
    one = _row(session, name, now)
    was_low, low = one.low_since is not None, bool(alarm_minor) and minor < alarm_minor
    one.balance_minor, one.told_at, one.asked_at = minor, now, now
    one.untold_why, one.untold_since = "", None
    if low != was_low:
        one.low_since = now if low else None
    session.flush()
    if low and not was_low:
        return Turn.LOW
    return Turn.WELL if was_low and not low and alarm_minor else Turn.NONE


def not_told(session: Session, name: str, why: str, *, now: datetime) -> Turn:
    """Note that a carrier did not tell, and why; what it told before, and whether that was low, stays."""
    one = _row(session, name, now)
    was_unknown = one.is_unknown(one.asked_at)
    one.asked_at, one.untold_why, one.untold_since = now, why[:300], one.untold_since or now
    session.flush()
    return Turn.UNKNOWN if one.is_unknown(now) and not was_unknown else Turn.NONE


def _row(session: Session, name: str, now: datetime) -> CarrierBalance:
    session.execute(insert(CarrierBalance).values(name=name, asked_at=now).on_conflict_do_nothing())
    return session.get_one(CarrierBalance, name, with_for_update=True)
