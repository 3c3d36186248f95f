"""What the stories share: bills issued, every invariant proven, and a web process on the test's own database."""

import io
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from banks.sandbox.bills import SandboxBill, make_bills, write_bills_csv
from gateway import bill_import, jobs, sandbox
from gateway.clock import local_date
from gateway.composing import compose_promises
from gateway.database import transaction
from gateway.wiring import Wiring
from reconciliation import invariants


@pytest.fixture
def issue(wiring: Wiring) -> Callable[[int], list[SandboxBill]]:
    """Issue so many bills today, half a month before they are due."""

    def issued(count: int) -> list[SandboxBill]:
        today = local_date(wiring.clock())
        made = make_bills(count, 48, today, today + timedelta(days=1), today + timedelta(days=15))
        written = io.StringIO()
        write_bills_csv(written, made)
        rows = bill_import.rows_of_csv(io.StringIO(written.getvalue()))
        with transaction(wiring.engine) as session:
            for _ in bill_import.take_in(session, wiring, rows):
                compose_promises(session, wiring.settings)
        return made

    return issued


@pytest.fixture
def all_hold(wiring: Wiring) -> Callable[[], None]:
    """Prove every invariant, or fail with those that do not hold."""

    def prove() -> None:
        with Session(wiring.engine) as session:
            broken = [one for one in invariants.prove(session, wiring.audit_key) if not one.holds]
        assert broken == []

    return prove


@pytest.fixture
def count(wiring: Wiring) -> Callable[..., int]:
    """Count by a query."""

    def counted(query: str, **values: object) -> int:
        with Session(wiring.engine) as session:
            return int(session.scalar(text(query), values) or 0)

    return counted


@pytest.fixture
def read_everything(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Do what the workers of callbacks and statements would do by now."""
    monkeypatch.setattr(jobs, "wiring", lambda: wiring)

    def read() -> None:
        jobs.read_callbacks()
        jobs.read_statements()

    return read


@pytest.fixture
def web(
    wiring: Wiring, start: Callable[..., Any], environment: Callable[..., dict[str, str]], tmp_path: Path
) -> Iterator[httpx.Client]:
    """Run a web process of two workers on the test's database; yield a client that talks to it."""
    config = tmp_path / "doisoat.toml"
    lines = ["sandbox = true"]
    for bank in wiring.settings.banks.values():
        lines += [f"[banks.{bank.name}]", f'profile = "{bank.profile}"', f"accounts = {list(bank.accounts)}"]
    config.write_text("\n".join(lines) + "\n")
    port = sandbox.free_port()
    env = environment(
        CONFIG=config, HOME=wiring.settings.home, PORT=port, WEB_WORKERS=2,
        DATABASE_URL=wiring.database_url, VALKEY_URL=wiring.valkey_url,
    )  # fmt: skip
    program = start("web", env=env)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
        deadline = time.monotonic() + 60
        while True:
            try:
                if client.get("/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                assert program.process.poll() is None, program.said()
                assert time.monotonic() < deadline, program.said()
                time.sleep(0.1)
        yield client
