"""The collecting account: one statement a business day, each beginning where the last one ended."""

import io
from datetime import date

from banks import statements
from banks.money import dong
from banks.records import StatementClosed, StatementLine, StatementOpened
from banks.sandbox.debit_booking import Booking
from banks.sandbox.debit_orders import Order
from tests.banks.sandbox.debit_files import BANK

FRIDAY, MONDAY = date(2026, 11, 6), date(2026, 11, 9)
ORDER = Order("RUN-1", "RUN-1-0001", "HD1", 500, FRIDAY, "UQ-1", "NGUYỄN THỊ ÁNH", "0011", "x" * 140)


def weekday(day):
    return day.weekday() < 5


def test_business_days():
    booking = Booking(BANK, weekday)
    assert booking.business_day_after(FRIDAY) == MONDAY
    assert booking.business_day_after(FRIDAY, 6) == date(2026, 11, 16)


def test_statements_in_a_row():
    booking = Booking(BANK, weekday)
    references = [booking.paid(ORDER, FRIDAY), booking.receive(FRIDAY, 70, "CK tien dien", "Lan", "99")]
    first = booking.close(FRIDAY)
    references.append(booking.returned(ORDER, MONDAY, "MD06"))
    second = booking.close(MONDAY)
    assert (first.at.isoformat(), first.kind) == ("2026-11-08T22:30:00+00:00", "statement"), "Monday morning"
    opened, paid, received, closed = statements.read(io.BytesIO(first.data))
    assert isinstance(opened, StatementOpened)
    assert (opened.opening, opened.closing, opened.account) == (dong(1_000_000), dong(1_000_570), BANK.account)
    assert isinstance(paid, StatementLine)
    assert (paid.amount, paid.end_to_end_id, paid.mandate_id) == (dong(500), "HD1", "UQ-1")
    assert (received.amount, received.counterparty_account, received.end_to_end_id) == (dong(70), "99", "")
    assert isinstance(closed, StatementClosed)
    assert closed.balanced
    opened, back, closed = statements.read(io.BytesIO(second.data))
    assert (opened.opening, opened.closing) == (dong(1_000_570), dong(1_000_070)) == (dong(1_000_570), booking.closing)
    assert (back.amount, back.reversal, back.return_reason) == (dong(-500), True, "MD06")
    assert closed.balanced
    assert [paid.bank_reference, received.bank_reference, back.bank_reference] == references
