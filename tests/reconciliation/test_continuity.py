from datetime import timedelta

import pytest

from reconciliation import continuity
from tests.reconciliation.books import CODE, DAY, Books, a_bill, a_line

NEXT = DAY + timedelta(days=1)


def held(books: Books) -> list[str]:
    """Why statements are held, in the words for people."""
    return [row[0] for row in books.rows("SELECT reason FROM statements WHERE state = 'quarantined' ORDER BY id")]


def test_lines_that_another_statement_has_shown_are_not_booked_again(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.read(a_line(reference="B1", narrative=CODE), a_line(7_000, "B2"), id="S1", opening=0)
    cumulated = [a_line(reference="B1", narrative="other words"), a_line(7_000, "B2"), a_line(9_000, "B3")]
    sound_books.read(*cumulated, id="S2", opening=0)
    assert held(sound_books) == ["expected lines that no statement has shown yet, got 2 of statement S1"]
    assert sound_books.balances()["bank:standard:confirmed"] == 107_000
    assert sound_books.one("SELECT count(*) FROM payments") == 2
    assert sound_books.asked() == ["M12", "M15"]


def test_two_equal_rows_of_one_statement_are_two_payments(sound_books: Books) -> None:
    sound_books.read(a_line(7_000, "B1"), a_line(7_000, "B1"), id="S1", opening=0)
    assert sound_books.one("SELECT count(*) FROM payments WHERE minor = 7000") == 2
    sound_books.read(a_line(7_000, "B1"), id="S2", opening=14_000, on=NEXT)
    assert held(sound_books) == ["expected lines that no statement has shown yet, got 1 of statement S1"]


def test_rows_are_counted_off_where_both_statements_have_them(sound_books: Books) -> None:
    sound_books.read(a_line(7_000, "B1"), id="S1", opening=0)
    sound_books.read(*[a_line(7_000, "B1")] * 3, id="S2", opening=7_000, on=NEXT)
    assert held(sound_books) == ["expected lines that no statement has shown yet, got 1 of statement S1"]


@pytest.mark.parametrize(
    "line",
    [
        a_line(7_001, "B1"), a_line(7_000, "B2"), a_line(7_000, "B1", booked_on=NEXT), a_line(-7_000, "B1"),
        a_line(7_000),
    ],
    ids=["amount", "reference", "day", "direction", "no reference"],
)  # fmt: skip
def test_lines_that_differ_in_anything_are_new(sound_books: Books, line: object) -> None:
    sound_books.read(a_line(7_000, "B1"), a_line(7_000), id="S1", opening=0)
    sound_books.read(line, id="S2", opening=14_000, on=NEXT)  # type: ignore[arg-type]  # each is a line
    assert held(sound_books) == []


def test_a_reference_may_stand_on_several_pages_of_one_statement(sound_books: Books) -> None:
    sound_books.read(a_line(7_000, "BATCH"), id="S1", opening=0, page=1)
    sound_books.read(a_line(7_000, "BATCH"), id="S1", opening=7_000, page=2)
    assert held(sound_books) == []
    assert sound_books.one("SELECT count(*) FROM payments") == 2


def test_another_account_or_bank_has_references_of_its_own(sound_books: Books) -> None:
    sound_books.read(a_line(7_000, "B1"), id="S1", opening=0)
    sound_books.read(a_line(7_000, "B1"), id="S2", opening=0, account="190026119999")
    sound_books.read(a_line(7_000, "B1"), id="S2", opening=0, bank="other")
    assert held(sound_books) == []


def test_a_notice_overlaps_with_nothing(sound_books: Books) -> None:
    sound_books.read(a_line(7_000, "B1"), id="N1", kind="notice")
    sound_books.read(a_line(7_000, "B1"), a_line(8_000, "B2"), id="N2", kind="notice")
    sound_books.read(a_line(7_000, "B1"), a_line(8_000, "B2"), id="S1", opening=0)
    assert held(sound_books) == []
    assert sound_books.one("SELECT count(*) FROM payments") == 2


def test_a_held_statement_that_overlaps_stays_held_when_its_turn_comes(sound_books: Books) -> None:
    sound_books.read(a_line(1_000, "A"), id="S1", opening=0)
    late = DAY + timedelta(days=2)
    sound_books.read(a_line(2_000, "B", booked_on=NEXT), a_line(3_000, "C"), id="S3", opening=3_000, on=late)
    sound_books.read(a_line(2_000, "B", booked_on=NEXT), id="S2", opening=1_000, on=NEXT)
    assert held(sound_books) == ["expected lines that no statement has shown yet, got 1 of statement S2"]
    assert sound_books.balances()["bank:standard:confirmed"] == 3_000


def test_many_statements_are_named_in_short(sound_books: Books) -> None:
    for number in range(5):
        sound_books.read(a_line(1_000, f"A{number}"), id=f"S{number}", opening=number * 1_000)
    sound_books.read(*(a_line(1_000, f"A{number}") for number in range(5)), id="ALL", opening=5_000, on=NEXT)
    (reason,) = held(sound_books)
    assert reason.endswith("1 of statement S0, 1 of statement S1, 1 of statement S2 and lines of 2 more")


def broken(books: Books) -> list[str]:
    """The statements that do not open where the one before them closed, whatever became of them."""
    named = dict(books.rows("SELECT id, statement_id FROM statements ORDER BY id"))
    return [named[one] for one in books.run(lambda session: continuity.broken(session, list(named)))]


def test_a_statement_that_opens_elsewhere_is_marked_whether_held_or_not(sound_books: Books) -> None:
    sound_books.read(a_line(7_000, "B1"), id="S1", opening=0)
    sound_books.read(a_line(1_000, "B2"), id="S2", opening=7_000, on=NEXT)
    assert broken(sound_books) == []
    sound_books.read(a_line(1_000, "B3"), id="S3", opening=8_001, on=NEXT + timedelta(days=1))
    assert broken(sound_books) == ["S3"]


def test_two_statements_that_nothing_orders_may_follow_each_other_either_way(sound_books: Books) -> None:
    sound_books.read(a_line(7_000, "B1"), id="S1", opening=0)
    sound_books.read(a_line(1_000, "B2"), id="S2", opening=7_000, on=NEXT)
    sound_books.read(a_line(500, "B3"), id="S3", opening=8_000, on=NEXT)
    assert held(sound_books) == broken(sound_books) == []


def test_the_first_of_an_account_breaks_nothing(sound_books: Books) -> None:
    sound_books.read(a_line(7_000, "B1"), id="S1", opening=5)
    assert broken(sound_books) == []
