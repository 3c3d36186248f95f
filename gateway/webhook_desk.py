"""The webhook desk: what people do with endpoints, by page or command: one set of rules for both."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from gateway import outside
from gateway.written_days import a_moment
from reconciliation import webhook_endpoints
from reconciliation.webhook_endpoints import Endpoint, NotAdded
from reconciliation.webhook_events import Attempt, Event, Place, Sending

if TYPE_CHECKING:
    from gateway.wiring import Wiring


def add(session: Session, wiring: "Wiring", url: str, events: Iterable[str], *, by: str) -> tuple[Endpoint, str]:
    """Add an endpoint and return it with its key; raises NotAdded, also for an address that may not be called."""
    try:
        checked = outside.check(url, inside=outside.may_go_inside(wiring.settings))
    except outside.NotOutside as error:
        raise NotAdded(str(error)) from None
    return webhook_endpoints.add(session, checked, events, sealer=wiring.sealer, by=by, now=wiring.clock())


def log_of(endpoint_id: int) -> Select[*tuple[Any, ...]]:
    """Return the question for an endpoint's sendings, each with its event."""
    return (
        select(Sending, Event).join(Event, Event.id == Sending.event_id).where(Sending.endpoint_id == endpoint_id)
    )  # fmt: skip


def tries(session: Session, sendings: Iterable[int]) -> Mapping[int, Sequence[Attempt]]:
    """Return sending → its tries, the latest first, those before it was asked for anew included."""
    found: dict[int, list[Attempt]] = {}
    wanted = select(Attempt).where(Attempt.sending_id.in_(list(sendings))).order_by(Attempt.id.desc())
    for one in session.scalars(wanted):
        found.setdefault(one.sending_id, []).append(one)
    return found


def moment(written: str) -> datetime:
    """Return a moment as people write it, Vietnam's where no zone is named; raises ValueError."""
    read = a_moment(written)
    if read is None:
        raise ValueError(f"expected a moment as 2026-11-18T08:00, got {written[:40]!r}")
    return read


def place(since: str, after: str = "0") -> Place:
    """Return the place in the events that begins with a moment, or after one of its events; raises ValueError."""
    if not after.isascii() or not after.isdigit() or len(after) > 18:
        raise ValueError("expected the number of an event")
    return moment(since), int(after)
