"""`doisoat sms`: a line per carrier, and a person's word that lets an ill one be tried again."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from gateway.database import transaction
from reconciliation import carrier_balances, carriers
from reconciliation.carriers import Words

NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)


@pytest.fixture
def sms(doisoat, environment, wiring, tmp_path):
    """Run `doisoat sms …` on the test's database."""
    config = tmp_path / "carriers.toml"
    config.write_text(
        '[sms]\nprice = 350\n[sms.carriers.esms]\nkind = "esms"\nweight = 3\n[sms.carriers.fast]\nkind = "speedsms"\n'
    )
    env = environment(
        CONFIG=config, HOME=wiring.settings.home, DATABASE_URL=wiring.database_url, VALKEY_URL=wiring.valkey_url
    )
    return lambda *words: doisoat("sms", *words, env=env)


def test_carriers_have_a_line_each_and_a_retry_is_kept_in_the_audit_trail(sms, wiring, rows):
    words = Words(accepted=7, troubled=1, milliseconds=800, last="no balance", halts="the balance is used up (103)")
    with transaction(wiring.engine) as session:
        carriers.heard(session, "esms", words, now=datetime.now(UTC), at=datetime.now(UTC))
    told = sms("carriers")
    assert told.returncode == 0, told.stderr
    esms, fast = told.stdout.splitlines()
    assert esms.startswith("esms: esms, weight 3, ILL since ")
    assert "(the balance is used up (103); a person has to act), tried again " in esms
    assert ", 8 asked, 1 in trouble, 100 ms, 0 waiting, 0 unsure, balance not asked yet, last word " in esms
    assert esms.endswith(": no balance")
    assert fast == "fast: speedsms, weight 1, at most 1/s, never asked, 0 waiting, balance not asked yet"
    assert sms("retry", "esms").stdout == "esms is tried again now\n"
    assert rows("SELECT action, subject, actor FROM audit WHERE action = 'carrier.allowed'") == [
        ("carrier.allowed", "carrier:esms", "command line")]  # fmt: skip
    assert "expected a declared carrier (esms, fast), got 'nobody'" in sms("retry", "nobody").stderr


def test_the_balance_is_shown_with_when_it_was_asked_and_that_it_is_low(sms, wiring):
    now, moment = datetime.now(UTC), r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d"
    with transaction(wiring.engine) as session:
        carrier_balances.told(session, "esms", 53_380, alarm_minor=500_000, now=now)
        carrier_balances.told(session, "fast", 1_240_000, alarm_minor=500_000, now=now)
    esms, fast = sms("carriers").stdout.splitlines()
    low = rf".* 0 waiting, balance 53\.380 đ told at {moment}, LOW since {moment}, asked at {moment}"
    assert re.fullmatch(low, esms)
    assert re.fullmatch(rf".* 0 waiting, balance 1\.240\.000 đ told at {moment}, asked at {moment}", fast)


def test_a_balance_not_told_for_an_hour_is_not_known(sms, wiring):
    now, moment = datetime.now(UTC), r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d"
    before = now - timedelta(minutes=61)
    with transaction(wiring.engine) as session:
        carrier_balances.told(session, "esms", 53_380, alarm_minor=0, now=before)
        carrier_balances.not_told(session, "esms", "the carrier answered 500", now=now)
        carrier_balances.not_told(session, "fast", "the carrier answered 404", now=now)
    esms, fast = sms("carriers").stdout.splitlines()
    unknown = rf".* balance NOT KNOWN, 53\.380 đ told at {moment}, asked at {moment} and not told: the carrier"
    assert re.fullmatch(rf"{unknown} answered 500", esms)
    never = rf".* balance never told, asked at {moment} and not told: the carrier answered 404"
    assert re.fullmatch(never, fast), "no amount, and not yet an hour"


def test_a_provider_that_asks_for_it_in_its_own_pages_is_given_the_address_for_its_receipts(sms, wiring):
    assert sms("receipts", "fast").stdout.strip() == wiring.receipts_url("fast")
    assert "expected a declared carrier (esms, fast), got 'nobody'" in sms("receipts", "nobody").stderr


def test_the_gateway_does_not_start_while_one_carrier_lacks_its_secret(doisoat, environment, home, tmp_path):
    config = tmp_path / "carriers.toml"
    config.write_text('[sms.carriers.esms]\nkind = "esms"\n[sms.carriers.fast]\nkind = "speedsms"\n')
    keys = {"DOISOAT_SECRET_SMS_ESMS_API_KEY": "a", "DOISOAT_SECRET_SMS_ESMS_SECRET_KEY": "b"}
    refused = doisoat("up", env={**environment(CONFIG=config, HOME=home), **keys})
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "secret sms_fast_token: expected it in DOISOAT_SECRET_SMS_FAST_TOKEN" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_text_is_previewed_with_its_parts_and_cost(sms):
    told = sms("preview", "before_debit", "amount=123456", "period=12/2026")
    assert told.returncode == 0, told.stderr
    assert "tien dien ky 12/2026 la 123.456 d" in told.stdout
    assert told.stderr.strip().endswith("units of GSM-7, 1 part, 350 đ")
    kept = sms("preview", "before_debit", "--diacritics", "--language", "vi")
    assert kept.stderr.strip().endswith("units of UCS-2, 3 parts, 1.050 đ")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("nothing",), "expected an event of before_debit, before_retry"),
        (("before_debit", "amount=772.0"), "amount: expected a whole number, got '772.0'"),
        (("before_debit", "amount"), "expected FIELD=VALUE, got 'amount'"),
        (("before_debit", "colour=red"), "colour: expected one of brand, customer_code"),
    ],
)
def test_a_text_that_would_not_be_sent_is_refused(sms, words, why):
    told = sms("preview", *words)
    assert told.returncode == 1
    assert why in told.stderr
