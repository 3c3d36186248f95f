from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import business_days, denials, import_preview, import_undo, statement_deadlines
from reconciliation.import_undo import NotUndone, Undone
from reconciliation.lifecycle import MESSAGE, move
from tests.reconciliation.books import CODE, DAY, OTHER_CODE, OTHER_CUSTOMER, Books, a_bill, a_line, a_notice, at

OTHER_BILL = a_bill("HD0002", 100_000, OTHER_CODE, customer_code=OTHER_CUSTOMER)


def undo(books: Books, *names: str, following: bool = False, by: str = "ketoan", why: str = "a wrong file") -> Undone:
    """Undo statements by their numbers, as the command does."""

    def act(session: Session) -> Undone:
        chosen = [one for name in names for one in import_undo.chosen(session, name)]
        expected = import_preview.preview(session, import_undo.plan(session, chosen, with_following=True))
        done = import_undo.undo(session, chosen, by=by, why=why, now=books.now, with_following=following)
        assert done == expected, "what a person was shown before is what was done"
        return done

    done: Undone = books.run(act)
    return done


def the(books: Books, name: str) -> str:
    """The number of the accepted statement that bears an identity."""
    return str(books.one("SELECT id FROM statements WHERE statement_id = :n AND state = 'accepted'", n=name))


def standing(books: Books) -> tuple[Any, ...]:
    """What the books say, without the numbers that tell a first reading from a second."""
    live = books.rows(
        "SELECT source, bank_reference, minor, matched_minor, confirmed_minor, state FROM payments"
        " WHERE state <> 'denied'"
    )
    lines = books.rows(
        "SELECT s.statement_id, l.entry, l.state, l.payment_id IS NOT NULL FROM statement_lines l"
        " JOIN statements s ON s.id = l.statement_id WHERE s.state = 'accepted'"
    )
    bills = books.rows("SELECT number, state, paid_minor FROM bills ORDER BY 1")
    return books.balances(), Counter(live), Counter(lines), bills, books.asked()


def test_all_that_a_statement_brought_goes_back_and_comes_again(sound_books: Books) -> None:
    sound_books.issue(a_bill(), OTHER_BILL)
    before = standing(sound_books)
    lines = [
        a_line(reference="B1", narrative=CODE),
        a_line(100_000, "B2", narrative=OTHER_CODE),
        a_line(7_000, "B3"),
        a_line(-5_000, "B4"),
        a_line(0, "B5"),
    ]
    sound_books.read(*lines, opening=0)
    first = standing(sound_books)
    assert sound_books.asked() == ["M12", "M12"]

    done = undo(sound_books, the(sound_books, "S1"))

    assert (done.lines, done.denied, done.reported, done.matches, done.told) == (5, 3, 0, 2, 0)
    assert standing(sound_books) == before
    assert sound_books.rows("SELECT state, reason FROM statements") == [
        ("withdrawn", "the import was undone: a wrong file")
    ]
    assert set(sound_books.rows("SELECT state, payment_id FROM statement_lines")) == {("rejected", None)}
    assert sound_books.one("SELECT count(*) FROM messages WHERE state <> 'withdrawn'") == 0
    assert sound_books.rows("SELECT actor, action, facts->>'why' FROM audit") == [
        ("ketoan", "import_undone", "a wrong file")
    ]
    assert sound_books.broken() == []

    sound_books.read(*lines, opening=0)
    assert standing(sound_books) == first


