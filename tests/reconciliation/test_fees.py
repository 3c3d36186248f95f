"""Fees as contracts have them: netted ones make the payment whole, charges apart are held against their period."""

from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import fee_charges, import_undo, tariffs
from reconciliation.tariffs import NotDeclared
from tests.reconciliation.books import CODE, DAY, Books, a_bill, a_line, a_notice

NETTED = {"bank": "standard", "charged": "netted", "valid_from": date(2026, 1, 1), "flat": 1_000, "basis_points": 50,
          "vat_basis_points": 1_000}  # fmt: skip
FEE, VAT = 1_500, 150
NET = 100_000 - FEE - VAT
APART = {"bank": "standard", "charged": "apart", "valid_from": date(2026, 1, 1), "flat": 1_000,
         "vat_basis_points": 1_000, "words": ["THU PHI"], "period": "day"}  # fmt: skip


def declare(books: Books, *entries: dict[str, Any]) -> None:
    with Session(books.owner) as session, session.begin():
        session.execute(text("SET LOCAL ROLE doisoat"))
        tariffs.declare(session, entries, by="ketoan", now=books.now)


BILL: Callable[[Books], object] = lambda books: books.issue(a_bill())  # noqa: E731 - one of many facts
LINE = a_line(NET, "B1", CODE)


def line(books: Books) -> None:
    books.read(LINE)


def heard(books: Books) -> None:
    books.hear(a_notice(bank_reference="B1"))


def anonymous(books: Books) -> None:
    books.read(a_line(NET, "B1"))


def quoted(books: Books) -> None:
    books.read(a_line(NET, narrative=CODE))


@pytest.mark.parametrize(
    "acts",
    [[BILL, heard, line], [BILL, line], [BILL, heard, anonymous]],
    ids=["told and named", "named by its line alone", "told, by the reference alone"],
)
def test_a_netted_fee_is_proven_and_the_bill_paid_whole_in_any_order(
    books: Books, acts: list[Callable[[Books], object]]
) -> None:
    for order in permutations(acts):
        books.clear()
        declare(books, NETTED)
        for act in order:
            act(books)
        assert books.paid() == ("paid", 100_000), order
        assert books.asked() == [], order
        assert books.balances() == {
            "bank:standard:confirmed": NET, "expense:bank-fees": FEE, "input-vat": VAT, "revenue": -100_000,
        }, order  # fmt: skip
        assert books.rows("SELECT state, minor, confirmed_minor FROM payments") == [("confirmed", 100_000, 100_000)]
        assert books.broken() == [], order


def test_a_line_with_no_reference_is_paired_by_its_bill_less_the_fee(sound_books: Books) -> None:
    declare(sound_books, NETTED)
    BILL(sound_books)
    sound_books.hear(a_notice())
    quoted(sound_books)
    assert sound_books.rows("SELECT source_reference, state FROM payments") == [("T1", "confirmed")]
    assert sound_books.paid() == ("paid", 100_000)


def test_what_does_not_fit_the_tariff_is_asked_with_both_figures(sound_books: Books) -> None:
    declare(sound_books, NETTED)
    BILL(sound_books)
    heard(sound_books)
    sound_books.read(a_line(NET - 100, "B1", CODE))
    assert sound_books.asked() == ["M03", "M10"]
    facts = sound_books.facts_of("M10")
    assert (facts["fee_expected"], facts["fee_taken"]) == (FEE + VAT, FEE + VAT + 100)
    assert sound_books.paid() == ("part_paid", NET - 100)


def test_undoing_the_import_undoes_the_fee(sound_books: Books) -> None:
    declare(sound_books, NETTED)
    BILL(sound_books)
    heard(sound_books)
    before = sound_books.balances()
    line(sound_books)

    def act(session: Session) -> None:
        import_undo.undo(session, import_undo.chosen(session, str(sound_books_statement(session))), by="ketoan",
                         why="a wrong file", now=sound_books.now)  # fmt: skip

    sound_books.run(act)
    assert sound_books.balances() == before
    assert sound_books.broken() == []
    line(sound_books)
    assert sound_books.balances()["expense:bank-fees"] == FEE


def sound_books_statement(session: Session) -> int:
    found: int = session.execute(text("SELECT id FROM statements WHERE state = 'accepted'")).scalar_one()
    return found


def test_a_netted_payment_that_is_returned_whole_leaves_the_fee_taken(sound_books: Books) -> None:
    declare(sound_books, NETTED)
    BILL(sound_books)
    heard(sound_books)
    line(sound_books)
    later = DAY + timedelta(days=1)
    sound_books.read(a_line(-100_000, "B1", reversal=True, booked_on=later), id="S2", on=later)
    assert sound_books.paid() == ("open", 0)
    assert sound_books.rows("SELECT state, confirmed_minor FROM payments") == [("returned", 0)]
    assert sound_books.balances()["bank:standard:confirmed"] == -FEE - VAT


