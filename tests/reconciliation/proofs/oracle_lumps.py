"""Which payments a wallet's settlement lines are of: the one day that comes to each, or what people said."""

from collections.abc import Collection, Iterable, Mapping
from itertools import groupby

from tests.reconciliation.proofs.facts import FEE, FEE_VAT, WALLET, Line
from tests.reconciliation.proofs.oracle_transactions import Transaction


def settled(
    lumps: Iterable[Line], all_paid: Iterable[Transaction], said: Mapping[str, Collection[str]],
    not_of: Collection[tuple[str, int]], parted: int,
) -> dict[str, frozenset[str]]:  # fmt: skip
    """Return for each settlement line the names of the payments it is of, none where nobody knows.

    Strike out, as long as anything can be struck out: a line with one day left, which no other line is down to, has
    that day, and nobody else has it.
    """
    spoken = {name for names in said.values() for name in names}
    free = [one for one in all_paid if one.bank == WALLET and one.told and not one.line and not one.denied]
    free = [one for one in free if one.day < parted]
    free = sorted((one for one in free if not one.names & spoken), key=lambda one: one.day)
    days = {day: list(group) for day, group in groupby(free, key=lambda one: one.day)}
    comes_to = {day: sum(one.minor - FEE - FEE_VAT for one in group) for day, group in days.items()}
    open_days = {
        lump.name: {day for day, net in comes_to.items()
                    if net == lump.minor and 1 <= lump.day - day <= 3 and (lump.name, day) not in not_of}
        for lump in lumps if lump.name not in said
    }  # fmt: skip
    found = {name: frozenset(names) for name, names in said.items()} | dict.fromkeys(open_days, frozenset())
    while True:
        down_to = {name: min(left) for name, left in open_days.items() if len(left) == 1}
        wanted = list(down_to.values())
        clear = {name: day for name, day in down_to.items() if wanted.count(day) == 1}
        if not clear:
            return found
        for name, day in clear.items():
            found[name] = frozenset(name for one in days[day] for name in one.names)
            del open_days[name]
        for left in open_days.values():
            left.difference_update(clear.values())