def test_what_is_undone_is_not_undone_twice(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.read(a_line(reference="B1", narrative=CODE))
    number = the(sound_books, "S1")
    undo(sound_books, number)
    entries = sound_books.one("SELECT count(*) FROM entries")
    assert undo(sound_books, number) == Undone([], [], 0, 0, 0, 0, 0)
    assert sound_books.one("SELECT count(*) FROM entries") == entries
    assert sound_books.one("SELECT count(*) FROM audit") == 1


@pytest.mark.parametrize("callback_first", [True, False])
def test_what_a_callback_told_is_reported_again_and_waits(sound_books: Books, callback_first: bool) -> None:
    sound_books.issue(a_bill())
    line, notice = a_line(reference="B1", narrative=CODE), a_notice(bank_reference="B1")
    acts: list[Callable[[], object]] = [lambda: sound_books.hear(notice), lambda: sound_books.read(line)]
    for act in acts if callback_first else reversed(acts):
        act()
    first = standing(sound_books)
    sound_books.now = at(9)

    done = undo(sound_books, the(sound_books, "S1"))

    assert (done.denied, done.reported, done.matches) == (0, 1, 0)
    assert sound_books.paid() == ("paid", 100_000), "the bank's callback still says so"
    assert sound_books.balances()["bank:standard:reported"] == 100_000
    due = business_days.end_of(business_days.LIBRARY.after(DAY, statement_deadlines.STATEMENT_WITHIN))
    assert sound_books.rows("SELECT state, confirmed_minor, due_at FROM payments") == [("reported", 0, due)]
    assert sound_books.broken() == []

    sound_books.read(line)
    assert standing(sound_books) == first
    assert sound_books.one("SELECT count(*) FROM payments") == 1


def test_a_callback_that_comes_after_the_undoing_finds_nothing_to_complete(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.read(a_line(reference="B1", narrative=CODE))
    undo(sound_books, the(sound_books, "S1"))
    sound_books.hear(a_notice(bank_reference="B1"))
    assert Counter(sound_books.rows("SELECT state FROM payments")) == {("denied",): 1, ("reported",): 1}
    assert sound_books.paid() == ("paid", 100_000)
    sound_books.read(a_line(reference="B1", narrative=CODE))
    assert Counter(sound_books.rows("SELECT state FROM payments")) == {("denied",): 1, ("confirmed",): 1}
    assert sound_books.asked() == []


def test_what_its_bank_took_back_is_taken_back_again(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    (payment,) = sound_books.hear(a_notice(bank_reference="B1"))
    sound_books.run(lambda session: denials.deny(session, payment, by="standard", why="reversed", now=sound_books.now))
    before = standing(sound_books)
    taken_back_at = sound_books.one("SELECT denied_at FROM payments")
    sound_books.read(a_line(reference="B1", narrative=CODE))
    shown = standing(sound_books)
    assert sound_books.asked() == ["M09"]
    sound_books.now = at(9)
    undo(sound_books, the(sound_books, "S1"))
    assert standing(sound_books) == before
    assert sound_books.one("SELECT denied_at FROM payments") == taken_back_at
    assert sound_books.broken() == []
    sound_books.read(a_line(reference="B1", narrative=CODE))
    assert standing(sound_books) == shown


@pytest.mark.parametrize("notice_first", [True, False])
def test_what_a_notice_told_stays_told_until_the_notice_goes_too(sound_books: Books, notice_first: bool) -> None:
    sound_books.issue(a_bill())
    line = a_line(reference="B1", narrative=CODE)
    kinds = ["notice", "statement"] if notice_first else ["statement", "notice"]
    for kind in kinds:
        sound_books.read(line, id=kind, kind=kind)
    number = the(sound_books, "notice")

    undo(sound_books, the(sound_books, "statement"))
    assert sound_books.rows("SELECT state FROM payments") == [("reported",)]
    assert sound_books.paid() == ("paid", 100_000)
    assert sound_books.broken() == []

    undo(sound_books, number)
    assert sound_books.rows("SELECT state FROM payments") == [("denied",)]
    assert sound_books.paid() == ("open", 0)
    assert sound_books.balances() == {"receivable": 100_000, "revenue": -100_000}


def test_a_notice_takes_no_payment_with_it_that_a_statement_has_confirmed(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    line = a_line(reference="B1", narrative=CODE)
    sound_books.read(line, id="N1", kind="notice")
    sound_books.read(line, id="S1")
    undo(sound_books, the(sound_books, "N1"))
    assert sound_books.rows("SELECT state, confirmed_minor FROM payments") == [("confirmed", 100_000)]
    undo(sound_books, the(sound_books, "S1"))
    assert sound_books.rows("SELECT state, confirmed_minor FROM payments") == [("denied", 0)]
    assert sound_books.paid() == ("open", 0)


def test_notice_and_statement_undone_together_leave_nothing(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    before = standing(sound_books)
    line = a_line(reference="B1", narrative=CODE)
    sound_books.read(line, id="N1", kind="notice")
    sound_books.read(line, id="S1")
    undo(sound_books, the(sound_books, "N1"), the(sound_books, "S1"))
    assert standing(sound_books) == before


def test_the_amount_that_the_callback_told_comes_back(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(bank_reference="B1"))
    before = standing(sound_books)
    sound_books.read(a_line(90_000, reference="B1", narrative=CODE))
    shown = standing(sound_books)
    assert sound_books.paid() == ("part_paid", 90_000)
    undo(sound_books, the(sound_books, "S1"))
    assert standing(sound_books) == before
    assert sound_books.broken() == []
    sound_books.read(a_line(90_000, reference="B1", narrative=CODE))
    assert standing(sound_books) == shown


def test_a_payment_that_came_second_settles_the_bill_that_is_free_again(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.read(a_line(reference="B1", narrative=CODE))
    sound_books.read(a_line(reference="B2", narrative=CODE), id="S2", on=DAY + timedelta(days=1))
    assert sound_books.asked() == ["M06"]
    undo(sound_books, the(sound_books, "S1"))
    assert sound_books.asked() == []
    assert sound_books.paid() == ("paid", 100_000)


def send_everything(books: Books) -> None:
    def act(session: Session) -> None:
        ids = list(session.scalars(text("SELECT id FROM messages WHERE state = 'queued'")))
        for state in ("sending", "sent"):
            move(session, MESSAGE, ids, state, by="sender", why="", now=books.now)
        session.execute(text("UPDATE messages SET sent_at = :now WHERE id = ANY(:ids)"), {"now": books.now, "ids": ids})

    books.run(act)


def test_who_was_told_is_counted_and_not_told_again(sound_books: Books) -> None:
    sound_books.issue(a_bill(), OTHER_BILL)
    told = a_line(narrative=CODE)
    sound_books.read(told)
    send_everything(sound_books)
    done = undo(sound_books, the(sound_books, "S1"))
    assert (done.told, done.matches) == (1, 1)
    assert sound_books.rows("SELECT state FROM messages") == [("sent",)], "what has left stays with the customer"
    sound_books.read(told, a_line(narrative=OTHER_CODE))
    assert sound_books.paid() == ("paid", 100_000)
    assert sound_books.rows("SELECT state, facts->>'customer_code' FROM messages ORDER BY id DESC LIMIT 1") == [
        ("queued", OTHER_CUSTOMER)
    ], "the other customer is"
    assert sound_books.one("SELECT count(*) FROM messages") == 2


def days(books: Books, *totals: int) -> None:
    """Read a statement a day, each opening where the last one closed."""
    opening = 0
    for number, total in enumerate(totals):
        on = date(2026, 11, 9) + timedelta(days=number)
        books.read(a_line(total, f"D{number}", booked_on=on), id=f"D{number}", opening=opening, on=on)
        opening += total


def test_what_follows_on_goes_too_or_nothing_does(sound_books: Books) -> None:
    days(sound_books, 1_000, 2_000, 3_000)
    with pytest.raises(NotUndone, match=r"got 1 statements: \d+ \(D2\)"):
        undo(sound_books, the(sound_books, "D1"))
    assert sound_books.one("SELECT count(*) FROM statements WHERE state = 'accepted'") == 3
    done = undo(sound_books, the(sound_books, "D1"), following=True)
    assert len(done.statements) == 2
    assert sound_books.balances() == {"bank:standard:confirmed": 1_000, "suspense": -1_000}
    assert undo(sound_books, the(sound_books, "D0")).lines == 1, "nothing follows on any more"


def test_of_one_day_only_what_opens_at_the_closing_follows_on(sound_books: Books) -> None:
    sound_books.read(a_line(1_000, "A"), id="A", opening=0)
    sound_books.read(a_line(2_000, "B"), id="B", opening=1_000)
    with pytest.raises(NotUndone, match=r"\(B\)"):
        undo(sound_books, the(sound_books, "A"))
    assert undo(sound_books, the(sound_books, "B")).lines == 1
    assert undo(sound_books, the(sound_books, "A")).lines == 1


def test_another_account_does_not_follow_on(sound_books: Books) -> None:
    sound_books.read(a_line(1_000, "A"), id="A", opening=0)
    sound_books.read(a_line(1_000, "A"), id="A", opening=1_000, account="190026119999", on=DAY + timedelta(days=1))
    number = sound_books.one("SELECT min(id) FROM statements")
    assert undo(sound_books, str(number)).lines == 1


def test_a_corrected_file_takes_the_place_of_the_first(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.read(a_line(reference="B1", narrative=CODE), opening=0)
    corrected = [a_line(reference="B1", narrative=CODE), a_line(5_000, reference="B9")]
    assert len(sound_books.read(*corrected, opening=0).quarantined) == 1
    held = sound_books.one("SELECT id FROM statements WHERE state = 'quarantined'")
    undo(sound_books, the(sound_books, "S1"))
    undo(sound_books, str(held), why="it is read anew")
    assert len(sound_books.read(*corrected, opening=0).accepted) == 1
    assert sound_books.balances()["bank:standard:confirmed"] == 105_000
    assert sound_books.asked() == ["M12"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("7", "expected a statement that was read, got '7'"),
        ("delivery:7", "got 'delivery:7'"),
        ("payment:1", "expected the number of a statement, or delivery:NUMBER"),
        ("", "expected the number of a statement"),
        ("٣", "expected the number of a statement"),
        ("9" * 30, "expected the number of a statement"),
    ],
)
def test_a_name_that_means_no_statement_is_refused(sound_books: Books, name: str, said: str) -> None:
    with pytest.raises(NotUndone, match=said):
        undo(sound_books, name)


@pytest.mark.parametrize(("by", "why"), [("", "wrong"), ("ketoan", " ")])
def test_nobody_undoes_without_a_name_and_a_reason(sound_books: Books, by: str, why: str) -> None:
    sound_books.read(a_line(reference="B1"))
    with pytest.raises(NotUndone, match="who undoes the import and why"):
        undo(sound_books, the(sound_books, "S1"), by=by, why=why)
    assert sound_books.one("SELECT state FROM statements") == "accepted"


def test_a_file_is_read_anew_only_when_nothing_of_it_stands(sound_books: Books) -> None:
    sound_books.read(a_line(reference="B1"))
    delivery = sound_books.one("SELECT delivery_id FROM statements")

    def anew(number: int = delivery) -> None:
        sound_books.run(
            lambda session: import_undo.read_anew(session, number, by="ketoan", why="again", now=sound_books.now)
        )

    with pytest.raises(NotUndone, match="one that is received"):
        anew()
    with pytest.raises(NotUndone, match="a file's delivery, got 99"):
        anew(99)
    from reconciliation import inbox

    sound_books.run(lambda session: inbox.finish(session, [delivery], "read", reason="", now=sound_books.now))
    with pytest.raises(NotUndone, match="accepted statements: "):
        anew()
    undo(sound_books, f"delivery:{delivery}")
    anew()
    assert sound_books.rows("SELECT state, attempts, read_at FROM deliveries") == [("received", 0, None)]


FACTS = {
    "call": lambda books: books.hear(a_notice("T1", bank_reference="B1")),
    "call with another amount": lambda books: books.hear(a_notice("T2", 90_000, OTHER_CODE, bank_reference="B2")),
    "notice": lambda books: books.read(a_line(reference="B3", narrative=CODE), id="N", kind="notice"),
    "one": lambda books: books.read(
        a_line(reference="B1", narrative=CODE), a_line(100_000, "B2", narrative=OTHER_CODE), id="S1", opening=0
    ),
    "two": lambda books: books.read(
        a_line(reference="B3", narrative=CODE), a_line(7_000), a_line(7_000), a_line(-1_000),
        id="S2", opening=200_000, on=DAY + timedelta(days=1),
    ),
}  # fmt: skip
STATEMENTS = ("notice", "one", "two")


@settings(
    max_examples=12, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(order=st.permutations(list(FACTS)), rounds=st.lists(st.integers(0, 4), min_size=1, max_size=2), data=st.data())
def test_undone_and_read_again_at_any_moment_the_books_are_the_same(
    books: Books, order: list[str], rounds: list[int], data: st.DataObject
) -> None:
    books.clear()
    books.issue(a_bill(), OTHER_BILL)
    for name in order:
        FACTS[name](books)
    expected = standing(books)
    books.clear()
    books.issue(a_bill(), OTHER_BILL)
    for step, name in enumerate(order):
        FACTS[name](books)
        if step in rounds:
            known = [one for one in STATEMENTS if one in order[: step + 1]]
            chosen = data.draw(st.sampled_from(known)) if known else ""
            names = {"notice": "N", "one": "S1", "two": "S2"}
            accepted = {row[0] for row in books.rows("SELECT statement_id FROM statements WHERE state = 'accepted'")}
            if chosen and names[chosen] in accepted:
                gone = undo(books, the(books, names[chosen]), following=True)
                assert books.broken() == []
                back = books.rows("SELECT statement_id FROM statements WHERE id = ANY(:ids)", ids=gone.statements)
                for one in [one for one in STATEMENTS if (names[one],) in back]:
                    FACTS[one](books)
    assert books.broken() == []
    assert standing(books) == expected
