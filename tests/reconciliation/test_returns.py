"""Money that banks take back: which payment it was, what becomes of its bill, and what the customer is told."""

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from banks.money import Money
from banks.records import StatementClosed, StatementKind, StatementOpened
from reconciliation import import_undo, sending
from tests.reconciliation.books import (
    ACCOUNT,
    CODE,
    DAY,
    OTHER_CODE,
    OTHER_CUSTOMER,
    Books,
    a_bill,
    a_line,
    a_notice,
    at,
)

Act = Callable[[Books], object]


def reads(day: int, *lines: Any, id: str = "") -> Act:
    """The statement of a day; each line is booked on it."""
    on = DAY + timedelta(days=day)
    return lambda books: books.read(*[one._replace(booked_on=on) for one in lines], id=id or f"S{day}", on=on)


def told(books: Books, event: str = "payment_recorded") -> None:
    """Let the words on an event leave, as a sender does."""
    books.run(
        lambda session: session.execute(
            text("UPDATE messages SET body = 'x', state = 'queued' WHERE event = :e AND state = 'queued'"), {"e": event}
        )
    )

    def act(session: Any) -> None:
        claimed = sending.claim(
            session, carrier="http", of_all=True, limit=10, lease=timedelta(seconds=60), now=books.now
        )
        sending.sent(session, [(one.id, f"ref{one.id}") for one in claimed], provider="memory", now=books.now)

    books.run(act)


def words(books: Books) -> list[tuple[str, str]]:
    return books.rows("SELECT event, state FROM messages ORDER BY id")


CAME = a_line(reference="B1", narrative=CODE)
BACK = a_line(-100_000, "B1", reversal=True)
OTHER = a_line(reference="B2", narrative=CODE)
AGAIN = a_line(100_000, "B1", reversal=True)


def test_a_file_brings_a_payment_and_its_return_in_two_statements(sound_books: Books) -> None:
    head = StatementOpened(
        format="test", kind=StatementKind("statement"), id="S0", account=ACCOUNT, currency="VND", closing_on=DAY
    )
    foot = StatementClosed(
        id="S0", lines=1, credit_total=Money(100_000, "VND"), debit_total=Money(0, "VND"), balanced=None
    )
    first = (head, CAME._replace(booked_on=DAY), foot)
    sound_books.issue(a_bill())
    sound_books.read(BACK._replace(booked_on=DAY), id="S1", before=first)

    assert sound_books.paid() == ("open", 0)
    assert sound_books.rows("SELECT state, matched_minor, confirmed_minor FROM payments") == [("returned", 0, 0)]


def test_a_payment_taken_back_owes_its_bill_again_and_says_so_once(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(bank_reference="B1"))
    reads(0, CAME)(sound_books)
    told(sound_books)
    reads(1, a_line(-100_000, "B1", return_reason="AM04"))(sound_books)

    assert sound_books.paid() == ("open", 0)
    assert sound_books.rows("SELECT state, matched_minor, confirmed_minor FROM payments") == [("returned", 0, 0)]
    assert sound_books.balances() == {"receivable": 100_000, "revenue": -100_000}
    assert sound_books.asked() == []
    ((code, by, said),) = sound_books.rows("SELECT code, resolved_by, resolution FROM mismatches WHERE code = 'M09'")
    assert (code, by) == ("M09", "returns")
    assert said == "The line bears the reference of payment T1 over exactly its amount"
    assert sound_books.rows("SELECT reason, returned_on, cardinality(bills), minor FROM returns") == [
        ("AM04", DAY + timedelta(days=1), 1, 100_000)
    ]
    assert words(sound_books) == [("payment_recorded", "sent"), ("payment_returned", "queued")]
    ((facts,),) = sound_books.rows("SELECT facts FROM messages WHERE event = 'payment_returned'")
    assert facts["returned_on"] == "2026-11-19"
    assert (facts["amount"], facts["reference"]) == (100_000, "B1")
    assert sound_books.one("SELECT count(*) FROM allocations WHERE undone_at IS NOT NULL") == 1


