"""Money that goes to no bill, on real books: credit, refund, return and difference are entries that can be undone."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from reconciliation import placements, remarks, reports, settlements
from reconciliation.mismatches import NotSettled
from reconciliation.placements import Place
from tests.reconciliation.books import OTHER_CODE, OTHER_CUSTOMER, Books, a_bill, a_line, a_notice


@pytest.fixture
def books(sound_books: Books) -> Books:
    """Two customers' bills, 100,000 đ and 60,000 đ; the books hold when the test is done."""
    sound_books.issue(a_bill(), a_bill("HD0002", 60_000, OTHER_CODE, customer_code=OTHER_CUSTOMER))
    return sound_books


def pay(books: Books, minor: int, code: str | None = None, reference: str = "T1") -> None:
    """A callback, and the statement that shows its money."""
    books.hear(a_notice(reference, minor) if code is None else a_notice(reference, minor, code))
    books.read(a_line(minor, reference), id=f"S-{reference}")


def answer(
    books: Books, *places: Place, by: str = "lan", undoes: tuple[int, ...] = (), lifts: tuple[int, ...] = (),
    **shares: int,
) -> Any:  # fmt: skip
    asked = books.one("SELECT id FROM mismatches WHERE state = 'open'")
    bills = {books.one("SELECT id FROM bills WHERE number = :n", n=number): minor for number, minor in shares.items()}
    return books.run(
        lambda s: settlements.propose(
            s, asked, undoes=undoes, settles=bills, places=places, lifts=lifts, why="agreed on the phone", by=by,
            now=books.now,
        )
    )  # fmt: skip


def insert(
    books: Books, *, undoes: Sequence[int] = (), lifts: Sequence[int] = (), bills: Sequence[int] = (),
    places: Sequence[Place] = (),
) -> None:  # fmt: skip
    """Write a settlement past everything but the database's own guard."""
    query = text(
        "INSERT INTO settlements (mismatch_id, payment_id, undoes, lifts, bills, minors, places, minor, why, maker,"
        " made_at) SELECT m.id, m.payment_id, CAST(:undoes AS bigint[]), CAST(:lifts AS bigint[]),"
        " CAST(:bills AS bigint[]), CAST(:minors AS bigint[]), CAST(:places AS jsonb), 0, 'why', 'lan', now()"
        " FROM mismatches m WHERE m.state = 'open' ORDER BY m.id"
    )
    values = {
        "undoes": list(undoes), "lifts": list(lifts), "bills": list(bills), "minors": [60_000 for _ in bills],
        "places": json.dumps([asdict(one) for one in places]),
    }  # fmt: skip
    books.run(lambda s: s.execute(query, values))


def give_evidence(books: Books) -> None:
    asked = books.one("SELECT id FROM mismatches WHERE state = 'open'")
    books.run(
        lambda s: remarks.attach(
            s, asked, "bien-lai.txt", b"a receipt", "", sealer=books.sealer, by="lan", now=books.now
        )
    )  # fmt: skip


def customer(books: Books, code: str = "PA00000000001") -> int:
    return int(books.one("SELECT id FROM customers WHERE code = :code", code=code))


def bill(books: Books, number: str = "HD0001") -> int:
    return int(books.one("SELECT id FROM bills WHERE number = :n", n=number))


def live(books: Books) -> list[int]:
    return [row[0] for row in books.rows("SELECT id FROM placements WHERE undone_at IS NULL")]


def doubt(books: Books) -> None:
    payment = books.one("SELECT min(id) FROM payments")
    assert books.run(lambda s: settlements.raise_question(s, payment, why="the payer called", by="lan", now=books.now))


def test_what_was_paid_too_much_becomes_the_customers_credit(books: Books) -> None:
    pay(books, 110_000)
    assert books.asked() == ["M03"]
    answer(books, Place("credit", 10_000, customer_id=customer(books)))
    assert books.asked() == []
    assert books.paid() == ("paid", 100_000)
    balances = books.balances()
    assert (balances["customer_credit"], balances.get("suspense", 0)) == (-10_000, 0)


