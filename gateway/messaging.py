"""Messaging: claims what is due, hands it to the carrier, and records exactly what the carrier said."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from gateway.database import insist, transaction
from gateway.wiring import Wiring
from reconciliation import sending
from reconciliation.sending import Claimed
from sms.transport import Accepted, OutgoingSms, Refused, Transport, TransportError, Unsure

log = logging.getLogger(__name__)

_BATCH = 100
_AT_ONCE = 8
_LEASE = timedelta(seconds=120)
"""Longer than the carrier's longest time-out for a batch: who holds a claim after that is dead."""
_AGAIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the carrier said to one message."""

    message_id: int
    word: Accepted | TransportError


def send_due(wiring: Wiring) -> int:
    """Send everything that is due; return how many the carrier accepted."""
    carrier = wiring.carrier
    if carrier is None:
        return 0
    with transaction(wiring.engine) as session:
        lapsed = sending.lapse(session, now=wiring.clock())
    if lapsed:
        log.warning("%d messages were being sent when their sender ended; they are unsure", lapsed)
    accepted = _drain(wiring, carrier, sending.claim)
    if carrier.dedupes:
        accepted += _drain(wiring, carrier, sending.ask_again)
    return accepted


def _drain(wiring: Wiring, carrier: Transport, take: Callable[..., Sequence[Claimed]]) -> int:
    accepted = 0
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sms") as pool:
        while True:
            with transaction(wiring.engine) as session:
                batch = take(session, limit=_BATCH, lease=_LEASE, now=wiring.clock())
            if not batch:
                return accepted
            # The claim is committed: whatever happens from here on, no other worker sends these.
            said = list(pool.map(lambda claimed: _send(wiring, carrier, claimed), batch))
            # What the carrier said is heard once: were it lost to a deadlock, nobody would know what left.
            accepted += insist(partial(_record, wiring, carrier, said))


def _send(wiring: Wiring, carrier: Transport, claimed: Claimed) -> _Said:
    number = wiring.sealer.open(claimed.msisdn_sealed, "customers.msisdn").decode()
    message = OutgoingSms(claimed.request_id, number, claimed.body, wiring.settings.sms.brand)
    try:
        return _Said(claimed.id, carrier.send(message))
    except TransportError as error:
        return _Said(claimed.id, error)


def _record(wiring: Wiring, carrier: Transport, said: Sequence[_Said]) -> int:
    now = wiring.clock()
    taken = [(one.message_id, one.word.provider_ref) for one in said if isinstance(one.word, Accepted)]
    with transaction(wiring.engine) as session:
        sending.sent(session, taken, provider=carrier.name, now=now)
        for one in said:
            why = str(one.word)
            if isinstance(one.word, Refused):
                sending.refused(
                    session, one.message_id, permanent=one.word.permanent, why=why, again_at=now + _AGAIN, now=now
                )
            elif isinstance(one.word, Unsure):
                sending.unsure(session, one.message_id, why=why, again_at=now + _AGAIN, now=now)
    return len(taken)
