"""What `doisoat up` starts: the gateway's own processes, and where a sandbox lived its bank and carrier as well."""

import pytest

from gateway import settings
from gateway.commands.running import programs_of
from gateway.database import transaction
from gateway.embedded import Running
from gateway.practice import OPENED, Place
from reconciliation import audit


@pytest.fixture
def started(at_home, monkeypatch):
    """Return what would be started at home; a sandbox with the bank `north` has kept its settings there."""
    monkeypatch.delenv("DOISOAT_SANDBOX")
    config = Place(at_home.settings.home).config
    config.parent.mkdir()
    config.write_text("sandbox = true\n[banks.north]\n", "utf-8")
    running = Running(at_home.database_url, at_home.valkey_url, lambda: None)
    return lambda: programs_of(running, settings.load({"DOISOAT_HOME": str(at_home.settings.home)}))


@pytest.fixture
def opened(at_home):
    """Let the database be one that a sandbox made."""
    with transaction(at_home.engine) as session:
        audit.append(session, actor="sandbox", action=OPENED, subject="", facts={}, now=at_home.clock())


def test_where_a_sandbox_lived_its_banks_and_their_servers_are_started(at_home, started, opened):
    programs = started()
    assert [one.name for one in programs[:3]] == ["sandbox", "web", "beat"]
    for one in programs:
        children = settings.load(dict(one.env))
        assert (sorted(children.banks), children.sandbox) == (["standard", "vnpay"], True), one.name
        assert one.env["DOISOAT_DATABASE_URL"] == at_home.database_url


def test_a_database_of_its_own_is_not_the_sandboxs(started):
    programs = started()
    assert programs[0].name == "web"
    assert not settings.load(dict(programs[0].env)).banks


def test_settings_that_were_named_count_alone(at_home, started, opened, monkeypatch):
    monkeypatch.setenv("DOISOAT_CONFIG", str(Place(at_home.settings.home).config))
    assert [one.name for one in started()][:1] == ["web"]
