"""A bind kept up: one thread connects, submits what it is handed, hears receipts, and begins again when a link ends."""

import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from sms.smpp import statuses
from sms.smpp.account import Account
from sms.smpp.letters import Letter, References, Word, parts_of
from sms.smpp.pace import Pace
from sms.smpp.pdus import Pdu
from sms.smpp.session import Answered, AnsweredLate, Bound, Delivered, Event, Over, Session, Slower
from sms.smpp.wire import Broken, Wire
from sms.transport import Accepted, OutgoingSms, Refused

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 60.0
_LONGEST_WAIT = 5.0
STOPPING = "the sender is stopping"
"""Why a message that never began to leave is given back: nothing the carrier said."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the carrier said to a message, a word for each part in order; told once more if an answer comes late."""

    message: OutgoingSms
    words: tuple[Word, ...]
    is_late: bool = False
    """Told once more."""

    @property
    def is_of_carrier(self) -> bool:
        """Whether the carrier had its turn: not so with what a sender that stops gave back."""
        return not any(isinstance(word, Refused) and word.reason == STOPPING for word in self.words)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A deliver_sm that waits to be kept and then acknowledged on the link it came by."""

    pdu: Pdu
    session: Session = field(repr=False)


class Bind:
    """One bind_transceiver to `account`, kept up by a thread of its own from `start` to `stop`.

    `on_outcome` and `on_delivery` are called in that thread and must return at once; only what is given back while it
    connects is told in the thread that calls `leave`. Every message that is handed over ends in an outcome. A delivery
    is acknowledged by whoever has kept it, from any thread.
    """

    def __init__(
        self, account: Account, *, on_outcome: Callable[[Outcome], None], on_delivery: Callable[[Delivery], None]
    ) -> None:
        self.account = account
        self.pace = Pace(account.per_second)
        self.trouble = "not connected yet"
        """Why it is not bound; "" while it is."""
        self.binds = 0
        """How many times it was bound."""
        self.slowed = 0
        """How many submits were answered "slower"."""
        self._on_outcome, self._on_delivery = on_outcome, on_delivery
        self._references = References()
        self._handed: deque[Letter] = deque()
        self._kept: deque[tuple[Delivery, int]] = deque()
        self._ready: deque[Letter] = deque()
        self._in_hand = 0
        self._told = ""
        self._counting = threading.Lock()
        self._at_work = threading.Lock()
        """The thread's, except while it connects: then nothing leaves, and what waits may be given back by another."""
        self._stop_by: float | None = None
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"smpp {account.host}:{account.port}", daemon=True)

    @property
    def in_hand(self) -> int:
        """How many messages have no outcome yet."""
        with self._counting:
            return self._in_hand

    @property
    def is_bound(self) -> bool:
        """Whether submits may leave now."""
        return not self.trouble

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    def hand_over(self, messages: Iterable[OutgoingSms]) -> None:
        """Take messages to submit, from any thread; each ends in an outcome, within `patience_seconds` if not begun."""
        until = time.monotonic() + self.account.patience_seconds
        letters = [Letter(one, parts_of(one.text, one.to, self._references), until) for one in messages]
        with self._counting:
            self._in_hand += len(letters)
        self._handed.extend(letters)
        self._wake()

    def acknowledge(self, deliveries: Sequence[Delivery], status: int = statuses.OK) -> None:
        """Answer what has been kept, from any thread; for a link that has ended meanwhile that means nothing."""
        self._kept.extend((one, status) for one in deliveries)
        self._wake()

    def leave(self, seconds: float = 5.0) -> None:
        """Give back as refused what never began to leave, finish within `seconds` what did, and unbind; don't wait."""
        if self._stop_by is None:
            self._stop_by = time.monotonic() + seconds
        self._wake()
        # Whoever connects asks whether to stop before and after, so that from here on it submits nothing.
        if self._at_work.acquire(blocking=False):
            try:
                self._give_back_all()
            finally:
                self._at_work.release()

    def stop(self, seconds: float = 5.0) -> None:
        """Finish what is with the carrier, give the rest back as refused, unbind, and end the thread."""
        self.leave(seconds)
        if self._thread.ident is not None:  # it was started
            self._thread.join(seconds + 5)
        self._near.close()
        self._far.close()

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        with self._at_work:
            self._work()

    def _work(self) -> None:
        pause = self.account.retry_seconds
        while self._stop_by is None:
            bound_before = self.binds
            over = self._connection()
            pause = self.account.retry_seconds if self.binds > bound_before else min(2 * pause, _LONGEST_PAUSE)
            rest = self.account.refused_seconds if over.wrong_account else pause
            if self._stop_by is None:
                self._tell(over, rest)
                self._rest(time.monotonic() + rest)
        self._give_back_all()

    def _connection(self) -> Over:
        """Connect and serve until the connection's end."""
        account = self.account
        try:
            with self._connecting():
                if self._is_stopping():
                    return Over("stopped")
                wire = Wire(account.host, account.port, account.tls, account.connect_seconds)
        except OSError as error:
            return Over(f"no connection: {error.strerror or error}")
        if self._is_stopping():  # what waited is given back, maybe by another thread already
            wire.close()
            return Over("stopped")
        session = Session(account, time.monotonic())
        try:
            with selectors.DefaultSelector() as waiting:
                waiting.register(self._far, selectors.EVENT_READ)
                waiting.register(wire, selectors.EVENT_READ)
                return self._serve(wire, session, waiting)
        finally:
            self.trouble = self.trouble or "the link has ended"
            with suppress(Broken):  # an answer to the carrier's unbind
                wire.send(session.out)
            wire.close()

    def _is_stopping(self) -> bool:
        return self._stop_by is not None

    @contextmanager
    def _connecting(self) -> Iterator[None]:
        self._at_work.release()
        try:
            yield
        finally:
            self._at_work.acquire()

    def _serve(self, wire: Wire, session: Session, waiting: selectors.BaseSelector) -> Over:
        leaving = is_full = False
        while True:
            now = time.monotonic()
            self._take_orders(session)
            if self._stop_by is not None:
                self._give_back_unbegun()
            if self._stop_by is not None and not leaving and (self._is_finished(session) or now > self._stop_by):
                if not session.is_bound:
                    return self._all(session, session.end("stopped"))
                leaving = True
                session.unbind(now)
            self._submit(session, now)
            try:
                wire.send(session.out)
                if bool(session.out) is not is_full:
                    is_full = not is_full
                    waiting.modify(wire, selectors.EVENT_READ | (selectors.EVENT_WRITE if is_full else 0))
                waiting.select(max(0.0, min(self._until(session, now) - now, _LONGEST_WAIT)))
                data = wire.receive()
            except Broken as error:
                with suppress(Broken):  # answers that came before the end still count
                    self._all(session, session.received(wire.receive(), now))
                return self._all(session, session.end(str(error)))
            now = time.monotonic()
            events = session.received(data, now) if data else iter(())
            over = self._all(session, events)
            if not session.is_over:
                over = self._all(session, session.tick(now))
            if session.is_over:
                return over
            self._drop_overdue(now)

    def _is_finished(self, session: Session) -> bool:
        return not session.in_flight and not self._ready

    def _until(self, session: Session, now: float) -> float:
        """Return when something is to be done though nothing arrives."""
        until = session.until()
        if self._ready and session.has_room:
            until = min(until, self.pace.next)
        if self._stop_by is not None:
            until = min(until, max(self._stop_by, now + 0.1))
        return until

    def _submit(self, session: Session, now: float) -> None:
        while self._ready and session.has_room and self.pace.next <= now:
            session.submit(self._ready.popleft(), now)
            self.pace.left(now)

    def _all(self, session: Session, events: Iterable[Event]) -> Over:
        """See to each of `events`; return the end, if it is among them."""
        over = Over("")
        for event in events:
            if isinstance(event, Over):
                over = event
            else:
                self._happened(session, event)
        return over

    def _happened(self, session: Session, event: Bound | Answered | AnsweredLate | Slower | Delivered) -> None:
        match event:
            case Delivered(pdu):
                self._on_delivery(Delivery(pdu, session))
            case Answered(letter, word):
                letter.answered(word)
                if isinstance(word, Accepted):
                    self.pace.taken()
                if letter.is_done:
                    self._done(letter)
                else:
                    letter.give_up_at = time.monotonic() + self.account.patience_seconds
                    self._ready.appendleft(letter)
            case Slower(letter, submitted, status):
                self.slowed += 1
                self.pace.slower(submitted, time.monotonic())
                letter.last_refusal = statuses.refusal(status)
                self._ready.appendleft(letter)
            case AnsweredLate(letter, place, word):
                letter.words[place] = word
                if letter.is_done:
                    self._on_outcome(Outcome(letter.message, tuple(letter.words), is_late=True))
            case Bound():
                self.trouble = ""
                self.binds += 1
                log.info("bound to %s:%d as %s", self.account.host, self.account.port, self.account.system_id)

    def _done(self, letter: Letter) -> None:
        self._on_outcome(Outcome(letter.message, tuple(letter.words)))
        with self._counting:
            self._in_hand -= 1

    def _take_orders(self, session: Session | None) -> None:
        """Take what other threads have left for this one."""
        with suppress(BlockingIOError):
            while self._far.recv(4096):
                pass
        self._take_handed()
        while self._kept:
            delivery, status = self._kept.popleft()
            if delivery.session is session:
                session.acknowledge(delivery.pdu, status)

    def _take_handed(self) -> None:
        while self._handed:
            self._ready.append(self._handed.popleft())

    def _give_back_unbegun(self) -> None:
        """Give back at once what nothing has left of: whoever kills us may not wait for what has begun."""
        unbegun = [letter for letter in self._ready if not letter.may_have_left]
        self._ready = deque(letter for letter in self._ready if letter.may_have_left)
        self._give_back(unbegun)

    def _give_back_all(self) -> None:
        self._take_handed()
        rest, self._ready = self._ready, deque()
        self._give_back(rest)

    def _give_back(self, letters: Iterable[Letter]) -> None:
        for letter in letters:
            letter.give_up(letter.last_refusal or Refused(STOPPING, permanent=False))
            self._done(letter)

    def _drop_overdue(self, now: float) -> None:
        """Give back what the carrier has not taken in time: it may leave later, or by another way."""
        # What was handed over first stands first, behind what has begun already: the first one in time ends the search.
        while self._ready and self._ready[0].give_up_at <= now:
            letter = self._ready.popleft()
            letter.give_up(letter.last_refusal or Refused(self.trouble or "its turn did not come", permanent=False))
            self._done(letter)

    def _rest(self, until: float) -> None:
        """Wait without a connection; messages that are handed over meanwhile wait too, each in its own time."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._far, selectors.EVENT_READ)
            while self._stop_by is None and (now := time.monotonic()) < until:
                self._take_orders(None)
                self._drop_overdue(now)
                first = self._ready[0].give_up_at if self._ready else until
                waiting.select(max(0.0, min(until, first) - now))

    def _tell(self, over: Over, rest: float) -> None:
        """Say once why there is no bind, and again when the reason changes."""
        tell = log.error if over.wrong_account else log.warning
        if over.reason != self._told:
            tell("%s:%d: %s; trying again in %g s", self.account.host, self.account.port, over.reason, rest)
        self.trouble = self._told = over.reason

    def _wake(self) -> None:
        with suppress(BlockingIOError, OSError):  # full: it is awake already; closed: there is nobody to wake
            self._near.send(b"\0")
