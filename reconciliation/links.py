"""Links: how the exchange with each bank's file server goes, when it rests, and when it waits for a person.

Failures in a row make a link rest, longer each time. A server that shows another host key, or that refuses our sign-in,
stops its link: not one more password leaves until a person says so, because the next one may lock the account or reach
a stranger.
"""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import SmallInteger, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from reconciliation import audit, mismatches
from reconciliation.db import Base, Label

LONGEST_REST = timedelta(minutes=30)


class BankLink(Base):
    """The link to one bank's file server; a bank that was never tried has none."""

    __tablename__ = "bank_links"

    bank: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """Since the last success, in a row."""
    rests_until: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]
    last_error: Mapped[Label]
    """What was wrong at the latest try; a try that went well may still have left single files behind."""
    last_try_at: Mapped[datetime]
    last_success_at: Mapped[datetime | None]

    def closed_because(self, now: datetime) -> str:
        """Say why the link may not be used at `now`, "" when it may."""
        if self.stopped_at is not None:
            return (
                f"stopped since {self.stopped_at:%Y-%m-%d %H:%M} UTC until a person says otherwise: {self.last_error}"
            )
        if self.rests_until is not None and now < self.rests_until:
            return (
                f"rests until {self.rests_until:%Y-%m-%d %H:%M} UTC after {self.failures} failures: {self.last_error}"
            )
        return ""


def known(session: Session) -> Mapping[str, BankLink]:
    """Return every link that was ever tried, by its bank."""
    return {link.bank: link for link in session.scalars(select(BankLink))}


def succeed(session: Session, bank: str, *, trouble: str = "", now: datetime) -> None:
    """Note a try that reached the bank; `trouble` is what single files met with. Closes the question about the link."""
    values = {"failures": 0, "rests_until": None, "last_error": trouble, "last_success_at": now}
    if _note(session, bank, values, now).stopped_at is not None:
        return  # stopped while this try was under way: only a person lifts that
    asked = session.scalars(
        text("SELECT id FROM mismatches WHERE code = 'M13' AND subject = :subject AND state <> 'resolved'"),
        {"subject": _subject(bank)},
    )
    mismatches.resolve(session, asked, by="collecting", resolution="the link works again", now=now)


def fail(session: Session, bank: str, *, error: str, allowed: int, first_rest: timedelta, now: datetime) -> int:
    """Note a try that failed; from `allowed` of them in a row on, the link rests. Return how many they are in a row."""
    failures: int = session.execute(
        insert(BankLink)
        .values(bank=bank, failures=1, last_error=error, last_try_at=now)
        .on_conflict_do_update(
            index_elements=["bank"],
            # The column is small, and a link that fails for years has said enough.
            set_={
                "failures": text("least(bank_links.failures + 1, 30000)"),
                "last_error": error,
                "last_try_at": now,
            },
        )
        .returning(BankLink.failures)
    ).scalar_one()
    if failures >= allowed:
        until = now + rest(bank, failures - allowed, first_rest)
        session.execute(
            text("UPDATE bank_links SET rests_until = :until WHERE bank = :bank"), {"until": until, "bank": bank}
        )
    return failures


def stop(session: Session, bank: str, *, error: str, now: datetime) -> None:
    """Stop the link until a person says otherwise, and ask one to look."""
    _note(session, bank, {"stopped_at": now, "last_error": error}, now)
    mismatches.ask_one(session, code="M13", subject=_subject(bank), source=bank, now=now, facts={"reasons": [error]})


def allow(session: Session, bank: str, *, by: str, now: datetime) -> bool:
    """Let a stopped or resting link be tried at once, on a person's word; return whether it was either."""
    link = session.get(BankLink, bank, with_for_update=True)
    if link is None or not link.closed_because(now):
        return False
    facts = {"error": link.last_error, "failures": link.failures, "stopped": link.stopped_at is not None}
    audit.append(session, actor=by, action="link.allowed", subject=_subject(bank), facts=facts, now=now)
    link.stopped_at = link.rests_until = None
    session.flush()
    return True


def rest(bank: str, times: int, first: timedelta) -> timedelta:
    """Return how long a link rests that has rested `times` before: twice as long each time, up to half an hour.

    The spread, half of it, is the same for the same bank and time: many links that broke together come back apart.
    """
    whole = min(first * (1 << min(times, 20)), LONGEST_REST)
    return whole * random.Random(f"{bank}:{times}").uniform(0.5, 1)  # noqa: S311 - a spread, not a secret


def _note(session: Session, bank: str, values: Mapping[str, object], now: datetime) -> BankLink:
    values = {**values, "last_try_at": now}
    noting = insert(BankLink).values(bank=bank, **values).on_conflict_do_update(index_elements=["bank"], set_=values)
    return session.scalars(noting.returning(BankLink), execution_options={"populate_existing": True}).one()


def _subject(bank: str) -> str:
    return f"link:{bank}"
