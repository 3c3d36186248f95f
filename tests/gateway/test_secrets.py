"""Secrets: found by variable or file, newest first, never echoed, made once however many ask."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from gateway.bank_settings import BankSettings
from gateway.secrets import bank_secrets, ensure_secret, secret
from gateway.setting_tables import SettingsError
from gateway.settings import Settings

PEM = "-----BEGIN PUBLIC KEY-----\nMFkwEwYH,KoZ\n-----END PUBLIC KEY-----"


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("one", ["one"]),
        ("new,old", ["new", "old"]),
        (" new \n old\n", ["new", "old"]),
        (f"{PEM}\n{PEM.replace('MF', 'MG')}\n", [PEM, PEM.replace("MF", "MG")]),
    ],
)
def test_a_variable_lists_keys_newest_first(settings, text, keys):
    assert secret(settings, "api_key", {"DOISOAT_SECRET_API_KEY": text}) == keys


def test_a_file_lists_one_key_per_line_and_may_hold_commas(settings, tmp_path):
    other = tmp_path / "mounted"
    other.write_text("a,b\nc\n")
    assert secret(settings, "api_key", {"DOISOAT_SECRET_API_KEY_FILE": str(other)}) == ["a,b", "c"]


def test_the_variable_wins_over_the_file(settings):
    ensure_secret(settings.home, "api_key")
    assert secret(settings, "api_key", {"DOISOAT_SECRET_API_KEY": "mine"}) == ["mine"]


def test_a_missing_secret_names_every_way_to_give_it(settings):
    with pytest.raises(SettingsError) as caught:
        secret(settings, "api_key", {})
    for way in ("DOISOAT_SECRET_API_KEY,", "DOISOAT_SECRET_API_KEY_FILE", str(settings.home / "secrets" / "api_key")):
        assert way in str(caught.value)


def test_an_empty_secret_is_an_error_not_an_empty_key(settings):
    with pytest.raises(SettingsError, match="expected at least one key, got none"):
        secret(settings, "api_key", {"DOISOAT_SECRET_API_KEY": " ,\n"})


def test_a_file_open_to_others_is_refused_without_showing_it(settings):
    path = ensure_secret(settings.home, "api_key", lambda: "s3cr3t")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o640)
    with pytest.raises(SettingsError, match=r"expected mode 0600.*got 0640") as caught:
        secret(settings, "api_key", {})
    assert "s3cr3t" not in str(caught.value)


def test_bytes_that_are_no_text_and_files_too_large_are_refused(settings):
    path = ensure_secret(settings.home, "api_key")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="expected text in UTF-8"):
        secret(settings, "api_key", {})
    path.write_bytes(b"a" * 100_000)
    with pytest.raises(SettingsError, match="at most 65536 bytes"):
        secret(settings, "api_key", {})


@pytest.mark.parametrize("name", ["../etc/passwd", "API", "", "a" * 65])
def test_a_name_can_not_leave_the_folder(settings, name):
    with pytest.raises(SettingsError, match="expected a secret's name"):
        secret(settings, name, {})


def test_of_many_that_make_a_secret_one_wins_and_all_read_it(settings):
    barrier = Barrier(8)

    def make(number):
        barrier.wait()
        ensure_secret(settings.home, "api_key", lambda: f"key{number}")
        return secret(settings, "api_key", {})

    with ThreadPoolExecutor(8) as pool:
        seen = {tuple(keys) for keys in pool.map(make, range(8))}
    assert len(seen) == 1
    assert [path.name for path in (settings.home / "secrets").iterdir()] == ["api_key"]


def test_a_bank_keeps_its_secrets_under_its_own_name(settings):
    bank = BankSettings(name="momo", title="MoMo", profile="momo")
    environ = {"DOISOAT_SECRET_MOMO_ACCESS_KEY": "a", "DOISOAT_SECRET_MOMO_SECRET_KEY": "new,old"}
    assert bank_secrets(settings, bank, ("access_key", "secret_key"), environ) == {
        "access_key": ["a"],
        "secret_key": ["new", "old"],
    }


def test_of_alternative_secrets_one_is_enough_and_a_broken_one_is_not_passed_over(settings):
    bank = BankSettings(name="sepay", title="SePay", profile="sepay")
    names, prefix = ("webhook_secret", "api_key"), "DOISOAT_SECRET_SEPAY_"
    both = {f"{prefix}WEBHOOK_SECRET": "a", f"{prefix}API_KEY": "b"}
    assert bank_secrets(settings, bank, names, both, any_one=True) == {"webhook_secret": ["a"], "api_key": ["b"]}
    one = {f"{prefix}API_KEY": "b"}
    assert bank_secrets(settings, bank, names, one, any_one=True) == {"api_key": ["b"]}
    with pytest.raises(SettingsError, match="sepay_webhook_secret"):
        bank_secrets(settings, bank, names, one)
    with pytest.raises(SettingsError, match=r"sepay_webhook_secret.*; or secret sepay_api_key"):
        bank_secrets(settings, bank, names, {}, any_one=True)
    with pytest.raises(SettingsError, match="expected at least one key"):
        bank_secrets(settings, bank, names, one | {f"{prefix}WEBHOOK_SECRET": " ,"}, any_one=True)
