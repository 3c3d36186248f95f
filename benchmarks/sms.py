"""Messages from promise to receipt over SMPP, against bare smpplib that submits the same texts to the same server.

Prints one JSON object. Both fill a window of ten on one bind to the server of the smpp34 package, a process of its own
that answers at once and sends a receipt for each part; both end when the last receipt has come. Ours begins with the
first promise: notices promised, composed, claimed, sent, recorded, receipts kept at full durability, acknowledged and
applied. They take turns, and the medians count. `held` is what one daemon sends while callbacks come in and are booked.
`targets`: a ratio of at least 0.5, and 2,500 messages a minute.
BENCH_MESSAGES, BENCH_SECONDS and BENCH_PACE (callbacks a second) set other numbers.
"""

import json
import logging
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import smpplib.client
import smpplib.exceptions

from benchmarks import callbacks, http_load
from gateway import migrate, processes, settings
from gateway.composing import compose_promises
from gateway.database import transaction
from gateway.embedded import Embedded
from gateway.sandbox import free_port
from gateway.wiring import Wiring, ensure_own_secrets
from reconciliation import debit_promises, issuing
from sms.smpp.letters import References, parts_of
from tests.sms.smpp.peers import Carrier, rust_carrier

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "20000"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "60"))
PACE = int(os.environ.get("BENCH_PACE", "50"))
TURNS = 3
WINDOW = 10
PIECE = 500
CONFIG = """
brand = "Dien luc Ho Sen"
[banks.standard]
title = "Sao Mai"
profile = "standard"
callbacks = true
[sms.times]
quiet_from = "00:00"
quiet_until = "00:00"
holidays_rest = false
daily = 0
[sms.carriers.smpp]
kind = "smpp"
host = "127.0.0.1"
system_id = "doisoat"
"""


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    logging.disable(logging.WARNING)  # smpplib tells of each PDU
    with tempfile.TemporaryDirectory(prefix="doisoat-bench-") as place:
        folder = Path(place)
        folder.chmod(0o755)  # PostgreSQL, started by root, runs as another user
        home = folder / "home"
        home.mkdir()
        with (
            Embedded(home, lambda line: print(line, file=sys.stderr)) as services,
            rust_carrier("--receipts") as carrier,
        ):
            (folder / "bench.toml").write_text(f"{CONFIG}port = {carrier.port}\nwindow = {WINDOW}\n")
            os.environ |= {
                "DOISOAT_HOME": str(home), "DOISOAT_CONFIG": str(folder / "bench.toml"),
                "DOISOAT_PORT": str(free_port()),
                "DOISOAT_DATABASE_URL": services.database_url, "DOISOAT_VALKEY_URL": services.valkey_url,
                "DOISOAT_SECRET_SMS_SMPP_PASSWORD": "secret",
                "DOISOAT_SECRET_STANDARD_WEBHOOK_SECRET": "whsec_" + callbacks.base64.b64encode(callbacks.KEY).decode(),
            }  # fmt: skip
            ensure_own_secrets(home)
            migrate.upgrade(services.database_url)
            print(json.dumps(measure(services.database_url, carrier), indent=1))


def measure(url: str, carrier: Carrier) -> dict[str, object]:
    """Return the figures of both measures."""
    wiring = Wiring(settings.load(os.environ), url, os.environ["DOISOAT_VALKEY_URL"], pooled=2)
    ours, bare, parts = list[float](), list[float](), 0
    for turn in range(TURNS):
        ids = issue(wiring, turn * MESSAGES)
        daemon = callbacks.start("smpp")
        try:
            await_bind(url)
            ours.append(MESSAGES / promised_to_delivered(wiring, url, ids))
        finally:
            callbacks.stop([daemon])
        with psycopg.connect(url) as connection:
            bodies = [
                row[0] for row in connection.execute("SELECT body FROM messages ORDER BY id DESC LIMIT %s", (MESSAGES,))
            ]
        seconds, parts = submit_bare(carrier.port, bodies)
        bare.append(MESSAGES / seconds)
    own, peer = statistics.median(ours), statistics.median(bare)
    return {
        "cpu": os.cpu_count(), "messages": MESSAGES, "parts": parts, "window": WINDOW, "synchronous_commit": "on",
        "promise_to_receipt_per_second": round(own), "bare_smpplib_per_second": round(peer),
        "ratio": round(own / peer, 2), "turns": [[*map(round, pair)] for pair in zip(ours, bare, strict=True)],
        "held": hold(wiring, url), "targets": {"ratio": 0.5, "messages_per_minute": 2500},
    }  # fmt: skip


def issue(wiring: Wiring, first: int) -> list[int]:
    """Issue bills with a debit whose notices are not promised yet; return their ids."""
    day = date.today() + timedelta(days=9)  # noqa: DTZ011 - any day will do
    ids: list[int] = []
    for start in range(first, first + MESSAGES, 5000):
        numbers = [f"+8491{n:07}" for n in range(start, min(start + 5000, first + MESSAGES))]
        bills = [
            issuing.BillIn(
                place=str(n), number=f"N{n:09}", version=1, customer_code=f"PB{n:011}", office="", language="vi",
                consent=True, period="11/2026", kwh=373, charge_minor=800_000 + n, tax_minor=0, arrears_minor=0,
                minor=800_000 + n, issued_on=date.today(), due_on=day, charge_on=None, bank="",  # noqa: DTZ011 - any day will do
                payment_code=f"PB{n:011}11126", phone_sealed=wiring.sealer.seal(number.encode(), "customers.msisdn"),
                phone_hash=wiring.sealer.blind(number, "msisdn"), phone_tail=number[-3:],
            )
            for n, number in enumerate(numbers, start)
        ]  # fmt: skip
        with transaction(wiring.engine) as session:
            issuing.issue(session, bills, now=datetime.now(UTC))
    with psycopg.connect(
        os.environ["DOISOAT_DATABASE_URL"].replace("//doisoat@", "//postgres@"), autocommit=True
    ) as owner:
        # Given their day only now: the import would have promised the notices itself.
        query = "UPDATE bills SET charge_on = %s, bank = 'standard' WHERE number BETWEEN %s AND %s RETURNING id"
        ids = [row[0] for row in owner.execute(query, (day, f"N{first:09}", f"N{first + MESSAGES - 1:09}"))]
        owner.execute("ANALYZE")
    return ids


