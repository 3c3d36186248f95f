"""What an amount comes to, as the oracle reckons it: every set of bills is tried, and the only one that fits wins."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from tests.reconciliation.proofs.facts import Bill


@dataclass(frozen=True)
class Wish:
    """A payment that names `bills` and beside them `customers`, with `minor` đồng to give; `never` it settles."""

    minor: int
    day: int
    bills: frozenset[str]
    customers: frozenset[str]
    never: frozenset[str]


@dataclass
class Reckoning:
    """What bills lack at the moment, and which of them people were asked about already."""

    bills: Mapping[str, Bill]
    owed: dict[str, int]
    doubtful: set[str]

    def take(self, wish: Wish) -> tuple[str, tuple[str, ...]]:
        """Return ("match", bills it pays), or ("several", ()) or ("none", ()); what it pays is owed no more."""
        fits = list(self._fitting(wish))
        if len(fits) == 1 and not self.doubtful.intersection(fits[0] - wish.bills):
            for bill in fits[0]:
                self.owed[bill] = 0
            return "match", tuple(fits[0])
        self.doubtful.update(*fits)
        return ("several" if fits else "none"), ()

    def _fitting(self, wish: Wish) -> Iterable[frozenset[str]]:
        if any(self.owed.get(bill, 0) <= 0 or bill in wish.never for bill in wish.bills):
            return
        others = [
            name for name, minor in self.owed.items()
            if minor > 0 and self.bills[name].of in wish.customers and self.bills[name].issued <= wish.day
            and name not in wish.never | wish.bills
        ]  # fmt: skip
        for number in range(len(others) + 1):
            for some in combinations(others, number):
                chosen = wish.bills | set(some)
                exact = sum(self.owed[name] for name in chosen) == wish.minor
                if chosen and exact and {self.bills[name].of for name in some} >= wish.customers:
                    yield chosen
