"""The gateway's processes between two carriers, each by itself, so that any of them can be killed and started again."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from gateway import bill_import, composing, migrate
from gateway.database import transaction
from gateway.embedded import Embedded
from gateway.embedded.postgres import Postgres
from gateway.processes import await_port
from gateway.supervisor_guard import kill_session
from gateway.wiring import Wiring, ensure_own_secrets
from sms.sandbox import Faults, SmsSandbox
from tests.chaos.processes import RIPE_SECONDS, children, processes
from tests.conftest import NOW, Program
from tests.gateway.samples import a_debit_bill
from tests.sms.smpp.peers import Carrier

T = TypeVar("T")
VICTIMS = ("daemon", "carrier", "worker", "job", "PostgreSQL process", "postmaster")
FAULTS = Faults(unanswered=0.1, hold_seconds=0.4)
"""The HTTP carrier takes a tenth of the messages and falls silent: its sender is in the middle of a batch for long."""
RECEIPTS_PAUSE = 0.5
"""Five tries, each after twice as long: a receipt outlives the database's absence."""
CUE_SECONDS = 5.0
DEADLINE = 120.0
STILL_SECONDS = 3.0
LONGER_THAN_LEASES = timedelta(minutes=5)


@dataclass
class World:
    """The gateway's processes, one by one, on servers of its own between its two carriers."""

    wiring: Wiring
    embedded: Embedded
    postgres: Postgres
    sandbox: SmsSandbox
    journal: Path
    begin: Callable[..., Program]
    begin_carrier: Callable[[], Carrier]
    rng: random.Random

    def __post_init__(self) -> None:
        self.daemons = [self.begin("smpp"), self.begin("smpp")]  # one leads, one stands by
        self.worker = self.begin("worker", "messages")
        self.others = [self.begin("beat"), self.begin("web")]
        await_port("127.0.0.1", self.wiring.settings.port, seconds=DEADLINE)
        self.carrier = self.begin_carrier()
        self.struck, self.told_twice = Counter[str](), Counter[str]()

    def said(self) -> list[str]:
        return [one.said()[-2000:] for one in (*self.daemons, self.worker, *self.others)]

    # ── what can be known ────────────────────────────────────────────────────────────────────────────────────────────

    def journalled(self, kind: str) -> list[dict[str, Any]]:
        """Return what the SMPP carrier noted of one kind; it notes a message before it answers."""
        lines = self.journal.read_text("utf-8").splitlines() if self.journal.exists() else []
        return [one for one in map(json.loads, lines) if kind in one]

    def taken(self) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
        """Return what each carrier took, by number and text: the SMPP carrier and the HTTP carrier."""
        heard = self.sandbox.messages(10_000)
        return (
            Counter((f"+{one['to'].lstrip('+')}", one["text"]) for one in self.journalled("taken")),
            Counter((one["to"], one["text"]) for one in heard),
        )

    def rows(self, query: str) -> list[Any]:
        """Ask the database, and again while it is away."""
        return insisting(lambda: self._rows(query))

    def _rows(self, query: str) -> list[Any]:
        with Session(self.wiring.engine) as session:
            return list(session.execute(text(query)).all())

    def states(self) -> Counter[str]:
        return Counter(row[0] for row in self.rows("SELECT coalesce(carrier, 'none') || ' ' || state FROM messages"))

    # ── promises and blows ───────────────────────────────────────────────────────────────────────────────────────────

    def promise(self, numbers: range) -> None:
        """Take bills in and compose what they promise, until the database has said that it is done."""

        def take_in() -> None:
            with transaction(self.wiring.engine) as session:
                bills = ((f"line {number}", a_debit_bill(number)) for number in numbers)
                for _ in bill_import.take_in(session, self.wiring, bills):
                    composing.compose_promises(session, self.wiring.settings)

        insisting(take_in, noting=lambda: self.told_twice.update(["piece of bills"]))

    def await_ready(self, victim: str) -> None:
        """Wait until a victim can work: killing one that still starts proves little."""
        match victim:
            case "daemon":
                self._until(self._leader, "no daemon leads")
            case "worker" | "job":
                self._until(self._worker_is_ripe, "no worker works")
            case _:
                self._until(self.postgres.main_pid, "no postmaster runs")

    def strike(self, victim: str) -> None:
        """Kill a victim while messages go its way, and start it again as whoever watches over it would."""
        match victim:
            case "daemon":
                self._under_way("smpp")
                leader = self._until(self._leader, "no daemon leads")
                os.kill(leader.process.pid, signal.SIGKILL)
                leader.process.wait()
                self.daemons.remove(leader)
                self.daemons.append(self.begin("smpp"))
            case "carrier":
                self._under_way("smpp")
                self.carrier.kill()
                self.carrier = self.begin_carrier()
            case "job" if job := self._cue(lambda: children(self.worker.process.pid)):
                self._wait_a_moment()
                with suppress(ProcessLookupError):  # it may have ended by itself
                    os.kill(job[0].pid, signal.SIGKILL)
            case "worker" | "job":  # a worker without a job is struck itself
                victim = "worker"
                self._under_way("http")
                self._end_worker()
            case "PostgreSQL process":
                self._under_way(self.rng.choice(("smpp", "http")))
                victim = f"PostgreSQL {self._strike_postgres()}"
            case "postmaster":
                self._under_way(self.rng.choice(("smpp", "http")))
                killed = self._until(self.postgres.main_pid, "no postmaster runs")
                os.kill(killed, signal.SIGKILL)
                self._wait_a_moment()
                self._until(lambda: self._runs_again(killed), "PostgreSQL does not run again")
        self.struck[victim] += 1

    def _strike_postgres(self) -> str:
        """Kill one of PostgreSQL's processes but the postmaster, a session or one in the background; return which."""
        postmaster = self._until(self.postgres.main_pid, "no postmaster runs")
        sessions = self.rng.random() < 0.5
        while True:
            found = [one for one in children(postmaster) if ("doisoat" in one.line) == sessions]
            chosen = self.rng.choice(found or children(postmaster))
            with suppress(ProcessLookupError):  # a session may have ended by itself
                os.kill(chosen.pid, signal.SIGKILL)
                return "session" if "doisoat" in chosen.line else "background"

    def _runs_again(self, killed: int) -> bool:
        """Look after PostgreSQL as the supervisor does every second; one that was just killed may still seem alive."""
        self.embedded.ensure_alive()
        return self.postgres.main_pid() not in (0, killed)

    def _end_worker(self) -> None:
        """Kill the worker together with its job, which its supervisor would not let go on."""
        assert kill_session(self.worker.process.pid)
        self.worker.process.wait()
        self.worker = self.begin("worker", "messages")

    def _leader(self) -> Program | None:
        """Return the daemon that was bound last."""
        said = {one.process.pid: one.said() for one in self.daemons}
        bound = [
            one for one in self.daemons
            if said[one.process.pid].rfind("bound to") > said[one.process.pid].rfind("stands by")
        ]  # fmt: skip
        return bound[-1] if bound else None

    def _worker_is_ripe(self) -> bool:
        return any(one.pid == self.worker.process.pid and one.age > RIPE_SECONDS for one in processes())

    def _under_way(self, carrier: str) -> None:
        """Wait until a carrier takes messages, if it will, and for a moment of no choice but the dice's."""
        count = self._noted if carrier == "smpp" else self._accepted
        before = count()
        self._cue(lambda: count() > before)
        self._wait_a_moment()

    def _noted(self) -> int:
        return self.journal.read_bytes().count(b'{"taken"') if self.journal.exists() else 0

    def _accepted(self) -> int:
        return self.sandbox.stats()["accepted"]

    def _wait_a_moment(self) -> None:
        time.sleep(self.rng.uniform(0, 0.2))

    def _cue(self, condition: Callable[[], T], seconds: float = CUE_SECONDS) -> T:
        deadline = time.monotonic() + seconds
        while not (found := condition()) and time.monotonic() < deadline:
            time.sleep(0.005)
        return found

    def _until(self, condition: Callable[[], T | None], what: str) -> T:
        found = self._cue(condition, DEADLINE)
        assert found, (what, self.said())
        return found

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def settle(self) -> None:
        """Wait until everything is told; what waits for a dead sender's lease to end waits by the sandbox's clock."""
        deadline = time.monotonic() + DEADLINE
        before, still_since = None, time.monotonic()
        while (left := self._left()) != 0:
            assert time.monotonic() < deadline, (left, self.states(), self.said())
            if left != before:
                before, still_since = left, time.monotonic()
            elif time.monotonic() > still_since + STILL_SECONDS:
                self.wiring.sandbox_clock.set(self.wiring.clock() + LONGER_THAN_LEASES)
                still_since = time.monotonic()
            time.sleep(0.1)
        assert self.sandbox.drain(30)

    def _left(self) -> int:
        """Return how much is still under way: at the SMPP carrier what it took and did not tell of counts too."""
        states, by_smpp = self.states(), len(self.journalled("taken"))
        ended = {"smpp delivered", "smpp unsure", "http delivered", "http sent"}
        return sum(states[one] for one in states.keys() - ended) + abs(by_smpp - states["smpp delivered"])


def insisting(work: Callable[[], T], noting: Callable[[], object] = lambda: None) -> T:
    """Do `work`, and do it again when the database was away."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return work()
        except DBAPIError:
            if time.monotonic() > deadline:
                raise
            noting()
            time.sleep(0.05)


@contextmanager
def servers(home: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Embedded, SmsSandbox]]:
    """Run servers that may be killed, with an empty database, and the HTTP carrier."""
    monkeypatch.setenv("DOISOAT_SECRET_SMS_SMPP_PASSWORD", "secret")
    monkeypatch.setenv("DOISOAT_SECRET_SMS_HTTP_TOKEN", "sandbox")
    ensure_own_secrets(home)
    with Embedded(home, print) as embedded:
        migrate.upgrade(embedded.database_url)
        with SmsSandbox(clock=lambda: NOW, seed=seed, faults=FAULTS, receipts_pause=RECEIPTS_PAUSE) as sandbox:
            yield embedded, sandbox
