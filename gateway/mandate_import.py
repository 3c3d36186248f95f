"""Mandates in: rows of a CSV file or a workbook, read strictly and handed to the rules all together."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar

from sqlalchemy.orm import Session

from banks.money import parse_minor
from gateway.clock import LOCAL
from gateway.table_files import Columns, ImportRefused, Row, rows_of_file
from gateway.wiring import Wiring
from reconciliation import mandate_imports
from reconciliation.mandate_imports import STATES, MandateIn, Problem, Taken
from reconciliation.mandates import CHANNELS, SEALED
from reconciliation.sealing import Sealer, tail

COLUMNS = Columns(
    (
        "bank", "reference", "customer_code", "account", "cap", "valid_from", "valid_to", "consent_text", "consent_at",
        "consent_channel", "assisted_by", "state",
    ),
    (
        "bank", "reference", "customer_code", "account", "cap", "valid_from", "consent_text", "consent_at",
        "consent_channel",
    ),
)  # fmt: skip
_CODE = re.compile(r"[A-Z0-9][A-Z0-9/_.\-]{2,31}", re.ASCII)
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_.\-]{0,34}", re.ASCII)
"""What pain.008 takes as a mandate's identification: at most 35 characters."""
_ACCOUNT = re.compile(r"[0-9A-Z]{7,24}", re.ASCII)
_MOMENT = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?", re.ASCII)
_DAY = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", re.ASCII)
_LONGEST = 60
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DAYS_OF_WORKBOOKS = range(36_526, 73_415)
"""Serial numbers of the days of this century."""


_Read = TypeVar("_Read")


class Import(NamedTuple):
    """What an import did, and what it left out, each problem with its place."""

    taken: Taken
    left_out: list[str]


def take_in(session: Session, wiring: Wiring, file: Path, *, by: str, keep_good: bool = False) -> Import:
    """Take in a file in the caller's transaction; raises ImportRefused, naming every problem, if a row can't be taken.

    With `keep_good` such rows are left out instead, and the others taken. The caller commits, or rolls back.
    """
    now, unread = wiring.clock(), list[Problem]()
    banks = frozenset(wiring.settings.banks)
    rows = _read_all(rows_of_file(file, COLUMNS), banks, wiring.sealer, now, unread)
    contradicting = mandate_imports.stage(session, rows, now=now)
    problems = [one.says for one in sorted([*unread, *contradicting])]
    if problems and not keep_good:
        raise ImportRefused(problems)
    mandate_imports.leave_out(session, contradicting)
    return Import(mandate_imports.take_in(session, name=file.name, by=by, now=now), problems)


def _read_all(
    rows: Iterable[Row], banks: frozenset[str], sealer: Sealer, now: datetime, problems: list[Problem]
) -> Iterator[MandateIn]:
    for number, row in enumerate(rows):
        try:
            yield read_mandate(number, row, banks, sealer, now)
        except ValueError as error:
            problems.append(Problem(number, f"{row.place}, {error}"))


