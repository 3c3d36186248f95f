"""A bank's secrets: told by fingerprints and days, never by value or length."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from gateway import bank_keys
from gateway.bank_settings import BankSettings, SftpSettings

BANK = BankSettings("saomai", "Sao Mai", profile="momo", sftp=SftpSettings("127.0.0.1", "u", "ssh-ed25519 AAAA"))
OLD, NEW = "the first key", "the second key"


@pytest.fixture
def given(monkeypatch):
    def give(name, *keys):
        monkeypatch.setenv(f"DOISOAT_SECRET_{name.upper()}", "\n".join(keys))

    return give


def test_the_names_follow_from_what_the_bank_does():
    assert bank_keys.names_of(BANK) == [
        "saomai_access_key", "saomai_secret_key", "saomai_sftp_password", "saomai_sftp_key", "saomai_pgp_key",
        "saomai_pgp_passphrase", "saomai_pgp_signer",
    ]  # fmt: skip
    collecting = BankSettings("b2", "B2", collects=True, napas_checksum="hmac")
    assert bank_keys.names_of(collecting)[:2] == ["b2_collect_secret", "b2_napas_key"]


def test_a_fingerprint_tells_keys_apart_and_nothing_of_their_length():
    prints = {bank_keys.fingerprint(key) for key in ("a", "b", "a" * 4000)}
    assert {len(one) for one in prints} == {8}
    assert len(prints) == 3
    assert bank_keys.fingerprint("a") != "ca978112", "no plain hash that stands in tables of known ones"


def test_a_rotation_is_told_by_its_day_and_an_old_key_warns(wiring, given, engine):
    wiring.settings.banks.clear()
    wiring.settings.banks["saomai"] = BANK
    given("saomai_secret_key", OLD)
    assert bank_keys.note_sightings(wiring) == 1
    given("saomai_secret_key", NEW, OLD)
    with Session(engine) as session:
        (secret,) = bank_keys.shown(session, wiring.settings, BANK)
        assert [one.since is None for one in secret.keys] == [True, False], "the new one was not looked for yet"
        assert secret.rotated_at is None
    assert bank_keys.note_sightings(wiring) == 1
    assert bank_keys.note_sightings(wiring) == 0
    with Session(engine) as session:
        (secret,) = bank_keys.shown(session, wiring.settings, BANK)
    assert secret.name == "saomai_secret_key"
    assert [one.fingerprint for one in secret.keys] == [bank_keys.fingerprint(NEW), bank_keys.fingerprint(OLD)]
    assert secret.rotated_at == secret.keys[0].since
    assert secret.rotated_at > secret.keys[1].since
    first = secret.keys[1].since
    assert not secret.is_old(first + timedelta(days=365))
    assert secret.is_old(first + timedelta(days=365, seconds=1))


def test_a_secret_that_cannot_be_read_is_said_and_its_neighbours_are_told(wiring, given, engine):
    folder = wiring.settings.home / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "saomai_access_key").write_text("open to all")
    (folder / "saomai_access_key").chmod(0o644)
    given("saomai_secret_key", NEW)
    with Session(engine) as session:
        broken, well = bank_keys.shown(session, wiring.settings, BANK)
    assert "expected mode 0600" in broken.unusable
    assert broken.keys == []
    assert [one.fingerprint for one in well.keys] == [bank_keys.fingerprint(NEW)]
    assert list(bank_keys.live(wiring.settings, BANK)) == ["saomai_secret_key"]
