"""The quick ways through a table of text beside the plain one: the csv module's rows, each cell looked at alone."""

import io
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks import statements
from banks.errors import Unreadable
from banks.statements import csv_rows, table_rows
from banks.statements.batch import FlatBatch
from banks.statements.cells import Amounts, Days, is_tidy, tidy
from banks.statements.layout_declared import layout_from
from banks.statements.layouts import mb
from tests.banks.statements.table_files import MB, as_csv, read

AMOUNT = ["", "0", "1", "999", "12,345", "1,234,567", "999,999,999,999,999", "000,000"]
ODD_AMOUNT = ["1,2345", "-5", "+5", " 7 ", "1.00", "1.5", "-", "x", "1,000,000,000,000,000", "0" * 20, "²", "1\n2", '"']
DAY = ["05/11/2026", "06/11/2026", "05/11/2026 09:00:01", "05/11/2026 23:59:59"]
ODD_DAY = ["", "31/11/2026", " 05/11/2026", "05/11/2026 9h", "05/11/20261", "x"]
TEXT = ["", "FT1", "PA00000000001 tiền điện", "TRẦN THỊ BỚN", "a, b; c"]
ODD_TEXT = [" a", "a ", "a  b", "a\tb", "a\u00a0b", "a\u3000b", "a\u2028b", "a\u1680b", "a\u200bb", "\ufeffa", "a\x1cb",
            "a\x85b", "a–b", "a\r\nb", 'a "b" c', '"', "e\u0323\u0302", "Tổng"]  # fmt: skip


def cells(day, reference, debit, credit, balance, text):
    return st.tuples(st.just("1"), *map(st.sampled_from, (day, reference, debit, credit, balance, text))).map(list)


@st.composite
def tables(draw):
    """Rows of which most are regular; the running balance need not hold, as breaks are told alike as well."""
    usual = cells(draw(st.sampled_from([DAY[:1], DAY])), TEXT, ["0", ""], AMOUNT, AMOUNT, TEXT)
    odd = cells(DAY + ODD_DAY, TEXT + ODD_TEXT, AMOUNT + ODD_AMOUNT, ["0", ""], AMOUNT + ODD_AMOUNT, TEXT + ODD_TEXT)
    other = st.sampled_from([["x"], [""], ["", "", "", "5", "5", "", ""], ["Tổng", "", "", "5"], [*["1"] * 9], MB[1]])
    before, after = st.lists(usual, min_size=1, max_size=40), st.lists(usual)
    return draw(before) + draw(st.lists(odd | other, max_size=1)) + draw(after)


def outcome(data):
    try:
        return read(data)
    except Unreadable as error:
        return str(error)


def plainly(data):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(csv_rows, "_parted", lambda *_: None)
        patched.setattr(Amounts, "plain", lambda *_: None)
        patched.setattr(Days, "few", lambda *_: None)
        patched.setattr(Days, "regular", lambda *_: False)
        patched.setattr(table_rows, "is_tidy", lambda _: False)
        return outcome(data)


def quickly(data, taken):
    """Read by the quick ways, and count in `taken` how often each led to its end."""

    def counted(name, way, led):
        def counting(*given):
            got = way(*given)
            taken[name] += bool(led(got))
            return got

        return counting

    with pytest.MonkeyPatch.context() as patched:
        parted = counted("flat", csv_rows._parted, lambda batch: isinstance(batch, FlatBatch))
        patched.setattr(csv_rows, "_parted", parted)
        patched.setattr(csv_rows, "_filled", counted("filled", csv_rows._filled, bool))
        patched.setattr(Amounts, "plain", counted("amounts", Amounts.plain, bool))
        patched.setattr(Days, "few", counted("few days", Days.few, bool))
        patched.setattr(Days, "regular", counted("regular days", Days.regular, bool))
        patched.setattr(table_rows, "is_tidy", counted("tidy", is_tidy, bool))
        return outcome(data)


def test_the_quick_ways_and_the_plain_one_agree_and_the_quick_ones_are_taken():
    taken, told = Counter(), Counter()

    @given(tables(), st.sampled_from(",;\t"), st.sampled_from([64, 300, 65536]), st.booleans())
    @settings(deadline=None, max_examples=400, derandomize=True, database=None)
    def compare(some, delimiter, chunk, bare):
        data = as_csv([MB[0], MB[1], *some], delimiter)
        if bare:
            data = data.replace(b"\r\n", b"\n")
        with pytest.MonkeyPatch.context() as patched:
            # The head is a chunk of its own, so that the rows are one of rows alone, all of one width.
            patched.setattr(csv_rows, "HEAD", len(as_csv(MB[:2], delimiter)) - 2 * bare)
            patched.setattr(csv_rows, "CHUNK", chunk)
            plain = plainly(data)
            assert quickly(data, taken) == plain
        told["refused" if isinstance(plain, str) else "read"] += 1

    compare()
    assert min(taken[name] for name in ("flat", "filled", "amounts", "few days", "regular days", "tidy")) > 100, taken
    assert min(told["refused"], told["read"]) > 50


@given(
    st.lists(
        st.sampled_from(["", "0", "7", "007", "1,234", "0,123", "12,34", "1234,567", "1.0", "-1", "9" * 16]), min_size=1
    )
)
@settings(deadline=None, max_examples=300, derandomize=True)
def test_a_column_of_plain_amounts_is_read_as_its_cells_are(cells):
    amounts = Amounts(mb.LAYOUT, "VND")
    read_at_once = amounts.plain("\n".join(cells).encode())
    if read_at_once is None:
        assert {"12,34", "1234,567", "1.0", "-1", "9" * 16} & set(cells)
    else:
        assert read_at_once == amounts.column(cells)


@given(st.lists(st.text(st.sampled_from(" ab\u1ed9\u1eda–\t\u00a0\u3000\u200b\u1680\x1f"), max_size=4), min_size=1))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_a_tidy_column_is_one_that_tidying_leaves_alone(cells):
    assert is_tidy("\n".join(cells).encode()) == all(tidy(cell) == cell for cell in cells)


@pytest.mark.parametrize("carried", [["narrative"], ["narrative", "bank_reference"], ["booked_on", "narrative"]])
def test_a_cell_merged_downwards_is_filled_however_far_down_the_file(carried):
    columns = {"booked_on": "Ngày", "debit": "Nợ", "credit": "Có", "narrative": "Diễn giải", "bank_reference": "Số"}
    told = {"dates": ["dd/mm/yyyy"], "thousands": ".", "account": "150", "carried": carried, "columns": columns}
    layout = layout_from(told)
    rows = [
        f"18/11/2026;;{number + 1};{'' if number % 2 else f'memo {number}'};{'' if number % 2 else f'R{number}'}"
        for number in range(8_000)
    ]
    data = "\n".join([";".join(columns.values()), *rows]).encode()
    _, *lines, _ = statements.read(io.BytesIO(data), own=statements.tables((layout,)))
    assert [line.narrative for line in lines] == [f"memo {number - number % 2}" for number in range(8_000)]
    if "bank_reference" in carried:
        assert {line.bank_reference for line in lines} == {f"R{number}" for number in range(0, 8_000, 2)}
