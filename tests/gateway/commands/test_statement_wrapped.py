"""`doisoat statement read` of wrapped files: as if they were bare, with keys from the secrets."""

import gzip

import pytest
from click.testing import CliRunner
from pysequoia import Tsk, encrypt

from gateway.commands.statement import statement
from tests.gateway.commands.test_statement import DAY, run

OURS = Tsk.generate("Sandbox utility <utility@example.invalid>")
OTHER = Tsk.generate("Stranger <stranger@example.invalid>")


@pytest.fixture
def message(tmp_path):
    path = tmp_path / "SK2611.xml.gz.pgp"
    path.write_bytes(bytes(encrypt(gzip.compress(DAY.read_bytes()), [OURS.extract_certificate()])))
    return path


def test_a_message_is_opened_with_the_secret_and_unpacked(message, tmp_path):
    key = tmp_path / "key.asc"
    key.write_text(str(OURS))
    for env in ({"DOISOAT_SECRET_PGP_KEY": str(OURS)}, {"DOISOAT_SECRET_PGP_KEY_FILE": str(key)}):
        result = CliRunner(env=env).invoke(statement, ["read", str(message)])
        assert (result.exit_code, result.stdout_bytes) == (0, run(DAY).stdout_bytes)


def test_without_the_secret_the_refusal_says_what_to_give(message):
    result = run(message)
    assert (result.exit_code, result.stdout_bytes) == (65, b"")
    assert "no private key (secret pgp_key)" in result.stderr


def test_with_another_key_nothing_of_ours_is_shown(message):
    result = CliRunner(env={"DOISOAT_SECRET_PGP_KEY": str(OTHER)}).invoke(statement, ["read", str(message)])
    assert result.exit_code == 65
    assert "PRIVATE" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_broken_key_is_told_as_ours(message):
    result = CliRunner(env={"DOISOAT_SECRET_PGP_KEY": "nonsense"}).invoke(statement, ["read", str(message)])
    assert result.exit_code == 1
    assert "expected OpenPGP keys in armour" in str(result.exception) + result.stderr
