"""What moves on a sandbox bank's accounts: one transaction, and the maker that draws them for a day."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import count

from banks.sandbox import narratives, people
from banks.sandbox.bills import SandboxBill

LOCAL = timezone(timedelta(hours=7))
"""Vietnam's time; it has no summer time."""
CUT_OFF = time(23, 0)
_SPOKEN_SECONDS = (2, 40)


@dataclass(frozen=True, slots=True)
class SandboxBank:
    """One sender of callbacks and statements; `opening` is the đồng on its account before the day."""

    name: str
    title: str
    profile: str
    account: str
    opening: int


@dataclass(frozen=True, slots=True)
class SandboxBanks:
    """The two of them: an ordinary bank (auto-debits and transfers) and a wallet."""

    direct: SandboxBank = SandboxBank("standard", "Ngân hàng Sao Mai", "standard", "190026112233", 1_250_000_000)
    wallet: SandboxBank = SandboxBank("vnpay", "Ví VNPAY", "vnpay", "068704009911", 310_000_000)


@dataclass(frozen=True, slots=True)
class DayDates:
    """Three business days one after another: the day of the debits, and those on which its statements arrive."""

    debit_on: date
    next_on: date
    after_on: date

    def __post_init__(self) -> None:
        if not self.debit_on < self.next_on < self.after_on:
            raise ValueError(f"expected three days in order, got {self.debit_on}, {self.next_on}, {self.after_on}")


def at_local(day: date, clock: time) -> datetime:
    """Return the moment in UTC when it is `clock` in Vietnam on `day`."""
    return datetime.combine(day, clock, LOCAL).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One payment, or an attempt that moved no money (`moved` False); `minor` in đồng.

    `called_at` is None when the bank never calls, `booked_on` None when it never appears on a statement. `settles` is
    the part of `minor` that belongs to `bill`: none of it for a second payment or an unidentified deposit.
    `order_info` is the text on a wallet's order, which its settlement account does not repeat.
    """

    bank: SandboxBank
    reference: str
    channel: str
    minor: int
    settles: int
    paid_at: datetime
    called_at: datetime | None
    booked_on: date | None
    bill: SandboxBill | None
    narrative: str
    payer_name: str
    payer_account: str
    end_to_end_id: str = ""
    order_info: str = ""
    moved: bool = True


class TransactionMaker:
    """Draws the transactions of one day; each has its bank's own unique reference."""

    def __init__(self, rng: random.Random, dates: DayDates, banks: SandboxBanks) -> None:
        self._rng = rng
        self._dates = dates
        self._banks = banks
        self._bank_numbers = _numbers(rng, f"FT{dates.debit_on:%y%j}")
        self._wallet_numbers = _numbers(rng, f"{dates.debit_on:%y%j}")

    def auto_debit(self, bill: SandboxBill, *, booked: bool = True, moved: bool = True) -> Transaction:
        """Debit `bill` in the morning; with `moved` False the account had not enough on it."""
        paid_at = self._between(time(7, 30), time(11, 0))
        return Transaction(
            bank=self._banks.direct,
            reference=next(self._bank_numbers),
            channel="auto_debit",
            minor=bill.amount,
            settles=bill.amount if moved else 0,
            paid_at=paid_at,
            called_at=self._spoken(paid_at),
            booked_on=self._dates.debit_on if booked and moved else None,
            bill=bill,
            narrative=narratives.auto_debit(bill),
            payer_name=people.unaccented(people.full_name(self._rng)).upper(),
            payer_account=people.account(self._rng),
            end_to_end_id=bill.end_to_end_id,
            moved=moved,
        )

    def transfer(
        self,
        bill: SandboxBill,
        code: str,
        *,
        minor: int | None = None,
        called: bool = True,
        late: bool = False,
        second: bool = False,
    ) -> Transaction:
        """Let a payer transfer `minor` đồng (the bill's amount unless told) quoting `code`.

        `late` pays after the cut-off, so that the line is booked on the next business day; `second` pays what another
        payment has settled hours before.
        """
        first, last = (time(23, 1), time(23, 25)) if late else (time(13 if second else 6, 30), time(21, 30))
        paid_at = self._between(first, last)
        paid = bill.amount if minor is None else minor
        payer = people.full_name(self._rng)
        return Transaction(
            bank=self._banks.direct,
            reference=next(self._bank_numbers),
            channel="transfer",
            minor=paid,
            settles=0 if second else min(paid, bill.amount),
            paid_at=paid_at,
            called_at=self._spoken(paid_at) if called else None,
            booked_on=self._dates.next_on if late else self._dates.debit_on,
            bill=bill,
            narrative=narratives.transfer(self._rng, bill, code, payer),
            payer_name=self._rng.choice((payer, people.unaccented(payer).upper())),
            payer_account=people.account(self._rng),
        )

    def wallet(self, bill: SandboxBill, *, booked: bool = True, second: bool = False) -> Transaction:
        """Pay `bill` from the wallet; `booked` and `second` as above."""
        paid_at = self._between(time(13 if second else 6, 0), time(21, 45))
        payer = people.full_name(self._rng)
        return Transaction(
            bank=self._banks.wallet,
            reference=next(self._wallet_numbers),
            channel="wallet",
            minor=bill.amount,
            settles=0 if second else bill.amount,
            paid_at=paid_at,
            called_at=self._spoken(paid_at),
            booked_on=self._dates.debit_on if booked else None,
            bill=bill,
            narrative=narratives.settlement(bill),
            payer_name=people.unaccented(payer).upper(),
            payer_account=people.account(self._rng),
            order_info=narratives.wallet(self._rng, bill, payer),
        )

    def deposit(self, minor: int, position: int, known: frozenset[str]) -> Transaction:
        """Let `minor` đồng come in at the bank with nothing that leads to a bill; `known` are all customer codes."""
        payer = people.full_name(self._rng)
        return Transaction(
            bank=self._banks.direct,
            reference=next(self._bank_numbers),
            channel="transfer",
            minor=minor,
            settles=0,
            paid_at=self._between(time(6, 30), time(21, 30)),
            called_at=None,
            booked_on=self._dates.debit_on,
            bill=None,
            narrative=narratives.unidentified(self._rng, payer, self._dates.debit_on.month, position, known),
            payer_name=payer,
            payer_account=people.account(self._rng),
        )

    def _between(self, first: time, last: time) -> datetime:
        begin, end = at_local(self._dates.debit_on, first), at_local(self._dates.debit_on, last)
        return begin + timedelta(seconds=self._rng.randint(0, int((end - begin).total_seconds())))

    def _spoken(self, paid_at: datetime) -> datetime:
        return paid_at + timedelta(seconds=self._rng.randint(*_SPOKEN_SECONDS))


def _numbers(rng: random.Random, prefix: str) -> Iterator[str]:
    # Steps of more than one: a bank's numbers never belong to a single customer of the bank.
    number = rng.randint(1_000_000, 9_000_000)
    for _ in count():
        number += rng.randint(1, 40)
        yield f"{prefix}{number:08}"
