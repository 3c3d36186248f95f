"""A session: the protocol of one connection from bind to end, without a socket or a clock of its own.

It is fed bytes and moments, and leaves bytes in `out` and events for whoever runs it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from sms.smpp import pdus, statuses
from sms.smpp.account import Account
from sms.smpp.framing import Frames, OutOfStep
from sms.smpp.letters import Letter, Word
from sms.smpp.pdus import MalformedPdu, Pdu
from sms.transport import Accepted, Refused, Unsure

_LAST_SEQUENCE = 0x7FFFFFFF
_REMEMBERED = 10_000
_THEIR_UNBIND = "their unbind"
_FAREWELL_SECONDS = 2.0
"""How long a carrier that unbinds may still answer what it has taken."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The carrier knows us: submits may leave."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The word on a letter's part that was out."""

    letter: Letter
    word: Word


@dataclass(frozen=True, slots=True)
class AnsweredLate:
    """The carrier took a part after all, whose answer had been given up."""

    letter: Letter
    place: int
    word: Accepted


@dataclass(frozen=True, slots=True)
class Slower:
    """The carrier took nothing and wants fewer: the letter's part is to be submitted once more."""

    letter: Letter
    submitted: float
    status: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """A deliver_sm, which waits for `Session.acknowledge`."""

    pdu: Pdu


@dataclass(frozen=True, slots=True)
class Over:
    """The end of this connection; `wrong_account` says that trying again soon is of no use."""

    reason: str
    wrong_account: bool = False


Event = Bound | Answered | AnsweredLate | Slower | Delivered | Over


@dataclass(slots=True)
class _Out:
    letter: Letter
    at: float


@dataclass(slots=True)
class _Asked:
    """A bind, enquire_link or unbind of ours, or an unbind of theirs, and until when something must come of it."""

    command: str
    until: float = field(default=float("inf"))


