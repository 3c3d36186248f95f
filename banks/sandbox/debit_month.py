"""A month of auto-debits to practise on: bills of two banks' customers, their mandates, and what is paid elsewhere."""

import csv
import io
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from banks.records import StatementLine
from banks.sandbox import people
from banks.sandbox.bills import SandboxBill, make_bills
from banks.sandbox.debit_booking import Booking
from banks.sandbox.mandates import COLUMNS, write_mandates_csv
from banks.sandbox.notices import PlannedCallback, callback, line
from banks.sandbox.transactions import SandboxBank, SandboxBanks, Transaction, at_local

OTHER = SandboxBank("bienxanh", "Ngân hàng Biển Xanh", "", "211000445566", 900_000_000)
"""The second bank that debits; it never calls."""
EARLY, LATE = time(9, 0), time(20, 0)
"""When bills are paid elsewhere on the day of their debit: before the bank carries it out, and after."""
_DAYS = {SandboxBanks().direct.name: (5, 12), OTHER.name: (8, 20)}
_ELSEWHERE_ONE_IN, _CAPPED_ONE_IN, _CAPPED_BY_BANK_ONE_IN = 40, 50, 97


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A bill that is paid through the wallet on the day of its debit, and how the wallet tells of it."""

    bill: SandboxBill
    at: datetime
    callback: PlannedCallback
    line: StatementLine


@dataclass(frozen=True, slots=True)
class Month:
    """One seed's month; `caps`: what a bank lets a mandate take (reference → đồng), where that is less than agreed."""

    first: date
    bills: Sequence[SandboxBill]
    mandates: str
    caps: Mapping[str, int]
    elsewhere: Sequence[Elsewhere]

    @property
    def days(self) -> Iterator[date]:
        """Every day from the first on, until all that may come back has come back."""
        return (self.first + timedelta(days=n) for n in range(38))


def plan_month(mandates: int, seed: int, first: date, booking: Booking) -> Month:
    """Draw a month that begins on `first`; `booking` knows on which days banks open."""
    charge_days = {bank: [_open_from(first.replace(day=day), booking) for day in days] for bank, days in _DAYS.items()}
    due_on = first.replace(day=28)
    banks = list(charge_days)
    bills = []
    for number, drawn in enumerate(make_bills(mandates, seed, first, first, due_on)):
        bank = banks[number % len(banks)]
        day = charge_days[bank][number // len(banks) % len(charge_days[bank])]
        # One bill a customer: a second one of the month would need a mandate of its own.
        code = f"{drawn.customer_code[:2]}{number + 1:011}"
        bills.append(
            replace(
                drawn, bank=bank, charge_on=day, customer_code=code, payment_code=f"{code}1{first:%m%y}",
                period=f"{first.month}/{first.year}",
            )
        )  # fmt: skip
    return Month(
        first, tuple(bills), _mandates(bills),
        {f"UQ-{bill.customer_code}": bill.amount - 1 for bill in bills[3::_CAPPED_BY_BANK_ONE_IN]},
        tuple(_paid_elsewhere(bills, seed)),
    )  # fmt: skip


def _open_from(day: date, booking: Booking) -> date:
    return day if booking.opens(day) else booking.business_day_after(day)


def _mandates(bills: Sequence[SandboxBill]) -> str:
    """Return the customers' mandates as a CSV file; some allow less than the bill."""
    written = io.StringIO()
    write_mandates_csv(written, bills)
    rows = list(csv.DictReader(io.StringIO(written.getvalue())))
    small = {bill.customer_code: bill.amount - 1 for bill in bills[7::_CAPPED_ONE_IN]}
    out = io.StringIO()
    table = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows({**row, "cap": small.get(row["customer_code"], row["cap"])} for row in rows)
    return out.getvalue()


def _paid_elsewhere(bills: Sequence[SandboxBill], seed: int) -> Iterator[Elsewhere]:
    wallet, rng = SandboxBanks().wallet, random.Random(seed)  # noqa: S311 - practice must be repeatable
    for number, bill in enumerate(bills[11 :: _ELSEWHERE_ONE_IN // 2]):
        day = bill.charge_on or bill.issued_on
        at = at_local(day, LATE if number % 2 else EARLY)
        reference = f"{day:%y%j}{number:06}"
        paid = Transaction(
            bank=wallet, reference=reference, channel="wallet", minor=bill.amount, settles=bill.amount, paid_at=at,
            called_at=at + timedelta(seconds=5), booked_on=day, bill=bill,
            narrative=f"VNP{reference} {bill.payment_code}", payer_account=people.account(rng),
            payer_name=people.unaccented(people.full_name(rng)).upper(),
            order_info=f"TIEN DIEN {bill.payment_code}",
        )  # fmt: skip
        yield Elsewhere(bill, at, callback(paid), line(paid, 1))
