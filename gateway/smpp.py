"""The SMPP daemon: claims what is due, keeps a bind's window full, records what it says, and keeps receipts.

Three threads. The bind's own speaks with the carrier and never waits for the database. This one claims and records, a
batch a time. A third keeps what the carrier tells and applies it; only what is committed is acknowledged.
"""

import hashlib
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

from gateway import claiming, clock, smpp_words
from gateway.database import insist, transaction
from gateway.messaging import addressed
from gateway.smpp_settings import SmppSettings, account_of
from gateway.wiring import Wiring
from reconciliation import carrier_receipts, carriers, message_parts, sending
from reconciliation.carrier_receipts import Heard
from reconciliation.db import AdvisoryLock
from reconciliation.outbox import TEST_REFERENCE
from sms.encoding import split
from sms.smpp import STOPPING, Bind, Delivery, Outcome, receipts, statuses
from sms.smpp.framing import HEADER
from sms.smpp.receipts import Said, Told
from sms.transport import Accepted, OutgoingSms, Refused

log = logging.getLogger(__name__)

_LEASE = timedelta(seconds=240)
"""Longer than a message stays in hand: the bind's patience, and the answers to its parts."""
_AGAIN = timedelta(seconds=30)
_BREATH, _IDLE, _ALIVE, _TIDY = 0.03, 0.25, 1.0, 30.0
_JUDGE = 1.0
"""So often the carrier's health is judged by what it said."""
_APPLY = 0.2
_SETTLING = timedelta(seconds=0.3)
"""A receipt is applied so long after it came: by then the answer that names its part is recorded, even at full pace."""
_FEWEST, _MOST = 12, 500
_AHEAD = 2.5
"""So many rounds' work is claimed ahead: enough to keep the window full; were we killed now, it would all be unsure."""
_PURPOSE = "carrier_receipts.raw"
_LEAVING_SECONDS, _LAST_WORDS_SECONDS = 5.0, 3.0
"""How long what is out may still be answered, and how long what was said may wait for the database after that."""
_ABSENT = 10.0
"""Seconds without a bind after which the carrier counts as ill."""


