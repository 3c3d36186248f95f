import datetime
import io
import random
import re
import time
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks.errors import Unreadable
from banks.money import dong
from banks.statements import xlsx_forms, xlsx_package, xlsx_rows, xlsx_scan, xlsx_texts
from tests.banks.statements.table_files import MAIN, MB, RELATION, as_csv, as_xlsx, excel, package, parts, read
from tests.memory import forget_peak, peak

NUMBERS = [
    MB[0],
    MB[1],
    [1, "05/11/2026 09:00:00", "FT1", 0, 500000, 1500000, "PA00000000001 tiền điện"],
    [2, "05/11/2026 09:00:01", "FT2", 200000, "", 1300000, "phí"],
    ["", "", "", 200000, 500000, "", ""],
]


def refusal(data):
    started = time.monotonic()
    with pytest.raises(Unreadable) as caught:
        read(data)
    assert time.monotonic() - started < 1
    return str(caught.value)


DAY = '<c r="B3" t="inlineStr"><is><t>05/11/2026</t></is></c>'
ACCOUNT = '<c r="B1"><v>1100</v></c>'


def one_cell(cell, *, shared=None, day=DAY, account=ACCOUNT):
    """A table whose third row has `day` in column B and `cell` in C to E, all of it raw XML."""
    texts = [f'<c r="{"ABCDEFG"[i]}2" t="inlineStr"><is><t>{text}</t></is></c>' for i, text in enumerate(MB[1])]
    third = f'{day}{cell}<c r="F3"><v>1500000</v></c><c r="G3" t="inlineStr"><is><t>x</t></is></c>'
    head = f'<row r="1"><c r="A1" t="inlineStr"><is><t>Số tài khoản</t></is></c>{account}</row>'
    body = f'{head}<row r="2">{"".join(texts)}</row><row r="3">{third}</row>'
    return package(f"<worksheet {MAIN}><sheetData>{body}</sheetData></worksheet>", shared)


def events_but_format(data):
    head, *rest = read(data)
    return [(head.id, head.account, head.opening, head.closing, head.kind), *rest]


@pytest.mark.parametrize("rows", [MB, NUMBERS])
def test_every_way_of_writing_a_workbook_reads_as_the_csv_does(rows):
    expected = events_but_format(as_csv(MB))
    for data in (
        as_xlsx(rows), excel(rows), excel(rows, prefix="x"), excel(rows, gap="\n  "), excel(rows, quote="'"),
        excel(rows).replace(b"", b""),
    ):  # fmt: skip
        assert events_but_format(data) == expected


def test_dates_as_excel_counts_them_from_1900_and_from_1904():
    for cell in (datetime.date(2026, 11, 5), datetime.datetime.fromisoformat("2026-11-05T23:59:59")):
        rows = [*NUMBERS[:2], [1, cell, "FT1", 0, 500000, 1500000, "x"]]
        assert parts(as_xlsx(rows))[1][0].booked_on == datetime.date(2026, 11, 5)
    sheet = '<sheet name="S" sheetId="1" r:id="r1"/>'
    book = f'<workbook {MAIN} xmlns:r="{RELATION}"><workbookPr date1904="1"/><sheets>{sheet}</sheets></workbook>'
    serial = (datetime.date(2026, 11, 5) - datetime.date(1904, 1, 1)).days
    rows = [*NUMBERS[:2], [1, serial, "FT1", 0, 500000, 1500000, "x"]]
    data = io.BytesIO(excel(rows))
    with zipfile.ZipFile(data) as old, zipfile.ZipFile(again := io.BytesIO(), "w") as new:
        for name in old.namelist():
            new.writestr(name, book if name == "xl/workbook.xml" else old.read(name))
    assert parts(again.getvalue())[1][0].booked_on == datetime.date(2026, 11, 5)


