"""The gateway on a database that these tests share and find empty, with bills to issue and callbacks to send it."""

import secrets
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from werkzeug.test import Client

from banks.sandbox.sftp_server import SandboxSftpServer
from gateway import bill_import, callback_reading, composing, jobs
from gateway.database import transaction
from gateway.web import create_app
from gateway.wiring import Wiring
from reconciliation import invariants
from reconciliation.issuing import Issued
from tests import emptied
from tests.gateway.samples import a_bill, an_event, code_of
from tests.kept_pool import KeptPool
from tests.unordered import as_found

_NAME = "test_gateway"


@pytest.fixture(scope="session")
def _floor(template: str) -> Iterator[str]:
    with emptied.made(template, _NAME) as url:
        yield url


@pytest.fixture(scope="session")
def _pool(_floor: str) -> Iterator[KeptPool]:
    made = KeptPool(_floor)
    yield made
    made.close()


@pytest.fixture
def database_url(_floor: str, _pool: KeptPool) -> str:
    """The database of these tests, emptied and with nobody at it but idle connections of the tests' own pool."""
    emptied.leave_alone(_NAME, but=_pool.own())
    emptied.empty(_NAME)
    return _floor


@pytest.fixture
def engine(_pool: KeptPool, database_url: str) -> Engine:
    """Connections in the application's role to the emptied database, kept from test to test."""
    return _pool.engine()


@pytest.fixture
def as_superuser(database_url: str) -> str:
    """The test's database for whom every guard sleeps: to end connections, to tamper."""
    return emptied.as_superuser(database_url)


@pytest.fixture
def rows(engine: Engine) -> Callable[..., list[Any]]:
    """Return the rows of a query; those of one column as a plain list."""

    def ask(query: str, **values: Any) -> list[Any]:
        with Session(engine) as session:
            found = as_found(query, session.execute(text(query), values))
        return [row[0] for row in found] if found and len(found[0]) == 1 else found

    return ask


@pytest.fixture
def one(rows: Callable[..., list[Any]]) -> Callable[..., Any]:
    """Return the one row of a query, or its one value; fail when there are more or fewer."""

    def ask(query: str, **values: Any) -> Any:
        [found] = rows(query, **values)
        return found

    return ask


@pytest.fixture
def change(engine: Engine) -> Callable[..., None]:
    """Do a statement in the application's role."""

    def do(statement: str, **values: Any) -> None:
        with transaction(engine) as session:
            session.execute(text(statement), values)

    return do


@pytest.fixture
def issue(wiring: Wiring) -> Callable[..., Issued]:
    """Take bills in, as the command does."""

    def do(*bills: dict[str, object]) -> Issued:
        with transaction(wiring.engine) as session:
            placed = ((f"line {number}", bill) for number, bill in enumerate(bills, 2))
            *_, total = bill_import.take_in(session, wiring, placed)
            composing.compose_promises(session, wiring.settings)
        return total

    return do


@pytest.fixture
def sound(wiring: Wiring) -> Iterator[None]:
    """Prove every invariant when the test has ended."""
    yield
    with Session(wiring.engine) as session:
        assert [one for one in invariants.prove(session, wiring.audit_key) if not one.holds] == []


@pytest.fixture
def cut_off(wiring: Wiring) -> Iterator[Wiring]:
    """The same gateway, whose database and Valkey are not there."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = f"127.0.0.1:{probe.getsockname()[1]}"
    made = Wiring(wiring.settings, f"postgresql://doisoat@{nobody}/doisoat", f"valkey://{nobody}/0", pooled=1)
    yield made
    made.engine.dispose()
    made.valkey.close()


@pytest.fixture
def web(wiring: Wiring) -> Client:
    """Both applications on one port, as a WSGI server sees them."""
    return Client(create_app(wiring))


@pytest.fixture
def paid(wiring: Wiring, web: Client, issue: Callable[..., Issued]) -> Callable[..., None]:
    """Issue bills by their numbers and have each paid by a callback, one after another."""

    def do(*numbers: int, **changes: Any) -> None:
        for number in numbers:
            issue(a_bill(number))
            signed = an_event(wiring, f"FT{number}", payment_code=code_of(number), **changes)
            assert web.post("/webhooks/standard", data=signed.body, headers=dict(signed.headers)).status_code == 200
            batch = callback_reading.claim(wiring, limit=10, lease=jobs.LEASE)
            callback_reading.read(wiring, batch)

    return do


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """The folder that the bank `standard` shows on its server."""
    made = tmp_path / "shelf"
    made.mkdir()
    return made


@pytest.fixture
def server(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxSftpServer]:
    """The server of the bank `standard`; its password is among the secrets."""
    password = secrets.token_hex(8)
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_SFTP_PASSWORD", password)
    with SandboxSftpServer(shelf, tmp_path / "host_key", username="doisoat", password=password) as running:
        yield running


@pytest.fixture
def later(wiring: Wiring) -> Callable[..., datetime]:
    """Move the sandbox's clock to a moment and return it."""

    def move(moment: datetime) -> datetime:
        wiring.sandbox_clock.set(moment)
        return moment.astimezone(UTC)

    return move
