"""A carrier in memory, for tests: takes messages, or fails in each of the ways a real one does."""

import threading
from collections import deque
from datetime import datetime, timedelta
from enum import StrEnum

from sms.balances import NotTold
from sms.transport import Accepted, OutgoingSms, Receipt, Refused, Unsure


class Outcome(StrEnum):
    """What happens to the next message."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    """Refused for now; nothing left."""
    REFUSE_FOR_GOOD = "refuse_for_good"
    """Refused, and will be again."""
    LOSE_ANSWER = "lose_answer"
    """The carrier takes the message, its answer never arrives: Unsure."""
    LOSE_REQUEST = "lose_request"
    """The message never reaches the carrier, which we can't know: Unsure."""


class MemoryTransport:
    """A carrier that keeps what it takes: `taken` in order, one per request_id when it `dedupes`."""

    def __init__(self, name: str = "memory", *, dedupes: bool = True) -> None:
        self.name = name
        self.dedupes = dedupes
        self.remembers: timedelta | None = None
        self.usual = Outcome.ACCEPT
        self.left: int | NotTold = 10_000_000
        """What it tells of its balance."""
        self.taken: list[OutgoingSms] = []
        self.attempts = 0
        self._next: deque[Outcome] = deque()
        self._references: dict[str, str] = {}
        self._lock = threading.Lock()

    def plan(self, *outcomes: Outcome) -> None:
        """Give the next messages these outcomes, one each; `usual` applies after them."""
        with self._lock:
            self._next.extend(outcomes)

    def send(self, message: OutgoingSms) -> Accepted:
        """Take `message`, or fail as planned."""
        with self._lock:
            self.attempts += 1
            outcome = self._next.popleft() if self._next else self.usual
            if outcome is Outcome.REFUSE:
                raise Refused("refused as planned", permanent=False, code="busy")
            if outcome is Outcome.REFUSE_FOR_GOOD:
                raise Refused("refused for good as planned", permanent=True, code="invalid")
            if outcome is Outcome.LOSE_REQUEST:
                raise Unsure("request lost as planned")
            reference = self._take(message)
            if outcome is Outcome.LOSE_ANSWER:
                raise Unsure("answer lost as planned")
            return Accepted(reference)

    def balance(self) -> int:
        """Tell what is left, or that it isn't told."""
        if isinstance(self.left, NotTold):
            raise self.left
        return self.left

    def receipt(self, request_id: str, at: datetime, *, delivered: bool = True, code: str = "0") -> Receipt:
        """Make the receipt this carrier would send for a message it took; KeyError when it took none."""
        with self._lock:
            return Receipt(self._references[request_id], request_id, delivered, code, at)

    def _take(self, message: OutgoingSms) -> str:
        if self.dedupes and message.request_id in self._references:
            return self._references[message.request_id]
        self.taken.append(message)
        reference = f"{self.name}-{len(self.taken)}"
        self._references[message.request_id] = reference
        return reference
