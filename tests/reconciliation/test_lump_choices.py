"""What people say of settlement lines: it waits where everybody sees it, and another one decides."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from reconciliation import closing, lump_choices, settlements
from reconciliation.closing import NotClosed
from reconciliation.mismatches import NotSettled
from tests.reconciliation.books import CODE, DAY, Books, a_notice, at
from tests.reconciliation.test_settling_lumps import NEXT, bills, choose, doubtful, first, settled


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


def weighed(books: Books) -> None:
    """Let a line be the 18th's for certain; of the 17th one payment comes to as much, and another was not settled."""
    books.agree()
    bills(books)
    first(books)
    before = at(1) - timedelta(days=1)
    books.hear(a_notice("W3", paid_at=before), a_notice("W4", 7_000, CODE, paid_at=before), source="wallet")
    settled(books, 98_900)
    assert books.rows("SELECT day, pinned FROM lump_sums") == [(DAY, False)]


def confirmed(books: Books) -> list[tuple[str]]:
    found: list[tuple[str]] = books.rows("SELECT source_reference FROM payments WHERE state = 'confirmed' ORDER BY 1")
    return found


def test_what_a_line_was_weighed_to_be_of_gives_way_to_a_person_s_word(sound_books: Books) -> None:
    weighed(sound_books)
    assert choose(sound_books, lump_choices.propose, references=["W3"], why="their list", by="ha") == "applied"
    assert confirmed(sound_books) == [("W3",)]
    assert "M11" not in sound_books.asked()
    assert sound_books.one("SELECT resolved_by FROM mismatches WHERE code = 'M11'") == "ha", "a page to take it back on"
    with pytest.raises(NotSettled, match="take it back first"):
        choose(sound_books, lump_choices.propose, references=["W1"], why="no", by="ha")
    assert choose(sound_books, lump_choices.take_back, why="their list was wrong", by="ha") == "applied"
    assert confirmed(sound_books) == [("W1",)]


def test_what_was_weighed_stays_until_another_person_approves(sound_books: Books) -> None:
    books = sound_books
    books.awake_owner("UPDATE approval_limits SET minor = 50000 WHERE action = 'settle'")
    try:
        weighed(books)
        assert choose(books, lump_choices.propose, references=["W3"], why="their list", by="ha") == "proposed"
        books.hear(a_notice("W5", 9_000, CODE, paid_at=at(1) - timedelta(days=1)), source="wallet")  # all is weighed
        assert confirmed(books) == [("W1",)]
        assert books.rows("SELECT state FROM mismatches WHERE code = 'M11'") == [("proposed",)]
        assert choose(books, lump_choices.approve, by="binh") == "applied"
        assert confirmed(books) == [("W3",)]
    finally:
        books.awake_owner("UPDATE approval_limits SET minor = 2000000 WHERE action = 'settle'")
