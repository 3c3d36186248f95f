"""Messaging: claims what is due, hands it to its carrier, and records exactly what the carrier said."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from cryptography.exceptions import InvalidTag
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gateway import claiming, clock
from gateway.database import insist, outlast, transaction
from gateway.wiring import Wiring
from reconciliation import carriers, sending, sending_times
from reconciliation.carriers import Words
from reconciliation.outbox import TEST_REFERENCE
from reconciliation.sending import Claimed
from sms.transport import Accepted, OutgoingSms, Refused, Transport, TransportError, Unsure

log = logging.getLogger(__name__)

_BATCH = 100
_AT_ONCE = 8
_LEASE = timedelta(seconds=120)
"""Longer than the carrier's longest time-out for a batch: who holds a claim after that is dead."""
_IN_TIME = 90
"""Seconds of a lease within which a message may still be begun: the carrier's answer has to come before its end."""
_AGAIN = timedelta(seconds=30)
_AWAY = 25.0
"""Seconds for which the database may be away while a carrier's words wait to be recorded: less than `_AGAIN`, so that
nothing of what they tell is being sent anew."""
_EMPTY_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class _Said:
    """What the carrier said to one message, and how many milliseconds it took; 0 where it wasn't asked."""

    message_id: int
    word: Accepted | TransportError
    milliseconds: int = 0


def is_due(wiring: Wiring, session: Session) -> bool:
    """Tell whether `send_due` would find something to do; what goes over a link is its daemon's."""
    if not _senders(wiring):
        return False
    may = sending_times.leaving(session, wiring.times, now=wiring.clock())
    return sending.is_due(session, may, memories=claiming.memories(wiring))


def _senders(wiring: Wiring) -> list[Transport]:
    return [carrier.transport for carrier in wiring.carriers.values() if carrier.transport is not None]


def send_due(wiring: Wiring) -> int:
    """Send everything that is due; return how many the carriers accepted."""
    if not wiring.carriers:
        return 0
    with transaction(wiring.engine) as session:
        sending.expire(session, now=wiring.clock())
        lapsed = sending.lapse(session, now=wiring.clock())
    if lapsed:
        log.warning("%d messages were being sent when their sender ended; they are unsure", lapsed)
    senders = _senders(wiring)
    if len(senders) == 1:
        return _send_by(wiring, senders[0])
    with transaction(wiring.engine) as session:
        _, resting = carriers.may_take(session, [sender.name for sender in senders], now=wiring.clock())
    # Ill carriers are tried with a few messages before those that are well take them all.
    trials = [(sender, _take(wiring, sender, claiming.claim)) for sender in senders if sender.name in resting]
    accepted = 0
    with ThreadPoolExecutor(1 + 2 * len(senders), thread_name_prefix="carrier") as pool:  # a slow one holds up no other
        tried = [pool.submit(_send_batch, wiring, sender, batch) for sender, batch in trials]
        # What one sender gives to a carrier whose own sender has ended already leaves in the next round; so one more
        # follows even a round that sent nothing.
        empty = 0
        while empty < _EMPTY_ROUNDS:
            now_accepted = sum(pool.map(partial(_send_by, wiring), senders))
            accepted, empty = accepted + now_accepted, 0 if now_accepted else empty + 1
        return accepted + sum(trial.result() for trial in tried)


def _send_by(wiring: Wiring, carrier: Transport) -> int:
    return _drain(wiring, carrier, claiming.claim) + _drain(wiring, carrier, claiming.ask_again)


def _drain(wiring: Wiring, carrier: Transport, take: Callable[..., Sequence[Claimed]]) -> int:
    accepted = 0
    while batch := _take(wiring, carrier, take):
        accepted += _send_batch(wiring, carrier, batch)
    return accepted


def _take(wiring: Wiring, carrier: Transport, take: Callable[..., Sequence[Claimed]]) -> Sequence[Claimed]:
    with transaction(wiring.engine) as session:
        return take(session, wiring, carrier.name, limit=_BATCH, lease=_LEASE)


