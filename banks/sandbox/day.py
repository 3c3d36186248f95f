"""A sandbox bank's business day: who pays what, how and when, which faults happen, and what the gateway must count.

Of the bills about 70 % are paid by auto-debit, 12 % by transfer, 10 % by wallet, and the rest stays unpaid. The same
bills, seed and dates give the same day, to the byte.
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from banks.sandbox import faults
from banks.sandbox.bills import SandboxBill
from banks.sandbox.expected import Expected, expect
from banks.sandbox.files import PlannedFile, file_name, plan_files
from banks.sandbox.notices import PlannedCallback, callback
from banks.sandbox.transactions import CUT_OFF, DayDates, SandboxBanks, Transaction, TransactionMaker, at_local

_TRANSFERS_PER_CENT = 12
_WALLET_PER_CENT = 10
_FAILED_PER_CENT = 1
_TWICE_PER_CENT = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole day. `callbacks` are in order of time, a repeat at the same time stands right behind its original.

    `cut_off_at` (UTC) parts the callbacks of the day's own business from those of the next.
    """

    dates: DayDates
    banks: SandboxBanks
    bills: tuple[SandboxBill, ...]
    transactions: tuple[Transaction, ...]
    callbacks: tuple[PlannedCallback, ...]
    files: tuple[PlannedFile, ...]
    faults: tuple[faults.Fault, ...]
    expected: Expected
    cut_off_at: datetime


def plan_day(bills: Sequence[SandboxBill], seed: int, dates: DayDates, banks: SandboxBanks | None = None) -> Plan:
    """Plan the day of `bills`; ValueError when there are too few for one fault of each kind (20 from the maker do)."""
    banks = banks or SandboxBanks()
    rng = random.Random(seed)  # noqa: S311 - a practice day must be repeatable; nothing secret is drawn
    day = _Day(bills, rng, TransactionMaker(rng, dates, banks), banks)
    day.provoke()
    day.pay_as_usual()
    sent = _send(day.transactions, rng)
    files = plan_files(day.transactions, dates, banks)
    found = [
        *day.faults,
        faults.Fault("M13", "", files=(file_name(banks.wallet, dates.next_on),)),
        *(faults.Fault("M14", "", files=(file.name,)) for file in files if file.repeats),
    ]
    return Plan(
        dates=dates,
        banks=banks,
        bills=tuple(bills),
        transactions=tuple(day.transactions),
        callbacks=sent,
        files=files,
        faults=tuple(found),
        expected=expect(bills, day.transactions, sent, files, found),
        cut_off_at=at_local(dates.debit_on, CUT_OFF),
    )


