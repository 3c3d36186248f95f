"""The fault campaign: every process is killed at random moments while a bank calls and files arrive; nothing is lost.

DOISOAT_CHAOS_ROUNDS rounds, in each of which every process is killed once and Valkey is emptied once; the default fits
into `make test`, CHAOS_CAMPAIGN=1 (`make chaos`) runs 60. DOISOAT_CHAOS_SEED repeats a campaign's choices.
"""

import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from banks.profile import find
from banks.records import Outcome, RawRequest
from banks.sandbox.bills import make_bills, write_bills_csv
from banks.sandbox.caller import Call, Caller
from banks.sandbox.day import Plan, plan_day
from gateway import bell, bill_import, migrate, practice, sandbox
from gateway.composing import compose_promises
from gateway.database import transaction
from gateway.embedded import Embedded
from gateway.sandbox_day import dates_before
from gateway.settings import Settings
from gateway.wiring import Wiring
from reconciliation import invariants
from sms.sandbox import SmsSandbox
from tests.chaos.processes import Process, ripe

ROUNDS = int(os.environ.get("DOISOAT_CHAOS_ROUNDS") or (60 if os.environ.get("CHAOS_CAMPAIGN") else 3))
SEED = int(os.environ.get("DOISOAT_CHAOS_SEED") or random.SystemRandom().randrange(10**6))
BILLS_A_ROUND = 730
"""About 670 callbacks, so that three rounds send 2,000."""
PATIENCE = (0.1, 0.2, 0.4, *[0.8] * 60)
RECOVERY_SECONDS = 60.0


def next_victim(gateway: int, left: list[str]) -> tuple[str, Process | None]:
    """Take the first of `left` that can be struck now; wait when all of them are still starting."""
    deadline = time.monotonic() + 60
    while True:
        for victim in left:
            if victim == "Valkey":
                return victim, None
            if found := ripe(gateway, victim):
                return victim, found
        assert time.monotonic() < deadline, f"none of {left} runs"
        time.sleep(0.05)


BOOKED = """
    SELECT source, CASE WHEN source_reference LIKE 'line:%' THEN bank_reference ELSE source_reference END FROM payments
"""
VICTIMS = ("web", "web child", "beat", *(f"worker {queue}" for queue in bell.JOBS), "worker callbacks child", "Valkey")


# ── the practice bank ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what steers this test, since the gateway refuses settings it does not know."""
    for name in list(os.environ):
        if name.startswith("DOISOAT_"):
            monkeypatch.delenv(name)


@pytest.fixture
def wiring(clean: None, home: Path) -> Iterator[Wiring]:
    """A sandbox on servers of its own, with the bank's and the carrier's addresses in its settings."""
    with Embedded(home, lambda _line: None) as running:
        given = Settings(home=home, port=sandbox.free_port())
        used = sandbox.prepare(given, afresh=True)
        migrate.upgrade(running.database_url)
        made = Wiring(used, running.database_url, running.valkey_url, pooled=4)
        yield made
        made.engine.dispose()
        made.valkey.close()


@pytest.fixture
def carrier(wiring: Wiring) -> Iterator[SmsSandbox]:
    """The bank's file server and the SMS carrier, which nobody kills."""
    with sandbox.servers(wiring) as running:
        yield running


@pytest.fixture
def plan(wiring: Wiring, tmp_path: Path) -> Plan:
    """A business day whose bills are issued."""
    dates = dates_before(wiring.clock())
    made = make_bills(BILLS_A_ROUND * ROUNDS, SEED, dates.debit_on, dates.debit_on, dates.after_on)
    with (tmp_path / "bills.csv").open("w+", encoding="utf-8", newline="") as file:
        write_bills_csv(file, made)
        file.seek(0)
        with transaction(wiring.engine) as session:
            for _ in bill_import.take_in(session, wiring, bill_import.rows_of_csv(file)):
                compose_promises(session, wiring.settings)
    return plan_day(made, SEED, dates)


def put(wiring: Wiring, plan: Plan, at: int) -> None:
    """Let the plan's file number `at` appear on the bank's server, whole."""
    file = plan.files[at]
    folder = practice.Place(wiring.settings.home).files_of(file.bank)
    with (folder / f".{file.name}").open("wb") as stream:
        file.write(stream)
    (folder / f".{file.name}").rename(folder / file.name)


def event_of(wiring: Wiring, call: Call) -> tuple[str, str]:
    """Return under which id the gateway must have kept a call."""
    planned, profile = call.callback, find(call.callback.profile)
    secrets = wiring.callers[planned.bank].secrets
    signed = profile.sign(planned.request, secrets, wiring.clock())
    raw = RawRequest(signed.method, signed.query, signed.headers, signed.body, wiring.clock())
    return planned.bank, profile.prove(raw, secrets, wiring.clock()).event_id