def promised_to_delivered(wiring: Wiring, url: str, ids: list[int]) -> float:
    """Promise a notice for each bill, while the daemon sends what is there; return the seconds to the last receipt."""
    began = time.perf_counter()
    for start in range(0, len(ids), PIECE):
        with transaction(wiring.engine) as session:
            debit_promises.promise_notices(session, ids[start : start + PIECE], now=datetime.now(UTC))
            compose_promises(session, wiring.settings)
    # What waits is asked by its index: counting all messages over and over would cost more than is measured here.
    for state in ("queued", "sending", "sent", "unsure"):
        left = f"SELECT EXISTS (SELECT 1 FROM messages WHERE state = '{state}')"
        with psycopg.connect(url, autocommit=True) as connection:
            while connection.execute(left).fetchone() == (True,):
                assert time.perf_counter() < began + 300, "messages are left"
                time.sleep(0.05)
    seconds = time.perf_counter() - began
    assert callbacks.count_of(url, "SELECT count(*) FROM messages WHERE state <> 'delivered'") == 0
    return seconds


def await_bind(url: str) -> None:
    """Return once a daemon leads."""
    end = time.monotonic() + 60
    while not callbacks.count_of(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"):
        assert time.monotonic() < end, "no daemon leads"
        time.sleep(0.05)
    time.sleep(0.5)


def submit_bare(port: int, bodies: list[str]) -> tuple[float, int]:
    """Submit the same parts by smpplib's own client, acknowledging receipts; return the seconds and the parts."""
    references = References()
    numbers = [f"+8491{n:07}" for n in range(len(bodies))]
    paired = zip(numbers, bodies, strict=True)
    parts = [(number, part) for number, body in paired for part in parts_of(body, number, references)]
    client = smpplib.client.Client("127.0.0.1", port, allow_unknown_opt_params=True)
    client.connect()
    client.bind_transceiver(system_id="doisoat", password="secret")
    answered = told = out = 0

    def taken(pdu: object) -> None:  # noqa: ARG001 - smpplib names it
        nonlocal answered, out
        answered, out = answered + 1, out - 1

    def heard(pdu: object) -> None:  # noqa: ARG001 - as above
        nonlocal told
        told += 1

    client.set_message_sent_handler(taken)
    client.set_message_received_handler(heard)
    began = time.perf_counter()
    left: Iterator[tuple[str, object]] = iter(parts)
    while answered < len(parts) or told < len(parts):
        while out < WINDOW and (following := next(left, None)) is not None:
            number, part = following
            client.send_message(
                source_addr_ton=5, source_addr="DIENLUC", dest_addr_ton=1, dest_addr_npi=1,
                destination_addr=number[1:], esm_class=part.esm_class, data_coding=part.data_coding,
                short_message=part.octets, registered_delivery=1,
            )  # fmt: skip
            out += 1
        client.read_once()
    seconds = time.perf_counter() - began
    with suppress(smpplib.exceptions.ConnectionError):  # the server hangs up first
        client.unbind()
    client.disconnect()
    return seconds, len(parts)


def hold(wiring: Wiring, url: str) -> dict[str, object]:
    """Let one daemon send for a minute while callbacks come at a pace and are booked; return how it went."""
    port, paced = int(os.environ["DOISOAT_PORT"]), PACE * SECONDS
    first = TURNS * MESSAGES
    enough = 0
    while enough < 60 * SECONDS:  # more than are asked of it
        ids = issue(wiring, first + enough)
        for start in range(0, len(ids), PIECE):
            with transaction(wiring.engine) as session:
                debit_promises.promise_notices(session, ids[start : start + PIECE], now=datetime.now(UTC))
                compose_promises(session, wiring.settings)
        enough += MESSAGES
    callbacks.issue_bills(wiring, paced)
    sent = "SELECT count(*) FROM messages WHERE sent_at IS NOT NULL"
    web = [callbacks.start("web"), callbacks.start("beat"), callbacks.start("worker", "callbacks")]
    daemon = None
    try:
        processes.await_port("127.0.0.1", port, seconds=60)
        before = callbacks.count_of(url, sent)
        began = time.monotonic()
        daemon = callbacks.start("smpp")
        requests = [callbacks.callback(n, "held", port) for n in range(paced)]
        held = http_load.run(("127.0.0.1", port), requests, connections=16, per_second=PACE)
        seconds = time.monotonic() - began
        count = callbacks.count_of(url, sent) - before
        unread = callbacks.count_of(url, "SELECT count(*) FROM deliveries WHERE state = 'received'")
        queued = callbacks.count_of(url, "SELECT count(*) FROM messages WHERE state = 'queued'")
    finally:
        callbacks.stop([*web, *([daemon] if daemon else [])])
    assert held.statuses == {200: paced}, held.statuses
    return {
        "messages_per_minute": round(60 * count / seconds), "seconds": round(seconds), "left_queued": queued,
        "callbacks_per_second": PACE, "callbacks_p99_ms": round(held.percentile(0.99) * 1000, 1),
        "callbacks_unread_at_the_end": unread,
    }  # fmt: skip


if __name__ == "__main__":
    main()
