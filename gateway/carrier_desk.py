"""The carriers as people look at them: settings, health and figures of each, for the page, the command and /metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway.carrier_settings import CarrierSettings
from reconciliation import carriers, routing
from reconciliation.carriers import Carrier, Figures

MOST = 100_000
"""Waiting messages are counted up to here."""
_UNSURE = text(
    "SELECT carrier, count(*) AS many FROM messages WHERE state = 'unsure' AND carrier = ANY(:names) GROUP BY carrier"
)


@dataclass(frozen=True, slots=True)
class CarrierLine:
    """One carrier: how it is declared, how it does, what waits for it; `health` None where it was never asked."""

    how: CarrierSettings
    health: Carrier | None
    figures: Figures
    waiting: int
    unsure: int

    @property
    def state(self) -> str:
        """Its state in one word: new, well, ill, or stopped until a person has acted."""
        if self.health is None:
            return "new"
        if self.health.ill_since is None:
            return "well"
        return "stopped" if self.health.needs_person else "ill"


def lines(session: Session, declared: Mapping[str, CarrierSettings], *, now: datetime) -> list[CarrierLine]:
    """Return every declared carrier, as it is at `now`."""
    known, figures = carriers.known(session), carriers.figures(session, now=now)
    names = list(declared)
    waiting = {name: routing.queued(session, name, most=MOST) for name in names}
    if len(names) == 1:  # nothing is given out: whatever waits is its own
        waiting[names[0]] = routing.queued(session, None, most=MOST)
    unsure = session.execute(_UNSURE, {"names": names}).all()
    unsure_of = {row.carrier: row.many for row in unsure}
    return [
        CarrierLine(
            how, known.get(name), figures.get(name, Figures()), waiting[name], unsure_of.get(name, 0)
        )
        for name, how in declared.items()
    ]  # fmt: skip
