"""A bank's own table of debits, as text in columns: for banks that take no pain.008, written as a stream.

No cell begins with a sign that a spreadsheet takes for a formula: such a value is refused, because a bank would read a
mended one as another id or name.
"""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import chain
from typing import BinaryIO

from banks.collections.debits import (
    NO_LIMITS,
    AskedT,
    Creditor,
    Debit,
    GroupHead,
    Limits,
    check_end,
    check_file,
    members,
)
from banks.collections.recalls import Recall, RecallHead, check_request, recalls_of
from banks.collections.written import Output, Written
from banks.errors import Misconfigured
from banks.money import Money

DATES: Mapping[str, str] = {
    "dd/mm/yyyy": "%d/%m/%Y",
    "dd-mm-yyyy": "%d-%m-%Y",
    "dd.mm.yyyy": "%d.%m.%Y",
    "yyyy-mm-dd": "%Y-%m-%d",
    "yyyy/mm/dd": "%Y/%m/%d",
    "yyyymmdd": "%Y%m%d",
}
"""How a day may be written → its pattern."""
Cell = str | Money | date
FIELDS: Mapping[str, Callable[[Debit], Cell]] = {
    "end_to_end_id": lambda debit: debit.end_to_end_id,
    "amount": lambda debit: debit.amount,
    "currency": lambda debit: debit.amount.currency,
    "collect_on": lambda debit: debit.collect_on,
    "mandate_id": lambda debit: debit.mandate_id,
    "mandate_signed_on": lambda debit: debit.mandate_signed_on,
    "debtor": lambda debit: debit.debtor,
    "account": lambda debit: debit.account,
    "bank": lambda debit: debit.bank,
    "narrative": lambda debit: debit.narrative,
    "sequence": lambda debit: debit.sequence,
}
"""What a column may hold."""
RECALL_FIELDS: Mapping[str, Callable[[Recall], Cell]] = {
    "end_to_end_id": lambda recall: recall.end_to_end_id,
    "amount": lambda recall: recall.amount,
    "currency": lambda recall: recall.amount.currency,
    "collect_on": lambda recall: recall.collect_on,
    "mandate_id": lambda recall: recall.mandate_id,
    "message_id": lambda recall: recall.message_id,
    "payment_group": lambda recall: recall.payment_group,
    "reason": lambda recall: recall.reason,
}
"""What a column may hold where debits are called back."""
COUNT, SUM = "{count}", "{sum}"
"""Cells of a trailer that stand for the number of debits and for their sum."""
FORMULA = tuple("=+-@")
"""What a spreadsheet takes for the beginning of a formula."""


@dataclass(frozen=True, slots=True)
class DebitTable:
    """How a bank wants its table; `columns` are field → header, in their order.

    `trailer` is the last row, "" none: words, and COUNT and SUM. `decimal` parts the places of a currency that has any.
    """

    columns: Mapping[str, str]
    separator: str = ","
    dates: str = "yyyy-mm-dd"
    thousands: str = ""
    decimal: str = "."
    byte_order_mark: bool = False
    header: bool = True
    line_end: str = "\r\n"
    trailer: tuple[str, ...] = ()

    def cell(self, value: Cell) -> str:
        """Return `value` as the bank writes it."""
        if isinstance(value, Money):
            return self.amount(value)
        return _day(value, self.dates) if isinstance(value, date) else value

    def amount(self, amount: Money) -> str:
        """Return `amount` without its currency: "1.250.000"."""
        whole, point, places = amount.decimal().partition(".")
        grouped = f"{int(whole):,}".replace(",", self.thousands) if self.thousands else whole
        return f"{grouped}{self.decimal}{places}" if point else grouped


@lru_cache(maxsize=4096)
def _day(day: date, form: str) -> str:
    return day.strftime(DATES[form])  # slow, and a run has few different days


def write(
    out: BinaryIO,
    debits: Iterable[Debit],
    heads: Sequence[GroupHead],
    *,
    message_id: str,
    creditor: Creditor,
    table: DebitTable,
    currency: str = "VND",
    limits: Limits = NO_LIMITS,
) -> Written:
    """Write one file of `debits`, a row each, checked as `pain008.write` checks them; raise Misconfigured likewise.

    A fault is found when its debit passes by, so `out` must be a file that the caller throws away then.
    """
    count, total = check_file(message_id, creditor, heads, currency, limits)
    stream = iter(debits)
    groups = (members(stream, head, number, currency, limits) for number, head in enumerate(heads, 1))
    size, digest = write_rows(out, chain.from_iterable(groups), FIELDS, table, (count, total))
    check_end(stream)
    return Written(message_id, count, total, len(heads), size, digest)


def write_recalls(
    out: BinaryIO,
    recalls: Iterable[Recall],
    heads: Sequence[RecallHead],
    *,
    message_id: str,
    creditor: Creditor,
    table: DebitTable,
    currency: str = "VND",
) -> Written:
    """Write one request to call debits back, a row each, checked as `camt055.write` checks them."""
    count, total = check_request(message_id, creditor, heads, currency)
    stream = iter(recalls)
    groups = (recalls_of(stream, head, number, currency) for number, head in enumerate(heads, 1))
    size, digest = write_rows(out, chain.from_iterable(groups), RECALL_FIELDS, table, (count, total))
    check_end(stream)
    return Written(message_id, count, total, len(heads), size, digest)


def write_rows(
    out: BinaryIO,
    rows: Iterable[AskedT],
    fields: Mapping[str, Callable[[AskedT], Cell]],
    table: DebitTable,
    totals: tuple[int, Money],
) -> tuple[int, str]:
    """Write a table of `rows`, whose `fields` its columns name; `totals` are their count and sum.

    Return its size in bytes and its SHA-256 in hex.
    """
    file = Output(out)
    if table.byte_order_mark:
        file.write("\ufeff")
    writer = csv.writer(file, delimiter=table.separator, lineterminator=table.line_end)
    if table.header:
        writer.writerow(table.columns.values())
    columns = [(name, fields[name]) for name in table.columns]
    write, cell = writer.writerow, table.cell
    for row in rows:
        cells = [cell(get(row)) for _, get in columns]
        for (name, _), one in zip(columns, cells, strict=True):
            if one.startswith(FORMULA):
                raise Misconfigured(
                    f"debit {row.end_to_end_id[:35]!a}, {name}: expected no {one[0]!r} at its beginning, which a"
                    " spreadsheet takes for a formula"
                )
        write(cells)
    if table.trailer:
        told = {COUNT: str(totals[0]), SUM: table.amount(totals[1])}
        write([told.get(one, one) for one in table.trailer])
    return file.finish()
