"""`doisoat lumps`: an agreement comes in from a file, or is refused in one line that says what is wrong."""

import pytest
from click.testing import CliRunner

from gateway.commands.lumps import lumps

AGREED = '[[settlement]]\nsource = "standard"\nbank = "standard"\nwords = ["QUYET TOAN"]\ncut_off = 22:00:00\n'


@pytest.fixture
def declare(at_home, tmp_path, monkeypatch):
    config = tmp_path / "banks.toml"
    config.write_text("[banks.standard]\n", "utf-8")
    monkeypatch.setenv("DOISOAT_CONFIG", str(config))

    def do(content):
        file = tmp_path / "settlements.toml"
        file.write_text(content, "utf-8")
        return CliRunner().invoke(lumps, ["declare", str(file)])

    return do


def test_a_source_agrees_once_and_is_listed(declare, rows):
    assert declare(AGREED).output == "1 settlements declared\n"
    assert rows("SELECT source, words, after_days, within_days FROM lump_agreements") == [
        ("standard", ["QUYET TOAN"], 1, 3)
    ]
    assert rows("SELECT action FROM audit") == ["agreement_declared"]
    again = declare(AGREED)
    assert (again.exit_code, "expected a source without an agreement, got standard" in again.output) == (1, True)
    shown = CliRunner().invoke(lumps, ["list"])
    assert (shown.exit_code, shown.output) == (0, "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("source =", "expected TOML in UTF-8"),
        ("x = 1", "expected [[settlement]] tables and nothing else"),
        (AGREED.replace('bank = "standard"', 'bank = "nobody"'), "expected declared banks, got nobody"),
        (AGREED.replace('["QUYET TOAN"]', "[]"), "words: expected texts"),
        (AGREED + "after_days = 4\n", "expected after_days from 0, no more than within_days, at most 31, got 4 and 3"),
    ],
)
def test_an_agreement_that_can_not_be_is_refused(declare, rows, content, said):
    result = declare(content)
    assert result.exit_code == 1
    assert said in result.output
    assert rows("SELECT 1 FROM lump_agreements") == []
