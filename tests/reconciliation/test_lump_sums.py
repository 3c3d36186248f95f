"""Agreements in versions: what came under one stays, and each day is settled as the one that counts for it says."""

from collections.abc import Callable
from datetime import date, time, timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from reconciliation import lump_sums
from reconciliation.lump_sums import NotAgreed
from tests.reconciliation.books import DAY, Books, a_line, a_notice, at

NEXT = DAY + timedelta(days=1)
ANEW: dict[str, Any] = {"source": "wallet", "bank": "standard", "words": ["TAT TOAN VI"], "since": NEXT}
Act = Callable[[Books], object]


def as_owner(books: Books, act: Callable[[Session], object]) -> None:
    with Session(books.owner) as session, session.begin():
        session.execute(text("SET LOCAL ROLE doisoat"))
        act(session)


def declare(books: Books, **more: Any) -> None:
    as_owner(books, lambda session: lump_sums.declare(session, [{**ANEW, **more}], by="ketoan", now=books.now))


def end(books: Books, since: date = NEXT, source: str = "wallet") -> None:
    as_owner(books, lambda session: lump_sums.end(session, source, since, why="parted", by="ketoan", now=books.now))


def told(reference: str, days: int, minute: int = 0) -> Act:
    notice = a_notice(reference, 100_000, "", paid_at=at(1, minute) + timedelta(days=days))
    return lambda books: books.hear(notice, source="wallet")


def line(reference: str, days: int, words: str, minor: int = 98_900) -> Act:
    on = DAY + timedelta(days=days)
    return lambda books: books.read(a_line(minor, reference, words, booked_on=on), on=on, id=reference)


def days_settled(books: Books) -> list[tuple[str, date | None]]:
    found: list[tuple[str, date | None]] = books.rows(
        "SELECT l.bank_reference, s.day FROM lump_sums s JOIN statement_lines l ON l.id = s.line_id ORDER BY 1"
    )
    return found


def test_each_day_is_settled_as_the_version_that_counts_for_it_says_in_any_order(books: Books) -> None:
    acts = [
        told("W1", 0), told("W2", 2),
        line("L1", 1, "quyet toan vi"),  # the 18th, by the old words
        line("L2", 7, "tat toan vi"),  # the 20th, by the new words and later than the old ones would have it
    ]  # fmt: skip
    for order in list(permutations(acts))[::5]:
        books.clear()
        books.agree()
        declare(books, within_days=5)
        for act in order:
            act(books)
        assert days_settled(books) == [("L1", DAY), ("L2", DAY + timedelta(days=2))], order
        assert books.asked() == ["M12", "M12"], order
        assert books.broken() == [], order


def test_new_words_settle_the_old_version_s_last_days_within_its_reach(sound_books: Books) -> None:
    sound_books.agree()
    declare(sound_books, within_days=9)
    told("W1", 0)(sound_books)
    line("L1", 4, "tat toan vi")(sound_books)
    assert days_settled(sound_books) == [("L1", None)], "four days later is too late for a day of the old version"
    line("L2", 3, "tat toan vi")(sound_books)
    assert days_settled(sound_books) == [("L1", None), ("L2", DAY)]


def test_the_cut_off_is_that_of_the_version_a_payment_is_made_in(sound_books: Books) -> None:
    sound_books.agree(cut_off=time(8, 30))
    declare(sound_books, words=["QUYET TOAN VI"], cut_off=time(23))
    told("W1", 0, 45)(sound_books)  # a quarter to nine: the next day's
    told("W2", 1, 45)(sound_books)  # that day's by now
    line("L1", 2, "quyet toan vi", 2 * 98_900)(sound_books)
    assert days_settled(sound_books) == [("L1", NEXT)]


def test_an_ended_agreement_settles_its_days_to_the_last_and_no_other(books: Books) -> None:
    ended: list[Any] = []
    acts = [told("W1", 0), told("W2", 1), line("L1", 3, "quyet toan vi"), line("L2", 4, "quyet toan vi")]
    for order in list(permutations(acts))[::5]:
        books.clear()
        books.agree()
        end(books)
        for act in order:
            act(books)
        assert days_settled(books) == [("L1", DAY)], order
        states = books.rows(
            "SELECT bank_reference, source_reference LIKE 'line:%', state FROM payments ORDER BY 1, 2, 3"
        )
        ended.append((sorted(states), books.asked(), books.balances()))
        assert books.broken() == [], order
    assert ended == [ended[0]] * len(ended)
    assert ended[0][0] == [("", False, "confirmed"), ("", False, "reported"), ("L2", True, "confirmed")]


def test_a_callback_about_a_line_is_kept_as_long_as_the_line_is_known_by_it(sound_books: Books) -> None:
    sound_books.agree()
    end(sound_books)
    for days in (3, 4):
        paid = at(1) + timedelta(days=days)
        sound_books.hear(a_notice(f"T{days}", 98_900, "", paid_at=paid, narrative="QUYET TOAN VI"))
    assert sound_books.rows("SELECT source_reference FROM payments") == [("T4",)]


def test_what_came_already_holds_a_version_off(sound_books: Books) -> None:
    with pytest.raises(NotAgreed, match="expected a source with an agreement, got wallet"):
        end(sound_books)
    sound_books.agree()
    told("W1", 0)(sound_books)
    line("L1", 2, "quyet toan vi")(sound_books)  # dated later than today
    for since in (DAY, DAY + timedelta(days=2)):
        with pytest.raises(NotAgreed, match=f"wallet: expected a day after 2026-11-20, .* got {since}"):
            declare(sound_books, since=since)
        with pytest.raises(NotAgreed, match="expected a day after"):
            end(sound_books, since)
    end(sound_books, DAY + timedelta(days=3))
    with pytest.raises(NotAgreed, match="expected a source with an agreement, got wallet"):
        end(sound_books, DAY + timedelta(days=9))
    declare(sound_books, since=DAY + timedelta(days=9))
    assert sound_books.one("SELECT count(*) FROM lump_terms") == 2, "and it is agreed anew"


def test_words_are_free_for_another_source_once_no_line_is_known_by_them(sound_books: Books) -> None:
    sound_books.agree()
    end(sound_books)
    other = {"source": "other", "words": ["QUYET TOAN VI"]}
    with pytest.raises(NotAgreed, match="that no line of wallet at standard is known by"):
        declare(sound_books, **other, since=DAY + timedelta(days=3))
    declare(sound_books, **other, since=DAY + timedelta(days=4))


def test_the_database_keeps_versions_in_order_and_as_they_are(sound_books: Books) -> None:
    sound_books.agree()
    version = (
        "INSERT INTO lump_agreements (source, bank, words, since, ends, declared_by, declared_at)"
        " VALUES ('{}', 'standard', '{{X}}', '{}', {}, 'mai', now())"
    )
    for statement in (version.format("wallet", "1999-01-01", "false"), version.format("other", "2026-12-01", "true")):
        with pytest.raises(DBAPIError, match="follows on the one before"):
            sound_books.awake_owner(statement)
    with pytest.raises(DBAPIError):
        sound_books.awake_owner("UPDATE lump_agreements SET cut_off = '20:00'")
    with pytest.raises(DBAPIError, match="permission denied"):
        sound_books.run(lambda session: session.execute(text(version.format("wallet", "2026-12-01", "true"))))
