"""Settings: the environment wins, a mistake is one line that names the key, and nothing private is repeated."""

import re
from datetime import date, time
from pathlib import Path

import pytest

from banks import profile as bank_profiles
from gateway.setting_tables import SettingsError
from gateway.settings import Settings, load


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
        statement_days = ["mon", "wed"]
        statement_since = 2026-11-02
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
    assert (vietinbank.statement_days, vietinbank.statement_since) == ({0, 2}, date(2026, 11, 2))
    assert (momo.statement_days, momo.statement_since) == ("business", None)
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
        ("[banks.momo]\ncolour = 1", r"banks.momo.colour: expected one of sftp, .*callback, table.*allow_from"),
        ("port = '80'", r"port: expected a whole number from 1 to 65535, got '80'"),
        ("port = true", r"port: expected a whole number from 1 to 65535, got True"),
        ("sandbox = 1", r"sandbox: expected true or false, got 1"),
        ("banks = 3", r"banks: expected a table, got 3"),
        ("[banks.MoMo]", r"banks.MoMo: expected a name of .*, got 'MoMo'"),
        ("[banks.momo]\nprofile = 'mono'", r"banks.momo.profile: expected one of momo, standard, declared, got 'mono'"),
        ("[banks.momo]\ncallbacks = true", r"banks.momo.profile: expected a value, got none"),
        ("[banks.momo]\nstatement_by = '8h'", r'banks.momo.statement_by: expected a local time such as "08:00", got'),
        ("[banks.momo]\nstatement_days = 'weekly'", r'statement_days: expected "business", "daily" or a list of w'),
        ("[banks.momo]\nstatement_days = []", r'statement_days: expected "business", "daily" or a list of weekdays'),
        ("[banks.momo]\nstatement_days = ['Mon']", r'statement_days: expected "business", "daily" or a list of'),
        ("[banks.momo]\nstatement_since = '2026-11-02'", r"statement_since: expected a day without quotes such as"),
        ("[banks.momo]\nstatement_since = 2026-11-02T08:00:00", r"statement_since: expected a day without quotes"),
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


CALLBACK = """
[banks.saomai.callback]
fields = "json"
[banks.saomai.callback.signature]
algorithm = "ALGORITHM"
encoding = "hex"
key = "hash_key"
covers = ["ref", "sum", "secret:hash_key"]
separator = "|"
stands_in = "sign"
[banks.saomai.callback.notice]
source_reference = "ref"
amount = "sum"
[banks.saomai.callback.answers]
accepted = { body.code = "00" }
unproven = { body.code = "97" }
unreadable = { body.code = "99" }
busy = { body.code = "98" }
"""
WEAK = CALLBACK.replace("ALGORITHM", "md5-with-secret")
DECLARED = CALLBACK.replace("ALGORITHM", "hmac-sha256")


