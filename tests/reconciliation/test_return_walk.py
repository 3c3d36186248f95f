"""The walk alone: facts shuffled give one answer, and no doubt is taken for a proof."""

from datetime import date
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from reconciliation.return_walk import Doubt, In, Keys, Out, Place, Tie, others, said, walk


def place(day: int, entry: int = 1, line: int = 0) -> Place:
    on = date(2026, 11, day)
    return on, on, 0, 1, f"S{day}", entry, 1, line


def came(payment: int, day: int, reference: str = "B1", minor: int = 100, bill: str = "", entry: int = 1) -> In:
    keys = Keys(minor, "VND", reference, bill=bill)
    return In(payment, 100 + payment, place(day, entry, 100 + payment), keys, False, True)


def went(line: int, day: int, reference: str = "B1", minor: int = 100, bill: str = "", entry: int = 1) -> Out:
    return Out(line, place(day, entry, line), Keys(minor, "VND", reference, bill=bill), False)


def test_what_was_booked_later_is_not_what_was_returned() -> None:
    walked = walk([went(1, 3)], [came(7, 2), came(8, 4, "B9")])
    assert walked.returns == {1: Tie(7, 1, "reference")}
    assert walk([went(1, 3)], [came(8, 4)]).doubts == {1: Doubt("outgoing")}


def test_a_reference_with_another_amount_is_not_passed_over_for_a_bill_with_the_same() -> None:
    walked = walk([went(1, 3, bill="HD1")], [came(7, 2, minor=90), came(8, 2, "B9", bill="HD1", entry=2)])
    assert walked.doubts == {1: Doubt("return_differs", (7,))}
    assert walked.returns == {}


def test_money_goes_and_comes_as_often_as_the_bank_says() -> None:
    ins = [came(7, 1), came(8, 3), came(9, 5)]
    walked = walk([went(1, 2), went(2, 4)], ins)
    assert walked.returns == {1: Tie(7, 1, "reference"), 2: Tie(7, 2, "reference")}
    assert walked.again == {108: Tie(7, 2, ""), 109: Tie(7, 3, "")}


IN = st.builds(
    came, st.integers(1, 1), st.integers(1, 6), st.sampled_from(["B1", "B2", ""]), st.sampled_from([90, 100]),
    st.sampled_from(["", "HD1", "HD2"]),
)  # fmt: skip
OUT = st.builds(
    went, st.just(1), st.integers(1, 6), st.sampled_from(["B1", "B2", ""]), st.sampled_from([90, 100]),
    st.sampled_from(["", "HD1", "HD2"]),
)  # fmt: skip


@given(st.lists(st.one_of(IN, OUT), max_size=8), st.integers())
def test_any_order_gives_the_same_answer_and_no_payment_goes_twice(given_: list[In | Out], seed: int) -> None:
    ins, outs = [], []
    for number, one in enumerate(given_, 1):
        day = one.place[0].day
        if isinstance(one, In):
            keys = one.keys
            ins.append(came(number, day, keys.bank_reference, keys.minor, keys.bill, entry=number))
        else:
            keys = one.keys
            outs.append(went(number, day, keys.bank_reference, keys.minor, keys.bill, entry=number))
    first = walk(outs, ins)
    shuffled = [list(outs), list(ins)]
    for some in shuffled:
        Random(seed).shuffle(some)
    assert walk(*shuffled) == first
    assert first.returns.keys() | first.doubts.keys() == {one.line_id for one in outs}
    ties = [(tie.payment_id, tie.turn) for tie in first.returns.values()]
    assert len(ties) == len(set(ties))
    amounts = {one.payment_id: one.keys.amount for one in ins}
    assert all(amounts[tie.payment_id] == one.keys.amount for one in outs if (tie := first.returns.get(one.line_id)))


def test_words_name_the_payment_and_what_proves_it() -> None:
    keys = Keys(100, "VND", "B1", end_to_end_id="E1", bill="HD1")
    assert said(Tie(7, 1, "reference_quoted"), "T1", keys).startswith("The line quotes the reference of payment T1")
    assert "end-to-end id E1 of payment T1" in said(Tie(7, 1, "end_to_end_id"), "T1", keys)
    assert said(Tie(7, 1, "bill"), "T1", keys).startswith("The line names bill HD1 over exactly the amount")
    assert others(["a"] * 7) == "a, a, a, a, a (+2)"
