"""The payers of a sandbox bank: money on their accounts, and days on which more comes in."""

from collections.abc import Sequence
from datetime import date

from banks.sandbox.debit_fates import Fates

PAYDAYS = (1, 5, 10, 15, 20, 25)
_PENNILESS = 4
"""One poor payer in so many earns nothing, and stays poor."""


class Payers:
    """Accounts by number, each opened with what the seed draws for it when it is first seen."""

    def __init__(self, fates: Fates, paydays: Sequence[int] = PAYDAYS) -> None:
        self._fates, self._paydays = fates, tuple(paydays)
        self._balances: dict[str, int] = {}
        self._wages: dict[str, tuple[int, int]] = {}

    def balance(self, account: str) -> int:
        """Return the đồng on an account."""
        if account not in self._balances:
            rng = self._fates.draw("account", account)
            payday, wage = rng.choice(self._paydays), rng.randrange(6_000_000, 20_000_000)
            poor = rng.randrange(1000) < self._fates.mix.payers_poor
            self._balances[account] = rng.randrange(50_000) if poor else rng.randrange(10**8, 10**9)
            if poor and not rng.randrange(_PENNILESS):
                wage = 0
            self._wages[account] = (payday, wage)
        return self._balances[account]

    def move(self, account: str, minor: int) -> bool:
        """Put `minor` đồng on an account, or take them off it if there is enough; tell whether it was done."""
        left = self.balance(account) + minor
        if left < 0:
            return False
        self._balances[account] = left
        return True

    def pay_wages(self, day: date) -> None:
        """Let wages of `day` come in."""
        for account, (payday, wage) in self._wages.items():
            if payday == day.day:
                self._balances[account] += wage

    def money(self) -> int:
        """Return what all of them have together."""
        return sum(self._balances.values())
