"""A bank's own formats: its declared table and its keyed NAPAS lines are read as that bank's, by file and by hand."""

import io
from pathlib import Path

import pytest
from click.testing import CliRunner

from banks import statements
from banks.errors import Unreadable
from gateway import settings
from gateway.cli import main
from gateway.commands.statement import statement
from gateway.own_formats import own_formats
from gateway.setting_tables import SettingsError
from tests.banks.statements.test_napas import KEY, detail, made

CONFIG = """
[banks.agribank]
title = "Agribank"
accounts = ["1500201234567"]
napas_checksum = "md5-suffix"

[banks.agribank.table]
dates = ["dd/mm/yyyy"]
thousands = "."
account = "1500201234567"

[banks.agribank.table.columns]
booked_on = "Ngày"
debit = "Ghi nợ"
credit = "Ghi có"
narrative = "Diễn giải"

[banks.plain]
title = "Plain"
"""
TABLE = "Ngày;Ghi nợ;Ghi có;Diễn giải\n18/11/2026;;844.960;PA00000000001 tiền điện\n".encode()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "doisoat.toml"
    config.write_text(CONFIG, encoding="utf-8")
    (tmp_path / "sao-ke.csv").write_bytes(TABLE)
    (tmp_path / "napas.dat").write_bytes(made(detail(1)))
    (tmp_path / "other-key.dat").write_bytes(made(detail(1)).replace(b"DIENLUC", b"DIENLAC"))
    return {"DOISOAT_CONFIG": str(config), "DOISOAT_SECRET_AGRIBANK_NAPAS_KEY": KEY, "DOISOAT_HOME": str(tmp_path)}


def test_a_declared_table_is_read_as_its_banks_alone(environ: dict[str, str]) -> None:
    known = settings.load(environ)
    own = own_formats(known, known.banks["agribank"], environ)
    _, line, _ = statements.read(io.BytesIO(TABLE), own=own)
    assert str(line.amount) == "844960 VND"
    for nobody in ([], own_formats(known, known.banks["plain"], environ), own_formats(known, None, environ)):
        with pytest.raises(Unreadable):
            list(statements.read(io.BytesIO(TABLE), own=nobody))


def test_a_bank_reads_what_everybody_reads_too(environ: dict[str, str]) -> None:
    known = settings.load(environ)
    own = own_formats(known, known.banks["agribank"], environ)
    camt = Path(__file__).parents[1] / "corpus" / "camt" / "day-with-everything.camt053.v02.xml"
    mb = Path(__file__).parents[1] / "corpus" / "mb" / "day.table.csv"
    for path in (camt, mb):
        data = path.read_bytes()
        assert list(statements.read(io.BytesIO(data), own=own)) == list(statements.read(io.BytesIO(data)))


@pytest.mark.parametrize(
    ("file", "bank", "status"),
    [
        ("sao-ke.csv", "agribank", 0),
        ("sao-ke.csv", "plain", 65),
        ("sao-ke.csv", None, 65),
        ("napas.dat", "agribank", 0),
        ("other-key.dat", "agribank", 65),
        ("other-key.dat", None, 0),
        ("napas.dat", "nobody", 2),
    ],
)
def test_a_liaison_reads_a_file_as_one_banks(
    environ: dict[str, str], tmp_path: Path, file: str, bank: str | None, status: int
) -> None:
    words = ["read", str(tmp_path / file), *(["--bank", bank] if bank else [])]
    result = CliRunner(env=environ).invoke(statement, words)
    assert result.exit_code == status, result.stderr
    if status == 2:
        assert "known: agribank, plain" in result.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            CONFIG.replace('thousands = "."', 'thousands = "x"'),
            "banks.agribank.table: expected a thousands separator of",
        ),
        (CONFIG.replace("booked_on", "boked_on"), "got boked_on"),
        (CONFIG.replace('"md5-suffix"', '"crc"'), "banks.agribank.napas_checksum: expected one of md5-suffix"),
    ],
)
def test_a_wrong_declaration_is_told_at_load_with_its_key(tmp_path: Path, wrong: str, said: str) -> None:
    (tmp_path / "doisoat.toml").write_text(wrong, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        settings.load({"DOISOAT_CONFIG": str(tmp_path / "doisoat.toml")})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_declared_table_in_the_docs_is_tried_as_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats" / "tables.md").read_text("utf-8")
    declared = page.partition("```toml\n")[2].partition("```")[0]
    sample, _, shown = page.partition("### Trying it\n")[2].partition("```text\n")[2].partition("```\n")
    command, printed = shown.partition("$ doisoat ")[2].partition("```")[0].split("\n", 1)
    (tmp_path / "doisoat.toml").write_text('[banks.agribank]\ntitle = "Agribank"\n' + declared, encoding="utf-8")
    (tmp_path / "sao-ke.csv").write_text(sample, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, command.split(), env={"DOISOAT_CONFIG": "doisoat.toml"})
    assert (result.exit_code, result.stdout, result.stderr) == (0, printed, "")
