from datetime import date
from decimal import Decimal
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks import statements
from banks.errors import Unreadable
from banks.money import Money, dong, parse_minor
from banks.records import StatementClosed, StatementKind, StatementLine, StatementOpened
from banks.statements import in_bulk, line_spool
from banks.statements.cells import Amounts, Days, PlacedError
from banks.statements.layout import Layout
from banks.statements.layouts import LAYOUTS
from banks.statements.running_balance import MAX_BREAKS, RunningBalance
from tests.banks.statements.table_files import MB, as_csv, as_xlsx, parts, read

CASHUP_HEADER = [
    "Ngày GD/ TNX Date\nSố CT/ Doc No", "Số tiền ghi nợ/ Debit", "Số tiền ghi có/ Credit", "Số dư/ Balance",
    "Nội dung chi tiết",
]  # fmt: skip
CASHUP = [
    ["Số tài khoản/ Account number: 0011000111222"],
    ["Số dư đầu kỳ/ Opening balance", "1,000,000"],
    CASHUP_HEADER,
    ["05/11/2026\n5243.65937", "", "500,000", "1,500,000", "PA1"],
    ["05/11/2026\n5243.65938", "100,000", "", "1,400,000", "phí"],
    ["Tổng số", "100,000", "500,000", "", ""],
    ["Số dư cuối kỳ/ Closing balance", "1,400,000"],
    [""],
    ["Số tài khoản/ Account number: 0011000333444"],
    ["Số dư đầu kỳ/ Opening balance", "0"],
    CASHUP_HEADER,
    ["06/11/2026\n1.2", "", "7,000", "7,000", "PA2"],
    ["Tổng số", "0", "7,000", "", ""],
    ["Số dư cuối kỳ/ Closing balance", "7,000"],
]  # fmt: skip


def layout(**more):
    columns = {"booked_on": ("D",), "debit": ("Out",), "credit": ("In",), "balance": ("Bal",), "narrative": ("N",)}
    told = {"columns": columns, "dates": ("dd/mm/yyyy",), "thousands": ",", "decimal": ".", "account": "0011",
            "optional": frozenset({"balance", "narrative"}), **more}  # fmt: skip
    return Layout("t", "t", declared=True, **told)


def table(*rows, header=("D", "Out", "In", "Bal", "N"), **more):
    return parts(as_csv([header, *rows]), own=statements.tables((layout(**more),)))


def refusal(data, **more):
    with pytest.raises(Unreadable) as caught:
        read(data, **more)
    return str(caught.value)


def changed(row, column, text):
    rows = [list(one) for one in MB]
    rows[row][column] = text
    return as_csv(rows)


def test_a_whole_table():
    head, lines, foot = parts(as_csv(MB))
    assert head == StatementOpened(
        format="csv.mb", kind=StatementKind.STATEMENT, id="mb-20261105-20261105-VND", account="0011223344556",
        currency="VND", from_on=date(2026, 11, 5), to_on=date(2026, 11, 5), opening=dong(1_000_000),
        closing=dong(1_300_000), closing_on=date(2026, 11, 5),
    )  # fmt: skip
    assert lines[0] == StatementLine(
        entry=1, transaction=1, amount=dong(500_000), booked_on=date(2026, 11, 5), bank_reference="FT1",
        narrative="PA00000000001 tiền điện",
    )  # fmt: skip
    assert foot == StatementClosed(
        id="mb-20261105-20261105-VND", lines=2, credit_total=dong(500_000), debit_total=dong(-200_000), balanced=True,
        difference=dong(0),
    )  # fmt: skip


def test_the_same_export_has_the_same_identity_and_a_corrected_one_too():
    corrected = [list(row) for row in MB]
    corrected[3][6] = "phí SMS"
    assert parts(as_csv(MB))[0] == parts(as_csv(MB, ";"))[0] == parts(as_csv(corrected))[0]
    assert parts(as_csv(corrected))[1] != parts(as_csv(MB))[1]


def test_several_accounts_a_sheet_day_and_document_in_one_cell():
    for data in (as_csv(CASHUP, ";"), as_xlsx(CASHUP, names=["VCBACCOUNTDETAIL_05112026"])):
        one, a, b, closed, two, c, closed2 = read(data)
        assert (one.account, two.account) == ("0011000111222", "0011000333444")
        assert [(line.entry, line.amount.minor, line.bank_reference) for line in (a, b, c)] == [
            (1, 500_000, "5243.65937"), (2, -100_000, "5243.65938"), (1, 7_000, "1.2"),
        ]  # fmt: skip
        assert (closed.balanced, closed.faults, closed2.balanced, closed2.faults) == (True, (), True, ())
        assert (two.opening, two.closing, two.to_on) == (dong(0), dong(7_000), date(2026, 11, 6))


