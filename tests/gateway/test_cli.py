"""The command line as a program among others: who stops reading has seen enough."""

import os
import subprocess
import sys
from pathlib import Path

from tests.gateway.loading import loaded
from tests.gateway.samples import a_statement


def test_a_reader_that_has_seen_enough_is_no_failure_to_tell_of(tmp_path):
    statement = tmp_path / "day.xml"
    statement.write_bytes(a_statement(*((number, 100_000) for number in range(1, 3_000))))
    doisoat = Path(sys.executable).with_name("doisoat")
    done = subprocess.run(
        ["bash", "-c", '"$0" statement read "$1" | head -1', str(doisoat), str(statement)],
        env={"PATH": os.environ["PATH"], "DOISOAT_HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert done.stdout.startswith('{"type":"statement"')
    assert done.stderr == ""


def test_proving_a_callback_does_not_wait_for_the_database_layer() -> None:
    assert loaded("gateway.commands.callback", "sqlalchemy", "redis", "flask", "httpx") == []


def test_trying_a_statement_does_not_either() -> None:
    assert loaded("gateway.commands.statement", "sqlalchemy", "redis", "flask", "httpx", "holidays") == []


def test_a_command_in_the_books_loads_no_server_no_queue_and_no_client() -> None:
    asked = "flask", "granian", "rq", "httpx", "paramiko", "alembic", "gateway.jobs", "gateway.schedule"
    assert loaded("gateway.commands.wired", *asked) == []
    assert loaded("gateway.commands.bills", *asked) == []


def test_what_starts_the_gateway_and_stays_beside_it_loads_no_sandbox() -> None:
    assert loaded("gateway.commands.running", "httpx", "paramiko", "granian", "flask", "gateway.sandbox") == []
