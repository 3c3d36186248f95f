"""Fates follow from the seed and the ids alone, each as often as the mix says."""

from collections import Counter

from banks.sandbox.debit_fates import LATEST_RETURN, REFUSALS, RETURNS, Fate, Fates, Mix

NOTHING = Mix(0, 0, 0, 0, 0, 0, 0, 0, 0)


def drawn(fates, count=4000):
    return {f"E{number}": fates.of(f"E{number}", f"M{number}") for number in range(count)}


def test_the_order_of_asking_decides_nothing():
    fates = Fates(1)
    forwards = drawn(fates)
    assert {name: fates.of(name, f"M{name[1:]}") for name in reversed(forwards)} == forwards
    assert drawn(Fates(1)) == forwards
    assert drawn(Fates(2)) != forwards


def test_a_payer_is_refused_for_the_same_reason_each_time():
    fates = Fates(1, Mix(payers_refused=40))
    for number in range(50):
        assert len({fates.of(f"E{attempt}", f"M{number}").refused for attempt in range(5)}) == 1


def test_each_happens_about_as_often_as_the_mix_says():
    found = drawn(Fates(1))
    refused = Counter(fate.refused for fate in found.values() if fate.refused)
    assert set(refused) == set(REFUSALS)
    assert 120 < refused.total() < 240  # of 4,000, 2 in 1,000 for each of 22 reasons
    told = Counter(fate.told for fate in found.values())
    assert 150 < told["late"] < 250
    assert 8 < told["never"] < 45
    back = [fate for fate in found.values() if fate.returned_after]
    assert {fate.returned_after for fate in back} == set(range(1, LATEST_RETURN + 1))
    assert {fate.return_reason for fate in back} == set(RETURNS)
    assert 110 < sum(fate.next_day for fate in found.values()) < 210


def test_nothing_happens_when_the_mix_says_so_save_what_is_forced():
    fates = Fates(1, NOTHING, {"E5": Fate(refused="AC04")})
    found = drawn(fates, 300)
    assert found.pop("E5") == Fate(refused="AC04")
    assert set(found.values()) == {Fate()}
    assert {fates.report(f"R{number}") for number in range(300)} == {""}
    assert not any(fates.refunds(f"E{number}") for number in range(300))


def test_reports_are_lost_copied_or_made_anew():
    fates = Fates(1, Mix(reports_lost=300, reports_twice=400))
    found = Counter(fates.report(f"R{number}") for number in range(1000))
    assert set(found) == {"lost", "copied", "made anew", ""}
    assert all(count > 130 for count in found.values())
