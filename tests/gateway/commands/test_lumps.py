"""`doisoat lumps`: agreements come in from a file; people say, approve and take back which payments a line is of."""

from datetime import timedelta

import pytest
from click.testing import CliRunner

from gateway import staff_desk
from gateway.commands.lumps import lumps
from gateway.database import owner_engine, transaction
from reconciliation import import_undo
from tests.reconciliation.books import DAY, Books, a_line, a_notice, at

AGREED = '[[settlement]]\nsource = "standard"\nbank = "standard"\nwords = ["QUYET TOAN"]\ncut_off = 22:00:00\n'

WHY = ("--why", "their list")


@pytest.fixture
def run(at_home, tmp_path, monkeypatch):
    config = tmp_path / "banks.toml"
    config.write_text("[banks.standard]\n", "utf-8")
    monkeypatch.setenv("DOISOAT_CONFIG", str(config))

    def do(*words):
        result = CliRunner().invoke(lumps, [str(word) for word in words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output.removeprefix("Error: ").rstrip("\n")

    return do


@pytest.fixture
def declare(run, tmp_path):
    def do(content):
        file = tmp_path / "settlements.toml"
        file.write_text(content, "utf-8")
        return run("declare", file)

    return do


def test_a_source_agrees_once_and_is_listed(declare, run, rows):
    assert declare(AGREED) == (0, "1 settlements declared")
    assert rows("SELECT source, words, after_days, within_days, declared_by FROM lump_agreements") == [
        ("standard", ["QUYET TOAN"], 1, 3, "command line")
    ]
    assert rows("SELECT action FROM audit") == ["agreement_declared"]
    status, said = declare(AGREED)
    assert (status, "expected a source without an agreement, or since which day" in said) == (1, True)
    assert run("list") == (0, "no settlements yet")


def test_an_agreement_is_replaced_and_ended_from_a_day_to_come(declare, run, rows):
    assert run("agreements") == (0, "no agreements yet")
    declare(AGREED)
    anew = AGREED.replace("22:00:00", "23:00:00")
    for since in ("2026-11-18", '"2026-12-01"'):
        assert declare(f"{anew}since = {since}\n")[0] == 1, "today, and no date"
    assert declare(f"{anew}since = 2026-12-01\n") == (0, "1 settlements declared")
    for words, said in (
        (("end", "vnpay", "--from", "2026-12-10", *WHY), "expected a source with an agreement, got vnpay"),
        (("end", "standard", "--from", "2026-12-01", *WHY), "expected a day after 2026-12-01"),
        (("end", "standard", "--from", "2026-12-10", "--why", " "), "expected a reason, got none"),
    ):
        status, output = run(*words)
        assert (status, said in output) == (1, True), output
    assert run("end", "standard", "--from", "2026-12-10", *WHY) == (0, "standard: no agreement from 2026-12-10 on")
    assert run("end", "standard", "--from", "2026-12-20", *WHY)[0] == 1, "ended already"
    listed = [one.split("\t")[3:] for one in run("agreements")[1].splitlines()]
    assert listed == [
        ["from 2000-01-01 until 2026-11-30", "1-3 days later, cut-off 22:00:00"],
        ["from 2026-12-01 until 2026-12-09", "1-3 days later, cut-off 23:00:00"],
    ]
    assert rows("SELECT action FROM audit ORDER BY id") == [
        "agreement_declared", "agreement_declared", "agreement_ended"
    ]  # fmt: skip
    assert rows("SELECT facts->>'why' FROM audit WHERE action = 'agreement_ended'") == ["their list"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("source =", "expected TOML in UTF-8"),
        ("x = 1", "expected [[settlement]] tables and nothing else"),
        ('[settlement]\nbank = "standard"', "expected [[settlement]] tables and nothing else"),
        (AGREED.replace('bank = "standard"', 'bank = "nobody"'), "expected declared banks, got nobody"),
        (AGREED.replace('["QUYET TOAN"]', "[]"), "words: expected texts"),
        (AGREED.replace('["QUYET TOAN"]', '["QT", " "]'), "words: expected texts"),
        (AGREED.replace("22:00:00", '"22:00"'), "got cut_off"),
        (AGREED + "days = 4\n", "got days"),
        (AGREED + "after_days = 4\n", "expected after_days from 0, no more than within_days, at most 31, got 4 and 3"),
    ],
)
def test_an_agreement_that_can_not_be_is_refused(declare, rows, content, said):
    status, output = declare(content)
    assert (status, said in output) == (1, True), output
    assert rows("SELECT 1 FROM lump_agreements") == []


@pytest.mark.parametrize("words", ['["VI", "Quyet toan B"]', '["TOAN"]', '["quyet toan"]'])
def test_words_that_hold_another_source_s_are_refused(declare, rows, tmp_path, words):
    banks = tmp_path / "banks.toml"
    banks.write_text("[banks.standard]\n[banks.wallet]\n[banks.other]\n", "utf-8")
    assert declare(AGREED)[0] == 0
    second = AGREED.replace('source = "standard"', 'source = "wallet"').replace('["QUYET TOAN"]', words)
    status, output = declare(second)
    assert (status, "wallet: expected words that no line of standard at standard is known by" in output) == (1, True)
    assert ("('QUYET TOAN'), got" in output, rows("SELECT source FROM lump_agreements")) == (True, ["standard"])
    assert declare(second.replace('bank = "standard"', 'bank = "other"'))[0] == 0, "another bank's lines are others"
    third = AGREED.replace('source = "standard"', 'source = "other"').replace('["QUYET TOAN"]', '["QT VI"]')
    assert declare(third)[0] == 0, "words of their own"


@pytest.fixture
def settled(at_home, as_superuser, now):
    """Return a line that the payments W1 and W0 of two days come to; the books are proven at the end."""
    owner = owner_engine(as_superuser)
    house = Books(at_home.engine, owner, at_home.sealer, now)
    house.agree(source="vnpay")
    with transaction(at_home.engine) as session:
        for name, role in (("lan", "accountant"), ("binh", "chief_accountant"), ("tra", "auditor")):
            staff_desk.create_person(
                session, username=name, name=name, role=role, password="mat khau cua toi", by="test", now=now
            )

    def made(minor=100_000):
        house.hear(
            a_notice("W1", minor, ""), a_notice("W0", minor, "", paid_at=at(1) - timedelta(days=1)), source="vnpay"
        )
        net = minor - minor // 100 - minor // 1_000
        house.read(a_line(net, "L1", "QUYET TOAN VI", booked_on=DAY + timedelta(days=1)), on=DAY + timedelta(days=1))
        return house.one("SELECT line_id FROM lump_sums")

    yield made
    assert house.broken() == []
    owner.dispose()


def test_a_day_is_said_listed_and_taken_back(settled, run, rows):
    line = settled()
    status, listed = run("list", "vnpay")
    assert (status, listed.split("\t")[:4]) == (0, [f"line {line}", "2026-11-19", "vnpay", "98,900 đ"])
    assert listed.split("\t")[4].startswith("not explained, question ")
    assert run("list", "standard") == (0, "no settlements yet")
    assert run("explode", line, "--day", "2026-11-18", "--by", "lan", *WHY) == (0, "applied: 1 payments")
    assert run("list")[1].endswith("\t1 payments of 2026-11-18, fee and VAT 1,100 đ, as a person said")
    assert rows("SELECT source_reference FROM payments WHERE state = 'confirmed'") == ["W1"]
    assert run("undo", line, "--by", "lan", "--why", "wrong day") == (0, "applied: 0 payments")
    assert run("explode", line, "--payment", "W0", "--by", "lan", *WHY) == (0, "applied: 1 payments")
    assert rows("SELECT source_reference FROM payments WHERE state = 'confirmed'") == ["W0"]
    acts = rows(
        "SELECT concat_ws(' ', actor, action, facts->>'why') FROM audit WHERE subject LIKE 'lump:%' ORDER BY id"
    )
    assert acts == [
        "lan settlement_choice_made their list", "lan settlement_choice_applied their list",
        "lan settlement_choice_made wrong day", "lan settlement_choice_applied wrong day",
        "lan settlement_choice_made their list", "lan settlement_choice_applied their list",
    ]  # fmt: skip


def test_a_day_is_denied_and_weighed_again(settled, run, rows):
    line = settled()
    denied = run("not-day", line, "--day", "2026-11-17", "--by", "lan", *WHY)
    assert denied == (0, "applied: not of 2026-11-17")
    assert rows("SELECT source_reference FROM payments WHERE state = 'confirmed'") == ["W1"]
    assert run("not-day", line, "--day", "2026-11-17", "--by", "lan", *WHY) == (
        1, "expected a day that nobody has denied, got 2026-11-17",
    )  # fmt: skip
    undone = run("undo", line, "--day", "2026-11-17", "--by", "lan", "--why", "a slip")
    assert undone == (0, "applied: weighed again with 2026-11-17")
    assert rows("SELECT source_reference FROM payments WHERE state = 'confirmed'") == []
    said = "SELECT concat_ws(' ', action, facts->>'kind', facts->>'day') FROM audit WHERE subject LIKE 'lump:%'"
    assert rows(f"{said} ORDER BY id") == [
        "settlement_choice_made not_day 2026-11-17", "settlement_choice_applied not_day 2026-11-17",
        "settlement_choice_made day_again 2026-11-17", "settlement_choice_applied day_again 2026-11-17",
    ]  # fmt: skip


def test_a_line_is_called_no_settlement_and_one_after_all(settled, run, rows):
    line = settled()
    paid = "SELECT state FROM payments WHERE source_reference LIKE 'line:%'"
    assert run("no-settlement", line, "--by", "lan", *WHY) == (0, "applied: no settlement")
    assert (rows(paid), run("list")) == (["confirmed"], (0, "no settlements yet"))
    assert run("no-settlement", line, "--by", "lan", *WHY)[1] == (
        "expected a settlement, got a line that a person said is none: take it back first"
    )  # fmt: skip
    assert run("undo", line, "--by", "lan", "--why", "a slip") == (0, "applied: a settlement again")
    assert rows(paid) == ["denied"]
    assert run("list")[1].startswith(f"line {line}")


def test_above_the_limit_a_chief_accountant_approves(settled, run, rows):
    line = settled(3_000_000)
    assert run("explode", line, "--day", "2026-11-18", "--by", "binh", *WHY) == (0, "proposed: 1 payments")
    assert run("approve", line, "--by", "binh") == (1, "expected another person to approve than the one who made it")
    assert run("approve", line, "--by", "lan") == (
        1, "expected the name of a person who may approve (chief_accountant), got 'lan'",
    )  # fmt: skip
    assert run("refuse", line, "--by", "lan", "--why", "no") == (
        1, "expected the name of a person who may refuse another's proposal (chief_accountant), got 'lan'",
    )  # fmt: skip
    assert rows("SELECT state, checker FROM lump_choices") == [("proposed", "")]
    assert run("refuse", line, "--by", "binh", "--why", "my slip") == (0, "withdrawn: 1 payments")
    assert run("explode", line, "--day", "2026-11-18", "--by", "lan", *WHY) == (0, "proposed: 1 payments")
    assert run("refuse", line, "--by", "binh", "--why", "no") == (0, "refused: 1 payments")
    assert run("explode", line, "--day", "2026-11-18", "--by", "lan", *WHY) == (0, "proposed: 1 payments")
    assert run("list")[1].endswith(", an answer waits for approval")
    assert run("refuse", line, "--by", "lan", "--why", "my slip") == (0, "withdrawn: 1 payments")
    assert run("explode", line, "--day", "2026-11-17", "--by", "lan", *WHY) == (0, "proposed: 1 payments")
    assert rows("SELECT state FROM payments WHERE state <> 'reported'") == []
    assert run("approve", line, "--by", "binh") == (0, "applied: 1 payments")
    assert rows("SELECT source_reference FROM payments WHERE state = 'confirmed'") == ["W0"]


def test_what_can_not_be_is_refused_in_one_line_and_changes_nothing(settled, run, rows):
    line = settled()
    for words, said in (
        (("explode", line, "--by", "lan", *WHY), "expected a day or payments, got both or neither"),
        (("explode", line, "--day", "2026-11-18", "--payment", "W1", "--by", "lan", *WHY), "got both or neither"),
        (("explode", line, "--payment", "nobody", "--by", "lan", *WHY), "got 0 of 1"),
        (("explode", line, "--payment", "W0", "--payment", "W1", "--by", "lan", *WHY), "got 197800 đ of 2 payments"),
        (("explode", line, "--day", "2026-11-18", "--by", "tra", *WHY),
         "expected the name of a person who may explode (accountant or chief_accountant), got 'tra'"),
        (("explode", line, "--day", "2026-11-18", "--by", "lan", "--why", " "), "expected a reason, got none"),
        (("explode", 999_999, "--day", "2026-11-18", "--by", "lan", *WHY), "expected the number of a settlement"),
        (("not-day", line, "--day", "2026-11-01", "--by", "lan", *WHY), "expected a day that the line may be of"),
        (("not-day", line, "--day", "2026-11-17", "--by", "tra", *WHY), "who may deny a day (accountant or"),
        (("undo", line, "--day", "2026-11-17", "--by", "lan", *WHY), "expected a day that a person has denied"),
        (("undo", line, "--by", "lan", *WHY), "expected a settlement that a person has explained"),
        (("approve", line, "--by", "binh"), "expected a proposal that waits for approval, got none"),
        (("refuse", line, "--by", "lan", *WHY), "expected a proposal that waits for approval, got none"),
    ):  # fmt: skip
        status, output = run(*words)
        assert (status, said in output) == (1, True), output
    assert run("explode", line, "--day", "18/11", "--by", "lan", *WHY)[0] == 2
    assert run("undo", line, "--by", "lan")[0] == 2, "without a reason"
    assert rows("SELECT 1 FROM lump_choices") == []


def test_lines_that_came_before_their_agreement_are_named_and_settle_once_read_anew(
    at_home, as_superuser, now, declare, rows
):
    owner = owner_engine(as_superuser)
    house = Books(at_home.engine, owner, at_home.sealer, now)
    house.tariff("standard")
    house.hear(a_notice("W1", 100_000, ""))
    line = a_line(98_900, "L1", "Quyet toan ngay 18", booked_on=DAY + timedelta(days=1))
    house.read(line, a_line(5_000, "L2", "tien dien"), on=DAY + timedelta(days=1))
    status, said = declare(AGREED)
    number = house.one("SELECT id FROM statements")
    assert (status, said.splitlines()) == (0, [
        "1 settlements declared",
        f"statement {number} (S1 of standard) was read before: 1 of its lines bear these words, 98,900 đ;"
        " undo its import and read it anew to settle by them",
    ])  # fmt: skip
    with transaction(at_home.engine) as session:
        chosen = import_undo.chosen(session, str(number))
        import_undo.undo(session, chosen, by="lan", why="agreed late", now=now)
    house.read(line, a_line(5_000, "L2", "tien dien"), on=DAY + timedelta(days=1))
    assert rows("SELECT source_reference FROM payments WHERE state = 'confirmed' AND source_reference = 'W1'") == ["W1"]
    assert rows("SELECT day FROM lump_sums") == [DAY]
    assert house.broken() == []
    owner.dispose()
