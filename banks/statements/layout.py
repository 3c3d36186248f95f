"""The declaration of a bank's table: which header words mean what, how amounts and dates are written, where it ends.

A declaration is data. Nothing in it is guessed from the file: the thousands separator above all, because "1.250" is one
thousand to one bank and one and a quarter to another.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from banks.errors import Misconfigured, Unreadable
from banks.money import check_currency

FIELDS = (
    "booked_on", "value_on", "credit", "debit", "amount", "mark", "balance", "account", "bank_reference",
    "end_to_end_id", "counterparty", "counterparty_account", "narrative",
)  # fmt: skip
"""What a column can mean. `credit` and `debit` are unsigned; `amount` is signed, or unsigned beside a `mark`."""
TEXTS = ("bank_reference", "end_to_end_id", "counterparty", "counterparty_account", "narrative")
LABELS: Mapping[str, tuple[str, ...]] = {
    "account": ("số tài khoản", "tài khoản", "account number", "account no.", "account no"),
    "opening": ("số dư đầu kỳ", "số dư đầu", "opening balance"),
    "closing": ("số dư cuối kỳ", "số dư cuối", "closing balance"),
    "currency": ("loại tiền tệ", "loại tiền", "đơn vị tiền tệ", "currency"),
    "period": ("từ ngày", "từ/from", "kỳ sao kê", "thời gian", "from date", "từ"),
}
"""Words before the value of a cell outside the table, as most banks write them."""
ENDS = ("tổng", "cộng", "total")
DATES = ("dd/mm/yyyy", "d/m/yyyy", "dd-mm-yyyy", "dd.mm.yyyy", "yyyy-mm-dd", "yyyy/mm/dd", "dd/mm/yy", "yyyymmdd")
"""The ways of writing a day that a layout may declare; a time of day may follow each and decides nothing."""
SEPARATORS = {"": "none", ",": "comma", ".": "point", " ": "space", "'": "apostrophe"}
MIN_CELLS = 3
"""A header row has so many cells at least."""
MAX_COLUMNS = 256
"""Header words and labels stand in the first so many columns."""
_SPACE = re.compile(r"[\s\u00a0\u2000-\u200d\u202f\u2060\ufeff]+")
_AROUND_SLASH = re.compile(r" ?/ ?")


@dataclass(frozen=True, slots=True)
class Layout:
    """How one bank's export is laid out.

    `columns`: field → header texts that name its column, any case, any normal form. `optional`: fields whose column may
    be missing. `labels`: words before account, opening, closing, currency and period outside the table. `ends`: a row
    without a date that begins with one of these holds totals. `ignored`: rows with a cell that begins so are not there.
    `carried`: fields whose empty cell means "as in the row above" (cells merged downwards). `sheet`: a pattern that a
    workbook's sheet must be named by. `balance_by_row` is False where the running balance follows another order than
    the rows. `minus_out`: money out stands in its own column with a minus before it all the same.
    """

    name: str
    title: str
    columns: Mapping[str, tuple[str, ...]]
    dates: tuple[str, ...]
    thousands: str
    decimal: str = ""
    currency: str = "VND"
    account: str = ""
    optional: frozenset[str] = frozenset()
    marks_in: tuple[str, ...] = ("+", "c", "cr", "có", "ghi có")
    marks_out: tuple[str, ...] = ("-", "d", "dr", "nợ", "ghi nợ")
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: LABELS)
    ends: tuple[str, ...] = ENDS
    ignored: tuple[str, ...] = ()
    carried: frozenset[str] = frozenset()
    sheet: str = ""
    balance_by_row: bool = True
    minus_out: bool = False
    book_of_record: bool = False
    declared: bool = False

    def __post_init__(self) -> None:
        _check(self)

    @property
    def required(self) -> frozenset[str]:
        """The fields without whose column a row is not this layout's header."""
        return frozenset(self.columns) - self.optional


def folded(text: str) -> str:
    """Return `text` as header words are compared: normal form C, one case, single spaces; diacritics stay."""
    return _SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip().casefold()


@lru_cache(maxsize=4096)
def spellings(text: str) -> frozenset[str]:
    """Return what a header cell may be declared as: all of it, what stands before its first slash, its first line."""
    whole = text.strip(" \t\r\n\u00a0\ufeff")
    parts = (whole, whole.partition("/")[0], whole.partition("\n")[0])
    return frozenset(_key(part) for part in parts) - {""}


def columns_of(layout: Layout, cells: Sequence[object]) -> dict[str, int] | None:
    """Return field → column (from 0) when `cells` are a header row of `layout`, else None.

    A column belongs to the first cell that names it. Two fields may share a column: a cell that holds a date and a
    document number.
    """
    found = {name: places[0] for name, places in _found(layout, cells).items()}
    return found if found.keys() >= layout.required else None


