"""Settings: the environment wins, a mistake is one line that names the key, and nothing private is repeated."""

import re
from datetime import time
from pathlib import Path

import pytest

from banks import profile as bank_profiles
from gateway.settings import Settings, SettingsError, load


@pytest.fixture(autouse=True)
def _known_profiles(monkeypatch):
    monkeypatch.setattr(bank_profiles, "names", lambda: ["momo", "standard"])


@pytest.fixture
def config(tmp_path):
    def write(text: str, **more: str) -> dict[str, str]:
        path = tmp_path / "doisoat.toml"
        path.write_text(text, "utf-8")
        return {"DOISOAT_CONFIG": str(path), **more}

    return write


def test_an_empty_environment_gives_a_gateway_on_this_machine():
    settings = load({})
    assert settings.home == Path(__file__).resolve().parents[2] / "var"
    assert (settings.database_url, settings.valkey_url, settings.sandbox) == (None, None, False)
    assert (settings.host, settings.port, settings.trusted_proxies) == ("127.0.0.1", 8080, 0)
    assert settings.banks == {}
    with pytest.raises(AttributeError):
        settings.port = 1  # type: ignore[misc]


def test_the_environment_sets_every_plain_value(tmp_path):
    settings = load(
        {
            "DOISOAT_HOME": str(tmp_path / "x" / ".."),
            "DOISOAT_DATABASE_URL": "postgresql://u:p@db/doisoat",
            "DOISOAT_VALKEY_URL": "unix:///run/v.sock",
            "DOISOAT_PORT": "9000",
            "DOISOAT_SANDBOX": "yes",
            "DOISOAT_HOTLINE": "19001234",
            "DOISOAT_TRUSTED_PROXIES": "1",
            "DOISOAT_WEB_THREADS": "8",
            "DOISOAT_SMS_URL": "smpp://host:2775",
            "DOISOAT_SMS_BRAND": "EVNTEST",
            "DOISOAT_BRAND": "",
        }
    )
    assert settings.home == tmp_path
    assert (settings.port, settings.sandbox, settings.hotline, settings.web_threads) == (9000, True, "19001234", 8)
    assert (settings.sms.url, settings.sms.brand) == ("smpp://host:2775", "EVNTEST")
    assert settings.brand == Settings(home=tmp_path).brand, "an empty variable counts as not set"


