"""A month of payments with the truth beside it: what each one was meant for, or which question it must become.

Truth is what a person with the master list could decide, worked out here by trying every choice of bills.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import combinations
from random import Random

from banks.records import PaymentNotice
from reconciliation.issuing import BillIn
from tests.reconciliation.books import a_bill, a_notice, at
from tests.reconciliation.payers import Payer

ISSUED = [date(2026, 11, 16), date(2026, 10, 16), date(2026, 9, 16), date(2026, 8, 16)]
_USUAL = [52_000, 98_000, 100_000, 120_000, 150_000, 187_500, 200_000, 250_000, 301_200, 412_345]
"""So many customers owe these that an amount tells nobody apart."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a payment must come to: bill → đồng, and the code of the question about what is left, if any."""

    kind: str
    settles: dict[str, int] = field(default_factory=dict)
    asks: str = ""


@dataclass(slots=True)
class Customer:
    """One customer's code with the bills that are open, the oldest first."""

    code: str
    bills: list[BillIn]

    def names(self) -> dict[str, int]:
        """Bill number → what it costs."""
        return {bill.number: bill.minor for bill in self.bills}


class Month:
    """Bills, payments and truths, made by chance from one seed; each payment has customers of its own."""

    def __init__(self, seed: int, payments: int) -> None:
        self.random = Random(seed)
        self.payer = Payer(self.random)
        self.bills: list[BillIn] = []
        self.paid_before: list[PaymentNotice] = []
        self.notices: dict[str, list[PaymentNotice]] = {"standard": [], "vnpay": []}
        self.narratives: list[tuple[str, int, str]] = []
        """Statement lines: (reference, đồng, narrative), told by no callback."""
        self.truth: dict[str, Truth] = {}
        self._codes: set[str] = set()
        self._next = {office: self.random.randrange(10**8) for office in ("PA05", "PC22", "PM11")}
        self._kinds: list[tuple[int, Callable[[], None]]] = [
            (28, self._by_payment_code), (14, self._by_a_badly_written_payment_code), (5, self._by_bill_number),
            (14, self._by_customer), (10, self._by_a_badly_written_customer), (6, self._all_a_customer_owes),
            (3, self._some_a_customer_owes), (5, self._for_relatives), (3, self._another_amount),
            (2, self._digits_missing), (2, self._a_digit_off), (3, self._nothing_said), (2, self._last_months_bill),
            (2, self._another_customers_name), (2, self._twice), (2, self._in_part), (1, self._sum_that_is_none),
            (1, self._cut_off),
        ]  # fmt: skip
        weights = [weight for weight, _ in self._kinds]
        while len(self.truth) < payments:
            self.random.choices(self._kinds, weights)[0][1]()

    # ── what is owed ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _customer(self, bills: int = 1) -> Customer:
        office = self.random.choice(list(self._next))
        self._next[office] += self.random.choice([1, 1, 2, 3, 10])
        code = f"{office}{self._next[office] + 10**8:09}"
        while code in self._codes:  # somebody has typed it by mistake
            self._next[office] += 1
            code = f"{office}{self._next[office] + 10**8:09}"
        self._codes.add(code)
        made = []
        for issued in reversed(ISSUED[:bills]):
            minor = self.random.choice([*_USUAL, self.random.randrange(30_000, 2_000_000)])
            payment_code = f"{code}1{issued:%m%y}"
            self._codes.add(payment_code)
            made.append(
                a_bill(
                    f"HD{issued:%y%m}-{len(self.bills) + 1:07}", minor, payment_code, customer_code=code,
                    period=f"{issued.month}/{issued.year}", issued_on=issued, due_on=issued + timedelta(days=9),
                )
            )  # fmt: skip
            self.bills.append(made[-1])
        return Customer(code, made)

    def _one_of(self, owner: Customer) -> BillIn:
        return self.random.choice(owner.bills)

    def _some(self) -> int:
        return self.random.choices([1, 2, 3, 4], [75, 15, 6, 4])[0]

    # ── who pays ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _pays(self, minor: int, text: str, truth: Truth, *, when: datetime | None = None, where: str = "") -> str:
        name = f"P{len(self.truth):06}"
        self.truth[name] = truth
        moment = when or at(0) + timedelta(minutes=self.random.randrange(600))
        where = where or self.random.choice(["standard", "standard", "standard", "vnpay", "line", "line"])
        if where == "line":
            wrap = self.random.choice([0, 35])
            self.narratives.append((name, minor, self.payer.through_a_bank(text, wrap=wrap)))
        else:
            told = a_notice(name, minor, "", narrative=self.payer.through_a_bank(text), paid_at=moment)
            self.notices[where].append(told)
        return name

    def _by_payment_code(self) -> None:
        bill = self._one_of(self._customer(self._some()))
        write = self.random.choice([self.payer.plain, self.payer.plain, self.payer.glued])
        self._pays(bill.minor, self.payer.note(write(bill.payment_code)), Truth("code", {bill.number: bill.minor}))

    def _by_a_badly_written_payment_code(self) -> None:
        bill = self._one_of(self._customer())
        truth = Truth("bad code", {bill.number: bill.minor})
        self._pays(bill.minor, self.payer.note(self.payer.badly(bill.payment_code)), truth)

    def _by_bill_number(self) -> None:
        bill = self._one_of(self._customer(self._some()))
        number = bill.number
        if self.random.random() < 0.3:
            number = self.random.choice(
                [number.replace("-", " "), number.replace("0", "O", 3), number.replace("-", "/")]
            )
        self._pays(bill.minor, self.payer.note(number), Truth("number", {bill.number: bill.minor}))

    def _by_customer(self) -> None:
        self._names(self._customer(self._some()), self.random.choice([self.payer.plain, self.payer.glued]), "customer")

    def _by_a_badly_written_customer(self) -> None:
        self._names(self._customer(self._some()), self.payer.badly, "bad customer")

    def _names(self, owner: Customer, write: Callable[[str], str], kind: str) -> None:
        minor = self._one_of(owner).minor
        self._pays(minor, self.payer.note(write(owner.code)), self._of_amount(kind, minor, owner))

    def _of_amount(self, kind: str, minor: int, *owners: Customer) -> Truth:
        """Try every choice of bills that leaves no owner out: the only one that fits is what was meant."""
        owed = [(owner.code, number, due) for owner in owners for number, due in owner.names().items()]
        fitting = [
            chosen for size in range(1, len(owed) + 1) for chosen in combinations(owed, size)
            if sum(due for _, _, due in chosen) == minor
            and {code for code, _, _ in chosen} == {owner.code for owner in owners}
        ]  # fmt: skip
        if len(fitting) == 1:
            return Truth(kind, {number: due for _, number, due in fitting[0]})
        return Truth(
            f"{kind}, ambiguous" if fitting else f"{kind}, no such sum",
            asks="M12" if fitting or len(owners) > 1 else "M03",
        )

    def _all_a_customer_owes(self) -> None:
        owner = self._customer(self.random.choice([2, 2, 3, 4]))
        minor = sum(owner.names().values())
        self._pays(minor, self.payer.note(self.payer.plain(owner.code)), self._of_amount("all", minor, owner))

    def _some_a_customer_owes(self) -> None:
        owner = self._customer(self.random.choice([3, 4]))
        minor = sum(bill.minor for bill in self.random.sample(owner.bills, 2))
        self._pays(minor, self.payer.note(self.payer.plain(owner.code)), self._of_amount("some", minor, owner))

    def _for_relatives(self) -> None:
        owners = [self._customer() for _ in range(self.random.choice([2, 2, 3]))]
        if self.random.random() < 0.5:
            minor = sum(sum(owner.names().values()) for owner in owners)
            codes, truth = [owner.code for owner in owners], self._of_amount("relatives", minor, *owners)
        else:
            bills = [self._one_of(owner) for owner in owners]
            minor, codes = sum(bill.minor for bill in bills), [bill.payment_code for bill in bills]
            truth = Truth("relatives' codes", {bill.number: bill.minor for bill in bills})
        self._pays(minor, self.payer.note(*map(self.payer.plain, codes)), truth)

    # ── what nobody can decide ───────────────────────────────────────────────────────────────────────────────────────

    def _another_amount(self) -> None:
        owner = self._customer(self._some())
        minor = self._one_of(owner).minor + self.random.choice([-1_000, 500, 10_000, -1, 3_300])
        self._pays(minor, self.payer.note(self.payer.plain(owner.code)), self._of_amount("amount", minor, owner))

    def _digits_missing(self) -> None:
        owner = self._customer()
        code = self.payer.missing(owner.code)
        self._pays(self._one_of(owner).minor, self.payer.note(code), Truth("missing digits", asks="M12"))

    def _a_digit_off(self) -> None:
        """A wrong digit names nobody, or somebody who owes another amount."""
        owner = self._customer()
        code, asks, minor = self.payer.mistyped(owner.code), "M12", self._one_of(owner).minor
        if self.random.random() < 0.5:
            other = self._customer()
            code, asks = other.code, "M03"
            minor += minor == self._one_of(other).minor
        while code in self._codes and asks == "M12":
            code = self.payer.mistyped(owner.code)
        self._codes.add(code)
        self._pays(minor, self.payer.note(code), Truth("digit off", asks=asks))

    def _nothing_said(self) -> None:
        text = self.payer.note(self.random.choice(["", self.payer.decoy(), self.payer.decoy()]))
        self._pays(self._one_of(self._customer()).minor, text, Truth("nothing said", asks="M12"))

    def _last_months_bill(self) -> None:
        """The code of a bill that was paid last month; what is owed this month may be the very same amount."""
        owner = self._customer(2)
        old = owner.bills[0]
        self.paid_before.append(
            a_notice(f"old {old.number}", old.minor, old.payment_code, paid_at=at(1) - timedelta(days=28))
        )
        minor = self.random.choice([old.minor, owner.bills[1].minor])
        text, where = self.payer.note(self.payer.plain(old.payment_code)), self.random.choice(["standard", "vnpay"])
        self._pays(minor, text, Truth("old code", asks="M06" if where == "standard" else "M04"), where=where)

    def _another_customers_name(self) -> None:
        bill, other = self._one_of(self._customer()), self._customer()
        minor = self.random.choice([bill.minor, self._one_of(other).minor])
        text = self.payer.note(self.payer.plain(bill.payment_code), self.payer.plain(other.code))
        self._pays(minor, text, Truth("two names", asks="M05"))

    def _twice(self) -> None:
        bill = self._one_of(self._customer())
        first = Truth("paid twice, first", {bill.number: bill.minor})
        text = self.payer.plain(bill.payment_code)
        self._pays(bill.minor, self.payer.note(text), first, when=at(1), where="standard")
        where = self.random.choice(["standard", "vnpay"])
        again = Truth("paid twice, again", asks="M06" if where == "standard" else "M04")
        self._pays(bill.minor, self.payer.note(text), again, when=at(3), where=where)

    def _in_part(self) -> None:
        bill = self._one_of(self._customer())
        minor = self.random.randrange(10_000, bill.minor) if bill.minor > 10_000 else 1
        truth = Truth("in part", {bill.number: minor}, asks="M03")
        self._pays(minor, self.payer.note(self.payer.plain(bill.payment_code)), truth)

    def _sum_that_is_none(self) -> None:
        bills = [self._one_of(self._customer()) for _ in range(2)]
        minor = sum(bill.minor for bill in bills) - self.random.choice([1, 500, 20_000])
        text = self.payer.note(*[self.payer.plain(bill.payment_code) for bill in bills])
        self._pays(minor, text, Truth("no sum", asks="M12"))

    def _cut_off(self) -> None:
        """The bank keeps one line of 35 characters, and the code goes over its end."""
        owner = self._customer()
        kept = self.random.randint(4, 12)
        text = f"{'thanh toan tien dien cho gia dinh toi':.{35 - kept}}{owner.code[:kept]}"
        if len(owner.code[:kept]) == len(owner.code):
            return
        name = self._pays(self._one_of(owner).minor, "", Truth("cut off", asks="M12"), where="vnpay")
        told = self.notices["vnpay"].pop()
        self.notices["vnpay"].append(a_notice(name, told.amount.minor, "", narrative=text, paid_at=told.paid_at))
