from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random

import pytest

from banks.errors import Unreadable
from banks.money import Money
from tests.reconciliation.books import ACCOUNT, CODE, CUSTOMER, Books, a_bill, a_line, a_notice, at


def test_one_transaction_told_fifty_times_by_eight_threads_is_one_payment(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: sound_books.hear(a_notice()), range(50)))
    assert sound_books.matched() == {"T1": 100_000}
    assert sound_books.one("SELECT count(*) FROM entries WHERE key LIKE 'payment:%'") == 1
    assert sound_books.one("SELECT count(*) FROM allocations") == 1
    assert sound_books.paid() == ("paid", 100_000)


def test_one_transaction_told_twice_in_one_batch_is_one_payment(sound_books: Books) -> None:
    sound_books.read(a_line(reference="B1"), a_line(reference="B1"))
    sound_books.hear(a_notice(bank_reference="B1"), a_notice(bank_reference="B1"))
    assert sorted(sound_books.matched()) == ["T1", sound_books.one(
        "SELECT source_reference FROM payments WHERE source_reference LIKE 'line:%'")]  # fmt: skip


IDENTITIES = {
    "the bank's reference": (a_line(reference="B1"), a_notice(bank_reference="B1")),
    "the caller's reference, which is the bank's": (a_line(reference="T1"), a_notice()),
    "the end-to-end id": (a_line(end_to_end_id="HD0001-1"), a_notice(end_to_end_id="HD0001-1")),
    "the payment code": (a_line(narrative=f"tt {CODE}"), a_notice()),
    "the bill's number": (a_line(narrative="tt HD0001 nha em"), a_notice(code="HD0001")),
    "the code beside a reference of one side": (a_line(reference="B9", narrative=CODE), a_notice()),
    "a reference, the code only on the statement": (a_line(reference="B1", narrative=CODE),
                                                    a_notice(code="", bank_reference="B1")),
    "a reference, the code only in the callback": (a_line(reference="B1"), a_notice(bank_reference="B1")),
}  # fmt: skip


# A bill's number has no shape of its own: it identifies nothing before the bill is known.
@pytest.mark.parametrize(
    ("identity", "bill"),
    [(one, when) for one in IDENTITIES for when in ("before", "between", "after")
     if when == "before" or one != "the bill's number"],
)  # fmt: skip
@pytest.mark.parametrize("first", ["line", "callback"])
def test_line_and_callback_of_one_transaction_are_one_payment(
    sound_books: Books, identity: str, first: str, bill: str
) -> None:
    line, notice = IDENTITIES[identity]
    acts = [lambda: sound_books.read(line), lambda: sound_books.hear(notice)]
    if first == "callback":
        acts.reverse()
    acts.insert(["before", "between", "after"].index(bill), lambda: sound_books.issue(a_bill()))
    for act in acts:
        act()
    assert sound_books.matched() == {"T1": 100_000}
    assert sound_books.paid() == ("paid", 100_000)
    assert sound_books.balances() == {"bank:standard:confirmed": 100_000, "revenue": -100_000}
    assert sound_books.rows("SELECT state, business_date::text FROM payments") == [("confirmed", "2026-11-18")]
    assert sound_books.open_questions() == set()


@pytest.mark.parametrize("first", ["lines", "callbacks"])
def test_two_equal_lines_are_two_payments_and_callbacks_are_counted_off(sound_books: Books, first: str) -> None:
    sound_books.issue(a_bill(), a_bill("HD0002", code=CODE.replace("11126", "21126")))

    def lines() -> object:
        return sound_books.read(a_line(reference="B1", narrative=CODE), a_line(reference="B1", narrative=CODE))

    def callbacks() -> object:
        return [sound_books.hear(a_notice(f"T{n}", bank_reference="B1", paid_at=at(n))) for n in (1, 2)]

    for act in (lines, callbacks) if first == "lines" else (callbacks, lines):
        act()
    assert sound_books.matched() == {"T1": 100_000, "T2": 0}
    assert sound_books.open_questions() == {("M06", "T2")}
    assert sound_books.balances() == {"bank:standard:confirmed": 200_000, "receivable": 100_000,
                                      "revenue": -200_000, "suspense": -100_000}  # fmt: skip


