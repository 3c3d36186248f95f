"""Reports as files: a report's rows, its columns named and its codes said in the language of the moment."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Any

from sqlalchemy import Row

from banks.money import Money
from gateway import tabular
from gateway.admin import report_words, words
from gateway.clock import day_ended
from gateway.database import transaction
from gateway.tabular import Cell
from gateway.wiring import Wiring
from reconciliation import reports
from reconciliation.reports import REPORTS, Report

FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Ending of the file's name → media type."""


@dataclass(frozen=True, slots=True)
class Written:
    """A report ready to be written in one language, by whoever has no request any more."""

    report: Report
    title: str
    headers: list[str]
    cells: Callable[[Row[Any]], list[Cell]]


def in_words(name: str) -> Written:
    """Return the report called `name` in the language of the moment (a request's, or `languages.speaking`)."""
    report = REPORTS[name]
    known: dict[str, Mapping[str, str]] = {
        "question": {code: str(one.name) for code, one in words.MISMATCHES.items()},
        "state": {state: str(said) for state, said in words.MISMATCH_STATES.items()},
        "payment": {state: str(said) for state, said in words.PAYMENT_STATES.items()},
        "owner": {role: str(said) for role, said in words.ROLES.items()},
        "span": {span: str(said) for span, said in words.AGES.items()},
    }
    kinds = list(report.columns.values())
    currency = list(report.columns).index("currency") if "currency" in report.columns else None

    def cells(row: Row[Any]) -> list[Cell]:
        unit = "VND" if currency is None else row[currency]
        return [
            known[kind].get(value, value) if kind in known else _cell(kind, value, unit)
            for kind, value in zip(kinds, row, strict=True)
        ]

    headers = [str(report_words.HEADERS[column]) for column in report.columns]
    return Written(report, str(report_words.TITLES[name]), headers, cells)


def write(wiring: Wiring, written: Written, form: str, file: IO[bytes], *, bank: str = "") -> int:
    """Write the whole report to `file` as "csv" or "xlsx"; return how many rows it has."""
    with transaction(wiring.engine) as session:
        found = reports.rows(session, written.report, bank=bank, now=wiring.clock())
        rows = (written.cells(row) for row in found)
        if form == "xlsx":
            return tabular.write_xlsx(file, written.title, written.headers, rows)
        return tabular.write_csv(file, written.headers, rows)


def pieces(wiring: Wiring, written: Written, form: str, *, bank: str = "") -> Iterator[bytes]:
    """Yield the report's bytes from a file that is whole: a slow reader holds no connection to the database."""
    with tempfile.TemporaryFile() as file:
        write(wiring, written, form, file, bank=bank)
        file.seek(0)
        while piece := file.read(64 * 1024):
            yield piece


def _cell(kind: str, value: Any, currency: str) -> Cell:
    if kind == "money":
        return _amount(value, currency)
    cell: Cell = day_ended(value) or value if kind == "deadline" and value is not None else value
    return cell


def _amount(minor: int | None, currency: str) -> Cell:
    if minor is None or currency == "VND":
        return minor
    return Decimal(Money(minor, currency).decimal())
