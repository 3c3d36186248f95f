"""Settlements on real books: every answer is entries, can be taken back, and is checked by another above the limit."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from reconciliation import matching, remarks, settlements
from reconciliation.mismatches import NotSettled
from tests.reconciliation.books import CODE, CUSTOMER, OTHER_CODE, OTHER_CUSTOMER, Books, a_bill, a_notice, at

LIMIT = 2_000_000


@pytest.fixture
def two_bills(books: Books) -> Iterator[Books]:
    """A bill of 100,000 đ and one of 60,000 đ of another customer; the books hold when the test is done."""
    books.issue(a_bill(), a_bill("HD0002", 60_000, OTHER_CODE, customer_code=OTHER_CUSTOMER))
    yield books
    assert books.broken() == []


def bill_id(books: Books, number: str) -> int:
    return int(books.one("SELECT id FROM bills WHERE number = :n ORDER BY version DESC LIMIT 1", n=number))


def question(books: Books) -> int:
    return int(books.one("SELECT id FROM mismatches WHERE state <> 'resolved'"))


def match_of(books: Books, number: str) -> int:
    query = "SELECT a.id FROM allocations a JOIN bills b ON b.id = a.bill_id WHERE number = :n AND undone_at IS NULL"
    return int(books.one(query, n=number))


def settle(books: Books, *undoes: int, by: str = "lan", mismatch: int | None = None, **shares: int) -> Any:
    """Answer the open question: bills by their number, each with its part."""
    asked = question(books) if mismatch is None else mismatch
    named = {bill_id(books, number): minor for number, minor in shares.items()}
    return books.run(
        lambda session: settlements.propose(
            session, asked, undoes=undoes, settles=named, why="the payer sent a receipt", by=by, now=books.now
        )
    )


def approve(books: Books, made: Any, by: str) -> Any:
    return books.run(lambda session: settlements.approve(session, made.id, by=by, now=books.now))


def refuse(books: Books, made: Any, by: str) -> Any:
    return books.run(lambda session: settlements.refuse(session, made.id, by=by, why="no receipt", now=books.now))


def test_an_unidentified_deposit_is_matched_by_a_person(two_bills: Books) -> None:
    two_bills.hear(a_notice(code="", narrative="tien dien"))
    assert two_bills.asked() == ["M12"]
    made = settle(two_bills, HD0001=100_000)
    assert (made.state, made.checker, made.limit_minor) == ("applied", "lan", LIMIT)
    assert two_bills.paid() == ("paid", 100_000)
    assert two_bills.asked() == []
    assert two_bills.balances()["receivable"] == 60_000
    assert two_bills.rows("SELECT rule, by, evidence FROM allocations") == [
        ("person", "lan", "the payer sent a receipt")
    ]
    assert two_bills.rows("SELECT event, state FROM messages") == [("payment_recorded", "queued")]


def test_a_payment_is_split_over_several_bills_and_the_rest_still_asks(two_bills: Books) -> None:
    two_bills.hear(a_notice(minor=170_000, code="", narrative="tra ho"))
    settle(two_bills, HD0001=100_000, HD0002=60_000)
    assert (two_bills.paid(), two_bills.paid("HD0002")) == (("paid", 100_000), ("paid", 60_000))
    assert two_bills.rows("SELECT code, minor FROM mismatches WHERE state <> 'resolved'") == [("M12", 10_000)]
    assert two_bills.balances()["suspense"] == -10_000


def test_a_part_payment_leaves_the_bill_part_paid(two_bills: Books) -> None:
    two_bills.hear(a_notice(minor=40_000, code=""))
    settle(two_bills, HD0001=40_000)
    assert two_bills.paid() == ("part_paid", 40_000)


def give_evidence(books: Books) -> None:
    asked = question(books)
    books.run(
        lambda session: remarks.attach(
            session, asked, "bien-lai.txt", b"the payer's receipt", "", sealer=books.sealer, by="lan", now=books.now
        )
    )


def test_a_payment_is_transferred_from_a_wrong_code_by_two_people_on_evidence(two_bills: Books) -> None:
    two_bills.hear(a_notice(minor=160_000))
    assert two_bills.paid() == ("paid", 100_000)
    wrong = match_of(two_bills, "HD0001")
    with pytest.raises(NotSettled, match="expected evidence with the question"):
        settle(two_bills, wrong, HD0002=60_000)
    with pytest.raises(DBAPIError, match="a transfer to another customer needs evidence"):
        two_bills.run(
            lambda session: session.execute(
                text(
                    "INSERT INTO settlements (mismatch_id, payment_id, undoes, bills, minors, minor, why, maker,"
                    " made_at) SELECT m.id, m.payment_id, ARRAY[:wrong\\:\\:bigint], ARRAY[:bill\\:\\:bigint],"
                    " ARRAY[60000\\:\\:bigint], 0, 'why', 'lan', now() FROM mismatches m"
                ),
                {"wrong": wrong, "bill": bill_id(two_bills, "HD0002")},
            )
        )
    give_evidence(two_bills)
    made = settle(two_bills, wrong, HD0002=60_000)
    assert (made.state, made.limit_minor) == ("proposed", 0), "whatever the amount"
    approve(two_bills, made, by="hoa")
    assert (two_bills.paid(), two_bills.paid("HD0002")) == (("open", 0), ("paid", 60_000))
    assert two_bills.rows("SELECT code, minor FROM mismatches WHERE state <> 'resolved'") == [("M12", 100_000)]
    assert two_bills.facts_of("M12")["verdict"] == "barred"


def test_what_a_person_took_apart_is_not_matched_again_but_by_a_person(two_bills: Books) -> None:
    two_bills.hear(a_notice(minor=110_000))
    settle(two_bills, match_of(two_bills, "HD0001"))
    two_bills.hear(a_notice(minor=110_000))  # told once more
    two_bills.hear(a_notice(minor=100_000), source="vnpay")
    settled = two_bills.rows("SELECT source, matched_minor FROM payments ORDER BY 1")
    assert settled == [("standard", 0), ("vnpay", 100_000)]
    assert two_bills.open_questions() == {("M12", "T1")}


def test_a_match_that_was_taken_back_can_be_made_again_by_hand(two_bills: Books) -> None:
    two_bills.hear(a_notice(minor=110_000))
    settle(two_bills, match_of(two_bills, "HD0001"))
    assert two_bills.paid() == ("open", 0)
    settle(two_bills, HD0001=100_000)
    assert two_bills.paid() == ("paid", 100_000)


def test_undoing_and_matching_the_same_bill_changes_its_part_and_bars_nothing(two_bills: Books) -> None:
    two_bills.hear(a_notice(minor=110_000))
    give_evidence(two_bills)
    approve(two_bills, settle(two_bills, match_of(two_bills, "HD0001"), HD0001=50_000, HD0002=60_000), by="hoa")
    assert (two_bills.paid(), two_bills.paid("HD0002")) == (("part_paid", 50_000), ("paid", 60_000))
    assert two_bills.one("SELECT count(*) FROM allocations WHERE barred") == 0


def test_above_the_limit_another_person_approves(books: Books) -> None:
    books.issue(a_bill(minor=LIMIT + 1))
    books.hear(a_notice(minor=LIMIT + 1, code=""))
    made = settle(books, HD0001=LIMIT + 1)
    assert made.state == "proposed"
    assert books.paid() == ("open", 0)
    assert books.rows("SELECT state FROM mismatches") == [("proposed",)]
    with pytest.raises(NotSettled, match="expected another person"):
        approve(books, made, by="lan")
    assert approve(books, made, by="hoa").checker == "hoa"
    assert books.paid() == ("paid", LIMIT + 1)
    assert books.asked() == []
    assert books.broken() == []


def test_the_database_itself_asks_for_the_other_person(books: Books) -> None:
    books.issue(a_bill(minor=LIMIT + 1))
    books.hear(a_notice(minor=LIMIT + 1, code=""))
    made = settle(books, HD0001=LIMIT + 1)
    for alone in (
        "UPDATE settlements SET state = 'applied'",
        "UPDATE settlements SET state = 'applied', checker = 'lan'",
        "UPDATE settlements SET minor = 1",
        "UPDATE settlements SET limit_minor = 9000000000",
        "UPDATE approval_limits SET minor = 9000000000",
        "DELETE FROM settlements",
        f"INSERT INTO settlements (mismatch_id, payment_id, minor, why, maker, made_at, state) SELECT mismatch_id,"
        f" payment_id, minor, why, 'hoa', made_at, 'applied' FROM settlements WHERE id = {made.id}",
    ):
        with pytest.raises(DBAPIError):
            books.run(lambda session, alone=alone: session.execute(text(alone)))
    assert books.rows("SELECT state, checker FROM settlements") == [("proposed", "")]


@pytest.mark.parametrize(("by", "state"), [("hoa", "refused"), ("lan", "withdrawn")])
def test_a_proposal_that_is_turned_down_or_taken_back_opens_the_question_again(
    books: Books, by: str, state: str
) -> None:
    books.issue(a_bill(minor=LIMIT + 1))
    books.hear(a_notice(minor=LIMIT + 1, code=""))
    made = settle(books, HD0001=LIMIT + 1)
    assert refuse(books, made, by).state == state
    assert books.rows("SELECT state FROM mismatches") == [("open",)]
    assert books.paid() == ("open", 0)
    with pytest.raises(NotSettled, match=f"got one that is {state}"):
        approve(books, made, by="hoa")
    assert settle(books, HD0001=LIMIT + 1).state == "proposed"
    assert books.broken() == []


def test_two_questions_about_one_payment_have_one_proposal_between_them(books: Books) -> None:
    books.issue(a_bill(minor=LIMIT + 1))
    books.hear(a_notice(minor=LIMIT + 1, code=""))
    settle(books, HD0001=LIMIT + 1)
    other = books.one(
        "INSERT INTO mismatches (code, subject, payment_id, opened_at)"
        " SELECT 'M01', 'payment:' || id || '/other-door', id, now() FROM payments RETURNING id"
    )
    with pytest.raises(NotSettled, match="expected a question about a payment's money"):
        settle(books, mismatch=other, HD0001=1)
    twin = books.one("UPDATE mismatches SET code = 'M03', subject = 'payment:' || payment_id"
                     " WHERE code = 'M01' RETURNING id")  # fmt: skip
    with pytest.raises(NotSettled, match="got one that waits for approval"):
        settle(books, mismatch=twin, HD0001=1)
    assert twin == other


def test_a_proposal_that_waits_holds_up_no_other_payment(books: Books) -> None:
    books.issue(a_bill(minor=LIMIT + 1), a_bill("HD0002", 60_000, OTHER_CODE, customer_code=OTHER_CUSTOMER))
    books.hear(a_notice(minor=LIMIT + 1, code=""))
    settle(books, HD0001=LIMIT + 1)
    books.hear(a_notice("T2", 60_000, code=""))
    asked = books.one("SELECT id FROM mismatches WHERE state = 'open'")
    assert settle(books, mismatch=asked, HD0002=60_000).state == "applied"
    assert books.paid("HD0002") == ("paid", 60_000)


def test_an_answer_goes_with_its_question(books: Books) -> None:
    books.hear(a_notice(minor=LIMIT + 1))  # names a bill that is not issued yet
    books.issue(a_bill("HD0002", LIMIT + 1, OTHER_CODE, customer_code=OTHER_CUSTOMER))
    made = settle(books, HD0002=LIMIT + 1)
    books.issue(a_bill(minor=LIMIT + 1))
    books.run(lambda session: matching.match(session, matching.waiting(session, [CODE]), now=books.now))
    assert (books.paid(), books.asked()) == (("paid", LIMIT + 1), [])
    assert books.rows("SELECT state, checker FROM settlements") == [("withdrawn", "")]
    with pytest.raises(NotSettled, match="got one that is withdrawn"):
        approve(books, made, by="hoa")
    assert books.broken() == []


def test_a_large_answer_in_small_pieces_is_a_large_answer(books: Books) -> None:
    books.issue(*(a_bill(f"HD000{n}", LIMIT, f"PA{n:011}11126", customer_code=f"PA{n:011}") for n in (1, 2)))
    books.hear(a_notice(minor=2 * LIMIT, code=""))
    assert settle(books, HD0001=LIMIT).state == "applied"
    made = settle(books, HD0002=1)
    assert (made.state, made.minor, made.limit_minor) == ("proposed", 1, 0)
    assert approve(books, made, by="hoa").state == "applied"
    assert books.broken() == []


def test_the_guard_counts_itself_and_can_not_be_led_astray(books: Books) -> None:
    books.issue(a_bill(minor=LIMIT + 1))
    books.hear(a_notice(minor=LIMIT + 1, code=""))

    def deceive(session: Session) -> Any:
        session.execute(text("CREATE TEMP TABLE approval_limits (action text, minor bigint) ON COMMIT DROP"))
        session.execute(text("INSERT INTO approval_limits VALUES ('settle', 999999999999)"))
        session.execute(text("GRANT SELECT ON approval_limits TO PUBLIC"))
        return session.execute(
            text(
                "INSERT INTO settlements (mismatch_id, payment_id, bills, minors, minor, why, maker, made_at)"
                " SELECT m.id, payment_id, ARRAY[b.id], ARRAY[b.minor], 1, 'x', 'lan', now()"
                " FROM mismatches m, bills b RETURNING minor, limit_minor"
            )
        ).one()

    assert tuple(books.run(deceive)) == (LIMIT + 1, LIMIT)


def test_a_bill_that_a_person_completes_answers_its_other_payers_and_asks_them_when_it_is_taken_back(
    two_bills: Books,
) -> None:
    two_bills.hear(a_notice("short", minor=60_000))
    assert two_bills.asked() == ["M03"]
    two_bills.hear(a_notice("rest", minor=50_000, code=""))
    asked = two_bills.one("SELECT id FROM mismatches WHERE code = 'M12'")
    settle(two_bills, mismatch=asked, HD0001=40_000)
    assert two_bills.open_questions() == {("M12", "rest")}
    held = two_bills.one("SELECT id FROM allocations WHERE rule = 'person'")
    settle(two_bills, held)
    assert two_bills.open_questions() == {("M12", "rest"), ("M03", "short")}


def test_a_guess_that_a_person_took_back_leaves_the_bill_to_the_next(two_bills: Books) -> None:
    two_bills.hear(a_notice("first", code="", customer_code=CUSTOMER))
    held = match_of(two_bills, "HD0001")
    two_bills.hear(a_notice("second", code="", customer_code=CUSTOMER, paid_at=at(2)))
    asked = two_bills.one(
        "INSERT INTO mismatches (code, subject, payment_id, opened_at) SELECT 'M05', 'payment:' || id, id, now()"
        " FROM payments WHERE source_reference = 'first' RETURNING id"
    )
    settle(two_bills, held, mismatch=asked)
    assert two_bills.matched() == {"first": 0, "second": 100_000}


def test_what_is_left_of_an_old_question_is_as_old(two_bills: Books) -> None:
    two_bills.hear(a_notice(minor=150_000, code=""))
    two_bills.run(
        lambda session: session.execute(text("UPDATE mismatches SET opened_at = opened_at - interval '9 days'"))
    )
    settle(two_bills, HD0001=100_000)
    assert two_bills.rows("SELECT DISTINCT opened_at FROM mismatches") == [(two_bills.now - timedelta(days=9),)]
    assert two_bills.asked() == ["M12"]


def test_what_no_longer_fits_is_not_approved(books: Books) -> None:
    books.issue(a_bill(minor=LIMIT + 1))
    books.hear(a_notice(minor=LIMIT + 1, code=""))
    made = settle(books, HD0001=LIMIT + 1)
    books.hear(a_notice("T2", minor=LIMIT + 1))
    with pytest.raises(NotSettled, match=r"bill HD0001: expected one that is owed, got one that is paid already"):
        approve(books, made, by="hoa")
    assert books.rows("SELECT state FROM settlements") == [("proposed",)]
    assert books.broken() == []


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({}, "got neither"),
        ({"HD0001": 100_001}, r"bill HD0001: expected 1 to 100000 đ, got 100001 đ"),
        ({"HD0001": 0}, r"expected 1 to 100000 đ, got 0 đ"),
        ({"HD0001": -5}, r"expected 1 to 100000 đ, got -5 đ"),
        ({"HD0001": 100_000, "HD0002": 60_000}, r"expected at most 150000 đ in all, got 160000 đ"),
    ],
)
def test_what_can_not_be_is_refused_and_changes_nothing(two_bills: Books, shares: dict[str, int], said: str) -> None:
    two_bills.hear(a_notice(minor=150_000, code=""))
    with pytest.raises(NotSettled, match=said):
        settle(two_bills, **shares)
    assert two_bills.rows("SELECT count(*) FROM settlements") == [(0,)]
    assert two_bills.asked() == ["M12"]


@pytest.mark.usefixtures("any_state")
def test_a_cancelled_bill_a_strange_match_and_a_second_part_are_refused(two_bills: Books) -> None:
    two_bills.hear(a_notice(minor=150_000))
    asked = question(two_bills)
    with pytest.raises(NotSettled, match="expected live matches of this payment, got 999"):
        settle(two_bills, 999)
    with pytest.raises(NotSettled, match="its match with this payment to be undone"):
        settle(two_bills, HD0001=1)
    two_bills.run(lambda session: session.execute(text("UPDATE bills SET state = 'cancelled' WHERE number = 'HD0002'")))
    with pytest.raises(NotSettled, match="got one that is cancelled"):
        settle(two_bills, HD0002=50_000)
    with pytest.raises(NotSettled, match="expected a question about a payment"):
        settle(two_bills, mismatch=asked + 1, HD0002=50_000)
    two_bills.run(lambda session: session.execute(text("UPDATE bills SET state = 'open' WHERE number = 'HD0002'")))


def test_each_act_stands_in_the_audit_chain(books: Books) -> None:
    books.issue(a_bill(minor=LIMIT + 1))
    books.hear(a_notice(minor=LIMIT + 1, code=""))
    made = settle(books, HD0001=LIMIT + 1)
    approve(books, made, by="hoa")
    assert books.rows("SELECT actor, action, subject FROM audit ORDER BY id") == [
        ("lan", "settlement_made", f"mismatch:{made.mismatch_id}"),
        ("hoa", "settlement_approved", f"mismatch:{made.mismatch_id}"),
    ]
