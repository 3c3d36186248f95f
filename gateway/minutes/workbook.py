"""Minutes as a workbook: the same figures, and every row behind them however many there are, written as a stream."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import xlsxwriter  # type: ignore[import-untyped] # the library has no types
from sqlalchemy.orm import Session

from banks.money import Money
from gateway import languages
from gateway.admin import close_words, key_words, words
from gateway.admin.key_words import Titles
from gateway.clock import LOCAL
from gateway.minutes import contents
from gateway.minutes.contents import Contents

_PARTS: Mapping[str, tuple[str, Sequence[tuple[str, str]]]] = {
    "channels": ("Theo kênh", (
        ("channel", "Kênh"), ("currency", "Loại tiền"), ("count", "Số giao dịch"), ("gross", "Tổng thu"),
        ("reversed", "Hoàn, hủy"), ("fee", "Phí"), ("net", "Thực thu"), ("unmatched", "Chưa khớp"),
    )),
    "sides": ("Ba bên", (
        ("currency", "Loại tiền"), ("told", "Thông báo"), ("booked", "Sổ cái"), ("shown", "Sao kê"),
    )),
    "reasons": ("Lý do", (
        ("code", "Mã"), ("verdict", "Lý do"), ("currency", "Loại tiền"), ("count", "Số dòng"), ("told", "Thông báo"),
        ("booked", "Sổ cái"), ("shown", "Sao kê"),
    )),
    "questions": ("Việc còn mở", (
        ("code", "Mã"), ("verdict", "Tình trạng"), ("currency", "Loại tiền"), ("count", "Số việc"),
        ("minor", "Số tiền"),
    )),
    "movements": ("Sổ cái", (
        ("account", "Tài khoản"), ("currency", "Loại tiền"), ("debit", "Nợ"), ("credit", "Có"),
    )),
}  # fmt: skip
_ITEMS = (
    ("kind", "Loại"), ("code", "Mã"), ("verdict", "Lý do"), ("reference", "Tham chiếu"), ("subject", "Đối tượng"),
    ("currency", "Loại tiền"), ("told_minor", "Thông báo"), ("booked_minor", "Sổ cái"), ("shown_minor", "Sao kê"),
    ("minor", "Chênh lệch hoặc số tiền"),
)  # fmt: skip
_KINDS = {"difference": "chênh lệch", "question": "việc còn mở"}
_COUNTS = frozenset({"count"})
_PER_SHEET = 1_000_000
"""A sheet ends at 1,048,576 rows; what is more goes on in another."""


def write(session: Session, wanted: Contents, path: Path) -> None:
    """Write the workbook to `path`, the same bytes for the same close; a row at a time, so that memory stays flat.

    Amounts are numbers in whole units of their currency; text is text, whatever it begins with.
    """
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
               "strings_to_numbers": False}  # fmt: skip
    with xlsxwriter.Workbook(str(path), options) as book:
        said = wanted.said
        book.set_properties(
            {"title": wanted.name, "author": wanted.utility, "created": wanted.settled_at.astimezone(UTC)}
        )
        bold = book.add_format({"bold": True})
        sheet = book.add_worksheet("Biên bản")
        sheet.set_column(0, 0, 24)
        sheet.set_column(1, 1, 66)
        period = (datetime.fromisoformat(said["day"]), "dd/mm/yyyy" if said["period"] == "day" else "mm/yyyy")
        about: tuple[tuple[str, str | tuple[datetime, str]], ...] = (
            ("Đơn vị", wanted.utility), ("Ngân hàng", wanted.bank), ("Kỳ", period), ("Bản", str(said["version"])),
            ("Người lập", wanted.people.get(said["maker"], said["maker"])), ("Lúc", _moment(said["made_at"])),
            ("Người duyệt", wanted.people.get(said["checker"], said["checker"])), ("Lúc", _moment(said["signed_at"])),
            ("Mã số liệu (SHA-256)", said["digest"]),
        )  # fmt: skip
        for number, (label, value) in enumerate(about):
            sheet.write_string(number, 0, label, bold)
            if isinstance(value, str):
                sheet.write_string(number, 1, value)
            else:
                form = book.add_format({"num_format": value[1], "align": "left"})
                sheet.write_datetime(number, 1, value[0], form)
        titles = {said["bank"]: wanted.bank}
        with languages.speaking("vi"):
            for part, (title, columns) in _PARTS.items():
                _table(book, bold, title, columns, (_in_words(row, titles) for row in said["figures"][part]))
            kept = contents.items(session, wanted.close_id)
            rows = (_in_words({name: getattr(one, name) for name, _ in _ITEMS}, titles) for one in kept)
            _table(book, bold, "Từng dòng", _ITEMS, rows)


def _moment(written: str) -> str | tuple[datetime, str]:
    """Return a moment by Vietnam's clocks, as a cell has it, with its form; "" where there is none."""
    if not written:
        return ""
    return datetime.fromisoformat(written).astimezone(LOCAL).replace(tzinfo=None), "dd/mm/yyyy hh:mm"


def _in_words(row: Mapping[str, Any], titles: Titles) -> Mapping[str, Any]:
    """Return a row whose codes are said in words."""
    say: dict[str, Callable[[str], Any]] = {
        "kind": lambda kind: _KINDS[kind], "verdict": lambda verdict: close_words.VERDICTS[verdict],
        "account": lambda name: key_words.account(name, titles),
        "reference": lambda key: key_words.subject(key, titles),
        "subject": lambda key: key_words.subject(key, titles),
        "channel": lambda channel: words.CHANNELS.get(channel, channel) or "không nêu",
    }  # fmt: skip
    return {name: str(say[name](value)) if name in say else value for name, value in row.items()}


def _table(
    book: Any, bold: Any, title: str, columns: Sequence[tuple[str, str]], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write one table to a sheet of its own, and to further ones where it is longer than a sheet."""
    sheet, at = None, _PER_SHEET
    for row in _head_first(rows):
        if at >= _PER_SHEET and (row is not None or sheet is None):
            number = len(book.worksheets())
            sheet = book.add_worksheet(title if sheet is None else f"{title} {number}")
            for column, (_, label) in enumerate(columns):
                sheet.write_string(0, column, label, bold)
            at = 0
        if row is None or sheet is None:
            continue
        at += 1
        for column, (name, _) in enumerate(columns):
            _cell(sheet, at, column, name, row)


def _head_first(rows: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any] | None]:
    """Yield None once, for the head, then the rows: an empty table has its head all the same."""
    yield None
    yield from rows


def _cell(sheet: Any, at: int, column: int, name: str, row: Mapping[str, Any]) -> None:
    value = row[name]
    if not isinstance(value, int):
        sheet.write_string(at, column, str(value))
    elif name in _COUNTS or row["currency"] == "VND":
        sheet.write_number(at, column, value)
    else:
        # Exact as text: a cell's number is a float.
        sheet.write_string(at, column, Money(value, row["currency"]).decimal())
