"""Samples of each bank's export, fictitious, made after the layouts that are known: read to figures, or refused."""

import tomllib
from pathlib import Path

import pytest

from banks import statements
from banks.errors import Misconfigured, Unreadable
from banks.records import StatementClosed, StatementLine, StatementOpened
from banks.statements.layout import LABELS, Layout, choose
from banks.statements.layout_declared import layout_from
from banks.statements.layouts import LAYOUTS
from tests.banks.statements.table_files import MB, as_csv, parts, read

CORPUS = Path(__file__).parents[2] / "corpus"
# file → (format, kind, account, lines, credit total, debit total, balanced, faults) or the beginning of the refusal
EXPECTED = {
    "bidv/two-days-cp1258": ("csv.bidv", "statement", "21110000123456", 2, 350_000, -1_100, True, 0),
    "bidv/two-days-nfd": ("csv.bidv", "statement", "21110000123456", 2, 350_000, -1_100, True, 0),
    "bidv/two-days-utf16": ("csv.bidv", "statement", "21110000123456", 2, 350_000, -1_100, True, 0),
    "bidv/unreadable-no-such-day": "row 8, column B (Ngày hiệu lực): expected a day of the calendar written dd/mm/yyyy",
    "mb/day": ("csv.mb", "statement", "0680112233445", 4, 3_244_960, -22_000, True, 0),
    "mb/unbalanced-running-balance": ("csv.mb", "statement", "0680112233445", 4, 3_244_960, -22_000, True, 2),
    "mb/unreadable-foreign-separator": "row 10, column F (Phát sinh có): expected an amount such as 1,250,000.00, got",
    "vietcombank/day": ("csv.vietcombank", "notice", "0011000999888", 2, 1_234_567, -1_100, None, 0),
    "vietcombank/unreadable-mark": "row 4, column C (Thay đổi): expected one of +,",
    "vietinbank_efast/day": ("csv.vietinbank_efast", "statement", "117000012345", 3, 900_000, -1_000, True, 0),
    "vietinbank_efast/unreadable-both-sides": "row 10, column D (Nợ/ Debit): expected money in or money out in a row",
}
DECLARED = {
    "title": "Ngân hàng Sao Mai",
    "dates": ["dd.mm.yyyy"],
    "thousands": ".",
    "decimal": ",",
    "account": "190026112233",
    "columns": {"booked_on": "Ngày", "amount": ["Số tiền"], "narrative": "Diễn giải"},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_sample(name):
    data, expected = (CORPUS / f"{name}.table.csv").read_bytes(), EXPECTED[name]
    if isinstance(expected, str):
        with pytest.raises(Unreadable) as refused:
            read(data)
        assert str(refused.value).startswith(expected)
        return
    head, lines, foot = parts(data)
    assert (head.format, head.kind.value, head.account) == expected[:3]
    figures = (foot.lines, foot.credit_total.minor, foot.debit_total.minor, foot.balanced, len(foot.faults))
    assert figures == expected[3:]
    assert len(lines) == foot.lines
    assert sum(line.amount.minor for line in lines) == foot.credit_total.minor + foot.debit_total.minor


def test_no_sample_is_left_out_of_the_table():
    found = {f"{path.parent.name}/{path.name.removesuffix('.table.csv')}" for path in CORPUS.rglob("*.table.csv")}
    assert found == set(EXPECTED)


def test_encodings_and_normal_forms_of_one_table_read_the_same():
    first, *others = [
        read((CORPUS / "bidv" / f"two-days-{form}.table.csv").read_bytes()) for form in ("cp1258", "nfd", "utf16")
    ]
    assert others == [first, first]
    assert first[1].narrative == "PA00000000077 nộp tiền điện"


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: one.name)
def test_a_layout_recognises_its_own_words_and_no_other_layout_does(layout):
    header = [texts[0] for texts in layout.columns.values()]
    chosen = choose(LAYOUTS, header)
    assert chosen is not None
    assert chosen[0] is layout
    assert choose([one for one in LAYOUTS if one is not layout], header) is None


@pytest.mark.parametrize(
    "cell",
    ["Ngày hạch toán", "NGÀY HẠCH TOÁN", "Nga\u0300y ha\u0323ch toa\u0301n", "\ufeffNgày\u00a0hạch \n toán:",
     "Ngày hạch toán/ Accounting date", "Ngày hạch toán\nAccounting date", "  Ngày   hạch toán * "],
)  # fmt: skip
def test_header_words_are_told_whatever_their_form(cell):
    header = [cell, *MB[1][2:]]
    assert choose(LAYOUTS, header)[1]["booked_on"] == 0


def test_two_layouts_that_fit_equally_well_are_not_guessed_between():
    columns = {"booked_on": ("D",), "amount": ("A",), "narrative": ("N",)}
    one, other = (
        Layout(name, name, columns, ("dd/mm/yyyy",), mark) for name, mark in (("commas", ","), ("points", "."))
    )
    with pytest.raises(Unreadable, match="fit commas and points"):
        choose([one, other], ["D", "A", "N"])


