"""Large statements by the piece: the same books as in one transaction, whatever comes between two pieces."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from time import sleep
from typing import Any

import pytest
from sqlalchemy.orm import Session

from banks.records import StatementLine
from reconciliation import denials, import_undo, large_statements, lump_choices, payments
from reconciliation.mismatches import NotSettled
from reconciliation.statements import Statement
from tests.reconciliation.books import (
    CODE,
    CUSTOMER,
    DAY,
    OTHER_CODE,
    OTHER_CUSTOMER,
    Books,
    a_bill,
    a_line,
    a_notice,
    at,
)
from tests.reconciliation.random_books import contents, play

Act = Callable[[Books], object]


@pytest.fixture
def by_the_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every statement a large one, of pieces of two lines."""
    monkeypatch.setattr(large_statements, "LARGE", 0)
    monkeypatch.setattr(large_statements, "PIECE", 2)


def go_on(books: Books, between: Act = lambda _: None, *, pieces: int = 1_000, killed: bool = False) -> Iterator[int]:
    """Book what is in work piece by piece, as the reader of files does; `killed` readers know nothing of the last."""

    def next_one(session: Session) -> int | None:
        return large_statements.next_in_work(session, "standard", books.kept["standard", "statement"])

    while pieces and (number := books.run(next_one)) is not None:
        marks = books.run(lambda session: large_statements.mark(session, "standard"))
        _pair_whole(books, number)
        while marks is not None and pieces:
            between(books)
            marks = books.run(
                lambda session, n=number, m=marks: large_statements.book_piece(
                    session, n, m, callbacks=True, now=books.now
                )
            )
            pieces -= 1
            yield number
            if killed:
                break


def _pair_whole(books: Books, number: int) -> None:
    snapshot = books.engine.execution_options(isolation_level="REPEATABLE READ")
    with Session(snapshot) as session, session.begin():
        large_statements.pair_whole(session, number)


LINES = (
    a_line(100_000, "B1", f"tt {CODE}"),
    a_line(60_000, "B2", f"tra {CUSTOMER}"),
    a_line(70_000, "B3", "khong ro"),
    a_line(-11_000, "B4", "phi"),
    a_line(70_000, "B3", "khong ro"),
    a_line(80_000, "", f"tt {OTHER_CODE}"),
    a_line(100_000, "B7", f"tt {CODE}"),
)
"""A bill paid, a guess, two equal rows nobody knows, a fee, a line without a reference, and a bill paid again."""


def issue(books: Books) -> None:
    books.issue(
        a_bill(),
        a_bill("HD0002", 60_000, CUSTOMER + "11026"),
        a_bill("HD0003", 80_000, OTHER_CODE, customer_code=OTHER_CUSTOMER),
    )


def hear_some(books: Books) -> None:
    books.hear(a_notice("T1", 100_000, CODE, bank_reference="B1"), a_notice("T3", 70_000, "", bank_reference="B3"))


def read(books: Books, *lines: StatementLine) -> None:
    books.read(*(lines or LINES), opening=0)


