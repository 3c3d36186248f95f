"""`doisoat sms`: a line per carrier, and a person's word that lets an ill one be tried again."""

from datetime import UTC, datetime

import pytest

from gateway.database import transaction
from reconciliation import carriers
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
    assert ", 8 asked, 1 in trouble, 100 ms, 0 waiting, 0 unsure, last word " in esms
    assert esms.endswith(": no balance")
    assert fast == "fast: speedsms, weight 1, at most 1/s, never asked, 0 waiting"
    assert sms("retry", "esms").stdout == "esms is tried again now\n"
    assert rows("SELECT action, subject, actor FROM audit WHERE action = 'carrier.allowed'") == [
        ("carrier.allowed", "carrier:esms", "command line")]  # fmt: skip
    assert "expected a declared carrier (esms, fast), got 'nobody'" in sms("retry", "nobody").stderr


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
