"""Carriers in the settings: what each kind needs, what is refused with its place, and what wiring makes of them."""

from datetime import time

import pytest

from banks.money import dong
from gateway.setting_tables import SettingsError
from gateway.settings import load
from gateway.wiring import Wiring
from reconciliation.sending_hours import Times
from sms.transports.declared import BalanceAsked, DeclaredTransport
from sms.transports.esms import EsmsTransport
from sms.transports.speedsms import SpeedSmsTransport

DECLARED = """
[sms.carriers.vnpt]
kind = "declared"
url = "https://sms.example/send"
remembers_hours = 12
[sms.carriers.vnpt.request]
headers = { Authorization = "Bearer {secret.token}" }
body = { id = "{request_id}", to = "{to84}", text = "{text}", from = "{brand}", flash = false, kind = 2 }
[sms.carriers.vnpt.answer]
code = "status"
reference = "id"
accepted = ["0"]
duplicate = [17]
halts = ["9"]
[sms.carriers.vnpt.receipt]
place = "query"
status = "st"
reference = "id"
delivered = ["1"]
undelivered = ["2"]
"""


@pytest.fixture
def read(tmp_path):
    def reading(toml):
        path = tmp_path / "doisoat.toml"
        path.write_text(toml)
        return load({"DOISOAT_CONFIG": str(path)})

    return reading


def test_the_url_alone_is_one_carrier_as_ever(read):
    [carrier] = read('[sms]\nurl = "https://sms.example/v1"').sms.carriers.values()
    assert (carrier.name, carrier.kind, carrier.url) == ("http", "http", "https://sms.example/v1")
    assert read("").sms.carriers == {}


def test_each_kind_has_its_usual_address_share_and_pace(read):
    toml = '[sms.carriers.esms]\nkind = "esms"\n[sms.carriers.fast]\nkind = "speedsms"\nweight = 3'
    assert [(one.url, one.weight, one.per_second) for one in read(toml).sms.carriers.values()] == [
        ("https://rest.esms.vn", 1, None), ("https://api.speedsms.vn", 3, 1)]  # fmt: skip


def test_wiring_makes_each_with_its_own_secrets(read, monkeypatch, tmp_path):
    toml = '[sms]\npublic_url = "https://doisoat.example"\n[sms.carriers.esms]\nkind = "esms"\n'
    settings = read(f'{toml}[sms.carriers.fast]\nkind = "speedsms"\n{DECLARED}')
    monkeypatch.setenv("DOISOAT_SECRET_RECEIPTS_KEY", "k")
    for name in ("ESMS_API_KEY", "ESMS_SECRET_KEY", "FAST_TOKEN"):
        monkeypatch.setenv(f"DOISOAT_SECRET_SMS_{name}", "s3cret")
    wiring = Wiring(settings, "", "")
    with pytest.raises(SettingsError, match="secret sms_vnpt_token: expected it in DOISOAT_SECRET_SMS_VNPT_TOKEN"):
        _ = wiring.carriers
    monkeypatch.setenv("DOISOAT_SECRET_SMS_VNPT_TOKEN", "s3cret")
    made = [carrier.transport for carrier in wiring.carriers.values()]
    assert [type(one) for one in made] == [EsmsTransport, SpeedSmsTransport, DeclaredTransport]
    assert wiring.receipts_url("esms").startswith("https://doisoat.example/sms/receipts/esms/")
    for one in made:
        one.close()


BALANCE = """
[sms.carriers.vnpt.balance]
url = "https://sms.example/account"
headers = { Authorization = "Bearer {secret.account}" }
amount = "data.0.left"
code = "status"
accepted = [0]
"""


def test_carriers_that_tell_their_balance_have_an_alarm(read):
    toml = '[sms]\nurl = "https://sms.example/v1"\n[sms.carriers.esms]\nkind = "esms"\nbalance_alarm = 2_000_000\n'
    toml += '[sms.carriers.fast]\nkind = "speedsms"\nbalance_alarm = 0\n'
    carriers = read(toml + DECLARED).sms.carriers
    assert {name: (one.tells_balance, one.balance_alarm) for name, one in carriers.items()} == {
        "http": (True, dong(500_000)), "esms": (True, dong(2_000_000)), "fast": (True, dong(0)),
        "vnpt": (False, dong(500_000)),
    }  # fmt: skip
    told = read(DECLARED.replace("remembers", "balance_alarm = 70_000\nremembers") + BALANCE).sms.carriers["vnpt"]
    assert (told.tells_balance, told.balance_alarm) == (True, dong(70_000))
    assert told.secrets == ("account", "token")
    assert told.declaration.balance == BalanceAsked(
        "https://sms.example/account", "data.0.left", headers={"Authorization": "Bearer {secret.account}"},
        code="status", accepted=frozenset({"0"}),
    )  # fmt: skip
    linked = read('[sms.carriers.link]\nkind = "smpp"\nhost = "smsc.example"\nsystem_id = "us"').sms.carriers["link"]
    assert not linked.tells_balance


