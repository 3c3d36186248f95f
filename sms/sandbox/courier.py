"""The sandbox carrier's receipts on their way: posted by a few threads, tried again up to five times, then given up."""

import heapq
import http.client
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

TRIES = 5
_THREADS = 4
_ANSWER_SECONDS = 5.0


@dataclass(order=True, slots=True)
class _Parcel:
    due: float
    serial: int
    url: str = field(compare=False)
    body: bytes = field(compare=False)
    tries: int = field(default=0, compare=False)


class Courier:
    """Posts JSON bodies; anything but a 2xx answer is tried again, `pause` seconds later and twice that each time.

    Plain http.client: it logs nothing, and the address of a receipt carries a token.
    """

    def __init__(self, pause: float = 0.1) -> None:
        self._pause = pause
        self._parcels: list[_Parcel] = []
        self._counts: Counter[str] = Counter()
        self._under_way = 0
        self._serial = 0
        self._stopped = False
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the posting threads."""
        self._threads = [threading.Thread(target=self._work, name=f"sms-receipts-{n}") for n in range(_THREADS)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop after the posts now on the wire; receipts still waiting are given up."""
        with self._changed:
            self._stopped = True
            self._counts["given_up"] += len(self._parcels)
            self._parcels.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def post(self, url: str, body: bytes, delay: float = 0.0) -> None:
        """Send `body` to `url` after `delay` seconds; returns at once."""
        with self._changed:
            self._serial += 1
            self._put(_Parcel(time.monotonic() + delay, self._serial, url, body))

    def counts(self) -> dict[str, int]:
        """Return how many posts were tried, acknowledged with 2xx, and given up."""
        with self._changed:
            return {name: self._counts[name] for name in ("tried", "acknowledged", "given_up")}

    def drain(self, seconds: float) -> bool:
        """Wait until nothing is under way; False when something still is after `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._parcels and not self._under_way, seconds)

    def _put(self, parcel: _Parcel) -> None:
        if self._stopped:
            self._counts["given_up"] += 1
        else:
            heapq.heappush(self._parcels, parcel)
        self._changed.notify_all()

    def _next(self) -> _Parcel | None:
        """Wait for the next parcel that is due; None when the courier stops."""
        with self._changed:
            while not self._stopped:
                wait = self._parcels[0].due - time.monotonic() if self._parcels else None
                if wait is not None and wait <= 0:
                    self._under_way += 1
                    self._counts["tried"] += 1
                    return heapq.heappop(self._parcels)
                self._changed.wait(wait)
            return None

    def _work(self) -> None:
        line = _Line()
        try:
            while (parcel := self._next()) is not None:
                arrived = line.post(parcel.url, parcel.body)
                with self._changed:
                    self._under_way -= 1
                    parcel.tries += 1
                    if arrived:
                        self._counts["acknowledged"] += 1
                    elif parcel.tries >= TRIES:
                        self._counts["given_up"] += 1
                    else:
                        parcel.due = time.monotonic() + self._pause * 2 ** (parcel.tries - 1)
                        self._put(parcel)
                    self._changed.notify_all()
        finally:
            line.close()


class _Line:
    """One thread's kept-alive connection to the place receipts go to."""

    def __init__(self) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self._place = ("", "")

    def post(self, url: str, body: bytes) -> bool:
        """Post once; whether a 2xx came back."""
        target = urlsplit(url)
        try:
            connection = self._connected(target)
            connection.request("POST", target.path or "/", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return False
        return 200 <= answer.status < 300

    def close(self) -> None:
        """Close the connection, if any."""
        if self._connection is not None:
            with suppress(OSError):  # it may be broken already
                self._connection.close()
            self._connection = None

    def _connected(self, target: SplitResult) -> http.client.HTTPConnection:
        place = (target.scheme, target.netloc)
        if self._connection is None or self._place != place:
            self.close()
            kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
            self._connection = kind(target.netloc, timeout=_ANSWER_SECONDS)
            self._place = place
        return self._connection
