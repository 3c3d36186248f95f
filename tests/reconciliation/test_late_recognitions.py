import pytest

from tests.reconciliation.books import Books, a_bill, a_line, a_notice

NUMBER = "HD0001"


def test_a_callback_and_a_bare_line_are_one_payment_once_the_bill_both_name_is_there(sound_books: Books) -> None:
    sound_books.hear(a_notice(code="", narrative=f"tt {NUMBER}"))
    sound_books.read(a_line(narrative=f"tt {NUMBER}"))
    assert sound_books.one("SELECT count(*) FROM payments WHERE state <> 'denied'") == 2
    sound_books.issue(a_bill())
    assert sound_books.rows(
        "SELECT source_reference LIKE 'line:%', state, matched_minor, confirmed_minor FROM payments ORDER BY id"
    ) == [(False, "confirmed", 100_000, 100_000), (True, "denied", 0, 0)]
    assert sound_books.paid() == ("paid", 100_000)
    assert sound_books.balances() == {"bank:standard:confirmed": 100_000, "revenue": -100_000}
    assert sound_books.open_questions() == set()


@pytest.mark.parametrize(
    ("notice", "line"),
    [({"bank_reference": "B1"}, {"reference": "B2"}), ({}, {"amount": 90_000})],
    ids=["references contradict", "amounts differ"],
)
def test_what_does_not_agree_stays_two_payments(
    sound_books: Books, notice: dict[str, str], line: dict[str, object]
) -> None:
    sound_books.hear(a_notice(code="", narrative=f"tt {NUMBER}", **notice))
    amount = line.pop("amount", 100_000)
    sound_books.read(a_line(amount, narrative=f"tt {NUMBER}", **line))
    sound_books.issue(a_bill())
    assert sound_books.one("SELECT count(*) FROM payments WHERE state <> 'denied'") == 2
