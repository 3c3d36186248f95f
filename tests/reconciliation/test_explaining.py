from datetime import date, timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation import explaining
from reconciliation.explaining import Explained, Named, Owed, Policy

DAY = date(2026, 11, 18)


def bills(*minors: int, customer: int = 1, first: int = 1) -> list[Owed]:
    """Bills of one customer, each a month after the one before."""
    return [
        Owed(first + at, customer, f"HD{first + at}", DAY - timedelta(days=400 - 30 * at), minor)
        for at, minor in enumerate(minors)
    ]


def one(minor: int, owed: list[Owed], policy: Policy | None = None, **named: object) -> Explained:
    payment = Named(7, minor, DAY, **{"customers": [1], **named})  # type: ignore[arg-type]
    return explaining.explain([payment], owed, policy or Policy())[7]


def told(found: Explained) -> tuple[str, dict[int, int]]:
    return found.rule, {bill.bill_id: minor for bill, minor in found.shares}


@pytest.mark.parametrize(
    ("minor", "owed", "expected"),
    [
        (50, (50, 70), ("customer_amount", {1: 50})),
        (120, (50, 70), ("customer_all", {1: 50, 2: 70})),
        (120, (50, 70, 90), ("customer_oldest", {1: 50, 2: 70})),
        (140, (50, 70, 90), ("customer_subset", {1: 50, 3: 90})),
        (60, (50, 70), ("", {})),
        (121, (50, 70), ("", {})),
        (50, (50, 50), ("", {})),
        (120, (50, 70, 120), ("", {})),
    ],
)
def test_an_amount_explains_itself_when_one_choice_adds_up_to_it(
    minor: int, owed: tuple[int, ...], expected: tuple[str, dict[int, int]]
) -> None:
    assert told(one(minor, bills(*owed))) == expected


def test_what_was_owed_as_well_is_named() -> None:
    assert [bill.number for bill in one(50, bills(50, 70)).beaten] == ["HD2"]


def test_several_choices_are_all_shown() -> None:
    found = one(120, bills(50, 70, 120))
    assert {tuple(bill.bill_id for bill in choice) for choice in found.choices} == {(1, 2), (3,)}


def test_a_policy_lets_the_oldest_come_first() -> None:
    policy = Policy(oldest_first=True)
    assert told(one(50, bills(50, 50, 50), policy)) == ("customer_oldest", {1: 50})
    assert told(one(100, bills(50, 50, 50), policy)) == ("customer_oldest", {1: 50, 2: 50})


def test_a_policy_lets_bills_be_paid_in_part_the_oldest_first() -> None:
    policy = Policy(part_payment=True)
    assert told(one(60, bills(50, 70), policy)) == ("customer_part", {1: 50, 2: 10})
    assert told(one(130, bills(50, 70), policy)) == ("", {})
    assert told(one(60, bills(50, 70))) == ("", {})


def test_one_payment_for_several_customers_pays_something_of_each() -> None:
    owed = [*bills(50, 70), *bills(30, 120, customer=2, first=11)]
    assert told(one(80, owed, customers=[1, 2])) == ("named_sum", {1: 50, 11: 30})
    assert told(one(270, owed, customers=[1, 2])) == ("named_sum", {1: 50, 2: 70, 11: 30, 12: 120})
    assert told(one(120, owed, customers=[1, 2])) == ("", {})  # 50 + 70 leave the second one out


def test_named_bills_are_all_of_it() -> None:
    owed = [*bills(50, 70), *bills(30, customer=2, first=11)]
    assert told(one(80, owed, bills=[1, 11], customers=[])) == ("named_sum", {1: 50, 11: 30})
    assert told(one(81, owed, bills=[1, 11], customers=[])) == ("", {})
    assert told(one(80, owed, bills=[1], customers=[2])) == ("named_sum", {1: 50, 11: 30})
    assert told(one(120, owed, bills=[1, 99], customers=[])) == ("", {})


def test_later_payments_wait_for_what_people_decide_on() -> None:
    owed = bills(50, 50, 70)
    payments = [Named(at, minor, DAY, customers=[1]) for at, minor in ((1, 50), (2, 100), (3, 70))]
    found = explaining.explain(payments, owed, Policy())
    assert [found[at].rule for at in (1, 2, 3)] == ["", "", "customer_amount"]


def test_bills_issued_later_or_taken_apart_are_no_choice() -> None:
    owed = [*bills(50), Owed(2, 1, "HD2", DAY + timedelta(days=1), 50)]
    assert told(one(50, owed)) == ("customer_amount", {1: 50})
    assert told(one(50, owed, taboo=frozenset([1]))) == ("", {})


def test_among_many_bills_only_all_of_them_are_certain() -> None:
    many = bills(*range(101, 101 + explaining.MOST_BILLS + 1))
    assert one(sum(bill.minor for bill in many), many).rule == "customer_all"
    assert one(101, many).rule == ""
    assert told(one(101 + 102, many, Policy(oldest_first=True))) == ("customer_oldest", {1: 101, 2: 102})


@given(st.lists(st.integers(1, 30), min_size=1, max_size=7), st.data())
def test_what_is_certain_is_the_only_choice_and_comes_to_the_amount(minors: list[int], data: st.DataObject) -> None:
    owed = bills(*minors)
    minor = data.draw(st.integers(1, sum(minors) + 1))
    fitting = [
        set(chosen) for size in range(1, len(owed) + 1) for chosen in combinations(range(1, len(owed) + 1), size)
        if sum(minors[at - 1] for at in chosen) == minor
    ]  # fmt: skip
    rule, shares = told(one(minor, owed))
    assert bool(rule) == (len(fitting) == 1)
    assert not rule or (set(shares) == fitting[0] and sum(shares.values()) == minor)
