"""Tables people hand over: the same rows from CSV and from a workbook, each with its place; other headers refused."""

from datetime import date
from decimal import Decimal

import openpyxl
import pytest

from gateway.table_files import EPOCH, Columns, ImportRefused, rows_of_file

COLUMNS = Columns(("name", "amount", "on"), ("name", "amount"))


@pytest.fixture
def write(tmp_path):
    """Write rows as CSV or as a workbook and return the file."""

    def do(form, *rows, epoch_1904=False):
        path = tmp_path / f"table.{form}"
        if form == "csv":
            path.write_text("\n".join(",".join(map(str, row)) for row in rows), "utf-8-sig")
            return path
        book = openpyxl.Workbook()
        if epoch_1904:
            book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
        for row in rows:
            book.active.append(row)
        book.save(path)
        return path

    return do


@pytest.mark.parametrize(("form", "place"), [("csv", "line {}"), ("xlsx", "sheet 1, row {}")])
def test_rows_come_by_name_with_their_place(write, form, place):
    path = write(form, ["amount", "name"], ["7", "Hồ Sen"], ["8", "An"])
    assert [(row.place, dict(row.cells)) for row in rows_of_file(path, COLUMNS)] == [
        (place.format(2), {"amount": "7", "name": "Hồ Sen"}), (place.format(3), {"amount": "8", "name": "An"}),
    ]  # fmt: skip


def test_a_workbook_s_numbers_and_days_stay_numbers(write):
    path = write("xlsx", ["name", "amount", "on"], ["An", 1.5, date(2026, 11, 18)], [None, None, None], ["Ba", 2, None])
    first, second = rows_of_file(path, COLUMNS)
    assert first.cells == {"name": "An", "amount": Decimal("1.5"), "on": (date(2026, 11, 18) - EPOCH).days}
    assert (second.place, second.cells) == ("sheet 1, row 4", {"name": "Ba", "amount": 2})
    [other] = rows_of_file(write("xlsx", ["name", "amount"], ["An", 1], epoch_1904=True), COLUMNS)
    assert other.epoch == date(1904, 1, 1)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize(
    ("header", "said"),
    [(["name"], "missing amount"), (["name", "amount", "x"], "unknown x"), (["name", "amount", "name"], "twice name")],
)
def test_another_header_is_refused_in_words(write, form, header, said):
    with pytest.raises(ImportRefused, match=f"1: expected the columns name, amount, on; {said}"):
        list(rows_of_file(write(form, header, ["1"] * len(header)), COLUMNS))


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_values_behind_the_header_are_kept_apart_and_nothing_is_no_table(write, form):
    [row] = rows_of_file(write(form, ["name", "amount"], ["An", "1", "more"]), COLUMNS)
    assert row.cells[None] == ["more"]
    with pytest.raises(ImportRefused, match="missing name, amount"):
        list(rows_of_file(write(form), COLUMNS))


@pytest.mark.parametrize(
    ("content", "said"), [(b"PK\x03\x04 no zip", "zip"), (b"name,amount\n\xff\xfe,1", "expected UTF-8")]
)
def test_what_is_neither_is_refused(tmp_path, content, said):
    path = tmp_path / "table"
    path.write_bytes(content)
    with pytest.raises(ImportRefused, match=said):
        list(rows_of_file(path, COLUMNS))
