"""What people say of settlement lines: it waits where everybody sees it, and another one decides."""

from datetime import timedelta

from sqlalchemy.orm import Session

from reconciliation import closing, lump_choices, settlements
from reconciliation.closing import NotClosed
from tests.reconciliation.books import Books, at
from tests.reconciliation.test_settling_lumps import NEXT, choose, doubtful


def obstacles(session: Session) -> list[NotClosed]:
    return closing.obstacles(session, "wallet", NEXT, tells=True, owes_statement=False, now=at(1) + timedelta(days=3))


def test_a_take_back_above_the_limit_is_asked_about_and_no_day_is_balanced_over_it(sound_books: Books) -> None:
    books = sound_books
    books.awake_owner("UPDATE approval_limits SET minor = 50000 WHERE action = 'settle'")
    try:
        doubtful(books)
        choose(books, lump_choices.propose, references=["W1"], why="their list", by="ha")
        choose(books, lump_choices.approve, by="binh")
        for refused in (True, False):
            assert choose(books, lump_choices.take_back, why="wrong day", by="ha") == "proposed"
            assert books.rows("SELECT state FROM mismatches WHERE code = 'M11' AND state <> 'resolved'") == [
                ("proposed",)
            ]
            assert books.facts_of("M11")["settled_day"] == "2026-11-18"
            assert books.run(settlements.waiting) == 1
            assert "M11" in str(books.run(obstacles))
            assert books.broken() == []
            if refused:
                assert choose(books, lump_choices.refuse, by="binh", why="it is right") == "refused"
                assert (books.asked(), books.run(settlements.waiting)) == (["M06"], 0)
        assert choose(books, lump_choices.approve, by="binh") == "applied"
        assert books.rows("SELECT source_reference FROM payments WHERE state = 'confirmed'") == []
        assert books.rows("SELECT state, facts->>'verdict' FROM mismatches WHERE code = 'M11' ORDER BY id DESC")[0] == (
            "open", "several_days_settle",
        )  # fmt: skip
    finally:
        books.awake_owner("UPDATE approval_limits SET minor = 2000000 WHERE action = 'settle'")
