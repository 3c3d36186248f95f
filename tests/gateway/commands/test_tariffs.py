"""`doisoat tariffs`: a contract comes in from a file, or is refused in one line that says what is wrong."""

from datetime import timedelta

import pytest
from click.testing import CliRunner

from gateway.commands.tariffs import tariffs
from gateway.database import owner_engine, transaction
from reconciliation import lump_sums
from tests.reconciliation.books import DAY, Books, a_line, a_notice

CONTRACT = '[[tariff]]\nbank = "standard"\ncharged = "netted"\nvalid_from = 2026-01-01\nflat = 1100\n'


@pytest.fixture
def declare(at_home, tmp_path, monkeypatch):
    config = tmp_path / "banks.toml"
    config.write_text("[banks.standard]\n", "utf-8")
    monkeypatch.setenv("DOISOAT_CONFIG", str(config))

    def do(content):
        file = tmp_path / "fees.toml"
        file.write_text(content, "utf-8")
        return CliRunner().invoke(tariffs, ["declare", str(file)])

    return do


def test_a_contract_is_declared_once_and_compared(declare, rows):
    assert declare(CONTRACT).output == "1 tariffs declared\n"
    assert rows("SELECT bank, charged, flat_minor, declared_by FROM tariffs") == [
        ("standard", "netted", 1100, "command line")
    ]
    assert rows("SELECT action FROM audit") == ["tariff_declared"]
    again = declare(CONTRACT)
    assert (again.exit_code, "begins after 2026-01-01" in again.output) == (1, True)
    shown = CliRunner().invoke(tariffs, ["compare", "--since", "2026-11-01", "--until", "2026-11-30"])
    assert (shown.exit_code, shown.output) == (0, "no payments under a tariff in these days\n")
    unknown = CliRunner().invoke(tariffs, ["compare", "nobank", "--since", "2026-11-01", "--until", "2026-11-30"])
    assert (unknown.exit_code, "got 'nobank'" in unknown.output) == (1, True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("flat =", "expected TOML in UTF-8"),
        ("x = 1", "expected [[tariff]] tables and nothing else"),
        ("tariff = [1]", "expected [[tariff]] tables and nothing else"),
        (CONTRACT.replace('"standard"', '"nobody"'), "expected declared banks, got nobody"),
        (CONTRACT.replace("1100", "1.5"), "flat: expected int, got float"),
    ],
)
def test_a_contract_that_can_not_be_is_refused(declare, rows, content, said):
    result = declare(content)
    assert result.exit_code == 1
    assert said in result.output
    assert rows("SELECT 1 FROM tariffs") == []


def test_a_line_that_waits_for_its_tariff_is_weighed_by_it(declare, at_home, as_superuser, now, rows):
    owner = owner_engine(as_superuser)
    house = Books(at_home.engine, owner, at_home.sealer, now)
    with transaction(owner) as session:
        agreed = {"source": "standard", "bank": "standard", "words": ["QUYET TOAN"]}
        lump_sums.declare(session, [agreed], by="ketoan", now=now)
    house.hear(a_notice("W1", 100_000, ""))
    house.read(a_line(98_900, "L1", "QUYET TOAN", booked_on=DAY + timedelta(days=1)), on=DAY + timedelta(days=1))
    assert "M11" in house.asked()
    assert declare(CONTRACT).output == "1 tariffs declared\n"
    assert "M11" not in house.asked()
    assert rows("SELECT state, confirmed_minor FROM payments") == [("confirmed", 100_000)]
    assert rows("SELECT fee_minor FROM line_parts") == [1_100]
    assert house.broken() == []
    owner.dispose()
