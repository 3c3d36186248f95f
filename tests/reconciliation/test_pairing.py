from datetime import date, timedelta

import pytest

from tests.reconciliation.books import CODE, CUSTOMER, DAY, Books, a_bill, a_line, a_notice, at

NEXT = DAY + timedelta(days=1)


def test_a_line_without_a_callback_becomes_a_payment_that_settles_its_bill(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.read(a_line(reference="B1", narrative=f"tt {CODE}"))
    assert sound_books.paid() == ("paid", 100_000)
    assert sound_books.rows("SELECT state, origin, confirmed_minor FROM payments") == [
        ("confirmed", "statement", 100_000)
    ]


def test_one_payment_is_paired_with_one_line_even_when_two_lines_fit_in_two_ways(sound_books: Books) -> None:
    """The first line agrees in the reference, the second in the end-to-end id."""
    sound_books.hear(a_notice(bank_reference="B1", end_to_end_id="E1", code=""))
    sound_books.read(a_line(reference="B1"), a_line(end_to_end_id="E1"))
    assert sound_books.one("SELECT count(*) FROM payments") == 2


def test_the_statements_amount_differs_from_the_callbacks(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(bank_reference="B1"))
    sound_books.read(a_line(97_000, reference="B1"))
    assert sound_books.open_questions() == {("M03", "T1")}
    assert sound_books.rows("SELECT subject ~ '/amount$', minor FROM mismatches ORDER BY 1") == [
        (False, 3_000),
        (True, 3_000),
    ], "the bill is short, and one transaction was told with two amounts"
    assert sound_books.paid() == ("part_paid", 97_000)
    assert sound_books.balances() == {
        "bank:standard:confirmed": 97_000, "receivable": 3_000, "revenue": -100_000}  # fmt: skip


def test_a_line_booked_on_a_later_day_is_noted_as_cut_over_and_closed(sound_books: Books) -> None:
    sound_books.hear(a_notice(bank_reference="B1", code=""))
    sound_books.read(a_line(reference="B1", booked_on=NEXT), on=NEXT)
    assert sound_books.rows("SELECT state FROM mismatches WHERE code = 'M08'") == [("resolved",)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (a_line(-5_000, narrative="phi dich vu"), "M12"),
        (a_line(-5_000, reversal=True), "M09"),
        (a_line(-5_000, return_reason="AM04"), "M09"),
    ],
)
def test_money_going_out_is_booked_and_asked_about(sound_books: Books, line: object, code: str) -> None:
    sound_books.read(line)  # type: ignore[arg-type]  # each is a line
    assert sound_books.asked() == [code]
    assert sound_books.balances() == {"bank:standard:confirmed": -5_000, "bank:standard:outgoing": 5_000}
    assert sound_books.rows("SELECT state, direction FROM statement_lines") == [("mismatch", "out")]


@pytest.mark.parametrize("kind", ["statement", "notice"])
def test_money_that_comes_back_is_asked_about_and_settles_nothing(sound_books: Books, kind: str) -> None:
    sound_books.issue(a_bill())
    back = a_line(reference="R1", narrative=CODE, reversal=True)
    sound_books.read(back, id=kind, kind=kind)
    assert sound_books.paid() == ("open", 0)
    assert sound_books.asked() == ["M09"]
    assert sound_books.one("SELECT count(*) FROM messages") == 0
    sound_books.read(back if kind == "notice" else back._replace(bank_reference="R2"), id="S2")
    assert sound_books.one("SELECT count(*) FROM payments") == (1 if kind == "notice" else 2)


def test_money_that_comes_back_confirms_no_payment_of_the_same_code(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice())
    sound_books.read(a_line(narrative=CODE, reversal=True))
    assert sound_books.rows("SELECT state, matched_minor FROM payments ORDER BY reversal") == [
        ("reported", 100_000),
        ("confirmed", 0),
    ]


def test_a_line_of_nothing_is_set_aside(sound_books: Books) -> None:
    sound_books.read(a_line(0), a_line(reference="B1"))
    assert sound_books.rows("SELECT state, reason FROM statement_lines ORDER BY entry") == [
        ("rejected", "no money moved"),
        ("matched", ""),
    ]


def test_a_statement_of_no_lines_is_valid(sound_books: Books) -> None:
    loaded = sound_books.read(opening=5, closing=5)
    assert (len(loaded.accepted), sound_books.asked()) == (1, [])


