"""`doisoat verify` and `doisoat migrate`: one line per invariant, and an exit status that scripts rely on."""

import re

import psycopg
import pytest
from click.testing import CliRunner

from gateway.commands.books import migrate, verify
from tests.gateway.samples import a_bill


@pytest.fixture
def tamper(as_superuser):
    def do(statement):
        with psycopg.connect(as_superuser, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(statement)

    return do


def test_sound_books_are_proven_line_by_line(at_home, issue):
    issue(a_bill(1), a_bill(2))
    result = CliRunner().invoke(verify)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) > 5
    assert [line for line in lines if not re.fullmatch(r"holds  +\d+  \S.*: .+", line)] == []


def test_books_that_were_tampered_with_are_not_proven(at_home, issue, tamper):
    issue(a_bill(1))
    tamper("UPDATE entries SET minor = minor + 1 WHERE debit = 'receivable'")
    result = CliRunner().invoke(verify)
    assert result.exit_code == 1
    broken = [line for line in result.stdout.splitlines() if line.startswith("BROKEN")]
    assert broken
    assert any("1" in line for line in broken)


def test_proving_changes_nothing(at_home, issue, rows):
    issue(a_bill(1))
    before = rows("SELECT id, xmin::text FROM bills UNION ALL SELECT id, xmin::text FROM entries")
    assert CliRunner().invoke(verify).exit_code == 0
    assert rows("SELECT id, xmin::text FROM bills UNION ALL SELECT id, xmin::text FROM entries") == before


def test_a_database_is_brought_up_to_date_as_often_as_one_likes(at_home):
    for _ in range(2):
        result = CliRunner().invoke(migrate)
        assert (result.exit_code, result.stdout) == (0, "the database is up to date\n")


@pytest.mark.parametrize("command", ["verify", "migrate"])
def test_without_a_database_one_line_says_so(at_home, cut_off, monkeypatch, doisoat, environment, command):
    env = environment(HOME=at_home.settings.home, DATABASE_URL=cut_off.database_url, VALKEY_URL=at_home.valkey_url)
    result = doisoat(command, env=env)
    assert (result.returncode, result.stdout) == (1, "")
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("doisoat: the database: ")
