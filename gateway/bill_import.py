"""Bills in: the billing system's rows, from CSV or JSON, read strictly and handed to the rules."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from itertools import islice

from sqlalchemy.orm import Session

from banks.money import parse_minor
from gateway import table_files
from gateway.table_files import ImportRefused
from gateway.wiring import Wiring
from reconciliation import issuing
from reconciliation.issuing import BillIn, Issued
from reconciliation.sealing import Sealer, mask_name
from sms import numbers

COLUMNS = (
    "number", "version", "customer_code", "office", "language", "phone", "consent", "period", "kwh", "charge", "tax",
    "arrears", "amount", "issued_on", "due_on", "charge_on", "bank", "payment_code",
    "customer_name",
)  # fmt: skip
_REQUIRED = ("number", "customer_code", "period", "kwh", "charge", "amount", "issued_on", "due_on", "payment_code")
_BATCH = 5_000
_MOST_PROBLEMS = 20
_MOST_VERSIONS = 999
_LONGEST = 60
"""Characters of an office or a bank: no name of one is longer."""
_LONGEST_CUSTOMER = 200
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_CODE = re.compile(r"[A-Z0-9][A-Z0-9/_.\-]{2,31}", re.ASCII)
_DAY = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PERIOD = re.compile(r"(0?[1-9]|1[0-2])(-[1-9])?/20[0-9]{2}", re.ASCII)


def rows_of_csv(lines: Iterable[str]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield (place, row) of a CSV file with the header COLUMNS; raise ImportRefused for another header."""
    return table_files.rows_of_csv(lines, table_files.Columns(COLUMNS, _REQUIRED))


def take_in(session: Session, wiring: Wiring, rows: Iterable[tuple[str, Mapping[str, object]]]) -> Iterator[Issued]:
    """Issue all rows in the caller's transaction, yielding the sum after each batch; raises ImportRefused.

    The caller commits after the last one, or rolls back: an import is taken whole or not at all.
    """
    total, problems, stream, whole = Issued(), list[str](), iter(rows), issuing.Import(session)
    while batch := list(islice(stream, _BATCH)):
        bills = []
        for place, row in batch:
            try:
                bill = read_bill(place, row, wiring.sealer)
                _check_bank(bill.bank, wiring.settings.banks)
                bills.append(bill)
            except ValueError as error:
                problems.append(f"{place}: {error}")
        if len(problems) >= _MOST_PROBLEMS:
            break
        if not problems:
            try:
                total += whole.add(bills, now=wiring.clock())
            except issuing.BillsRefused as error:
                problems += error.problems
                break
            yield total
    if not problems:
        try:
            total += whole.finish(now=wiring.clock())
        except issuing.BillsRefused as error:
            problems += error.problems
    if problems:
        raise ImportRefused(problems[:_MOST_PROBLEMS])
    if total != Issued():
        yield total


def read_bill(place: str, row: Mapping[str, object], sealer: Sealer) -> BillIn:
    """Read one row; raise ValueError saying which field was expected to be what."""
    texts = {name: str(row.get(name) or "").strip() for name in COLUMNS}
    if None in row:
        raise ValueError("expected as many values as the header has columns, got more")
    for name in _REQUIRED:
        if not texts[name]:
            raise ValueError(f"{name}: expected a value, got none")
    for name in ("number", "customer_code", "payment_code"):
        _expect(_CODE.fullmatch(texts[name]), name, "3 to 32 capital letters, digits, - / _ .", texts[name])
    _expect(_PERIOD.fullmatch(texts["period"]), "period", "M/YYYY or M-N/YYYY", texts["period"])
    _expect(texts["language"] in ("", "vi", "en"), "language", "vi or en", texts["language"])
    for name in ("office", "bank"):
        fits = len(texts[name]) <= _LONGEST and not _CONTROL.search(texts[name])
        _expect(fits, name, f"at most {_LONGEST} characters without control characters", texts[name])
    called = texts["customer_name"]
    if len(called) > _LONGEST_CUSTOMER or _CONTROL.search(called):
        # The name itself is not repeated: it is a person's.
        expected = f"at most {_LONGEST_CUSTOMER} characters without control characters"
        raise ValueError(f"customer_name: expected {expected}, got {len(called)}")
    _expect(texts["consent"] in ("", "0", "1"), "consent", "1 or 0", texts["consent"])
    amounts = {name: _dong(name, texts[name] or "0") for name in ("charge", "tax", "arrears", "amount")}
    parts = amounts["charge"] + amounts["tax"] + amounts["arrears"]
    _expect(parts == amounts["amount"], "amount", f"charge + tax + arrears = {parts}", str(amounts["amount"]))
    _expect(amounts["amount"] > 0, "amount", "more than nothing", "0")
    version = _whole("version", texts["version"] or "1")
    _expect(1 <= version <= _MOST_VERSIONS, "version", f"1 to {_MOST_VERSIONS}", texts["version"])
    sealed, hashed, tail = _phone(texts["phone"], sealer)
    return BillIn(
        place=place, number=texts["number"], version=version,
        customer_code=texts["customer_code"], office=texts["office"], language=texts["language"] or "vi",
        consent=texts["consent"] != "0", period=texts["period"], kwh=_whole("kwh", texts["kwh"]),
        charge_minor=amounts["charge"], tax_minor=amounts["tax"], arrears_minor=amounts["arrears"],
        minor=amounts["amount"], issued_on=_day("issued_on", texts["issued_on"]),
        due_on=_day("due_on", texts["due_on"]),
        charge_on=_day("charge_on", texts["charge_on"]) if texts["charge_on"] else None, bank=texts["bank"],
        payment_code=texts["payment_code"], phone_sealed=sealed, phone_hash=hashed, phone_tail=tail,
        name_masked=mask_name(called),
    )  # fmt: skip


def _check_bank(name: str, known: Collection[str]) -> None:
    expected = f"one of the banks {', '.join(sorted(known))}, or none" if known else "none, as no bank is set up"
    _expect(not name or name in known, "bank", expected, name)


def _expect(holds: object, name: str, expected: str, got: str) -> None:
    if not holds:
        raise ValueError(f"{name}: expected {expected}, got {got[:40]!r}")


def _dong(name: str, text: str) -> int:
    try:
        minor = parse_minor(text, "VND")
    except Exception as error:
        raise ValueError(f"{name}: {error}") from error
    _expect(minor >= 0, name, "no negative amount", text)
    return minor


def _whole(name: str, text: str) -> int:
    _expect(_WHOLE.fullmatch(text), name, "a whole number", text)
    return int(text)


def _day(name: str, text: str) -> date:
    try:
        if not _DAY.fullmatch(text):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name}: expected a day as 20YY-MM-DD, got {text[:40]!r}") from None


def _phone(written: str, sealer: Sealer) -> tuple[bytes | None, bytes | None, str]:
    if not written:
        return None, None, ""
    try:
        number = numbers.to_e164(written)
    except numbers.Unreachable as error:
        raise ValueError(f"phone: {error}") from error
    return sealer.seal(number.encode(), "customers.msisdn"), sealer.blind(number, "msisdn"), number[-3:]
