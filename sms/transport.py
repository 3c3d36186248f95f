"""The shape of an SMS carrier: what goes out, what it answers, and the two ways it can fail.

The difference between the two failures is the heart of it. `Refused` is proof that nothing was sent: another try,
or another carrier, can't make a second SMS. `Unsure` proves nothing: only a receipt, a carrier that dedupes by our own
key, or a person may resolve it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OutgoingSms:
    """One SMS to hand to a carrier: our own key, an E.164 number, the frozen text and the sender's brand name."""

    request_id: str
    to: str
    text: str
    brand: str

    def __repr__(self) -> str:
        return f"OutgoingSms(request_id={self.request_id!r})"  # a number must not reach a log by way of a traceback


@dataclass(frozen=True, slots=True)
class Accepted:
    """The carrier took the SMS; `provider_ref` is its own name for it, which receipts repeat.

    "" where it gives none: its receipts then name our own key.
    """

    provider_ref: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an SMS, as its carrier tells it; `at` is UTC, `code` is the carrier's own."""

    provider_ref: str
    request_id: str
    delivered: bool
    code: str
    at: datetime


@dataclass(frozen=True, slots=True, repr=False)
class Callback:
    """What arrived at a carrier's receipt address: the query of the URL, the body, and when (UTC)."""

    query: str
    body: bytes
    at: datetime


class TransportError(Exception):
    """An SMS the carrier did not take for certain: either Refused or Unsure."""


class Refused(TransportError):
    """A clean refusal: no SMS left. `permanent` says that this carrier will refuse the same message again.

    `halts` says that it will refuse every message until a person has acted: no balance, a wrong key. `wait` is how long
    it wants to be left alone.
    """

    def __init__(
        self, reason: str, *, permanent: bool, code: str = "", halts: bool = False, wait: timedelta | None = None
    ) -> None:
        self.permanent = permanent
        self.code = code
        self.reason = reason
        self.halts = halts
        self.wait = wait
        super().__init__(f"refused{' for good' if permanent else ''}{f' ({code})' if code else ''}: {reason}")


class Unsure(TransportError):
    """No way to tell whether an SMS left: a time-out or a broken answer after a byte may have gone out."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"unsure whether it was sent: {reason}")


class Transport(Protocol):
    """A way to a carrier. Implementations may be called from several threads at once."""

    @property
    def name(self) -> str:
        """The carrier's name in settings, in the messages table and in receipt addresses."""
        ...

    @property
    def dedupes(self) -> bool:
        """Whether the carrier knows our `request_id` again, so that repeating an unsure message is safe."""
        ...

    @property
    def remembers(self) -> timedelta | None:
        """For how long a carrier that `dedupes` knows a key again; None for good."""
        ...

    def send(self, message: OutgoingSms) -> Accepted:
        """Hand `message` over; raise Refused or Unsure, never anything else for what a carrier or network does."""
        ...

    def balance(self) -> int:
        """Return what is left of our account there in whole đồng; raise `sms.balances.NotTold` where it tells none."""
        ...