def read_mandate(number: int, row: Row, banks: frozenset[str], sealer: Sealer, now: datetime) -> MandateIn:
    """Read one row; raise ValueError saying which column was expected to be what, and what arrived."""
    if None in row.cells:
        raise ValueError("behind the last column: expected as many values as the header has columns, got more")
    texts = {name: _text(row.cells, name) for name in COLUMNS.known}
    for name in COLUMNS.needed:
        if not texts[name]:
            raise ValueError(f"{name}: expected a value, got none")
    _expect(texts["bank"] in banks, "bank", f"one of {', '.join(sorted(banks)) or 'no banks'}", texts["bank"])
    _expect(_REFERENCE.fullmatch(texts["reference"]), "reference",
            "1 to 35 letters without accents, digits, - / _ .", texts["reference"])  # fmt: skip
    _expect(_CODE.fullmatch(texts["customer_code"]), "customer_code",
            "3 to 32 capital letters, digits, - / _ .", texts["customer_code"])  # fmt: skip
    for name in ("consent_text", "assisted_by"):
        fits = len(texts[name]) <= _LONGEST and not _CONTROL.search(texts[name])
        _expect(fits, name, f"at most {_LONGEST} characters without control characters", texts[name])
    _expect(texts["consent_channel"] in CHANNELS, "consent_channel", f"one of {', '.join(CHANNELS)}",
            texts["consent_channel"])  # fmt: skip
    state = texts["state"] or "active"
    _expect(state in STATES, "state", f"one of {', '.join(STATES)}", state)
    valid_from = _day(row, "valid_from")
    valid_to = _day(row, "valid_to") if texts["valid_to"] else None
    _expect(valid_to is None or valid_to >= valid_from, "valid_to", f"a day from {valid_from} on", texts["valid_to"])
    consent_at = _moment(row, "consent_at")
    _expect(consent_at <= now, "consent_at", "a moment that has passed", texts["consent_at"])
    account = _account(row.cells)
    return MandateIn(
        number, row.place, texts["bank"], texts["reference"], texts["customer_code"],
        sealer.seal(account.encode(), SEALED), sealer.blind(account, "account"), tail(account), _cap(texts["cap"]),
        valid_from, valid_to, texts["consent_text"], consent_at, texts["consent_channel"], texts["assisted_by"], state,
    )  # fmt: skip


def _expect(holds: object, name: str, expected: str, got: str) -> None:
    if not holds:
        raise ValueError(f"{name}: expected {expected}, got {got[:40]!r}")


def _text(cells: Mapping[str | None, object], name: str) -> str:
    found = cells.get(name)
    return "" if found is None else str(found).strip()


def _account(cells: Mapping[str | None, object]) -> str:
    """Return the account's number, which no refusal repeats."""
    if isinstance(cells["account"], int | Decimal):
        # Whatever zeros it began with are gone, and so are digits beyond the fifteenth.
        raise ValueError("account: expected a cell of text, got a number")
    return account_of(_text(cells, "account"))


def account_of(written: str) -> str:
    """Return the number of an account as people write it; raise ValueError, which does not repeat it."""
    account = written.replace(" ", "")
    if not _ACCOUNT.fullmatch(account):
        raise ValueError(f"account: expected 7 to 24 digits or capital letters, got {len(account)} characters")
    return account


def _cap(text: str) -> int:
    try:
        minor = parse_minor(text, "VND")
    except Exception as error:
        raise ValueError(f"cap: {error}") from error
    _expect(minor > 0, "cap", "more than nothing, in whole đồng", text)
    return minor


def _day(row: Row, name: str) -> date:
    found = row.cells[name]
    if isinstance(found, int) and found in _DAYS_OF_WORKBOOKS:
        return row.epoch + timedelta(days=found)
    return _written(name, str(found).strip(), _DAY, "a day as 20YY-MM-DD", date.fromisoformat)


def _moment(row: Row, name: str) -> datetime:
    """Return a moment as Vietnam's clocks show it; a day alone is its beginning."""
    found = row.cells[name]
    if isinstance(found, int | Decimal) and int(found) in _DAYS_OF_WORKBOOKS:
        seconds = round((found - int(found)) * 86_400)
        return datetime.combine(row.epoch + timedelta(days=int(found)), time(), LOCAL) + timedelta(seconds=seconds)
    expected = "a moment as 20YY-MM-DD HH:MM"
    return _written(name, str(found).strip(), _MOMENT, expected, datetime.fromisoformat).replace(tzinfo=LOCAL)


def _written(name: str, text: str, form: re.Pattern[str], expected: str, read: Callable[[str], _Read]) -> _Read:
    try:
        if not form.fullmatch(text):
            raise ValueError(text)
        return read(text)
    except ValueError:
        raise ValueError(f"{name}: expected {expected}, got {text[:40]!r}") from None