def test_pieces_make_the_same_books_as_one_transaction(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    issue(books), hear_some(books), read(books)
    whole = contents(books)
    assert len(whole["matches"]) == 3
    books.clear()
    monkeypatch.setattr(large_statements, "LARGE", 0)
    for size in (1, 3):
        monkeypatch.setattr(large_statements, "PIECE", size)
        issue(books), hear_some(books), read(books)
        assert books.rows("SELECT booked_lines, lines FROM statements") == [(0, 7)]
        assert books.broken() == [], "nothing booked yet, and all of it in work"
        steps = 0
        for _ in go_on(books):
            steps += 1
            assert books.broken() == []
        assert steps == -(-7 // size)
        assert contents(books) == whole
        books.clear()


def test_whoever_takes_over_after_each_piece_goes_on_from_there(sound_books: Books, by_the_piece: None) -> None:
    issue(sound_books), hear_some(sound_books), read(sound_books)
    assert sum(1 for _ in go_on(sound_books, killed=True)) == 4
    assert sound_books.one("SELECT booking_from FROM statements") is None
    assert sound_books.one("SELECT booked_lines FROM statements") == 7
    assert sound_books.one("SELECT count(*) FROM entries WHERE key LIKE 'line:%'") == 7


def late(books: Books, *notices: Any) -> None:
    books.hear(*notices)


def denied(books: Books) -> None:
    def act(session: Session) -> None:
        payments.lock_sources(session, {"standard"})
        for (number,) in session.connection().exec_driver_sql("SELECT id FROM payments WHERE source_reference = 'T7'"):
            denials.deny(session, number, by="bank", why="taken back", now=books.now)

    books.run(act)


# what happens between two pieces, and what the books are like when it happened before the statement came
BETWEEN: dict[str, Act] = {
    "a callback by the bank's reference": lambda b: late(b, a_notice("T7", 100_000, CODE, bank_reference="B7")),
    "a callback whose own reference is the bank's": lambda b: late(b, a_notice("B7", 100_000, CODE)),
    "a callback known by its code alone": lambda b: late(b, a_notice("T6", 80_000, OTHER_CODE)),
    "a callback of one of two equal rows": lambda b: late(b, a_notice("T3", 70_000, "", bank_reference="B3")),
    "callbacks of both equal rows": lambda b: late(
        b, a_notice("T3", 70_000, "", bank_reference="B3"), a_notice("T5", 70_000, "", bank_reference="B3")
    ),
    "a callback over another amount": lambda b: late(b, a_notice("T7", 90_000, CODE, bank_reference="B7")),
    "a notice": lambda b: b.read(a_line(100_000, "B7", f"tt {CODE}"), id="N1", kind="notice"),
    "a callback that is taken back": lambda b: (
        late(b, a_notice("T7", 100_000, "", bank_reference="B7")), denied(b)
    ),
    "a bill": lambda b: b.issue(
        a_bill("HD0009", 70_000, CUSTOMER[:-1] + "911126", customer_code=CUSTOMER[:-1] + "9")
    ),
}  # fmt: skip


@pytest.mark.parametrize("act", BETWEEN)
def test_what_comes_between_two_pieces_counts_as_if_it_had_come_before(
    books: Books, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    issue(books), BETWEEN[act](books), read(books)
    expected = contents(books)
    monkeypatch.setattr(large_statements, "LARGE", 0)
    monkeypatch.setattr(large_statements, "PIECE", 2)
    for when in range(2):
        books.clear()
        issue(books), read(books)
        seen = iter(range(100))

        def between(books: Books, when: int = when, seen: Iterator[int] = seen) -> None:
            if next(seen) == when:
                BETWEEN[act](books)
                assert books.broken() == []

        for _ in go_on(books, between):
            assert books.broken() == []
        found = contents(books)
        # What a callback adds later is told in the ledger by another road; the books that it comes to are the same.
        for what in ("bills", "lines", "payments", "matches", "questions", "texts"):
            assert found[what] == expected[what], what
        assert found["balances"] == expected["balances"]


@pytest.mark.usefixtures("by_the_piece")
def test_a_payment_taken_back_while_its_line_waits_is_no_longer_proven_by_a_code(sound_books: Books) -> None:
    issue(sound_books)
    late(sound_books, a_notice("T7", 80_000, OTHER_CODE))
    read(sound_books)
    seen = iter(range(100))

    def between(books: Books) -> None:
        if next(seen) == 1:
            assert books.one("SELECT count(*) FROM statement_lines WHERE payment_id IS NOT NULL AND entry = 6") == 1
            denied(books)

    assert sum(1 for _ in go_on(sound_books, between)) == 4
    assert sound_books.rows("SELECT state, confirmed_minor FROM payments WHERE source_reference = 'T7'") == [
        ("denied", 0)
    ]
    assert sound_books.paid("HD0003") == ("paid", 80_000)
    assert ("M09", "T7") not in sound_books.open_questions()


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_a_half_booked_statement_can_be_undone(sound_books: Books, by_the_piece: None, done: int) -> None:
    issue(sound_books), hear_some(sound_books), read(sound_books)
    assert sum(1 for _ in go_on(sound_books, pieces=done)) == done

    def undo(session: Session) -> None:
        chosen = import_undo.chosen(session, str(session.query(Statement.id).scalar()))
        import_undo.undo(session, chosen, by="lan", why="the wrong file", now=sound_books.now)

    sound_books.run(undo)
    assert sound_books.broken() == []
    assert list(go_on(sound_books)) == []
    assert sound_books.rows("SELECT state, booking_from FROM statements") == [("withdrawn", None)]
    assert {row[0] for row in sound_books.rows("SELECT state FROM payments")} <= {"reported", "denied"}
    assert sound_books.balances().get("bank:standard:confirmed") is None
    sound_books.read(*LINES, opening=0)
    list(go_on(sound_books))
    assert sound_books.paid() == ("paid", 100_000)


@pytest.mark.usefixtures("by_the_piece")
def test_a_statement_sent_again_while_it_is_half_booked_is_set_aside(sound_books: Books) -> None:
    issue(sound_books), read(sound_books)
    steps = go_on(sound_books)
    next(steps)
    read(sound_books)
    assert [row[0] for row in sound_books.rows("SELECT state FROM statements ORDER BY id")] == ["accepted", "resent"]
    list(steps)
    assert sound_books.one("SELECT count(*) FROM entries WHERE key LIKE 'line:%'") == 7


@pytest.mark.usefixtures("by_the_piece")
def test_a_held_statement_that_is_let_go_by_a_large_one_is_booked_after_it(sound_books: Books) -> None:
    issue(sound_books)
    sound_books.read(a_line(5_000, "C1"), a_line(6_000, "C2"), a_line(7_000, "C3"), id="S0", opening=0, on=DAY)
    list(go_on(sound_books))
    sound_books.read(a_line(9_000, "E1"), id="S2", opening=19_000, on=DAY + timedelta(days=2))
    assert sound_books.one("SELECT state FROM statements WHERE statement_id = 'S2'") == "quarantined"
    sound_books.read(a_line(1_000, "D1"), id="S1", opening=18_000, on=DAY + timedelta(days=1))
    assert sound_books.one("SELECT count(*) FROM statements WHERE booking_from IS NOT NULL") == 2
    assert sound_books.broken() == []
    list(go_on(sound_books))
    assert sound_books.one("SELECT count(*) FROM statements WHERE booking_from IS NOT NULL") == 0


def test_random_facts_by_the_piece_end_in_the_same_books(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        results = []
        for size in (None, 1 + seed * 2):
            books.clear()
            monkeypatch.setattr(large_statements, "LARGE", 0 if size else 20_000)
            monkeypatch.setattr(large_statements, "PIECE", size or 5_000)
            play(books, Random(20261118 + seed))
            for _ in go_on(books):
                pass
            assert books.broken() == []
            results.append(contents(books))
        assert results[0] == results[1], seed


@pytest.mark.usefixtures("by_the_piece")
def test_how_far_a_large_statement_has_come(books: Books) -> None:
    issue(books), read(books)
    next(go_on(books))
    [told] = books.run(lambda s: large_statements.in_work(s, now=books.now + timedelta(seconds=4)))
    assert (told.statement.booked_lines, told.statement.lines, told.per_second) == (2, 7, 0.5)
    assert books.run(large_statements.waiting_banks) == []
    list(go_on(books))
    assert books.run(lambda s: large_statements.in_work(s, now=books.now)) == []


def test_notices_are_never_booked_by_the_piece(sound_books: Books, by_the_piece: None) -> None:
    issue(sound_books)
    sound_books.read(a_line(100_000, "B1", CODE), id="N1", kind="notice")
    assert sound_books.one("SELECT booking_from FROM statements") is None
    assert sound_books.paid() == ("paid", 100_000)


def settle_one_of_two_days(books: Books) -> None:
    """Two payments of two days, and a line that may settle either."""
    books.agree(source="standard")
    books.hear(a_notice("W1", 100_000, ""), a_notice("W3", 100_000, "", paid_at=at(1) - timedelta(days=1)))
    after = DAY + timedelta(days=1)
    books.read(a_line(98_900, "L1", "QUYET TOAN VI", booked_on=after), id="L", on=after)
    assert "M11" in books.asked()


def says_it_settles(books: Books, reference: str) -> None:
    line = books.one("SELECT line_id FROM lump_sums")
    said: dict[str, Any] = {"references": [reference], "why": "their list", "by": "ha", "now": books.now}
    books.run(lambda session: lump_choices.propose(session, line, **said))


IN_WORK = (a_line(1_000, "X1"), a_line(2_000, "X2"), a_line(100_000, "W1"))
_SHOWN_BY = """
    SELECT p.source_reference, p.state,
        CASE WHEN a.id IS NOT NULL THEN 'settlement' WHEN l.id IS NOT NULL THEN 'line' END
    FROM payments p LEFT JOIN line_parts a ON a.payment_id = p.id AND a.undone_at IS NULL
    LEFT JOIN statement_lines l ON l.payment_id = p.id WHERE p.source_reference LIKE 'W%' ORDER BY 1
"""


def test_a_payment_whose_line_waits_is_given_to_no_settlement(
    sound_books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle_one_of_two_days(sound_books)
    monkeypatch.setattr(large_statements, "LARGE", 0)
    monkeypatch.setattr(large_statements, "PIECE", 2)
    sound_books.read(*IN_WORK)
    seen = iter(range(100))

    def between(books: Books) -> None:
        if next(seen) == 0:
            with pytest.raises(NotSettled, match="wait for their line, got 0 of 1"):
                says_it_settles(books, "W1")

    assert sum(1 for _ in go_on(sound_books, between)) == 2
    assert sound_books.rows(_SHOWN_BY) == [("W1", "confirmed", "line"), ("W3", "confirmed", "settlement")]


def test_a_payment_that_a_person_gives_away_while_its_line_is_paired_stays_given(
    sound_books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = sound_books
    settle_one_of_two_days(books)
    monkeypatch.setattr(large_statements, "LARGE", 0)
    books.read(*IN_WORK)
    number = books.one("SELECT id FROM statements WHERE booking_from IS NOT NULL")
    marks = books.run(lambda session: large_statements.mark(session, "standard"))
    snapshot = books.engine.execution_options(isolation_level="REPEATABLE READ")
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with ThreadPoolExecutor(1) as person:
        with Session(snapshot) as session, session.begin():
            large_statements.pair_whole(session, number)
            said = person.submit(says_it_settles, books, "W1")  # who sees nothing of the pairing yet
            for _ in range(1_000):
                if books.one(waits) or said.done():
                    break
                sleep(0.01)
        said.result(timeout=30)
    assert books.one("SELECT count(*) FROM statement_lines l JOIN payments p ON p.id = l.payment_id") == 1
    books.run(lambda session: large_statements.book_piece(session, number, marks, callbacks=True, now=books.now))
    assert books.rows(_SHOWN_BY) == [("W1", "confirmed", "settlement"), ("W3", "reported", None)]


def test_a_payment_whose_line_waited_is_of_its_settlement_again_when_the_import_is_undone(
    sound_books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = sound_books
    books.agree(source="standard")
    books.hear(a_notice("W1", 100_000, ""))
    monkeypatch.setattr(large_statements, "LARGE", 0)
    books.read(*IN_WORK)
    number = books.one("SELECT id FROM statements")
    _pair_whole(books, number)
    monkeypatch.setattr(large_statements, "LARGE", 20_000)
    after = DAY + timedelta(days=1)
    books.read(a_line(98_900, "L1", "QUYET TOAN VI", booked_on=after), id="L", on=after)
    assert "M11" in books.asked()

    def undo(session: Session) -> None:
        import_undo.undo(session, import_undo.chosen(session, str(number)), by="lan", why="wrong", now=books.now)

    books.run(undo)
    assert books.rows(_SHOWN_BY) == [("W1", "confirmed", "settlement")]
