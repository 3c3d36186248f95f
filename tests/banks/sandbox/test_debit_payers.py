"""Payers have the money they were opened with, what came in, and never less than nothing."""

from datetime import date

from banks.sandbox.debit_fates import Fates, Mix
from banks.sandbox.debit_payers import PAYDAYS, Payers


def test_money_is_taken_only_where_it_is():
    payers = Payers(Fates(1, Mix(payers_poor=1000)))
    before = payers.balance("1")
    assert before < 50_000
    assert not payers.move("1", -before - 1)
    assert payers.balance("1") == before
    assert payers.move("1", -before)
    assert payers.move("1", 5)
    assert payers.balance("1") == 5 == payers.money()


def test_wages_come_in_once_a_month_and_some_poor_never_earn():
    payers = Payers(Fates(1, Mix(payers_poor=1000)))
    accounts = [str(number) for number in range(200)]
    before = {account: payers.balance(account) for account in accounts}
    for day in range(1, 31):
        payers.pay_wages(date(2026, 11, day))
    grown = [payers.balance(account) - before[account] for account in accounts]
    assert 20 < grown.count(0) < 90
    assert all(wage == 0 or 6_000_000 <= wage < 20_000_000 for wage in grown)
    assert max(PAYDAYS) <= 28, "every month has each of them"


def test_the_same_seed_opens_the_same_accounts():
    first, second = Payers(Fates(3)), Payers(Fates(3))
    assert [first.balance(str(number)) for number in range(50)] == [
        second.balance(str(number)) for number in reversed(range(50))
    ][::-1]