def test_a_header_row_repeated_on_the_next_page_and_page_totals():
    page = [MB[1], ["3", "05/11/2026", "FT3", "", "1,000", "1,301,000", "x"], ["Cộng", "", "", "0", "1,000", "", ""]]
    _, lines, foot = parts(as_csv([*MB, *page]))
    assert ([line.entry for line in lines], foot.faults) == ([1, 2, 3], ())


def test_totals_that_contradict_the_rows_are_a_fault_with_their_row():
    _, _, foot = parts(changed(4, 4, "500,001"))
    assert foot.faults == ("row 5: the totals say 500001 VND came in, the rows 500000 VND",)


def test_an_account_in_each_row_parts_the_rows_by_account():
    columns = {"booked_on": ("D",), "amount": ("A",), "account": ("Acc",), "narrative": ("N",)}
    own = statements.tables((layout(columns=columns, optional=frozenset(), account=""),))
    rows = [["D", "A", "Acc", "N"], ["05/11/2026", "1", "0011", ""], ["05/11/2026", "2", "0011", ""],
            ["05/11/2026", "-3", "0022", ""]]  # fmt: skip
    events = read(as_csv(rows), own=own)
    heads = [event for event in events if isinstance(event, StatementOpened)]
    feet = [event for event in events if isinstance(event, StatementClosed)]
    assert [head.account for head in heads] == ["0011", "0022"]
    assert [(foot.lines, foot.credit_total.minor, foot.debit_total.minor) for foot in feet] == [(2, 3, 0), (1, 0, -3)]
    rows[2][2] = ""
    assert refusal(as_csv(rows), own=own) == "row 3, column C: expected an account number, got none"


def test_cells_merged_downwards_take_the_value_above():
    _, lines, _ = table(
        ["05/11/2026", "", "1", "", "a"], ["", "", "2", "", "b"], ["06/11/2026", "", "3", "", "c"],
        ["", "", "9", "", ""],
        carried=frozenset({"booked_on"}),
    )  # fmt: skip
    assert [(line.booked_on.day, line.amount.minor) for line in lines] == [(5, 1), (5, 2), (6, 3)]


def test_rows_that_move_nothing_are_counted_and_keep_their_ordinal():
    _, lines, foot = table(
        ["05/11/2026", "0", "", "", ""], ["05/11/2026", "", "5", "", ""], ["05/11/2026", "-", "–", "", ""]
    )
    assert ([(line.entry, line.amount.minor) for line in lines], foot.left_out, foot.faults) == ([(2, 5)], 2, ())


@pytest.mark.parametrize("make", [as_csv, as_xlsx])
def test_header_words_over_two_columns_are_refused_with_both_of_them_named(make):
    header = ["D", "Out", "In", "N", "In"]
    said = refusal(make([header, ["05/11/2026", "", "5", "", ""]]), own=statements.tables((layout(),)))
    assert "row 1, column E (In)" in said or "sheet 1, E1 (In)" in said
    assert "expected these words over one column, got them at" in said
    assert "row 1, column C too" in said or "sheet 1, C1 too" in said


def test_header_words_over_two_columns_on_the_next_page_are_refused():
    rows = [["D", "Out", "In", "N", ""], ["05/11/2026", "", "5", "", ""], ["D", "Out", "In", "N", "Out"]]
    said = refusal(as_csv(rows), own=statements.tables((layout(),)))
    assert said == "row 3, column E (Out): expected these words over one column, got them at row 3, column B too"


def test_words_of_an_optional_column_may_stand_twice():
    header = ("D", "Out", "In", "N", "N")
    _, lines, _ = table(["05/11/2026", "", "5", "one", "other"], header=header)
    assert lines[0].narrative == "one"


def test_a_dated_row_whose_amount_stands_in_no_declared_column_is_a_fault():
    header = ("D", "Out", "In", "Bal", "N", "In 2")
    rows = [["05/11/2026", "", "5", "", "a", ""], ["05/11/2026", "", " ", "", "b", "7,000"]]
    _, lines, foot = table(*rows, header=header)
    assert ([line.amount.minor for line in lines], foot.left_out) == ([5], 1)
    assert foot.faults == ("row 3: expected an amount in a row that begins with a day, got none",)


