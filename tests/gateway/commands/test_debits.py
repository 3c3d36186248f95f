"""`doisoat debits`: a run from its preview to what became of it, and what people do with single bills."""

from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from gateway.commands.debits import debits
from gateway.database import owner_engine, transaction
from reconciliation import debit_rules, debit_sending
from reconciliation.debit_limits import FileLimits
from reconciliation.staff import Staff
from tests.gateway.debits_made import accept_notices, mandate
from tests.gateway.samples import a_debit_bill

CONFIG = """
[banks.vnpay]
profile = "vnpay"
[banks.standard]
[banks.standard.debits]
creditor_id = "EVN001"
creditor_name = "CONG TY DIEN LUC"
creditor_account = "190026112233"
creditor_bank = "STANVNVX"
debtor_bank = "STANVNVX"
"""
EARLY, THE_DAY = datetime(2026, 11, 17, 2, tzinfo=UTC), datetime(2026, 11, 25, 1, tzinfo=UTC)
WHY = ("--why", "đã so")


@pytest.fixture
def run(at_home, issue, tmp_path, monkeypatch, now, later):
    """Run the command among three announced bills and people of four roles; return status, stdout and stderr."""
    config = tmp_path / "banks.toml"
    config.write_text(CONFIG, "utf-8")
    monkeypatch.setenv("DOISOAT_CONFIG", str(config))
    later(EARLY)
    issue(a_debit_bill(1), a_debit_bill(2), a_debit_bill(3))
    mandate(at_home, tmp_path, (1, 2))
    accept_notices(at_home)
    later(THE_DAY)
    with transaction(at_home.engine) as session:
        for name, role in (("chau", "liaison"), ("mai", "care"), ("binh", "chief_accountant"), ("ha", "accountant")):
            session.add(Staff(username=name, name=name, role=role, password_hash="", created_at=now))

    def do(*words):
        result = CliRunner().invoke(debits, [str(word) for word in words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout.rstrip("\n"), result.stderr.removeprefix("Error: ").rstrip("\n")

    return do


def test_a_run_is_looked_at_proposed_approved_and_shown(run, at_home):
    assert run("list") == (0, "", "no runs yet")
    assert run("files") == (0, "", "no files yet")
    assert run("preview", "standard", "2026-11-25") == (
        0, "standard 2026-11-25: 2 debits, 200,000 đ\nleft out\tno_mandate\t1 bill\t100,000 đ", ""
    )  # fmt: skip
    status, said, _ = run("propose", "standard", "2026-11-25", "--by", "ha")
    assert status == 0
    number = said.split()[1].rstrip(":")
    assert said == f"run {number}: 2 debits, 200,000 đ, for 2026-11-25; it waits for approval"
    assert run("approve", number, "--by", "ha", *WHY)[2].startswith("expected the name of a person who may approve")
    assert run("approve", number, "--by", "binh", *WHY) == (0, f"run {number} is approved", "")
    with transaction(at_home.engine) as session:
        debit_sending.claim(session, int(number), FileLimits(), now=THE_DAY)
    assert run("show", number)[1].splitlines() == [
        f"run {number}: standard, 2026-11-25, sent, 2 debits, 200,000 đ",
        "sent\t2 debits\t200,000 đ",
        "left out\tno_mandate\t1 bill\t100,000 đ\tHD2611-0000003",
    ]
    assert run("files")[1] == f"TN20261125-{number}-1\tstandard\tdebits\t2 debits\t200,000 đ\tclaimed\t"
    assert "decided by binh" in run("list", "standard")[1]
    assert run("show", 10**6)[2] == "expected the number of a run, got 1000000"


def test_runs_are_taken_back_by_those_who_may(run):
    number = run("propose", "standard", "2026-11-25", "--by", "binh")[1].split()[1].rstrip(":")
    assert run("refuse", number, "--by", "ha", *WHY)[2].startswith("expected the name of a person who may refuse")
    assert run("refuse", number, "--by", "binh", *WHY) == (0, f"run {number} is withdrawn", "")
    assert run("stop", number, "--by", "binh", *WHY)[2].startswith("expected a run that is approved and not sent")
    assert run("preview", "vnpay", "2026-11-25")[2] == (
        "expected a bank that has a table debits in the settings (standard), got 'vnpay'"
    )


def test_single_bills_are_held_released_put_off_and_told_of_on_paper(run, rows):
    first = "HD2611-0000001"
    assert run("hold", first, "--dispute", "--by", "mai", *WHY) == (0, f"bill {first} is held (dispute)", "")
    assert run("preview", "standard", "2026-11-25")[1].splitlines()[1] == "left out\theld_dispute\t1 bill\t100,000 đ"
    assert run("release", first, "--kind", "dispute", "--by", "mai", *WHY)[0] == 1
    assert run("release", first, "--kind", "dispute", "--by", "ha", *WHY)[1] == f"bill {first} is released (dispute)"
    said = run("postpone", "standard", "2026-11-25", "--to", "2026-11-27", "--bill", first, "--by", "ha", *WHY)
    assert said == (0, "1 bill to be debited on 2026-11-27", "")
    assert run("postpone", "standard", "2026-11-25", "--to", "2026-11-25", "--by", "ha", *WHY)[2] == (
        "expected 2026-11-27 or a later day, which leaves time for a new notice, got 2026-11-25"
    )
    assert rows("SELECT facts->>'debit_on' FROM messages WHERE state = 'queued' ORDER BY 1") == ["2026-11-27"]
    assert run("printed", first, "--at", "2026-11-25 07:00", "--by", "mai")[0] == 0
    assert run("printed", first, "--at", "2026-11-25 07:00", "--by", "mai")[2].startswith(
        "expected the number of a bill"
    )
    assert run("answer", "NOBODY", "rejected", "--by", "chau", *WHY)[2] == (
        "expected the end-to-end id of a debit that was sent, got 'NOBODY'"
    )


def test_a_printed_notice_opens_the_gate_where_the_rule_says_so(run, at_home, change, rows):
    change("UPDATE customers SET consent = false WHERE code = 'PA00000000001'")
    with transaction(owner_engine(at_home.database_url)) as session:
        debit_rules.choose(session, "unreachable", "printed", by="t", now=THE_DAY)
    try:
        change("UPDATE messages SET facts = facts || '{\"amount\": 1}' WHERE bill_id = (SELECT min(id) FROM bills)")
        assert "left out\tunreachable\t1 bill" in run("preview", "standard", "2026-11-25")[1]
        assert run("printed", "HD2611-0000001", "--at", "2026-11-20 09:00", "--by", "mai")[0] == 0
        assert run("preview", "standard", "2026-11-25")[1].startswith("standard 2026-11-25: 2 debits")
        number = run("propose", "standard", "2026-11-25", "--by", "ha")[1].split()[1].rstrip(":")
        run("approve", number, "--by", "binh", *WHY)
        with transaction(at_home.engine) as session:
            assert debit_sending.claim(session, int(number), FileLimits(), now=THE_DAY).dropped == {}
        assert rows("SELECT count(*) FROM debits WHERE printed_id IS NOT NULL AND state = 'sent'") == [1]
    finally:
        with transaction(owner_engine(at_home.database_url)) as session:
            debit_rules.choose(session, "unreachable", "hold", by="t", now=THE_DAY)


def test_rules_are_shown_and_a_wrong_one_is_refused(run):
    assert "notice_hours\t24" in run("rules")[1]
    assert run("rule", "notice_hours", "0")[2] == "notice_hours: expected a whole number from 1 to 720, got '0'"
    assert run("rule", "paydays", "1 32")[2] == (
        "paydays: expected days of the month, 1 to 31, with spaces between, got '1 32'"
    )
    assert run("rule", "hours", "1")[2].startswith("expected one of abnormal_times, answer_hours")
    assert run("rule", "notice_hours", "48") == (0, "notice_hours: 48", "")
    assert run("rule", "notice_hours", "24") == (0, "notice_hours: 24", "")


def test_a_reason_of_no_words_is_none(run):
    assert "expected a reason, got none" in run("hold", "HD2611-0000001", "--by", "mai", "--why", " ")[2]