class _Day:
    """Deals each bill out once: first to the faults, then to the usual ways of paying."""

    def __init__(
        self, bills: Sequence[SandboxBill], rng: random.Random, maker: TransactionMaker, banks: SandboxBanks
    ) -> None:
        self._bills = bills
        self._rng = rng
        self._make = maker
        self._counts = faults.counts(len(bills))
        customers = [bill.customer_code for bill in bills]
        self._known = frozenset(customers)
        self._several = frozenset(code for code, many in Counter(customers).items() if many > 1)
        self._debited = [bill for bill in bills if bill.bank == banks.direct.name]
        self._others = [bill for bill in bills if not bill.bank]
        if len(self._debited) + len(self._others) != len(bills):
            raise ValueError(f"expected bills with auto-debit at {banks.direct.name!r} or none, got another bank's")
        rng.shuffle(self._debited)
        rng.shuffle(self._others)
        self._transfers_left = len(bills) * _TRANSFERS_PER_CENT // 100
        self._wallet_left = len(bills) * _WALLET_PER_CENT // 100
        self.transactions: list[Transaction] = []
        self.faults: list[faults.Fault] = []

    def provoke(self) -> None:
        """Deal out the bills that something goes wrong with."""
        many = self._counts
        for bill in self._take("M01", self._debited, (many["M01"] + 1) // 2):
            self._fault("M01", bill, self._make.auto_debit(bill, booked=False))
        for bill in self._take("M01", self._others, many["M01"] // 2):
            self._wallet_left -= 1
            self._fault("M01", bill, self._make.wallet(bill, booked=False))
        self._transfers_left -= many["M02"] + many["M03"] + many["M08"]
        for bill in self._take("M02", self._others, many["M02"]):
            self._fault("M02", bill, self._make.transfer(bill, bill.payment_code, called=False))
        for position, bill in enumerate(self._take("M03", self._others, many["M03"])):
            short = position < (many["M03"] + 1) // 2
            most = min(20_000, bill.amount // 2)
            difference = self._rng.randint(min(1_000, most), most)
            paid = bill.amount - difference if short else bill.amount + difference
            self._fault("M03", bill, self._make.transfer(bill, bill.payment_code, minor=paid))
        for bill in self._take("M04", self._debited, many["M04"]):
            self._fault("M04", bill, self._make.auto_debit(bill), self._make.wallet(bill, second=True))
        for bill in self._take("M06", self._debited, many["M06"]):
            second = self._make.transfer(bill, bill.payment_code, second=True)
            self._fault("M06", bill, self._make.auto_debit(bill), second)
        for bill in self._take("M08", self._others, many["M08"]):
            self._fault("M08", bill, self._make.transfer(bill, self._code(bill), late=True))

    def pay_as_usual(self) -> None:
        """Deal out the rest, and let the deposits that nobody can place have the amounts of unpaid bills."""
        failed = max(1, len(self._bills) * _FAILED_PER_CENT // 100)
        without_money, debited = _split(self._debited, failed)
        self.transactions.extend(self._make.auto_debit(bill, moved=False) for bill in without_money)
        self.transactions.extend(self._make.auto_debit(bill) for bill in debited)
        transfers, rest = _split(self._others, self._transfers_left)
        wallet, unpaid = _split(rest, self._wallet_left)
        self.transactions.extend(self._make.transfer(bill, self._code(bill)) for bill in transfers)
        self.transactions.extend(self._make.wallet(bill) for bill in wallet)
        # An amount that fits an open bill is the trap: only a code may identify.
        amounts = [bill.amount for bill in (*unpaid, *without_money)] or [self._bills[0].amount]
        for position in range(self._counts["M12"]):
            deposit = self._make.deposit(self._rng.choice(amounts), position, self._known)
            self.transactions.append(deposit)
            self.faults.append(faults.Fault("M12", "", (deposit.reference,)))

    def _take(self, code: str, pool: list[SandboxBill], many: int) -> list[SandboxBill]:
        if len(pool) < many:
            kind = "with" if pool is self._debited else "without"
            raise ValueError(f"{code}: expected {many} more bills {kind} auto-debit to provoke it on, got {len(pool)}")
        taken, pool[:] = pool[:many], pool[many:]
        return taken

    def _fault(self, code: str, bill: SandboxBill, *transactions: Transaction) -> None:
        self.transactions.extend(transactions)
        self.faults.append(faults.Fault(code, bill.number, tuple(each.reference for each in transactions)))

    def _code(self, bill: SandboxBill) -> str:
        """Return the code this payer knows the bill by; a customer code alone would not do for one of several bills."""
        codes = [bill.payment_code, bill.number, bill.customer_code]
        return self._rng.choice(codes[:2] if bill.customer_code in self._several else codes)


def _split(bills: list[SandboxBill], many: int) -> tuple[list[SandboxBill], list[SandboxBill]]:
    return bills[: max(0, many)], bills[max(0, many) :]


def _send(transactions: Iterable[Transaction], rng: random.Random) -> tuple[PlannedCallback, ...]:
    """Send each event once and about 3 % of them twice: a fifth of those at the same moment, the rest minutes later."""
    events = [callback(each) for each in transactions if each.called_at is not None]
    repeated = rng.sample(events, min(len(events), max(2, len(events) * _TWICE_PER_CENT // 100)))
    at_once = max(1, len(repeated) // 5)
    repeats = [
        each if position < at_once else replace(each, at=each.at + timedelta(seconds=rng.randint(120, 1_800)))
        for position, each in enumerate(repeated)
    ]
    return tuple(sorted((*events, *repeats), key=lambda each: (each.at, each.event_id)))