def test_a_dated_row_without_an_amount_is_no_fault_when_it_says_nothing_or_is_declared_as_ignored():
    rows = [["05/11/2026", "", "5", "", "a"], ["05/11/2026", "", "", " ", ""], ["05/11/2026", "", "", "", "Ghi chú: x"]]
    _, lines, foot = table(*rows, ignored=("ghi chú",))
    assert (len(lines), foot.left_out, foot.faults) == (1, 2, ())
    assert len(table(*rows)[2].faults) == 1


def test_a_day_that_stands_alone_above_merged_cells_is_no_fault():
    rows = [["05/11/2026", "", "1", "", "a"], ["06/11/2026", "", "", "", ""], ["", "", "2", "", "b"]]
    _, lines, foot = table(*rows, carried=frozenset({"booked_on", "narrative"}))
    assert ([(line.booked_on.day, line.amount.minor) for line in lines], foot.faults) == ([(5, 1), (6, 2)], ())


def test_a_table_without_rows_is_a_statement_all_the_same():
    head, lines, foot = parts(as_csv([MB[0], ["Từ ngày 05/11/2026 đến ngày 06/11/2026"], ["Số dư đầu kỳ:", "9"],
                                      ["Số dư cuối kỳ:", "9"], MB[1]]))  # fmt: skip
    assert (head.id, head.kind, lines, foot.balanced) == ("mb-20261105-20261106-VND", StatementKind.STATEMENT, [], True)
    assert parts(as_csv([MB[0], ["Số dư đầu kỳ:", "9"], MB[1]]))[0].id == "mb-undated-9-"


def test_rows_outside_the_period_are_a_fault():
    _, _, foot = parts(as_csv([["Từ ngày: 06/11/2026 Đến ngày: 07/11/2026"], *MB]))
    assert foot.faults == ("the period is 2026-11-06 to 2026-11-07, the rows are of 2026-11-05 to 2026-11-05",)


def test_another_currency_has_its_own_decimals():
    usd = [["Loại tiền: USD"], MB[0], MB[1], ["1", "05/11/2026", "F", "", "1,250.05", "2,000.00", "x"]]
    head, lines, _ = parts(as_csv(usd))
    assert (head.currency, head.opening, lines[0].amount) == ("USD", Money(74995, "USD"), Money(125005, "USD"))


@pytest.mark.parametrize(
    ("row", "column", "text", "said"),
    [
        (2, 4, "500.000", "row 3, column E (Phát sinh có): expected an amount such as 1,250,000.00, got '500.000'"),
        (2, 4, "1.000", "row 3, column E (Phát sinh có): expected an amount such as 1,250,000.00, got '1.000'"),
        (2, 4, "500,00", "row 3, column E"),
        (2, 4, "1,2345", "row 3, column E"),
        (2, 4, "500,000.50", "row 3, column E (Phát sinh có): expected an amount in VND with 0 decimals"),
        (2, 4, "-500,000", "row 3, column E (Phát sinh có): expected an amount without a sign"),
        (2, 4, "٥٠٠", "row 3, column E"),
        (2, 4, "5_000", "row 3, column E"),
        (2, 4, "1e5", "row 3, column E"),
        (2, 4, "999,999,999,999,999,999", "row 3, column E"),
        (2, 5, "x", "row 3, column F (Số dư): expected an amount"),
        (2, 1, "05/13/2026", "row 3, column B (Ngày hạch toán): expected a day of the calendar"),
        (2, 1, "05/11/2026 9h", "row 3, column B (Ngày hạch toán): expected a day written dd/mm/yyyy, got"),
        (
            2,
            1,
            "5 Nov",
            "row 3, column B (Ngày hạch toán): expected a day written dd/mm/yyyy, got none beside an amount",
        ),
        (0, 0, "Tên: A", "expected the account number beside one of: số tài khoản"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(row, column, text, said):
    assert refusal(changed(row, column, text)).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0912.345.678", "****.***.678"), ("#0912345678", "#*******678"), ("+84 912 345 678", "+** *** *** 678"),
        ("(091) 234-5678", "(***) ***-*678"), ("0912/345/678", "****/***/678"), ("12345x", "**345x"),
        ("1234567890123456", None), ("500.000", "500.000"), ("1.250.000,00", "*.***.**0,00"),
        ("912.345.678", "***.***.678"),
        ("05/11/2026 9:15", "05/11/2026 9:15"), ("2026-11-05", "2026-11-05"), ("08:01:12", "08:01:12"),
        ("٠٩١٢٣٤٥٦٧٨", "*******٦٧٨"), ("1234x", "1234x"),
    ],
)  # fmt: skip
def test_a_refusal_shows_no_account_or_telephone_number(text, said):
    for data in (as_csv, as_xlsx):
        message = refusal(data([MB[0], MB[1], [*MB[2][:4], text, *MB[2][5:]]]))
        if said is None:
            assert message.endswith("expected an amount below 1000000000000000 minor units, got *************456")
        else:
            assert message.endswith(f"(Phát sinh có): expected an amount such as 1,250,000.00, got {said!r}")


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        (4, -912345678, "expected an amount without a sign, got -******678"),
        (4, 912345678.5, "expected an amount in VND with 0 decimals, got *******78.5"),
        (4, 10**15, "expected an amount below 1000000000000000 minor units, got *************000"),
        (1, 912345678, "expected a day as Excel counts them, got ******678"),
    ],
)
def test_a_refusal_shows_no_number_of_a_workbook(column, cell, said):
    row = list(MB[2])
    row[column] = cell
    assert refusal(as_xlsx([MB[0], MB[1], row])).endswith(said)


