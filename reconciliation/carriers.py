"""Carriers' health: what each said minute by minute, when one is ill, and how it is tried again.

A carrier that is in trouble with half of what it is asked, or slow, gets no new messages; after a rest it is asked with
a few, and is well again when it takes them. One that says it will take nothing until a person has acted is ill at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, SmallInteger, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit, links
from reconciliation.db import Base, Label

WINDOW = timedelta(minutes=5)
KEPT = timedelta(days=2)
LEAST = 20
"""Fewer words than this prove nothing."""
SLOW = timedelta(seconds=10)
LEAST_SLOW = 5
"""So few words prove that a carrier is slow: at its pace, twenty would not come within the window."""
FIRST_REST = timedelta(minutes=1)
LONGEST_REST = timedelta(minutes=10)
"""Messages wait meanwhile where there is no other carrier."""
FEW = 3
"""Messages by which an ill carrier is tried again."""
BURST = timedelta(seconds=1)


class Carrier(Base):
    """How one carrier does; one that was never asked has no row."""

    __tablename__ = "sms_carriers"

    name: Mapped[str] = mapped_column(primary_key=True)
    ill_since: Mapped[datetime | None]
    ill_why: Mapped[Label]
    needs_person: Mapped[bool] = mapped_column(server_default="false")
    """It said that nothing gets better until a person has acted."""
    tried: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """How often it was tried again since it fell ill."""
    try_at: Mapped[datetime | None]
    counted_from: Mapped[datetime | None]
    """What it said before counts no more: it was ill, and is well again."""
    paced_until: Mapped[datetime | None]
    """Up to where its share of time is used up, by the real clock."""
    last_word: Mapped[Label]
    last_word_at: Mapped[datetime | None]


class CarrierMinute(Base):
    """What a carrier said within one minute: words by their kind, and the time they took together."""

    __tablename__ = "sms_carrier_minutes"

    name: Mapped[str] = mapped_column(primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    accepted: Mapped[int] = mapped_column(server_default="0")
    refused: Mapped[int] = mapped_column(server_default="0")
    """For good: the message was at fault, not the carrier."""
    troubled: Mapped[int] = mapped_column(server_default="0")
    """Refused for now, or unsure."""
    milliseconds: Mapped[int] = mapped_column(BigInteger, server_default="0")


@dataclass(frozen=True, slots=True)
class Words:
    """What a carrier said to one batch; `halts` is why it takes nothing until a person has acted, "" where it does.

    `wait` is how long it wants to be left alone.
    """

    accepted: int = 0
    refused: int = 0
    troubled: int = 0
    milliseconds: int = 0
    last: str = ""
    halts: str = ""
    wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """A carrier's words within the window, and how long one took on average."""

    asked: int = 0
    troubled: int = 0
    milliseconds: int = 0

    @property
    def average(self) -> int:
        """Milliseconds a word took."""
        return self.milliseconds // self.asked if self.asked else 0

    def trouble(self) -> str:
        """Say why these figures mean that the carrier is ill; "" when they don't."""
        if self.asked >= LEAST and 2 * self.troubled > self.asked:
            return f"in trouble with {self.troubled} of {self.asked} messages"
        if self.asked >= LEAST_SLOW and self.average > SLOW // timedelta(milliseconds=1):
            return f"slow: {self.average} ms a message over {self.asked}"
        return ""


def known(session: Session) -> Mapping[str, Carrier]:
    """Return every carrier that was ever asked, by its name."""
    return {carrier.name: carrier for carrier in session.scalars(select(Carrier))}


def figures(session: Session, *, now: datetime) -> Mapping[str, Figures]:
    """Return the figures of the window that ends now, by carrier; none for one that was not asked within it."""
    rows = session.execute(
        text(
            """
            SELECT m.name, sum(m.accepted + m.refused + m.troubled) AS asked, sum(m.troubled) AS troubled,
                sum(m.milliseconds) AS milliseconds
            FROM sms_carrier_minutes m JOIN sms_carriers c USING (name)
            WHERE m.minute > :since AND m.minute <= :now AND m.minute >= coalesce(c.counted_from, '-infinity')
            GROUP BY m.name
            """
        ),
        {"since": now - WINDOW, "now": now},
    ).all()
    return {row.name: Figures(row.asked, row.troubled, int(row.milliseconds)) for row in rows}


def heard(session: Session, name: str, words: Words, *, now: datetime, at: datetime) -> Carrier:
    """Note what a carrier said to a batch, and judge it anew; `at` is the real moment, for the pace it asks for.

    Returns the carrier as it is now.
    """
    carrier = _row(session, name)
    # A carrier that is well again counts from the minute after: the one that made it well may hold its last troubles.
    _count(session, name, words, now)
    if words.last:
        carrier.last_word, carrier.last_word_at = words.last[:300], now
    if words.wait is not None:
        carrier.paced_until = max(carrier.paced_until or at, at + words.wait + BURST)
    if carrier.ill_since is not None:
        _judge_ill(carrier, words, now)
    else:
        session.flush()
        why = words.halts or figures(session, now=now).get(name, Figures()).trouble()
        if why:
            _fall_ill(carrier, why, now, needs_person=bool(words.halts))
    session.flush()
    return carrier