def test_a_callback_declared_in_the_file_makes_a_profile_of_its_own(config):
    bank = load(config(DECLARED)).banks["saomai"]
    assert (bank.profile, bank.callbacks, bank.caller_profile().name) == ("declared", True, "saomai")
    assert not load(config("[banks.saomai]\ncallbacks = false\n" + DECLARED)).banks["saomai"].callbacks
    assert load(config('[banks.saomai]\nprofile = "declared"\n' + DECLARED)).banks["saomai"].callback


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DECLARED.replace('"json"', '"xml"'), "saomai.callback.fields: expected one of json, form, query, got 'xml'"),
        (DECLARED.replace("00", "97"), "saomai.callback.answers.unproven: expected another answer than accepted"),
        ("[banks.saomai]\ncallback = 3", "saomai.callback: expected a table, got 3"),
        ("[banks.saomai]\nprofile = 'momo'\n" + DECLARED, "saomai.profile: expected declared .* 'momo' with"),
        ("[banks.saomai]\nprofile = 'declared'", "saomai.profile: expected declared .* 'declared' without"),
        (WEAK, "saomai: expected allow_from, or mtls_header and mtls_identity, because .*, got neither"),
        ("[banks.momo]\nallow_from = []", "momo.allow_from: expected a list of addresses .*, got \\[\\]"),
        ("[banks.momo]\nallow_from = ['1.2.3']", "momo.allow_from: expected a list of addresses or networks"),
        ("[banks.momo]\nallow_from = ['10.0.0.1/8']", "momo.allow_from: expected a list of addresses or networks"),
        ("[banks.momo]\nallow_from = ['0.0.0.0/0']", "momo.allow_from: expected networks that are not"),
        ("[banks.momo]\nallow_from = ['::ffff:0:0/96']", "momo.allow_from: expected networks that are not"),
        ("[banks.momo]\nmtls_header = 'a b'\nmtls_identity = 'x'", "momo.mtls_header: expected the name of a header"),
        ("[banks.momo]\nmtls_header = 'X-Cert'", "momo.mtls_identity: expected a value, got none"),
        ("[banks.momo]\nmtls_proxy = ['10.0.0.5']", "momo.mtls_header: expected a value, got none"),
        ("[banks.momo]\nmtls_identity = 'CN=x'", "momo.mtls_header: expected a value, got none"),
        (
            "[banks.momo]\nmtls_header = 'X-Cert'\nmtls_identity = 'CN=x'",
            "momo.mtls_header: expected trusted_proxies of at least 1 beside it, .*, got 0",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_how_a_bank_calls_is_one_line_too(config, text, expected):
    with pytest.raises(SettingsError, match=rf"banks\.{expected}") as caught:
        load(config(text))
    assert "\n" not in str(caught.value)
    assert "doisoat.toml" in str(caught.value)


def test_a_weak_proof_may_stand_beside_an_address_or_a_certificate(config):
    origin = load(config("[banks.saomai]\nallow_from = ['203.0.113.0/24', '::1']\n" + WEAK)).banks["saomai"].origin
    assert [str(network) for network in origin.allow_from] == ["203.0.113.0/24", "::1/128"]
    mtls = "[banks.saomai]\nmtls_header = 'X-Cert'\nmtls_identity = 'CN=x'\n" + WEAK
    with pytest.raises(SettingsError, match="trusted_proxies"):
        load(config(mtls))
    for proxies in ("trusted_proxies = 1\n" + mtls, mtls):
        more = {} if proxies is not mtls else {"DOISOAT_TRUSTED_PROXIES": "1"}
        assert load(config(proxies, **more)).banks["saomai"].origin.mtls_header == "x-cert"
    assert load(config("[banks.saomai]\ncallbacks = false\n" + WEAK)), "a bank that never calls proves nothing wrongly"


def test_vietcombank_does_not_start_without_one_of_them(config, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(SettingsError, match=r"banks\.vietcombank: expected allow_from, or mtls_header"):
        load(config("[banks.vietcombank]\nprofile = 'vietcombank'"))
    assert load(config("[banks.vietcombank]\nprofile = 'vietcombank'\nallow_from = ['203.0.113.7']"))


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


def test_a_bank_may_collect_without_calling_back(config):
    bank = load(config("[banks.saomai]\ncollects = true")).banks["saomai"]
    assert (bank.collects, bank.callbacks) == (True, False)
    assert not load(config("[banks.saomai]")).banks["saomai"].collects
    with pytest.raises(SettingsError, match="collects: expected true or false, got 'maybe'"):
        load(config("[banks.saomai]\ncollects = 'maybe'"))


def test_the_banks_that_the_page_on_tables_declares_are_read(config):
    page = (Path(__file__).parents[2] / "docs" / "formats" / "tables.md").read_text("utf-8")
    declared = [block.partition("```")[0] for block in page.split("```toml\n")[1:]]
    reached = [
        (bank.name, bank.sftp.pattern)
        for text in declared
        for bank in load(config(text)).banks.values()
        if bank.sftp is not None
    ]
    assert [name for name, _ in reached] == ["bidv", "mb", "vietinbank", "vietcombank", "vietcombank"]
    assert all(pattern.endswith((".csv", ".xlsx")) for _, pattern in reached)


def test_who_must_have_a_second_factor_is_a_list_of_roles(config):
    assert load({}).second_factor_roles is None
    assert load({"DOISOAT_SECOND_FACTOR_ROLES": "accountant care"}).second_factor_roles == {"accountant", "care"}
    assert load(config('home = "data"\nsecond_factor_roles = []')).second_factor_roles == frozenset()
    with pytest.raises(SettingsError, match=r"second_factor_roles: expected a list of roles among accountant"):
        load(config('home = "data"\nsecond_factor_roles = ["boss"]'))
