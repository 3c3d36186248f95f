"""`doisoat callback` where a body carries its own signature, and where one of several secrets is enough."""

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.callback_trying import readable
from gateway.commands.callback import callback

CORPUS = Path(__file__).parents[2] / "corpus"
MOMO = ("--secret", "access_key=F8BBA842ECF85", "--secret", "secret_key=K951B6PE1waDMi640xX08PD3vg6EkVlz")
SIGNING, TOKEN = "webhook_secret=sandbox-sepay-webhook-secret-0001", "api_key=SANDBOXSEPAYAPIKEY0001"


@pytest.fixture(autouse=True)
def _a_home_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("DOISOAT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOISOAT_HOME", str(tmp_path / "home"))


def run(*words: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(callback, [str(word) for word in words], env=env)


def sample(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((CORPUS / f"{name}.callback.json").read_text(encoding="utf-8"))
    return told


@pytest.fixture
def body(tmp_path: Path) -> Path:
    path = tmp_path / "body.json"
    path.write_bytes(sample("momo/paid")["body"].encode())
    return path


def test_a_body_that_carries_its_signature_stands_in_the_curl_command(body: Path) -> None:
    whole = json.loads(body.read_text())
    body.write_text(json.dumps({name: value for name, value in whole.items() if name != "signature"}))
    words = ["sign", "momo", "--body", body, *MOMO]
    signed = run(*words).stdout_bytes.partition(b"\n\n")[2].decode()
    made = shlex.split(run(*words, "--curl", "https://gateway.example/webhooks/momo").stdout)
    assert made[-3:] == ["--data-raw", signed, "https://gateway.example/webhooks/momo"]
    assert json.loads(signed) == whole


def test_a_refusal_of_momo_does_not_show_the_access_key_it_was_signed_with(body: Path) -> None:
    body.write_text(body.read_text().replace("844960", "944960"))
    result = run("verify", "momo", "--body", body, *MOMO)
    assert result.exit_code == 1
    assert "\naccessKey=<access_key>&amount=944960&extraData=&message=Successful.&orderId=" in result.stdout
    assert "F8BBA842ECF85" not in result.stdout


@pytest.mark.parametrize("key", [b"\xff\xfetopsecret", "mật-topsecret".encode(), b"F8BB-topsecret"])
def test_an_access_key_of_any_bytes_is_masked(body: Path, key: bytes) -> None:
    body.write_text(body.read_text().replace("844960", "944960"))
    given = ("--secret", f"access_key={os.fsdecode(key)}", "--secret", "secret_key=K951B6PE1waDMi640xX08PD3vg6EkVlz")
    result = run("verify", "momo", "--body", body, *given, "--secret", "access_key=F8BB")
    assert result.exit_code == 1
    assert "\naccessKey=<access_key>&amount=944960&" in result.stdout
    assert "topsecret" not in result.stdout


def test_a_key_that_an_error_repeats_is_masked_in_the_way_it_is_written_there() -> None:
    for key in ("mật-topsecret", os.fsdecode(b"\xff\xfetopsecret")):
        shown = readable(f"expected a key, got {key!a}".encode(), {"access_key": [key]})
        assert shown == "expected a key, got '<access_key>'"
    keys = {"access_key": ["F8BB"], "secret_key": ["F8BB-topsecret"]}
    assert readable(b"F8BB-topsecret,F8BB", keys) == "<secret_key>,<access_key>", "one key may begin another"


def test_momo_needs_both_secrets(body: Path) -> None:
    result = run("verify", "momo", "--body", body, *MOMO[:2])
    assert result.exit_code == 2
    assert "momo needs --secret secret_key=VALUE" in result.stderr
    assert "DOISOAT_SECRET_MOMO_SECRET_KEY" in result.stderr


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("sepay/received", SIGNING),
        ("sepay/received-by-api-key", TOKEN),
        ("casso/received", ""),
        ("casso/v1-several", ""),
    ],
)
def test_one_secret_of_several_is_enough(name: str, secret: str, tmp_path: Path) -> None:
    told = sample(name)
    [(key, [value])] = told["secrets"].items()
    path = tmp_path / "event.json"
    path.write_bytes(told["body"].encode())
    bank = name.partition("/")[0]
    words = ["verify", bank, "--body", path]
    for header, content in told["headers"].items():
        words += ["--header", f"{header}: {content}"]
    assert secret in ("", f"{key}={value}")
    given = run(*words, "--secret", f"{key}={value}")
    assert given.stdout.startswith(f"verified\nevent id: {told['expected']['event_id']}\n")
    variable = f"DOISOAT_SECRET_{bank}_{key}".upper()
    assert run(*words, env={variable: value}).exit_code == 0
    # What is given on the line decides alone, whatever else the environment holds.
    assert run(*words, "--secret", f"{key}=another", env={variable: value}).exit_code == 1


