"""Cells of a table read exactly: amounts, days and texts, a whole column at a time where it is regular.

A cell is text, or in a workbook a number: an `int`, or a `Decimal` where the file holds a fraction. Each column has a
way for one cell and a quicker way for many that are all written as expected; both accept the same and agree.
"""

import json
import re
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from banks.errors import Unreadable
from banks.money import MAX_MINOR, places
from banks.statements.layout import Layout

Cell = str | int | Decimal
"""What stands in one cell; an empty one is ""."""
MOST_DIGITS = 15
"""Digits of a number that Excel keeps; a workbook's whole number of more is a `Decimal`, as it is written."""
_UNTIDY = tuple(bytes([mark]) for mark in b"\t\r\v\f\x1c\x1d\x1e\x1f")
_UNTIDY_SPACES = (b"  ", b"\n ", b" \n")
_BEYOND_ASCII = (b"\xc2", b"\xe1\x9a", b"\xe2", b"\xe3", b"\xef")
"""How white space beyond ASCII, and the marks that `tidy` takes for it, begin in UTF-8: no Vietnamese letter does."""
_UNTIDY_BEYOND_ASCII = re.compile(r"[^\S\x00-\x7f]|[\u200b\ufeff]")
_SHAPE = bytes.maketrans(b"123456789", b"000000000")
_WORD = re.compile(r"[^\W\d_]{3}")
_LONG = re.compile(r"\d(?:[\W_]{0,2}\d){4,}")
_HARMLESS = re.compile(
    r"(?!(?:\D*\d){9})[1-9]\d{0,2}([ .,'])\d{3}(?:\1\d{3})*(?:[.,]\d{1,2})?"
    r"|(?:\d{1,2}([/.-])\d{1,2}\2(?:\d{4}|\d{2})|\d{4}([/.-])\d{1,2}\3\d{1,2})(?: +\d{1,2}:\d{2}(?::\d{2})?)?"
    r"|\d{1,2}:\d{2}:\d{2}"
)
"""A grouped amount shorter than any telephone number, a day, a time of day."""
_NOTHING = frozenset({"", "-", "–"})
_DAYS = {
    "dd": "(?P<day>[0-9]{2})", "d": "(?P<day>[0-9]{1,2})", "mm": "(?P<month>[0-9]{2})", "m": "(?P<month>[0-9]{1,2})",
    "yyyy": "(?P<year>[0-9]{4})", "yy": "(?P<year>[0-9]{2})",
}  # fmt: skip
_TIME = r"(?:[ T]+[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?: ?[AaPp][Mm])?)?"
MAX_DAYS = 4000
"""Distinct days that one table may hold: ten years of them and more."""
_LAST_SERIAL = (date(2200, 1, 1) - date(1899, 12, 30)).days


class PlacedError(Exception):
    """A cell of a column that can't be read: which one, counted from 0, and why."""

    def __init__(self, index: int, reason: str) -> None:
        self.index = index
        self.reason = reason
        super().__init__(reason)


