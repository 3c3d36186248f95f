"""What every test may ask for: real PostgreSQL and Valkey, a fresh migrated database, and a wired gateway on them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from gateway import migrate
from gateway.bank_settings import BankSettings
from gateway.database import app_engine
from gateway.embedded import Embedded, erase, postgres
from gateway.settings import Settings, SmsSettings
from gateway.supervisor_guard import kill_session, members
from gateway.wiring import Wiring, ensure_own_secrets
from reconciliation.sealing import Sealer
from tests import emptied, made_once
from tests.kept_database import KeptDatabase

NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
"""Wednesday, nine in the morning in Vietnam: a plain business day."""
_TEMPLATE = "doisoat_template"
_DOISOAT = str(Path(sys.executable).parent / "doisoat")
_LONGEST_FIRST = (
    "proofs/test_corpus.py",
    "proofs/test_simulation.py",
    "stories/test_demo.py",
    "reconciliation/test_orders.py",
    "stories/test_restart.py",
    "chaos/test_kills.py",
    "stories/test_corpus_road.py",
    "stories/test_debit_month.py",
)
"""Files that take a core for minutes: were they begun last, the other cores would wait for them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; all others keep their order."""
    items.sort(key=lambda item: next(
        (place for place, name in enumerate(_LONGEST_FIRST) if item.path.as_posix().endswith(name)), len(_LONGEST_FIRST)
    ))  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _applications_made_quickly() -> Iterator[None]:
    with made_once.by_applications(), pytest.MonkeyPatch.context() as patched:
        # No machine loses power in a test: what is closed can be read, and each wiring writes five keys.
        patched.setattr(os, "fsync", lambda _handle: None)
        yield


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """PostgreSQL and Valkey of this test run, as the gateway starts them for itself, but without waiting for disks."""
    home = tmp_path_factory.mktemp("services")
    with ExitStack() as running:
        with pytest.MonkeyPatch.context() as patched:
            # No machine loses power in a test; a server that is killed has still written what it committed.
            patched.setitem(postgres._SETTINGS, "fsync", "off")
            made = running.enter_context(Embedded(home, lambda _line: None))
        yield made
    erase(home, lambda _line: None)


def _named(url: str, name: str) -> str:
    head, _, options = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{options}"


@pytest.fixture(scope="session")
def template(embedded: Embedded) -> str:
    """A migrated and empty database that others are made after; the URL is its owner's."""
    with psycopg.connect(embedded.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {_TEMPLATE}")
    url = _named(embedded.database_url, _TEMPLATE)
    migrate.upgrade(url)
    return url


@pytest.fixture(scope="session")
def _kept(template: str) -> Iterator[KeptDatabase]:
    made = KeptDatabase(template, "test_kept")
    yield made
    made.drop()


@pytest.fixture
def database_url(_kept: KeptDatabase) -> Iterator[str]:
    """A database for this test alone, migrated and empty; the URL is its owner's."""
    with _kept.lent() as url:
        yield url


@pytest.fixture
def any_state(database_url: str) -> Iterator[None]:
    """Let rows stand in any state at once, for tests of what becomes of them then."""
    with emptied.any_state(database_url):
        yield


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Connections to the test's database in the application's role, kept: a new one must first learn of all tables."""
    made = app_engine(database_url, pooled=12)
    yield made
    made.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session in the application's role; what the test does not commit is rolled back."""
    with Session(engine, expire_on_commit=False) as made:
        yield made


@pytest.fixture
def now() -> datetime:
    """The moment most tests play at."""
    return NOW


@pytest.fixture(scope="session")
def sealer() -> Sealer:
    """Seals with keys that are the same in every test."""
    return Sealer([b"k" * 32], b"i" * 32)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with one bank that calls back (`standard`) and one wallet (`vnpay`)."""
    banks = {
        "standard": BankSettings("standard", "Ngân hàng Sao Mai", "standard", ("190026112233",), callbacks=True),
        "vnpay": BankSettings("vnpay", "Ví VNPAY", "vnpay", ("068704009911",), callbacks=True),
    }
    return Settings(
        home=tmp_path, banks=banks, sandbox=True, sms=SmsSettings(None, "DIENLUC"), brand="Dien luc", hotline="19006769"
    )


@pytest.fixture
def wiring(
    settings: Settings, database_url: str, engine: Engine, embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Wiring]:
    """The gateway put together on real parts, with its sandbox clock standing at NOW."""
    ensure_own_secrets(settings.home)
    monkeypatch.setenv("DOISOAT_SECRET_STANDARD_WEBHOOK_SECRET", "whsec_" + "c2FuZGJveC1rZXktZm9yLXRlc3RzLW9ubHktMDE=")
    monkeypatch.setenv("DOISOAT_SECRET_VNPAY_HASH_SECRET", "SANDBOXHASHSECRETFORTESTSONLY0001")
    monkeypatch.setenv("DOISOAT_SECRET_API_TOKEN", "sandbox-api-token-for-tests")
    monkeypatch.setenv("DOISOAT_SECRET_SMS_TOKEN", "sandbox")
    made = Wiring(settings, database_url, embedded.valkey_url, pooled=4)
    made.__dict__["engine"] = engine
    made.sandbox_clock.set(NOW)
    yield made
    made.valkey.flushall()
    made.valkey.close()


# ── the command line as a person runs it ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A data directory of this test's own; servers and data that a command made for it are gone afterwards."""
    place = tmp_path / "home"
    place.mkdir()
    yield place
    erase(place, lambda _line: None)


@pytest.fixture
def environment() -> Callable[..., dict[str, str]]:
    """Make an environment with nothing of the gateway in it but secrets and what is named: PORT=1 is DOISOAT_PORT."""

    def make(**chosen: object) -> dict[str, str]:
        plain = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("DOISOAT_") or name.startswith("DOISOAT_SECRET_")
        }
        return plain | {f"DOISOAT_{name}": str(value) for name, value in chosen.items()}

    return make


@dataclass
class Program:
    """A `doisoat` command in a session of its own; `log` is everything it printed."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        """Return what it printed so far."""
        return self.log.read_text("utf-8", "replace")

    def interrupt(self, seconds: float = 60) -> int:
        """Press Ctrl-C: SIGINT to the whole process group; return the exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(seconds)

    def await_line(self, words: str, seconds: float = 90) -> None:
        """Return once it has printed `words`."""
        deadline = time.monotonic() + seconds
        while words not in self.said():
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.said()}"
            assert time.monotonic() < deadline, f"no {words!r} within {seconds} s:\n{self.said()}"
            time.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Start `doisoat …` in the background; it is ended with the test, and must leave nothing of its session behind."""
    started: list[Program] = []

    def begin(*words: str, env: Mapping[str, str]) -> Program:
        log = tmp_path / f"program-{len(started)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen([_DOISOAT, *words], env=env, stdout=out, stderr=out, start_new_session=True)
        started.append(Program(process, log))
        return started[-1]

    yield begin
    for one in started:
        with suppress(ProcessLookupError):
            one.process.terminate()
    for one in started:
        try:
            one.process.wait(30)
        except subprocess.TimeoutExpired:
            kill_session(one.process.pid)
            one.process.wait(5)
            pytest.fail(f"did not end when told to:\n{one.said()}")
        left = members(one.process.pid)
        kill_session(one.process.pid)
        assert left == []


@pytest.fixture
def doisoat() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run `doisoat …` to its end; stdout and stderr are kept apart."""

    def run(*words: str, env: Mapping[str, str], seconds: float = 240) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [_DOISOAT, *words], env=env, capture_output=True, text=True, timeout=seconds, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return run
