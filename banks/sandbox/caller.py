"""The sandbox banks on the telephone: signs planned callbacks and sends them over real HTTP, repeating as banks do."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime

import httpx

from banks.profile import CallbackProfile, Secrets, find
from banks.records import Outcome
from banks.sandbox.notices import PlannedCallback

PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each repeat: a bank waits minutes, a practice day can't."""
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: the answer, or (status None) the kind of connection error."""

    status: int | None
    body: bytes = b""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One planned callback and every try it took; the last one is its answer."""

    callback: PlannedCallback
    attempts: tuple[Attempt, ...]

    @property
    def answer(self) -> Attempt:
        """What the bank was left with."""
        return self.attempts[-1]


@dataclass(frozen=True, slots=True)
class CallReport:
    """What came of the calls, in the order they were planned."""

    calls: tuple[Call, ...]

    @property
    def refused(self) -> tuple[Call, ...]:
        """Calls whose last answer is not 2xx, or that got none."""
        return tuple(call for call in self.calls if call.answer.status is None or call.answer.status // 100 != 2)

    @property
    def retries(self) -> int:
        """Tries beyond the first of each call."""
        return sum(len(call.attempts) - 1 for call in self.calls)

    @property
    def events(self) -> Mapping[tuple[str, str], tuple[Call, ...]]:
        """(profile, event id) → its calls."""
        found: defaultdict[tuple[str, str], list[Call]] = defaultdict(list)
        for call in self.calls:
            found[call.callback.profile, call.callback.event_id].append(call)
        return {event: tuple(calls) for event, calls in found.items()}

    @property
    def differing(self) -> Mapping[tuple[str, str], tuple[Call, ...]]:
        """The events whose calls were not all left with the same answer, word for word."""
        return {
            event: calls
            for event, calls in self.events.items()
            if len({(call.answer.status, call.answer.body) for call in calls}) > 1
        }


class Caller:
    """Sends to `base_url`/webhooks/<profile>, signed with `secrets` (profile → its secrets) by the time of `clock`.

    A connection error, a 5xx and the profile's own word for "busy" are tried again after each of `pauses` seconds:
    the same event and bytes, but signed anew, so that a form that carries the time of sending carries a fresh one.
    """

    def __init__(
        self,
        base_url: str,
        clock: Callable[[], datetime],
        secrets: Mapping[str, Secrets],
        *,
        pauses: Sequence[float] = PAUSES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base = httpx.URL(base_url)
        self._clock = clock
        self._secrets = secrets
        self._pauses = pauses
        self._sleep = sleep

    def send_all(
        self,
        callbacks: Iterable[PlannedCallback],
        threads: int = 8,
        progress: Callable[[int, int], None] | None = None,
    ) -> CallReport:
        """Send `callbacks` in their order on `threads` connections at once; `progress` hears (done, in all).

        An answer is never an error here, whatever it says: read the report. Raises Misconfigured when a secret is
        missing or a profile unknown.
        """
        wanted = list(callbacks)
        profiles = {name: find(name) for name in {each.profile for each in wanted}}
        limits = httpx.Limits(max_connections=threads, max_keepalive_connections=threads)
        # No proxy from the environment: the bank on this machine talks to the gateway on this machine.
        with (
            httpx.Client(limits=limits, timeout=_TIMEOUT_SECONDS, trust_env=False) as client,
            ThreadPoolExecutor(threads, thread_name_prefix="caller") as pool,
        ):
            futures = [pool.submit(self._call, client, profiles[each.profile], each) for each in wanted]
            try:
                for done, future in enumerate(as_completed(futures), 1):
                    future.result()
                    if progress:
                        progress(done, len(futures))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
            return CallReport(tuple(future.result() for future in futures))

    def _call(self, client: httpx.Client, profile: CallbackProfile, callback: PlannedCallback) -> Call:
        attempts = [self._try(client, profile, callback)]
        for pause in self._pauses:
            if not _try_again(profile, attempts[-1]):
                break
            self._sleep(pause)
            attempts.append(self._try(client, profile, callback))
        return Call(callback, tuple(attempts))

    def _try(self, client: httpx.Client, profile: CallbackProfile, callback: PlannedCallback) -> Attempt:
        signed = profile.sign(callback.request, self._secrets.get(callback.profile, {}), self._clock())
        path = self._base.raw_path.rstrip(b"/") + f"/webhooks/{callback.profile}".encode("ascii")
        url = self._base.copy_with(raw_path=path + (b"?" + signed.query if signed.query else b""))
        try:
            answer = client.request(signed.method, url, headers=dict(signed.headers), content=signed.body or None)
        except httpx.TransportError as error:
            return Attempt(None, error=type(error).__name__)
        return Attempt(answer.status_code, answer.content)


def _try_again(profile: CallbackProfile, attempt: Attempt) -> bool:
    busy = profile.answer(Outcome.BUSY)
    return attempt.status is None or attempt.status >= 500 or (attempt.status, attempt.body) == (busy.status, busy.body)
