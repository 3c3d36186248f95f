"""`doisoat banks`: one line per bank, and a person's word that lets a stopped link be tried again."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway import clock
from gateway.commands.banks import _line
from gateway.database import transaction
from reconciliation import links
from reconciliation.links import BankLink

NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)


@pytest.fixture
def banks(doisoat, environment, wiring, tmp_path):
    """Run `doisoat banks …` on the test's database."""
    config = tmp_path / "banks.toml"
    config.write_text(
        '[banks.north]\n[banks.north.sftp]\nhost = "127.0.0.1"\nusername = "evn"\nhost_key = "ssh-ed25519 AAAA"\n'
        '[banks.south]\n[banks.south.sftp]\nhost = "127.0.0.1"\nusername = "evn"\nhost_key = "ssh-ed25519 AAAA"\n'
        "[banks.wallet]\n"
    )
    env = environment(
        CONFIG=config, HOME=wiring.settings.home, DATABASE_URL=wiring.database_url, VALKEY_URL=wiring.valkey_url
    )
    return lambda *words: doisoat("banks", *words, env=env)


def test_status_has_a_line_per_bank_and_retry_is_kept_in_the_audit_trail(banks, wiring, rows):
    with transaction(wiring.engine) as session:
        links.stop(session, "north", error="THE HOST KEY IS NOT THE PINNED ONE", now=clock.real())
    told = banks("status")
    assert told.returncode == 0, told.stderr
    north, south, wallet = told.stdout.splitlines()
    assert north.startswith("north: last success never, 0 failures in a row, STOPPED since ")
    assert "`doisoat banks retry north`" in north
    assert north.endswith("last error: THE HOST KEY IS NOT THE PINNED ONE")
    assert (south, wallet) == ("south: never tried", "wallet: no file server is declared")

    assert banks("retry", "north").stdout == "north is tried again now\n"
    assert rows("SELECT actor, action, subject FROM audit") == [("command line", "link.allowed", "link:north")]
    assert wiring.valkey.llen("rq:queue:files") == 1
    assert banks("retry", "north").stdout == "north is neither stopped nor resting\n"
    unknown = banks("retry", "nowhere")
    assert unknown.returncode == 1
    assert "expected a declared bank (north, south, wallet), got 'nowhere'" in unknown.stderr
    assert rows("SELECT count(*) FROM audit") == [1]


@pytest.mark.parametrize(
    ("link", "said"),
    [
        (
            BankLink(bank="b", failures=0, last_error="", last_success_at=NOW),
            "last success 18/11/2026 09:00:00, 0 failures in a row, next try with the next poll, last error: none",
        ),
        (
            BankLink(bank="b", failures=6, last_error="no answer", rests_until=NOW + timedelta(minutes=7)),
            "last success never, 6 failures in a row, next try 18/11/2026 09:07:00, last error: no answer",
        ),
        (
            BankLink(bank="b", failures=6, last_error="no answer", rests_until=NOW),
            "last success never, 6 failures in a row, next try with the next poll, last error: no answer",
        ),
    ],
)
def test_a_line_tells_when_the_next_try_is_in_local_time(link, said):
    assert _line(link, NOW) == said
