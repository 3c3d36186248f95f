"""Callbacks of one bank while a large statement of another one is booked: how long they wait for their answer.

Prints one JSON object: latencies at a steady pace, first with nothing else to do, then during the booking; and how long
a callback waits until a worker has booked it. The booking must outlast the second measure, or nothing is said.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from benchmarks import callbacks, http_load
from benchmarks import reconcile_books as books
from gateway import migrate, processes, settings
from gateway.database import transaction
from gateway.embedded import Embedded
from gateway.sandbox import free_port
from gateway.wiring import Wiring, ensure_own_secrets
from reconciliation import inbox

LINES = int(os.environ.get("BENCH_LINES", "60000"))
BILLS = 3 * LINES
PACE = int(os.environ.get("BENCH_PACE", "100"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "20"))
CONNECTIONS = 16
APART = 10_000_000
"""From here on the callbacks' bills are numbered: none that the statement pays."""
CONFIG = f"""
[banks.{books.BANK}]
title = "Sao Mai"
[banks.standard]
title = "Kim Long"
profile = "standard"
callbacks = true
"""


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    with tempfile.TemporaryDirectory(prefix="doisoat-bench-") as place:
        folder = Path(place)
        folder.chmod(0o755)  # PostgreSQL, started by root, runs as another user
        home = folder / "home"
        home.mkdir()
        (folder / "bench.toml").write_text(CONFIG)
        with Embedded(home, lambda line: print(line, file=sys.stderr)) as services:
            os.environ |= {
                "DOISOAT_HOME": str(home), "DOISOAT_CONFIG": str(folder / "bench.toml"),
                "DOISOAT_PORT": str(free_port()),
                "DOISOAT_DATABASE_URL": services.database_url, "DOISOAT_VALKEY_URL": services.valkey_url,
                "DOISOAT_SECRET_STANDARD_WEBHOOK_SECRET": "whsec_" + base64.b64encode(callbacks.KEY).decode(),
            }  # fmt: skip
            ensure_own_secrets(home)
            migrate.upgrade(services.database_url)
            print(json.dumps(measure(folder, services.database_url), indent=1))


def measure(folder: Path, url: str) -> dict[str, object]:
    """Return the figures of both measures."""
    wiring = Wiring(settings.load(os.environ), url, os.environ["DOISOAT_VALKEY_URL"])
    port = int(os.environ["DOISOAT_PORT"])
    books.issue(url.replace("//doisoat@", "//postgres@"), BILLS, told=25)
    callbacks.issue_bills(wiring, 3 * PACE * SECONDS, first=APART)
    running = [callbacks.start("web"), callbacks.start("beat"), callbacks.start("worker", "callbacks")]
    reader: subprocess.Popen[bytes] | None = None
    try:
        processes.await_port("127.0.0.1", port, seconds=30)
        hold(port, 0, "warm")
        idle = hold(port, 1, "idle")
        number = _keep(wiring, folder)  # nobody listens on the queue of statements: it waits for the reader below
        reader = subprocess.Popen([sys.executable, "-m", "benchmarks.reconcile", "--read", str(number)])
        while not callbacks.count_of(url, "SELECT coalesce(max(booked_lines), 0) FROM statements"):
            time.sleep(0.1)
        busy = hold(port, 2, "busy")
        assert reader.poll() is None, "the statement was booked before the callbacks were answered: more BENCH_LINES"
        at_work = callbacks.count_of(url, "SELECT max(booked_lines) FROM statements")
        _drain(url)
    finally:
        if reader is not None:
            reader.kill()
            reader.wait()
        callbacks.stop(running)
    return {
        "cpu": os.cpu_count(), "lines": LINES, "bills": BILLS, "callbacks_per_second": PACE, "seconds": SECONDS,
        "idle": idle | _booked(url, "idle"), "while a statement is booked": busy | _booked(url, "busy"),
        "lines_booked_by_the_end": at_work,
    }  # fmt: skip


def hold(port: int, turn: int, prefix: str) -> dict[str, object]:
    """Send callbacks at the pace; return how long their answers took."""
    first = APART + turn * PACE * SECONDS
    requests = [callbacks.callback(n, prefix, port) for n in range(first, first + PACE * SECONDS)]
    held = http_load.run(("127.0.0.1", port), requests, connections=CONNECTIONS, per_second=PACE)
    assert held.statuses == {200: PACE * SECONDS}, held.statuses
    return {
        "p50_ms": round(held.percentile(0.5) * 1000, 1), "p99_ms": round(held.percentile(0.99) * 1000, 1),
        "longest_ms": round(held.percentile(1) * 1000, 1),
    }  # fmt: skip


def _keep(wiring: Wiring, folder: Path) -> int:
    path = folder / "statement.xml"
    books.write(path, LINES, BILLS)
    with transaction(wiring.engine) as session:
        kept = inbox.keep_file(
            session, source=books.BANK, name=path.name, path=path, sealer=wiring.sealer, now=datetime.now(UTC)
        )
    assert kept is not None
    return kept


def _drain(url: str) -> None:
    waiting = "SELECT count(*) FROM deliveries WHERE state = 'received' AND kind = 'callback'"
    end = time.monotonic() + 60
    while callbacks.count_of(url, waiting):
        assert time.monotonic() < end, "callbacks are left unread"
        time.sleep(0.1)


def _booked(url: str, prefix: str) -> dict[str, object]:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM read_at - received_at))"
            " FROM deliveries WHERE kind = 'callback' AND event_id LIKE %s", (prefix + "-%",),
        ).fetchone()  # fmt: skip
    assert row is not None
    assert row[0] is not None, "no callback was read"
    return {"booked_after_p50_s": round(row[0][0], 2), "booked_after_p99_s": round(row[0][1], 2)}


if __name__ == "__main__":
    main()
