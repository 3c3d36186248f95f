"""`doisoat api-token`: made and shown once, listed without it, revoked by name."""

import pytest
from click.testing import CliRunner

from gateway.commands.api_token import api_token
from reconciliation import api_tokens


@pytest.fixture
def run(at_home):
    return lambda *words: CliRunner().invoke(api_token, words)


def test_a_token_is_made_listed_and_revoked(run, session, wiring):
    made = run("new", "billing", "--scope", "bills:write", "--scope", "marks", "--expires-days", "30", "--by", "hoa")
    assert made.exit_code == 0, made.output
    token = made.stdout.strip()
    found = api_tokens.find(session, token, now=wiring.clock())
    assert (found.name, found.scopes, found.made_by) == ("billing", ["bills:write", "marks"], "hoa")
    assert (found.expires_at - found.made_at).days == 30
    session.rollback()  # that it was used is noted by `find`: nobody else could touch the row until we are done
    assert "shown this once" in made.stderr
    listed = run("list").stdout
    assert listed == "billing: live, bills:write marks, made by hoa on 18/11/2026, used never\n"
    assert run("revoke", "billing").stdout == "billing opens nothing any more\n"
    assert run("list").stdout.startswith("billing: revoked, ")
    assert run("revoke", "billing").exit_code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("x", "--scope", "everything"), "expected scopes among bills:read, bills:write"),
        (("  ", "--scope", "marks"), "expected a name of 1 to 60 characters"),
        (("x",), "Missing option '--scope'"),
    ],
)
def test_what_can_not_be_made_is_refused_with_what_was_expected(run, rows, words, said):
    result = run("new", *words)
    assert result.exit_code != 0
    assert said in result.output
    assert rows("SELECT id FROM api_tokens") == []


def test_a_name_is_that_of_one_live_token(run, rows):
    assert run("new", "x", "--scope", "marks").exit_code == 0
    assert "expected a name that no live token has, got 'x'" in run("new", "x", "--scope", "marks").stderr
    run("revoke", "x")
    assert run("new", "x", "--scope", "marks").exit_code == 0
