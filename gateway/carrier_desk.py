"""The carriers as people look at them: settings, health and figures of each, for the page, the command and /metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway.carrier_settings import CarrierSettings
from reconciliation import carriers
from reconciliation.carriers import Carrier, Figures


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
    rows = session.execute(
        text(
            "SELECT carrier, state, count(*) AS many FROM messages WHERE state IN ('queued', 'sending', 'unsure')"
            " AND carrier = ANY(:names) GROUP BY carrier, state"
        ),
        {"names": list(declared)},
    ).all()
    many = {(row.carrier, row.state): row.many for row in rows}
    return [
        CarrierLine(
            how, known.get(name), figures.get(name, Figures()), many.get((name, "queued"), 0),
            many.get((name, "unsure"), 0),
        )
        for name, how in declared.items()
    ]  # fmt: skip
