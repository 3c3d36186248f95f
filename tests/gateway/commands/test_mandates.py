"""`doisoat mandates`: a file is taken whole or refused with every place; people move mandates, accounts stay masked."""

import shutil
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner

from gateway import schedule
from gateway.commands.mandates import mandates
from gateway.database import transaction
from reconciliation.staff import Staff
from tests.gateway.samples import a_bill

FILES = Path(__file__).parents[1] / "mandate_files"
CONFIG = '[banks.standard]\n[banks.vnpay]\nprofile = "vnpay"\n'
ACCOUNTS = ("190026112233", "0071000123456", "190026119999")
WHY = ("--why", "khách gọi")


@pytest.fixture
def run(at_home, issue, tmp_path, monkeypatch, now):
    """Run the command among three customers and people of four roles; return status, stdout and stderr."""
    config = tmp_path / "banks.toml"
    config.write_text(CONFIG, "utf-8")
    monkeypatch.setenv("DOISOAT_CONFIG", str(config))
    issue(a_bill(1), a_bill(2), a_bill(3))
    with transaction(at_home.engine) as session:
        for name, role in (("chau", "liaison"), ("mai", "care"), ("binh", "chief_accountant"), ("ha", "accountant")):
            session.add(Staff(username=name, name=name, role=role, password_hash="", created_at=now))

    def do(*words):
        result = CliRunner().invoke(mandates, [str(word) for word in words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert not [account for account in ACCOUNTS if account in result.output]
        return result.exit_code, result.stdout.rstrip("\n"), result.stderr.removeprefix("Error: ").rstrip("\n")

    return do


@pytest.fixture
def taken(run, rows):
    """Mandates 1 to 3 of the good file, by their references."""
    assert run("import", FILES / "good.csv", "--by", "chau")[0] == 0
    return {reference: number for number, reference in rows("SELECT id, reference FROM mandates")}


def as_workbook(source, path):
    book = openpyxl.Workbook()
    for line in source.read_text("utf-8").splitlines():
        book.active.append(line.split(","))
    book.save(path)
    return path


def test_a_file_is_taken_in_and_again_changes_nothing_whatever_its_form(run, rows, tmp_path):
    assert run("import", FILES / "good.csv", "--by", "chau") == (0, "3 new, 0 changed, 0 unchanged", "")
    again = as_workbook(FILES / "good.csv", tmp_path / "mandates.xlsx")
    assert run("import", again, "--by", "binh") == (0, "0 new, 0 changed, 3 unchanged", "")
    assert rows("SELECT reference, state FROM mandates ORDER BY id") == [
        ("UQ-0001", "active"), ("UQ-0002", "paused"), ("UQ-0003", "submitted"),
    ]  # fmt: skip
    kept = rows("SELECT v::text || m::text FROM mandate_versions v JOIN mandates m ON m.id = v.mandate_id")
    assert not [account for account in ACCOUNTS for row in kept if account in row]


def test_every_problem_is_named_with_line_and_column_and_nothing_is_taken(run, rows):
    problems = [
        "bad.csv: line 3, bank: expected one of standard, vnpay, got 'saomai'",
        "bad.csv: line 4, account: expected 7 to 24 digits or capital letters, got 9 characters",
        "bad.csv: line 5, customer_code: expected a customer we know, got PA00000000099",
        "bad.csv: line 6, cap: expected an amount in plain digits, got '3.000.000'",
    ]
    status, out, said = run("import", FILES / "bad.csv", "--by", "chau")
    assert (status, out, said.splitlines()) == (65, "", [*problems, "nothing was changed"])
    assert rows("SELECT id FROM mandates") == []
    assert rows("SELECT action FROM audit WHERE action = 'mandates_imported'") == []
    status, out, said = run("import", FILES / "bad.csv", "--keep-good", "--by", "chau")
    assert (status, out) == (0, "1 new, 0 changed, 0 unchanged, 4 problems left out")
    assert said.splitlines() == problems


def test_a_table_of_something_else_is_refused(run, tmp_path):
    path = tmp_path / "bills.csv"
    path.write_text("number,amount\n1,2\n", "utf-8")
    status, out, said = run("import", path, "--by", "chau")
    assert (status, out) == (65, "")
    assert said.startswith("bills.csv: line 1: expected the columns bank, reference, customer_code")


def test_mandates_are_listed_masked_and_shown_with_their_history(run, taken, tmp_path):
    assert run("list", "--state", "paused")[1].split("\t") == [
        str(taken["UQ-0002"]), "standard", "UQ-0002", "PA00000000002", "···3456", "2,000,000 đ",
        "2026-03-01 to 2027-02-28", "paused",
    ]  # fmt: skip
    assert len(run("list")[1].splitlines()) == 3
    assert len(run("list", "--bank", "standard")[1].splitlines()) == 2
    assert run("list", "--customer", "PA00000000009") == (0, "", "no mandates")
    changed = shutil.copy(FILES / "good.csv", tmp_path / "later.csv")
    old, new = "5000000,2026-01-01,,UQ-2026-1,2025-12-20 09:30", "9000000,2026-01-01,,UQ-2026-2,2026-11-17"
    changed.write_text(changed.read_text("utf-8").replace(old, new), "utf-8")
    assert run("import", changed, "--by", "chau")[1] == "0 new, 1 changed, 2 unchanged"
    assert run("show", taken["UQ-0001"])[1].splitlines() == [
        f"mandate {taken['UQ-0001']}: UQ-0001 of standard, customer PA00000000001, active",
        "version 1: account ···2233, at most 5,000,000 đ a debit, 2026-01-01 to further notice; consent to UQ-2026-1"
        " on 2025-12-20 09:30 by counter, assisted by Nguyễn Thị Lan; noted by chau on 2026-11-18 09:00",
        "version 2: account ···2233, at most 9,000,000 đ a debit, 2026-01-01 to further notice; consent to UQ-2026-2"
        " on 2026-11-17 00:00 by counter, assisted by Nguyễn Thị Lan; noted by chau on 2026-11-18 09:00",
        "2026-11-18 09:00 draft to submitted, by chau: imported from good.csv",
        "2026-11-18 09:00 submitted to active, by chau: imported from good.csv",
    ]
    assert run("show", 999)[::2] == (1, "expected the number of a mandate, got 999")


def test_people_note_what_banks_and_customers_say(run, taken, rows):
    third = taken["UQ-0003"]
    assert run("confirm", third, "--by", "chau", *WHY)[1] == f"mandate {third} is active"
    assert run("pause", third, "--by", "mai", *WHY)[1] == f"mandate {third} is paused"
    assert run("resume", third, "--by", "mai", *WHY)[1] == f"mandate {third} is active"
    assert run("refuse", third, "--by", "chau", *WHY)[::2] == (
        1, "expected a mandate that is submitted, got one that is active",
    )  # fmt: skip
    assert run("end", third, "--by", "binh", *WHY)[1] == f"mandate {third} is ended"
    assert rows("SELECT actor, action FROM audit WHERE subject = :one ORDER BY id", one=f"mandate:{third}") == [
        ("chau", "mandate_confirmed"), ("mai", "mandate_paused"), ("mai", "mandate_resumed"), ("binh", "mandate_ended"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "may"),
    [
        (("import", FILES / "good.csv", "--by", "mai"), "import mandates (chief_accountant or liaison), got 'mai'"),
        (("confirm", 1, "--by", "mai", *WHY), "confirm mandates (chief_accountant or liaison), got 'mai'"),
        (("refuse", 1, "--by", "ha", *WHY), "refuse mandates (chief_accountant or liaison), got 'ha'"),
        (("pause", 1, "--by", "ha", *WHY), "pause mandates (care or chief_accountant or liaison), got 'ha'"),
        (("end", 1, "--by", "nobody", *WHY), "end mandates (care or chief_accountant or liaison), got 'nobody'"),
    ],
)
def test_whoever_has_no_say_is_refused(run, rows, words, may):
    assert run(*words) == (1, "", f"expected the name of a person who may {may}")
    assert rows("SELECT id FROM mandates") == []


def test_the_paper_of_a_mandate_is_written_and_in_full_for_the_bank_alone(run, taken, tmp_path, rows):
    first, paper = taken["UQ-0001"], tmp_path / "paper.pdf"
    assert run("pdf", first, paper)[1] == f"{paper}: uy-quyen-UQ-0001-v1.pdf"
    assert paper.read_bytes().startswith(b"%PDF-")
    assert paper.stat().st_mode & 0o777 == 0o600
    assert run("pdf", first, paper, "--for-bank", "mai")[2] == (
        "expected the name of a person who may see accounts in full (chief_accountant or liaison), got 'mai'"
    )
    assert run("pdf", first, paper, "--for-bank", "chau")[1] == f"{paper}: uy-quyen-UQ-0001-v1-bank.pdf"
    assert run("pdf", 999, paper)[2] == "expected the number of a mandate and one of its versions, got 999, -"
    assert rows("SELECT count(*) FROM audit WHERE action = 'mandate_shown_in_full'") == [1]


def test_what_waits_is_handed_over_and_the_bank_s_answers_are_carried_out(run, taken, tmp_path, rows):
    target, answers = tmp_path / "orders.csv", tmp_path / "answers.csv"
    assert run("end", taken["UQ-0001"], "--by", "mai", *WHY)[0] == 0
    done = run("hand-over", "standard", "--to", target, "--by", "chau")
    assert done[1] == "UQ-standard-20261118-0001.csv: 0 to register, 1 to cancel"
    assert "cancel,UQ-0001,PA00000000001,190026112233" in target.read_text("utf-8")
    assert run("hand-over", "standard", "--by", "chau")[::2] == (0, "nothing waits for standard")
    assert run("hand-over", "nobank", "--by", "chau")[2] == "expected a declared bank (standard, vnpay), got 'nobank'"
    answers.write_text("reference,answer\nUQ-0002,ended\nUQ-0009,refused\n", "utf-8")
    assert run("answers", answers, "--bank", "standard", "--by", "chau") == (
        0, "0 confirmed, 0 refused, 1 ended, 0 unchanged, 1 for a person to look at",
        "answers.csv: line 3: expected a mandate of standard that we know, got UQ-0009",
    )  # fmt: skip
    assert run("settle", "standard", "UQ-0009", "--by", "chau", *WHY)[1].endswith("is closed")
    assert run("settle", "standard", "UQ-0009", "--by", "chau", *WHY)[2].startswith("expected an open question about")
    answers.write_text("number,amount\n1,2\n", "utf-8")
    assert run("answers", answers, "--bank", "standard", "--by", "chau")[0] == 65
    assert run("answers", answers, "--bank", "standard", "--by", "mai")[2].endswith(
        "(chief_accountant or liaison), got 'mai'"
    )


def test_a_customer_is_let_ask_for_a_code_again(run, rows):
    assert (
        run("unlock", "PA00000000001", "--by", "mai", *WHY)[1] == "PA00000000001 may ask again; 0 codes no longer count"
    )
    assert run("unlock", "PA9", "--by", "mai", *WHY)[::2] == (1, "expected a customer we know, got 'PA9'")
    assert rows("SELECT actor, action FROM audit") == [("mai", "mandate_codes_released")]


def test_the_schedule_lets_a_mandate_expire(run, taken, at_home, rows):
    assert "mandates" in [duty.name for duty in schedule.duties(at_home)]
    at_home.sandbox_clock.set(datetime.fromisoformat("2027-02-28T23:59:00+07:00"))
    assert schedule.expire_mandates(at_home) == 0
    at_home.sandbox_clock.set(datetime.fromisoformat("2027-03-01T00:00:00+07:00"))
    assert schedule.expire_mandates(at_home) == 1
    assert rows("SELECT reference FROM mandates WHERE state = 'expired'") == ["UQ-0002"]
