"""The close desk: who may balance, sign and reopen, what a bank owes for a day, and its minutes as they are given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, TypedDict

from sqlalchemy.orm import Session

from gateway import schedule
from gateway.database import insist, transaction
from gateway.written_days import a_day, a_month
from reconciliation import bank_days, closes, closing, month_figures
from reconciliation.closes import DAY, MONTH, Close
from reconciliation.closing import NotClosed
from reconciliation.roles import BOOKKEEPERS

if TYPE_CHECKING:
    from gateway.wiring import Wiring

MAY: Mapping[str, frozenset[str]] = {
    "balance": BOOKKEEPERS,
    "sign": frozenset({"chief_accountant"}),
    "withdraw": BOOKKEEPERS,
    "reopen": frozenset({"administrator"}),
}
"""Act → the roles that may do it; that its people differ is the rules' own matter, whatever their roles."""


@dataclass(frozen=True, slots=True)
class Period:
    """A bank's day or month, as an address or a command names it: "2026-11-18" or "2026-11"."""

    bank: str
    kind: str
    day: date

    @classmethod
    def read(cls, bank: str, written: str) -> "Period":
        """Return the period; raises ValueError for what is neither a day nor a month."""
        for kind, day in ((MONTH, a_month(written)), (DAY, a_day(written))):
            if day is not None:
                return cls(bank, kind, day)
        raise ValueError(f"expected a day as 2026-11-18 or a month as 2026-11, got {written[:20]!r}")

    @property
    def written(self) -> str:
        """The period as it stands in addresses."""
        return self.day.isoformat() if self.kind == DAY else self.day.isoformat()[:7]


class Asked(TypedDict):
    """What the settings say of a bank's day, as `closing` asks for it."""

    tells: bool
    owed: list[date]


def asked_of(session: Session, wiring: "Wiring", bank: str, day: date) -> Asked:
    """Return what the settings say of a bank's day: whether it calls back, and for which days it owes a statement.

    For this one and for all since its first signed one, which are to be signed before it.
    """
    known = wiring.settings.banks.get(bank)
    since = closes.first_signed(session, bank) or day
    return {
        "tells": known is None or known.callbacks or known.collects,
        "owed": owed_days(session, wiring, bank, min(since, day), day),
    }


def owed_days(session: Session, wiring: "Wiring", bank: str, first: date, last: date) -> list[date]:
    """Return the days from `first` to `last` for which a bank owes a statement, by its settings and the calendar."""
    calendar = bank_days.calendar(session)
    owed = [one for one in schedule.expected_files(session, wiring, earliest=date.min) if one.bank == bank]
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if any(one.since <= day and one.owes(day, calendar) for one in owed)]


def _owed_in(session: Session, wiring: "Wiring", month: Period) -> list[date]:
    return owed_days(session, wiring, month.bank, month.day, month_figures.last_day(month.day))


def obstacles(session: Session, wiring: "Wiring", period: Period) -> list[NotClosed]:
    """Return what keeps a period from being balanced and signed, as it is now."""
    bank, now = period.bank, wiring.clock()
    if period.kind == MONTH:
        owed = _owed_in(session, wiring, period)
        return closing.month_obstacles(session, bank, period.day, owed=owed, now=now)
    return closing.obstacles(session, bank, period.day, now=now, **asked_of(session, wiring, bank, period.day))


def balance(session: Session, wiring: "Wiring", period: Period, *, by: str) -> Close:
    """Balance a period as it is now; raises NotClosed."""
    now = wiring.clock()
    if period.kind == MONTH:
        owed = _owed_in(session, wiring, period)
        return closing.balance_month(session, period.bank, period.day, by=by, owed=owed, now=now)
    asked = asked_of(session, wiring, period.bank, period.day)
    return closing.balance(session, period.bank, period.day, by=by, now=now, **asked)


def sign(session: Session, wiring: "Wiring", period: Period, *, by: str) -> Close:
    """Sign a period that somebody else has balanced; raises NotClosed."""
    now, number = wiring.clock(), _live(session, period)
    if period.kind == MONTH:
        owed = _owed_in(session, wiring, period)
        return closing.sign(session, number, by=by, owed=owed, now=now)
    return closing.sign(session, number, by=by, now=now, **asked_of(session, wiring, period.bank, period.day))


def withdraw(session: Session, wiring: "Wiring", period: Period, *, by: str, why: str) -> Close:
    """Take a balance back, or turn it down; raises NotClosed."""
    return closing.withdraw(session, _live(session, period), by=by, why=why, now=wiring.clock())


def reopen(session: Session, wiring: "Wiring", period: Period, *, by: str, why: str) -> Close:
    """Open a signed period again; raises NotClosed."""
    return closing.reopen(session, _live(session, period), by=by, why=why, now=wiring.clock())


def done(wiring: "Wiring", act: Callable[[Session], Close]) -> Close:
    """Do one act in a transaction of its own, again when the database made it give way to another."""

    def work() -> Close:
        with transaction(wiring.engine) as session:
            return act(session)

    return insist(work)


def minutes(session: Session, wiring: "Wiring", made: Close) -> bytes:
    """Return the minutes of a close as a PDF: signed once two people have, if there is a certificate to sign with."""
    from gateway.minutes import certificate, contents, document, signing

    said = contents.of(session, made, wiring.settings)
    plain = document.make(session, said)
    signer = certificate.signer(wiring.settings) if made.checker else None
    return plain if signer is None else signing.sign(plain, signer, reason=f"Biên bản đối soát {said.name}")


def _live(session: Session, period: Period) -> int:
    found = closes.live(session, period.bank, period.kind, period.day)
    if found is None:
        raise NotClosed("state", f"expected a balance of {period.bank} {period.written}, got none")
    return found.id