def test_a_credit_is_lifted_to_settle_a_later_bill(books: Books) -> None:
    pay(books, 160_000)
    answer(books, Place("credit", 60_000, customer_id=customer(books)))
    books.issue(a_bill("HD0003", 60_000, "PA0000000000121126"))
    doubt(books)
    answer(books, lifts=tuple(live(books)), HD0003=60_000)
    assert books.paid("HD0003") == ("paid", 60_000)
    assert (books.asked(), live(books), books.balances().get("customer_credit", 0)) == ([], [], 0)


def test_one_customers_money_becomes_anothers_credit_by_two_people_on_evidence(books: Books) -> None:
    pay(books, 100_000)
    doubt(books)
    [wrong] = [row[0] for row in books.rows("SELECT id FROM allocations WHERE undone_at IS NULL")]
    credit = Place("credit", 100_000, customer_id=customer(books, OTHER_CUSTOMER))
    with pytest.raises(NotSettled, match="expected evidence with the question"):
        answer(books, credit, undoes=(wrong,))
    with pytest.raises(DBAPIError, match="a transfer to another customer needs evidence"):
        insert(books, undoes=[wrong], places=[credit])
    give_evidence(books)
    made = answer(books, credit, undoes=(wrong,))
    assert (made.state, made.limit_minor) == ("proposed", 0), "whatever the amount"
    books.run(lambda s: settlements.approve(s, made.id, by="hoa", now=books.now))
    assert (books.paid(), books.balances()["customer_credit"]) == (("open", 0), -100_000)


def test_in_two_steps_it_is_the_same_transfer(books: Books) -> None:
    pay(books, 100_000)
    doubt(books)
    [wrong] = [row[0] for row in books.rows("SELECT id FROM allocations WHERE undone_at IS NULL")]
    answer(books, undoes=(wrong,))
    credit = Place("credit", 100_000, customer_id=customer(books, OTHER_CUSTOMER))
    with pytest.raises(NotSettled, match="expected evidence with the question"):
        answer(books, credit)
    with pytest.raises(DBAPIError, match="a transfer to another customer needs evidence"):
        insert(books, places=[credit])
    own = Place("credit", 100_000, customer_id=customer(books))
    assert answer(books, own).state == "applied", "the customer's own money stays one person's to place"


def test_what_is_left_after_a_part_was_given_back_is_still_the_customers(books: Books) -> None:
    pay(books, 100_000)
    doubt(books)
    [wrong] = [row[0] for row in books.rows("SELECT id FROM allocations WHERE undone_at IS NULL")]
    answer(books, undoes=(wrong,), HD0001=40_000)
    assert books.one("SELECT count(*) FROM allocations WHERE barred") == 0
    credit = Place("credit", 60_000, customer_id=customer(books, OTHER_CUSTOMER))
    with pytest.raises(NotSettled, match="expected evidence with the question"):
        answer(books, credit)
    with pytest.raises(DBAPIError, match="a transfer to another customer needs evidence"):
        insert(books, places=[credit])


def test_a_lifted_credit_goes_to_another_customer_by_two_people_on_evidence(books: Books) -> None:
    pay(books, 160_000)
    answer(books, Place("credit", 60_000, customer_id=customer(books)))
    doubt(books)
    lifts, other = tuple(live(books)), customer(books, OTHER_CUSTOMER)
    for places, shares in (((Place("credit", 60_000, customer_id=other),), {}), ((), {"HD0002": 60_000})):
        with pytest.raises(NotSettled, match="expected evidence with the question"):
            answer(books, *places, lifts=lifts, **shares)
        with pytest.raises(DBAPIError, match="a transfer to another customer needs evidence"):
            insert(books, lifts=list(lifts), places=places, bills=[bill(books, one) for one in shares])
    answer(books, lifts=lifts)
    with pytest.raises(NotSettled, match="expected evidence with the question"):
        answer(books, HD0002=60_000)


