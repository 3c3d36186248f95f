"""Plain matches: what they settle, the usual road settles too, word for word; whatever is in doubt is left to it."""

from random import Random
from typing import Any

import pytest

from reconciliation import plain_matches
from tests.reconciliation.books import CODE, CUSTOMER, OTHER_CODE, OTHER_CUSTOMER, Books, a_bill, a_line, a_notice, at
from tests.reconciliation.random_books import contents, play

KEEP_PLAIN = plain_matches.keep_plain
HISTORY = {
    "matches": "SELECT p.bank_reference, b.number, a.minor, a.rule, a.quoted, a.evidence, a.undone_why"
               " FROM allocations a JOIN payments p ON p.id = a.payment_id JOIN bills b ON b.id = a.bill_id",
    "moves": "SELECT kind, from_state, to_state, by, regexp_replace(why, '[0-9]+', 'n', 'g'), count(*)"
             " FROM transitions GROUP BY 1, 2, 3, 4, 5",
    "entries": "SELECT regexp_replace(e.key, '[0-9]+', 'n', 'g'), e.business_date, e.debit, e.credit, e.minor"
               " FROM entries e",
    "questions": "SELECT code, state, minor, facts - 'bill', resolution FROM mismatches",
    "texts": "SELECT event, version, state, facts - 'reference' FROM messages",
}  # fmt: skip


def everything(books: Books) -> dict[str, Any]:
    history = {f"all {what}": sorted(books.rows(query), key=repr) for what, query in HISTORY.items()}
    return {**contents(books), **history}


def watched(monkeypatch: pytest.MonkeyPatch, many: int) -> list[int]:
    """Look for plain matches among so `many` payments and more; return a list of how many each look will find."""
    told: list[int] = []

    def counting(session: Any, *, lines: bool = False) -> list[int]:
        plain = KEEP_PLAIN(session, lines=lines)
        told.append(len(plain))
        return plain

    monkeypatch.setattr(plain_matches, "MANY", many)
    monkeypatch.setattr(plain_matches, "keep_plain", counting)
    return told


@pytest.mark.parametrize("seed", range(5))
def test_both_roads_end_in_the_same_tables(books: Books, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    found = []
    for many in (1, 1_000_000):
        books.clear()
        told = watched(monkeypatch, many)
        play(books, Random(seed))
        assert bool(sum(told)) == (many == 1), "one of the two roads was not taken"
        assert books.broken() == []
        found.append(everything(books))
    for what in found[0]:
        assert found[0][what] == found[1][what], what


def settled_plainly(books: Books, monkeypatch: pytest.MonkeyPatch, *lines: Any) -> int:
    """Read a statement and return how many payments were settled without being weighed."""
    told = watched(monkeypatch, 1)
    books.read(*lines, opening=0)
    return sum(told)


def issue(books: Books) -> None:
    books.issue(
        a_bill(), a_bill("HD0002", 60_000, CUSTOMER + "11026"),
        a_bill("HD0003", 80_000, OTHER_CODE, customer_code=OTHER_CUSTOMER),
    )  # fmt: skip


def test_lines_that_name_their_bills_are_settled_at_once(sound_books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    issue(sound_books)
    lines = a_line(100_000, "B1", CODE), a_line(60_000, "B2", "HD0002"), a_line(80_000, "B3", OTHER_CODE)
    assert settled_plainly(sound_books, monkeypatch, *lines) == 3
    assert {sound_books.paid(f"HD000{n}")[0] for n in (1, 2, 3)} == {"paid"}


DOUBTS: dict[str, Any] = {
    "less than is owed": lambda books: [a_line(99_000, "B1", CODE)],
    "two payments for one bill": lambda books: [a_line(100_000, "B1", CODE), a_line(100_000, "B2", CODE)],
    "another customer named beside it": lambda books: [a_line(100_000, "B1", f"{CODE} {OTHER_CUSTOMER}")],
    "money that only came back": lambda books: [a_line(100_000, "B1", CODE, reversal=True)],
    "a guess heard before": lambda books: (
        books.hear(a_notice("T1", 60_000, "", customer_code=CUSTOMER)) and [a_line(100_000, "B1", CODE)]
    ),
    "a guess heard before that fits nothing": lambda books: (
        books.hear(a_notice("T1", 61_000, "", customer_code=CUSTOMER)) and [a_line(100_000, "B1", CODE)]
    ),
    "part of it paid before": lambda books: (
        books.hear(a_notice("T1", 40_000, CODE, paid_at=at(0))) and [a_line(100_000, "B1", CODE)]
    ),
    "all of it paid before": lambda books: (
        books.hear(a_notice("T1", 100_000, CODE, bank_reference="B9")) and [a_line(100_000, "B1", CODE)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("doubt", DOUBTS)
def test_whatever_is_in_doubt_takes_the_usual_road(
    sound_books: Books, monkeypatch: pytest.MonkeyPatch, doubt: str
) -> None:
    issue(sound_books)
    assert settled_plainly(sound_books, monkeypatch, *DOUBTS[doubt](sound_books)) == 0


def test_a_guess_of_the_same_statement_is_weighed_once_what_is_proven_has_settled(
    sound_books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue(sound_books)
    assert settled_plainly(sound_books, monkeypatch, a_line(60_000, "B2", CUSTOMER), a_line(100_000, "B1", CODE)) == 1
    assert {sound_books.paid(f"HD000{n}")[0] for n in (1, 2)} == {"paid"}
