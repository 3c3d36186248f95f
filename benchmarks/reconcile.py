"""A day's statement from its bytes to the books: a million lines against three million open bills, stage by stage.

Prints one JSON object. The file goes the gateway's own road in a process of its own, for its peak memory; a run over a
tenth of the lines tells how the time grows. Peers of the same run: `psql \\copy` of the same rows into the same
indexes; the same joins as bare SQL over bare tables; bankstatementparser's exact matcher; a loop over rows by an ORM.
The last two take a sample of the lines, and their pace is per line. When all is booked, every invariant is proven.
BENCH_STATEMENTS=1 prints the statements that took longest, BENCH_PLANS=FILE writes their plans as they ran.
"""

import argparse
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import event

from banks import statements
from banks.records import StatementLine
from benchmarks import reconcile_books as books
from gateway import composing, migrate, settings, statement_reading
from gateway.database import transaction
from gateway.embedded import Embedded
from gateway.wiring import Wiring, ensure_own_secrets
from reconciliation import (
    inbox,
    invariants,
    large_statements,
    ledger,
    matching,
    pairing,
    statement_loading,
    statistics,
)

CONFIG = f"""
[banks.{books.BANK}]
title = "Sao Mai"
"""
NOW = datetime(2026, 11, 18, 16, 30, tzinfo=UTC)
STAGES: dict[str, tuple[Any, str]] = {
    "parsed and loaded": (statement_loading, "load"),
    "paired": (pairing, "pair"),
    "matched": (matching, "match"),
    "posted": (ledger, "post"),
    "booked": (pairing, "book"),
    "judged": (pairing, "judge"),
    "counted": (statistics, "refresh"),
    "counted again": (statistics, "refresh_grown"),
    "told": (composing, "compose_promises"),
}
"""Where the time of each stage is taken; what one stage calls of another counts for that other one alone."""
BOOKING = ("matched", "posted", "booked", "judged", "committed")
"""The stages that do what the bare SQL does: it makes the payments and moves them as well."""
_TELL_PLANS = (
    "auto_explain.log_min_duration = 50", "auto_explain.log_analyze = on", "auto_explain.log_buffers = on",
    "auto_explain.log_timing = off", "auto_explain.log_level = notice", "auto_explain.log_parameter_max_length = 0",
)  # fmt: skip