@pytest.mark.parametrize(
    ("toml", "why"),
    [
        ('[sms.carriers.x]\nkind = "esms"\nbalance_alarm = -1', r"x\.balance_alarm: expected a whole number from 0"),
        ('[sms.carriers.x]\nkind = "esms"\nbalance_alarm = 5.5', r"x\.balance_alarm: expected a whole number from 0"),
        (
            '[sms.carriers.x]\nkind = "smpp"\nhost = "a"\nsystem_id = "us"\nbalance_alarm = 5',
            r"x\.balance_alarm: expected it of a carrier that tells its balance",
        ),
        (DECLARED.replace("remembers", "balance_alarm = 5\nremembers"), "of a carrier that tells its balance"),
        (DECLARED + BALANCE.replace('amount = "data.0.left"', ""), r"vnpt\.balance\.amount: expected a value"),
        (DECLARED + BALANCE.replace('url = "https://sms.example/account"', ""), r"balance\.url: expected a value"),
        (DECLARED + BALANCE.replace("https:", "sftp:"), r"balance\.url: expected an address"),
        (DECLARED + BALANCE.replace("secret.account", "to84"), r"vnpt: balance: expected holes of secret.NAME, got"),
        (DECLARED + BALANCE.replace('code = "status"', ""), "balance: expected code and accepted both, or neither"),
        (DECLARED + BALANCE + "floor = 5", r"vnpt\.balance\.floor: expected one of"),
        (DECLARED + BALANCE.replace('"data.0.left"', '"a b"'), r"balance\.amount: expected a name, or names with dots"),
        ('[sms.carriers.x]\nkind = "esms"\n[sms.carriers.x.balance]\n', r"carriers\.x\.balance: expected one of"),
        ("[sms.carriers.esms]", r"sms\.carriers\.esms\.kind: expected a value, got none"),
        ('[sms.carriers.esms]\nkind = "twilio"', r"sms\.carriers\.esms\.kind: expected http or esms"),
        ('[sms.carriers.ESMS]\nkind = "esms"', "expected a carrier's name of small letters"),
        ('[sms.carriers.x]\nkind = "http"', r"sms\.carriers\.x\.url: expected a value"),
        ('[sms.carriers.x]\nkind = "esms"\nweight = -1', r"weight: expected a whole number from 0"),
        ('[sms.carriers.x]\nkind = "esms"\nremembers_hours = 2', "remembers_hours: expected it of a declared carrier"),
        ('[sms.carriers.x]\nkind = "esms"\ntoken = "s3cret"', r"sms\.carriers\.x\.token: expected one of"),
        ('[sms.carriers.x]\nkind = "esms"\nallow_from = ["0.0.0.0/0"]', "not the whole internet"),
        ('[sms]\nurl = "http://a/"\n[sms.carriers.http]\nkind = "esms"', "expected another name: sms.url makes one"),
        (DECLARED.replace("{to84}", "{phone}"), r"sms\.carriers\.vnpt: request: expected holes of .* got \{phone\}"),
        (DECLARED.replace("remembers_hours = 12", ""), "codes of duplicates and remembers_hours both, or neither"),
        (DECLARED.replace('accepted = ["0"]', 'accepted = "0"'), r"answer\.accepted: expected a list of codes"),
        (DECLARED.replace('reference = "id"\ndelivered', "delivered"), r"receipt\.reference: expected a value"),
        (DECLARED.replace("flash = false", "flash = 1.5"), r"request\.body: expected a table of texts, whole"),
        (DECLARED.replace('code = "status"', 'code = "a b"'), r"answer\.code: expected a name, or names with dots"),
    ],
)
def test_a_wrong_carrier_is_refused_with_its_place(read, toml, why):
    with pytest.raises(SettingsError, match=why):
        read(toml)


def test_times_and_test_numbers_are_read_and_a_wrong_one_is_named(tmp_path):
    file = tmp_path / "doisoat.toml"
    file.write_text('[sms]\ntest_numbers = ["0912 345 678"]\n[sms.times]\nquiet_from = "22:00"\nnotice_days = 3\n')
    read = load({"DOISOAT_CONFIG": str(file)}).sms
    assert (read.times, read.test_numbers) == (Times(quiet_from=time(22), notice_days=3), {"+84912345678"})
    for text, said in (
        ('[sms.times]\nquiet = "22:00"\n', "sms.times.quiet: expected one of quiet_from"),
        ("[sms.times]\ndaily = -1\n", "sms.times.daily: expected a whole number from 0 to 100"),
        ('[sms]\ntest_numbers = ["113"]\n', "sms.test_numbers: expected Vietnamese mobile numbers"),
    ):
        file.write_text(text)
        with pytest.raises(SettingsError, match=said):
            load({"DOISOAT_CONFIG": str(file)})
