"""`doisoat staff add`: a person may sign in afterwards, and whoever can't be taken on is refused in one line."""

import psycopg
import pytest
from click.testing import CliRunner

from gateway import signing_in
from gateway.commands.staff import staff

PASSWORD = "mat khau cua toi"


@pytest.fixture
def add(at_home):
    def do(username="thuha", *, name="Nguyễn Thị Thu Hà", role="accountant", password=PASSWORD, typed=None):
        words = ["add", username, "--name", name, "--role", role]
        if typed is None:
            words += ["--password", password]
        result = CliRunner().invoke(staff, words, input=typed)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert PASSWORD not in result.output
        return result

    return do


def test_a_person_is_taken_on_and_may_sign_in(add, session, now, rows):
    result = add()
    assert (result.exit_code, result.stdout) == (0, "thuha may sign in as accountant\n")
    source = signing_in.Source("10.0.0.9")
    person = signing_in.check_password(session, username="thuha", password=PASSWORD, source=source, now=now)
    assert (person.name, person.role) == ("Nguyễn Thị Thu Hà", "accountant")
    assert rows("SELECT actor, action FROM audit") == [("command line", "staff_created")]


def test_the_password_is_asked_for_twice_when_it_is_not_given(add, session, now):
    assert add(typed=f"{PASSWORD}\n{PASSWORD}\n").exit_code == 0
    source = signing_in.Source("10.0.0.9")
    assert signing_in.check_password(session, username="thuha", password=PASSWORD, source=source, now=now)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"username": "Thu Hà"}, 1, "expected a user name"),
        ({"password": "short"}, 1, "expected a password of 12 to 256 characters, got 5"),
        ({"name": "  "}, 1, "expected the person's name"),
        ({"role": "king"}, 2, "'king' is not one of"),
    ],
)
def test_whoever_can_not_be_taken_on_is_refused_with_what_was_expected(add, rows, change, status, said):
    result = add(**change)
    assert result.exit_code == status
    assert said in result.stderr
    assert rows("SELECT id FROM staff") == []


def test_a_name_that_someone_has_is_refused(add, rows):
    add()
    assert CliRunner().invoke(staff, ["list"]).stdout == "thuha: Nguyễn Thị Thu Hà, accountant\n"
    result = add(name="Người Khác")
    assert (result.exit_code, "which someone has" in result.stderr) == (1, True)
    assert rows("SELECT name FROM staff") == ["Nguyễn Thị Thu Hà"]


@pytest.fixture
def limit(at_home, as_superuser):
    """Ask for the limit, or set it; what it was comes back at the end."""
    yield lambda *words: CliRunner().invoke(staff, ["limit", *words])
    with psycopg.connect(as_superuser, autocommit=True) as connection:
        connection.execute("UPDATE approval_limits SET minor = 2000000 WHERE action = 'settle'")
        connection.execute("UPDATE approval_limits SET minor = 5000 WHERE action = 'difference'")


def test_the_limit_of_differences_is_one_of_its_own(limit):
    assert limit("--of", "difference").stdout == "a difference that is written off is at most 5,000 đ\n"
    assert limit("700", "--of", "difference").stdout == "a difference that is written off is at most 700 đ\n"
    assert limit().stdout == "one person may settle up to 2,000,000 đ alone\n"


def test_the_limit_of_one_person_is_shown_and_set_and_noted(limit, rows):
    assert limit().stdout == "one person may settle up to 2,000,000 đ alone\n"
    assert limit("500000").stdout == "one person may settle up to 500,000 đ alone\n"
    assert rows("SELECT actor, action FROM audit") == [("command line", "approval_limit_set")]
    assert rows("SELECT facts->>'before' FROM audit") == ["2000000"]
    assert limit("-1").exit_code == 2


def test_a_person_is_changed_let_go_and_helped_over_a_lost_factor(add, session, now, rows):
    def ask(*words):
        return CliRunner().invoke(staff, [*words])

    add()
    moved = ask("change", "thuha", "--role", "care", "--office", "Điện lực Hồ Sen")
    assert moved.stdout == "thuha: Nguyễn Thị Thu Hà, care, Điện lực Hồ Sen\n"
    assert ask("change", "thuha", "--inactive").stdout.endswith("Hồ Sen, no longer active\n")
    assert ask("change", "nobody", "--inactive").exit_code == 1
    helped = ask("reset-factors", "thuha")
    said, handed = helped.stdout.splitlines()
    assert said == "thuha signs in by password alone until they set up a second factor; 0 sessions ended"
    assert handed.startswith("one-time password of thuha: ")
    assert ask("change", "thuha", "--role", "office_manager", "--office", "", "--active").exit_code == 1
    handed = ask("password", "thuha").stdout.split()[-1]
    source = signing_in.Source("10.0.0.9")
    ask("change", "thuha", "--active")
    found = signing_in.check_password(session, username="thuha", password=handed, source=source, now=now)
    assert found.must_change_password
    assert rows("SELECT action FROM audit ORDER BY id") == [
        "staff_created", "staff_changed", "staff_changed", "factors_reset", "password_set", "password_set",
        "staff_changed",
    ]  # fmt: skip


def test_the_last_administrator_is_not_let_go_by_command_either(add, rows):
    add(role="administrator")
    refused = CliRunner().invoke(staff, ["change", "thuha", "--inactive"])
    assert (refused.exit_code, "got the last one" in refused.stderr) == (1, True)
    assert rows("SELECT active FROM staff") == [True]
