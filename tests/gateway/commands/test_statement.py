import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.commands.statement import statement

CORPUS = Path(__file__).parents[2] / "corpus" / "camt"
DAY = CORPUS / "day-with-everything.camt053.v02.xml"


def run(path):
    result = CliRunner().invoke(statement, ["read", str(path)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def records(result):
    return [json.loads(line) for line in result.stdout_bytes.decode().splitlines()]


def test_the_statement_comes_first_then_its_lines_with_exactly_these_keys():
    result = run(DAY)
    assert result.exit_code == 0
    head, first, *rest = records(result)
    assert head == {
        "type": "statement", "format": "camt.053.001.02", "id": "STM-212", "account": "0011000999888",
        "currency": "VND", "opening": "5000000", "closing": "6633460", "balanced": True, "lines": 7,
        "credit_total": "2144960", "debit_total": "-511500",
    }  # fmt: skip
    assert first == {
        "type": "line", "entry": 1, "transaction": 1, "booked_on": "2026-07-31", "value_on": "2026-07-30",
        "amount": "844960", "currency": "VND", "reversal": False, "bank_reference": "FT26212000001",
        "end_to_end_id": None, "mandate_id": None, "return_reason": None, "counterparty": "NGUYỄN THỊ ÁNH",
        "narrative": "PD12000012345 tien dien 07/2026",
    }  # fmt: skip
    assert [list(record) for record in rest] == [list(first)] * 6
    assert sum(int(record["amount"]) for record in [first, *rest]) == 2144960 - 511500
    assert (rest[0]["end_to_end_id"], rest[0]["mandate_id"], rest[3]["return_reason"]) == ("E2E-1", "MAN-1", "AM04")


def test_vietnamese_stands_as_utf8_not_as_escapes():
    assert "NGUYỄN THỊ ÁNH".encode() in run(DAY).stdout_bytes


def test_several_statements_in_file_order_and_null_for_what_is_missing():
    result = run(CORPUS / "two-notifications.camt054.v04.xml")
    assert [record["type"] for record in records(result)] == ["statement", "line", "line", "statement"]
    empty = records(result)[-1]
    assert (empty["currency"], empty["opening"], empty["closing"], empty["balanced"]) == (None, None, None, None)
    assert records(result)[1]["narrative"] is None


def test_what_the_json_has_no_place_for_is_said_on_stderr():
    assert "STM-212: entries left out as not booked (pending or for information): 1" in run(DAY).stderr
    assert run(CORPUS / "two-notifications.camt054.v04.xml").stderr == ""


def test_a_difference_is_named_on_stderr_and_the_file_is_still_readable(tmp_path):
    (tmp_path / "off.xml").write_bytes(DAY.read_bytes().replace(b"6633460.00", b"6633461"))
    result = run(tmp_path / "off.xml")
    assert result.exit_code == 0
    assert records(result)[0]["balanced"] is False
    assert "differs from opening plus lines by 1 VND" in result.stderr


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("amount-missing", "Stmt 1, Ntry 2, Amt, line 9:"),
        ("cut-off", "line 18:"),
        ("external-entity", "line 1:"),
    ],
)
def test_an_unreadable_file_prints_nothing_and_names_the_place(name, place):
    path = CORPUS / f"unreadable-{name}.camt053.xml"
    result = run(path)
    assert (result.exit_code, result.stdout_bytes) == (65, b"")
    assert result.stderr.startswith(f"{path}: {place}")
    assert result.stderr.count("\n") == 1


def test_a_fault_in_the_last_entry_leaves_stdout_empty_too(tmp_path):
    head, _, tail = DAY.read_bytes().rpartition(b">300000<")
    (tmp_path / "late.xml").write_bytes(head + b">30 000<" + tail)
    result = run(tmp_path / "late.xml")
    assert (result.exit_code, result.stdout_bytes) == (65, b"")
    assert "Stmt 1, Ntry 7, Amt, line" in result.stderr


def test_a_file_that_cannot_be_opened(tmp_path):
    for path, reason in ((tmp_path / "nothing", "No such file or directory"), (tmp_path, "Is a directory")):
        result = run(path)
        assert (result.exit_code, result.stdout_bytes) == (66, b"")
        assert result.stderr == f"{path}: {reason}\n"


def test_a_file_that_opens_and_can_not_be_read():
    result = run(Path("/proc/self/mem"))  # its first page is nobody's: an error of reading that root meets too
    assert (result.exit_code, result.stderr) == (66, "/proc/self/mem: Input/output error\n")


