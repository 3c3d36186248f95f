"""A table of debits as the settings declare it; every mistake is one line that names its key."""

import tomllib

import pytest

from banks.collections.debit_table import DebitTable
from banks.collections.debit_table_declared import debit_table_from, recall_table_from
from banks.errors import Misconfigured

COLUMNS = {"end_to_end_id": "Mã", "account": "TK", "amount": "Tiền"}


def test_a_declaration_is_the_table():
    declared = """
        separator = ";"
        encoding = "utf-8-sig"
        dates = "dd/mm/yyyy"
        thousands = "."
        without_header = true
        line_end = "lf"
        trailer = ["Tổng", "", "{count}", "{sum}"]
        [columns]
        collect_on = "Ngày"
        end_to_end_id = "Mã giao dịch"
        account = "Số tài khoản"
        amount = "Số tiền"
    """
    assert debit_table_from(tomllib.loads(declared)) == DebitTable(
        columns={"collect_on": "Ngày", "end_to_end_id": "Mã giao dịch", "account": "Số tài khoản", "amount": "Số tiền"},
        separator=";", dates="dd/mm/yyyy", thousands=".", decimal=",", byte_order_mark=True, header=False,
        line_end="\n", trailer=("Tổng", "", "{count}", "{sum}"),
    )  # fmt: skip
    assert list(debit_table_from({"columns": COLUMNS}).columns) == list(COLUMNS)
    assert list(debit_table_from({"columns": dict(reversed(COLUMNS.items()))}).columns) == list(reversed(COLUMNS))


def test_the_columns_alone_will_do():
    assert debit_table_from({"columns": COLUMNS}) == DebitTable(columns=COLUMNS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"columns": 3}, "debits.table.columns: expected a table, got 3"),
        ({"columns": {}}, "debits.table.columns.end_to_end_id: expected a column, as a bank could not do without"),
        ({"columns": {**COLUMNS, "colour": "x"}}, "debits.table.columns.colour: expected one of end_to_end_id, amount"),
        ({"columns": {**COLUMNS, "debtor": ""}}, "debits.table.columns.debtor: expected a text that is not empty"),
        ({"columns": {**COLUMNS, "debtor": "=A1"}}, "debits.table.columns.debtor: expected a header that begins with"),
        ({"separator": ":"}, "debits.table.separator: expected one of ,, ;, |, tab, got ':'"),
        ({"encoding": "cp1258"}, "debits.table.encoding: expected one of utf-8, utf-8-sig, got 'cp1258'"),
        ({"dates": "mm/dd/yyyy"}, "debits.table.dates: expected one of dd/mm/yyyy"),
        ({"thousands": "_"}, "debits.table.thousands: expected one of"),
        ({"thousands": ",", "decimal": ","}, "debits.table.decimal: expected another sign than between thousands"),
        ({"without_header": "yes"}, "debits.table.without_header: expected true or false, got 'yes'"),
        ({"line_end": "\n"}, "debits.table.line_end: expected one of crlf, lf"),
        ({"trailer": "Tổng"}, "debits.table.trailer: expected a list of texts"),
        ({"trailer": ["{total}"]}, "debits.table.trailer: expected words, {count} or {sum}, got '{total}'"),
        ({"trailer": ["-"]}, "debits.table.trailer: expected words"),
        ({"colour": 1}, "debits.table.colour: expected one of"),
    ],
)
def test_a_mistake_names_its_key(change, said):
    with pytest.raises(Misconfigured) as refused:
        debit_table_from({"columns": COLUMNS, **change})
    assert str(refused.value).startswith(said)


def test_a_table_of_recalls_has_other_fields():
    columns = {"message_id": "Tệp", "end_to_end_id": "Mã", "reason": "Lý do"}
    assert recall_table_from({"columns": columns}) == DebitTable(columns=columns)
    with pytest.raises(Misconfigured, match=r"debits\.recall_table\.columns\.account: expected one of end_to_end_id"):
        recall_table_from({"columns": COLUMNS})
    with pytest.raises(Misconfigured, match=r"debits\.recall_table\.columns\.end_to_end_id: expected a column"):
        recall_table_from({"columns": {"amount": "x"}})