def on_cpu(backend: int) -> float:
    """Return the seconds that a server process has been on a CPU: what others do on this machine is not in them."""
    return int(Path(f"/proc/{backend}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


class Stopwatch:
    """Takes the time of functions, and of statements in the database; by the clock, and on CPUs, ours and its own."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self._in_database = 0.0
        self.statements: dict[str, tuple[float, float, int]] = {}
        self._inside: list[tuple[float, float]] = []

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, with its own time added up under `name`."""

        @wraps(function)
        def timed(*given: Any, **named: Any) -> Any:
            self._inside.append((0.0, 0.0))
            start, began = time.perf_counter(), self._worked()
            try:
                return function(*given, **named)
            finally:
                taken, worked = time.perf_counter() - start, self._worked() - began
                within, busy = self._inside.pop()
                self.seconds[name] = self.seconds.get(name, 0.0) + taken - within
                self.cpu[name] = self.cpu.get(name, 0.0) + worked - busy
                if self._inside:
                    within, busy = self._inside[-1]
                    self._inside[-1] = (within + taken, busy + worked)

        return timed

    def _worked(self) -> float:
        return time.process_time() + self._in_database

    def watch(self, engine: Any) -> None:
        """Add up the time of each statement in the database."""

        @event.listens_for(engine, "before_cursor_execute")
        def begin(_c: Any, _cursor: Any, _s: str, _p: Any, context: Any, _many: bool) -> None:
            context.began = time.perf_counter()
            context.worked = on_cpu(_cursor.connection.info.backend_pid)

        @event.listens_for(engine, "after_cursor_execute")
        def end(_c: Any, _cursor: Any, said: str, _p: Any, context: Any, _many: bool) -> None:
            seconds, before, count = self.statements.get(said, (0.0, 0.0, 0))
            worked = on_cpu(_cursor.connection.info.backend_pid) - context.worked
            self.statements[said] = (seconds + time.perf_counter() - context.began, before + worked, count + 1)
            self._in_database += worked

        commit = engine.dialect.do_commit

        def do_commit(connection: Any) -> None:
            backend = connection.driver_connection.info.backend_pid
            worked = on_cpu(backend)
            commit(connection)
            self._in_database += on_cpu(backend) - worked

        engine.dialect.do_commit = self.wrap("committed", do_commit)


class Plans:
    """The plan of each statement that took long, as the server told it when it ran: the longest run of each."""

    def __init__(self) -> None:
        self._longest: dict[str, tuple[float, str]] = {}

    def watch(self, engine: Any) -> None:
        """Listen on each connection."""

        @event.listens_for(engine, "connect")
        def listen(connection: psycopg.Connection[Any], _record: object) -> None:
            connection.add_notice_handler(self._hear)

    def _hear(self, told: psycopg.errors.Diagnostic) -> None:
        words = told.message_primary or ""
        found = re.match(r"duration: ([0-9.]+) ms  plan:\nQuery Text: (.*?)\n(?=\S.*\(cost=)", words, re.DOTALL)
        if found:
            said = " ".join(found[2].split())
            taken, plan = float(found[1]), words[found.end() :]
            if taken > self._longest.get(said, (0.0, ""))[0]:
                self._longest[said] = (taken, plan)

    def write(self, path: Path) -> None:
        """Write them, the longest first."""
        with path.open("w", encoding="utf-8") as file:
            for said, (taken, plan) in sorted(self._longest.items(), key=lambda item: -item[1][0]):
                file.write(f"{taken:.0f} ms: {said}\n{plan}\n\n")


def read(delivery: int) -> None:
    """Read one kept file, as a worker does, and print the time of each stage and the peak of memory."""
    wiring = _wiring()
    watch = Stopwatch()
    for name, (module, function) in STAGES.items():
        setattr(module, function, watch.wrap(name, getattr(module, function)))
    large_statements.pair = pairing.pair
    watch.watch(wiring.engine)
    plans = Plans()
    plans.watch(wiring.engine)
    start = time.perf_counter()
    state = statement_reading.read(wiring, delivery)
    seconds = time.perf_counter() - start
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert state == "read", state
    slowest = sorted(watch.statements.items(), key=lambda item: -item[1][0])[:25]
    for said, (taken, worked, count) in slowest if os.environ.get("BENCH_STATEMENTS") else ():
        print(f"{taken:8.2f} s, {worked:.2f} on a CPU {count:6} × {' '.join(said.split())[:170]}", file=sys.stderr)
    if os.environ.get("BENCH_PLANS"):
        plans.write(Path(os.environ["BENCH_PLANS"]))
    told = {
        "seconds": round(seconds, 2),
        "stages": {name: round(taken, 2) for name, taken in watch.seconds.items()},
        "stages_on_cpu": {name: round(taken, 2) for name, taken in watch.cpu.items()},
        "peak_megabytes": round(int(found[1]) / 1024, 1) if found else None,
    }
    print(json.dumps(told))


def _wiring() -> Wiring:
    return Wiring(settings.load(os.environ), os.environ["DOISOAT_DATABASE_URL"], os.environ["DOISOAT_VALKEY_URL"])


def _named(url: str, name: str) -> str:
    head, _, options = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{options}"


def run(services: Embedded, folder: Path, *, bills: int, lines: int, told: int) -> dict[str, Any]:
    """Take one file from its bytes to the books, in a database of its own; return the figures."""
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE bench_{lines}")
    os.environ["DOISOAT_DATABASE_URL"] = url = _named(services.database_url, f"bench_{lines}")
    migrate.upgrade(url)
    begun = time.perf_counter()
    books.issue(url.replace("//doisoat@", "//postgres@"), bills, told=told)
    wiring = _wiring()
    heard = books.hear(wiring, lines, bills, NOW)
    path = folder / "statement.xml"
    books.write(path, lines, bills)
    _say(f"{bills} bills issued, {heard} callbacks heard, {lines} lines written in {time.perf_counter() - begun:.0f} s")
    parsed = _parse(path, lines)
    with transaction(wiring.engine) as session:
        delivery = inbox.keep_file(
            session, source=books.BANK, name="statement.xml", path=path, sealer=wiring.sealer, now=NOW
        )
    with psycopg.connect(url.replace("//doisoat@", "//postgres@"), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE payments, bills, allocations, entries, customers")
        connection.execute("CHECKPOINT")
        if os.environ.get("BENCH_PLANS"):
            for setting in ("session_preload_libraries = auto_explain", *_TELL_PLANS):
                connection.execute(f"ALTER DATABASE bench_{lines} SET {setting}".encode())
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.reconcile", "--read", str(delivery)], check=True, stdout=subprocess.PIPE
    )
    told_by_it = json.loads(done.stdout)
    _say(f"{lines} lines in the books: {told_by_it}")
    return {
        "lines": lines, "bills": bills, "told_before": heard, "megabytes": round(path.stat().st_size / 1e6),
        "lines_per_second": round(lines / told_by_it["seconds"]), "parsed_alone": round(parsed, 2), **told_by_it,
        **_proven(wiring),
    }  # fmt: skip


def _parse(path: Path, lines: int) -> float:
    start, seen = time.perf_counter(), 0
    with path.open("rb") as stream:
        seen = sum(isinstance(one, StatementLine) for one in statements.read(stream))
    assert seen == lines, (seen, lines)
    return time.perf_counter() - start


def _proven(wiring: Wiring) -> dict[str, Any]:
    """Return what the books say, once every invariant holds."""
    with transaction(wiring.engine) as session:
        broken = [
            f"{one.number}: {one.figures}" for one in invariants.prove(session, wiring.audit_key) if not one.holds
        ]
        assert not broken, broken
        connection = session.connection()
        codes = connection.exec_driver_sql(
            "SELECT code, count(*) FROM mismatches WHERE state <> 'resolved' GROUP BY 1 ORDER BY 1"
        )
        mismatches: dict[str, int] = {row[0]: row[1] for row in codes}
        counted = {
            name: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
            for name, table in (("matches", "allocations"), ("entries", "entries"), ("texts", "messages"))
        }
    return {**counted, "mismatches": mismatches, "invariants": "hold"}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--bills", type=int, default=int(os.environ.get("BENCH_BILLS", "3000000")))
    asked.add_argument("--lines", type=int, default=int(os.environ.get("BENCH_LINES", "1000000")))
    asked.add_argument("--told", type=int, default=25, help="customers of a hundred who get texts")
    asked.add_argument("--sample", type=int, default=100_000, help="lines that the peers take")
    asked.add_argument("--no-peers", action="store_true")
    asked.add_argument("--no-growth", action="store_true")
    asked.add_argument("--read", type=int, help=argparse.SUPPRESS)
    chosen = asked.parse_args()
    if chosen.read:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr)
        read(chosen.read)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    with tempfile.TemporaryDirectory(prefix="doisoat-bench-") as place:
        folder = Path(place)
        folder.chmod(0o755)  # PostgreSQL, started by root, runs as another user
        home = folder / "home"
        home.mkdir()
        (folder / "bench.toml").write_text(CONFIG)
        with Embedded(home, _say) as services:
            os.environ |= {
                "DOISOAT_HOME": str(home), "DOISOAT_CONFIG": str(folder / "bench.toml"),
                "DOISOAT_VALKEY_URL": services.valkey_url,
            }  # fmt: skip
            ensure_own_secrets(home)
            print(json.dumps(measure(services, folder, chosen), indent=1))


def measure(services: Embedded, folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Run the whole road, a tenth of it, and the peers; return all figures with their ratios."""
    figures: dict[str, Any] = {"cpu": os.cpu_count()}
    ratios: dict[str, float] = {}
    if not chosen.no_growth:
        small = run(services, folder, bills=chosen.bills, lines=chosen.lines // 10, told=chosen.told)
        figures["tenth"] = small
    whole = run(services, folder, bills=chosen.bills, lines=chosen.lines, told=chosen.told)
    figures["whole"] = whole
    if not chosen.no_growth:
        ratios["growth from a tenth, 1 is linear"] = round(whole["seconds"] / small["seconds"] / 10, 2)
        busy, little = (sum(one["stages_on_cpu"].values()) for one in (whole, small))
        ratios["growth from a tenth, on CPUs"] = round(busy / little / 10, 2)
    if not chosen.no_peers:
        from benchmarks import reconcile_peers as peers  # not in the process whose memory is measured

        sample = min(chosen.sample, chosen.lines)
        wiring = _wiring()
        figures["peers"] = found = peers.race(wiring, folder, bills=chosen.bills, lines=chosen.lines, sample=sample)
        per_line = whole["seconds"] / chosen.lines
        booking, on_cpus = (sum(whole[kind][name] for name in BOOKING) for kind in ("stages", "stages_on_cpu"))
        ratios["load to psql"] = round(found["loaded_per_second"] / found["psql_copy_per_second"], 2)
        ratios["matching and posting to bare SQL"] = round(booking / found["bare_sql_seconds"], 2)
        ratios["matching and posting to bare SQL, on CPUs"] = round(on_cpus / found["bare_sql_on_cpu"], 2)
        ratios["matching and posting to bare SQL over as many indexes, on CPUs"] = round(
            on_cpus / found["indexed_sql_on_cpu"], 2
        )
        ratios["whole road to bankstatementparser's matcher"] = round(
            found["bankstatementparser_per_line"] / per_line, 1
        )
        ratios["whole road to the ORM loop"] = round(found["orm_per_line"] / per_line, 1)
    return figures | {"ratios": ratios}


if __name__ == "__main__":
    main()
