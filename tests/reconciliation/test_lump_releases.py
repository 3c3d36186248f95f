"""A line that a person said is no settlement: it takes the usual road, and all of that is taken back."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from reconciliation import day_figures, lump_choices
from reconciliation.mismatches import NotSettled
from tests.reconciliation.books import CODE, Books, a_bill, a_line, a_notice
from tests.reconciliation.test_settling_lumps import NEXT, choose, undo

PAID = "SELECT source_reference LIKE 'line:%', state, confirmed_minor FROM payments ORDER BY id"
SAID: dict[str, Any] = {"why": "a payer wrote it", "by": "ha"}


def a_lump(books: Books, narrative: str = f"quyet toan vi {CODE}", source: str = "wallet") -> None:
    """Let a line of one payment bear the words of a settlement."""
    books.agree(source=source)
    books.issue(a_bill())
    books.read(a_line(100_000, "L1", narrative, booked_on=NEXT), on=NEXT)
    assert books.asked() == ["M11"]


def say(books: Books, act: Any, **more: Any) -> str:
    line = books.one("SELECT min(line_id) FROM lump_sums")
    state: str = books.run(lambda session: act(session, line, now=books.now, **{**SAID, **more})).state
    return state


def test_it_settles_what_it_names_and_gives_that_up_again(sound_books: Books) -> None:
    a_lump(sound_books)
    before = sound_books.balances()
    for _ in range(2):
        assert say(sound_books, lump_choices.disown) == "applied"
        assert (sound_books.paid(), sound_books.asked()) == (("paid", 100_000), [])
        assert sound_books.rows(PAID) == [(True, "confirmed", 100_000)]
        assert sound_books.balances() == {"bank:standard:confirmed": 100_000, "revenue": -100_000}
        assert sound_books.broken() == []
        assert say(sound_books, lump_choices.take_back) == "applied"
        assert (sound_books.paid(), sound_books.asked()) == (("open", 0), ["M11"])
        assert sound_books.rows(PAID) == [(True, "denied", 0)]
        assert sound_books.balances() == before
        assert sound_books.broken() == []


def test_what_was_told_is_shown_by_it_and_waits_again(sound_books: Books) -> None:
    a_lump(sound_books)
    sound_books.hear(a_notice("T1", 90_000, CODE, bank_reference="L1"))
    before = sound_books.balances()
    say(sound_books, lump_choices.disown)
    assert sound_books.rows(PAID) == [(False, "confirmed", 100_000)], "the statement's amount counts"
    say(sound_books, lump_choices.take_back)
    assert sound_books.rows(PAID) == [(False, "reported", 0)]
    assert sound_books.balances() == before
    assert sound_books.one("SELECT minor FROM payments") == 90_000


@pytest.mark.parametrize("told", [True, False])
def test_undoing_the_import_takes_the_payment_with_it(sound_books: Books, told: bool) -> None:
    a_lump(sound_books)
    if told:
        sound_books.hear(a_notice("T1", 100_000, CODE, bank_reference="L1"))
    say(sound_books, lump_choices.disown)
    undo(sound_books, "S1")
    assert sound_books.rows(PAID) == [(not told, "reported" if told else "denied", 0)]
    assert sound_books.asked() == []
    assert "settled:wallet" not in sound_books.balances()
    with pytest.raises(NotSettled, match="expected the number of a settlement's line"):
        say(sound_books, lump_choices.take_back)
    sound_books.read(a_line(100_000, "L1", f"quyet toan vi {CODE}", booked_on=NEXT), on=NEXT)
    assert sound_books.asked() == ["M11"], "a line read anew is weighed anew"


def test_a_payment_that_was_returned_is_no_settlement_after_all(sound_books: Books) -> None:
    a_lump(sound_books)
    say(sound_books, lump_choices.disown)
    sound_books.read(
        a_line(-100_000, "L1", "hoan tra", booked_on=NEXT, reversal=True, return_reason="AC04"), id="S2", on=NEXT
    )
    assert sound_books.rows(PAID) == [(True, "returned", 0)]
    with pytest.raises(NotSettled, match="expected a payment that was not returned"):
        say(sound_books, lump_choices.take_back)
    undo(sound_books, "S1")
    assert sound_books.rows(PAID) == [(True, "denied", 0)]


def test_a_bank_that_settles_itself_ties_out_over_it(sound_books: Books) -> None:
    a_lump(sound_books, source="standard")
    say(sound_books, lump_choices.disown)
    found = sound_books.run(lambda session: day_figures.of_day(session, "standard", NEXT, tells=True))
    assert [(one["verdict"], one["booked"], one["shown"]) for one in found["reasons"]] == [("untold", 100_000, 100_000)]


def test_above_the_limit_another_person_approves_and_its_undoing_too(sound_books: Books) -> None:
    books = sound_books
    books.awake_owner("UPDATE approval_limits SET minor = 50000 WHERE action = 'settle'")
    try:
        a_lump(books)
        assert say(books, lump_choices.disown) == "proposed"
        assert books.rows(PAID) == []
        assert choose(books, lump_choices.approve, by="binh") == "applied"
        assert books.rows(PAID) == [(True, "confirmed", 100_000)]
        assert say(books, lump_choices.take_back) == "proposed"
        assert books.rows("SELECT state FROM mismatches WHERE code = 'M11' AND state <> 'resolved'") == [("proposed",)]
        line = books.one("SELECT line_id FROM lump_sums")
        books.run(lambda session: lump_choices.refuse(session, line, why="it is none", by="binh", now=books.now))
        assert books.asked() == []
        assert say(books, lump_choices.take_back) == "proposed"
        books.run(lambda session: lump_choices.approve(session, line, by="binh", now=books.now))
        assert (books.rows(PAID), books.asked()) == ([(True, "denied", 0)], ["M11"])
    finally:
        books.awake_owner("UPDATE approval_limits SET minor = 2000000 WHERE action = 'settle'")


def test_only_what_a_person_called_none_becomes_a_settlement_again(books: Books) -> None:
    a_lump(books)
    undo(books, "S1")
    with pytest.raises(DBAPIError, match="only what a person called no settlement"):
        books.run(lambda session: session.execute(text("UPDATE lump_sums SET undone_at = NULL")))
    books.clear()
    a_lump(books)
    say(books, lump_choices.disown)
    books.as_owner("UPDATE lump_sums SET undone_at = NULL")
    assert [one for one in books.broken() if "lump sums that people called none 1" in one]


def test_a_late_callback_in_its_words_is_still_left_to_the_statement(sound_books: Books) -> None:
    a_lump(sound_books)
    say(sound_books, lump_choices.disown)
    sound_books.now += timedelta(days=1)
    sound_books.hear(a_notice("T1", 100_000, "", narrative="QUYET TOAN VI", bank_reference="L1"))
    assert sound_books.rows(PAID) == [(True, "confirmed", 100_000)]
