"""Reports as files: a report's rows, its columns named and its codes said in the language of the moment."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import IO, Any, TypeAlias

from sqlalchemy import Row

from banks.money import Money
from gateway import debit_desk, languages, tabular
from gateway.admin import debit_words, key_words, question_words, report_words, words
from gateway.admin.key_words import Titles
from gateway.clock import day_ended
from gateway.database import transaction
from gateway.tabular import Cell
from gateway.wiring import Wiring
from reconciliation import reports
from reconciliation.reports import OF_ONE, REPORTS, Report

FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Ending of the file's name → media type."""

Said: TypeAlias = Mapping[str, Callable[[str], str]]


@dataclass(frozen=True, slots=True)
class Written:
    """A report ready to be written in one language, by whoever has no request any more."""

    report: Report
    title: str
    headers: list[str]
    language: str


_SAID: Mapping[str, Callable[[str, Titles], Any]] = {
    "question": lambda code, _titles: question_words.MISMATCHES[code].name,
    "state": lambda state, _titles: words.QUESTION_STATES[state],
    "payment": lambda state, _titles: words.PAYMENT_STATES[state],
    "owner": lambda role, _titles: words.ROLES.get(role, role),
    "span": lambda span, _titles: words.AGES[span],
    "bank": lambda bank, titles: titles.get(bank, bank),
    "reference": lambda reference, _titles: words.payment_name(reference, ""),
    "actor": lambda name, _titles: words.ACTORS.get(name, name),
    "reason": lambda reason, _titles: words.why(reason),
    "subject": key_words.subject,
    "account": key_words.account,
    "entry": key_words.entry,
    "memo": key_words.memo,
    "debit": lambda state, _titles: debit_words.DEBIT_STATES[state],
    "left_out": lambda reason, _titles: debit_words.EXCLUSIONS[reason],
}
"""Kind of a column → how a value is said in the language of the moment, banks by their titles."""


def in_words(name: str) -> Written:
    """Return the report called `name` in the language of the moment (a request's, or `languages.speaking`)."""
    report = {**REPORTS, **OF_ONE}[name]
    headers = [str(report_words.HEADERS[column]) for column in report.columns]
    return Written(report, str(report_words.TITLES[name]), headers, languages.language())


def write(wiring: Wiring, written: Written, form: str, file: IO[bytes], *, bank: str = "", run: int = 0) -> int:
    """Write the whole report to `file` as "csv" or "xlsx"; return how many rows it has."""
    titles = {name: one.title for name, one in wiring.settings.banks.items()}
    with transaction(wiring.engine) as session, languages.speaking(written.language):
        found = reports.rows(session, written.report, bank=bank, run=run, now=wiring.clock())
        said = _said(titles, debit_desk.own_reasons(wiring, bank))
        rows = (_cells(written.report, row, said) for row in found)
        if form == "xlsx":
            return tabular.write_xlsx(file, written.title, written.headers, rows)
        return tabular.write_csv(file, written.headers, rows)


def pieces(wiring: Wiring, written: Written, form: str, *, bank: str = "", run: int = 0) -> Iterator[bytes]:
    """Yield the report's bytes from a file that is whole: a slow reader holds no connection to the database."""
    with tempfile.TemporaryFile() as file:
        write(wiring, written, form, file, bank=bank, run=run)
        file.seek(0)
        while piece := file.read(64 * 1024):
            yield piece


def _said(titles: Titles, own: Mapping[str, str]) -> Said:
    """Return how values are said in the language of the moment; a few of each kind stand in most rows."""

    def say(do: Callable[[str, Titles], Any]) -> Callable[[str], str]:
        return lru_cache(maxsize=1000)(lambda value: str(do(value, titles)))

    return {
        **{kind: say(do) for kind, do in _SAID.items()},
        "reason_code": say(lambda code, _titles: debit_words.meaning(code, own)),
    }


def _cells(report: Report, row: Row[Any], said: Said) -> list[Cell]:
    unit = row._mapping["currency"] if "currency" in report.columns else "VND"
    return [_cell(kind, value, unit, said) for kind, value in zip(report.columns.values(), row, strict=True)]


def _cell(kind: str, value: Any, currency: str, said: Said) -> Cell:
    if not value and kind != "money":
        cell: Cell = value
    elif kind in said:
        cell = said[kind](value)
    elif kind == "deadline":
        cell = day_ended(value) or value
    else:
        cell = _amount(value, currency) if kind == "money" else value
    return cell


def _amount(minor: int | None, currency: str) -> Cell:
    if minor is None or currency == "VND":
        return minor
    return Decimal(Money(minor, currency).decimal())