class Session:
    """Begins by asking to be bound; ends with the event Over, once."""

    def __init__(self, account: Account, now: float) -> None:
        self.out = bytearray()
        self.is_bound = False
        self.is_over = False
        self._account = account
        self._frames = Frames()
        self._sequence = account.first_sequence - 1
        self._waiting: dict[int, _Out] = {}
        self._given_up: dict[int, tuple[Letter, int]] = {}
        self._heard_at = now
        self._asked: _Asked | None = _Asked("bind_transceiver", now + account.connect_seconds)
        self._ask(
            "bind_transceiver", system_id=account.system_id, password=account.password,
            system_type=account.system_type,
        )  # fmt: skip

    @property
    def in_flight(self) -> int:
        """How many submits are unanswered."""
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether a submit may leave now."""
        return self.is_bound and len(self._waiting) < self._account.window

    def submit(self, letter: Letter, now: float) -> None:
        """Send the next part of `letter`."""
        sequence = self._next()
        self.out += letter.submit(sequence, self._account.source)
        self._waiting[sequence] = _Out(letter, now)

    def acknowledge(self, pdu: Pdu, status: int = statuses.OK) -> None:
        """Answer a deliver_sm: it is kept, or `status` says why it is to be told again."""
        self.out += pdus.build("deliver_sm_resp", pdu.sequence, status=status)

    def unbind(self, now: float) -> None:
        """Ask to leave; the carrier's answer, or its silence, is the end."""
        self.is_bound = False
        self._ask("unbind")
        self._asked = _Asked("unbind", now + _FAREWELL_SECONDS)

    def until(self) -> float:
        """Return the moment by which `tick` is to be called."""
        # The answers are waited for equally long, so the oldest submit is the first whose time is up.
        oldest = min((out.at for out in self._waiting.values()), default=float("inf"))
        asked = self._heard_at + self._account.idle_seconds if self._asked is None else self._asked.until
        return min(oldest + self._account.answer_seconds, asked)

    def tick(self, now: float) -> Iterator[Event]:
        """Yield what the time that has passed means."""
        if self.is_over:
            return
        for sequence, out in [*self._waiting.items()]:
            if now >= out.at + self._account.answer_seconds:
                del self._waiting[sequence]
                self._given_up[sequence] = (out.letter, len(out.letter.words))
                if len(self._given_up) > _REMEMBERED:
                    del self._given_up[next(iter(self._given_up))]
                yield Answered(out.letter, Unsure(f"no answer within {self._account.answer_seconds:g} s"))
        if self._asked is not None and now >= self._asked.until:
            theirs = self._asked.command == _THEIR_UNBIND
            yield from self.end("the carrier has unbound" if theirs else f"no answer to {self._asked.command}")
        elif self._asked is None and now >= self._heard_at + self._account.idle_seconds:
            self._ask("enquire_link")
            self._asked = _Asked("enquire_link", now + self._account.answer_seconds)

    def received(self, data: bytes, now: float) -> Iterator[Event]:
        """Yield what `data`, in pieces of any size, tells."""
        self._heard_at = now
        if self._asked is not None and self._asked.command == "enquire_link":
            self._asked = None  # whatever was heard, the carrier is there
        try:
            for raw in self._frames.feed(data):
                if not self.is_over:
                    yield from self._read(raw, now)
        except OutOfStep as error:
            yield from self.end(str(error))

    def end(self, reason: str, *, wrong_account: bool = False) -> Iterator[Event]:
        """Yield the end: nobody will answer what is out any more."""
        if self.is_over:
            return
        self.is_over, self.is_bound = True, False
        for out in self._waiting.values():
            yield Answered(out.letter, Unsure(f"the link ended before the answer: {reason}"))
        self._waiting.clear()
        yield Over(reason, wrong_account)

    def _read(self, raw: bytes, now: float) -> Iterator[Event]:
        try:
            pdu = pdus.read(raw)
        except MalformedPdu:
            pdu = replace(pdus.header_of(raw), is_malformed=True)  # a receipt nobody can read is kept all the same
        if pdu.command == "deliver_sm":
            yield Delivered(pdu)
        elif pdu.command == "submit_sm_resp":
            yield from self._answer(pdu)
        elif pdu.command == "bind_transceiver_resp":
            yield from self._bound(pdu)
        elif pdu.command == "enquire_link":
            self.out += pdus.build("enquire_link_resp", pdu.sequence)
        elif pdu.command == "unbind":
            self.out += pdus.build("unbind_resp", pdu.sequence)
            self.is_bound = False
            self._asked = _Asked(_THEIR_UNBIND, now + _FAREWELL_SECONDS if self._waiting else now)
        elif pdu.command == "unbind_resp":
            yield from self.end("unbound")
        elif pdu.command == "generic_nack":
            yield from self._not_understood(pdu)
        elif pdu.is_request and pdu.command != "alert_notification":
            self.out += pdus.build("generic_nack", pdu.sequence, status=statuses.UNKNOWN_COMMAND)

    def _answer(self, pdu: Pdu) -> Iterator[Event]:
        out = self._waiting.pop(pdu.sequence, None)
        if out is None:
            if pdu.status == statuses.OK and pdu.sequence in self._given_up:
                letter, place = self._given_up.pop(pdu.sequence)
                yield AnsweredLate(letter, place, Accepted(pdu.message_id))
        elif pdu.status == statuses.OK:
            yield Answered(out.letter, Accepted(pdu.message_id))
        elif pdu.status in statuses.SLOWER:
            yield Slower(out.letter, out.at, pdu.status)
        else:
            yield Answered(out.letter, statuses.refusal(pdu.status))

    def _bound(self, pdu: Pdu) -> Iterator[Event]:
        if pdu.status == statuses.OK:
            self.is_bound, self._asked = True, None
            yield Bound()
        else:
            words = f"the carrier refuses the bind: {statuses.name(pdu.status)}"
            yield from self.end(words, wrong_account=pdu.status in statuses.WRONG_ACCOUNT)

    def _not_understood(self, pdu: Pdu) -> Iterator[Event]:
        """Take a generic_nack: the carrier could not read what we sent, so it took nothing."""
        if (out := self._waiting.pop(pdu.sequence, None)) is not None:
            yield Answered(out.letter, Refused(statuses.name(pdu.status), permanent=False, code="generic_nack"))
        elif self._asked is not None and self._asked.command == "bind_transceiver":
            yield from self.end(f"the carrier does not understand the bind: {statuses.name(pdu.status)}")

    def _ask(self, command: str, **fields: Any) -> None:
        self.out += pdus.build(command, self._next(), **fields)

    def _next(self) -> int:
        """Return the next number that nothing unanswered has; after 0x7FFFFFFF comes 1."""
        while True:
            self._sequence = self._sequence % _LAST_SEQUENCE + 1
            if self._sequence not in self._waiting:
                break
        self._given_up.pop(self._sequence, None)
        return self._sequence
