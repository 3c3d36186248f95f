import json
import os
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from banks import profile
from gateway.commands.callback import callback

CORPUS = Path(__file__).parents[2] / "corpus"
WEBHOOK_KEY = "whsec_cHVibGljIHNhbmRib3gga2V5IG51bWJlciBvbmUhISE="  # public sandbox keys
NEXT_KEY = "whsec_cHVibGljIHNhbmRib3gga2V5IG51bWJlciB0d28hISE="
HASH_KEY = "SANDBOXPUBLICKEYSANDBOXPUBLICKEY"


@pytest.fixture(autouse=True)
def _a_home_of_its_own(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("DOISOAT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOISOAT_HOME", str(tmp_path / "home"))


def run(*words, env=None, stdin=None):
    result = CliRunner().invoke(callback, [str(word) for word in words], env=env, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    for key in (WEBHOOK_KEY, NEXT_KEY, HASH_KEY):
        assert key.removeprefix("whsec_") not in result.output
    return result


def sample(name):
    return json.loads((CORPUS / f"{name}.callback.json").read_text(encoding="utf-8"))


def words_of(told, folder, *, secrets=True):
    words = []
    if told["query"]:
        words += ["--query", told["query"]]
    if told["body"]:
        body = folder / "body"
        body.write_bytes(told["body"].encode())
        words += ["--body", body]
    for name, value in told["headers"].items():
        words += ["--header", f"{name}: {value}"]
    if secrets:
        words += [
            word for name, keys in told["secrets"].items() for key in keys for word in ("--secret", f"{name}={key}")
        ]
    return words


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem) for path in sorted(CORPUS.glob("*/*.callback.json"))]
)
def test_every_sample_is_verified_or_refused_with_its_signed_text(path, tmp_path):
    name, told = path.parent.name, json.loads(path.read_text(encoding="utf-8"))
    result = run("verify", name, *words_of(told, tmp_path))
    if "unproven" in told["expected"]:
        assert result.exit_code == 1
        assert told["expected"]["unproven"] in result.stdout
        assert "verified\n" not in result.stdout
    else:
        assert result.exit_code == 0
        assert result.stdout.startswith("verified\n")
        if "event_id" in told["expected"]:
            assert f"event id: {told['expected']['event_id']}\n" in result.stdout
        assert "\nage: " in result.stdout


def test_a_refusal_shows_the_exact_text(tmp_path):
    told = sample("standard/refused-amount-raised")
    result = run("verify", "standard", *words_of(told, tmp_path))
    assert result.exit_code == 1
    headers = told["headers"]
    assert f"\n{headers['webhook-id']}.{headers['webhook-timestamp']}.{told['body']}\n" in result.stdout

    result = run("verify", "vnpay", *words_of(sample("vnpay/refused-extra-field"), tmp_path))
    signed = sample("vnpay/paid")["query"].partition("&vnp_SecureHash")[0]
    assert f"\ndebug=1&{signed}\n" in result.stdout


def test_max_age_refuses_old_and_early_events(tmp_path):
    body = tmp_path / "body"
    body.write_bytes(b"{}")
    made = run("sign", "standard", "--body", body, "--secret", f"webhook_secret={WEBHOOK_KEY}")
    head = made.stdout.partition("\n\n")[0].splitlines()
    words = [word for line in head for word in ("--header", line)]
    words += ["--body", body, "--secret", f"webhook_secret={WEBHOOK_KEY}"]
    assert run("verify", "standard", *words, "--max-age", 300).exit_code == 0

    for timestamp in (1_700_000_000, 9_999_999_999):
        made = run("sign", "standard", "--timestamp", timestamp, *words)
        again = [word for line in made.stdout.partition("\n\n")[0].splitlines() for word in ("--header", line)]
        again += words[-4:]
        assert run("verify", "standard", *again).exit_code == 0
        refused = run("verify", "standard", *again, "--max-age", 300)
        assert refused.exit_code == 1
        assert "beyond --max-age 300 s" in refused.stdout


def test_the_key_that_fits_is_named_during_a_rotation(tmp_path):
    told = sample("standard/received")
    told["secrets"]["webhook_secret"].insert(0, NEXT_KEY)
    result = run("verify", "standard", *words_of(told, tmp_path))
    assert "signed with webhook_secret 2 of 2" in result.stdout