def test_of_two_rotating_secrets_the_one_that_proved_is_named(tmp_path: Path) -> None:
    env = {
        "DOISOAT_SECRET_SEPAY_WEBHOOK_SECRET": f"another,{SIGNING.partition('=')[2]}",
        "DOISOAT_SECRET_SEPAY_API_KEY": f"another,{TOKEN.partition('=')[2]}",
    }
    named = {"sepay/received": "webhook_secret", "sepay/received-by-api-key": "api_key"}
    for name, secret in named.items():
        told, path = sample(name), tmp_path / "event.json"
        path.write_bytes(told["body"].encode())
        words = [word for header in told["headers"].items() for word in ("--header", ": ".join(header))]
        lines = run("verify", "sepay", "--body", path, *words, env=env).stdout.splitlines()
        assert [line for line in lines if line.startswith("signed with")] == [f"signed with {secret} 2 of 2"]


@pytest.mark.parametrize(
    ("bank", "names"), [("sepay", "webhook_secret api_key"), ("casso", "checksum_key secure_token")]
)
@pytest.mark.parametrize("command", ["verify", "sign"])
def test_without_any_of_them_each_way_to_give_one_is_named(command: str, bank: str, names: str, body: Path) -> None:
    result = run(command, bank, "--body", body)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    for name in names.split():
        assert f"--secret {name}=VALUE" in result.stderr
        assert f"DOISOAT_SECRET_{bank.upper()}_{name.upper()}" in result.stderr


def test_a_token_has_no_time_to_judge_or_to_set(body: Path) -> None:
    proven = run(
        "verify", "sepay", "--body", body, "--secret", TOKEN, "--header", f"Authorization: Apikey {TOKEN[8:]}",
        "--max-age", 300,
    )  # fmt: skip
    made = run("sign", "sepay", "--body", body, "--secret", TOKEN, "--timestamp", 1763432100)
    for result, option in ((proven, "--max-age"), (made, "--timestamp")):
        assert result.exit_code == 2
        assert result.stdout == ""
        assert f"carries no time of signing, so {option}" in result.stderr


@pytest.mark.parametrize(
    ("bank", "secret", "header"),
    [
        ("sepay", SIGNING, "x-sepay-timestamp: 1763432100"),
        ("casso", "checksum_key=k", "x-casso-signature: t=1763432100000,v1="),
    ],
)
def test_a_signature_is_made_for_the_time_that_is_asked(bank: str, secret: str, header: str, body: Path) -> None:
    words = ["--body", body, "--secret", secret]
    made = run("sign", bank, *words, "--timestamp", 1763432100).stdout
    assert f"\n{header}" in made
    headers = [word for line in made.partition("\n\n")[0].splitlines() for word in ("--header", line)]
    assert run("verify", bank, *words, *headers).exit_code == 0
    refused = run("verify", bank, *words, *headers, "--max-age", 300)
    assert refused.exit_code == 1
    assert "beyond --max-age 300 s" in refused.stdout


@pytest.mark.parametrize("bank", ["momo", "payos", "casso"])
def test_a_body_that_can_not_be_signed_is_one_clear_line(bank: str, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b'{"data":')
    secrets = {"momo": MOMO, "payos": ("--secret", "checksum_key=k"), "casso": ("--secret", "checksum_key=k")}[bank]
    result = run("sign", bank, "--body", path, *secrets)
    assert result.exit_code == 2
    assert result.stderr == "doisoat callback: line 1, column 9: not JSON: Expecting value\n"