class Amounts:
    """Amounts as a layout declares them, in minor units of `currency`; an empty cell or a dash is none, which is 0."""

    def __init__(self, layout: Layout, currency: str) -> None:
        self.currency = currency
        self._places = places(currency)
        self._thousands, self._decimal = layout.thousands, layout.decimal
        thousands, decimal = re.escape(layout.thousands), re.escape(layout.decimal)
        # Not more digits than `int` reads.
        whole = rf"[0-9]{{1,3}}(?:{thousands}[0-9]{{3}}){{1,1000}}+|[0-9]{{1,16}}" if thousands else r"[0-9]{1,16}"
        # At most two places, or the currency's own: "1.250" must not pass for one and a quarter where "." is the mark.
        part = rf"(?:{decimal}([0-9]{{1,{max(2, self._places)}}}))?" if decimal else "()"
        self._one = re.compile(rf"([+-]?) ?({whole}){part}")
        self._plain = re.compile(rf"(?:{whole})?+".encode())
        self._shapes: set[bytes] = set()

    def plain(self, joined: bytes) -> list[int] | None:
        """Read a column, one text with a line a cell, of amounts without sign and decimals; None when one is not."""
        # One digit is as good as another, so that each shape of an amount is looked at but once.
        shapes = set(joined.translate(_SHAPE).split(b"\n"))
        if not shapes <= self._shapes:
            if self._places or not all(map(self._is_plain, shapes)):
                return None
            self._shapes |= shapes
        digits = joined.translate(None, self._thousands.encode()).decode()
        if b"" in shapes:
            return [int(text or 0) for text in digits.split("\n")]
        try:
            # Nothing in the interpreter reads many numbers quicker than its reader of JSON.
            amounts: list[int] = json.loads("[" + digits.replace("\n", ",") + "]")
        except ValueError:
            return list(map(int, digits.split("\n")))  # some amounts begin with zeros
        return amounts

    def _is_plain(self, shape: bytes) -> bool:
        """Tell whether it is the shape of an amount that is below the largest, of which there are not many."""
        return shape.count(b"0") < len(str(MAX_MINOR)) and self._plain.fullmatch(shape) is not None

    def column(self, cells: Sequence[Cell], *, signed: bool = False, minus: bool = False) -> list[int]:
        """Read a column; a sign is accepted when `signed`, or a minus that says nothing new when `minus`.

        Raise PlacedError for the first cell that is no such amount.
        """
        if not self._places and int in set(map(type, cells)):
            filled = [cell for cell in cells if isinstance(cell, int)]
            if len(filled) + cells.count("") == len(cells) and max(filled) < MAX_MINOR:
                if len(filled) < len(cells):
                    filled = [cell or 0 for cell in cells]  # type: ignore[misc]  # all are numbers or ""
                if min(filled) >= (1 - MAX_MINOR if signed else 0):
                    return filled
        amounts = []
        for index, cell in enumerate(cells):
            try:
                amounts.append(self.one(cell, signed=signed, minus=minus))
            except Unreadable as error:
                raise PlacedError(index, error.reason) from None
        return amounts

    def one(self, cell: Cell, *, signed: bool = False, minus: bool = False) -> int:
        """Read one cell into minor units; raise Unreadable saying what is expected."""
        if isinstance(cell, str):
            text = tidy(cell)
            if text in _NOTHING:
                return 0
            match = self._one.fullmatch(text)
            if match is None:
                raise Unreadable(f"expected an amount such as {self._example()}, got {shown(text)}")
            sign, whole, part = (
                match[1],
                match[2].replace(self._thousands, "") if self._thousands else match[2],
                match[3],
            )
        else:
            written = f"{cell:f}"
            sign, (whole, _, part) = "-" if cell < 0 else "", written.lstrip("-").partition(".")
        if sign and not (signed or (minus and sign == "-")):
            raise Unreadable(f"expected an amount without a sign, got {sign}{masked(whole)}")
        part = part or ""
        if part[self._places :].strip("0"):
            got = masked(f"{whole}.{part}")
            raise Unreadable(f"expected an amount in {self.currency} with {self._places} decimals, got {got}")
        minor = int(whole + part[: self._places].ljust(self._places, "0"))
        if minor >= MAX_MINOR:
            raise Unreadable(f"expected an amount below {MAX_MINOR} minor units, got {masked(whole)}")
        return -minor if sign == "-" and signed else minor

    def _example(self) -> str:
        part = self._decimal + "0" * (self._places or 2) if self._decimal else ""
        return f"1{self._thousands}250{self._thousands}000{part}"