def test_who_was_not_told_yet_is_told_nothing(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    reads(0, CAME)(sound_books)
    reads(1, BACK)(sound_books)
    assert words(sound_books) == [("payment_recorded", "withdrawn")]


def test_a_word_that_was_leaving_and_did_not_takes_its_correction_with_it(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    reads(0, CAME)(sound_books)
    sound_books.run(lambda session: session.execute(text("UPDATE messages SET body = 'x'")))
    (claimed,) = sound_books.run(
        lambda session: sending.claim(
            session, carrier="http", of_all=True, limit=10, lease=timedelta(seconds=60), now=sound_books.now
        )
    )
    reads(1, BACK)(sound_books)
    assert words(sound_books) == [("payment_recorded", "sending"), ("payment_returned", "queued")]
    sound_books.run(
        lambda session: sending.refused(
            session, claimed.id, carrier="http", permanent=False, why="busy", again_at=at(5), now=sound_books.now
        )
    )
    assert words(sound_books) == [("payment_recorded", "withdrawn"), ("payment_returned", "withdrawn")]


def test_money_that_comes_once_more_pays_its_bill_again_and_is_told(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(bank_reference="B1"))
    reads(0, CAME)(sound_books)
    told(sound_books)
    reads(1, BACK)(sound_books)
    told(sound_books, "payment_returned")
    reads(2, AGAIN)(sound_books)

    assert sound_books.paid() == ("paid", 100_000)
    assert sound_books.matched()["T1"] == 100_000
    assert sound_books.asked() == []
    assert words(sound_books) == [
        ("payment_recorded", "sent"), ("payment_returned", "sent"), ("payment_recorded", "queued"),
    ]  # fmt: skip
    assert sound_books.one("SELECT count(*) FROM returns WHERE again_line_id IS NOT NULL") == 1
    reads(3, BACK)(sound_books)
    assert sound_books.paid() == ("open", 0)
    assert words(sound_books)[2:] == [("payment_recorded", "withdrawn")], "the last word told still holds"


def test_a_word_on_a_return_that_did_not_leave_is_taken_back_with_it(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    reads(0, CAME)(sound_books)
    told(sound_books)
    reads(1, BACK)(sound_books)
    reads(2, a_line(100_000, "B1"))(sound_books)
    assert sound_books.paid() == ("paid", 100_000)
    assert words(sound_books) == [("payment_recorded", "sent"), ("payment_returned", "withdrawn")]


BILL: Act = lambda books: books.issue(a_bill())  # noqa: E731 - one of many facts
HEARD: Act = lambda books: books.hear(a_notice(bank_reference="B1"))  # noqa: E731
PAID, OPEN = ("paid", 100_000), ("open", 0)

# facts → what the bill comes to, the state of each payment that counts or was returned, what is asked
STORIES: dict[str, tuple[list[Act], tuple[str, int], list[str], list[str]]] = {
    "returned": ([HEARD, reads(0, CAME), reads(1, BACK)], OPEN, ["returned"], []),
    "returned within one statement": ([HEARD, reads(0, CAME, BACK)], OPEN, ["returned"], []),
    "returned and come again": ([reads(0, CAME), reads(1, BACK), reads(2, AGAIN)], PAID, ["confirmed"], []),
    "come again with nothing but its reference": (
        [reads(0, CAME), reads(1, BACK, a_line(reference="B1"))], PAID, ["confirmed"], [],
    ),
    "come again and returned again": (
        [reads(0, CAME), reads(1, BACK, AGAIN), reads(2, BACK)], OPEN, ["returned"], [],
    ),
    "by its end-to-end id, under another reference": (
        [reads(0, a_line(reference="B1", narrative=CODE, end_to_end_id="E1")),
         reads(1, a_line(-100_000, "B2", end_to_end_id="E1", return_reason="MD06"))], OPEN, ["returned"], [],
    ),
    "by the bill it names, which only the callback quoted": (
        [HEARD, reads(0, a_line(reference="B1")), reads(1, a_line(-100_000, "B2", f"hoan tien {CODE}"))],
        OPEN, ["returned"], [],
    ),
    "by a bill's number that is known last": (
        [BILL, reads(0, a_line(reference="B1", narrative="HD0001")), reads(1, a_line(-100_000, "B2", "huy HD0001"))],
        OPEN, ["returned"], [],
    ),
    "two payments, either of which may be the one": (
        [reads(0, CAME, OTHER), reads(1, a_line(-100_000, "B3", CODE))],
        PAID, ["confirmed", "confirmed"], ["M06", "M09"],
    ),
    "the bill paid again after the return": (
        [reads(0, CAME), reads(1, a_line(-100_000, "B3", CODE)), reads(2, OTHER)],
        PAID, ["confirmed", "returned"], [],
    ),
    "returned in part": ([reads(0, CAME), reads(1, a_line(-40_000, "B1", reversal=True))], PAID, ["confirmed"],
                         ["M09"]),
    "the reference of one payment, the code of another's bill": (
        [reads(0, CAME), reads(1, a_line(-100_000, "B1", OTHER_CODE))], PAID, ["confirmed"], ["M09"],
    ),
    "a return whose payment never comes": ([reads(1, BACK)], OPEN, [], ["M09"]),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_each_order_of_the_facts_ends_in_the_same_books(books: Books, story: str) -> None:
    acts, bill, states, questions = STORIES[story]
    balances: dict[str, int] = {}
    orders = list(permutations(range(len(acts))))
    for order in orders if len(orders) < 7 else [orders[0], *Random(4).sample(orders[1:], 5)]:
        books.clear()
        if BILL not in acts:
            BILL(books)
        for number in order:
            acts[number](books)
        assert books.paid() == bill, order
        found = books.rows("SELECT state FROM payments WHERE state <> 'denied' ORDER BY 1")
        assert [state for (state,) in found] == states, order
        assert books.asked() == questions, order
        balances = balances or books.balances()
        assert books.balances() == balances, order
        assert books.broken() == [], order


def undo(books: Books, *ids: str) -> None:
    def act(session: Any) -> None:
        numbers = session.scalars(
            text("SELECT id FROM statements WHERE statement_id = ANY(:ids) AND state = 'accepted'"), {"ids": list(ids)}
        )
        chosen = [one for number in numbers.all() for one in import_undo.chosen(session, str(number))]
        import_undo.undo(session, chosen, by="ketoan", why="a wrong file", now=books.now)

    books.run(act)


def state_of(books: Books) -> tuple[object, ...]:
    payments = books.rows(
        "SELECT state, bank_reference, matched_minor, confirmed_minor FROM payments WHERE state <> 'denied'"
    )
    return books.paid(), sorted(payments), books.balances(), books.asked()


@pytest.mark.parametrize("gone", [["S0"], ["S1"], ["S2"], ["S0", "S1"], ["S1", "S2"]])
def test_undoing_an_import_undoes_its_returns_and_reading_anew_makes_them_again(
    sound_books: Books, gone: list[str]
) -> None:
    statements = {"S0": reads(0, CAME), "S1": reads(1, BACK), "S2": reads(2, AGAIN)}
    BILL(sound_books)
    HEARD(sound_books)
    for name, act in statements.items():
        if name not in gone:
            act(sound_books)
    without = state_of(sound_books)
    sound_books.clear()
    BILL(sound_books)
    HEARD(sound_books)
    for act in statements.values():
        act(sound_books)
    whole = state_of(sound_books)
    undo(sound_books, *gone)
    assert state_of(sound_books) == without
    assert sound_books.broken() == []
    for name in gone:
        statements[name](sound_books)
    assert state_of(sound_books) == whole
    assert sound_books.one("SELECT count(*) FROM messages WHERE state <> 'withdrawn'") == 1


def test_a_return_that_turns_out_doubtful_is_undone_and_asked_about(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    reads(0, CAME, id="A")(sound_books)
    reads(2, a_line(-100_000, "B3", CODE))(sound_books)
    assert sound_books.paid() == ("open", 0)
    reads(1, a_line(reference="B2", narrative=CODE))(sound_books)
    assert sound_books.paid() == ("paid", 100_000)
    assert sound_books.asked() == ["M06", "M09"]
    facts = sound_books.facts_of("M09")
    assert (facts["verdict"], facts["candidates"]) == ("return_of_several", "B1, B2")
    assert sound_books.rows("SELECT undone_why FROM returns") == [("later facts say otherwise",)]


def test_a_part_returned_names_the_payment_and_what_it_was(sound_books: Books) -> None:
    sound_books.issue(a_bill(), a_bill("HD0002", 70_000, OTHER_CODE, customer_code=OTHER_CUSTOMER))
    reads(0, CAME)(sound_books)
    reads(1, a_line(-40_000, "B1"))(sound_books)
    facts = sound_books.facts_of("M09")
    assert (facts["verdict"], facts["candidates"], facts["expected"]) == ("return_differs", "B1", 100_000)


@pytest.mark.parametrize("column", ["minor = 1", "payment_id = 999", "undone_at = now(), undone_why = 'x'"])
def test_a_return_can_be_rewritten_by_nobody(books: Books, column: str) -> None:
    BILL(books)
    reads(0, CAME, BACK)(books)
    books.as_owner(f"UPDATE returns SET {column}")
    assert [finding[0] for finding in books.broken()] == ["2"]