def test_charges_apart_are_booked_and_a_difference_is_asked_until_it_is_gone(sound_books: Books) -> None:
    declare(sound_books, APART)
    BILL(sound_books)
    fee = a_line(-2_200, "F1", "Thu phi dich vu thu ho")
    sound_books.read(a_line(reference="B1", narrative=CODE), fee)
    assert sound_books.asked() == ["M10"]
    facts = sound_books.facts_of("M10")
    assert (facts["fee_expected"], facts["fee_taken"]) == (1_100, 2_200)
    assert sound_books.balances()["expense:bank-fees"] == 2_000
    assert sound_books.balances()["input-vat"] == 200
    sound_books.read(a_line(5_000, "B2"), id="S2")
    assert sound_books.asked() == ["M12"], "the second payment of the day explains the rest"
    (taken,) = sound_books.run(lambda s: fee_charges.report(s, since=DAY, until=DAY, monthly=False))
    assert (taken.payments, taken.gross, taken.expected, taken.taken, taken.vat, taken.difference) == (
        2, 105_000, 2_200, 2_200, 200, 0,
    )  # fmt: skip
    (month,) = sound_books.run(lambda s: fee_charges.report(s, since=DAY, until=DAY, bank="standard", monthly=True))
    assert (month.day, month.expected) == (date(2026, 11, 1), 2_200)


def oracle(entry: dict[str, Any], amount: int, nth: int) -> tuple[int, int]:
    """The fee and its VAT by fractions, which share no code with the database."""
    flat, points = entry.get("flat", 0), entry.get("basis_points", 0)
    measured = amount if entry.get("tiers_by") == "amount" else nth
    for tier in sorted(entry.get("tiers", []), key=lambda one: one["over"]):
        if measured > tier["over"]:
            flat, points = tier.get("flat", 0), tier.get("basis_points", 0)
    fee = flat + int(Fraction(amount * points, 10_000) + Fraction(1, 2))
    fee = max(entry.get("least", 0), fee)
    fee = min(entry.get("most", fee), fee)
    return fee, int(Fraction(fee * entry.get("vat_basis_points", 0), 10_000) + Fraction(1, 2))


TARIFFS: list[dict[str, Any]] = [
    {"flat": 3_300},
    {"basis_points": 33, "vat_basis_points": 800},
    {"basis_points": 33, "least": 1_000, "most": 9_999, "vat_basis_points": 1_000},
    {
        "flat": 500,
        "tiers_by": "amount",
        "tiers": [{"over": 2_000_000, "basis_points": 7}, {"over": 500_000, "flat": 9}],
    },
    {"flat": 900, "tiers_by": "count", "tiers": [{"over": 2, "flat": 700}, {"over": 4, "flat": 1, "basis_points": 1}]},
]


def test_the_database_counts_fees_to_the_dong(books: Books) -> None:
    shared = {"bank": "standard", "charged": "apart", "words": ["PHI"]}
    entries = [
        {**shared, "channel": f"C{number}", "valid_from": date(2026, 1, 1), **entry}
        for number, entry in enumerate(TARIFFS)
    ]
    declare(books, *entries)
    query = "SELECT tariff_fee(t, :a, :n) AS fee, tariff_vat(t, tariff_fee(t, :a, :n)) FROM tariffs t ORDER BY channel"
    for amount in (1, 151, 152, 99_999, 500_000, 500_001, 2_000_001, 123_456_789, 10**12):
        for nth in (1, 2, 3, 5):
            expected = [oracle(entry, amount, nth) for entry in TARIFFS]
            assert books.rows(query, a=amount, n=nth) == expected, (amount, nth)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"flat": -1}, "flat: expected a whole number from 0, got -1"),
        ({"flat": 1.5}, "flat: expected int, got float"),
        ({"fiat": 1}, "got fiat"),
        ({"charged": "somehow"}, "charged: expected one of netted, apart, got 'somehow'"),
        ({"charged": "apart"}, "expected words by which a line that takes fees is known, got none"),
        ({"tiers_by": "count", "tiers": [{"over": 1}]}, "expected tiers by amount where fees are netted"),
        ({"tiers_by": "amount"}, "expected tiers and tiers_by, or neither"),
        ({"tiers_by": "amount", "tiers": [{"flat": 1}]}, "tiers: expected over, flat and basis_points"),
    ],
)
def test_a_tariff_that_can_not_be_says_why(change: dict[str, Any], said: str) -> None:
    with pytest.raises(NotDeclared) as refused:
        tariffs.read({**NETTED, **change})
    assert said in str(refused.value)


def test_a_tariff_follows_another_and_never_the_other_way_round(books: Books) -> None:
    declare(books, NETTED)
    declare(books, {**NETTED, "valid_from": date(2026, 7, 1), "flat": 2_000})
    assert books.rows("SELECT valid_to FROM tariffs ORDER BY id") == [(date(2026, 6, 30),), (None,)]
    with pytest.raises(NotDeclared, match="expected a tariff that begins after 2026-07-01, got 2026-03-01"):
        declare(books, {**NETTED, "valid_from": date(2026, 3, 1)})
    assert books.one("SELECT has_table_privilege('doisoat_app', 'tariffs', 'INSERT, UPDATE')") is False