@pytest.mark.parametrize(
    ("value", "minor"),
    [("500000", 500000), ("500000.0", 500000), ("5E5", 500000), ("5.0000E+5", 500000), ("500000.00000000006", 500000)],
)
def test_numbers_are_exact(value, minor):
    assert parts(one_cell(f'<c r="E3"><v>{value}</v></c>'))[1][0].amount == dong(minor)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ('<c r="E3"><v>500000.5</v></c>', "sheet 1, E3 (Phát sinh có): expected an amount in VND with 0 decimals"),
        ('<c r="E3"><v>-5</v></c>', "sheet 1, E3 (Phát sinh có): expected an amount without a sign"),
        ('<c r="E3"><v>1E300</v></c>', "sheet 1, E3: expected a number"),
        ('<c r="E3"><v>1E20</v></c>', "sheet 1, E3 (Phát sinh có): expected an amount below"),
        ('<c r="E3"><v>NaN</v></c>', "sheet 1, E3: expected a number, got words"),
        ('<c r="E3"><v>1_000</v></c>', "sheet 1, E3: expected a number"),
        ('<c r="E3"><v>٥</v></c>', "sheet 1, E3: expected a number"),
        ('<c r="E3" t="e"><v>#REF!</v></c>', "sheet 1, E3 (Phát sinh có): expected an amount such as"),
        ('<c r="E3" t="b"><v>1</v></c><c r="E3"><v>1</v></c>', "sheet 1, row 3: expected each cell to the right"),
        ('<c r="E3" t="s"><v>7</v></c>', "sheet 1, E3: expected the number of one of 0 shared texts, got 7"),
        ('<c r="E3" t="s"><v>x</v></c>', "sheet 1, E3: expected the number of a shared text"),
        ('<c r="E3" t="inlineStr"><is><t>1.000</t></is></c>', "sheet 1, E3 (Phát sinh có): expected an amount such as"),
        ('<c r="A3"><v>1</v></c>', "sheet 1, row 3: expected each cell to the right of the one before"),
        ('<c r="XFD3"><v>1</v></c>', "sheet 1, row 3: expected each cell to the right of the one before"),
        (
            '<c r="E3" t="b"><v>1</v></c>',
            "sheet 1, E3 (Phát sinh có): expected an amount such as 1,250,000.00, got words",
        ),
        ('<c r="E3" t="b"><f>A1</f><v>0</v></c>', "sheet 1, E3 (Phát sinh có): expected an amount such as"),
        ('<c r="E3" t="b"><v>7</v></c>', "sheet 1, E3: expected 1 or 0 for true or false, got '7'"),
        ('<c r="E3"><f>SUM(E1:E2)</f></c>', "sheet 1, E3: expected the value of a formula, got none"),
        ('<c r="E3"><f>SUM(E1:E2)</f><v></v></c>', "sheet 1, E3: expected the value of a formula, got none"),
        ('<c r="E3"><f t="shared" si="0"/><v/></c>', "sheet 1, E3: expected the value of a formula, got none"),
        ('<c r="E3" t="str"><f>A1</f></c>', "sheet 1, E3: expected the value of a formula, got none"),
        ('<c r="E3"><v>&bad;</v></c>', ""),
        ('<c r="E3"><v>1</w></c>', ""),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(cell, said):
    assert refusal(one_cell(cell)).startswith(said)


def test_formulas_rich_texts_and_escapes():
    shared = f"<sst {MAIN}><si><r><t>1,2</t></r><r><rPr/><t>50</t></r><rPh><t>no</t></rPh></si></sst>"
    assert parts(one_cell('<c r="E3" t="s"><v>0</v></c>', shared=shared))[1][0].amount == dong(1250)
    assert parts(one_cell('<c r="E3"><f>SUM(E1:E2)</f><v>7</v></c>'))[1][0].amount == dong(7)
    assert parts(one_cell('<c r="E3" t="str"><f>"7"</f><v>7</v></c>'))[1][0].amount == dong(7)
    assert parts(one_cell('<c r="D3" t="str"><f>IF(A1,"",1)</f><v></v></c><c r="E3"><v>7</v></c>'))[1][
        0
    ].amount == dong(7)
    inline = '<c r="E3" t="inlineStr"><is><r><t>&#49;</t></r><r><t>_x0030_</t></r></is></c>'
    assert parts(one_cell(inline))[1][0].amount == dong(10)
    assert parts(one_cell('<c r="E3"><v>7</v></c><!-- <c r="F3"/> -->'))[1][0].amount == dong(7)
    assert xlsx_texts.clear("a&amp;b&#x1EC7;_x000D_&lt;") == "a&bệ\r<"


