"""Taking back on real books: a settlement by its reverse, words, a rest and an assignment by one of their kind."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import acknowledgements, case_links, remarks, settlements, undoing
from reconciliation.mismatches import Mismatch, NotSettled
from reconciliation.placements import CREDIT, HELD, Place
from reconciliation.undoing import Act
from tests.reconciliation.books import OTHER_CODE, OTHER_CUSTOMER, Books, a_bill, a_line, a_notice

LIMIT = 2_000_000


@pytest.fixture
def deposit(sound_books: Books) -> Iterator[Books]:
    """A bill of 100,000 đ, one of 60,000 đ of somebody else, and 130,000 đ that nobody could place."""
    sound_books.issue(a_bill(), a_bill("HD0002", 60_000, OTHER_CODE, customer_code=OTHER_CUSTOMER))
    sound_books.read(a_line(130_000, "T1", "tien dien"))
    sound_books.run(lambda s: s.execute(text(
        "INSERT INTO staff (username, name, role, password_hash, created_at)"
        " VALUES ('lan', 'Lan', 'accountant', '', now()), ('hoa', 'Hoa', 'accountant', '', now())")))  # fmt: skip
    return sound_books


def case(books: Books, state: str = "open") -> int:
    return int(books.one("SELECT max(id) FROM mismatches WHERE state = :state", state=state))


def last(books: Books, mismatch: int, by: str = "lan") -> Act | None:
    found: Act | None = books.run(
        lambda s: undoing.last_act(s, s.get_one(Mismatch, mismatch), by, now=books.now)
    )  # fmt: skip
    return found


def undo(books: Books, mismatch: int, by: str = "lan") -> int:
    act = last(books, mismatch, by)
    assert act is not None
    back: int = books.run(lambda s: undoing.undo(s, mismatch, act.key, why="by mistake", by=by, now=books.now))
    return back


def settle(books: Books, *, places: tuple[Place, ...] = (), **shares: int) -> Any:
    asked = case(books)
    ids = {int(books.one("SELECT id FROM bills WHERE number = :n", n=name)): minor for name, minor in shares.items()}
    return books.run(
        lambda s: settlements.propose(s, asked, settles=ids, places=places, why="why", by="lan", now=books.now)
    )


def test_a_settlement_is_taken_back_whole_and_the_case_is_as_old_as_it_was(deposit: Books) -> None:
    asked, opened = case(deposit), deposit.one("SELECT opened_at FROM mismatches")
    owner = int(deposit.one("SELECT customer_id FROM bills WHERE number = 'HD0001'"))
    settle(deposit, HD0001=100_000, places=(Place(CREDIT, 30_000, customer_id=owner),))
    assert (deposit.asked(), deposit.paid()) == ([], ("paid", 100_000))
    deposit.now += timedelta(days=2)
    back = undo(deposit, asked)
    assert deposit.paid() == ("open", 0)
    assert deposit.rows("SELECT minor, matched_minor FROM payments") == [(130_000, 0)]
    assert deposit.rows("SELECT undone_by FROM placements") == [("lan",)]
    assert deposit.rows("SELECT id, code, opened_at FROM mismatches WHERE state <> 'resolved'") == [
        (back, "M12", opened)
    ]
    assert last(deposit, asked) is None, "what is taken back is not taken back again"


def test_the_case_that_comes_back_is_linked_to_the_one_it_came_from(deposit: Books) -> None:
    asked = case(deposit)
    deposit.run(lambda s: remarks.assign(s, asked, "hoa", by="lan", now=deposit.now))
    settle(deposit, HD0001=100_000)
    left = case(deposit)
    assert deposit.run(lambda s: [(one.to_id, one.kind) for one in case_links.leads_to(s, asked)]) == [
        (left, case_links.REST)
    ]
    assert deposit.run(lambda s: case_links.undone(s, asked)) is None, "its answer stands"
    back = undo(deposit, asked)
    links = deposit.run(lambda s: [(one.from_id, one.kind) for one in case_links.before(s, back)])
    assert links[-1] == (asked, case_links.REST if len(links) == 1 else case_links.DOUBT)
    assert deposit.run(lambda s: case_links.stands_now(s, asked)) == back
    assert deposit.run(lambda s: case_links.undone(s, asked).by) == "lan"
    assert deposit.rows("SELECT assignee FROM mismatches WHERE id = :id", id=back) == [("hoa",)]


def test_a_doubt_that_undoing_raised_is_told_from_what_people_ask(deposit: Books) -> None:
    asked = case(deposit)
    settle(deposit, HD0001=100_000, places=(Place(HELD, 30_000),))
    back = undo(deposit, asked)
    there = [one for (one,) in deposit.rows("SELECT id FROM mismatches ORDER BY id")]
    raised = deposit.run(lambda s: case_links.raised_by_undoing(s, there))
    assert list(raised.values()) == [asked]
    assert back not in raised
    assert deposit.rows("SELECT state FROM mismatches WHERE id = :id", id=next(iter(raised))) == [("resolved",)]


def test_only_who_did_it_takes_it_back_and_only_while_it_is_the_last(deposit: Books) -> None:
    asked = case(deposit)
    settle(deposit, HD0001=100_000)
    assert last(deposit, asked, "hoa") is None
    with pytest.raises(NotSettled) as refused:
        deposit.run(lambda s: undoing.undo(s, asked, "applied-1", why="x", by="hoa", now=deposit.now))
    assert refused.value.reason == "not_last"
    undo(deposit, asked)
    deposit.now += timedelta(minutes=1)
    settle(deposit, HD0001=100_000)
    assert last(deposit, asked) is None, "another settlement stands there now"


def test_what_one_person_may_not_move_alone_is_not_taken_back_alone(deposit: Books) -> None:
    deposit.issue(a_bill("HD0003", LIMIT, "PA0000000000121126"))
    deposit.read(a_line(LIMIT, "T3", "tra tien"), id="S2")
    asked = case(deposit)
    settle(deposit, HD0003=LIMIT)
    back = undo(deposit, asked)
    assert deposit.paid("HD0003") == ("paid", LIMIT)
    assert deposit.rows("SELECT state FROM settlements ORDER BY id") == [("applied",), ("proposed",)]
    assert undo(deposit, back) == back, "one's own proposal is withdrawn"
    assert deposit.rows("SELECT state FROM settlements ORDER BY id") == [("applied",), ("withdrawn",)]


def test_words_are_taken_back_by_asking_again(deposit: Books) -> None:
    deposit.hear(a_notice("T2", 90_000))
    asked = int(deposit.one("SELECT id FROM mismatches WHERE code = 'M03'"))
    with pytest.raises(NotSettled) as refused:
        deposit.run(lambda s: acknowledgements.acknowledge(s, asked - 1, why="x", by="lan", now=deposit.now))
    assert refused.value.reason == "needs_booking"
    deposit.run(lambda s: acknowledgements.acknowledge(s, asked, why="part paid", by="lan", now=deposit.now))
    assert deposit.asked() == ["M12"]
    again = undo(deposit, asked)
    assert deposit.asked() == ["M03", "M12"]
    assert deposit.one("SELECT opened_at FROM mismatches WHERE id = :id", id=again) == deposit.one(
        "SELECT opened_at FROM mismatches WHERE id = :id", id=asked
    )
    assert last(deposit, asked) is None


def part_paid(books: Books) -> int:
    """Return the question, closed by words, of 90,000 đ that left a bill of 100,000 đ short."""
    books.hear(a_notice("T2", 90_000))
    asked = int(books.one("SELECT id FROM mismatches WHERE code = 'M03'"))
    books.run(lambda s: acknowledgements.acknowledge(s, asked, why="part paid", by="lan", now=books.now))
    return asked


def test_words_are_not_taken_back_while_the_payment_is_asked_about_under_another_code(deposit: Books) -> None:
    asked = part_paid(deposit)
    act = last(deposit, asked)
    assert act is not None
    payment = deposit.one("SELECT payment_id FROM mismatches WHERE id = :id", id=asked)
    deposit.run(lambda s: settlements.raise_question(s, payment, why="the payer called", by="hoa", now=deposit.now))
    assert last(deposit, asked) is None
    for take_back in (
        lambda s: undoing.undo(s, asked, act.key, why="x", by="lan", now=deposit.now),
        lambda s: acknowledgements.ask_again(s, asked, by="lan", now=deposit.now),
    ):
        with pytest.raises(NotSettled):
            deposit.run(take_back)
    about = "SELECT code FROM mismatches WHERE subject = :subject AND state <> 'resolved'"
    assert deposit.one(about, subject=f"payment:{payment}") == "M05"


def test_words_that_are_taken_back_while_the_payment_is_asked_about_anew_wait_for_it(deposit: Books) -> None:
    asked, outcomes = part_paid(deposit), []
    payment = deposit.one("SELECT payment_id FROM mismatches WHERE id = :id", id=asked)

    def take_back() -> None:
        with Session(deposit.engine) as session, session.begin():
            try:
                acknowledgements.ask_again(session, asked, by="lan", now=deposit.now)
                outcomes.append("asked")
            except NotSettled as refused:
                session.rollback()
                outcomes.append(refused.reason)

    with Session(deposit.engine) as other:
        settlements.raise_question(other, payment, why="the payer called", by="hoa", now=deposit.now)
        person = threading.Thread(target=take_back)
        person.start()
        person.join(1)
        assert person.is_alive(), "whoever asks holds the payment"
        other.commit()
        person.join()
    assert outcomes == ["not_open"]


def test_what_facts_have_answered_since_closes_itself_when_words_are_taken_back(deposit: Books) -> None:
    asked = part_paid(deposit)
    deposit.hear(a_notice("T3", 10_000))
    assert deposit.paid() == ("paid", 100_000)
    again = undo(deposit, asked)
    assert deposit.asked() == ["M12"], "of the deposit alone"
    assert deposit.one("SELECT resolved_by FROM mismatches WHERE id = :id", id=again) == "matching"


def test_a_transfer_to_another_customer_is_not_taken_back_by_a_press(deposit: Books) -> None:
    settle(deposit, HD0001=100_000)
    payment, owner = deposit.one("SELECT id FROM payments"), deposit.one("SELECT id FROM customers WHERE code = :c",
                                                                        c=OTHER_CUSTOMER)  # fmt: skip
    doubt = deposit.run(lambda s: settlements.raise_question(s, payment, why="x", by="lan", now=deposit.now))
    deposit.run(
        lambda s: remarks.attach(
            s, doubt, "thu.txt", b"a letter", "", sealer=deposit.sealer, by="lan", now=deposit.now
        )
    )  # fmt: skip
    wrong, other = (
        deposit.one("SELECT id FROM allocations"),
        deposit.one("SELECT id FROM bills WHERE number = 'HD0002'"),
    )
    credit = Place(CREDIT, 40_000, customer_id=owner)
    made = deposit.run(
        lambda s: settlements.propose(
            s, doubt, undoes=[wrong], settles={other: 60_000}, places=[credit], why="why", by="lan", now=deposit.now
        )
    )  # fmt: skip
    deposit.run(lambda s: settlements.approve(s, made.id, by="hoa", now=deposit.now))
    assert deposit.paid("HD0002") == ("paid", 60_000)
    assert last(deposit, doubt) is None


def test_a_rest_and_an_assignment_are_taken_back(deposit: Books) -> None:
    asked, day = case(deposit), deposit.now.date() + timedelta(days=3)
    deposit.run(lambda s: remarks.assign(s, asked, "hoa", by="hoa", now=deposit.now))
    deposit.run(lambda s: remarks.assign(s, asked, "lan", by="lan", now=deposit.now))
    assert last(deposit, asked, "hoa") is None, "somebody else gave it away since"
    undo(deposit, asked)
    assert deposit.one("SELECT assignee FROM mismatches WHERE id = :id", id=asked) == "hoa"
    deposit.run(lambda s: remarks.expect(s, asked, day, "the payer calls", by="lan", now=deposit.now))
    undo(deposit, asked)
    assert deposit.one("SELECT rests_until FROM mismatches WHERE id = :id", id=asked) is None
    assert deposit.rows("SELECT kind FROM remarks ORDER BY id") == [
        (one,) for one in ("assigned", "assigned", "assigned", "expected", "resumed")
    ]


def test_a_case_is_given_to_those_who_settle_cases_only(deposit: Books) -> None:
    asked = case(deposit)
    with pytest.raises(remarks.NotRemarked) as refused:
        deposit.run(lambda s: remarks.assign(s, asked, "nobody here", by="lan", now=deposit.now))
    assert refused.value.reason == "no_person"
    deposit.as_owner("UPDATE staff SET office = 'DL1' WHERE username = 'hoa'")
    assert "hoa" not in deposit.run(lambda s: remarks.assignees(s, by="lan"))
    assert "hoa" in deposit.run(remarks.caseworkers), "whose cases others may look for"
    with pytest.raises(remarks.NotRemarked):
        deposit.run(lambda s: remarks.assign(s, asked, "hoa", by="lan", now=deposit.now))
    assert deposit.run(lambda s: remarks.assign(s, asked, "hoa", by="hoa", now=deposit.now)).text == "hoa"
    deposit.run(lambda s: remarks.assign(s, asked, "", by="lan", now=deposit.now))
    assert deposit.run(lambda s: remarks.assign(s, asked, "", by="lan", now=deposit.now)) is None
    with pytest.raises(remarks.NotRemarked) as refused:
        deposit.run(lambda s: remarks.resume(s, asked, "now", by="lan", now=deposit.now))
    assert refused.value.reason == "no_rest"
