"""What people say of settlement lines: it waits where everybody sees it, and another one decides."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from reconciliation import closing, denials, lump_choices, settlements
from reconciliation.closing import NotClosed
from reconciliation.mismatches import NotSettled
from tests.reconciliation.books import CODE, DAY, Books, a_notice, at
from tests.reconciliation.test_settling_lumps import NEXT, bills, choose, doubtful, first, settled


def obstacles(session: Session) -> list[NotClosed]:
    return closing.obstacles(session, "wallet", NEXT, tells=True, owed=[], now=at(1) + timedelta(days=3))


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


BEFORE = DAY - timedelta(days=1)


def questions(books: Books) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = books.rows(
        "SELECT state, facts->>'verdict' FROM mismatches WHERE code = 'M11' AND state <> 'resolved' ORDER BY id"
    )
    return found


def test_a_day_that_a_person_denied_is_chosen_no_more_until_that_is_taken_back(sound_books: Books) -> None:
    books = sound_books
    doubtful(books)
    assert choose(books, lump_choices.deny_day, day=BEFORE, why="their list", by="ha") == "applied"
    assert (confirmed(books), questions(books)) == ([("W1",)], []), "the other day alone is left"
    assert books.one("SELECT count(*) FROM mismatches WHERE code = 'M11'") == 1, "its question is answered, not another"
    assert choose(books, lump_choices.deny_day, day=DAY, why="nor that", by="ha") == "applied"
    assert (confirmed(books), questions(books)) == ([], [("open", "no_day_settles")])
    assert books.facts_of("M11")["days_denied"] == ["2026-11-17", "2026-11-18"]
    with pytest.raises(NotSettled, match="nobody has denied"):
        choose(books, lump_choices.deny_day, day=DAY, why="once more", by="ha")
    assert choose(books, lump_choices.allow_day, day=BEFORE, why="a slip", by="ha") == "applied"
    assert (confirmed(books), questions(books)) == ([("W3",)], [])
    assert choose(books, lump_choices.allow_day, day=DAY, why="a slip", by="ha") == "applied"
    assert (confirmed(books), questions(books)) == ([], [("open", "several_days_settle")])
    with pytest.raises(NotSettled, match="a person has denied"):
        choose(books, lump_choices.allow_day, day=DAY, why="once more", by="ha")
    with pytest.raises(NotSettled, match="that the line may be of, got 2026-11-19"):
        choose(books, lump_choices.deny_day, day=NEXT, why="no", by="ha")


def test_above_the_limit_another_person_approves_that_a_day_is_denied(sound_books: Books) -> None:
    books = sound_books
    books.awake_owner("UPDATE approval_limits SET minor = 50000 WHERE action = 'settle'")
    try:
        weighed(books)
        assert choose(books, lump_choices.deny_day, day=DAY, why="their list", by="ha") == "proposed"
        assert (confirmed(books), questions(books)) == ([("W1",)], [("proposed", "explained_otherwise")])
        books.hear(a_notice("W5", 9_000, CODE), source="wallet")  # all is weighed anew, and the day comes to more
        assert (confirmed(books), questions(books)) == ([], [("proposed", "no_day_settles")])
        assert choose(books, lump_choices.refuse, by="binh", why="which list?") == "refused"
        assert questions(books) == [("open", "no_day_settles")]
        assert choose(books, lump_choices.deny_day, day=DAY, why="their list", by="ha") == "proposed"
        (back,) = books.rows("SELECT id FROM payments WHERE source_reference = 'W5'")[0]
        books.run(lambda session: denials.deny(session, back, by="wallet", why="taken back", now=books.now))
        assert (confirmed(books), questions(books)) == ([("W1",)], [("proposed", "no_day_settles")]), "still contested"
        with pytest.raises(NotSettled, match="another person"):
            choose(books, lump_choices.approve, by="ha")
        assert choose(books, lump_choices.approve, by="binh") == "applied"
        assert (confirmed(books), questions(books)) == ([], [("open", "no_day_settles")])
        assert choose(books, lump_choices.allow_day, day=DAY, why="it is", by="ha") == "proposed"
        assert choose(books, lump_choices.approve, by="binh") == "applied"
        assert (confirmed(books), questions(books)) == ([("W1",)], [])
        assert choose(books, lump_choices.deny_day, day=DAY, why="their list", by="ha") == "proposed"
        assert choose(books, lump_choices.refuse, by="ha", why="my slip") == "withdrawn"
        assert (confirmed(books), questions(books)) == ([("W1",)], [])
    finally:
        books.awake_owner("UPDATE approval_limits SET minor = 2000000 WHERE action = 'settle'")


def test_what_a_person_put_together_is_taken_back_before_its_day_is_denied(sound_books: Books) -> None:
    doubtful(sound_books)
    choose(sound_books, lump_choices.propose, day=DAY, why="their list", by="ha")
    with pytest.raises(NotSettled, match="take it back first"):
        choose(sound_books, lump_choices.deny_day, day=DAY, why="no", by="ha")


def test_the_database_and_the_proof_hold_a_denied_day(books: Books) -> None:
    weighed(books)
    denied = (
        "INSERT INTO lump_choices (lump_id, kind, day, why, maker, made_at)"
        " SELECT id, 'not_day', day, 'no', 'ha', now() FROM lump_sums"
    )
    for kind in ("'settles'", "'no_such'"):
        with pytest.raises(DBAPIError, match="violates check constraint"):
            books.run(lambda session, kind=kind: session.execute(text(denied.replace("'not_day'", kind))))
    books.as_owner(denied, "UPDATE lump_choices SET state = 'applied', moves = 1")
    assert [one for one in books.broken() if "of a day that a person denied 1" in one]
    with pytest.raises(DBAPIError, match="of a day that a person denied"):
        books.run(lambda session: session.execute(text("UPDATE lump_sums SET day = day")))