# ── the campaign ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_lost_and_nothing_happens_twice(
    wiring: Wiring, carrier: SmsSandbox, plan: Plan, start: Callable[..., Any],
    environment: Callable[..., dict[str, str]],
) -> None:  # fmt: skip
    print(f"seed {SEED}, {ROUNDS} rounds; DOISOAT_CHAOS_SEED={SEED} repeats the choices")
    rng = random.Random(SEED)
    settings = wiring.settings
    env = environment(HOME=settings.home, PORT=settings.port, SANDBOX=1, CONFIG=practice.Place(settings.home).config)
    gateway = start("up", env=env)
    base = f"http://127.0.0.1:{settings.port}"
    secrets = {name: caller.secrets for name, caller in wiring.callers.items()}
    caller = Caller(base, wiring.clock, secrets, pauses=PATIENCE)

    blows = ROUNDS * len(VICTIMS)
    shares = [list(plan.callbacks[at::blows]) for at in range(blows)]
    files_at = {round((at + 1) * blows / (len(plan.files) + 1)): at for at in range(len(plan.files))}
    killed, calls, left = Counter[str](), list[Call](), list[str]()
    began = time.monotonic()
    caller.send_all(shares[0][:1])  # the web is up
    for at, share in enumerate(shares):
        if at in files_at:
            put(wiring, plan, files_at[at])
        left = left or rng.sample(VICTIMS, len(VICTIMS))
        victim, chosen = next_victim(gateway.process.pid, left)
        left.remove(victim)
        sending = Thread(target=lambda mine=share: calls.extend(caller.send_all(mine, threads=8).calls))
        sending.start()
        time.sleep(rng.uniform(0, 0.3))  # the moment of the blow; nothing is waited for
        if chosen is None:
            wiring.valkey.flushall()
        else:
            with suppress(ProcessLookupError):  # a job's process may have ended by itself
                os.kill(chosen.pid, signal.SIGKILL)
        killed[victim] += 1
        sending.join()
    repeats = sum(len(one.attempts) - 1 for one in calls)
    print(f"{blows} blows in {time.monotonic() - began:.0f} s, {len(calls)} callbacks, {repeats} repeats")
    assert set(killed.values()) == {ROUNDS}

    took = settle(wiring, plan, gateway)
    print(f"everything read {took:.1f} s after the last blow")
    check(wiring, calls, plan)
    assert carrier.stats()["duplicates"] == 0
    assert gateway.interrupt() == 0, gateway.said()[-3000:]
    with Session(wiring.engine) as session:
        broken = [one for one in invariants.prove(session, wiring.audit_key) if not one.holds]
    assert broken == []
    assert carrier.stats()["duplicates"] == 0


def settle(wiring: Wiring, plan: Plan, gateway: Any) -> float:
    """Wait until everything is fetched, read and told; return how long it took, RECOVERY_SECONDS at most."""
    waits = (
        "SELECT count(*) FROM deliveries WHERE state = 'received'",
        f"SELECT {len(plan.files)} - count(*) FROM remote_files",
        "SELECT count(*) FROM deliveries WHERE state = 'received'",
        "SELECT count(*) FROM messages WHERE state = 'queued' AND (not_before IS NULL OR not_before < now())",
    )
    began = time.monotonic()
    for query in waits:
        while True:
            with Session(wiring.engine) as session:
                left = int(session.scalar(text(query)) or 0)
            if not left:
                print(f"{time.monotonic() - began:5.1f} s {query}")
                break
            waited = time.monotonic() - began
            assert waited < RECOVERY_SECONDS, f"{left} left after {waited:.0f} s: {query}\n{gateway.said()[-4000:]}"
            time.sleep(0.1)
    return time.monotonic() - began


def check(wiring: Wiring, calls: list[Call], plan: Plan) -> None:
    """Compare what the bank was told with what was kept and booked."""
    assert len(calls) == len(plan.callbacks)
    refused = [(one.callback.profile, one.answer) for one in calls if (one.answer.status or 0) // 100 != 2]
    assert refused == []
    assert all(one.answer.body != find("vnpay").answer(Outcome.BUSY).body for one in calls)
    with Session(wiring.engine) as session:
        kept = Counter(
            tuple(row)
            for row in session.execute(text("SELECT source, event_id FROM deliveries WHERE kind = 'callback'"))
        )
        booked = Counter(tuple(row) for row in session.execute(text(BOOKED)))
        states = Counter(session.scalars(text("SELECT kind || ' ' || state FROM deliveries")))
        held = session.scalars(text("SELECT reason FROM statements WHERE state = 'quarantined'")).all()
    print(f"deliveries: {dict(states)}")
    assert {event_of(wiring, one) for one in calls} == set(kept)
    assert set(kept.values()) == {1}
    paid = {(one.callback.bank, one.callback.reference) for one in calls if one.callback.paid}
    assert paid <= set(booked)
    on_statements = {(file.bank, line.bank_reference) for file in plan.files for line in file.lines}
    assert set(booked) <= paid | on_statements
    assert set(booked.values()) == {1}
    assert all(re.fullmatch("(callback|statement) read", state) for state in states), states
    assert held == []