def test_a_truth_in_a_text_is_told_as_excel_shows_it():
    cells = '<c r="C3" t="b"><v>0</v></c><c r="E3"><v>7</v></c>'
    assert [line.bank_reference for line in parts(one_cell(cells))[1]] == ["FALSE"]
    assert [line.bank_reference for line in parts(one_cell(cells + "<!-- plainly -->"))[1]] == ["FALSE"]


PLAINLY = ("", "<!-- plainly -->")


@pytest.mark.parametrize("way", PLAINLY)
@pytest.mark.parametrize("digits", ["123456789012345", "1234567890123456", "123456789012345678901234567890"])
def test_a_long_number_in_a_text_keeps_every_digit_of_the_file(digits, way):
    cells = f'<c r="C3"><v>{digits}</v></c><c r="E3"><v>7</v></c>{way}'
    head, lines, _ = parts(one_cell(cells, account=f'<c r="B1"><v>{digits}</v></c>{way}'))
    assert head.account == digits
    assert [line.bank_reference for line in lines] == [digits]


@pytest.mark.parametrize("way", PLAINLY)
@pytest.mark.parametrize("value", ["1.2345678901234567E+18", "1E15", "1234567890123456.5", "-1234567890123456"])
def test_a_long_number_that_is_not_plain_digits_is_no_reference_and_no_account(value, way):
    cell = f'<c r="C3"><v>{value}</v></c>'
    said = refusal(one_cell(f'{cell}<c r="E3"><v>7</v></c>{way}'))
    assert said == "sheet 1, C3 (Số bút toán): expected all digits of a number, got one that Excel has rounded"
    said = refusal(one_cell('<c r="E3"><v>7</v></c>', account=f'<c r="B1"><v>{value}</v></c>{way}'))
    assert said.startswith("expected the account number beside one of")
    unread = one_cell(f'<c r="E3"><v>7</v></c>{way}', day=f'<c r="A3"><v>{value}</v></c>{DAY}')
    assert parts(unread)[1][0].amount == dong(7)


@pytest.mark.parametrize("way", PLAINLY)
@pytest.mark.parametrize(
    "value", ["1234567890123456", "1234567890123450", "1.234567890123456E+15", "999999999999999.9"]
)
def test_a_long_number_is_no_amount_and_no_day(value, way):
    said = refusal(one_cell(f'<c r="E3"><v>{value}</v></c>{way}'))
    assert said.startswith("sheet 1, E3 (Phát sinh có): expected an amount ")
    said = refusal(one_cell(f'<c r="E3"><v>7</v></c>{way}', day=f'<c r="B3"><v>{value}</v></c>'))
    assert said.startswith("sheet 1, B3 (Ngày hạch toán): expected a day as Excel counts them")


def test_hidden_sheets_are_left_out_and_every_visible_one_is_read():
    sheet = zipfile.ZipFile(io.BytesIO(excel(MB))).read("xl/worksheets/sheet1.xml").decode()
    shared = zipfile.ZipFile(io.BytesIO(excel(MB))).read("xl/sharedStrings.xml").decode()
    assert refusal(package(sheet, shared, state=' state="hidden"')).startswith(
        "expected within 200 rows the header row"
    )
    other = [list(row) for row in MB]
    other[0] = ["Số tài khoản: 0099"]
    heads = [event.account for event in read(as_xlsx(MB, [["ghi chú"]], other)) if hasattr(event, "account")]
    assert heads == ["0011223344556", "0099"]