@pytest.mark.parametrize("first", ["lines", "callbacks"])
def test_equal_rows_without_references_are_counted_off_by_their_code(sound_books: Books, first: str) -> None:
    sound_books.issue(a_bill())

    def lines() -> object:
        return sound_books.read(a_line(narrative=CODE), a_line(narrative=CODE))

    def callbacks() -> object:
        return sound_books.hear(a_notice("T1"), a_notice("T2", paid_at=at(2)))

    for act in (lines, callbacks) if first == "lines" else (callbacks, lines):
        act()
    assert sound_books.matched() == {"T1": 100_000, "T2": 0}


@pytest.mark.parametrize("first", ["line", "callback"])
def test_a_code_never_overrides_references_that_contradict_each_other(sound_books: Books, first: str) -> None:
    sound_books.issue(a_bill())
    acts = [lambda: sound_books.read(a_line(reference="B2", narrative=CODE)),
            lambda: sound_books.hear(a_notice(bank_reference="B1"))]  # fmt: skip
    for act in acts if first == "line" else reversed(acts):
        act()
    assert len(sound_books.matched()) == 2


def test_another_amount_under_the_same_reference_is_asked_about_and_changes_nothing(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice())
    sound_books.hear(a_notice(minor=90_000))
    assert sound_books.matched() == {"T1": 100_000}
    assert sound_books.open_questions() == {("M03", "T1")}
    facts = sound_books.facts_of("M03")
    assert (facts["expected"], facts["arrived"]) == (100_000, 90_000)


def test_another_currency_under_the_same_reference_is_asked_about(sound_books: Books) -> None:
    sound_books.hear(a_notice(code=CUSTOMER))
    sound_books.hear(a_notice(code=CUSTOMER, currency="USD"))
    assert "M03" in sound_books.asked()


def test_a_callback_with_another_amount_than_its_line_is_no_second_payment(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.read(a_line(90_000, reference="B1", narrative=CODE))
    sound_books.hear(a_notice(bank_reference="B1"))
    assert sound_books.matched() == {"T1": 90_000}
    assert sound_books.asked() == ["M03", "M03"], "the bill is short, and one transaction was told with two amounts"


def test_a_batch_reference_over_other_amounts_proves_nothing(sound_books: Books) -> None:
    sound_books.read(a_line(10_000, reference="BATCH"), a_line(20_000, reference="BATCH"))
    sound_books.hear(a_notice(minor=30_000, bank_reference="BATCH"))
    assert len(sound_books.matched()) == 3


@pytest.mark.parametrize(
    "bad", [a_notice("line:7"), replace(a_notice(), amount=Money(0)), replace(a_notice(), amount=Money(-5))]
)
def test_what_no_bank_can_mean_is_refused(sound_books: Books, bad: object) -> None:
    with pytest.raises(Unreadable):
        sound_books.hear(bad)  # type: ignore[arg-type]  # each is a notice
    assert sound_books.matched() == {}


def test_the_same_reference_at_two_banks_is_two_payments(sound_books: Books) -> None:
    sound_books.hear(a_notice())
    sound_books.hear(a_notice(), source="vnpay")
    assert sound_books.one("SELECT count(*) FROM payments") == 2


def test_the_payers_account_stands_sealed_and_masked(sound_books: Books) -> None:
    sound_books.hear(a_notice(payer_account=ACCOUNT, narrative=f"chuyen tu {ACCOUNT} tra {CODE}"))
    row = sound_books.rows("SELECT payments::text FROM payments")[0][0]
    assert ACCOUNT not in row
    assert sound_books.rows("SELECT payer_tail, narrative FROM payments") == [("2233", f"chuyen tu ···233 tra {CODE}")]


def test_banks_heard_at_the_same_time_do_not_lose_each_other(sound_books: Books) -> None:
    sound_books.issue(*[a_bill(f"HD{n:04}", code=f"{CUSTOMER}{n:05}") for n in range(40)])
    told = [(a_notice(f"{bank}{n}", code=f"{CUSTOMER}{n:05}", paid_at=at(1, n)), bank)
            for n in range(40) for bank in ("standard", "vnpay")]  # fmt: skip
    Random(7).shuffle(told)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: sound_books.hear(one[0], source=one[1]), told))
    assert sound_books.one("SELECT count(*) FROM bills WHERE state = 'paid'") == 40
    assert sound_books.rows("SELECT source FROM payments WHERE matched_minor > 0 GROUP BY 1") == [("standard",)]
    assert sound_books.asked() == ["M04"] * 40