def test_secrets_come_from_the_environment_unless_given(tmp_path):
    told = sample("vnpay/paid")
    words = words_of(told, tmp_path, secrets=False)
    assert run("verify", "vnpay", *words, env={"DOISOAT_SECRET_VNPAY_HASH_SECRET": HASH_KEY}).exit_code == 0
    both = {"DOISOAT_SECRET_VNPAY_HASH_SECRET": f"another,{HASH_KEY}"}
    assert "signed with hash_secret 2 of 2" in run("verify", "vnpay", *words, env=both).stdout
    wrong = {"DOISOAT_SECRET_VNPAY_HASH_SECRET": "another"}
    assert run("verify", "vnpay", *words, env=wrong).exit_code == 1
    assert run("verify", "vnpay", *words, "--secret", f"hash_secret={HASH_KEY}", env=wrong).exit_code == 0


@pytest.mark.parametrize("before", ["?", "/webhooks/vnpay?", "https://gateway.example/webhooks/vnpay?"])
def test_a_whole_address_does_as_a_query(before, tmp_path):
    told = sample("vnpay/paid")
    told["query"] = before + told["query"]
    assert run("verify", "vnpay", *words_of(told, tmp_path)).exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verify", "momopay", "--body", "-"], "known: "),
        (["verify", "standard", "--body", "-"], "DOISOAT_SECRET_STANDARD_WEBHOOK_SECRET"),
        (["verify", "standard", "--body", "-", "--secret", WEBHOOK_KEY[:-1]], "secret 1: expected NAME=VALUE"),
        (["verify", "standard", "--body", "-", "--secret", f"{NEXT_KEY[:-1]}=x"], "only webhook_secret"),
        (["sign", "standard", "--body", "-", "--secret", "webhook_secret="], "'webhook_secret'"),
        (["sign", "standard", "--body", "-", "--secret", "webhook_secret=no base64"], "base64"),
        (
            ["verify", "standard", "--body", "/no/such/file", "--secret", f"webhook_secret={WEBHOOK_KEY}"],
            "/no/such/file",
        ),
        (["verify", "standard", "--body", "/", "--secret", f"webhook_secret={WEBHOOK_KEY}"], "directory"),
        (["verify", "standard", "--secret", f"webhook_secret={WEBHOOK_KEY}"], "--body"),
        (["verify", "vnpay", "--secret", f"hash_secret={HASH_KEY}"], "--query"),
        (["verify", "vnpay", "--query", "a=1", "--max-age", "5", "--secret", f"hash_secret={HASH_KEY}"], "--max-age"),
        (["verify", "standard", "--body", "-", "--header", WEBHOOK_KEY], "header 1: expected 'Name: value'"),
        (["verify", "standard", "--body", "-", "--header", "a b: c"], "header 1"),
        (["verify", "standard", "--body", "-", "--header", "a: b", "--header", "A: c"], "header 2: a is given twice"),
        (["sign", "vnpay", "--query", "a=%", "--secret", f"hash_secret={HASH_KEY}"], "two hex digits"),
        (["sign", "vnpay", "--query", "a=1", "--id", "x", "--secret", f"hash_secret={HASH_KEY}"], "--id"),
        (["sign", "vnpay", "--query", "a=1", "--timestamp", "1", "--secret", f"hash_secret={HASH_KEY}"], "--timestamp"),
        (["sign", "standard", "--body", "-", "--id", "a.b", "--secret", f"webhook_secret={WEBHOOK_KEY}"], "webhook-id"),
    ],
)
def test_misuse_is_one_clear_line_and_exit_2(words, said):
    result = run(*words, stdin=b"{}")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_body_larger_than_the_profile_takes_is_refused(tmp_path):
    body = tmp_path / "body"
    body.write_bytes(b" " * (profile.find("standard").max_bytes + 1))
    result = run("verify", "standard", "--body", body, "--secret", f"webhook_secret={WEBHOOK_KEY}")
    assert result.exit_code == 1
    assert "more than the 65536" in result.stdout


def test_signing_is_deterministic_and_makes_the_published_bytes(tmp_path):
    told = sample("standard/received")
    body = tmp_path / "body"
    body.write_bytes(told["body"].encode())
    words = ["--body", body, "--secret", f"webhook_secret={WEBHOOK_KEY}"]
    words += ["--id", told["headers"]["webhook-id"], "--timestamp", told["headers"]["webhook-timestamp"]]
    first, again = run("sign", "standard", *words), run("sign", "standard", *words)
    assert first.exit_code == 0
    assert first.stdout_bytes == again.stdout_bytes
    head, _, sent = first.stdout_bytes.partition(b"\n\n")
    assert sent == told["body"].encode()
    assert dict(line.split(": ", 1) for line in head.decode().splitlines()) == told["headers"]


