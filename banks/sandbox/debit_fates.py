"""What becomes of each debit at a sandbox bank: drawn from a seed and its own ids, whatever the order."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

REFUSALS = (
    "AC01 AC04 AC06 AC13 AG01 AG02 BE05 CNOR DNOR FF05 MD01 MD02 MD07 MS02 MS03 RC01 RR01 RR02 RR03 RR04 SL01 SL12"
).split()
"""For these a payer's bank refuses, now and at every later try; want of money (AM04) follows from balances instead."""
RETURNS = "MD06 AC04 AC06 AM04 MD01 MS02 MS03".split()
"""For these a debit that was paid comes back."""
LATEST_RETURN = 5
"""Business days within which it does."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How often what happens, in thousandths: of payers, of debits, of reports, of recalls."""

    payers_refused: int = 2
    """For each reason of REFUSALS."""
    payers_poor: int = 60
    debits_next_day: int = 40
    debits_returned: int = 12
    debits_told_late: int = 50
    debits_never_told: int = 6
    reports_lost: int = 20
    reports_twice: int = 100
    """Half of them byte for byte, half made anew with another id."""
    recalls_refunded: int = 500
    """Of those that come after the debit was carried out; the others are too late."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one debit, if its payer has the money; `told` is "at once", "late" or "never".

    A `refused` one has a reason code; one with `returned_after` business days comes back for `return_reason`.
    """

    refused: str = ""
    next_day: bool = False
    told: str = "at once"
    returned_after: int = 0
    return_reason: str = ""


@dataclass(frozen=True, slots=True)
class Fates:
    """The draws of one seed; `forced` are end-to-end ids whose fate is given instead."""

    seed: int
    mix: Mix = Mix()
    forced: Mapping[str, Fate] = field(default_factory=dict)

    def of(self, end_to_end_id: str, mandate_id: str) -> Fate:
        """Return the fate of a debit."""
        if end_to_end_id in self.forced:
            return self.forced[end_to_end_id]
        rng, mix = self.draw("debit", end_to_end_id), self.mix
        told = rng.randrange(1000)
        after = rng.randint(1, LATEST_RETURN) if rng.randrange(1000) < mix.debits_returned else 0
        return Fate(
            refused=self._refusal(mandate_id),
            next_day=rng.randrange(1000) < mix.debits_next_day,
            told=_first(told, never=mix.debits_never_told, late=mix.debits_told_late) or "at once",
            returned_after=after,
            return_reason=rng.choice(RETURNS) if after else "",
        )

    def report(self, name: str) -> str:
        """Return "lost", "copied", "made anew" or "" for a report by its name."""
        rng = self.draw("report", name)
        found = _first(rng.randrange(1000), lost=self.mix.reports_lost, twice=self.mix.reports_twice)
        return rng.choice(("copied", "made anew")) if found == "twice" else found

    def refunds(self, end_to_end_id: str) -> bool:
        """Tell whether a debit that was carried out is given back when it is called off."""
        return self.draw("recall", end_to_end_id).randrange(1000) < self.mix.recalls_refunded

    def draw(self, kind: str, name: str) -> random.Random:
        """Return the draws for one thing, the same ones whatever was drawn before."""
        return random.Random(f"{self.seed} {kind} {name}")  # noqa: S311 - practice must be repeatable

    def _refusal(self, mandate_id: str) -> str:
        drawn = self.draw("payer", mandate_id).randrange(1000)
        at = drawn // self.mix.payers_refused if self.mix.payers_refused else len(REFUSALS)
        return REFUSALS[at] if at < len(REFUSALS) else ""


def _first(drawn: int, **shares: int) -> str:
    """Return the name whose share of a thousand `drawn` falls into, "" for what is left."""
    for name, share in shares.items():
        if drawn < share:
            return name
        drawn -= share
    return ""
