import csv
import io
import random
import re
from collections import Counter
from dataclasses import fields, replace
from datetime import date

import pytest

from banks.sandbox import people
from banks.sandbox.bills import COLUMNS, SandboxBill, charge_for, make_bills, write_bills_csv
from sms.numbers import to_e164

ISSUED, CHARGED, DUE = date(2026, 11, 5), date(2026, 11, 18), date(2026, 11, 25)


def bills_of(count: int, seed: int = 7) -> list[SandboxBill]:
    return make_bills(count, seed, ISSUED, CHARGED, DUE)


def test_same_seed_same_bills_and_another_seed_others() -> None:
    assert bills_of(300) == bills_of(300)
    assert bills_of(300) != bills_of(300, seed=8)


@pytest.mark.parametrize("count", [0, 1, 20, 999, 3_000])
def test_count_keys_and_forms(count: int) -> None:
    bills = bills_of(count)
    assert len(bills) == count
    assert len({bill.number for bill in bills}) == len({bill.payment_code for bill in bills}) == count
    for bill in bills:
        assert re.fullmatch(r"P[A-M][0-9]{11}", bill.customer_code)
        assert re.fullmatch(r"HD2611-[0-9]{7}", bill.number)
        part = "2" if bill.period == "11-2/2026" else "1"
        assert bill.payment_code == f"{bill.customer_code}{part}1126"
        assert bill.period in ("11/2026", "11-2/2026")
        assert bill.end_to_end_id == f"{bill.number}-1"
        assert (bill.charge_on == CHARGED) == (bill.bank == "standard")
        assert bill.charge_on in (CHARGED, None)


def test_components_add_up_at_the_tariff() -> None:
    for bill in bills_of(2_000):
        assert bill.charge + bill.tax + bill.arrears == bill.amount
        assert bill.charge == charge_for(bill.kwh)
        assert 1_800 * bill.kwh <= bill.charge <= 3_500 * bill.kwh
        assert abs(bill.tax * 100 - bill.charge * 8) <= 50


@pytest.mark.parametrize(
    ("kwh", "dong"),
    [(0, 0), (1, 1_984), (50, 99_200), (51, 101_250), (400, 1_074_500), (401, 1_077_960)],
)
def test_charge_by_steps(kwh: int, dong: int) -> None:
    # 400 kWh fill the five lower steps: 50 × 1984 + 50 × 2050 + 100 × (2380 + 2998 + 3350).
    assert charge_for(kwh) == dong


def test_shares_are_as_told() -> None:
    bills = bills_of(10_000)
    assert sum(bill.bank == "standard" for bill in bills) == pytest.approx(7_100, abs=60)
    assert sum(not bill.phone for bill in bills) == pytest.approx(300, abs=80)
    assert sum(bill.language == "en" for bill in bills) == pytest.approx(500, abs=100)
    assert sum(not bill.consent for bill in bills) == pytest.approx(200, abs=60)
    assert sum(bill.arrears > 0 for bill in bills) < 500
    assert sum(bill.period == "11-2/2026" for bill in bills) == 100


@pytest.mark.parametrize("count", [20, 200])
def test_some_customers_owe_the_same_amount(count: int) -> None:
    assert max(Counter(bill.amount for bill in bills_of(count)).values()) >= 2


def test_both_bills_of_a_customer_agree_about_the_customer() -> None:
    bills = bills_of(1_000)
    first = {bill.customer_code: bill for bill in bills if bill.period == "11/2026"}
    for second in (bill for bill in bills if bill.period == "11-2/2026"):
        other = first[second.customer_code]
        assert (second.phone, second.office, second.language, second.consent, second.bank) == (
            other.phone, other.office, other.language, other.consent, other.bank,
        )  # fmt: skip


def test_every_phone_can_be_reached_and_some_are_old() -> None:
    phones = [bill.phone for bill in bills_of(2_000) if bill.phone]
    assert all(to_e164(phone) for phone in phones)
    assert any(re.fullmatch(r"01[0-9]{9}", phone) for phone in phones)


def test_csv_has_the_agreed_header_and_reads_back() -> None:
    assert [field.name for field in fields(SandboxBill)] == COLUMNS
    bills = bills_of(50)
    stream = io.StringIO()
    write_bills_csv(stream, bills)
    lines = stream.getvalue().splitlines()
    assert lines[0] == (
        "number,version,customer_code,office,language,phone,consent,period,kwh,charge,tax,arrears,amount,"
        "issued_on,due_on,charge_on,bank,payment_code"
    )
    rows = list(csv.DictReader(lines))
    assert [row["payment_code"] for row in rows] == [bill.payment_code for bill in bills]
    assert {row["consent"] for row in rows} <= {"0", "1"}
    assert {row["charge_on"] for row in rows} == {"", "2026-11-18"}
    assert sum(int(row["amount"]) for row in rows) == sum(bill.amount for bill in bills)


def test_a_bill_that_does_not_add_up_is_refused() -> None:
    bill = bills_of(1)[0]
    with pytest.raises(ValueError, match="charge \\+ tax \\+ arrears"):
        replace(bill, amount=bill.amount + 1)


def test_names_lose_their_diacritics() -> None:
    assert people.unaccented("Đặng Thị Ngọc Uyên") == "Dang Thi Ngoc Uyen"
    assert all(people.unaccented(people.full_name(random.Random(seed))).isascii() for seed in range(200))