def test_signing_a_query_prints_the_whole_query(tmp_path):
    told = sample("vnpay/paid")
    unsigned = told["query"].partition("&vnp_SecureHash")[0]
    result = run("sign", "vnpay", "--query", unsigned, "--secret", f"hash_secret={HASH_KEY}")
    assert result.stdout == told["query"] + "\n"


def test_curl_is_ready_to_run(tmp_path):
    body = tmp_path / "it's a body"
    body.write_bytes(b"{}")
    url = "https://gateway.example/webhooks/standard"
    words = ["--body", body, "--secret", f"webhook_secret={WEBHOOK_KEY}", "--id", "msg_1", "--curl", url]
    made = shlex.split(run("sign", "standard", *words).stdout)
    assert made[:3] == ["curl", "--request", "POST"]
    assert "webhook-id: msg_1" in made
    assert made[-3:] == ["--data-binary", f"@{body}", url]

    result = run(
        "sign", "vnpay", "--query", "a=1", "--secret", f"hash_secret={HASH_KEY}", "--curl", "https://g.example/w"
    )
    made = shlex.split(result.stdout)
    assert made[0] == "curl"
    assert made[1].startswith("https://g.example/w?a=1&vnp_SecureHash=")


def test_a_terminal_is_not_obeyed_and_a_signed_key_not_shown(tmp_path):
    body = tmp_path / "body"
    body.write_bytes(b"\x1b[2J" + WEBHOOK_KEY.encode())
    result = run(
        "verify", "standard", "--body", body, "--secret", f"webhook_secret={WEBHOOK_KEY}",
        "--header", "webhook-id: a", "--header", "webhook-timestamp: 1", "--header", "webhook-signature: v1,AAAA",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "a.1.\\x1b[2J<webhook_secret>\n" in result.stdout


# ── banks of the settings ────────────────────────────────────────────────────────────────────────────────────────────

BANKS = """
[banks.ctg]
profile = "vietinbank"
[banks.saomai.callback]
fields = "json"
[banks.saomai.callback.signature]
algorithm = "hmac-sha256"
encoding = "hex"
key = "hash_key"
covers = ["ref", "sum"]
separator = "|"
stands_in = "header:X-Sign"
[banks.saomai.callback.notice]
source_reference = "ref"
amount = "sum"
[banks.saomai.callback.answers]
accepted = { body.code = "00" }
unproven = { body.code = "97" }
unreadable = { body.code = "99" }
busy = { body.code = "98" }
"""


@pytest.fixture
def with_banks(tmp_path, monkeypatch):
    path = tmp_path / "doisoat.toml"
    path.write_text(BANKS)
    monkeypatch.setenv("DOISOAT_CONFIG", str(path))


@pytest.mark.usefixtures("with_banks")
def test_a_bank_of_the_settings_is_known_by_its_name(tmp_path):
    body = tmp_path / "body"
    body.write_bytes(b'{"ref":"R1","sum":844960}')
    env = {"DOISOAT_SECRET_SAOMAI_HASH_KEY": HASH_KEY}
    made = run("sign", "saomai", "--body", body, env=env)
    assert made.exit_code == 0
    header = made.stdout.splitlines()[1]
    assert header.startswith("x-sign: ")
    good = run("verify", "saomai", "--body", body, "--header", header, env=env)
    assert good.stdout.startswith("verified\nevent id: sha256:")
    wrong = run("verify", "saomai", "--body", body, "--header", "X-Sign: 00", env=env)
    assert (wrong.exit_code, wrong.stdout.splitlines()[-1]) == (1, "R1|844960")
    rotated = run("verify", "saomai", "--body", body, "--header", header, "--secret", "hash_key=x", "--secret",
                  f"hash_key={HASH_KEY}")  # fmt: skip
    assert "signed with hash_key 2 of 2" in rotated.stdout
    assert run("verify", "saomai", "--body", body, "--header", header, "--secret", "hash_key=x").exit_code == 1


@pytest.mark.usefixtures("with_banks")
def test_a_bank_under_another_name_has_its_own_secrets(tmp_path):
    told = sample("vietinbank/paid")
    (key,) = told["secrets"]["bank_public_key"]
    words = words_of(told, tmp_path, secrets=False)
    assert run("verify", "ctg", *words, env={"DOISOAT_SECRET_CTG_BANK_PUBLIC_KEY": key}).exit_code == 0
    missing = run("verify", "ctg", *words)
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "ctg needs --secret bank_public_key=VALUE" in missing.stderr
    assert "our_private_key" not in missing.stderr, "our own key has no part in the proof"


@pytest.mark.usefixtures("with_banks")
def test_a_key_pair_is_signed_with_one_half_and_proven_with_the_other(tmp_path):
    told = sample("vietinbank/paid")
    words = words_of(told, tmp_path, secrets=False)
    (private,) = told["signing"]["bank_private_key"]
    made = run("sign", "ctg", *words, "--secret", f"bank_private_key={private}")
    assert made.stdout_bytes.endswith(told["body"].encode())
    assert "bank_private_key" in run("sign", "ctg", *words).stderr
    unknown = run("sign", "ctg", *words, "--secret", "key=x")
    assert "only bank_public_key, our_private_key, bank_private_key" in unknown.stderr


def test_a_mistake_in_the_file_is_told_and_not_passed_over(tmp_path, monkeypatch):
    path = tmp_path / "doisoat.toml"
    path.write_text(BANKS.replace('"hex"', '"hexx"'))
    monkeypatch.setenv("DOISOAT_CONFIG", str(path))
    result = run("verify", "saomai", "--body", "-", stdin=b"{}")
    assert result.exit_code == 2
    assert "banks.saomai.callback.signature.encoding: expected one of hex, base64, got 'hexx'" in result.stderr


# ── what would be booked ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem) for path in sorted(CORPUS.glob("*/*.callback.json"))]
)
def test_what_would_be_booked_is_told_of_proven_samples_alone(path, tmp_path):
    name, told = path.parent.name, json.loads(path.read_text(encoding="utf-8"))
    expected = told["expected"]
    # A sender's published sample may be years older than the day we kept it on.
    received_at = expected.get("notice", {}).get("paid_at", told["received_at"])
    result = run("verify", name, "--received-at", received_at, *words_of(told, tmp_path))
    shown = [line for line in result.stdout.splitlines() if "would be read as" in line]
    unread = [line for line in result.stdout.splitlines() if line.startswith("proven, but unreadable: ")]
    if "unproven" in expected:
        assert (shown, unread) == ([], [])
    elif "unreadable" in expected:
        assert (result.exit_code, shown, len(unread)) == (0, [], 1)
        assert expected["unreadable"] in unread[0]
    else:
        notices = expected.get("notices") or [expected["notice"]]
        assert (result.exit_code, len(shown), unread) == (0, len(notices), [])
        for line, notice in zip(shown, notices, strict=True):
            assert f"reference {notice['source_reference']}" in line
            assert line.startswith("would be read as no payment") == (not notice["paid"])
            assert ("···" in line) == ("payer_account" in notice)


