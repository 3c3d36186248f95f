"""Worlds: what happens in each is drawn from its seed, step by step, by one who knows the books only from the oracle.

A world lives through households, a few at a time: customers with bills, payments by several channels, people's answers.
What it does depends on nothing but its seed and the round, so that a world played alone does the same again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from tests.reconciliation.proofs.facts import Bill, Cancelled, Days, Denied, Fact, Found, Line, Settled, Told
from tests.reconciliation.proofs.oracle import Oracle

AMOUNTS = (40_000, 60_000, 100_000, 100_000, 160_000, 2_400_000)
"""Few, so that amounts are equal everywhere; the largest is more than one person may move alone."""
CHANNELS = ("bank", "bank", "wallet", "kiosk")
AT_ONCE = 3
"""Households that a world lives with at the same time."""
RARE = 0.003
"""How often a person or a bank's change of mind takes the place of a step: these have no form for many at once."""
LONGEST = 24
"""Facts a household sees before another one takes its place."""
OWNERS = {**dict.fromkeys("ABCDEFGH", "An"), **dict.fromkeys("STUVWXYZ", "Binh")}


@dataclass
class Household:
    """One run of the stage: a few people's bills and payments, with the oracle that follows them."""

    number: int
    oracle: Oracle = field(default_factory=lambda: Oracle(OWNERS))
    facts: list[Fact] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    """Callbacks whose statement line has come."""
    books: Found = field(default_factory=Found)

    def told(self) -> list[Told]:
        return [fact for fact in self.facts if isinstance(fact, Told)]

    def bills(self) -> list[Bill]:
        return list(self.oracle.bills.values())

    def take(self, fact: Fact) -> None:
        """Let the oracle hear it; the same told again is nothing new, and the books stay what they were."""
        if fact not in self.facts:
            self.facts.append(fact)
            self.oracle.hear(fact)
            self.books = self.oracle.books()


