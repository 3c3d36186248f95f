"""The simulation: hundreds of seeded worlds live side by side in one database, and a model of each says what must be.

Every round is one step of every world, made through the set-based functions that production uses; after every round all
invariants are proven, over the whole database and so for each world, and each world is compared with its model.
DOISOAT_SIM_SEED plays one world alone, as it was among others; DOISOAT_SIM_SEEDS says how many (500; CHAOS_CAMPAIGN=1
plays 10,000), DOISOAT_SIM_FIRST which comes first.
"""

import os

import pytest

from reconciliation import plain_matches
from tests.reconciliation.books import Books
from tests.reconciliation.proofs.facts import Days, Fact
from tests.reconciliation.proofs.stage import Stage
from tests.reconciliation.proofs.worlds import OWNERS, Household, World

ALONE = os.environ.get("DOISOAT_SIM_SEED")
SEEDS = int(os.environ.get("DOISOAT_SIM_SEEDS") or (10_000 if os.environ.get("CHAOS_CAMPAIGN") else 500))
FIRST = int(os.environ.get("DOISOAT_SIM_FIRST") or 1)
STEPS = 200
TOGETHER = 500
"""Worlds in one database."""
A_DAY = 25
"""Rounds from one day to the next."""
KINDS = (
    "bill", "again", "tell", "again", "show", "again", "again", "tell",
    "again", "bill", "again", "again", "tell", "again", "again", "again",
)  # fmt: skip
"""What the rounds are about, in turn; most of what arrives arrives again."""
ROOM = 100
"""Numbers that each world keeps for its households."""


class Broken(AssertionError):
    """Something that may not be; the worlds it was found in are named."""


def play(books: Books, seeds: list[int]) -> None:
    """Play these worlds to their end; raises Broken at the first round that leaves something wrong."""
    stage = Stage(books)
    worlds = [World(seed, seed * ROOM) for seed in seeds]
    day = 0
    for number in range(STEPS):
        if number % A_DAY == A_DAY - 1:
            day += 1
            stage.pass_day()
            for world in worlds:
                world.pass_days(Days(1))
            touched = [(world, household) for world in worlds for household in world.households]
        else:
            steps = [(world, *world.step(KINDS[number % len(KINDS)], day)) for world in worlds]
            plays: list[tuple[int, Fact]] = []
            for _, household, fact in steps:
                if household.number not in stage.runs:
                    stage.begin(household.number, OWNERS)
                plays.append((household.number, fact))
            stage.play(plays)
            touched = [(world, household) for world, household, _ in steps]
        compare(stage, touched, number)
        if broken := books.broken():
            raise Broken(f"after step {number + 1}: {broken}")


def compare(stage: Stage, touched: list[tuple[World, Household]], number: int) -> None:
    """Compare what the books of these households come to with what their oracles say."""
    found = stage.found([household.number for _, household in touched if household.number in stage.runs])
    wrong = []
    for world, household in touched:
        if household.number in found and (said := found[household.number].differs(household.books)):
            facts = "".join(f"\n  {fact}" for fact in household.facts)
            wrong.append(f"seed {world.seed}, step {number + 1}: {said}, after{facts}")
    if wrong:
        raise Broken(f"{len(wrong)} worlds differ from their model: " + "\n".join(wrong[:5]))


def test_worlds_keep_every_invariant_after_every_step(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_matches, "MANY", 1)  # the road of large statements; the corpus takes the usual one
    seeds = [int(ALONE)] if ALONE else list(range(FIRST, FIRST + SEEDS))
    while seeds:
        together, seeds = seeds[:TOGETHER], seeds[TOGETHER:]
        books.clear()
        play(books, together)
        assert ALONE or books.one("SELECT count(*) FROM allocations WHERE born"), "no line was settled plainly"
