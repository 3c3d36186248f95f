"""`doisoat collect`: what it signs it verifies, calls and answers, and it says what was signed when it does not fit."""

import os

import pytest
from click.testing import CliRunner

from gateway.commands.collect import collect

KEY, OTHER = "sandbox-public-collect-secret-01", "sandbox-public-collect-secret-02"


@pytest.fixture(autouse=True)
def _a_home_of_its_own(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("DOISOAT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOISOAT_HOME", str(tmp_path / "home"))


@pytest.fixture
def body(tmp_path):
    made = tmp_path / "call.json"
    made.write_bytes('{"reference":"SM1","note":"\x1b[31mđỏ"}'.encode())
    return made


def run(*words, env=None):
    result = CliRunner().invoke(collect, [str(word) for word in words], env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert KEY not in result.output
    return result


def headers_of(signed: str) -> list[str]:
    head = signed.partition("\n\n")[0]
    return [word for line in head.splitlines() for word in ("--header", line)]


def test_what_is_signed_is_verified(body):
    signed = run("sign", "saomai", "status", "--body", body, "--secret", KEY)
    assert signed.exit_code == 0
    assert signed.stdout_bytes.endswith(b"\n\n" + body.read_bytes())
    words = headers_of(signed.output)
    verified = run("verify", "saomai", "status", "--body", body, "--secret", KEY, "--max-age", 60, *words)
    assert (verified.exit_code, verified.output.splitlines()[0]) == (0, "verified")
    both = run("verify", "saomai", "status", "--body", body, "--secret", OTHER, "--secret", KEY, *words)
    assert both.exit_code == 0


def test_the_key_may_stand_in_the_environment(body):
    env = {"DOISOAT_SECRET_SAOMAI_COLLECT_SECRET": KEY}
    chosen = ("--id", "call-1", "--timestamp", 1795000000)
    signed = run("sign", "saomai", "status", "--body", body, *chosen, env=env)
    assert "collect-id: call-1\ncollect-timestamp: 1795000000\ncollect-signature: v1," in signed.output
    assert run("verify", "saomai", "status", "--body", body, *headers_of(signed.output), env=env).exit_code == 0


def test_another_call_another_key_and_too_great_an_age_are_told_with_the_signed_text(body):
    words = headers_of(run("sign", "saomai", "pay", "--body", body, "--secret", KEY, "--timestamp", 1795000000).output)
    for verb, *more in [
        ("status", "--secret", KEY),
        ("pay", "--secret", OTHER),
        ("pay", "--secret", KEY, "--max-age", 5),
        ("pay", "--secret", KEY, "--status", 200),
    ]:
        refused = run("verify", "saomai", verb, "--body", body, *words, *more)
        assert refused.exit_code == 1
        assert refused.output.startswith("not verified: collect-")
        assert ".1795000000." in refused.output
        assert "\x1b" not in refused.output, "a terminal must not obey a sender"


def test_an_answer_is_verified_by_its_status(body):
    from banks import collect_signing

    made = collect_signing.sign(body.read_bytes(), "409", [KEY], call_id="call-1", timestamp=1795000000)
    words = [word for name, value in made.items() for word in ("--header", f"{name}: {value}")]
    for status, code in ((409, 0), (200, 1)):
        answer = run("verify", "saomai", "pay", "--status", status, "--body", body, "--secret", KEY, *words)
        assert answer.exit_code == code


def test_a_header_that_is_missing_is_named_without_a_text(body):
    refused = run("verify", "saomai", "pay", "--body", body, "--secret", KEY)
    assert (refused.exit_code, refused.output.splitlines()) == (
        1,
        ["not verified: collect-id: expected 1 to 64 visible characters without a full stop, got 0"],
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--secret", "short"), "expected a key of at least 32 characters"),
        (("--secret", KEY, "--id", "a.b"), "without a full stop"),
        ((), "DOISOAT_SECRET_SAOMAI_COLLECT_SECRET"),
    ],
)
def test_what_can_not_be_signed_is_said_in_one_line(body, words, said):
    refused = run("sign", "saomai", "pay", "--body", body, *words)
    assert refused.exit_code == 2
    assert said in refused.output
