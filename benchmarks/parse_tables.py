"""How fast bank tables are read, beside openpyxl and the csv module on the very same files; prints one JSON object."""

import csv
import json
import random
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from openpyxl import load_workbook

from banks import statements

XLSX_ROWS, CSV_ROWS = 50_000, 200_000
MANY_XLSX, MANY_CSV = 200_000, 1_000_000
HEAD = ["Số tài khoản: 0011223344556"]
HEADER = (
    "STT,Ngày giao dịch,Ngày hạch toán,Số bút toán,Phát sinh nợ,Phát sinh có,Số dư,Nội dung,"
    "Đơn vị thụ hưởng/Đơn vị chuyển,Tài khoản,Ngân hàng đối tác"
).split(",")
NAMES = "NGUYEN VAN AN,TRẦN THỊ BÍCH NGỌC,CTY TNHH SAO MAI,LÊ HOÀNG,PHẠM THU HÀ".split(",")
Row = list[str | int]


def rows(count: int) -> Iterator[Row]:
    """Yield a day of payments as MB exports them; amounts are numbers, 0 where no money moved that way."""
    chance, balance = random.Random(26), 1_000_000_000
    for n in range(1, count + 1):
        amount, inward = chance.randrange(50_000, 5_000_000), chance.random() < 0.97
        balance += amount if inward else -amount
        clock = f"{8 + n // 3600 % 10:02}:{n // 60 % 60:02}:{n % 60:02}"
        yield [
            n, f"05/11/2026 {clock}", "05/11/2026", f"FT26309{n:08}", 0 if inward else amount, amount if inward else 0,
            balance, f"PA{chance.randrange(10**9):011} TIEN DIEN T11/2026 chuyển khoản", NAMES[n % 5],
            f"0123{n:09}", "NH TMCP CONG THUONG VN",
        ]  # fmt: skip


def write_csv(path: Path, count: int, delimiter: str) -> None:
    """Write the rows with amounts as 1,234,567."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([HEAD, HEADER])
        for row in rows(count):
            writer.writerow([*row[:4], *(f"{amount:,}" for amount in row[4:7]), *row[7:]])


def write_xlsx(path: Path, count: int) -> None:
    """Write a workbook as Excel itself does: shared texts, UTF-8, a style on each cell, numbers without a type."""
    texts: dict[str, int] = {}
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        with package.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            sheet.write(f"<worksheet {main}><sheetData>".encode())
            for number, row in enumerate([HEAD, HEADER, *rows(count)], 1):
                cells = []
                for letter, cell in zip("ABCDEFGHIJK", row, strict=False):
                    value = cell if isinstance(cell, int) else texts.setdefault(cell, len(texts))
                    kind = "" if isinstance(cell, int) else ' t="s"'
                    cells.append(f'<c r="{letter}{number}" s="1"{kind}><v>{value}</v></c>')
                sheet.write(f'<row r="{number}" spans="1:11">{"".join(cells)}</row>'.encode())
            sheet.write(b"</sheetData></worksheet>")
        inside = "".join(f"<si><t>{text}</t></si>" for text in texts)
        package.writestr("xl/sharedStrings.xml", f"<sst {main}>{inside}</sst>")
        package.writestr(
            "xl/workbook.xml",
            f'<workbook {main} xmlns:r="{relation}"><sheets><sheet name="Sao kê" sheetId="1" r:id="rId1"/></sheets>'
            "</workbook>",
        )
        kinds = "http://schemas.openxmlformats.org/package/2006"
        package.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{kinds}/relationships"><Relationship Id="rId1" Type="{relation}/worksheet"'
            f' Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="{relation}/sharedStrings"'
            ' Target="sharedStrings.xml"/></Relationships>',
        )
        package.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{kinds}/relationships"><Relationship Id="rId1" Type="{relation}/officeDocument"'
            ' Target="xl/workbook.xml"/></Relationships>',
        )
        sheet_kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
        package.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{kinds}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{sheet_kind}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{sheet_kind}.worksheet+xml"/>'
            f'<Override PartName="/xl/sharedStrings.xml" ContentType="{sheet_kind}.sharedStrings+xml"/></Types>',
        )


def ours(path: Path) -> int:
    """Read with everything there is: lines, amounts, days, running balance, totals."""
    with path.open("rb") as file:
        return sum(1 for _ in statements.read(file)) - 2


def by_openpyxl(path: Path) -> int:
    """Read the cells in openpyxl's quickest way, and make nothing of them."""
    return sum(1 for _ in load_workbook(path, read_only=True).worksheets[0].iter_rows(values_only=True)) - 2


def by_csv(path: Path, delimiter: str) -> int:
    """Iterate over the csv module's rows, and make nothing of them."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return sum(1 for _ in csv.reader(file, delimiter=delimiter)) - 2


def by_csv_typed(path: Path, delimiter: str) -> int:
    """Make tuples with typed days and amounts of the csv module's rows: the least that a reader has to do."""
    count = 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(file, delimiter=delimiter):
            if len(row) > 7 and row[0].isdigit():
                day = (
                    time.strptime(row[2], "%d/%m/%Y")
                    if not count
                    else (int(row[2][6:]), int(row[2][3:5]), int(row[2][:2]))
                )
                amounts = [int(cell.replace(",", "")) for cell in row[4:7]]
                made = (day, row[3], amounts[1] - amounts[0], amounts[2], row[7], row[8], row[9])
                count += bool(made)
    return count


def rates(count: int, *readers: Callable[[], int]) -> list[float]:
    """Return rows a second of processor time for each reader: the median of three turns, taken in alternation."""
    spent: list[list[float]] = [[] for _ in readers]
    for _ in range(3):
        for reader, times in zip(readers, spent, strict=True):
            start = time.process_time()
            assert reader() == count
            times.append(time.process_time() - start)
    return [count / median(times) for times in spent]


def peak_mb(path: Path) -> int:
    """Read a file in a process of its own and return its peak memory."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.parse_tables", str(path)], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


def main() -> None:
    if len(sys.argv) > 1:
        ours(Path(sys.argv[1]))
        # Not ru_maxrss: that one still remembers the process which started this one.
        print(int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
        return
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="doisoat-tables-") as folder:
        book = Path(folder) / "book.xlsx"
        write_xlsx(book, XLSX_ROWS)
        mine, theirs = rates(XLSX_ROWS, lambda: ours(book), lambda: by_openpyxl(book))
        figures["xlsx"] = {
            "ours_rows_per_second": round(mine),
            "openpyxl": round(theirs),
            "ratio": round(mine / theirs, 1),
        }
        for name, delimiter in (("csv_semicolon", ";"), ("csv_comma_quoted", ",")):
            text = Path(folder) / "rows.csv"
            write_csv(text, CSV_ROWS, delimiter)
            mine, bare, typed = rates(
                CSV_ROWS,
                lambda: ours(text),  # noqa: B023 - called within the turn
                lambda: by_csv(text, delimiter),  # noqa: B023 - as above
                lambda: by_csv_typed(text, delimiter),  # noqa: B023 - as above
            )
            figures[name] = {
                "ours_rows_per_second": round(mine), "csv_bare": round(bare), "csv_typed": round(typed),
                "ratio_bare": round(mine / bare, 2), "ratio_typed": round(mine / typed, 2),
            }  # fmt: skip
        write_csv(text, MANY_CSV, ",")
        write_xlsx(book, MANY_XLSX)
        figures["peak_mb"] = {"csv_1m_rows": peak_mb(text), "xlsx_200k_rows": peak_mb(book)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