def test_a_refund_is_owed_until_a_statement_shows_it_leaving(books: Books) -> None:
    pay(books, 130_000)
    answer(books, Place("refund", 30_000))
    assert books.balances()["refunds_payable"] == -30_000
    [owed] = live(books)
    books.read(a_line(-30_000, "OUT1", f"HOAN TIEN HT{owed:08}"), a_line(-30_000, "OUT2"), id="S2")
    assert books.balances().get("refunds_payable", 0) == 0
    assert books.balances()["bank:standard:outgoing"] == 30_000, "the other line is nobody's refund yet"
    assert books.asked() == ["M12"]
    doubt(books)
    books.as_owner("UPDATE mismatches SET state = 'resolved' WHERE code = 'M12'")
    with pytest.raises(NotSettled, match="expected a refund that has not left yet"):
        answer(books, lifts=(owed,))
    books.as_owner("UPDATE mismatches SET state = 'open' WHERE code = 'M12' AND line_id IS NOT NULL"
                   " AND resolved_by = ''")  # fmt: skip


def test_a_deposit_of_nobody_is_returned_to_its_sender(books: Books) -> None:
    pay(books, 70_000, "")
    assert books.asked() == ["M12"]
    answer(books, Place("return", 70_000))
    assert (books.asked(), books.balances()["refunds_payable"]) == ([], -70_000)


def test_nothing_is_given_away_that_has_not_arrived(books: Books) -> None:
    books.hear(a_notice(minor=110_000))
    with pytest.raises(NotSettled, match="expected money that a statement has shown, got a payment reported"):
        answer(books, Place("refund", 10_000))


def test_a_small_difference_of_a_bill_is_written_off(books: Books) -> None:
    pay(books, 99_000)
    assert books.paid() == ("part_paid", 99_000)
    answer(books, Place("difference", 1_000, "expense:differences", bill_id=bill(books)))
    assert (books.paid(), books.asked()) == (("paid", 100_000), [])
    assert books.balances()["expense:differences"] == 1_000
    assert told(books) == 100_000
    doubt(books)
    answer(books, lifts=tuple(live(books)))
    assert books.paid() == ("part_paid", 99_000)
    assert (books.asked(), told(books)) == (["M03"], 99_000)


def told(books: Books) -> int:
    """What the billing system is told that is paid."""
    return int(books.one("SELECT coalesce(sum(change_minor), 0) FROM marks_waiting"))


def test_a_small_surplus_goes_to_the_chosen_account(books: Books) -> None:
    pay(books, 100_500)
    answer(books, Place("difference", 500, "income:differences"))
    assert (books.asked(), books.balances()["income:differences"]) == ([], -500)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (Place("difference", 5_001, "income:differences"), "expected at most 5000 đ, got 5001 đ"),
        (Place("difference", 500, "cash"), "expected one of expense:differences, .* got 'cash'"),
        (Place("credit", 500), "expected the customer whose credit it is"),
        (Place("credit", 10_001, customer_id=1), "expected"),
        (Place("refund", 10_001), "expected at most 10000 đ in all, got 10001 đ"),
        (Place("refund", 0), "expected at least 1 đ, got 0 đ"),
        (Place("difference", 1, "income:differences", bill_id=0), "expected the number of a bill"),
    ],
)
def test_what_can_not_be_placed_changes_nothing(books: Books, place: Place, said: str) -> None:
    pay(books, 110_000)
    with pytest.raises(NotSettled, match=said):
        answer(books, place)
    assert (live(books), books.asked()) == ([], ["M03"])


def test_a_difference_is_only_of_a_bill_that_the_payment_settles(books: Books) -> None:
    pay(books, 110_000)
    with pytest.raises(NotSettled, match="expected a difference on a bill that this payment settles"):
        answer(books, Place("difference", 1_000, "expense:differences", bill_id=bill(books, "HD0002")))


def test_the_database_takes_no_placement_but_a_settlements(books: Books) -> None:
    pay(books, 110_000)
    made = answer(books, Place("credit", 4_000, customer_id=customer(books)))
    insert = (
        "INSERT INTO placements (settlement_id, kind, payment_id, account, minor, by, at) SELECT {id}, 'refund',"
        " payment_id, 'refunds_payable', {minor}, 'lan', made_at FROM settlements WHERE id = {id}"
    )
    for wrong in (
        insert.format(id=made.id, minor=6_000),
        "UPDATE placements SET minor = 1",
        "UPDATE placements SET account = 'refunds_payable'",
        "DELETE FROM placements",
    ):
        with pytest.raises(DBAPIError):
            books.run(lambda s, wrong=wrong: s.execute(text(wrong)))
    assert books.matched() == {"T1": 104_000}


