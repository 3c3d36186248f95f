"""NAPAS reconciliation files (TC, SL, XL): one line a transaction, fields behind bracketed tags, keyed line checksums.

    HR[REV]  971003[DATE]28042025
    DR[MTI]0210[F2]…[F4]000010000000[F11]…[F37]…[TRN]…[RRC]0000…[CSR]<32 hex>
    TR[NOT]000000001[CRE]…[TIME]041507[DATE]29042025[CSF]<32 hex>

TC lists what NAPAS settled, SL what the two sides see differently, XL how differences were handled; the file's name
tells which, its content only whether everything agrees. F4 counts hundredths of a đồng, F49 704 is VND. RRC 0000: both
sides agree, 0115: only NAPAS has the transaction, 0117: only we have it. A checksum covers the line up to and including
its tag, and ends it; how it is keyed is a matter between NAPAS and its member, so it is handed in. The line HR has
none: the member and the day of a file are as believable as the way it came.

Source: files of members as public code reads and writes them; NAPAS publishes no layout.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial

from banks.errors import Misconfigured, Unreadable
from banks.money import Money, dong
from banks.records import Readable, StatementClosed, StatementEvent, StatementKind, StatementLine, StatementOpened
from banks.shown import shown

EXPECTED = "a NAPAS reconciliation file"
Checksum = Callable[[bytes], str]
"""Text up to and including the tag → 32 hex digits."""
MAX_LINE = 8 * 1024
MAX_FAULTS = 20
_PIECE = 64 * 1024
_FIELD = re.compile(r"\[([A-Z0-9]{2,10})\]([^\[]*)", re.ASCII)
_DIGEST = re.compile(rb"[0-9a-fA-F]{32}")
_INCOMING, _REVERSED = frozenset({"0200", "0210"}), frozenset({"0400", "0410", "0420", "0430"})
_AGREED, _ONLY_NAPAS, _ONLY_US = "0000", "0115", "0117"
_VND = "704"
_SCHEMES: dict[str, Callable[[bytes, bytes], str]] = {
    "md5-suffix": lambda key, text: hashlib.md5(text + key, usedforsecurity=False).hexdigest(),
    "md5-prefix": lambda key, text: hashlib.md5(key + text, usedforsecurity=False).hexdigest(),
    "hmac-md5": lambda key, text: hmac.digest(key, text, "md5").hex(),
}
SCHEMES = tuple(_SCHEMES)


def recognise(head: bytes) -> bool:
    """Tell whether a NAPAS file begins with `head`."""
    return re.match(rb"(?:\xef\xbb\xbf)?HR\[REV\][^\r\n]{0,64}\[DATE\]\d{8}", head) is not None


def checksum(scheme: str, key: str) -> Checksum:
    """Return the checksum a member agreed on with NAPAS, one of SCHEMES, with its `key`."""
    if scheme not in _SCHEMES:
        raise Misconfigured(f"expected a NAPAS checksum among {', '.join(SCHEMES)}, got {scheme[:20]!r}")
    return partial(_SCHEMES[scheme], key.encode())


def read(stream: Readable, proven_by: Checksum | None = None) -> Iterator[StatementEvent]:
    """Read a file as one notice; raise Unreadable with a place such as "line 17, F4".

    Without `proven_by` a checksum must be there but proves nothing. What only one side has becomes a fault, which
    keeps the file for a person.
    """
    rows = _rows(stream)
    number, raw = next(rows, (1, b""))
    head = _fields(raw, "HR", number)
    day = _day(head, number)
    account = _field(head, "REV", number).strip()
    name = f"{account}-{day:%Y%m%d}"
    file: _File | None = None
    for number, raw in rows:
        if file is not None and file.ended:
            raise Unreadable("expected nothing behind the trailer, got another line", f"line {number}")
        fields = _fields(raw, raw[:2].decode("ascii", "replace"), number)
        _check(raw, number, proven_by)
        if file is None:
            file = _File(f"{name}-{_kind(fields)}", day)
            yield StatementOpened(
                format="napas", kind=StatementKind.NOTICE, id=file.name, account=account, currency="VND", from_on=day,
                to_on=day,
            )  # fmt: skip
        if raw.startswith(b"TR"):
            file.end(fields, number)
        else:
            yield from file.take(fields, number)
    if file is None or not file.ended:
        raise Unreadable("expected a trailer TR at the end, got none: the file is cut off", f"line {number}")
    yield file.closed()


class _File:
    """What the lines add up to while they pass by."""

    def __init__(self, name: str, day: date) -> None:
        self.name, self._day = name, day
        self._entries = self._lines = self._left_out = self._credit = self._debit = 0
        self._faults: list[str] = []
        self.ended = False

    def take(self, fields: dict[str, str], number: int) -> Iterator[StatementEvent]:
        """Yield the line of one transaction, unless NAPAS does not have it."""
        self._entries += 1
        code = _field(fields, "RRC", number).strip()
        if code not in ("", _AGREED):
            who = {_ONLY_NAPAS: "only NAPAS has it", _ONLY_US: "only we have it"}.get(code, "it is not agreed")
            self._fault(f"line {number}: transaction {_field(fields, 'F37', number).strip()}: {who} (RRC {code[:8]})")
        if code not in ("", _AGREED, _ONLY_NAPAS):
            self._left_out += 1
            return
        line = _line(fields, number, self._entries, self._day)
        self._lines += 1
        if line.amount.minor < 0:
            self._debit += line.amount.minor
        else:
            self._credit += line.amount.minor
        yield line

    def end(self, fields: dict[str, str], number: int) -> None:
        """Compare the trailer's count with the lines."""
        self.ended = True
        said = _digits(fields, "NOT", number)
        if said != self._entries:
            self._fault(f"the trailer says {said} transactions, the file lists {self._entries}")

    def closed(self) -> StatementClosed:
        """Return the foot."""
        return StatementClosed(
            id=self.name,
            lines=self._lines,
            credit_total=dong(self._credit),
            debit_total=dong(self._debit),
            balanced=None,
            left_out=self._left_out,
            faults=tuple(self._faults),
        )

    def _fault(self, text: str) -> None:
        if len(self._faults) < MAX_FAULTS:
            self._faults.append(text)
        elif len(self._faults) == MAX_FAULTS:
            self._faults.append("more differences of the same kinds follow")


