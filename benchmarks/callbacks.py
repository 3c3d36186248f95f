"""Callbacks: signed, unique, answered after the commit at full durability, against a bare route of the same server.

Prints one JSON object; `ratio` is to be at least 0.5, `held_p99_ms` at most 50 at 400 callbacks a second for a minute
while the workers book them at the same pace.
"""

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg

from benchmarks.http_load import Outcome, run
from gateway import migrate, processes, settings
from gateway.database import transaction
from gateway.embedded import Embedded
from gateway.sandbox import free_port
from gateway.wiring import Wiring, ensure_own_secrets
from reconciliation import issuing

KEY = b"benchmark-key-of-32-bytes-length"
CONNECTIONS = int(os.environ.get("BENCH_CONNECTIONS", "64"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "60"))
PACE = 400
CONFIG = """

web_workers = {workers}
web_threads = {threads}
[banks.standard]
title = "Sao Mai"
profile = "standard"
callbacks = true
"""


def callback(number: int, prefix: str, port: int) -> bytes:
    """Return one signed request as bytes on the wire."""
    moment = datetime.now(UTC)
    body = json.dumps(
        {
            "type": "payment.received",
            "data": {
                "transaction_id": f"{prefix}{number:08}", "amount": 100_000 + number % 1000, "currency": "VND",
                "paid_at": moment.isoformat(), "payment_code": f"PA{number:011}11126", "channel": "auto_debit",
            },
        }
    ).encode()  # fmt: skip
    name, stamp = f"{prefix}-{number}", str(int(moment.timestamp()))
    signed = base64.b64encode(hmac.digest(KEY, f"{name}.{stamp}.".encode() + body, hashlib.sha256)).decode()
    head = (
        f"POST /webhooks/standard HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"webhook-id: {name}\r\nwebhook-timestamp: {stamp}\r\nwebhook-signature: v1,{signed}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def issue_bills(wiring: Wiring, count: int, *, first: int = 0) -> None:
    """Issue the bills that the paced callbacks pay, numbered from `first`."""
    day = date.today()  # noqa: DTZ011 - any day will do
    for start in range(first, first + count, 5000):
        bills = [
            issuing.BillIn(
                place=str(n), number=f"HD{n:09}", version=1, customer_code=f"PA{n:011}", office="", language="vi",
                consent=True, period="11/2026", kwh=40, charge_minor=100_000 + n % 1000, tax_minor=0, arrears_minor=0,
                minor=100_000 + n % 1000, issued_on=day, due_on=day + timedelta(days=9), charge_on=None, bank="",
                payment_code=f"PA{n:011}11126", phone_sealed=wiring.sealer.seal(b"+84912345678", "customers.msisdn"),
                phone_hash=b"x", phone_tail="678",
            )
            for n in range(start, min(start + 5000, first + count))
        ]  # fmt: skip
        with transaction(wiring.engine) as session:
            issuing.issue(session, bills, now=datetime.now(UTC))


def count_of(url: str, query: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
        return int(row[0]) if row else 0


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    workers, threads = os.environ.get("BENCH_WORKERS", "1"), os.environ.get("BENCH_THREADS", "64")
    with tempfile.TemporaryDirectory(prefix="doisoat-bench-") as folder:
        home = Path(folder) / "home"
        Path(folder).chmod(0o755)  # PostgreSQL, started by root, runs as another user
        home.mkdir()
        config = Path(folder) / "bench.toml"
        config.write_text(CONFIG.format(workers=workers, threads=threads))
        with Embedded(home, lambda line: print(line, file=sys.stderr)) as services:
            measure(home, config, services)


def measure(home: Path, config: Path, services: Embedded) -> None:
    port = free_port()
    os.environ |= {
        "DOISOAT_HOME": str(home), "DOISOAT_CONFIG": str(config), "DOISOAT_PORT": str(port),
        "DOISOAT_DATABASE_URL": services.database_url, "DOISOAT_VALKEY_URL": services.valkey_url,
        "DOISOAT_SECRET_STANDARD_WEBHOOK_SECRET": "whsec_" + base64.b64encode(KEY).decode(),
    }  # fmt: skip
    read = settings.load(os.environ)
    ensure_own_secrets(home)
    migrate.upgrade(services.database_url)
    address = ("127.0.0.1", port)
    web = start("web")
    try:
        processes.await_port(*address, seconds=30)
        figures = race(address, port, services.database_url)
        wiring = Wiring(read, services.database_url, services.valkey_url)
        with psycopg.connect(services.database_url) as connection:
            connection.execute("UPDATE deliveries SET state = 'set_aside' WHERE state = 'received'")
        paced = PACE * SECONDS
        issue_bills(wiring, paced)
        others = [start("beat"), start("worker", "callbacks")]
        time.sleep(4)
        try:
            figures |= hold(address, port, services.database_url, paced)
        finally:
            stop(others)
    finally:
        stop([web])
    print(json.dumps(figures, indent=1))


def race(address: tuple[str, int], port: int, url: str) -> dict[str, object]:
    """Compare the callback with a bare route, in turn, three times each."""
    hello = [b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n"] * 6000
    run(address, hello[:1000], connections=CONNECTIONS)
    run(address, [callback(n, "warm", port) for n in range(500)], connections=CONNECTIONS)
    bare, kept = list[Outcome](), list[Outcome]()
    for turn in range(3):
        bare.append(run(address, hello, connections=CONNECTIONS))
        kept.append(run(address, [callback(n, f"r{turn}", port) for n in range(6000)], connections=CONNECTIONS))
    assert all(one.statuses == {200: 6000} for one in kept), [one.statuses for one in kept]
    assert count_of(url, "SELECT count(*) FROM deliveries") == 3 * 6000 + 500
    one, other = sorted(kept, key=lambda o: o.per_second)[1], sorted(bare, key=lambda o: o.per_second)[1]
    return {
        "synchronous_commit": "on",
        "hello_per_second": round(other.per_second),
        "callbacks_per_second": round(one.per_second),
        "ratio": round(one.per_second / other.per_second, 2),
        "callbacks_p99_ms": round(one.percentile(0.99) * 1000, 1),
    }


def hold(address: tuple[str, int], port: int, url: str, paced: int) -> dict[str, object]:
    """Hold the pace for the time asked, and see how far the books lag behind when the last one is answered."""
    held = run(address, [callback(n, "p", port) for n in range(paced)], connections=CONNECTIONS, per_second=PACE)
    behind = count_of(url, "SELECT count(*) FROM deliveries WHERE state = 'received'")
    ended = time.monotonic()
    while count_of(url, "SELECT count(*) FROM deliveries WHERE state = 'received'"):
        time.sleep(0.05)
    return {
        "held_per_second": round(held.per_second),
        "held_seconds": round(held.seconds),
        "held_p50_ms": round(held.percentile(0.5) * 1000, 1),
        "held_p99_ms": round(held.percentile(0.99) * 1000, 1),
        "held_statuses": held.statuses,
        "unread_at_the_end": behind,
        "drained_after_seconds": round(time.monotonic() - ended, 2),
        "bills_paid": count_of(url, "SELECT count(*) FROM bills WHERE state = 'paid'"),
        "entries": count_of(url, "SELECT count(*) FROM entries"),
    }


def start(*words: str) -> subprocess.Popen[bytes]:
    own = str(Path(sys.executable).parent / "doisoat")
    with (Path(os.environ["DOISOAT_HOME"]) / "bench.log").open("ab") as log:
        return subprocess.Popen([own, *words], start_new_session=True, stdout=log, stderr=log)


def stop(running: list[subprocess.Popen[bytes]]) -> None:
    for process in running:
        os.killpg(process.pid, signal.SIGTERM)
    for process in running:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