def call_ill(session: Session, name: str, why: str, *, now: datetime) -> None:
    """Call a carrier ill that can't even be asked, as while the link to it is down; it is tried as soon as it can."""
    carrier = _row(session, name)
    if carrier.ill_since is None:
        _fall_ill(carrier, why, now)
    carrier.try_at = now
    session.flush()


def may_be_tried(session: Session, name: str, *, now: datetime) -> None:
    """Let an ill carrier be tried at once: what kept it from being asked is over."""
    carrier = _row(session, name)
    if carrier.ill_since is not None:
        carrier.try_at = now
    session.flush()


def may_take(session: Session, names: list[str], *, now: datetime) -> tuple[list[str], list[str]]:
    """Return which of the carriers are well, and which are ill but to be tried again now."""
    ill = {name: carrier for name, carrier in known(session).items() if carrier.ill_since is not None}
    tried = [name for name in names if name in ill and (ill[name].try_at or now) <= now]
    return [name for name in names if name not in ill], tried


def may_try(session: Session, name: str, *, now: datetime) -> bool:
    """Tell whether an ill carrier may be tried now; keeps other senders from asking until the transaction ends."""
    carrier = _row(session, name)
    return carrier.ill_since is not None and carrier.try_at is not None and carrier.try_at <= now


def tried(session: Session, name: str, *, now: datetime) -> None:
    """Note that an ill carrier is being tried: the next try is later, even if nobody hears what became of this one."""
    carrier = _row(session, name)
    carrier.try_at = now + _rest(carrier)
    session.flush()


def allow(session: Session, name: str, *, by: str, now: datetime) -> bool:
    """Let an ill carrier be tried at once, on a person's word; return whether it was ill."""
    carrier = session.get(Carrier, name, with_for_update=True)
    if carrier is None or carrier.ill_since is None:
        return False
    facts = {"why": carrier.ill_why, "since": carrier.ill_since.isoformat()}
    audit.append(session, actor=by, action="carrier.allowed", subject=f"carrier:{name}", facts=facts, now=now)
    carrier.try_at = now
    session.flush()
    return True


def room(session: Session, name: str, *, wanted: int, per_second: int | None, at: datetime) -> int:
    """Return how many of `wanted` messages the carrier's pace lets through at `at`; keeps others from asking meanwhile.

    Whoever then takes fewer says so by `spend`, in the same transaction.
    """
    carrier = _row(session, name) if per_second else session.get(Carrier, name)
    until = carrier.paced_until if carrier else None
    if per_second is None:
        return wanted if until is None or until - BURST <= at else 0
    free = at + BURST - max(until or at, at)
    return max(0, min(wanted, int(free / timedelta(seconds=1) * per_second + 1e-6)))


def spend(session: Session, name: str, taken: int, *, per_second: int | None, at: datetime) -> None:
    """Note that `taken` messages use up their share of the carrier's time."""
    if per_second and taken:
        carrier = _row(session, name)
        carrier.paced_until = max(carrier.paced_until or at, at) + taken * timedelta(seconds=1) / per_second
        session.flush()


def _fall_ill(carrier: Carrier, why: str, now: datetime, *, needs_person: bool = False) -> None:
    carrier.ill_since, carrier.ill_why, carrier.needs_person, carrier.tried = now, why[:300], needs_person, 0
    carrier.try_at = now + _rest(carrier)


def _judge_ill(carrier: Carrier, words: Words, now: datetime) -> None:
    good = words.accepted + words.refused
    if words.halts or words.troubled >= max(good, 1):
        carrier.needs_person = carrier.needs_person or bool(words.halts)
        carrier.ill_why = words.halts[:300] or carrier.ill_why
        carrier.tried = min(carrier.tried + 1, 1000)
        carrier.try_at = now + _rest(carrier)
    elif good:
        carrier.ill_since = carrier.try_at = None
        carrier.ill_why, carrier.needs_person, carrier.tried = "", False, 0
        carrier.counted_from = now.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _rest(carrier: Carrier) -> timedelta:
    return min(links.rest(carrier.name, carrier.tried, FIRST_REST), LONGEST_REST)


def _row(session: Session, name: str) -> Carrier:
    session.execute(insert(Carrier).values(name=name).on_conflict_do_nothing())
    return session.get_one(Carrier, name, with_for_update=True)


def _count(session: Session, name: str, words: Words, now: datetime) -> None:
    counted = {
        "accepted": words.accepted,
        "refused": words.refused,
        "troubled": words.troubled,
        "milliseconds": words.milliseconds,
    }
    adding = insert(CarrierMinute).values(name=name, minute=now.replace(second=0, microsecond=0), **counted)
    session.execute(
        adding.on_conflict_do_update(
            index_elements=["name", "minute"],
            set_={key: getattr(CarrierMinute, key) + getattr(adding.excluded, key) for key in counted},
        )
    )
    session.execute(
        text("DELETE FROM sms_carrier_minutes WHERE name = :name AND minute < :old"), {"name": name, "old": now - KEPT}
    )