def _send_batch(wiring: Wiring, carrier: Transport, batch: Sequence[Claimed]) -> int:
    """Send what was claimed, the claim being committed: whatever happens now, no other worker sends it."""
    if not batch:
        return 0
    until = time.monotonic() + _IN_TIME
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sms") as pool:
        said = list(pool.map(lambda claimed: _send(wiring, carrier, claimed, until), batch))
    # What the carrier said is heard once: were it lost with a connection, nobody would know what left.
    accepted = outlast(lambda: _record(wiring, carrier, said), seconds=_AWAY)
    _judge(wiring, carrier, said)
    return accepted


def _send(wiring: Wiring, carrier: Transport, claimed: Claimed, until: float) -> _Said:
    """Send one message; whatever goes wrong with it is its own word, so that the others' words are not lost."""
    if time.monotonic() > until:
        return _Said(claimed.id, Refused("the carrier was too slow for it to have its turn", permanent=False))
    message = addressed(wiring, claimed)
    if isinstance(message, Refused):
        return _Said(claimed.id, message)
    if message.to in wiring.settings.sms.test_numbers:
        return _Said(claimed.id, Accepted(f"{TEST_REFERENCE}{claimed.request_id}"))
    began = time.monotonic()
    word: Accepted | TransportError
    try:
        word = carrier.send(message)
    except TransportError as error:
        word = error
    except Exception as error:  # a fault of ours, before or after a byte left: nobody knows
        log.error("sending message %d failed: %s", claimed.id, type(error).__name__)
        word = Unsure(type(error).__name__)
    return _Said(claimed.id, word, max(1, round(1000 * (time.monotonic() - began))))


def _judge(wiring: Wiring, carrier: Transport, said: Sequence[_Said]) -> None:
    """Note how the carrier did with a batch; it may fall ill by it, or be well again."""
    asked = [one for one in said if one.milliseconds]
    if not asked:
        return
    refusals = [one.word for one in asked if isinstance(one.word, Refused)]
    accepted = [one for one in asked if isinstance(one.word, Accepted)]
    troubles = [one.word for one in asked if isinstance(one.word, TransportError)]
    for_good = sum(refusal.permanent for refusal in refusals)
    halting = [f"{refusal.reason} ({refusal.code})" for refusal in refusals if refusal.halts]
    words = Words(
        accepted=len(accepted),
        refused=for_good,
        troubled=len(asked) - len(accepted) - for_good,
        milliseconds=sum(one.milliseconds for one in asked),
        last=str(troubles[-1]) if troubles else "accepted",
        halts=halting[-1] if halting else "",
        wait=max((refusal.wait for refusal in refusals if refusal.wait is not None), default=None),
    )
    with transaction(wiring.engine) as session:
        before = carriers.known(session).get(carrier.name)
        was_ill = before is not None and before.ill_since is not None
        now_is = carriers.heard(session, carrier.name, words, now=wiring.clock(), at=clock.real())
        if now_is.ill_since is not None and not was_ill:
            log.error("the carrier %s is ill and gets no new messages: %s", carrier.name, now_is.ill_why)
        elif now_is.ill_since is None and was_ill:
            log.warning("the carrier %s is well again", carrier.name)


def addressed(wiring: Wiring, claimed: Claimed) -> OutgoingSms | Refused:
    """Return a claimed message with its number opened, or why it can't be sent."""
    if claimed.msisdn_sealed is None:
        # One that may have left before stays unsure: whether it did is not known any better.
        never_left = claimed.state == "queued"
        return Refused("the customer has no number any more", permanent=never_left)
    try:
        number = wiring.sealer.open(claimed.msisdn_sealed, "customers.msisdn").decode()
    except (KeyError, InvalidTag) as error:
        log.error("the number of message %d can't be opened: %s", claimed.id, type(error).__name__)
        return Refused("the number can't be opened", permanent=False)
    return OutgoingSms(claimed.request_id, number, claimed.body, wiring.settings.sms.brand)


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
                    session, one.message_id, carrier=carrier.name, permanent=one.word.permanent, why=why,
                    again_at=now + max(_AGAIN, one.word.wait or _AGAIN), now=now,
                    others=claiming.others(wiring) if one.milliseconds else (),
                )  # fmt: skip
            elif isinstance(one.word, Unsure):
                sending.unsure(session, one.message_id, why=why, again_at=now + _AGAIN, now=now)
    return len(taken)