class World:
    """One seed's world; `step` draws what happens in it next."""

    def __init__(self, seed: int, first_number: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self._next = first_number
        self.households = [self._move_in(0) for _ in range(AT_ONCE)]
        self.steps: list[str] = []

    def _move_in(self, day: int) -> Household:
        self._next += 1
        household = Household(self._next - 1)
        household.oracle.hear(Days(day))  # it knows the clock, whenever it comes
        return household

    def step(self, kind: str, day: int) -> tuple[Household, Fact]:
        """Draw a step of this kind, or now and then one of a person; its fact is known to the oracle already."""
        place = self.random.randrange(AT_ONCE)
        if len(self.households[place].facts) >= LONGEST:
            self.households[place] = self._move_in(day)
        household = self.households[place]
        draws: dict[str, Callable[[Household, int], Fact | None]] = {
            "bill": self._bill, "tell": self._tell, "show": self._show, "again": self._again, "person": self._person,
            "deny": self._deny,
        }  # fmt: skip
        rare = self.random.random() < RARE
        for drawn in (*self.random.sample(("person", "deny"), 2 * rare), kind):
            fact = draws[drawn](household, day)
            if fact is not None:
                household.take(fact)
                self.steps.append(f"{household.number}: {fact}")
                return household, fact
        raise AssertionError(f"expected a world that can {kind}")

    def _bill(self, household: Household, day: int) -> Fact | None:
        known = household.bills()
        chance = self.random.random()
        if known and chance < 0.15:
            bill = self.random.choice(known)
            if bill.name not in household.oracle.cancelled and bill.version < 4:
                if chance < 0.03:
                    return Cancelled(bill.name)
                return replace(bill, version=bill.version + 1, minor=self.random.choice(AMOUNTS))
        if len(known) == len(OWNERS):
            return self.random.choice(known)
        name = self.random.choice([one for one in OWNERS if one not in household.oracle.bills])
        return Bill(name, self.random.choice(AMOUNTS), OWNERS[name], 1, self.random.choice((-2, -1, 0, day + 1)))

    def _quotes(self, household: Household) -> tuple[str, ...]:
        bills = [bill.name for bill in household.bills()] or ["A"]
        one, chance = self.random.choice(bills), self.random.random()
        if chance < 0.55:
            return (one,)
        if chance < 0.65:
            return ("#" + one,)
        if chance < 0.85:
            return ("@" + OWNERS[one],)
        return self.random.choice([
            (), (self.random.choice(list(OWNERS)),), (one, self.random.choice(bills)),
            ("#" + one, "@" + self.random.choice(["An", "Binh"])), ("@An", "@Binh"),
        ])  # fmt: skip

    def _tell(self, household: Household, day: int) -> Fact:
        name = f"T{len(household.facts)}"
        owed = [bill.minor for bill in household.bills()] + [self.random.choice(AMOUNTS)]
        if self.random.random() < 0.2:  # several bills at once, or what is just like their sum
            owed = [sum(self.random.choices(owed, k=2))]
        return Told(
            name, self.random.choice(owed), self._quotes(household), self.random.choice(CHANNELS),
            day * 1440 + self.random.randrange(600), "R" + name if self.random.random() < 0.8 else "",
        )  # fmt: skip

    def _again(self, household: Household, day: int) -> Fact:
        """Draw what banks and billing do most: tell again what they have told."""
        known = [fact for fact in household.facts if isinstance(fact, Told | Bill)]
        return self.random.choice(known) if known else self._tell(household, day)

    def _show(self, household: Household, day: int) -> Fact | None:
        waiting = [one for one in household.told() if one.name not in household.shown and one.reference]
        if waiting and self.random.random() < 0.75:
            told = self.random.choice(waiting)
            household.shown.add(told.name)
            amount = told.minor if self.random.random() < 0.95 else told.minor + 10_000
            quotes = told.quotes if self.random.random() < 0.7 else ()
            return Line(told.reference, amount, quotes, told.bank, day)
        if self.random.random() < 0.1:
            return Line(f"O{len(household.facts)}", -self.random.choice(AMOUNTS), (), "bank", day,
                        reason=self.random.choice(("", "AC04")))  # fmt: skip
        return Line(f"B{len(household.facts)}", self.random.choice(AMOUNTS), self._quotes(household),
                    self.random.choice(CHANNELS), day)  # fmt: skip

    def _person(self, household: Household, day: int) -> Fact | None:
        oracle = household.oracle
        asked = sorted(about for code, about in household.books.questions if "/" not in about and about[0] in "TB")
        if not asked:
            return None
        payment = self.random.choice(asked)
        [one] = [one for one in oracle.transactions() if payment in one.names]
        mine = {bill: minor for bill, minor in oracle.shares_of(one).items() if minor}
        undoes = tuple(bill for bill in mine if self.random.random() < 0.5)
        free = one.minor - sum(minor for bill, minor in mine.items() if bill not in undoes)
        gives = {}
        for bill in self.random.sample(sorted(oracle.bills), min(2, len(oracle.bills))):
            state, paid = household.books.bills[bill]
            most = min(free, oracle.bills[bill].minor - paid + (mine[bill] if bill in undoes else 0))
            if most > 0 and state != "cancelled" and not (bill in mine and bill not in undoes):
                gives[bill] = self.random.choice((most, most, most // 2 or 1))
                free -= gives[bill]
        if one.counted.currency != "VND" or not (undoes or gives):
            return None
        return Settled(payment, undoes, tuple(gives.items()))

    def _deny(self, household: Household, day: int) -> Fact | None:
        reported = [one for one in household.oracle.transactions() if one.told and not one.line and not one.denied]
        return Denied(self.random.choice(reported).name) if reported else None

    def pass_days(self, days: Days) -> None:
        for household in self.households:
            household.oracle.hear(days)
            household.books = household.oracle.books()