def test_a_pipe_is_read_twice_all_the_same(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cp", "--copy-contents", str(DAY), str(pipe)]) as writer:
        try:
            result = run(pipe)
            assert writer.wait(timeout=20) == 0
        finally:
            writer.kill()  # it waits for ever when nobody has opened the pipe
    assert result.stdout_bytes == run(DAY).stdout_bytes


def test_a_reader_that_has_seen_enough_is_left_in_peace(tmp_path):
    before, _, rest = DAY.read_text(encoding="utf-8").partition("<Ntry>")
    entries, _, after = rest.rpartition("</Ntry>")
    (tmp_path / "long.xml").write_text(before + ("<Ntry>" + entries + "</Ntry>") * 300 + after, encoding="utf-8")
    program = "from gateway.commands.statement import statement; statement()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "read", str(tmp_path / "long.xml")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        process.wait(timeout=20)
    assert said == b""


SWIFT = CORPUS.parent / "mt940"


def test_an_mt940_tells_its_closing_balance_though_it_stands_after_the_lines():
    result = run(SWIFT / "vnd-day-with-fin-blocks.mt940.txt")
    assert result.exit_code == 0
    head, first, *rest = records(result)
    assert head == {
        "type": "statement", "format": "MT940", "id": "212 2026-07-30 5000000", "account": "0011000999888",
        "currency": "VND", "opening": "5000000", "closing": "6794960", "balanced": True, "lines": 5,
        "credit_total": "2106460", "debit_total": "-311500",
    }  # fmt: skip
    assert (first["bank_reference"], first["amount"]) == ("FT26212000001", "844960")
    assert [record["amount"] for record in rest] == ["1250000", "-11500", "-300000", "11500"]
    assert result.stderr == ""


def test_an_mt942_has_no_balances_and_what_is_expected_is_said_on_stderr():
    result = run(SWIFT / "intraday.mt942.txt")
    head, _ = records(result)
    assert (head["format"], head["opening"], head["closing"], head["balanced"]) == ("MT942", None, None, None)
    assert "entries left out as not booked (pending or for information): 1" in result.stderr


def test_an_mt940_that_can_t_be_read_prints_nothing_and_names_the_place():
    path = SWIFT / "unreadable-thousands-in-amount.mt940.txt"
    result = run(path)
    assert (result.exit_code, result.stdout_bytes) == (65, b"")
    assert result.stderr.startswith(f"{path}: message 2, :61: 1, line 19: expected an amount in USD")


BANKS = CORPUS.parent


def test_a_bank_table_reads_like_any_statement():
    head, first, *_ = records(run(BANKS / "mb" / "day.table.csv"))
    assert head == {
        "type": "statement", "format": "csv.mb", "id": "mb-20261105-20261105-VND", "account": "0680112233445",
        "currency": "VND", "opening": "12500000", "closing": "15722960", "balanced": True, "lines": 4,
        "credit_total": "3244960", "debit_total": "-22000",
    }  # fmt: skip
    assert (first["booked_on"], first["amount"], first["bank_reference"]) == ("2026-11-05", "844960", "FT26309000001")


def test_a_break_of_the_running_balance_is_said_with_its_row():
    result = run(BANKS / "mb" / "unbalanced-running-balance.table.csv")
    assert result.exit_code == 0
    assert "row 10: the running balance does not follow from the row before" in result.stderr


def test_an_unreadable_cell_of_a_table_is_named_by_row_and_column():
    result = run(BANKS / "mb" / "unreadable-foreign-separator.table.csv")
    assert (result.exit_code, result.stdout_bytes) == (65, b"")
    assert "row 10, column F (Phát sinh có): expected an amount such as 1,250,000.00, got '1.200.000'" in result.stderr


def test_an_answer_to_a_recall_and_what_became_of_each_debit():
    result = run(CORPUS.parent / "camt029" / "partly.camt029.v09.xml")
    assert (result.exit_code, result.stderr) == (0, "")
    found = records(result)
    assert found[0] == {
        "type": "recall", "format": "camt.029.001.09", "id": "ANS-261119-01", "request_id": "RECALL-261119-1",
    }  # fmt: skip
    assert [one["verdict"] for one in found[1:]].count("cancelled") == 3
    assert found[2] == {
        "type": "recall_outcome", "level": "debit", "verdict": "cancelled", "status": "ACCR", "reason": None,
        "original_id": "RUN-1", "payment_group": "RUN-1-0001", "end_to_end_id": "HD2611000001-1", "amount": "844960",
        "currency": "VND", "detail": None,
    }  # fmt: skip
