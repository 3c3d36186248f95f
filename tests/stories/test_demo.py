"""The story of the sandbox day from the command line: its figures, its second time, and what it refuses to touch."""

import json
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Environment = Callable[..., dict[str, str]]
KEYS = [
    "bills", "issued_vnd", "callbacks", "statement_lines", "matched", "mismatches", "sms", "unexplained_vnd", "seconds",
]  # fmt: skip


def left_of(home: Path) -> dict[int, str]:
    """Return the processes that work for `home`: by their environment, or by the folder they stand in."""
    pointer = home / "servers.location"
    data = pointer.read_text().strip() if pointer.exists() else str(home)
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                inside = os.readlink(entry / "cwd").startswith((data, str(home)))
                if inside or str(home).encode() in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def refusal(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the one line in which a command said why it would not; anything like a stack trace is a failure."""
    assert done.returncode not in (0, None), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("doisoat: ")]
    assert len(lines) == 1, done.stderr
    assert lines[0] == done.stderr.splitlines()[-1]
    return lines[0]


def test_the_day_twice_and_nothing_left(home: Path, environment: Environment, doisoat: Run) -> None:
    env = environment(HOME=home)
    for _ in range(2):
        done = doisoat("demo", "--once", "--bills", "60", "--seed", "3", env=env)
        assert done.returncode == 0, done.stderr
        figures = json.loads(done.stdout.splitlines()[-1])
        assert list(figures) == KEYS
        assert sorted(figures["sms"]) == ["after", "before", "duplicates"]
        assert figures["bills"] == 60
        assert figures["unexplained_vnd"] == 0
        assert figures["sms"]["duplicates"] == 0
        assert figures["mismatches"]
        assert all(re.fullmatch("M(0[1-9]|1[0-7])", code) for code in figures["mismatches"])
        whole = [figures[key] for key in KEYS if key not in ("mismatches", "sms", "seconds")]
        assert all(isinstance(figure, int) for figure in whole)
        assert left_of(home) == {}
        for port in json.loads((home / "sandbox" / "ports.json").read_text()).values():
            with closing(socket.socket()) as probe:
                assert probe.connect_ex(("127.0.0.1", port)) != 0, f"something still listens on {port}"

    proven = doisoat("verify", env=env)
    assert proven.returncode == 0, proven.stdout + proven.stderr
    assert all(re.match(r"holds +\d+ ", line) for line in proven.stdout.splitlines())
    numbers = [int(line.split()[1]) for line in proven.stdout.splitlines()]
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= 10
    assert left_of(home) == {}


@pytest.fixture
def somebodys_database(database_url: str) -> Iterator[str]:
    """A database in which somebody works for real."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO deliveries (source, kind, digest, size, received_at, state)"
            " VALUES ('abank', 'statement', 'x', 0, now(), 'received')"
        )
    yield database_url
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT source FROM deliveries").fetchall() == [("abank",)]
        assert connection.execute("SELECT count(*) FROM staff").fetchall() == [(0,)]


@pytest.mark.parametrize("words", [["demo", "--once", "--bills", "60"], ["run", "--bills", "60"]])
def test_a_database_that_no_sandbox_made_is_left_alone(
    home: Path, environment: Environment, doisoat: Run, somebodys_database: str, words: list[str]
) -> None:
    env = environment(HOME=home, DATABASE_URL=somebodys_database, PORT=free_port())
    assert "no sandbox made" in refusal(doisoat(*words, env=env))
    assert left_of(home) == {}


def test_a_strangers_tables_are_left_alone(
    home: Path, environment: Environment, doisoat: Run, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute("CREATE TABLE theirs (id int)")
    done = doisoat("demo", "--once", env=environment(HOME=home, DATABASE_URL=database_url))
    assert "not ours" in refusal(done)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM theirs").fetchone() == (0,)


@pytest.mark.parametrize("command", ["demo --once", "run", "up", "web"])
def test_a_port_in_use(home: Path, environment: Environment, doisoat: Run, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        urls = {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x", "VALKEY_URL": "redis://127.0.0.1:1"}
        env = environment(HOME=home, PORT=port, **(urls if command == "web" else {}))
        assert str(port) in refusal(doisoat(*command.split(), env=env))
    assert left_of(home) == {}


@pytest.mark.parametrize(
    ("url", "said"),
    [("postgresql://nobody@127.0.0.1:1/none", "the database: "), ("mysql://here", "DOISOAT_DATABASE_URL: expected")],
)
@pytest.mark.parametrize("command", ["demo --once", "verify", "up"])
def test_a_database_that_is_not_there(
    home: Path, environment: Environment, doisoat: Run, url: str, said: str, command: str
) -> None:
    env = environment(HOME=home, DATABASE_URL=url, PORT=free_port())
    assert said in refusal(doisoat(*command.split(), env=env))
    assert left_of(home) == {}


@pytest.mark.parametrize("command", ["demo --once", "run", "up", "verify", "worker files"])
def test_a_home_that_can_not_be_written(tmp_path: Path, environment: Environment, doisoat: Run, command: str) -> None:
    (tmp_path / "file").write_text("no folder")
    env = environment(HOME=tmp_path / "file" / "home", PORT=free_port())
    assert "file" in refusal(doisoat(*command.split(), env=env))


def test_a_misspelt_setting_is_not_passed_over(environment: Environment, doisoat: Run) -> None:
    assert "DOISOAT_DATABSE_URL" in refusal(doisoat("verify", env=environment(DATABSE_URL="postgresql://x@y/z")))


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
