"""`doisoat calendar`: listed, noted, forgotten, by somebody who is known."""

import pytest
from click.testing import CliRunner

from gateway.commands.calendar import calendar
from gateway.database import transaction
from gateway.staff_desk import create_person


@pytest.fixture
def run(at_home):
    with transaction(at_home.engine) as session:
        create_person(
            session, username="lan", name="Lan", role="administrator", password="a long enough one", by="test",
            now=at_home.clock(),
        )  # fmt: skip
    return lambda *words: CliRunner().invoke(calendar, words)


def test_a_day_is_noted_listed_and_forgotten(run, one):
    said = run("note", "2026-11-21", "open", "--by", "lan", "--why", "makes up for Monday")
    assert (said.exit_code, said.stdout) == (
        0, "2026-11-21: deadlines moved: 0 of payments, 0 of questions; questions taken back: 0\n",
    )  # fmt: skip
    listed = run("list", "--year", "2026").stdout.splitlines()
    assert "2026-11-21\topen\tlan\tmakes up for Monday" in listed
    assert "2026-09-02\tclosed\tholiday\tQuốc khánh" in listed
    assert run("forget", "2026-11-21", "--by", "lan", "--why", "wrong").exit_code == 0
    assert "2026-11-21" not in run("list").stdout
    assert one("SELECT count(*) FROM audit WHERE subject = 'bank_day:2026-11-21'") == 2


def test_strangers_and_days_without_a_note_are_refused(run, one):
    assert (
        "may say on which days banks book (administrator or chief_accountant)"
        in run("note", "2026-11-21", "open", "--by", "nobody", "--why", "x").stderr
    )
    assert "expected a day that was noted" in run("forget", "2026-11-21", "--by", "lan", "--why", "x").stderr
    assert one("SELECT count(*) FROM bank_days") == 0
