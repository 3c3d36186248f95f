"""`doisoat export`: whole files or none, the same bytes again, and a person's word that they came."""

import pytest
from click.testing import CliRunner

from gateway.commands.export import export
from gateway.database import transaction
from gateway.staff_desk import create_person
from reconciliation.reports import REPORTS


@pytest.fixture
def run(at_home, tmp_path):
    def do(*words):
        return CliRunner().invoke(export, [str(word) for word in words])

    return do


@pytest.fixture
def lan(wiring):
    with transaction(wiring.engine) as session:
        create_person(
            session, username="lan", name="Lan", role="accountant", password="a long enough one", by="test",
            now=wiring.clock(),
        )  # fmt: skip


def test_debts_are_written_the_same_until_somebody_has_received_them(run, paid, lan, tmp_path, one):
    paid(1)
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    result = run("debts", "--to", first)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "1 marks written\n")
    paid(2)
    assert run("debts", "--to", second).stderr == "2 marks written\n"
    assert second.read_bytes().startswith(first.read_bytes())
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
    assert run("acknowledge", 1, "--by", "lan").stdout == "1 batches acknowledged; every mark up to 1 is\n"
    assert one("SELECT actor, action, facts->>'number' FROM audit ORDER BY id DESC LIMIT 1") == (
        "lan", "marks_acknowledged", "1",
    )  # fmt: skip
    assert run("debts", "--to", "-").stdout.count("item,") == 1
    again = tmp_path / "c.csv"
    assert run("debts", "--to", again, "--since", 0).exit_code == 0
    assert again.read_bytes() == second.read_bytes()


def test_a_file_of_another_kind_or_of_an_unknown_bank_is_refused_before_it_is_made(run, tmp_path):
    for words in (("fees", "--to", tmp_path / "r.pdf"), ("debts", "--to", tmp_path / "r.xlsx")):
        result = run(*words)
        assert (result.exit_code, "expected a file that ends in .csv" in result.stderr) == (2, True)
    result = run("fees", "--to", tmp_path / "r.csv", "--bank", "nobank")
    assert (result.exit_code, "in the books (none yet), got 'nobank'" in result.stderr) == (1, True)
    assert list(tmp_path.glob("r.*")) == []


def test_a_folder_that_there_is_not_is_named_before_any_work(run, tmp_path):
    for name in ("fees", "debts"):
        result = run(name, "--to", tmp_path / "nodir" / "r.csv")
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"there is no folder {tmp_path / 'nodir'}" in result.stderr


def test_what_nobody_sent_and_whoever_nobody_knows_is_refused(run, lan, one):
    assert "expected the number of a mark" in run("acknowledge", 7, "--by", "lan").stderr
    assert "may sign in" in run("acknowledge", 0, "--by", "nobody").stderr
    assert one("SELECT count(*) FROM audit WHERE action = 'marks_acknowledged'") == 0


@pytest.mark.parametrize(
    ("words", "beginning"),
    [
        (("--to", "r.csv"), b"\xef\xbb\xbfNg"),
        (("--to", "r.csv", "--language", "en"), b"\xef\xbb\xbfBank"),
        (("--to", "r.xlsx"), b"PK"),
        (("--to", "r.bin", "--format", "xlsx"), b"PK"),
    ],
)
def test_a_report_is_written_whole(run, tmp_path, words, beginning):
    name = words[1]
    result = run("suspense", "--to", tmp_path / name, *words[2:])
    assert (result.exit_code, result.stderr) == (0, "0 rows written\n")
    assert (tmp_path / name).read_bytes().startswith(beginning)


def test_every_report_has_its_command():
    assert set(REPORTS) <= set(export.commands)
