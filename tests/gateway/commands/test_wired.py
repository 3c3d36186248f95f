"""Commands typed beside a sandbox: they know its banks, unless other settings or another database were named."""

import pytest
from click.testing import CliRunner

from gateway import cli
from gateway.database import transaction
from gateway.practice import OPENED, Place
from reconciliation import audit


@pytest.fixture
def run(at_home):
    """Run a command in a home where a sandbox keeps the settings of the bank `standard`."""
    config = Place(at_home.settings.home).config
    config.parent.mkdir()
    config.write_text('sandbox = true\n[banks.standard]\ntitle = "Sao Mai"\nprofile = "standard"\n')
    return lambda *words: CliRunner().invoke(cli.main, words)


@pytest.fixture
def opened(at_home):
    """Let the database be one that the sandbox made."""
    with transaction(at_home.engine) as session:
        audit.append(session, actor="sandbox", action=OPENED, subject="", facts={}, now=at_home.clock())


def test_a_command_beside_the_sandbox_knows_its_banks(run, opened):
    assert run("close", "list", "standard").exit_code == 0
    assert run("banks", "status").stdout == "standard: no file server is declared\n"


def test_in_another_database_the_sandboxs_banks_are_nobodys(run):
    assert "(none yet), got 'standard'" in run("close", "list", "standard").stderr


def test_settings_that_were_named_count_alone(run, opened, monkeypatch, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text("[banks.north]\n")
    monkeypatch.setenv("DOISOAT_CONFIG", str(own))
    assert "(north), got 'standard'" in run("close", "list", "standard").stderr
    assert "known: north" in run("statement", "read", __file__, "--bank", "standard").stderr


def test_a_command_without_a_database_knows_them_as_well(run):
    assert run("statement", "read", __file__, "--bank", "standard").exit_code == 65
