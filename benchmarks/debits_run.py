"""A run of many debits in a real database: chosen, approved, claimed and written, for `benchmarks.debits`.

A process of its own; prints the seconds of each stage on the clock, the file's bytes, and the most memory it ever held.
"""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

import psycopg

from gateway import debit_files, migrate, settings
from gateway.database import transaction
from gateway.embedded import Embedded
from gateway.wiring import Wiring, ensure_own_secrets
from reconciliation import debit_choice, debit_rules, debit_runs, debit_sending
from reconciliation.debit_choice import Wanted
from reconciliation.debit_limits import FileLimits
from reconciliation.debits import DebitFile
from reconciliation.mandates import SEALED

Done = TypeVar("Done")

BANK = "sao_mai"
DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
CONFIG = f"""
[banks.{BANK}]
title = "Sao Mai"
[banks.{BANK}.debits]
creditor_id = "PC07-CREDITOR"
creditor_name = "CONG TY DIEN LUC SANDBOX"
creditor_account = "190026112233"
creditor_bank = "BFTVVNVX"
debtor_bank = "970436"
format = "pain.008.001.08"
"""
# Three times as many bills as are debited: the others have their day at another bank, or on another day.
_FILL = """
    INSERT INTO customers (code, office, language, consent, msisdn_sealed, msisdn_hash, msisdn_tail, name_masked,
        created_at, updated_at)
    SELECT 'PA' || lpad(n::text, 11, '0'), 'HD1', 'vi', true, 'sealed', sha256(n::text::bytea), '678', '', now(), now()
    FROM generate_series(1, {debits} * 3) n;
    INSERT INTO bills (number, version, customer_id, payment_code, period, kwh, charge_minor, tax_minor, arrears_minor,
        minor, issued_on, due_on, charge_on, bank, created_at)
    SELECT 'HD' || lpad(c.id::text, 10, '0'), 1, c.id, c.code || '11126', '11/2026', 90, minor, 0, 0, minor,
        date '2026-11-16', date '2026-11-30', CASE c.id % 3 WHEN 2 THEN date '2026-11-24' ELSE date '2026-11-20' END,
        CASE c.id % 3 WHEN 1 THEN 'other' ELSE '{bank}' END, now()
    FROM customers c CROSS JOIN LATERAL (SELECT 50000 + c.id * 7919 % 4000000 AS minor) m;
    INSERT INTO owed_bills SELECT id, bank, due_on FROM bills ORDER BY id;
    INSERT INTO entries (key, business_date, memo, at, debit, credit, minor, currency)
    SELECT 'opening', '2026-11-01', 'brought forward', now(), 'receivable', 'revenue', sum(minor), 'VND' FROM bills;
    INSERT INTO messages (event_key, version, event, customer_id, bill_id, facts, body, state, moves, not_after,
        created_at, sent_at)
    SELECT 'bill:' || number || '/before', 1, 'before_debit', customer_id, id,
        jsonb_build_object('amount', minor, 'debit_on', charge_on), '', 'sent', 0, '2026-11-20T00:00+07', now(),
        '2026-11-16T09:00+07'
    FROM bills
"""
_MANDATES = """
    INSERT INTO mandates (bank, reference, customer_id, version, state, moves, created_at)
    SELECT bank, 'UQ-' || b.customer_id, b.customer_id, 1, 'active', 0, now() FROM bills b ORDER BY b.id;
    INSERT INTO mandate_versions (mandate_id, version, account_sealed, account_hash, account_tail, cap_minor,
        valid_from, consent_text, consent_at, consent_channel, made_by, made_at)
    SELECT m.id, 1, s.sealed, sha256(s.sealed), '1234', 50000000, '2026-01-01', 'UQ-1', '2026-01-01T09:00+07', 'paper',
        'b', now()
    FROM mandates m JOIN sealed s ON s.n = m.id;
"""


def filled(owner: str, wiring: Wiring, debits: int) -> None:
    """Put bills, mandates and accepted notices into empty books at once, accounts sealed as they are in life."""
    numbers = [f"19{n:010}".encode() for n in range(1, debits * 3 + 1)]
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(_FILL.format(debits=debits, bank=BANK).encode())
        connection.execute("CREATE TEMP TABLE sealed (n bigint, sealed bytea)")
        with connection.cursor() as cursor, cursor.copy("COPY sealed FROM STDIN") as copy:
            for number, sealed in enumerate(wiring.sealer.seal_all(numbers, SEALED), 1):
                copy.write_row((number, sealed))
        connection.execute(_MANDATES.encode())
        connection.execute("ANALYZE")
        connection.execute("CHECKPOINT")


def measure(wiring: Wiring, folder: Path) -> dict[str, object]:
    """Take one run from its choice to its file; return the seconds of each stage and what came out."""
    seconds: dict[str, float] = {}

    def timed(name: str, act: Callable[[], Done]) -> Done:
        begun = time.perf_counter()
        done = act()
        seconds[name] = round(time.perf_counter() - begun, 2)
        return done

    wanted = Wanted(BANK, DAY, NOW)
    with transaction(wiring.engine) as session:
        timed("previewed", lambda: debit_choice.preview(session, wanted, debit_rules.rules(session)))
    with transaction(wiring.engine) as session:
        run = timed("chosen", lambda: debit_runs.propose(session, wanted, by="lan", now=NOW)).id
    with transaction(wiring.engine) as session:
        timed("approved", lambda: debit_runs.approve(session, run, by="chau", why="", now=NOW))
    with transaction(wiring.engine) as session:
        limits = FileLimits()
        [file_id] = timed("claimed", lambda: debit_sending.claim(session, run, limits, now=NOW)).files
    with transaction(wiring.engine) as session:
        file = session.get_one(DebitFile, file_id)
        written = timed("written", lambda: debit_files.build(wiring, session, file, folder / "file.xml"))
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert peak
    return {
        "debits": written.debits, "megabytes": round(written.size / 1e6, 1), "seconds": seconds,
        "peak_megabytes": round(int(peak[1]) / 1024, 1),
    }  # fmt: skip


def one() -> None:
    """Measure in this process, on the database that the environment names."""
    wiring = Wiring(settings.load(os.environ), os.environ["DOISOAT_DATABASE_URL"], os.environ["DOISOAT_VALKEY_URL"])
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(wiring, Path(folder))))


def prepare(folder: Path, services: Embedded, debits: int) -> dict[str, str]:
    """Make and fill a database; return the environment in which a process measures on it."""
    (folder / "bench.toml").write_text(CONFIG)
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE bench_debits")
    head, _, options = services.database_url.partition("?")
    url = f"{head.rpartition('/')[0]}/bench_debits?{options}"
    migrate.upgrade(url)
    environment = {
        **os.environ, "DOISOAT_HOME": str(folder / "home"), "DOISOAT_CONFIG": str(folder / "bench.toml"),
        "DOISOAT_DATABASE_URL": url, "DOISOAT_VALKEY_URL": services.valkey_url,
    }  # fmt: skip
    ensure_own_secrets(folder / "home")
    filled(url.replace("//doisoat@", "//postgres@"), Wiring(settings.load(environment), url, ""), debits)
    return environment


if __name__ == "__main__":
    sys.exit(one())