def test_rows_and_cells_that_name_no_place_stand_one_after_the_other():
    sheet = zipfile.ZipFile(io.BytesIO(excel(NUMBERS))).read("xl/worksheets/sheet1.xml").decode()
    full = [row if len(row) == 7 else row + [""] * 6 for row in NUMBERS[:3]]
    data = zipfile.ZipFile(io.BytesIO(excel(full)))
    sheet = re.sub(r' r="[A-Z]*\d+"', "", data.read("xl/worksheets/sheet1.xml").decode())
    assert parts(package(sheet, data.read("xl/sharedStrings.xml").decode()))[1][0].amount == dong(500000)


def test_rows_out_of_order_are_refused():
    head = f"<worksheet {MAIN}><sheetData>"
    said = refusal(package(head + '<row r="2"/><row r="2"/></sheetData></worksheet>'))
    assert said == "sheet 1, row 2: expected rows in ascending order up to 1048576"


# ── both ways of reading rows agree ──────────────────────────────────────────────────────────────────────────────────

VALUE = st.one_of(
    st.integers(0, 10**9).map(lambda n: f"<v>{n}</v>"),
    st.sampled_from(["<v>1.5</v>", "<v></v>", "<v/>", "", "<f>A1</f><v>3</v>", "<f/><v>2</v>", "<v>-7</v>"]),
    st.sampled_from(["<f>A1</f><v></v>", "<f>A1</f>"]),
    st.sampled_from(["<v> 5</v>", "<v>x</v>", "<v>1234567890123456</v>", "<v>1E16</v>", "<v>1234567890123456.5</v>"]),
    st.sampled_from(["a", "ệ &amp; b", "", " c ", "_x0041_", "&#10;"]).map("<is><t>{}</t></is>".format),
)  # fmt: skip
CELL = st.tuples(
    st.sampled_from("ABCDE"),
    st.sampled_from(["", ' s="3"']),
    st.sampled_from(["", ' t="n"', ' t="str"', ' t="s"', ' t="b"']),
    VALUE,
)


@st.composite
def sheets(draw):
    lines, last = [], 0
    for _ in range(draw(st.integers(1, 8))):
        last += draw(st.integers(1, 3))
        cells = draw(st.lists(CELL, max_size=4, unique_by=lambda cell: cell[0]))
        body = ""
        for letter, style, kind, value in sorted(cells):
            kind_ = ' t="inlineStr"' if value.startswith("<is>") else kind
            body += f'<c r="{letter}{last}"{style}{kind_}>{value}</c>' if value else f'<c r="{letter}{last}"{style}/>'
        odd = draw(st.sampled_from(["", "", "", "<!--x-->", " ", "<extra/>"]))
        gap, high = draw(st.sampled_from(["", "\n"])), draw(st.sampled_from(["", ' ht="1"']))
        lines.append(f'{gap}<row r="{last}"{high}>{body}{odd}</row>')
    return f"<worksheet {MAIN}><sheetData>{''.join(lines)}</sheetData><pageMargins/></worksheet>"


def cells_of(sheet, regular):
    shared = xlsx_texts.SharedTexts()
    shared.add([f"text {n}" for n in range(6)])
    forms, found, quick = xlsx_forms.RowForms(shared), {}, 0
    try:
        for piece in xlsx_scan.scan(io.BytesIO(sheet.encode()), "sheetData", "row", regular):
            quick += isinstance(piece, str)
            batch = forms.batch(piece) if isinstance(piece, str) else xlsx_rows._single(piece, shared, 0)
            for number, row in zip(batch.numbers, batch.rows(), strict=True):
                found[number] = {at: str(cell) for at, cell in enumerate(row) if cell != ""}
    except xlsx_forms.RowError as error:
        return "refused", quick, error.number
    return found, quick, 0


NEVER = re.compile("(?!)|")


