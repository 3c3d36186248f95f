"""One line for a day of payments: taken apart when it is that day's for certain, and asked about otherwise."""

from datetime import date, time, timedelta
from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import import_undo, lump_sums, tariffs
from reconciliation.settling_lumps import Lump, assign
from tests.reconciliation.books import CODE, DAY, OTHER_CODE, OTHER_CUSTOMER, Books, a_bill, a_line, a_notice, at

NEXT = DAY + timedelta(days=1)
GROSS, FEES, VAT = 150_000, 1_500, 150


def agree(books: Books, **more: Any) -> None:
    with Session(books.owner) as session, session.begin():
        session.execute(text("SET LOCAL ROLE doisoat"))
        agreed = {"source": "wallet", "bank": "standard", "words": ["QUYET TOAN VI"], **more}
        lump_sums.declare(session, [agreed], by="ketoan", now=books.now)
        contract = {"bank": "wallet", "charged": "netted", "valid_from": date(2026, 1, 1), "basis_points": 100,
                    "vat_basis_points": 1_000}  # fmt: skip
        tariffs.declare(session, [contract], by="ketoan", now=books.now)


def bills(books: Books) -> None:
    books.issue(a_bill(), a_bill("HD0002", 50_000, OTHER_CODE, customer_code=OTHER_CUSTOMER))


def first(books: Books) -> None:
    books.hear(a_notice("W1", 100_000, CODE), source="wallet")


def second(books: Books) -> None:
    books.hear(a_notice("W2", 50_000, OTHER_CODE, paid_at=at(3)), source="wallet")


def settled(books: Books, minor: int = GROSS - FEES - VAT, id: str = "S1") -> None:
    books.read(a_line(minor, "L1", "Quyet toan vi ngay 18/11", booked_on=NEXT), on=NEXT, id=id)


def test_a_line_settles_a_day_of_payments_in_any_order(books: Books) -> None:
    for order in permutations([bills, first, second, settled]):
        books.clear()
        agree(books)
        for act in order:
            act(books)
        assert books.asked() == [], order
        assert books.paid() == ("paid", 100_000), order
        assert books.rows("SELECT state, confirmed_minor FROM payments ORDER BY id") == [
            ("confirmed", minor) for (minor,) in books.rows("SELECT minor FROM payments ORDER BY id")
        ]
        assert books.balances() == {
            "bank:standard:confirmed": GROSS - FEES - VAT, "expense:bank-fees": FEES, "input-vat": VAT,
            "revenue": -GROSS,
        }, order  # fmt: skip
        parts = books.rows("SELECT minor, fee_minor, vat_minor FROM line_parts WHERE undone_at IS NULL ORDER BY minor")
        assert parts == [(49_450, 500, 50), (98_900, 1_000, 100)], order
        assert books.broken() == [], order


def test_a_sum_that_is_no_day_s_names_the_nearest_day_and_what_it_lacks(sound_books: Books) -> None:
    agree(sound_books)
    bills(sound_books)
    first(sound_books)
    settled(sound_books, 98_000)
    assert sound_books.asked() == ["M11"]
    facts = sound_books.facts_of("M11")
    assert facts == {
        "verdict": "no_day_settles", "arrived": 98_000, "settles": "wallet", "days_from": "2026-11-16",
        "days_until": "2026-11-18", "nearest_day": "2026-11-18", "items": 1, "gross": 100_000, "fee_expected": 1_100,
        "net": 98_900, "difference": -900,
    }  # fmt: skip
    assert sound_books.balances()["settled:wallet"] == -98_000
    assert sound_books.one("SELECT count(*) FROM payments") == 1, "the line is no payment of its own"


def test_two_days_that_fit_are_a_question(sound_books: Books) -> None:
    agree(sound_books)
    bills(sound_books)
    first(sound_books)
    sound_books.hear(a_notice("W3", paid_at=at(1) - timedelta(days=1)), source="wallet")
    settled(sound_books, 98_900)
    assert sound_books.asked() == ["M06", "M11"]
    facts = sound_books.facts_of("M11")
    assert (facts["verdict"], facts["days_that_fit"]) == ("several_days_settle", ["2026-11-17", "2026-11-18"])


def test_payments_after_the_cut_off_are_the_next_day_s(sound_books: Books) -> None:
    agree(sound_books, cut_off=time(10, 0))
    bills(sound_books)
    first(sound_books)  # at eight in the morning
    sound_books.hear(a_notice("W2", 50_000, OTHER_CODE, paid_at=at(4)), source="wallet")  # at eleven
    settled(sound_books, 98_900)
    assert sound_books.rows("SELECT source_reference, state FROM payments ORDER BY 1") == [
        ("W1", "confirmed"), ("W2", "reported"),
    ]  # fmt: skip


def test_undoing_the_import_makes_the_payments_reported_again(sound_books: Books) -> None:
    agree(sound_books)
    bills(sound_books)
    first(sound_books)
    second(sound_books)
    before = sound_books.balances()
    settled(sound_books)

    def act(session: Session) -> None:
        (number,) = session.scalars(text("SELECT id FROM statements WHERE state = 'accepted'"))
        gone = import_undo.chosen(session, str(number))
        import_undo.undo(session, gone, by="ketoan", why="a wrong file", now=sound_books.now)

    sound_books.run(act)
    assert sound_books.balances() == before
    assert sound_books.rows("SELECT DISTINCT state FROM payments") == [("reported",)]
    assert sound_books.broken() == []
    settled(sound_books)
    assert sound_books.rows("SELECT DISTINCT state FROM payments") == [("confirmed",)]


DAYS = st.dates(date(2026, 11, 1), date(2026, 11, 6))


@given(st.dictionaries(DAYS, st.sampled_from([10, 20, 30])), st.lists(st.tuples(st.sampled_from([10, 20]), DAYS)))
def test_no_day_is_settled_twice_nor_by_another_amount(sums: dict[date, int], given_: list[tuple[int, date]]) -> None:
    lumps = [
        Lump(number, minor, until - timedelta(days=2), until)
        for number, (minor, until) in enumerate(sorted(given_, key=lambda one: one[1]))
    ]
    found = assign(lumps, sums)
    assert len(set(found.values())) == len(found)
    assert assign(lumps[::-1], sums) == found, "whatever their order"
    for lump in lumps:
        if lump.id in found:
            assert sums[found[lump.id]] == lump.minor
            assert lump.reaches(found[lump.id])
