"""The story of Ctrl-C, of a second start on the old data, and of a database that is killed while everything runs."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from banks.profile import Signed, find
from banks.records import RawRequest
from gateway.clock import real
from gateway.embedded.place import find_place
from gateway.embedded.postgres import Postgres
from gateway.supervisor_guard import members

Start = Callable[..., Any]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
_COUNTS = """
    SELECT (SELECT count(*) FROM bills), (SELECT count(*) FROM payments), (SELECT count(*) FROM entries),
        (SELECT count(*) FROM deliveries), (SELECT count(*) FROM messages)
"""


@pytest.fixture
def bystander() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is none of the gateway's business."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def sessions_of(parent: int) -> dict[str, int]:
    """Return the programs that `parent` runs, by the last words of their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if int(fields[1]) == parent and any(word.endswith(b"/doisoat") for word in words):
                at = next(number for number, word in enumerate(words) if word.endswith(b"/doisoat"))
                found[b" ".join(words[at + 1 :]).decode().strip()] = int(entry.name)
    return found


def postgres_of(home: Path) -> Postgres:
    return Postgres(find_place(home, lambda _line: None), lambda _line: None)


def signed_event(home: Path, number: int) -> Signed:
    data = {
        "transaction_id": f"RESTART{number}", "amount": 15_000, "currency": "VND", "paid_at": real().isoformat(),
        "narrative": "khong ro",
    }  # fmt: skip
    body = json.dumps({"type": "payment.received", "data": data}).encode()
    key = (home / "secrets" / "standard_webhook_secret").read_text().strip()
    raw = RawRequest("POST", b"", {"webhook-id": f"evt_restart_{number}"}, body, real())
    return find("standard").sign(raw, {"webhook_secret": [key]}, real())


def accepted(client: httpx.Client, signed: Signed, seconds: float) -> float:
    """Send until it is accepted, as a bank does; return how long it took."""
    began = time.monotonic()
    while True:
        try:
            answer = client.post("/webhooks/standard", content=signed.body, headers=dict(signed.headers))
            if answer.status_code == 200:
                return time.monotonic() - began
            assert answer.status_code == 503, answer.text
        except httpx.TransportError as error:
            last: object = error
        else:
            last = answer.text
        assert time.monotonic() - began < seconds, f"not accepted within {seconds} s: {last}"
        time.sleep(0.1)


def test_stop_start_and_a_killed_database(
    home: Path, environment: Callable[..., dict[str, str]], start: Start, doisoat: Run,
    bystander: "subprocess.Popen[bytes]",
) -> None:  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    env = environment(HOME=home, PORT=port)

    first = start("run", "--bills", "60", env=env)
    first.await_line("doisoat is ready")
    programs = sessions_of(first.process.pid)
    assert set(programs) >= {"web", "beat", "sandbox", *(f"worker {q}" for q in ("callbacks", "files", "messages"))}
    postgres = postgres_of(home)
    with psycopg.connect(postgres.url) as connection:
        lived = connection.execute(_COUNTS).fetchone()
    assert first.interrupt() == 0
    assert "Traceback" not in first.said()
    assert all(members(session) == [] for session in programs.values())
    assert postgres.living() == []
    assert bystander.poll() is None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0

    second = start("run", "--bills", "60", env=env)
    second.await_line("doisoat is ready")
    assert "bills issued" not in second.said()
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute(_COUNTS).fetchone() == lived

    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
        accepted(client, signed_event(home, 1), 30)
        old = postgres.main_pid()
        os.kill(old, signal.SIGKILL)
        assert accepted(client, signed_event(home, 2), 60) < 60
        deadline = time.monotonic() + 60
        # A session may end what it is at after its postmaster has died, so the answer alone proves no other one.
        while postgres.main_pid() in (0, old) or client.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline, second.said()[-3000:]
            time.sleep(0.1)
        while True:  # beat and the workers find their way back without being started anew
            with psycopg.connect(postgres.url) as connection:
                row = connection.execute(
                    "SELECT count(*) FROM payments WHERE source_reference LIKE 'RESTART%'"
                ).fetchone()
            if row == (2,):
                break
            assert time.monotonic() < deadline, second.said()[-3000:]
            time.sleep(0.1)
    proven = doisoat("verify", env=env)
    assert proven.returncode == 0, proven.stdout + proven.stderr
    assert second.interrupt() == 0
    assert postgres.living() == []


def test_ctrl_c_in_the_middle_of_the_day(
    home: Path, environment: Callable[..., dict[str, str]], start: Start, doisoat: Run
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    env = environment(HOME=home, PORT=port)
    run = start("run", "--bills", "400", env=env)
    run.await_line("callbacks answered")
    assert run.interrupt() == 0
    assert "Error" not in run.said()
    assert "Traceback" not in run.said()
    assert postgres_of(home).living() == []
    proven = doisoat("verify", env=env)
    assert proven.returncode == 0, proven.stdout + proven.stderr
