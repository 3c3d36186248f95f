"""`doisoat bills import`: a file is taken whole, or refused with every problem and its line, on the right stream."""

import pytest
from click.testing import CliRunner

from banks.sandbox.bills import COLUMNS
from gateway.commands.bills import bills
from tests.gateway.samples import a_bill, a_debit_bill


@pytest.fixture
def run(at_home, tmp_path, monkeypatch):
    """Import rows, or raw bytes, from a file, where one bank is set up; return what the command said."""
    config = tmp_path / "banks.toml"
    config.write_text('[banks.standard]\nprofile = "standard"\n', "utf-8")
    monkeypatch.setenv("DOISOAT_CONFIG", str(config))

    def do(*rows, raw=None, name="bills.csv"):
        path = tmp_path / name
        lines = [",".join(COLUMNS), *(",".join(str(row[column]) for column in COLUMNS) for row in rows)]
        path.write_bytes(raw if raw is not None else "\n".join(lines).encode("utf-8-sig"))
        result = CliRunner().invoke(bills, ["import", str(path)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return do


def test_a_file_is_taken_in_and_again_and_corrected(run, rows, wiring):
    wiring.valkey.flushall()
    result = run(a_debit_bill(1), a_bill(2))
    assert (result.exit_code, result.stdout) == (0, "2 new, 0 replaced, 0 unchanged, 0 matched\n")
    assert rows("SELECT body IS NOT NULL FROM messages") == [True]
    assert wiring.valkey.exists("doisoat:rung:messages")
    assert run(a_debit_bill(1), a_bill(2)).stdout == "0 new, 0 replaced, 2 unchanged, 0 matched\n"
    assert run(a_bill(2, version="2", tax="8000", amount="99000")).stdout.startswith("0 new, 1 replaced")


def test_a_bank_that_is_not_set_up_is_named_with_its_line(run, rows):
    result = run(a_bill(1), a_debit_bill(2, bank="khongco"))
    assert result.stderr.splitlines() == [
        "bills.csv: line 3: bank: expected one of the banks standard, or none, got 'khongco'", "nothing was changed",
    ]  # fmt: skip
    assert (result.exit_code, rows("SELECT id FROM bills ORDER BY id")) == (65, [])


def test_every_problem_is_named_with_file_and_line_and_nothing_is_taken(run, rows):
    result = run(a_bill(1), a_bill(2, kwh="x"), a_bill(3, due_on="soon"))
    assert (result.exit_code, result.stdout) == (65, "")
    assert result.stderr.splitlines() == [
        "bills.csv: line 3: kwh: expected a whole number, got 'x'",
        "bills.csv: line 4: due_on: expected a day as 20YY-MM-DD, got 'soon'",
        "nothing was changed",
    ]
    assert rows("SELECT id FROM bills UNION ALL SELECT id FROM customers") == []


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "bills.csv: line 1: expected the columns"),
        (b"\xff\xfen\x00u\x00", "bills.csv: expected UTF-8"),
        (("\n".join([",".join(COLUMNS), "Điện"])).encode("cp1258", "replace"), "bills.csv: expected UTF-8"),
        (b"PK\x03\x04\x00\x00", "bills.csv: line 1: expected the columns"),
        ((",".join(COLUMNS) + '\n"open').encode(), "bills.csv: line 2: not CSV"),
    ],
)
def test_what_is_no_such_file_is_refused_in_words(run, rows, raw, said):
    result = run(raw=raw)
    assert (result.exit_code, result.stdout) == (65, "")
    assert result.stderr.startswith(said)
    assert result.stderr.endswith("nothing was changed\n")


def test_a_contradiction_takes_the_whole_file_back(run, rows):
    run(a_bill(1))
    result = run(a_bill(2), a_bill(1, charge="90001", amount="100001"))
    assert result.exit_code == 65
    assert "line 3: bill HD2611-0000001 version 1 is known with other content; expected version 2" in result.stderr
    assert rows("SELECT number FROM bills") == ["HD2611-0000001"]


def test_a_file_that_is_not_there_is_a_mistake_of_the_caller(at_home):
    assert CliRunner().invoke(bills, ["import", "/nowhere.csv"]).exit_code == 2


def test_without_valkey_the_bills_are_taken_all_the_same(run, monkeypatch, cut_off, rows):
    monkeypatch.setenv("DOISOAT_VALKEY_URL", cut_off.valkey_url)
    assert run(a_bill(1)).exit_code == 0
    assert rows("SELECT number FROM bills") == ["HD2611-0000001"]


def test_what_matching_may_do_is_shown_and_decided_and_noted(at_home, rows):
    forbidden = "oldest-first: not allowed\npart-payment: not allowed\n"
    assert CliRunner().invoke(bills, ["policy"]).stdout == forbidden
    assert "oldest-first: allowed" in CliRunner().invoke(bills, ["policy", "oldest-first"]).stdout
    assert CliRunner().invoke(bills, ["policy", "oldest-first", "--forbid"]).stdout == forbidden
    assert CliRunner().invoke(bills, ["policy", "youngest-first"]).exit_code == 2
    assert rows("SELECT facts->>'after' FROM audit WHERE action = 'matching_policy_set' ORDER BY id") == [
        "true", "false"]  # fmt: skip
