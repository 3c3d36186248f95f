"""Bills to practise on: a seeded month of electricity bills whose components add up, and the CSV an importer reads."""

import csv
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TextIO

from banks.sandbox import people

PREFIXES = tuple(f"P{letter}" for letter in "ABCDEFGHIJKLM")
OFFICES = dict(
    zip(
        PREFIXES,
        "Sông Hiền, Đồi Chè, Bãi Dâu, Phố Mới, Cầu Gỗ, Hồ Sen, Núi Bạc, Đồng Lúa, Gò Đống, Suối Đá, Làng Gốm, "
        "Chợ Trung, Cửa Biển".split(", "),
        strict=True,
    )
)
MIN_AMOUNT = 1_000
"""No sandbox bill is below this many đồng, so that a short payment can miss a noticeable part of any bill."""
_TIERS = ((50, 1_984), (50, 2_050), (100, 2_380), (100, 2_998), (100, 3_350))
_TOP_PRICE = 3_460
_TAX_PERCENT = 8
_AUTO_DEBIT_PERCENT = 71
_MINIMUM_KWH = 15
_MINIMUM_ONE_IN = 25


@dataclass(frozen=True, slots=True)
class SandboxBill:
    """One bill; amounts in whole đồng. `bank` and `charge_on` are set for auto-debit customers only."""

    number: str
    version: int
    customer_code: str
    office: str
    language: str
    phone: str
    consent: bool
    period: str
    kwh: int
    charge: int
    tax: int
    arrears: int
    amount: int
    issued_on: date
    due_on: date
    charge_on: date | None
    bank: str
    payment_code: str

    def __post_init__(self) -> None:
        if self.amount != self.charge + self.tax + self.arrears or self.amount < MIN_AMOUNT:
            raise ValueError(
                f"expected charge + tax + arrears = amount ≥ {MIN_AMOUNT} đồng, got "
                f"{self.charge} + {self.tax} + {self.arrears} and {self.amount} for {self.number}"
            )

    @property
    def end_to_end_id(self) -> str:
        """The reference of this bill's direct debit."""
        return f"{self.number}-{self.version}"

    @property
    def reachable(self) -> bool:
        """Whether an SMS may be sent: there is a phone number and the customer agreed."""
        return bool(self.phone) and self.consent


@dataclass(frozen=True, slots=True)
class _Customer:
    code: str
    language: str
    phone: str
    consent: bool
    bank: str


def make_bills(
    count: int, seed: int, issued_on: date, charge_on: date, due_on: date, *, bank: str = "standard"
) -> list[SandboxBill]:
    """Return `count` bills issued on one day, always the same ones for the same arguments.

    71 in 100 customers have auto-debit at `bank`, charged on `charge_on`. One bill in a hundred is the second of its
    month for its customer ("11-2/2026"). About 3 % have no phone, 5 % read English, 2 % want no SMS. One in 25 (two at
    least) is a minimum bill, so equal amounts are common and an amount alone never identifies a payer.
    """
    rng = random.Random(seed)  # noqa: S311 - a practice day must be repeatable; nothing secret is drawn
    seconds = count // 100
    customers = _customers(count - seconds, rng, bank)
    payers = [(customer, 1) for customer in customers]
    payers += [(customer, 2) for customer in rng.sample(customers, seconds)]
    minimum = set(rng.sample(range(count), min(count, max(2, count // _MINIMUM_ONE_IN))))
    bills = []
    for sequence, (customer, part) in enumerate(payers, 1):
        kwh = _MINIMUM_KWH if sequence - 1 in minimum else _usage(rng)
        charge = charge_for(kwh)
        tax = (charge * _TAX_PERCENT + 50) // 100
        arrears = rng.randrange(20_000, 400_000) if sequence - 1 not in minimum and rng.randrange(100) < 3 else 0
        bills.append(
            SandboxBill(
                number=f"HD{issued_on:%y%m}-{sequence:07}",
                version=1,
                customer_code=customer.code,
                office=f"Điện lực {OFFICES[customer.code[:2]]}",
                language=customer.language,
                phone=customer.phone,
                consent=customer.consent,
                period=f"{issued_on.month}{'' if part == 1 else f'-{part}'}/{issued_on.year}",
                kwh=kwh,
                charge=charge,
                tax=tax,
                arrears=arrears,
                amount=charge + tax + arrears,
                issued_on=issued_on,
                due_on=due_on,
                charge_on=charge_on if customer.bank else None,
                bank=customer.bank,
                payment_code=f"{customer.code}{part}{issued_on:%m%y}",
            )
        )
    return bills


def charge_for(kwh: int) -> int:
    """Return the đồng before tax for `kwh` in one period, by the six household steps of Vietnam's retail tariff."""
    charge, rest = 0, kwh
    for width, price in _TIERS:
        charge += min(rest, width) * price
        rest -= min(rest, width)
    return charge + rest * _TOP_PRICE


COLUMNS = (
    "number,version,customer_code,office,language,phone,consent,period,kwh,charge,tax,arrears,amount,"
    "issued_on,due_on,charge_on,bank,payment_code"
).split(",")


def write_bills_csv(stream: TextIO, bills: Iterable[SandboxBill]) -> None:
    """Write `bills` under a header of `COLUMNS`: ISO dates, plain whole numbers, consent as 1 or 0, "" for none."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for bill in bills:
        values = [getattr(bill, column) for column in COLUMNS]
        writer.writerow([_cell(value) for value in values])


def _cell(value: str | int | date | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)


def _customers(count: int, rng: random.Random, bank: str) -> Sequence[_Customer]:
    debited = set(rng.sample(range(count), (count * _AUTO_DEBIT_PERCENT + 50) // 100))
    return [
        _Customer(
            code=f"{rng.choice(PREFIXES)}25{rng.randint(1, 9):02}{serial:07}",
            language="en" if rng.randrange(100) < 5 else "vi",
            phone="" if rng.randrange(100) < 3 else people.mobile(rng),
            consent=rng.randrange(100) >= 2,
            bank=bank if position in debited else "",
        )
        for position, serial in enumerate(rng.sample(range(10**7), count))
    ]


def _usage(rng: random.Random) -> int:
    kind = rng.randrange(100)
    if kind < 70:
        return rng.randint(60, 320)
    if kind < 97:
        return rng.randint(16, 700)
    return rng.randint(1_000, 12_000)  # workshops and shops
