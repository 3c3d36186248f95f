"""Carriers in the settings: what each kind needs, what is refused with its place, and what wiring makes of them."""

from datetime import time

import pytest

from gateway.setting_tables import SettingsError
from gateway.settings import load
from gateway.wiring import Wiring
from reconciliation.sending_times import Times
from sms.transports.declared import DeclaredTransport
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


@pytest.mark.parametrize(
    ("toml", "why"),
    [
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