BOOKED = {
    b'{"ref":"R1","sum":844960}': "would be read as: 844960 VND for nothing that names a bill, reference R1",
    b'{"ref":"R1","sum":"844960"}': "proven, but unreadable: sum: expected a whole number, got '844960'",
}


@pytest.mark.usefixtures("with_banks")
@pytest.mark.parametrize("sent", BOOKED)
def test_what_is_proven_is_read_as_well(sent, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(sent)
    words = ["saomai", "--body", body, "--secret", f"hash_key={HASH_KEY}"]
    header = run("sign", *words).stdout.splitlines()[1]
    good = run("verify", *words, "--header", header)
    assert (good.exit_code, good.stdout.splitlines()[0], good.stdout.splitlines()[-1]) == (0, "verified", BOOKED[sent])


def test_an_account_number_is_masked_and_an_old_sample_is_told_from_a_fresh_one(tmp_path):
    told = sample("casso/received")
    words = words_of(told, tmp_path)
    payer = told["expected"]["notice"]["payer_account"]
    result = run("verify", "casso", "--received-at", told["received_at"], *words)
    assert payer not in result.stdout
    assert f"from account ···{payer[-4:]}" in result.stdout
    late = run("verify", "casso", "--received-at", "2031-01-01T00:00:00+07:00", *words)
    assert late.exit_code == 0
    assert "proven, but unreadable: expected a time of payment within the last two years" in late.stdout


@pytest.mark.usefixtures("with_banks")
def test_a_name_nobody_has_is_answered_with_the_banks_of_the_file_too():
    result = run("verify", "saomia", "--body", "-", stdin=b"{}")
    assert result.exit_code == 2
    assert "known: casso, " in result.stderr
    assert result.stderr.endswith("; banks of DOISOAT_CONFIG: ctg, saomai\n")
