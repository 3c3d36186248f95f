"""Explaining: which bills an amount pays when the payer names customers, or several bills, and no single bill.

An amount explains itself when exactly one choice among what the named customers owe adds up to it, every named bill and
at least one bill of every named customer being part of it. Where several choices do, people decide, on that payment and
on later ones that want the same bills; a policy may let the oldest bills come first instead. Pure: no database.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import accumulate, islice

MOST_BILLS = 12
"""Among more open bills than this no choice is looked for, save all of them or the oldest ones."""
MOST_CHOICES = 12
"""As many choices as people are shown."""


@dataclass(frozen=True, slots=True)
class Owed:
    """What a bill lacks in đồng once all that is proven has settled."""

    bill_id: int
    customer_id: int
    number: str
    issued_on: date
    minor: int


@dataclass(frozen=True, slots=True)
class Named:
    """A payment with `minor` đồng to give: the bills it names, and the customers it names beside them.

    `taboo` are bills that it can't settle: a person took them apart, or it settles part of them already.
    """

    payment_id: int
    minor: int
    day: date
    bills: Sequence[int] = ()
    customers: Sequence[int] = ()
    taboo: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Policy:
    """What a utility lets happen by itself: the oldest bills first where several choices fit, parts of bills."""

    oldest_first: bool = False
    part_payment: bool = False


@dataclass(slots=True)
class Explained:
    """What an amount comes to: `rule` and `shares` (bill, đồng) when it is certain, else `choices` for people.

    `beaten` are bills of the same customers that were owed as well and are not part of it.
    """

    rule: str = ""
    shares: list[tuple[Owed, int]] = field(default_factory=list)
    choices: list[tuple[Owed, ...]] = field(default_factory=list)
    beaten: list[Owed] = field(default_factory=list)


def explain(payments: Iterable[Named], owed: Iterable[Owed], policy: Policy) -> dict[int, Explained]:
    """Return payment → what it comes to; `payments` come in the order in which they settle, each takes what is left."""
    left = {one.bill_id: one for one in owed if one.minor > 0}
    by_customer: dict[int, list[int]] = {}
    for one in sorted(left.values(), key=lambda one: (one.issued_on, one.number)):
        by_customer.setdefault(one.customer_id, []).append(one.bill_id)
    contested: set[int] = set()
    found: dict[int, Explained] = {}
    for payment in payments:
        made = found[payment.payment_id] = _explain(payment, left, by_customer, contested, policy)
        for bill, minor in made.shares:
            left[bill.bill_id] = _less(bill, minor)
        contested.update(bill.bill_id for choice in made.choices for bill in choice)
    return found


def _explain(
    payment: Named, left: Mapping[int, Owed], by_customer: Mapping[int, list[int]], contested: set[int], policy: Policy
) -> Explained:
    must = [left.get(bill_id) for bill_id in payment.bills]
    named = [one for one in must if one is not None and one.minor > 0 and one.bill_id not in payment.taboo]
    if len(named) < len(must):
        return Explained()
    pool = [
        left[bill_id]
        for customer in payment.customers
        for bill_id in by_customer.get(customer, ())
        if left[bill_id].minor > 0 and left[bill_id].issued_on <= payment.day
        and bill_id not in payment.taboo and bill_id not in payment.bills
    ]  # fmt: skip
    pool.sort(key=lambda one: (one.issued_on, one.number))
    rest = payment.minor - sum(one.minor for one in named)
    choices = list(islice(_choices(rest, pool, set(payment.customers)), MOST_CHOICES))
    choice = choices[0] if len(choices) == 1 else None
    if len(choices) > 1 and policy.oldest_first:
        choice = next((one for one in choices if _is_oldest(one, pool)), None)
    wanted = {bill.bill_id for one in choices for bill in one}
    if choice is None or (wanted & contested and not policy.oldest_first):
        if not choices and policy.part_payment and not named and len(payment.customers) == 1:
            return _part(payment, pool)
        return Explained(choices=[(*named, *one) for one in choices])
    taken = [*named, *choice]
    return Explained(
        rule=_rule(payment, choice, pool, certain=len(choices) == 1),
        shares=[(one, one.minor) for one in taken],
        beaten=[one for one in pool if one not in choice],
    )


def _choices(minor: int, pool: Sequence[Owed], customers: set[int]) -> Iterator[tuple[Owed, ...]]:
    """Yield the choices among `pool` that add up to `minor` and leave none of `customers` out."""
    if minor < 0 or not customers <= {one.customer_id for one in pool}:
        return
    if len(pool) > MOST_BILLS:
        # All of them are the only choice that adds up to all; of the rest only the oldest are looked at, twice over,
        # because nobody has proven that no other choice fits as well.
        sums = list(accumulate(one.minor for one in pool))
        if minor in sums:
            oldest = tuple(pool[: sums.index(minor) + 1])
            if customers <= {one.customer_id for one in oldest}:
                yield oldest
                if len(oldest) < len(pool):
                    yield oldest
        return
    reach = [*accumulate((one.minor for one in reversed(pool)), initial=0)][::-1]

    def choose(at: int, lacking: int, taken: tuple[Owed, ...]) -> Iterator[tuple[Owed, ...]]:
        if lacking == 0:
            if customers <= {one.customer_id for one in taken}:
                yield taken
            return
        if at == len(pool) or lacking > reach[at]:
            return
        if pool[at].minor <= lacking:
            yield from choose(at + 1, lacking - pool[at].minor, (*taken, pool[at]))
        yield from choose(at + 1, lacking, taken)

    yield from choose(0, minor, ())


def _rule(payment: Named, choice: Sequence[Owed], pool: Sequence[Owed], *, certain: bool) -> str:
    if payment.bills or len(payment.customers) > 1:
        return "named_sum"
    if not certain:
        return "customer_oldest"
    if len(choice) == 1:
        return "customer_amount"
    if len(choice) == len(pool):
        return "customer_all"
    return "customer_oldest" if _is_oldest(choice, pool) else "customer_subset"


def _is_oldest(choice: Sequence[Owed], pool: Sequence[Owed]) -> bool:
    return tuple(choice) == tuple(pool[: len(choice)])


def _part(payment: Named, pool: Sequence[Owed]) -> Explained:
    """Give what there is to the oldest bills, the last of them in part; more than is owed is no part."""
    if payment.minor > sum(one.minor for one in pool):
        return Explained()
    rest, shares = payment.minor, list[tuple[Owed, int]]()
    for one in pool:
        if rest <= 0:
            break
        shares.append((one, min(rest, one.minor)))
        rest -= one.minor
    return Explained(rule="customer_part", shares=shares, beaten=list(pool[len(shares) :]))


def _less(bill: Owed, minor: int) -> Owed:
    return Owed(bill.bill_id, bill.customer_id, bill.number, bill.issued_on, bill.minor - minor)