class Daemon:
    """One bind's daemon. A second one for the same carrier stands by until the first is gone.

    What fails other than by the database being away ends the process: its successor begins from what is committed.
    """

    def __init__(self, wiring: Wiring, name: str, settings: SmppSettings) -> None:
        self.wiring = replace(wiring, pooled=4)
        self.name = name
        self._account = account_of(wiring.settings, name, settings)
        self._want = _FEWEST
        self._unjudged: list[Sequence[object]] = []
        self._tidy_at = self._judge_at = 0.0
        self._stand_by()

    def _stand_by(self) -> None:
        """Begin with nothing in hand and no link."""
        self.bind = Bind(self._account, on_outcome=self._heard_outcome, on_delivery=self._heard_delivery)
        self._said: deque[Outcome] = deque()
        self._tries: dict[int, int] = {}
        """The claims in hand, by message: which of its tries each is."""
        self._told: deque[Delivery] = deque()
        self._came, self._ended = threading.Event(), threading.Event()
        self._receipts = threading.Thread(target=self._hear, name=f"{self.name} receipts", daemon=True)
        self._bound_at = time.monotonic()
        self._absent = self._leads = False

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`; then finish what is with the carrier, record it, give back the rest, and unbind."""
        while not stop.is_set():
            try:
                with self._alone() as lock:
                    if lock is not None:
                        self._lead(stop, lock)
                        self._finish(lock)
                    elif self._leads:
                        self._step_down()
            except OperationalError as error:
                log.warning("the database is not to be had (%s); trying again", type(error.orig).__name__)
            stop.wait(_ALIVE)
        if self._leads:
            self._finish(None)
        else:
            self.bind.stop()
        self.wiring.engine.dispose()

    @contextmanager
    def _alone(self) -> Iterator[Connection | None]:
        """Hold the lock of this carrier's one daemon; None while another holds it."""
        with self.wiring.engine.connect() as connection:
            query = text("SELECT pg_try_advisory_lock(hashtextextended(:name, :seed))")
            got = connection.scalar(query, {"name": self.name, "seed": int(AdvisoryLock.CARRIERS)})
            connection.commit()
            try:
                yield connection if got else None
            finally:
                connection.invalidate()  # the lock ends with its connection

    def _lead(self, stop: threading.Event, lock: Connection) -> None:
        if not self._leads:
            # Whoever held the lock before is dead, and so is what it knew.
            with transaction(self.wiring.engine) as session:
                left = sending.abandon(session, self.name, now=self.wiring.clock())
            if left:
                log.warning("%d messages were being sent when their sender ended; they are unsure", left)
            self._leads = True
            self.bind.start()
            self._receipts.start()
        asked = time.monotonic()
        while not stop.is_set():
            began = time.monotonic()
            if began > asked + _ALIVE:
                lock.execute(text("SELECT 1"))  # another daemon may have taken over while the database was away
                lock.commit()
                asked = began
            self._watch()
            ran_out = self.bind.in_hand < _FEWEST
            recorded = self._record()
            room = self._want - self.bind.in_hand
            claimed = self._claim()
            if claimed < room or not ran_out:  # else more waits, and the bind has nothing to do meanwhile
                stop.wait(_BREATH if recorded or claimed or self.bind.in_hand else _IDLE)
            if recorded:
                # What runs out before the next round was too little, however much that was.
                wanted = _FEWEST + (4 * self._want if ran_out else _AHEAD * recorded)
                self._want = min(_MOST, int((self._want + wanted) / 2))

    def _step_down(self) -> None:
        """Leave the link to another daemon, which took the lead while the database was away for both.

        Were this one's bind kept, a carrier that allows one would never let the other in. What it has heard until now
        counts: the other has called unsure whatever this one had in hand.
        """
        log.warning("another daemon leads now: this one unbinds and stands by")
        self._leads = False
        self._finish(None)
        self._stand_by()

    def _finish(self, lock: Connection | None) -> None:
        """Finish what is with the carrier, record it, give back what never began to leave, and unbind.

        The lead is kept until that is done, or whoever stands by would call unsure what is being given back. A lead
        that went away with the database is asked for again: another that has it meanwhile has the say.
        """
        self.bind.leave(_LEAVING_SECONDS)
        self._judge_at = 0.0
        deadline = time.monotonic() + _LEAVING_SECONDS + _LAST_WORDS_SECONDS
        while (self.bind.in_hand or self._said) and time.monotonic() < deadline:
            try:
                self._record_last(lock)
                time.sleep(_BREATH)
            except OperationalError:
                lock = None
                time.sleep(_IDLE)  # what can't be recorded any more is unsure to the next daemon
        self._leads = False
        self.bind.stop()
        self._ended.set()
        self._came.set()
        self._receipts.join(_LAST_WORDS_SECONDS)

    def _record_last(self, lock: Connection | None) -> None:
        with nullcontext(lock) if lock is not None or not self._leads else self._alone() as held:
            self._leads = self._leads and held is not None
            if held is not None:
                held.execute(text("SELECT 1"))
                held.commit()
            self._record()

    def _watch(self) -> None:
        """Note when the link stays away, so that what waits goes by another carrier meanwhile."""
        if self.bind.is_bound:
            if self._absent:
                with transaction(self.wiring.engine) as session:
                    carriers.may_be_tried(session, self.name, now=self.wiring.clock())
            self._bound_at, self._absent = time.monotonic(), False
        elif not self._absent and time.monotonic() > self._bound_at + _ABSENT:
            with transaction(self.wiring.engine) as session:
                carriers.call_ill(session, self.name, self.bind.trouble, now=self.wiring.clock())
            self._absent = True

    # ── claiming and recording ───────────────────────────────────────────────────────────────────────────────────────

    def _claim(self) -> int:
        """Claim as many messages as the bind will soon have room for and hand them over; return how many."""
        now = time.monotonic()
        wanted = self._want - self.bind.in_hand if self.bind.is_bound else 0
        if wanted < self._want // 4 and now < self._tidy_at:
            return 0
        with transaction(self.wiring.engine) as session:
            if now >= self._tidy_at:
                self._tidy_at = now + _TIDY
                sending.expire(session, now=self.wiring.clock())
                sending.lapse(session, now=self.wiring.clock())
            taken = claiming.claim(session, self.wiring, self.name, limit=max(wanted, 0), lease=_LEASE)
        # The claim is committed: from here on a byte may leave, and none of these is claimed again without a word.
        ready = []
        self._tries.update((claimed.id, claimed.attempts) for claimed in taken)
        for claimed in sorted(taken, key=lambda row: row.id):
            message = addressed(self.wiring, claimed)
            if isinstance(message, Refused):
                self._said.append(Outcome(OutgoingSms(str(claimed.id), "", "", ""), (message,)))
            elif message.to in self.wiring.settings.sms.test_numbers:
                parts = len(split(message.text))
                words = tuple(Accepted(f"{TEST_REFERENCE}{claimed.request_id}-{part}") for part in range(1, parts + 1))
                self._said.append(Outcome(OutgoingSms(str(claimed.id), "", "", ""), words))
            else:
                # SMPP has no key of ours to carry: the message's number serves to know it again.
                ready.append(replace(message, request_id=str(claimed.id)))
        self.bind.hand_over(ready)
        return len(taken)

    def _heard_outcome(self, outcome: Outcome) -> None:
        self._said.append(outcome)

    def _record(self) -> int:
        """Record what the bind has said since the last time; return for how many messages."""
        said = [self._said.popleft() for _ in range(min(len(self._said), _MOST))]
        if said:
            try:
                self._insist_on(said)
            except BaseException:
                self._said.extendleft(reversed(said))  # heard once: it is recorded when the database is back
                raise
            # What came too late was counted as trouble when its time was up, and is not counted again as what it
            # became: a carrier that answers later than it is waited for is not well.
            self._unjudged += [one.words for one in said if one.message.to and one.is_of_carrier and not one.is_late]
            for one in said:
                self._tries.pop(int(one.message.request_id), None)
        if self._unjudged and time.monotonic() >= self._judge_at:
            self._judge_at = time.monotonic() + _JUDGE
            insist(self._judge)
            self._unjudged.clear()
        return len(said)

    def _judge(self) -> None:
        words = smpp_words.of_carrier(self._unjudged)
        with transaction(self.wiring.engine) as session:
            carriers.heard(session, self.name, words, now=self.wiring.clock(), at=clock.real())

    def _insist_on(self, said: Sequence[Outcome]) -> None:
        try:
            insist(lambda: self._record_together(said))
        except IntegrityError:
            # A reference was given to another part at this very moment: now it is seen, and names nobody.
            insist(lambda: self._record_together(said))

    def _record_together(self, said: Sequence[Outcome]) -> None:
        now = self.wiring.clock()
        # The last word on a message counts: an answer that came late says more than the one before.
        last = {int(one.message.request_id): one.words for one in said}
        whole = {number: words for number, words in last.items() if all(isinstance(word, Refused) for word in words)}
        answers = [
            smpp_words.of_part(number, ordinal, word)
            for number, words in last.items() if number not in whole
            for ordinal, word in enumerate(words, start=1)
        ]  # fmt: skip
        asked = {int(one.message.request_id) for one in said if one.message.to}
        others = claiming.others(self.wiring)
        with transaction(self.wiring.engine) as session:
            message_parts.record(session, answers, provider=self.name, now=now)
            # Who stands by leaves it there: the other daemon may be sending by now what this one saw refused.
            for number, (word, *_) in sorted(whole.items()) if self._leads else ():
                assert isinstance(word, Refused)  # noqa: S101 - all of its words are
                sending.refused(
                    session, number, carrier=self.name, permanent=word.permanent, why=str(word),
                    again_at=now if word.reason == STOPPING else now + _AGAIN, now=now,
                    others=others if number in asked else (), attempt=self._tries.get(number),
                )  # fmt: skip

    # ── receipts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _heard_delivery(self, delivery: Delivery) -> None:
        self._told.append(delivery)
        self._came.set()

    def _hear(self) -> None:
        apply_at, ended = time.monotonic(), self._ended  # another one, once it stands by
        while not ended.is_set():
            self._came.wait(max(0.0, apply_at - time.monotonic()))
            if self.bind.in_hand > _FEWEST:
                ended.wait(_BREATH)  # at full pace receipts share a commit
            self._came.clear()
            told = [self._told.popleft() for _ in range(min(len(self._told), _MOST))]
            if len(told) == _MOST:
                self._came.set()
            try:
                self._keep(told)
                if time.monotonic() >= apply_at:
                    apply_at = time.monotonic() + _APPLY
                    self._apply()
            except SQLAlchemyError as error:
                log.warning("receipts can't be read now (%s); they will be", type(error).__name__)
            except Exception:
                log.exception("receipts can't be read")

    def _keep(self, told: Sequence[Delivery]) -> None:
        """Keep what the carrier tells, then acknowledge it; what can't be kept is to be told again."""
        if not told:
            return
        try:
            heard = self._heard(told)
            now = self.wiring.clock()
            look_at = now + _SETTLING if self._said or self.bind.in_hand else now
            with transaction(self.wiring.engine) as session:
                carrier_receipts.keep(session, heard, provider=self.name, now=now, look_at=look_at)
        except BaseException:
            self.bind.acknowledge(told, statuses.TRY_AGAIN)
            raise
        self.bind.acknowledge(told)

    def _heard(self, deliveries: Sequence[Delivery]) -> list[Heard]:
        """Read receipts; what a customer writes to us is not kept, since nobody here would answer it."""
        read = [(one.pdu, receipts.read(one.pdu)) for one in deliveries]
        told = [
            (pdu.raw[HEADER.size :], one or Told("", Said.UNDER_WAY, "", None, ""))
            for pdu, one in read if one is not None or pdu.is_malformed
        ]  # fmt: skip
        sealed = self.wiring.sealer.seal_all([body for body, _ in told], _PURPOSE)
        return [
            Heard(
                hashlib.sha256(body).digest(), raw, one.ref, receipts.key(one.ref), receipts.other_keys(one.ref),
                self.wiring.sealer.blind(one.number, "msisdn") if one.number else None,
                one.said.value, one.code, one.at,
            )
            for (body, one), raw in zip(told, sealed, strict=True)
        ]  # fmt: skip

    def _apply(self) -> None:
        looked = _MOST
        while looked == _MOST:
            looked = insist(self._apply_some)

    def _apply_some(self) -> int:
        with transaction(self.wiring.engine) as session:
            return carrier_receipts.apply(session, provider=self.name, now=self.wiring.clock(), limit=_MOST)