def _line(fields: dict[str, str], number: int, ordinal: int, day: date) -> StatementLine:
    message = _field(fields, "MTI", number)
    if message not in _INCOMING | _REVERSED:
        raise Unreadable(f"expected MTI 0200, 0210 or a reversal 04…, got {shown(message, 8)}", f"line {number}, MTI")
    currency = _field(fields, "F49", number, "704").strip()
    if currency != _VND:
        raise Unreadable(f"expected currency 704 (VND), got {shown(currency, 8)}", f"line {number}, F49")
    minor, rest = divmod(_digits(fields, "F4", number), 100)
    if rest:
        raise Unreadable("expected hundredths of a đồng that make whole đồng", f"line {number}, F4")
    reversal = message in _REVERSED
    said = " ".join(filter(None, (fields.get(name, "").strip() for name in ("MID", "RSV1", "RSV2", "RSV3"))))
    return StatementLine(
        entry=ordinal,
        transaction=1,
        amount=Money(-minor if reversal else minor, "VND"),
        booked_on=_month_day(fields, "F15", number, day) or day,
        value_on=_month_day(fields, "F13", number, day),
        reversal=reversal,
        bank_reference=_field(fields, "F37", number).strip(),
        counterparty_account=fields.get("F2", "").strip(),
        structured_reference=fields.get("TRN", "").strip(),
        narrative=said,
    )


def _kind(first: dict[str, str]) -> str:
    """Tell a list of what was settled from one of differences, by its first line."""
    return "TC" if first.get("RRC", _AGREED).strip() in ("", _AGREED) else "SL"


def _rows(stream: Readable) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) of each line that is not empty, without its end; a line of more than MAX_LINE is refused."""
    rest, number = b"", 0
    while piece := stream.read(_PIECE):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            number += 1
            yield from _row(line, number)
        if len(rest) > MAX_LINE:
            _too_long(number + 1)
    yield from _row(rest, number + 1)


def _row(line: bytes, number: int) -> Iterator[tuple[int, bytes]]:
    line = line.removesuffix(b"\r")
    if number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")
    if len(line) > MAX_LINE:
        _too_long(number)
    if line.strip():
        yield number, line


def _too_long(number: int) -> None:
    raise Unreadable(f"expected lines of at most {MAX_LINE} bytes, got a longer one", f"line {number}")


def _fields(raw: bytes, kind: str, number: int) -> dict[str, str]:
    place = f"line {number}"
    if kind not in ("HR", "DR", "TR") or not raw.startswith(kind.encode() + b"["):
        raise Unreadable("expected a line that begins with HR, DR or TR", place)
    text = raw.decode("utf-8", "replace")
    fields: dict[str, str] = {}
    for tag, value in _FIELD.findall(text):
        if tag in fields:
            raise Unreadable("expected each tag once", f"{place}, {tag}")
        fields[tag] = value
    return fields


def _check(raw: bytes, number: int, proven_by: Checksum | None) -> None:
    tag = "CSF" if raw.startswith(b"TR") else "CSR"
    place = f"line {number}, {tag}"
    before, mark, said = raw.partition(f"[{tag}]".encode())
    # Whatever stood behind the digits would be covered by nothing.
    if not _DIGEST.fullmatch(said.strip()):
        raise Unreadable("expected a checksum of 32 hex digits at the end of the line", place)
    if proven_by is not None and not hmac.compare_digest(
        proven_by(before + mark).lower().encode(), said.strip().lower()
    ):
        raise Unreadable("expected the checksum of this line by our key, got another one", place)


def _field(fields: dict[str, str], tag: str, number: int, missing: str | None = None) -> str:
    value = fields.get(tag, missing)
    if value is None:
        raise Unreadable("expected this tag, got none", f"line {number}, {tag}")
    return value


def _digits(fields: dict[str, str], tag: str, number: int) -> int:
    value = _field(fields, tag, number).strip()
    if not (value.isascii() and value.isdigit() and len(value) <= 15):
        raise Unreadable("expected 1 to 15 digits", f"line {number}, {tag}")
    return int(value)


def _day(head: dict[str, str], number: int) -> date:
    value = _field(head, "DATE", number).strip()
    if value.isascii() and value.isdigit() and len(value) == 8:
        try:
            return date(int(value[4:]), int(value[2:4]), int(value[:2]))
        except ValueError:
            pass  # no such day: refused below
    raise Unreadable("expected a day as ddMMyyyy", f"line {number}, DATE")


def _month_day(fields: dict[str, str], tag: str, number: int, day: date) -> date | None:
    """Read MMDD, whose year is that of the file or the one before or after, whichever lies nearest."""
    value = fields.get(tag, "").strip()
    if not value:
        return None
    found = []
    if value.isascii() and value.isdigit() and len(value) == 4:
        for year in (day.year - 1, day.year, day.year + 1):
            try:
                found.append(date(year, int(value[:2]), int(value[2:])))
            except ValueError:
                continue  # February 29 of another year
    if not found:
        raise Unreadable("expected a day as MMDD", f"line {number}, {tag}")
    return min(found, key=lambda one: abs(one - day))