def lacking(layout: Layout, cells: Sequence[object]) -> list[tuple[str, ...]]:
    """List the header texts of each required field that `cells` have no column for."""
    found = _found(layout, cells)
    return [texts for name, texts in layout.columns.items() if name in layout.required and name not in found]


def doubled(layout: Layout, cells: Sequence[object]) -> tuple[int, int] | None:
    """Return the first two columns (from 0) that bear the same words of a required field; None when none do."""
    found = _found(layout, cells)
    needed = (places for name, places in found.items() if name in layout.required)
    return next(((places[0], places[1]) for places in needed if len(places) > 1), None)


def choose(layouts: Collection[Layout], cells: Sequence[object]) -> tuple[Layout, dict[str, int]] | None:
    """Return the layout whose header row `cells` are, and its columns; raise Unreadable when two fit equally well.

    A bank's own declaration goes before a built-in layout; then the one that explains more columns.
    """
    if sum(1 for cell in cells if isinstance(cell, str) and cell) < MIN_CELLS:
        return None
    fitting = [(one, found) for one in layouts if (found := columns_of(one, cells)) is not None]
    own = [pair for pair in fitting if pair[0].declared]
    fitting = own or fitting
    best = max((len(set(found.values())) for _, found in fitting), default=0)
    fitting = [pair for pair in fitting if len(set(pair[1].values())) == best]
    if len(fitting) > 1:
        names = " and ".join(one.title for one, _ in fitting)
        raise Unreadable(f"expected the header row of one layout, got words that fit {names}")
    return fitting[0] if fitting else None


def _found(layout: Layout, cells: Sequence[object]) -> dict[str, tuple[int, ...]]:
    """Return field → the columns that bear the first of its header texts that any column bears."""
    keys = [
        spellings(cell) if isinstance(cell, str) and len(cell) <= 200 else frozenset[str]()
        for cell in cells[:MAX_COLUMNS]
    ]
    found: dict[str, tuple[int, ...]] = {}
    for name, texts in layout.columns.items():
        # In the order of the declaration: a bank that has both "Ngày giao dịch" and "Ngày" means the first.
        for wanted in map(_key, texts):
            places = tuple(index for index, have in enumerate(keys) if wanted in have)
            if places:
                found[name] = places
                break
    return found


def _key(text: str) -> str:
    return _AROUND_SLASH.sub("/", folded(text)).rstrip(" :*")


def _check(layout: Layout) -> None:
    """Refuse a declaration that contradicts itself, in words for whoever wrote it."""
    columns, name = layout.columns, layout.name
    unknown = (set(columns) | layout.optional | layout.carried) - set(FIELDS)
    if unknown:
        raise Misconfigured(f"{name}: expected columns among {', '.join(FIELDS)}, got {', '.join(sorted(unknown))}")
    if "booked_on" not in columns or "booked_on" in layout.optional:
        raise Misconfigured(f"{name}: expected a column booked_on that is not optional")
    two_columns, one_column = {"credit", "debit"} & columns.keys(), "amount" in columns
    if "mark" in columns and not one_column:
        raise Misconfigured(f"{name}: expected the column mark beside amount")
    # With one of two columns, the other side's money would not be read.
    if two_columns if one_column else len(two_columns) < 2:
        got = ", ".join(money for money in ("credit", "debit", "amount") if money in columns) or "none"
        raise Misconfigured(f"{name}: expected either credit and debit or amount among the columns, got {got}")
    if {"credit", "debit", "amount", "mark"} & layout.optional:
        raise Misconfigured(f"{name}: expected the columns of money not to be optional")
    if not all(texts and all(map(folded, texts)) for texts in columns.values()):
        raise Misconfigured(f"{name}: expected header words for each column")
    if not layout.dates or set(layout.dates) - set(DATES):
        raise Misconfigured(f"{name}: expected dates among {', '.join(DATES)}, got {', '.join(layout.dates) or 'none'}")
    if layout.thousands not in SEPARATORS or layout.decimal not in ("", ",", "."):
        raise Misconfigured(f"{name}: expected a thousands separator of {sorted(SEPARATORS)} and a decimal mark , or .")
    if layout.decimal and layout.decimal == layout.thousands:
        raise Misconfigured(f"{name}: expected the decimal mark to differ from the thousands separator")
    if set(layout.labels) - set(LABELS):
        raise Misconfigured(f"{name}: expected labels among {', '.join(LABELS)}")
    try:
        check_currency(layout.currency)
        re.compile(layout.sheet)
    except Unreadable as error:
        raise Misconfigured(f"{name}: {error.reason}") from None
    except re.error as error:
        raise Misconfigured(
            f"{name}: expected a pattern for the sheet's name, got one that is broken: {error}"
        ) from None
