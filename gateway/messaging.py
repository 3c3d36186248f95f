"""Messaging: claims what is due, hands it to the carrier, and records exactly what the carrier said."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from cryptography.exceptions import InvalidTag
from sqlalchemy.exc import IntegrityError

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
            accepted += _record(wiring, carrier, said)


def _send(wiring: Wiring, carrier: Transport, claimed: Claimed) -> _Said:
    """Send one message; whatever goes wrong with it is its own word, so that the others' words are not lost."""
    if claimed.msisdn_sealed is None:
        # One that may have left before stays unsure: whether it did is not known any better.
        never_left = claimed.state == "sending"
        return _Said(claimed.id, Refused("the customer has no number any more", permanent=never_left))
    try:
        number = wiring.sealer.open(claimed.msisdn_sealed, "customers.msisdn").decode()
    except (KeyError, InvalidTag) as error:
        log.error("the number of message %d can't be opened: %s", claimed.id, type(error).__name__)
        return _Said(claimed.id, Refused("the number can't be opened", permanent=False))
    message = OutgoingSms(claimed.request_id, number, claimed.body, wiring.settings.sms.brand)
    try:
        return _Said(claimed.id, carrier.send(message))
    except TransportError as error:
        return _Said(claimed.id, error)
    except Exception as error:  # a fault of ours, before or after a byte left: nobody knows
        log.error("sending message %d failed: %s", claimed.id, type(error).__name__)
        return _Said(claimed.id, Unsure(type(error).__name__))


def _record(wiring: Wiring, carrier: Transport, said: Sequence[_Said]) -> int:
    """Record what was said; a reference the carrier gave to another message before spoils this message alone."""
    try:
        return insist(partial(_record_together, wiring, carrier, said))
    except IntegrityError:
        if len(said) > 1:
            return sum(_record(wiring, carrier, [one]) for one in said)
        log.error("the carrier's reference of message %d is another message's too", said[0].message_id)
        doubted = _Said(said[0].message_id, Unsure("the carrier's reference is another message's too"))
        return insist(partial(_record_together, wiring, carrier, [doubted]))


def _record_together(wiring: Wiring, carrier: Transport, said: Sequence[_Said]) -> int:
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