def test_what_labels_say_is_checked():
    assert refusal(as_csv([["Số dư đầu kỳ:", "một"], *MB])).startswith(
        "row 1, column B (số dư đầu kỳ): expected an amount"
    )
    two = refusal(as_csv([["Số tài khoản: 0011000999888"], *MB]))
    assert two == "row 2, column A (số tài khoản): expected one account, got another than before"


def test_a_row_with_more_cells_than_the_header_has_shifted():
    assert refusal(as_csv([*MB[:3], [*MB[3], "x"]])) == "row 4: expected at most 7 cells as in the header row, got 8"
    assert len(parts(as_csv([*MB[:3], [*MB[3], " "]]))[1]) == 2


def test_money_out_with_a_minus_of_its_own():
    assert table(["05/11/2026", "-5", "", "", ""], minus_out=True)[1][0].amount == dong(-5)


def test_a_book_of_record_is_a_statement_without_balances():
    rows = ["05/11/2026", "5", "", "", ""]
    assert table(rows)[0].kind is StatementKind.NOTICE
    assert table(rows, book_of_record=True)[0].kind is StatementKind.STATEMENT


# ── the running balance ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("newest_first", [False, True])
@given(st.data())
@settings(deadline=None, max_examples=60, derandomize=True)
def test_the_chain_holds_in_both_orders_and_one_wrong_balance_is_found(newest_first, data):
    minors = data.draw(st.lists(st.integers(-500, 500).filter(bool), min_size=3, max_size=30))
    opening = data.draw(st.integers(-1000, 1000))
    balances = [opening + sum(minors[: index + 1]) for index in range(len(minors))]
    closing = balances[-1]
    wrong = data.draw(st.none() | st.integers(0, len(minors) - 1))
    if wrong is not None:
        balances[wrong] += 100_000
    rows = list(range(10, 10 + len(minors)))
    if newest_first:
        minors, balances = minors[::-1], balances[::-1]
    chain = RunningBalance()
    cut = data.draw(st.integers(0, len(minors)))
    for start, end in ((0, cut), (cut, len(minors))):
        if start < end:
            chain.take(rows[start:end], minors[start:end], balances[start:end])
    breaks, more = chain.breaks(opening)
    if wrong is None:
        assert (breaks, more) == ([], False)
        assert chain.ends() == (opening, closing)
    else:
        assert breaks


def test_a_balance_only_in_some_rows_is_checked_over_the_rows_between():
    chain = RunningBalance()
    chain.take([1, 2, 3], [5, 6, 7], [None, 111, None])
    assert chain.ends() is None
    chain.take([4], [1], [119])
    assert (chain.breaks(100), chain.ends()) == (([], False), (100, 119))


def test_of_very_many_breaks_the_first_are_named():
    chain = RunningBalance()
    chain.take(list(range(100)), [1] * 100, [n * n * 7 for n in range(100)])
    breaks, more = chain.breaks(None)
    assert (len(breaks), more) == (MAX_BREAKS, True)


# ── cells ────────────────────────────────────────────────────────────────────────────────────────────────────────────

AMOUNT = st.one_of(
    st.integers(0, 10**13).map(lambda n: f"{n:,}"), st.integers(0, 10**9).map(str), st.just(""), st.just("-"),
    st.integers(-(10**9), 10**9), st.text("0123456789,.-+ ", max_size=8),
    st.decimals(-1000, 1000, places=1, allow_nan=False),
    st.sampled_from(["1.00", " 5 ", "+7", "-7", "1,00", "²", "１"]),
)  # fmt: skip


