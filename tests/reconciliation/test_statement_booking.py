from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from reconciliation import statement_booking
from reconciliation.statement_booking import NotAccepted
from reconciliation.statements import Statement
from tests.reconciliation.books import CODE, DAY, OTHER_CODE, OTHER_CUSTOMER, Books, a_bill, a_line

NEXT = DAY + timedelta(days=1)


def accept(books: Books, number: int, by: str = "ketoan", why: str = "the bank uses the reference twice") -> None:
    def act(session: Session) -> None:
        statement = session.get_one(Statement, number)
        statement_booking.accept_overlap(session, statement, by=by, why=why, callbacks=True, now=books.now)

    books.run(act)


def held(books: Books) -> int:
    number: int = books.one("SELECT min(id) FROM statements WHERE state = 'quarantined'")
    return number


def test_a_person_books_lines_that_only_look_like_others(sound_books: Books) -> None:
    sound_books.issue(a_bill(), a_bill("HD0002", 100_000, OTHER_CODE, customer_code=OTHER_CUSTOMER))
    sound_books.read(a_line(reference="BATCH", narrative=CODE), id="S1", opening=0)
    sound_books.read(a_line(reference="BATCH", narrative=OTHER_CODE), id="S2", opening=100_000, on=NEXT)
    sound_books.read(a_line(7_000, "C"), id="S3", opening=200_000, on=NEXT + timedelta(days=1))
    assert sound_books.asked() == ["M15", "M15"]

    accept(sound_books, held(sound_books))

    assert sound_books.paid("HD0002") == ("paid", 100_000)
    assert sound_books.balances()["bank:standard:confirmed"] == 207_000, "what waited for it is booked too"
    assert sound_books.asked() == ["M12"]
    assert sound_books.rows("SELECT actor, action, facts->>'why' FROM audit") == [
        ("ketoan", "overlap_accepted", "the bank uses the reference twice")
    ]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"opening": 100_001}, "expected the opening balance 100000 at which statement S1 closed, got 100001"),
        ({"opening": 100_000, "closing": 1}, "for lines shown before and nothing else, got: expected lines"),
        ({"opening": 100_000, "faults": ("a total differs",)}, "nothing else, got: a total differs; expected lines"),
        ({"opening": 100_000, "id": "S1"}, "nothing else, got: statement S1 was accepted before"),
    ],
    ids=["a gap", "a difference", "a control total", "the same id"],
)
def test_nobody_accepts_what_does_not_add_up(sound_books: Books, second: dict[str, object], said: str) -> None:
    sound_books.read(a_line(reference="B1"), id="S1", opening=0)
    sound_books.read(a_line(reference="B1"), a_line(1_000), **{"id": "S2", "on": NEXT, **second})  # type: ignore[arg-type]  # as told
    with pytest.raises(NotAccepted, match=said):
        accept(sound_books, held(sound_books))
    assert sound_books.one("SELECT count(*) FROM payments") == 1


def test_only_a_held_statement_is_accepted_and_only_with_a_reason(sound_books: Books) -> None:
    sound_books.read(a_line(reference="B1"), id="S1", opening=0)
    with pytest.raises(NotAccepted, match="got one that is accepted"):
        accept(sound_books, sound_books.one("SELECT id FROM statements"))
    with pytest.raises(NotAccepted, match="who accepts the statement and why"):
        accept(sound_books, sound_books.one("SELECT id FROM statements"), why=" ")