def test_foreign_money_is_booked_in_its_own_currency_and_asked_about(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.read(a_line(100_000, currency="USD", narrative=CODE), currency="USD")
    assert sound_books.asked() == ["M12"]
    assert sound_books.paid() == ("open", 0)
    assert sound_books.rows(
        "SELECT account, sum(minor)::bigint FROM postings WHERE currency = 'USD' GROUP BY 1 ORDER BY 1"
    ) == [
        ("bank:standard:confirmed", 100_000),
        ("suspense", -100_000),
    ]


@pytest.mark.parametrize("order", ["notice first", "statement first", "callback first", "callback between"])
@pytest.mark.parametrize("proof", ["reference", "code", "end-to-end id"])
def test_notice_statement_and_callback_of_one_transaction_book_it_once(
    sound_books: Books, order: str, proof: str
) -> None:
    told = {
        "reference": {"reference": "B1"},
        "code": {"narrative": CODE},
        "end-to-end id": {"end_to_end_id": "HD0001-1"},
    }
    line = a_line(**told[proof])
    sound_books.issue(a_bill())
    notice = a_notice(bank_reference="B1" if proof == "reference" else "", end_to_end_id="HD0001-1")
    acts = {
        "notice": lambda: sound_books.read(line, id="N1", kind="notice"),
        "again": lambda: sound_books.read(line, id="N2", kind="notice"),
        "statement": lambda: sound_books.read(line),
        "callback": lambda: sound_books.hear(notice),
    }
    for name in {
        "notice first": ("notice", "again", "statement", "callback"),
        "statement first": ("statement", "notice", "callback", "again"),
        "callback first": ("callback", "notice", "statement", "again"),
        "callback between": ("notice", "callback", "again", "statement"),
    }[order]:
        acts[name]()
    assert sound_books.matched() == {"T1": 100_000}
    assert sound_books.balances() == {"bank:standard:confirmed": 100_000, "revenue": -100_000}
    assert sound_books.asked() == []


def test_intraday_reports_that_grow_are_booked_once_and_count_equal_rows(sound_books: Books) -> None:
    row = a_line(reference="B1")
    sound_books.read(row, id="N1", kind="notice")
    sound_books.read(row, row, id="N2", kind="notice")
    assert sound_books.one("SELECT count(*) FROM payments") == 2
    sound_books.read(row, row)
    assert sound_books.one("SELECT count(*) FROM payments") == 2
    assert sound_books.balances() == {"bank:standard:confirmed": 200_000, "suspense": -200_000}


@pytest.mark.parametrize("line", [a_line(narrative="chuyen tien"), a_line(narrative=f"KH {CUSTOMER}")])
def test_a_notice_that_could_not_be_told_from_the_statements_line_is_not_booked(
    sound_books: Books, line: object
) -> None:
    sound_books.read(line, id="N1", kind="notice")  # type: ignore[arg-type]  # each is a line
    assert sound_books.one("SELECT count(*) FROM payments") == 0
    assert sound_books.rows("SELECT state FROM statement_lines") == [("rejected",)]
    sound_books.read(line)  # type: ignore[arg-type]
    assert sound_books.one("SELECT count(*) FROM payments") == 1


def test_a_notice_over_another_amount_leaves_it_to_the_statement(sound_books: Books) -> None:
    sound_books.hear(a_notice(bank_reference="B1", code=""))
    sound_books.read(a_line(90_000, reference="B1"), id="N1", kind="notice")
    assert sound_books.one("SELECT count(*) FROM payments") == 1


def test_a_payment_known_only_from_a_notice_waits_for_its_statement(sound_books: Books) -> None:
    sound_books.read(a_line(reference="B1"), id="N1", kind="notice", on=date(2026, 11, 18))
    assert sound_books.rows("SELECT state, due_at IS NULL FROM payments") == [("reported", False)]
    assert sound_books.balances() == {"bank:standard:reported": 100_000, "suspense": -100_000}


def test_the_line_confirms_the_callback_of_its_own_bank_only(sound_books: Books) -> None:
    sound_books.hear(a_notice(bank_reference="B1", code=""), source="vnpay")
    sound_books.read(a_line(reference="B1"))
    assert sound_books.rows("SELECT source, state FROM payments ORDER BY 1") == [
        ("standard", "confirmed"),
        ("vnpay", "reported"),
    ]


def test_lines_of_a_second_statement_confirm_what_the_first_left(sound_books: Books) -> None:
    for number in (1, 2):
        sound_books.hear(a_notice(f"T{number}", bank_reference="B1", code="", paid_at=at(number)))
    sound_books.read(a_line(reference="B1"), opening=0)
    sound_books.read(a_line(reference="B1", booked_on=NEXT), id="S2", opening=100_000, on=NEXT)
    assert sound_books.rows("SELECT state FROM payments") == [("confirmed",), ("confirmed",)]
    assert sound_books.balances() == {"bank:standard:confirmed": 200_000, "suspense": -200_000}