def test_a_file_describes_banks_and_the_environment_wins_over_it(config, tmp_path):
    environ = config(
        """
        home = "data"
        port = 8081
        brand = "Điện lực Hà Nội"
        [sms]
        brand = "DLHN"
        [banks.momo]
        title = "MoMo"
        profile = "momo"
        [banks.vietinbank]
        title = "VietinBank"
        accounts = ["112000012345", "112000067890"]
        statement_by = "07:30"
        [banks.vietinbank.sftp]
        host = "sftp.example"
        username = "evn"
        host_key = "ssh-ed25519 AAAAC3Nz"
        pattern = "*.xml"
        done_marker = ".md5"
        after = "archive"
        archive = "/done"
        outbox = "/out"
        upload_marker = ".ok"
        read_back = true
        per_poll = 20
        """,
        DOISOAT_PORT="8082",
    )
    settings = load(environ)
    assert (settings.home, settings.port, settings.brand) == (tmp_path / "data", 8082, "Điện lực Hà Nội")
    momo, vietinbank = settings.banks["momo"], settings.banks["vietinbank"]
    assert momo.callbacks, "a profile means callbacks unless the file says otherwise"
    assert (vietinbank.callbacks, vietinbank.statement_by) == (False, time(7, 30))
    assert vietinbank.accounts == ("112000012345", "112000067890")
    assert vietinbank.sftp is not None
    assert (vietinbank.sftp.port, vietinbank.sftp.inbox, vietinbank.sftp.pattern) == (22, "/", "*.xml")
    assert (vietinbank.sftp.done_marker, vietinbank.sftp.after, vietinbank.sftp.archive) == (".md5", "archive", "/done")
    assert (vietinbank.sftp.outbox, vietinbank.sftp.upload_marker, vietinbank.sftp.read_back) == ("/out", ".ok", True)
    assert (vietinbank.sftp.per_poll, vietinbank.sftp.deadline, vietinbank.sftp.failures_allowed) == (20, 240, 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prot = 80", r"prot: expected one of .*port.*, got this key"),
        ("port = '80'", r"port: expected a whole number from 1 to 65535, got '80'"),
        ("port = true", r"port: expected a whole number from 1 to 65535, got True"),
        ("sandbox = 1", r"sandbox: expected true or false, got 1"),
        ("banks = 3", r"banks: expected a table, got 3"),
        ("[banks.MoMo]", r"banks.MoMo: expected a name of .*, got 'MoMo'"),
        ("[banks.momo]\nprofile = 'mono'", r"banks.momo.profile: expected one of momo, standard, declared, got 'mono'"),
        ("[banks.momo]\ncallbacks = true", r"banks.momo.profile: expected a value, got none"),
        ("[banks.momo]\nstatement_by = '8h'", r'banks.momo.statement_by: expected a local time such as "08:00", got'),
        ("[banks.momo.sftp]\nhost = 'h'\nusername = 'u'", r"banks.momo.sftp.host_key: expected a value, got none"),
        ("[banks.momo.sftp]\nport = 0", r"banks.momo.sftp.port: expected a whole number from 1 to 65535, got 0"),
        ("[banks.momo.sftp]\nafter = 'move'", r'sftp.after: expected "leave", "archive" or "delete", got \'move\''),
        ("[banks.momo.sftp]\ndone_marker = 'ok'", r"sftp.done_marker: expected the ending of a file .*, got \'ok\'"),
        ("[banks.momo.sftp]\nupload_marker = './x'", r"sftp.upload_marker: expected the ending"),
        ("[banks.momo.sftp]\ndeadline = 900", r"sftp.deadline: expected a whole number from 10 to 540, got 900"),
        (
            "[banks.momo.sftp]\nhost = 'h'\nusername = 'u'\nhost_key = 'k'\nafter = 'archive'",
            r"banks.momo.sftp.archive: expected a value, got none",
        ),
        ("[sms]\nbrand = 'Điện lực'", r"sms.brand: expected a sender name .*, got 'Điện lực'"),
        ("port 80", r"expected TOML, got .*line 1"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_naming_the_key(config, text, expected):
    with pytest.raises(SettingsError, match=expected) as caught:
        load(config(text))
    assert "\n" not in str(caught.value)
    assert "doisoat.toml" in str(caught.value) or "banks." in str(caught.value)


def test_a_missing_file_is_named():
    with pytest.raises(SettingsError, match=r"DOISOAT_CONFIG: .*/nowhere.toml: No such file"):
        load({"DOISOAT_CONFIG": "/nowhere.toml"})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DOISOAT_PORT", "http", "DOISOAT_PORT: expected a whole number from 1 to 65535, got 'http'"),
        ("DOISOAT_PORT", "٨٠", "DOISOAT_PORT: expected a whole number"),
        ("DOISOAT_SANDBOX", "maybe", "DOISOAT_SANDBOX: expected true or false, got 'maybe'"),
        ("DOISOAT_DATABSE_URL", "postgresql://x", "DOISOAT_DATABSE_URL: expected one of .*DOISOAT_DATABASE_URL"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(name, value, expected):
    with pytest.raises(SettingsError, match=expected):
        load({name: value})


def test_passwords_and_account_numbers_reach_neither_messages_nor_repr(config):
    with pytest.raises(SettingsError) as caught:
        load({"DOISOAT_DATABASE_URL": "mysql://u:hunter2@db/x"})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        load(config("[banks.momo]\naccounts = ['112000012345', '112 000']"))
    assert re.match(r".*banks.momo.accounts: expected a list of account numbers", str(caught.value))
    assert "112000012345" not in str(caught.value)
    good = load(config("[banks.momo]\naccounts = ['112000012345']", DOISOAT_DATABASE_URL="postgresql://u:hunter2@db/x"))
    assert "hunter2" not in repr(good)
    assert "112000012345" not in repr(good)


def test_secret_variables_are_nobodys_business_here():
    load({"DOISOAT_SECRET_MOMO_SECRET_KEY": "k", "DOISOAT_TEST_ANYTHING": "1"})
