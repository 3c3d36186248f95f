"""The pages on declaring a bank are true: their tables are read, and the walk-through prints what it shows."""

import dataclasses
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from banks.declared import Declared
from banks.declared_answers import SAME_AS
from banks.declared_notice import TEXTS
from banks.declared_signing import ALGORITHMS
from banks.records import Outcome, PaymentNotice, RawRequest
from gateway.bank_settings import bank_keys
from gateway.settings import load
from tests.docs.test_bank_pages import CONSOLE, shown

DOCS = Path(__file__).parents[2] / "docs"
WALK = (DOCS / "adding-a-bank.md").read_text("utf-8")
KEYS = (DOCS / "banks" / "declaring.md").read_text("utf-8")


def block(page: str, language: str) -> str:
    """Return the first block of `page` in `language`."""
    found = re.search(rf"^```{language}\n(.*?)\n```", page, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_walk_through_prints_what_it_shows(tmp_path: Path) -> None:
    (tmp_path / "doisoat.toml").write_text(block(WALK, "toml"), "utf-8")
    (tmp_path / "event.json").write_text(block(WALK, "json"), "utf-8")
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DOISOAT_CONFIG": str(tmp_path / "doisoat.toml"), "DOISOAT_HOME": str(tmp_path),
    }  # fmt: skip
    parts = [shown(one) for one in CONSOLE.findall(WALK)]
    commands = [command for one, _ in parts for command in one]
    expected = [output for _, outputs in parts for output in outputs]
    script = "\n".join(f"{command}\necho; echo '== end'" for command in commands)
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    assert [one.strip() for one in done.stdout.split("== end")[:-1]] == expected
    assert len(expected) == 4


def test_the_example_with_every_table_is_read(tmp_path: Path) -> None:
    (tmp_path / "doisoat.toml").write_text(block(KEYS, "toml"), "utf-8")
    bank = load({"DOISOAT_CONFIG": str(tmp_path / "doisoat.toml")}).banks["trungsao"]
    assert bank.callback is not None
    assert (bank.profile, bank.callbacks, bank.callback.name) == ("declared", True, "trungsao")
    assert bank.callback.secrets == ("bank_public_key", "push_token", "our_private_key")
    assert bank.callback.max_age == timedelta(minutes=5)
    assert [str(network) for network in bank.origin.allow_from] == ["203.0.113.0/24", "2001:db8:7::/48"]
    assert bank.origin.mtls_header == "x-client-cert-subject"


def test_every_word_that_a_declaration_knows_is_explained() -> None:
    for word in (*ALGORITHMS, *TEXTS, *(outcome.value for outcome in Outcome)):
        assert f"`{word}`" in KEYS, word
    rows = [line for line in KEYS.splitlines() if line.startswith("| `")]
    for outcome in Outcome:
        row = next(row for row in rows if f"`{outcome.value}`" in row.split("|")[1])
        told_by = SAME_AS.get(outcome)
        assert row.endswith("| required |" if told_by is None else f"| as `{told_by.value}` |")


def test_every_key_of_a_bank_is_explained() -> None:
    rows = [line for line in WALK.splitlines() if line.startswith("| `")]
    for key in bank_keys():
        assert any(f"`{key}`" in row.split("|")[1] for row in rows), key


def test_the_module_of_a_profile_is_one() -> None:
    module: dict[str, object] = {}
    exec(compile(block(WALK, "python"), "haivan.py", "exec"), module)
    profile = module["PROFILE"]
    assert isinstance(profile, Declared)
    assert (profile.name, profile.secrets) == ("haivan", ("hash_key",))
    raw = b'{"ref":"R1","sum":844960,"code":"PC1","at":"2026-11-18T09:15:00+07:00"}'
    at = datetime(2026, 11, 18, 2, 15, 5, tzinfo=UTC)
    signed = profile.sign(RawRequest("POST", b"", {}, raw, at), {"hash_key": ["SANDBOX"]}, at)
    assert profile.read(RawRequest("POST", b"", {}, signed.body, at)).payment_code == "PC1"


def test_every_field_of_a_samples_notice_is_named() -> None:
    text = WALK.partition("A `notice` has")[2].partition("\n\n")[0]
    for field in dataclasses.fields(PaymentNotice):
        assert f"`{'minor' if field.name == 'amount' else field.name}`" in text, field.name
