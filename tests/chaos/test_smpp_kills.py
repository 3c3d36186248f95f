"""Daemon and carrier are killed at random moments while messages leave: none is sent twice, and receipts tell the rest.

DOISOAT_CHAOS_ROUNDS blows, each at the leading daemon or at the carrier, over so many messages that they outlast them;
the default fits into `make test`, CHAOS_CAMPAIGN=1 (`make chaos`) strikes 200 times over 5,000 messages.
DOISOAT_CHAOS_SEED repeats a campaign's choices.
"""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway import bill_import, composing
from gateway.database import transaction
from gateway.embedded import Embedded
from gateway.wiring import Wiring
from reconciliation import invariants
from tests.gateway.samples import a_debit_bill
from tests.sms.smpp.peers import Carrier, free_port, start_node

CAMPAIGN = bool(os.environ.get("CHAOS_CAMPAIGN"))
BLOWS = int(os.environ.get("DOISOAT_CHAOS_ROUNDS") or (200 if CAMPAIGN else 4))
MESSAGES = 25 * BLOWS if CAMPAIGN else 160
SEED = int(os.environ.get("DOISOAT_CHAOS_SEED") or random.SystemRandom().randrange(10**6))
ANSWER_MILLISECONDS = 150
"""So slow an answer keeps the window full: every blow meets messages under way."""
DEADLINE = 600 if CAMPAIGN else 120


def noted(journal: Path, kind: str) -> list[dict[str, Any]]:
    """Return what the carrier noted of one kind; it notes a message before it answers."""
    lines = journal.read_text("utf-8").splitlines() if journal.exists() else []
    return [one for one in map(json.loads, lines) if kind in one]


def states(wiring: Wiring) -> Counter[str]:
    with Session(wiring.engine) as session:
        return Counter(session.scalars(text("SELECT state FROM messages")))


def test_nothing_is_sent_twice_and_receipts_tell_what_nobody_knew(
    wiring: Wiring, database_url: str, embedded: Embedded, start: Callable[..., Any], monkeypatch: Any,
    environment: Callable[..., dict[str, str]], tmp_path: Path,
) -> None:  # fmt: skip
    print(f"seed {SEED}, {BLOWS} blows, {MESSAGES} messages; DOISOAT_CHAOS_SEED={SEED} repeats the choices")
    rng = random.Random(SEED)
    with transaction(wiring.engine) as session:
        bills = ((f"line {number}", a_debit_bill(number)) for number in range(1, MESSAGES + 1))
        for _ in bill_import.take_in(session, wiring, bills):
            composing.compose_promises(session, wiring.settings)
    journal, port = tmp_path / "journal", free_port()
    monkeypatch.setenv("DOISOAT_SECRET_SMS_SMPP_PASSWORD", "secret")
    config = tmp_path / "smpp.toml"
    config.write_text(f'[sms.carriers.smpp]\nkind = "smpp"\nhost = "127.0.0.1"\nport = {port}\nsystem_id = "doisoat"\n')
    env = environment(
        HOME=wiring.settings.home, CONFIG=config, DATABASE_URL=database_url, VALKEY_URL=embedded.valkey_url, SANDBOX=1
    )

    def begin_carrier() -> Carrier:
        ways = json.dumps({"late": ANSWER_MILLISECONDS})
        return start_node(SMSC_JOURNAL=str(journal), SMSC_PORT=str(port), SMSC_WAYS=ways)

    carrier = begin_carrier()
    daemons = [start("smpp", env=env), start("smpp", env=env)]  # one leads, one stands by
    struck = Counter[str]()
    try:
        for _ in range(BLOWS):
            before = len(noted(journal, "taken"))
            deadline = time.monotonic() + DEADLINE
            while len(noted(journal, "taken")) < min(before + 10, MESSAGES):
                assert time.monotonic() < deadline, [one.said() for one in daemons]
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.2))  # the moment of the blow; nothing is waited for
            if rng.random() < 0.5:
                carrier.kill()
                carrier = begin_carrier()
                struck["carrier"] += 1
            else:
                leader = max(daemons, key=lambda one: one.said().count("bound to"))
                os.kill(leader.process.pid, signal.SIGKILL)
                leader.process.wait()
                daemons.remove(leader)
                daemons.append(start("smpp", env=env))
                struck["daemon"] += 1
        settle(wiring, journal, daemons)
    finally:
        carrier.close()
    taken = Counter((one["to"], one["text"]) for one in noted(journal, "taken"))
    found = states(wiring)
    print(f"struck {dict(struck)}; {len(taken)} taken of {MESSAGES}; {dict(found)}")
    assert max(taken.values()) == 1, "sent twice"
    assert found == Counter(delivered=len(taken), unsure=MESSAGES - len(taken)), "what the carrier took was delivered"
    with Session(wiring.engine) as session:
        broken = [one for one in invariants.prove(session, wiring.audit_key) if not one.holds]
    assert broken == []


def settle(wiring: Wiring, journal: Path, daemons: list[Any]) -> None:
    """Wait until every message is told of, or was never taken."""
    deadline = time.monotonic() + DEADLINE
    while True:
        found, taken = states(wiring), len(noted(journal, "taken"))
        if not found.keys() - {"delivered", "unsure"} and found["delivered"] == taken:
            return
        assert time.monotonic() < deadline, (found, taken, [one.said()[-2000:] for one in daemons])
        time.sleep(0.1)
