"""What people did with a payment of a settlement stays whatever becomes of the settlement, and in any order."""

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations

from sqlalchemy.orm import Session

from reconciliation import denials, settlements
from reconciliation.placements import Place
from tests.reconciliation.books import CODE, DAY, Books, a_bill, a_line, a_notice, at

NEXT = DAY + timedelta(days=1)
NET = 100_500 - 1_005 - 101
Act = Callable[[Books], None]


def paid_too_much(books: Books) -> None:
    """Let the wallet tell of 500 đồng more than is owed."""
    books.agree()
    books.issue(a_bill())
    books.hear(a_notice("W1", 100_500, CODE), source="wallet")


def line(books: Books) -> None:
    books.read(a_line(NET, "L1", "quyet toan vi", booked_on=NEXT), on=NEXT)


def place(books: Books, one: Place) -> None:
    """Answer the question about what is left of W1."""

    def act(session: Session) -> None:
        payment = books.one("SELECT id FROM payments WHERE source_reference = 'W1'")
        asked = settlements.raise_question(session, payment, why="left over", by="lan", now=books.now)
        settlements.propose(session, asked, settles={}, places=[one], why="small", by="lan", now=books.now)

    books.run(act)


def late_and_gone(books: Books) -> None:
    """Let a callback put the settlement together, and its taking back let it be taken apart again."""
    [late] = books.hear(a_notice("W2", 5_000, "", paid_at=at(3)), source="wallet")
    if books.rows("SELECT 1 FROM lump_sums"):
        assert "M11" in books.asked()
    assert books.broken() == []
    books.run(lambda session: denials.deny(session, late, by="wallet", why="no", now=books.now))


def test_a_difference_is_written_off_before_between_or_after_what_the_settlement_goes_through(books: Books) -> None:
    acts: list[Act] = [line, lambda books: place(books, Place("difference", 500, "income:differences")), late_and_gone]
    ended = []
    for order in permutations(acts):
        books.clear()
        paid_too_much(books)
        for act in order:
            act(books)
        assert books.broken() == [], order
        states = books.rows("SELECT source_reference, state, confirmed_minor, matched_minor FROM payments ORDER BY 1")
        ended.append((states, books.paid(), books.asked(), books.balances()))
    assert ended == [ended[0]] * len(ended)
    assert ended[0] == (
        [("W1", "confirmed", 100_500, 100_500), ("W2", "denied", 0, 0)], ("paid", 100_000), [],
        {"bank:standard:confirmed": NET, "expense:bank-fees": 1_005, "input-vat": 101, "income:differences": -500,
         "revenue": -100_000},
    )  # fmt: skip


def test_part_of_one_payment_is_sent_back_out_of_a_settlement_that_is_weighed_anew(books: Books) -> None:
    ended = []
    for again in (True, False):
        books.clear()
        paid_too_much(books)
        line(books)
        place(books, Place("refund", 500))
        if again:
            late_and_gone(books)
        owed = books.one("SELECT id FROM placements")
        books.read(a_line(-500, "OUT", f"HOAN TIEN HT{owed:08}", booked_on=NEXT), id="S2", on=NEXT)
        if not again:
            late_and_gone(books)
        assert books.broken() == []
        ended.append((books.paid(), books.asked(), books.balances()))
    assert ended[0] == ended[1]
    assert ended[0][:2] == (("paid", 100_000), [])
    assert ended[0][2] == {
        "bank:standard:confirmed": NET - 500, "expense:bank-fees": 1_005, "input-vat": 101, "revenue": -100_000,
    }  # fmt: skip