def test_the_bill_that_a_new_version_replaces_takes_its_difference_along(books: Books) -> None:
    pay(books, 99_000)
    answer(books, Place("difference", 1_000, "expense:differences", bill_id=bill(books)))
    books.issue(a_bill(version=2, minor=99_000))
    assert (books.paid(), live(books), books.asked()) == (("paid", 99_000), [], [])
    assert books.balances().get("expense:differences", 0) == 0


def test_undoing_the_import_of_the_refunds_line_leaves_it_owed_again(books: Books) -> None:
    from reconciliation import import_undo

    pay(books, 130_000)
    answer(books, Place("refund", 30_000))
    [owed] = live(books)
    line = a_line(-30_000, "OUT1", f"HOAN TIEN HT{owed:08}")
    for read in ("S2", "S3"):  # tied, taken apart, and tied once more
        loaded = books.read(line, id=read)
        assert books.balances().get("refunds_payable", 0) == 0

        def undo(session: Any, ids: list[int] = loaded.accepted) -> Any:
            gone = import_undo.chosen(session, str(ids[0]))
            return import_undo.undo(session, gone, by="lan", why="wrong file", now=books.now)

        books.run(undo)
        assert books.balances()["refunds_payable"] == -30_000
        assert (live(books), books.asked()) == ([owed], [])


def test_money_that_never_came_is_denied_and_its_credit_goes(books: Books) -> None:
    books.hear(a_notice(minor=100_500))
    answer(books, Place("difference", 500, "income:differences"))
    asked = books.one(
        "INSERT INTO mismatches (code, subject, source, payment_id, opened_at)"
        " SELECT 'M01', 'payment:' || id || '/other-door', source, id, now() FROM payments RETURNING id"
    )
    made = books.run(
        lambda s: settlements.propose_denial(s, asked, why="the bank knows nothing of it", by="lan", now=books.now)
    )
    assert (made.state, made.minor, made.denies) == ("applied", 100_500, True)
    assert (books.paid(), live(books), books.asked()) == (("open", 0), [], [])
    assert books.balances().get("suspense", 0) == 0


def test_a_line_a_person_knows_is_tied_by_hand(books: Books) -> None:
    pay(books, 130_000)
    answer(books, Place("refund", 30_000))
    books.read(a_line(-30_000, "OUT1", "hoan tien khach"), id="S2")
    assert books.asked() == ["M12"]
    [owed] = live(books)
    line = books.one("SELECT id FROM statement_lines WHERE minor < 0")
    books.run(lambda s: placements.pay_out(s, owed, line, by="lan", now=books.now))
    assert (books.asked(), books.balances().get("refunds_payable", 0)) == ([], 0)


def test_money_nobody_asks_for_is_written_to_suspense_and_taken_back(books: Books) -> None:
    books.read(a_line(130_000, "T1", "nop tien"))
    assert books.asked() == ["M12"]
    answer(books, Place("held", 130_000))
    assert books.asked() == []
    assert (books.balances()["suspense:held"], books.balances().get("suspense", 0)) == (-130_000, 0)
    [row] = books.run(lambda s: [*reports.rows(s, reports.SUSPENSE, now=books.now)])
    assert (row.amount, row.matched, row.left, row.held) == (130_000, 0, 130_000, 130_000)
    doubt(books)
    answer(books, Place("held", 30_000), lifts=tuple(live(books)), HD0001=100_000)
    assert books.paid() == ("paid", 100_000)
    assert (books.asked(), books.balances()["suspense:held"]) == ([], -30_000)
    [row] = books.run(lambda s: [*reports.rows(s, reports.SUSPENSE, now=books.now)])
    assert (row.amount, row.matched, row.left, row.held) == (130_000, 100_000, 30_000, 30_000)


def test_money_that_a_bank_only_told_of_is_not_written_to_suspense(books: Books) -> None:
    books.hear(a_notice("T1", 110_000))
    with pytest.raises(NotSettled, match="expected money that a statement has shown"):
        answer(books, Place("held", 10_000))
