"""Claiming for a carrier: whether it may take any now, how many its pace lets through, and which become its own."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy.orm import Session

from gateway import clock
from gateway.wiring import Wiring
from reconciliation import carriers, routing, sending, sending_times
from reconciliation.sending import Claimed
from reconciliation.sending_times import Leaving

_ROUTED = 500
_AHEAD = 60
"""Seconds of a limited carrier's pace that may wait for it: what is beyond goes to others."""
_MOST = 1000
"""Messages that may wait for a carrier without a limit."""


def claim(session: Session, wiring: Wiring, name: str, *, limit: int, lease: timedelta) -> Sequence[Claimed]:
    """Take messages for the carrier `name`, as many as its health and pace allow; the caller commits before it sends.

    What is nobody's is given out first, to all carriers that are well.
    """
    now, at = wiring.clock(), clock.real()
    names = list(wiring.carriers)
    well, resting = carriers.may_take(session, names, now=now)
    trying = name in resting and carriers.may_try(session, name, now=now)
    if not trying and name not in well:
        return []
    how = wiring.carriers[name].settings
    pace = how.per_second
    wanted = min(limit, carriers.FEW) if trying else limit
    many = carriers.room(session, name, wanted=wanted, per_second=pace, at=at)
    if not many:
        return []
    alone = len(names) == 1
    may = sending_times.leaving(session, wiring.times, now=now)
    # A long queue is given out piece by piece: what has a carrier already is looked through each time.
    if not (alone or trying) and (
        routing.waiting(session, name, may, most=many) < many or routing.unclaimed_codes(session)
    ):
        _route(session, wiring, name, well, may)
    of_all = bool(how.weight) and (alone or trying)
    taken = sending.claim(
        session, carrier=name, limit=many, lease=lease, now=now, of_all=of_all,
        codes=alone or not trying or not well, may=may,
    )  # fmt: skip
    carriers.spend(session, name, len(taken), per_second=pace, at=at)
    if trying and taken:
        carriers.tried(session, name, now=now)
    return taken


def ask_again(session: Session, wiring: Wiring, name: str, *, limit: int, lease: timedelta) -> Sequence[Claimed]:
    """Take what the carrier was asked and never answered, to ask again; none of a carrier that would send it twice."""
    now, at = wiring.clock(), clock.real()
    known = memories(wiring)
    well, _ = carriers.may_take(session, [name], now=now)
    if name not in known or not well:
        return []
    pace = wiring.carriers[name].settings.per_second
    many = carriers.room(session, name, wanted=limit, per_second=pace, at=at)
    if not many:
        return []
    taken = sending.ask_again(session, carrier=name, remembers=known[name], limit=many, lease=lease, now=now)
    carriers.spend(session, name, len(taken), per_second=pace, at=at)
    return taken


def memories(wiring: Wiring) -> Mapping[str, timedelta | None]:
    """Return the carriers that know our own key again, and for how long."""
    return {
        name: carrier.transport.remembers
        for name, carrier in wiring.carriers.items()
        if carrier.transport is not None and carrier.transport.dedupes
    }


def others(wiring: Wiring) -> list[str]:
    """Return the carriers that may take what one of them has refused for good."""
    return [name for name, carrier in wiring.carriers.items() if carrier.settings.weight]


def _route(session: Session, wiring: Wiring, asking: str, may_take: Sequence[str], may: Leaving) -> None:
    """Give out what is nobody's, and what waits for a carrier that can't send it; a daemon that asks lives."""
    well = [
        name for name in may_take
        if wiring.carriers[name].transport is not None or name == asking or routing.is_kept_up(session, name)
    ]  # fmt: skip
    weights = {}
    for name in well:
        how = wiring.carriers[name].settings
        full = _AHEAD * how.per_second if how.per_second else _MOST
        if how.weight and routing.waiting(session, name, may, most=full) < full:
            weights[name] = how.weight
    declared = list(wiring.carriers)
    ill = [name for name in declared if name not in well]
    routing.route(session, weights, may, declared=declared, ill=ill, limit=_ROUTED)