def test_the_quick_way_and_the_plain_one_read_the_same_rows():
    taken = []

    @given(sheets())
    @settings(deadline=None, max_examples=500, derandomize=True)
    def compare(sheet):
        quick, plain = cells_of(sheet, xlsx_forms.REGULAR), cells_of(sheet, NEVER)
        assert (quick[0] == "refused") == (plain[0] == "refused")
        if quick[0] != "refused":
            assert quick[0] == plain[0]
        taken.append(quick[1])
        assert plain[1] == 0

    compare()
    assert sum(map(bool, taken)) > len(taken) / 3


def test_more_forms_than_are_learned_read_the_same(monkeypatch):
    chance = random.Random(5)
    rows = [*NUMBERS[:2]]
    balance = 1_000_000
    for n in range(60):
        balance += n + 1
        a, b, c, d = (cell if chance.random() < 0.5 else "" for cell in (n, f"F{n}", 0, "x"))
        rows.append([a, "05/11/2026", b, c, n + 1, balance, d])
    expected = read(excel(rows))
    monkeypatch.setattr(xlsx_forms, "_MAX_FORMS", 2)
    assert read(excel(rows)) == expected
    assert len(expected) == 62


def broken(data):
    """A workbook in which one byte of the sheet's packed rows is another one."""
    at = data.index(b"xl/worksheets/sheet1.xml") + 80
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


# ── bombs and damage ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_bombs_are_refused_by_what_the_zip_declares():
    sheet = f"<worksheet {MAIN}><sheetData>" + " " * (60 * 1024 * 1024)
    assert "expected a workbook, got one that unfolds" in refusal(package(sheet))
    many = {f"xl/{n}.bin": b"" for n in range(xlsx_package.MAX_PARTS + 1)}
    assert "parts, got" in refusal(package("<a/>", parts=many))


def test_far_cells_take_no_memory():
    before = forget_peak()
    head = f"<worksheet {MAIN}><sheetData><row r='1'><c r='A1'/></row>"
    assert refusal(package(f"{head}<row r='1048576'><c r='IV1048576'><v>1</v></c></row></sheetData></worksheet>"))
    assert refusal(package(f'{head}<row r="9999999"/></sheetData></worksheet>')).startswith("sheet 1, row 9999999")
    assert peak() - before < 20 * 1024


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (package(f"<!DOCTYPE x [<!ENTITY a 'b'>]><worksheet {MAIN}><sheetData/></worksheet>"), "without a DOCTYPE"),
        (package(f"<worksheet {MAIN}><sheetData><row r='1'>"), "expected well-formed XML"),
        (package("<a/>", workbook="<b/>"), "expected a workbook with sheets inside it"),
        (package("<a/>", workbook="<b"), "expected well-formed XML"),
        (excel(MB)[:-300], "expected a whole zip file"),
        (broken(excel(MB)), "expected a whole XLSX workbook, got: "),
    ],
)
def test_damage_is_refused(data, said):
    assert said in refusal(data)


def test_a_locked_workbook_is_refused():
    data = bytearray(excel(MB))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.index(magic)
        data[start + at] |= 1
    assert "without a password" in refusal(bytes(data))


@given(st.data())
@settings(deadline=None, max_examples=250, derandomize=True)
def test_mutations_of_the_parts_are_read_or_refused_and_nothing_else(data):
    whole = zipfile.ZipFile(io.BytesIO(excel(NUMBERS)))
    parts_ = {name: bytearray(whole.read(name)) for name in whole.namelist()}
    text = parts_[data.draw(st.sampled_from(sorted(parts_)))]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 4))] = data.draw(
            st.binary(max_size=3)
            | st.sampled_from([b"<", b"&", b"</c>", b"<v>9</v>", b'"', b"</row>", b"<!--", b"]]>"])
        )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, content in parts_.items():
            made.writestr(name, bytes(content))
    with suppress(Unreadable):
        read(out.getvalue())


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=4))
@settings(deadline=None, max_examples=250, derandomize=True)
def test_mutations_of_the_zip_are_read_or_refused_and_nothing_else(at, piece):
    data = excel(MB)
    at %= len(data)
    with suppress(Unreadable):
        read(data[:at] + piece + data[at + len(piece) :])
