"""Tables for tests: rows into CSV bytes, and into workbooks as Excel writes them or as openpyxl does."""

import csv
import io
import zipfile
from xml.sax.saxutils import escape

from openpyxl import Workbook

from banks import statements
from banks.records import StatementClosed, StatementLine, StatementOpened
from banks.statements.csv_rows import column_letters

MB = [
    ["Số tài khoản: 0011223344556"],
    ["STT", "Ngày hạch toán", "Số bút toán", "Phát sinh nợ", "Phát sinh có", "Số dư", "Nội dung"],
    ["1", "05/11/2026 09:00:00", "FT1", "0", "500,000", "1,500,000", "PA00000000001 tiền điện"],
    ["2", "05/11/2026 09:00:01", "FT2", "200,000", "", "1,300,000", "phí"],
    ["", "", "", "200,000", "500,000", "", ""],
]
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def as_csv(rows, delimiter=",", encoding="utf-8"):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode(encoding)


def as_xlsx(*sheets, names=()):
    book = Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(names[number] if names else f"Sheet{number + 1}")
        for row in rows:
            sheet.append([None if cell == "" else cell for cell in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def package(sheet, shared=None, workbook="", parts=None, state=""):
    """A workbook of raw XML: `sheet` is what stands within sheetData, or a whole part when it begins with "<"."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(
            "xl/workbook.xml",
            workbook
            or f'<workbook {MAIN} xmlns:r="{RELATION}"><sheets><sheet name="S" sheetId="1"{state} r:id="r1"/>'
            "</sheets></workbook>",
        )
        made.writestr(
            "xl/_rels/workbook.xml.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            '<Relationship Id="r1" Target="worksheets/sheet1.xml"/></Relationships>',
        )
        made.writestr("xl/worksheets/sheet1.xml", sheet)
        if shared is not None:
            made.writestr("xl/sharedStrings.xml", shared)
        for name, data in (parts or {}).items():
            made.writestr(name, data)
    return out.getvalue()


def excel(rows, prefix="", gap="", quote='"'):
    """Rows as Excel writes them: shared texts and numbers; prefix, white space and quotes vary without meaning."""
    texts, lines = {}, []
    p = f"{prefix}:" if prefix else ""
    for number, row in enumerate(rows, 1):
        cells = ""
        for index, cell in enumerate(row):
            if cell == "":
                continue
            kind, value = (
                ("", cell) if isinstance(cell, int | float) else (' t="s"', texts.setdefault(cell, len(texts)))
            )
            cells += f'{gap}<{p}c r="{column_letters(index)}{number}" s="1"{kind}><{p}v>{value}</{p}v></{p}c>'
        lines.append(f'{gap}<{p}row r="{number}" spans="1:9">{cells}</{p}row>')
    main = MAIN.replace("xmlns", f"xmlns:{prefix}") if prefix else MAIN
    sheet = f"<{p}worksheet {main}><{p}sheetData>{''.join(lines)}</{p}sheetData></{p}worksheet>"
    inside = "".join(f"<{p}si><{p}t>{escape(text)}</{p}t></{p}si>" for text in texts)
    return package(sheet.replace('"', quote), f"<{p}sst {main}>{inside}</{p}sst>".replace('"', quote))


def read(data, **more):
    return list(statements.read(io.BytesIO(data), **more))


def parts(data, **more):
    """The only statement's head, its lines, its foot."""
    head, *lines, foot = read(data, **more)
    assert isinstance(head, StatementOpened)
    assert isinstance(foot, StatementClosed)
    assert all(isinstance(line, StatementLine) for line in lines)
    return head, lines, foot
