"""The environment in which a command finds the servers of this test."""

import pytest

from gateway.wiring import Wiring


@pytest.fixture
def at_home(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> Wiring:
    """Let commands work on this test's database and Valkey, with its keys."""
    for name, value in (("HOME", wiring.settings.home), ("SANDBOX", "1")):
        monkeypatch.setenv(f"DOISOAT_{name}", str(value))
    monkeypatch.setenv("DOISOAT_DATABASE_URL", wiring.database_url)
    monkeypatch.setenv("DOISOAT_VALKEY_URL", wiring.valkey_url)
    return wiring