def test_a_bank_may_declare_its_own_table():
    layout = layout_from(DECLARED, "sao_mai")
    data = as_csv([["Ngày", "Số tiền", "Diễn giải"], ["05.11.2026 08:00", "1.250.000,00", "vào"],
                   ["05.11.2026", "-1.000", "ra"]], ";")  # fmt: skip
    with pytest.raises(Unreadable):
        read(data)
    head, lines, foot = parts(data, own=statements.tables((layout, *LAYOUTS)))
    assert (head.format, head.account, head.kind.value) == ("csv.sao_mai", "190026112233", "notice")
    assert [line.amount.minor for line in lines] == [1_250_000, -1_000]
    assert foot.balanced is None


def test_a_declared_table_goes_before_a_built_in_one():
    columns = {"booked_on": "Ngày hạch toán", "credit": "Phát sinh có", "debit": "Phát sinh nợ"}
    own = layout_from({"columns": columns, "dates": ["dd/mm/yyyy"], "thousands": ","}, "mine")
    assert parts(as_csv(MB), own=statements.tables((own, *LAYOUTS)))[0].format == "csv.mine"


def test_the_declaration_in_the_docs_reads_a_table():
    page = (CORPUS.parents[1] / "docs" / "formats" / "tables.md").read_text("utf-8")
    declared = tomllib.loads(page.partition("```toml\n")[2].partition("```")[0])["banks"]["agribank"]["table"]
    own = statements.tables((layout_from(declared, "agribank"), *LAYOUTS))
    header = ["Ngày giao dịch", "Số bút toán", "Phát sinh nợ", "Phát sinh có", "Diễn giải"]
    rows = [["Số tài khoản", "1500201234567"], header, ["05/11/2026", "A1", "", "1.250.000,00", "x"]]
    head, lines, _ = parts(as_csv(rows, ";"), own=own)
    assert (head.account, lines[0].amount.minor, lines[0].bank_reference) == ("1500201234567", 1_250_000, "A1")


def test_the_samples_of_known_banks_in_the_docs_are_read_and_balance():
    page = (CORPUS.parents[1] / "docs" / "formats" / "tables.md").read_text("utf-8")
    samples = [block.partition("```")[0] for block in page.split("```csv\n")[1:]]
    assert [len(sample.splitlines()) for sample in samples] == [5] * len(LAYOUTS)
    read_as = {}
    for sample in samples:
        head, _, foot = parts(sample.encode())
        assert not foot.faults
        read_as[head.format] = (head.kind.value, foot.balanced)
    statement, notice = ("statement", True), ("notice", None)
    assert read_as == {
        "csv.bidv": statement, "csv.mb": statement, "csv.vietinbank_efast": statement, "csv.vietcombank": notice,
        "csv.vietcombank_cashup": statement,
    }  # fmt: skip


def test_labels_can_be_declared_one_by_one():
    layout = layout_from({**DECLARED, "labels": {"account": "TK số"}})
    assert (layout.labels["account"], layout.labels["closing"]) == (("TK số",), LABELS["closing"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"header": {}}, "got header"),
        ({"columns": None}, "columns: expected a table"),
        ({"columns": {"booked_on": 5, "amount": "A"}}, "columns.booked_on: expected a text"),
        ({"columns": {"booked_on": "D"}}, "expected either credit and debit or amount"),
        ({"columns": {"booked_on": "D", "amount": "A", "credit": "C"}}, "expected either credit and debit or amount"),
        ({"columns": {"booked_on": "D", "credit": "C", "mark": "M"}}, "expected the column mark beside amount"),
        (
            {"columns": {"booked_on": "D", "debit": "N"}},
            "credit and debit or amount among the columns, got debit",
        ),
        ({"columns": {"booked_on": "D", "credit": "C"}}, "got credit"),
        ({"columns": {"amount": "A"}}, "expected a column booked_on"),
        ({"columns": {"booked_on": "D", "amount": "A", "sum": "S"}}, "got sum"),
        ({"optional": "amount"}, "expected the columns of money not to be optional"),
        ({"dates": "mm/dd/yyyy"}, "got mm/dd/yyyy"),
        ({"dates": []}, "got none"),
        ({"thousands": "_"}, "expected a thousands separator"),
        ({"thousands": ","}, "expected the decimal mark to differ"),
        ({"thousands": None}, "thousands: expected a text"),
        ({"currency": "đ"}, "expected a currency of three letters"),
        ({"sheet": "("}, "got one that is broken"),
        ({"minus_out": "yes"}, "minus_out: expected true or false"),
        ({"labels": {"opening": ""}}, "labels.opening: expected a text"),
        ({"labels": {"balance": "x"}}, "expected labels among"),
    ],
)
def test_a_wrong_declaration_names_the_key(change, said):
    with pytest.raises(Misconfigured) as refused:
        layout_from({**DECLARED, **change})
    assert said in str(refused.value)


@pytest.mark.parametrize("key", ["columns", "dates", "thousands"])
def test_what_is_never_guessed_must_be_declared(key):
    with pytest.raises(Misconfigured, match=f"^{key}: expected it to be declared"):
        layout_from({name: value for name, value in DECLARED.items() if name != key})


def test_the_events_are_of_the_known_kinds():
    kinds = [type(event) for event in read(as_csv(MB))]
    assert kinds == [StatementOpened, StatementLine, StatementLine, StatementClosed]