class Days:
    """Days as a layout declares them or as Excel counts them; each distinct day is kept once, told by its number."""

    def __init__(self, layout: Layout, epoch: date) -> None:
        self._epoch = epoch
        self._expected = " or ".join(layout.dates)
        self._written = [re.compile("".join(_pieces(one))) for one in layout.dates]
        plain = "|".join(re.sub(r"\?P<\w+>", "?:", one.pattern) for one in self._written)
        self._one = re.compile(f"(?:{plain})(?![0-9])")
        self._time = re.compile(_TIME)
        self._whole = re.compile(f"({self._one.pattern}{_TIME})[ \t\r\n;,|-]*")
        self._many = re.compile(f"(?:{self._one.pattern}{_TIME}\n)++".encode())
        lengths = {len(one) for one in layout.dates}
        # Days of one length are cut off the time behind them without looking at each.
        self._length = lengths.pop() if len(lengths) == 1 and "d/m/yyyy" not in layout.dates else 0
        self._known: dict[str | int, int] = {}
        self._numbers: dict[date, int] = {}
        self._last_parted: tuple[bytes, list[bytes], set[bytes]] = b"", [b""], set()
        self.days: list[date] = []

    def is_day(self, cell: Cell) -> bool:
        """Tell whether a cell begins with a day, whatever follows it."""
        return self._one.match(cell.lstrip()) is not None if isinstance(cell, str) else cell > 0

    def regular(self, joined: bytes | None, cells: Sequence[Cell] = ()) -> bool:
        """Tell whether a column, one text with a line a cell or else `cells`, holds a day in each cell and no more."""
        if joined is not None:
            _, distinct = self._parted(joined)
            # Without a time of day there are but a few, each looked at once.
            return self._many.fullmatch(b"\n".join(distinct) + b"\n" if distinct else joined + b"\n") is not None
        return str not in set(map(type, cells))

    def column(self, cells: Sequence[Cell], *, regular: bool = False) -> list[int]:
        """Read a column of days into their numbers in `days`; `regular` says that they were found to be so.

        Raise PlacedError for the first cell that is no day.
        """
        known, length = self._known, self._length
        if length and regular:
            try:
                return [known[cell[:length]] for cell in cells]  # type: ignore[index]  # a number is a TypeError
            except (KeyError, TypeError):
                pass  # a day not met before, or days as Excel counts them: each is looked at
        numbers = []
        for index, cell in enumerate(cells):
            try:
                numbers.append(self.number(cell))
            except Unreadable as error:
                raise PlacedError(index, error.reason) from None
        return numbers

    def few(self, joined: bytes) -> list[int] | None:
        """Read a column, one text with a line a cell, of a few distinct days; None when many, or when one is none."""
        cells, distinct = self._parted(joined)
        if not distinct:
            return None
        try:
            numbers = {cell: self.number(cell.decode()) for cell in distinct}
        except (Unreadable, UnicodeDecodeError):
            return None
        return list(map(numbers.__getitem__, cells))

    def _parted(self, joined: bytes) -> tuple[list[bytes], set[bytes]]:
        """Return a column's cells, and the distinct ones of them where they are few; one column is asked for twice."""
        if joined is not self._last_parted[0]:
            cells = joined.split(b"\n")
            distinct = set(cells)
            self._last_parted = joined, cells, distinct if len(distinct) <= len(cells) // 4 else set()
        return self._last_parted[1:]

    def within(self, text: str) -> list[date]:
        """List the days that stand anywhere in a text."""
        found = []
        for match in self._one.finditer(text):
            try:
                found.append(self._day(match[0]))
            except Unreadable:
                continue  # no day of the calendar: nothing is said by it
        return found

    def split(self, cell: Cell) -> tuple[Cell, str]:
        """Part a cell that holds a day and then something else into both."""
        match = self._whole.match(cell.lstrip()) if isinstance(cell, str) else None
        if match is None:
            return cell, ""
        return match[1], tidy(match.string[match.end() :])

    def number(self, cell: Cell) -> int:
        """Read one day into its number in `days`; raise Unreadable saying what is expected."""
        key: str | int
        if isinstance(cell, str):
            text = tidy(cell)
            match = self._one.match(text)
            if match is None or not self._time.fullmatch(text, match.end()):
                raise Unreadable(f"expected a day written {self._expected}, got {shown(text)}")
            key = match[0]
        else:
            key = int(cell)
        number = self._known.get(key)
        if number is None:
            day = self._day(key)
            number = self._known[key] = self._numbers.setdefault(day, len(self.days))
            if number == len(self.days):
                self.days.append(day)
            if number >= MAX_DAYS:
                raise Unreadable(f"expected at most {MAX_DAYS} distinct days, got more")
        return number

    def _day(self, key: str | int) -> date:
        if isinstance(key, int):
            # Below 61, Excel's calendar of 1900 is a day off, and no payment is that old.
            if not 61 <= key <= _LAST_SERIAL:
                raise Unreadable(f"expected a day as Excel counts them, got {masked(str(key))}")
            return self._epoch + timedelta(days=key)
        for pattern in self._written:
            match = pattern.fullmatch(key)
            if match:
                year = int(match["year"])
                try:
                    return date(year + 2000 if year < 100 else year, int(match["month"]), int(match["day"]))
                except ValueError:
                    break
        raise Unreadable(f"expected a day of the calendar written {self._expected}, got {key!r}")


