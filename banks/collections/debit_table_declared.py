"""A bank's table of debits declared in the configuration, `[banks.x.debits.table]`.

    [banks.x.debits.table]
    separator = ";"                          # "," (left out), ";", "|" or "tab"
    encoding = "utf-8-sig"                   # "utf-8" when left out
    dates = "dd/mm/yyyy"                     # "yyyy-mm-dd" when left out
    thousands = "."                          # amounts have no separators when left out
    trailer = ["Tổng", "{count}", "{sum}"]   # the last row; none when left out
    [banks.x.debits.table.columns]           # in the order of the file: our field = the bank's header
    end_to_end_id = "Mã giao dịch"
    account = "Số tài khoản"
    amount = "Số tiền"

Further keys: decimal, without_header (true leaves it out), line_end ("lf"; "crlf" when left out). A table by which
debits are called back is declared likewise, `[banks.x.debits.recall_table]`.
"""

from collections.abc import Iterable, Mapping

from banks.collections.debit_table import COUNT, DATES, FIELDS, FORMULA, RECALL_FIELDS, SUM, DebitTable
from banks.declared_table import Table, among

_SEPARATORS = {",": ",", ";": ";", "|": "|", "tab": "\t"}
_ENCODINGS = {"utf-8": False, "utf-8-sig": True}
_LINE_ENDS = {"crlf": "\r\n", "lf": "\n"}
_THOUSANDS = among(("", ".", ",", " ", "'"))
_DECIMAL = among((".", ","))
_NEEDED = ("end_to_end_id", "amount", "account")
_NEEDED_TO_RECALL = ("end_to_end_id",)
"""Without these no bank could carry a debit out and tell us so."""


def debit_table_from(values: Mapping[str, object], path: str = "debits.table") -> DebitTable:
    """Return the table that `values` declare; raise Misconfigured naming the key under `path`."""
    return _table(values, path, FIELDS, _NEEDED)


def recall_table_from(values: Mapping[str, object], path: str = "debits.recall_table") -> DebitTable:
    """Return the table, by which debits are called back, that `values` declare; raise Misconfigured likewise."""
    return _table(values, path, RECALL_FIELDS, _NEEDED_TO_RECALL)


def _table(values: Mapping[str, object], path: str, fields: Iterable[str], needed: Iterable[str]) -> DebitTable:
    top = Table(values, path)
    thousands = top.choice("thousands", _THOUSANDS, default="")
    table = DebitTable(
        columns=_columns(top.table("columns"), tuple(fields), tuple(needed)),
        separator=top.choice("separator", _SEPARATORS, default=","),
        dates=top.choice("dates", among(tuple(DATES)), default="yyyy-mm-dd"),
        thousands=thousands,
        decimal=top.choice("decimal", _DECIMAL, default="," if thousands == "." else "."),
        byte_order_mark=top.choice("encoding", _ENCODINGS, default="utf-8"),
        header=not top.truth("without_header"),
        line_end=top.choice("line_end", _LINE_ENDS, default="crlf"),
        trailer=_trailer(top),
    )
    if thousands == table.decimal:
        top.refuse("decimal", "another sign than between thousands", table.decimal)
    top.finish()
    return table


def _columns(table: Table, fields: tuple[str, ...], needed: tuple[str, ...]) -> dict[str, str]:
    names = table.left()
    columns = {}
    for name in names:
        if name not in fields:
            table.refuse(name, f"one of {', '.join(fields)}", name)
        columns[name] = table.text(name)
        if columns[name].startswith(FORMULA):
            table.refuse(name, f"a header that begins with none of {' '.join(FORMULA)}", columns[name])
    for name in needed:
        if name not in columns:
            table.refuse(name, "a column, as a bank could not do without", None)
    return columns


def _trailer(top: Table) -> tuple[str, ...]:
    cells = top.raw("trailer") if top.has("trailer") else []
    if not isinstance(cells, list | tuple) or not all(isinstance(one, str) and one.isprintable() for one in cells):
        top.refuse("trailer", f"a list of texts, {COUNT} and {SUM} among them", cells)
    for one in cells:
        if one.startswith(FORMULA) or ("{" in one and one not in (COUNT, SUM)):
            top.refuse("trailer", f"words, {COUNT} or {SUM}", one)
    return tuple(cells)
