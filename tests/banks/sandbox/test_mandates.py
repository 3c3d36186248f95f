"""Mandates to practise on: one a customer who is debited, the same ones each time, every bill below its cap."""

import csv
import io
from datetime import date

from banks.sandbox.bills import make_bills
from banks.sandbox.mandates import COLUMNS, write_mandates_csv

BILLS = make_bills(400, 48, date(2026, 11, 16), date(2026, 11, 18), date(2026, 11, 26))


def written(bills):
    stream = io.StringIO()
    count = write_mandates_csv(stream, bills)
    rows = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert count == len(rows)
    return rows


def test_each_customer_who_is_debited_has_one():
    rows = written(BILLS)
    assert [row["customer_code"] for row in rows] == sorted({bill.customer_code for bill in BILLS if bill.bank})
    assert len({row["reference"] for row in rows}) == len({row["account"] for row in rows}) == len(rows)
    assert list(rows[0]) == COLUMNS
    assert {row["state"] for row in rows} == {"active", "paused"}
    assert rows == written(BILLS)


def test_first_bills_are_within_the_cap_and_agreed_before():
    rows = {row["customer_code"]: row for row in written(BILLS)}
    firsts = {bill.customer_code: bill for bill in reversed(BILLS) if bill.bank}
    for code, bill in firsts.items():
        assert bill.amount <= int(rows[code]["cap"]) <= 3 * bill.amount + 500_000
        assert rows[code]["consent_at"] < rows[code]["valid_from"] < f"{bill.issued_on}"