def shown(text: str) -> str:
    """Return a cell's text for a message; where it holds words it may be a name, and is not shown."""
    return "words" if _WORD.search(text) else repr(masked(text))


def masked(text: str) -> str:
    """Return the start of `text` for a message, with stars for all but the last three of five or more digits.

    They may be an account or a telephone number. What separates them stays, as that is what mistakes are about.
    """
    return _LONG.sub(_starred, text[:200])[:40]


def tidy(text: str) -> str:
    """Return `text` with single spaces instead of any white space, and none around it."""
    return " ".join(text.replace("\u200b", " ").replace("\ufeff", " ").split())


def is_blank(cell: Cell) -> bool:
    """Tell whether there is nothing in a cell but white space."""
    return isinstance(cell, str) and not cell.strip()


def lacks_digits(cell: Cell) -> bool:
    """Tell whether a cell is a number so long that Excel has rounded it, unless all of its digits stand in the file."""
    return isinstance(cell, Decimal) and cell.adjusted() >= MOST_DIGITS and not str(cell).isdigit()


def texts(cells: Sequence[Cell]) -> bytes:
    """Return a column of texts as one, a line a cell: no line ends within a text, no white space around it.

    Raise PlacedError for the first cell that is a number whose last digits are lost.
    """
    if Decimal in set(map(type, cells)):
        for index, cell in enumerate(cells):
            if lacks_digits(cell):
                raise PlacedError(index, "expected all digits of a number, got one that Excel has rounded")
    return packed("\n".join(tidy(str(cell)) for cell in cells))


def is_tidy(joined: bytes) -> bool:
    """Tell whether a column of texts, one text with a line a cell, has no white space that `tidy` would change."""
    if any(mark in joined for mark in _UNTIDY) or joined[:1] == b" " or joined[-1:] == b" ":
        return False
    # Two spaces side by side first, as one search is quicker than three; empty cells make such ones too.
    if b" " in joined and b"  " in joined.replace(b"\n", b" ") and any(marks in joined for marks in _UNTIDY_SPACES):
        return False
    # A search for one byte is quicker by far than one for two.
    if joined.isascii() or not any(mark[-1:] in joined and mark in joined for mark in _BEYOND_ASCII):
        return True
    return _UNTIDY_BEYOND_ASCII.search(joined.decode("utf-8", "surrogatepass")) is None


def packed(joined: str) -> bytes:
    """Return texts, a line a text, as UTF-8; half a character, as a workbook may hold, is kept."""
    return joined.encode("utf-8", "surrogatepass")


def unpacked(joined: bytes) -> list[str]:
    """Return the texts that `packed` has packed."""
    return joined.decode("utf-8", "surrogatepass").split("\n")


def _starred(match: re.Match[str]) -> str:
    if _HARMLESS.fullmatch(match[0]):
        return match[0]
    at = [index for index, sign in enumerate(match[0]) if sign.isdigit()][-3]
    return re.sub(r"\d", "*", match[0][:at]) + match[0][at:]


def _pieces(day: str) -> list[str]:
    return [_DAYS.get(piece, re.escape(piece)) for piece in re.findall(r"d+|m+|y+|.", day)]
