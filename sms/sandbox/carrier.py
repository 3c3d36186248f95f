"""What the sandbox carrier does with a message: takes it once, counts it, and lets the seed decide what befalls it.

A duplicate is what a customer would notice: the same text to the same number under another request_id. A repeat is the
same request_id again, which reaches no telephone. What befalls a message depends on the seed and its request_id alone,
so that a rerun meets the same faults however its threads interleave; storms of 429 go by the count of requests.
"""

import hashlib
import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

PRICE = 350
"""What each message takes off the balance, in đồng."""
FULL = 1_000_000_000
_REMEMBERED = 10_000
_COUNTS = ("accepted", "duplicates", "repeats", "refused", "throttled", "unanswered", "undelivered", "disconnects")


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, as shares from 0 to 1 of the messages; all zero is a carrier on a good day."""

    undelivered: float = 0.0
    unanswered: float = 0.0
    """Accepted, then silence: the sender can't know. The same request_id gets its 409 afterwards."""
    hold_seconds: float = 30.0
    """How long the silence lasts before the connection closes."""
    receipts_twice: float = 0.0
    receipts_lost: float = 0.0
    receipt_delay_seconds: float = 0.0
    storm_every: int = 0
    """Of every so many requests, the last `storm_length` are answered 429."""
    storm_length: int = 0


class Carrier:
    """The carrier behind the HTTP door; numbers stand only among its latest messages, which are bounded.

    `post` sends one receipt on its way: (JSON body, delay in seconds).
    """

    def __init__(
        self, seed: int, faults: Faults, clock: Callable[[], datetime], post: Callable[[bytes, float], None]
    ) -> None:
        self.faults = faults
        self._balance = FULL
        self._seed = seed
        self._clock = clock
        self._post = post
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._fingerprints: dict[str, bytes] = {}
        self._texts: set[bytes] = set()
        self._latest: deque[dict[str, str]] = deque(maxlen=_REMEMBERED)

    @property
    def balance(self) -> int:
        """What is left of the account, in đồng."""
        with self._lock:
            return self._balance

    @balance.setter
    def balance(self, left: int) -> None:
        with self._lock:
            self._balance = left

    def stats(self) -> dict[str, int]:
        """Return the counts so far: accepted = distinct + duplicates."""
        with self._lock:
            return {name: self._counts[name] for name in (*_COUNTS, "errors")} | {"distinct": len(self._texts)}

    def messages(self, limit: int) -> list[dict[str, str]]:
        """Return the latest `limit` messages (of at most 10,000 remembered), newest last."""
        with self._lock:
            return [dict(message) for message in list(self._latest)[-limit:]] if limit > 0 else []

    def count(self, name: str) -> None:
        """Add one to a count."""
        with self._lock:
            self._counts[name] += 1

    def storming(self) -> bool:
        """Count one request; True when it falls into a storm."""
        faults = self.faults
        with self._lock:
            self._counts["requests"] += 1
            if not faults.storm_every:
                return False
            place = (self._counts["requests"] - 1) % faults.storm_every
            hit = place >= faults.storm_every - faults.storm_length
            self._counts["throttled"] += hit
            return hit

    def take(self, message: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        """Accept `message` once per request_id: (202 | 402 | 409 | 422, answer)."""
        request_id = message["request_id"]
        identity = f"sbx-{_digest(request_id).hex()}"  # from the key alone: a restarted sandbox never reuses an id
        fingerprint = _digest(message["to"], message["text"])
        with self._lock:
            known = self._fingerprints.get(request_id)
            if known is not None and known != fingerprint:
                self._counts["refused"] += 1
                return 422, {"error": "this request_id was used for another message"}
            if known is not None:
                self._counts["repeats"] += 1
                return 409, {"id": identity}
            if self._balance < PRICE:
                self._counts["refused"] += 1
                return 402, {"error": "the balance is used up"}
            self._balance -= PRICE
            self._fingerprints[request_id] = fingerprint
            self._counts["accepted"] += 1
            self._counts["duplicates"] += fingerprint in self._texts
            self._texts.add(fingerprint)
            self._latest.append({"id": identity, **message})
        self._send_receipt(identity, request_id)
        return 202, {"id": identity}

    def keeps_silent(self, request_id: str) -> bool:
        """Tell whether the answer to `request_id` is swallowed, and count it."""
        silent = self._befalls("unanswered", request_id, self.faults.unanswered)
        if silent:
            self.count("unanswered")
        return silent

    def _send_receipt(self, identity: str, request_id: str) -> None:
        delivered = not self._befalls("undelivered", request_id, self.faults.undelivered)
        if not delivered:
            self.count("undelivered")
        if self._befalls("lost", request_id, self.faults.receipts_lost):
            return
        receipt = {"id": identity, "request_id": request_id, "at": self._clock().astimezone(UTC).isoformat()}
        receipt |= {"status": "delivered", "code": "0"} if delivered else {"status": "undelivered", "code": "absent"}
        for _ in range(2 if self._befalls("twice", request_id, self.faults.receipts_twice) else 1):
            self._post(json.dumps(receipt).encode(), self.faults.receipt_delay_seconds)

    def _befalls(self, what: str, request_id: str, share: float) -> bool:
        return int.from_bytes(_digest(str(self._seed), what, request_id)[:8], "big") < share * 2**64


def _digest(*words: str) -> bytes:
    """Name `words` in a way that does not show them; JSON keeps ("ab", "c") and ("a", "bc") apart."""
    return hashlib.blake2b(json.dumps(words).encode(), digest_size=12).digest()
