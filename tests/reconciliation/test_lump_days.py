"""What days come to: what waits is added up, what a line has brought stands in the line."""

from datetime import date, timedelta

from sqlalchemy.orm import Session

from reconciliation import lump_days, settling_lumps
from reconciliation.lump_days import DaySum
from tests.reconciliation.books import DAY, Books, a_line, a_notice, at

NEXT = DAY + timedelta(days=1)


def two_days(books: Books) -> int:
    """Let a line be of the 18th, whose id is returned; of the 19th something waits."""
    books.agree()
    books.hear(a_notice("W1", 100_000, ""), a_notice("W2", 50_000, "", paid_at=at(2)), source="wallet")
    books.hear(a_notice("W3", 10_000, "", paid_at=at(2) + timedelta(days=1)), source="wallet")
    books.read(a_line(148_350, "L1", "quyet toan vi", booked_on=NEXT), on=NEXT)
    found: int = books.one("SELECT id FROM lump_sums WHERE day = '2026-11-18'")
    return found


def sums(books: Books) -> dict[date, DaySum]:
    def act(session: Session) -> dict[date, DaySum]:
        return lump_days.sums(session, lump_days.scope(session, "wallet", books.now))

    found: dict[date, DaySum] = books.run(act)
    return found


def test_a_day_is_what_waits_and_what_its_line_brought(sound_books: Books) -> None:
    lump = two_days(sound_books)
    assert sums(sound_books) == {DAY: DaySum(148_350, (lump,)), NEXT: DaySum(9_890, is_free=True)}
    sound_books.as_owner("UPDATE line_parts SET undone_at = now()")
    assert sums(sound_books)[DAY] == DaySum(148_350, (lump,)), "what was brought is not read again to be added up"
    sound_books.as_owner("UPDATE line_parts SET undone_at = NULL")


def test_lines_that_are_weighed_no_more_keep_their_days(sound_books: Books) -> None:
    two_days(sound_books)
    sound_books.now += timedelta(days=70)
    sound_books.hear(a_notice("W4", 7_000, "", paid_at=at(3)), source="wallet")
    assert sums(sound_books) == {NEXT: DaySum(9_890, is_free=True)}, "what is told of the 18th now is no day of its own"


def test_another_fee_makes_a_settlement_stale_and_a_payment_told_as_before_does_not(sound_books: Books) -> None:
    lump = two_days(sound_books)
    payments = [number for (number,) in sound_books.rows("SELECT id FROM payments ORDER BY id")]

    def stale(session: Session, ids: list[int] | None) -> list[int]:
        return lump_days.stale(session, lump_days.scope(session, "wallet", sound_books.now), ids)

    assert sound_books.run(lambda session: [stale(session, payments), stale(session, None)]) == [[], []]
    sound_books.as_owner("UPDATE tariffs SET basis_points = 200")
    assert sound_books.run(lambda session: [stale(session, payments[2:]), stale(session, None)]) == [[], [lump]]
    sound_books.run(lambda session: settling_lumps.judge_fees(session, ["wallet"], now=sound_books.now))
    assert "M11" in sound_books.asked()
    assert sound_books.facts_of("M11")["fee_expected"] == 3_300
    assert sound_books.one("SELECT count(*) FROM line_parts WHERE undone_at IS NULL") == 0