@given(st.lists(AMOUNT, min_size=1, max_size=12), st.booleans())
@settings(deadline=None, max_examples=400, derandomize=True)
def test_a_column_and_its_cells_one_by_one_read_the_same(cells, signed):
    amounts = Amounts(layout(), "VND")
    expected = []
    for cell in cells:
        try:
            expected.append(amounts.one(cell, signed=signed))
        except Unreadable:
            expected.append(None)
    if None in expected:
        with pytest.raises(PlacedError) as refused:
            amounts.column(cells, signed=signed)
        assert refused.value.index == expected.index(None)
    else:
        assert amounts.column(cells, signed=signed) == expected
    if all(isinstance(cell, str) for cell in cells):
        plain = amounts.plain("\n".join(cells).encode())
        assert plain is None or plain == expected


@given(st.integers(-(10**14), 10**14), st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("", ".")]))
@settings(deadline=None, max_examples=200, derandomize=True)
def test_an_amount_written_by_a_declaration_is_read_by_it(minor, marks):
    thousands, decimal = marks
    amounts = Amounts(layout(thousands=thousands, decimal=decimal), "USD")
    whole, part = divmod(abs(minor), 100)
    text = ("-" if minor < 0 else "") + f"{whole:,}".replace(",", thousands) + f"{decimal}{part:02}"
    assert amounts.one(text, signed=True) == minor
    assert (
        amounts.one(Decimal(minor).scaleb(-2), signed=True)
        == minor
        == parse_minor(f"{Decimal(minor).scaleb(-2):f}", "USD")
    )


@given(
    st.dates(date(1970, 1, 1), date(2099, 12, 31)),
    st.sampled_from(["", " 9:05", " 23:59:59", "T01:02:03", " 01:02:03 PM"]),
)
@settings(deadline=None, max_examples=100, derandomize=True)
def test_a_day_written_in_any_declared_way_is_read(day, clock):
    for form, text in (
        ("dd/mm/yyyy", f"{day:%d/%m/%Y}"), ("d/m/yyyy", f"{day.day}/{day.month}/{day.year}"), ("yyyy-mm-dd", f"{day}"),
        ("dd-mm-yyyy", f"{day:%d-%m-%Y}"), ("yyyymmdd", f"{day:%Y%m%d}"), ("dd.mm.yyyy", f"{day:%d.%m.%Y}"),
    ):  # fmt: skip
        days = Days(layout(dates=(form,)), date(1899, 12, 30))
        assert days.days[days.number(text + clock)] == day
        assert days.regular((text + clock).encode())
        assert days.column([text + clock] * 2, regular=True) == [0, 0]
    for epoch in (date(1899, 12, 30), date(1904, 1, 1)):
        days = Days(layout(), epoch)
        assert days.days[days.number((day - epoch).days)] == day
        assert days.days[days.number(Decimal((day - epoch).days) + Decimal("0.99"))] == day


# ── lines put by ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("held", [1, 1000])
def test_lines_come_back_as_they_were_from_memory_and_from_disk(monkeypatch, held):
    monkeypatch.setattr(line_spool, "HELD", held)
    spool, day = line_spool.LineSpool(), date(2026, 11, 5)
    spool.add({"entry": [1, 2], "minor": [5, -6], "booked_on": [0, -1], "narrative": "a\nđiện".encode()})
    spool.add({"entry": [3], "minor": [7], "booked_on": [0], "narrative": b""})
    assert list(chain.from_iterable(spool.lines("VND", [day]))) == [
        StatementLine(1, 1, dong(5), day, narrative="a"), StatementLine(2, 1, dong(-6), narrative="điện"),
        StatementLine(3, 1, dong(7), day),
    ]  # fmt: skip
    spool.close()


def test_records_in_bulk_are_those_made_one_by_one():
    amounts = in_bulk.money([1, -2], "USD")
    assert amounts == [Money(1, "USD"), Money(-2, "USD")]
    assert list(in_bulk.lines(amounts, entry=[4, 5])) == [
        StatementLine(4, 1, amounts[0]),
        StatementLine(5, 1, amounts[1]),
    ]
    with pytest.raises(TypeError):
        in_bulk.money([1.0], "USD")
    with pytest.raises(ValueError, match="expected 2 values"):
        in_bulk.lines(amounts, entry=[4])
    with pytest.raises(ValueError, match="expected 2 values"):
        in_bulk.lines(amounts)


def test_a_table_that_no_layout_knows_is_refused_with_the_words_that_are_known():
    data = as_xlsx([["Date", "Amount", "Text"], ["05/11/2026", 5, "x"]])
    said = refusal(data)
    assert said.startswith("expected within 200 rows the header row of BIDV (Ngày hiệu lực, Ghi nợ, Ghi có")
    assert LAYOUTS[-1].title in said
