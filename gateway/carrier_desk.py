"""The carriers as people look at them: settings, health and figures of each, for the page, the command and /metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from banks.money import Money, dong
from gateway.carrier_settings import CarrierSettings
from reconciliation import carrier_balances, carriers, routing
from reconciliation.carrier_balances import CarrierBalance
from reconciliation.carriers import Carrier, Figures

MOST = 100_000
"""Waiting messages are counted up to here."""
_UNSURE = text(
    "SELECT carrier, count(*) AS many FROM messages WHERE state = 'unsure' AND carrier = ANY(:names) GROUP BY carrier"
)


@dataclass(frozen=True, slots=True)
class CarrierLine:
    """One carrier: how it is declared, how it does, what waits for it; `health` None where it was never asked.

    `balance` is None where it was never asked for, or where the carrier tells none.
    """

    how: CarrierSettings
    health: Carrier | None
    figures: Figures
    waiting: int
    unsure: int
    balance: CarrierBalance | None
    balance_is_unknown: bool
    """Nothing was told for so long that it is not known any more."""

    @property
    def state(self) -> str:
        """Its state in one word: new, well, ill, or stopped until a person has acted."""
        if self.health is None:
            return "new"
        if self.health.ill_since is None:
            return "well"
        return "stopped" if self.health.needs_person else "ill"

    @property
    def left(self) -> Money | None:
        """What it told last of our account; None where it never did."""
        minor = self.balance.balance_minor if self.balance else None
        return None if minor is None else dong(minor)

    @property
    def is_low(self) -> bool:
        """Whether what is left, as far as is known, is less than its alarm allows."""
        return self.balance is not None and self.balance.low_since is not None

    @property
    def balance_alarms(self) -> bool:
        """Whether somebody has to see to its balance: it is low, or not told any more though it has to be watched."""
        asked_in_vain = self.balance is not None and self.balance.untold_since is not None and self.balance_is_unknown
        return self.is_low or (asked_in_vain and self.left is not None and bool(self.how.balance_alarm))


def lines(session: Session, declared: Mapping[str, CarrierSettings], *, now: datetime) -> list[CarrierLine]:
    """Return every declared carrier, as it is at `now`."""
    known, figures = carriers.known(session), carriers.figures(session, now=now)
    names = list(declared)
    waiting = {name: routing.queued(session, name, most=MOST) for name in names}
    if len(names) == 1:  # nothing is given out: whatever waits is its own
        waiting[names[0]] = routing.queued(session, None, most=MOST)
    unsure = session.execute(_UNSURE, {"names": names}).all()
    unsure_of = {row.carrier: row.many for row in unsure}
    balances = carrier_balances.known(session)
    told = {name: balances.get(name) if how.tells_balance else None for name, how in declared.items()}
    return [
        CarrierLine(
            how, known.get(name), figures.get(name, Figures()), waiting[name], unsure_of.get(name, 0),
            balance, balance is not None and balance.is_unknown(now),
        )
        for (name, how), balance in zip(declared.items(), told.values(), strict=True)
    ]  # fmt: skip
