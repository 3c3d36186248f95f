"""Tables for spreadsheets: cells are values, never formulas; numbers stay numbers; more rows than a sheet holds fit."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import tabular

ROW = ["=1+1", 844_960, -5, Decimal("12.50"), date(2026, 11, 18), datetime(2026, 11, 18, 2, tzinfo=UTC), None, "Hồ Sen"]
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
HEADERS = ["a", "b", "c", "d", "e", "f", "g", "h"]


def as_csv(headers, rows):
    file = io.BytesIO()
    count = tabular.write_csv(file, headers, rows)
    return count, file.getvalue()


def as_xlsx(headers, rows):
    file = io.BytesIO()
    count = tabular.write_xlsx(file, "Sổ", headers, rows)
    file.seek(0)
    return count, openpyxl.load_workbook(file)


def test_a_row_in_csv():
    count, body = as_csv(HEADERS, [ROW])
    assert (count, body.decode("utf-8")) == (
        1,
        "\ufeffa,b,c,d,e,f,g,h\r\n'=1+1,844960,-5,12.50,2026-11-18,2026-11-18 09:00:00,,Hồ Sen\r\n",
    )


def test_a_row_in_a_workbook():
    count, book = as_xlsx(HEADERS, [ROW])
    sheet = book["Sổ"]
    assert count == 1
    assert [str(cell.value) for cell in sheet[2]] == [
        "=1+1", "844960", "-5", "12.5", "2026-11-18 00:00:00", "2026-11-18 09:00:00", "None", "Hồ Sen",
    ]  # fmt: skip
    assert [cell.data_type for cell in sheet[2]][:4] == ["s", "n", "n", "n"]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_what_begins_like_a_formula_is_inert(sign):
    [[cell]] = list(csv.reader(io.StringIO(as_csv([], [[f"{sign}cmd|' /C calc'!A0"]])[1].decode()[3:], newline="")))
    assert cell.startswith(f"'{sign}")
    _, book = as_xlsx(["a"], [[f"{sign}cmd"]])
    assert book["Sổ"]["A2"].data_type != "f"


@settings(max_examples=25)
@given(
    st.lists(
        st.one_of(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.integers()), min_size=1, max_size=4
    )
)
def test_no_text_becomes_a_formula_and_none_is_lost(cells):
    body = as_csv(["head"] * len(cells), [cells])[1].decode("utf-8")
    _, read = list(csv.reader(io.StringIO(body.removeprefix("\ufeff"), newline="")))
    for cell, written in zip(cells, read, strict=True):
        if isinstance(cell, int):
            assert int(written) == cell
        else:
            assert written.removeprefix("'") == cell.removeprefix("'")
            assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_more_rows_than_a_sheet_holds_stand_on_the_next(monkeypatch):
    monkeypatch.setattr(tabular, "SHEET_ROWS", 4)
    for rows, sheets in ((0, [0]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])):
        count, book = as_xlsx(["n"], ([n] for n in range(rows)))
        assert count == rows
        assert [sheet.max_row - 1 for sheet in book] == sheets
        assert [row[0] for sheet in book for row in sheet.iter_rows(min_row=2, values_only=True)] == list(range(rows))
        assert {sheet["A1"].value for sheet in book} == {"n"}
