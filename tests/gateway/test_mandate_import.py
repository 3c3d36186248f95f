"""Mandates in: a row is read strictly, an account is sealed at once and never repeated."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from gateway.mandate_import import COLUMNS, read_mandate
from gateway.table_files import EPOCH, Row

BANKS = frozenset({"standard", "vnpay"})
GOOD = {
    "bank": "standard", "reference": "UQ-0001", "customer_code": "PA00000000001", "account": "1900 2611 2233",
    "cap": "5000000", "valid_from": "2026-01-01", "valid_to": "2027-12-31", "consent_text": "UQ-2026-1",
    "consent_at": "2025-12-20 09:30", "consent_channel": "counter", "assisted_by": "Lan", "state": "paused",
}  # fmt: skip


@pytest.fixture
def read(sealer, now):
    def do(**changes):
        cells = {name: value for name, value in (GOOD | changes).items() if value is not None}
        return read_mandate(7, Row("line 9", cells), BANKS, sealer, now)

    return do


def test_a_row_is_read_whole_with_its_account_sealed(read, sealer):
    one = read()
    assert (one.number, one.place, one.bank, one.reference, one.customer_code) == (
        7, "line 9", "standard", "UQ-0001", "PA00000000001",
    )  # fmt: skip
    assert sealer.open(one.account_sealed, "mandate_versions.account") == b"190026112233"
    assert one.account_hash == sealer.blind("190026112233", "account")
    assert (one.account_tail, one.cap_minor, one.state, one.assisted_by) == ("2233", 5_000_000, "paused", "Lan")
    assert (one.valid_from, one.valid_to) == (date(2026, 1, 1), date(2027, 12, 31))
    assert one.consent_at == datetime(2025, 12, 20, 2, 30, tzinfo=UTC), "as Vietnam's clocks showed it"


def test_what_may_be_left_out_has_a_usual_value(read):
    one = read(valid_to=None, assisted_by="", state=None)
    assert (one.valid_to, one.assisted_by, one.state) == (None, "", "active")


def test_a_workbook_s_days_and_moments_are_read(read):
    serial = (date(2026, 11, 1) - EPOCH).days
    one = read(valid_from=serial, consent_at=Decimal(serial) + Decimal("0.5"), cap=2_000_000)
    assert (one.valid_from, one.cap_minor) == (date(2026, 11, 1), 2_000_000)
    assert one.consent_at == datetime(2026, 11, 1, 5, tzinfo=UTC)
    assert read(consent_at=serial).consent_at == datetime(2026, 10, 31, 17, tzinfo=UTC)


@pytest.mark.parametrize("name", COLUMNS.needed)
def test_what_is_needed_is_asked_for(read, name):
    for nothing in ("", "  ", None):
        with pytest.raises(ValueError, match=f"{name}: expected a value, got none"):
            read(**{name: nothing})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bank": "saomai"}, "bank: expected one of standard, vnpay, got 'saomai'"),
        ({"reference": "UQ 1"}, "reference: expected 1 to 35 letters without accents, digits, - / _ ., got 'UQ 1'"),
        ({"reference": "U" * 36}, "reference: expected 1 to 35"),
        ({"customer_code": "pa1"}, "customer_code: expected 3 to 32 capital letters, digits, - / _ ., got 'pa1'"),
        ({"cap": "5.000.000"}, "cap: expected an amount in plain digits"),
        ({"cap": "0"}, "cap: expected more than nothing, in whole đồng, got '0'"),
        ({"cap": "-5"}, "cap: expected more than nothing"),
        ({"cap": "1000.5"}, "cap: VND has 0 decimal places, got '1000.5'"),
        ({"valid_from": "01/11/2026"}, "valid_from: expected a day as 20YY-MM-DD, got '01/11/2026'"),
        ({"valid_from": 5}, "valid_from: expected a day as 20YY-MM-DD, got '5'"),
        ({"valid_to": "2025-12-31"}, "valid_to: expected a day from 2026-01-01 on, got '2025-12-31'"),
        ({"consent_at": "2026-02-30"}, "consent_at: expected a moment as 20YY-MM-DD HH:MM, got '2026-02-30'"),
        ({"consent_at": "2026-11-18 09:01"}, "consent_at: expected a moment that has passed, got '2026-11-18 09:01'"),
        ({"consent_channel": "fax"}, "consent_channel: expected one of app, bank, counter, paper, phone, web, got"),
        ({"consent_text": "x" * 61}, "consent_text: expected at most 60 characters"),
        ({"assisted_by": "a\x07b"}, "assisted_by: expected at most 60 characters without control characters"),
        ({"state": "ended"}, "state: expected one of submitted, active, paused, got 'ended'"),
        ({None: ["1"]}, "behind the last column: expected as many values as the header has columns, got more"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_column(sealer, now, changes, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        read_mandate(7, Row("line 9", GOOD | changes), BANKS, sealer, now)


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ("190026-112233", "account: expected 7 to 24 digits or capital letters, got 13 characters"),
        ("112233", "account: expected 7 to 24 digits or capital letters, got 6 characters"),
        (190026112233, "account: expected a cell of text, got a number"),
    ],
)
def test_an_account_that_is_refused_is_not_repeated(read, account, said):
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        read(account=account)
    assert "2233" not in str(refused.value)
