"""Whatever has a hand in a message is killed at random while bills promise more: none is sent twice, all states true.

Struck are the SMPP daemon that leads, its carrier, the worker that sends by HTTP and that worker's job, a process of
PostgreSQL, and PostgreSQL's postmaster. DOISOAT_CHAOS_ROUNDS blows, each victim before one is struck again; the default
fits into `make test`, CHAOS_CAMPAIGN=1 (`make chaos`) strikes 200 times over 5,000 messages. DOISOAT_CHAOS_SEED repeats
a campaign's choices.
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy.orm import Session

from gateway import settings
from gateway.embedded.place import find_place
from gateway.embedded.postgres import Postgres
from gateway.wiring import Wiring
from reconciliation import invariants
from tests.chaos.message_world import VICTIMS, World, servers
from tests.conftest import NOW, Program
from tests.sms.smpp.peers import free_port, start_node

BLOWS = int(os.environ.get("DOISOAT_CHAOS_ROUNDS") or (200 if os.environ.get("CHAOS_CAMPAIGN") else 6))
MESSAGES = 25 * BLOWS
SEED = int(os.environ.get("DOISOAT_CHAOS_SEED") or random.SystemRandom().randrange(10**6))
WAYS = json.dumps({"late": 150, "repeats": 300})
"""The SMPP carrier's milliseconds: so slow an answer keeps the window full, so that a blow meets messages under way; a
receipt that could not be kept is told again."""
CONFIG = """
[banks.standard]
title = "Ngân hàng Sao Mai"

[sms.carriers.smpp]
kind = "smpp"
host = "127.0.0.1"
port = {smpp}
system_id = "doisoat"

[sms.carriers.http]
kind = "http"
url = "{http}"
"""
MEANT = """
    SELECT m.carrier || ' ' || m.state, m.body, c.msisdn_sealed
    FROM messages m JOIN customers c ON c.id = m.customer_id
"""
UNSURE = """
    SELECT m.carrier || ' ' || m.state FROM messages m
    WHERE m.id IN (SELECT subject_id FROM transitions WHERE kind = 'message' AND to_state = 'unsure')
"""


@pytest.fixture
def world(
    home: Path, start: Callable[..., Program], environment: Callable[..., dict[str, str]], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:  # fmt: skip
    with servers(home, SEED, monkeypatch) as (embedded, sandbox):
        ports = {"smpp": free_port(), "http": sandbox.url}
        config, journal = tmp_path / "doisoat.toml", tmp_path / "journal"
        config.write_text(CONFIG.format(**ports))
        env = environment(
            HOME=home, CONFIG=config, DATABASE_URL=embedded.database_url, VALKEY_URL=embedded.valkey_url, SANDBOX=1,
            PORT=free_port(), WEB_WORKERS=1,
        )  # fmt: skip
        wiring = Wiring(settings.load(env), embedded.database_url, embedded.valkey_url, pooled=2)
        wiring.sandbox_clock.set(NOW)
        sandbox.receipts_url = wiring.receipts_url()
        made = World(
            wiring, embedded, Postgres(find_place(home, print), print), sandbox, journal,
            lambda *words: start(*words, env=env),
            lambda: start_node(SMSC_JOURNAL=str(journal), SMSC_PORT=str(ports["smpp"]), SMSC_WAYS=WAYS),
            random.Random(SEED),
        )  # fmt: skip
        try:
            yield made
        finally:
            made.carrier.close()
            for one in (*made.daemons, made.worker, *made.others):
                one.process.terminate()  # while there is a database
            for one in (*made.daemons, made.worker, *made.others):
                one.process.wait(30)
            wiring.engine.dispose()
            wiring.valkey.close()


def test_nothing_is_sent_twice_and_receipts_tell_what_nobody_knew(world: World) -> None:
    print(f"seed {SEED}, {BLOWS} blows, {MESSAGES} messages; DOISOAT_CHAOS_SEED={SEED} repeats the choices")
    began, left, each = time.monotonic(), list[str](), MESSAGES // BLOWS
    for at in range(BLOWS):
        left = left or world.rng.sample(VICTIMS, len(VICTIMS))
        victim = left.pop()
        world.await_ready(victim)
        promising = Thread(target=world.promise, args=(range(at * each + 1, (at + 1) * each + 1),))
        promising.start()
        world.strike(victim)
        promising.join()
    print(f"struck {dict(world.struck)} in {time.monotonic() - began:.0f} s; told again {dict(world.told_twice)}")
    world.settle()
    check(world)


def check(world: World) -> None:
    """Compare what both carriers took with what the gateway says of each message."""
    by_smpp, by_http = world.taken()
    states, stats = world.states(), world.sandbox.stats()
    print(f"taken {len(by_smpp)} by SMPP, {len(by_http)} by HTTP; {dict(states)}; {stats}")
    print(f"were unsure: {dict(Counter(row[0] for row in world.rows(UNSURE)))}")
    assert max((by_smpp + by_http).values()) == 1, "sent twice"
    assert stats["duplicates"] == 0
    open_ = world.wiring.sealer.open
    known: dict[str, set[tuple[str, str]]] = {name: set() for name in states}
    for row in world.rows(MEANT):
        known[row[0]].add((open_(row.msisdn_sealed, "customers.msisdn").decode(), row.body))
    assert sum(map(len, known.values())) == MESSAGES
    assert known.keys() <= {"smpp delivered", "smpp unsure", "http delivered", "http sent"}
    assert known["smpp delivered"] == by_smpp.keys(), "what the carrier took was delivered, the rest is unsure"
    assert known.get("http delivered", set()) | known.get("http sent", set()) == by_http.keys()
    assert len(known.get("http sent", ())) <= stats["receipts_given_up"], "its receipt was heard"
    told = Counter(row[0] for row in world.rows("SELECT state FROM carrier_receipts"))
    assert told == {"applied": len(by_smpp)}
    with Session(world.wiring.engine) as session:
        broken = [one for one in invariants.prove(session, world.wiring.audit_key) if not one.holds]
    assert broken == []
