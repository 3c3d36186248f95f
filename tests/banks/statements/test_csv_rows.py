import csv
import io
import time
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks import statements
from banks.errors import Unreadable
from banks.statements import csv_rows
from banks.statements.layout_declared import layout_from
from banks.statements.layouts import LAYOUTS
from tests.banks.statements.table_files import MB, as_csv, parts, read
from tests.memory import forget_peak, peak


def rows_of(data, delimiter):
    batches = csv_rows._batches(csv_rows._chunks(data[:7], io.BytesIO(data[7:]), "utf-8"), delimiter.encode())
    got = []
    for batch in batches:
        assert list(batch.numbers) == list(range(len(got) + 1, len(got) + len(batch) + 1))
        got += [list(row) for row in batch.rows()]
        batch.squared(4)
        assert [batch.column(at) for at in range(4)] == [[row[at] for row in batch.rows()] for at in range(4)]
    return got


CELL = st.text(st.sampled_from('ab1,;|\t"\n\r \u1ed9ệ.\x1f\x1e'), max_size=6)


@given(
    st.lists(st.lists(CELL, min_size=1, max_size=4), min_size=1, max_size=6), st.sampled_from(",;|\t"), st.booleans()
)
@settings(deadline=None, max_examples=400, derandomize=True)
def test_rows_are_those_that_were_written(rows, delimiter, quoted):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL).writerows(rows)
    expected = [[cell.replace("\r\n", "\n").replace("\r", "\n") for cell in row] for row in rows]
    assert rows_of(out.getvalue().encode(), delimiter) == expected


@given(st.text(st.sampled_from('a1,"\n\r '), max_size=30))
@settings(deadline=None, max_examples=600, derandomize=True)
def test_any_text_is_parted_as_the_csv_module_does(text):
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        expected = [row or [""] for row in csv.reader(io.StringIO(plain, newline="\n"), strict=True)]
    except csv.Error:
        expected = None
    if expected is None:
        with pytest.raises(Unreadable, match=r"^row "):
            rows_of(text.encode(), ",")
    else:
        assert [row or [""] for row in rows_of(text.encode(), ",")] == expected


@pytest.mark.parametrize("delimiter", ",;\t|")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_and_delimiters(encoding, delimiter):
    assert read(as_csv(MB, delimiter, encoding)) == read(as_csv(MB))


def test_normal_form_d_is_composed():
    data = unicodedata.normalize("NFD", as_csv(MB).decode()).encode()
    assert read(data) == read(as_csv(MB))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end):
    assert read(as_csv(MB).decode().replace("\r\n", end).encode()) == read(as_csv(MB))


def test_a_line_end_within_a_cell_is_a_space():
    rows = [list(row) for row in MB]
    rows[2][6] = " hai\r\ndòng "
    assert parts(as_csv(rows))[1][0].narrative == "hai dòng"


def test_a_stream_that_gives_little_at_a_time_reads_the_same():
    class Slow(io.BytesIO):
        def read(self, size=-1, /):
            return super().read(min(size, 3))

    for encoding in ("utf-8", "utf-16"):
        assert list(statements.read(Slow(as_csv(MB, encoding=encoding)))) == read(as_csv(MB))


def test_a_line_that_says_which_separator_follows():
    assert read(b"sep=;\r\n" + as_csv(MB, ";")) == read(as_csv(MB))


def long(rows, head=MB[:2], bad=""):
    lines = [f'{n},05/11/2026,FT{n},0,"1,000","{1_000_000 + 1000 * n:,}",PA tien dien' for n in range(1, rows + 1)]
    return as_csv(head) + "\r\n".join([*lines, bad]).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (as_csv(MB).replace(b"FT1", b"FT\x00"), "below line 1: expected text, got a zero character"),
        (long(3000) + b"\xff\r\n", "below line"),
        (long(20, bad='21,05/11/2026,"F"T,0,1,2,x'), "row 23: expected quoted cells as CSV has them"),
        (long(20, bad='21,05/11/2026,"F'), "row 23: expected quoted cells as CSV has them"),
        (long(9, bad="x" * (csv_rows.MAX_LINE + 5)), "line 12: expected lines of at most"),
        (long(4000, bad="4001,05/11/2026,F,0,1.000,2,x"), "row 4003, column E (Phát sinh có): expected an amount"),
    ],
)
def test_damage_is_named_with_its_place(data, said):
    started = time.monotonic()
    with pytest.raises(Unreadable) as refused:
        read(data)
    assert str(refused.value).startswith(said)
    assert time.monotonic() - started < 5


def test_memory_does_not_grow_with_the_file():
    class Endless(io.RawIOBase):
        """A million rows, made as they are read."""

        def __init__(self):
            self.rest, self.n = as_csv(MB[:2]), 0

        def read(self, size=-1, /):
            while len(self.rest) < size and self.n < 300_000:
                self.rest += (
                    f"{self.n},05/11/2026,FT{self.n},0,1000,{1_000_000 + 1000 * self.n},PA tien dien\n".encode()
                )
                self.n += 1
            piece, self.rest = self.rest[:size], self.rest[size:]
            return piece

    before = forget_peak()
    assert sum(1 for _ in csv_rows.read(Endless(), statements.LAYOUTS)) == 300_002
    assert peak() - before < 40 * 1024


@given(st.data())
@settings(deadline=None, max_examples=300, derandomize=True)
def test_mutations_are_read_or_refused_and_nothing_else(data):
    encoding = data.draw(st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]))
    text = bytearray(as_csv(MB, data.draw(st.sampled_from(",;\t")), encoding))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with suppress(Unreadable):
        read(bytes(text))


DECLARED = {
    "title": "Sao Mai",
    "dates": ["dd/mm/yyyy"],
    "thousands": ".",
    "columns": {"booked_on": "Ngày", "debit": ["Tiền ra", "Nợ"], "credit": "Tiền vào", "narrative": "Diễn giải"},
}


def test_a_table_of_unknown_header_words_is_refused_with_the_nearest_row_and_what_it_lacks():
    rows = [["Sao kê"], ["STT", "Ngày hạch toán", "Phát sinh nợ", "Phát sinh có", "Nội dung"],
            ["1", "05/11/2026", "", "1,000", "NGUYEN VAN A 0912345678"]]  # fmt: skip
    for data in (as_csv(rows, ";"), as_csv(rows, "\t", "utf-16")):
        with pytest.raises(Unreadable) as refused:
            read(data)
        said = str(refused.value)
        assert "got a table whose header row is not known: nearest is row 2, which lacks the words Số dư of MB" in said
        assert "--bank NAME" in said
        assert "NGUYEN" not in said
        assert "678" not in said


def test_a_table_that_lacks_words_of_its_banks_declaration_is_told_those():
    own = statements.tables((layout_from(DECLARED, "sao_mai"), *LAYOUTS))
    rows = [["Ngày", "Ra", "Tiền vào", "Diễn giải"], ["05/11/2026", "", "1.000", "NGUYEN VAN A"]]
    with pytest.raises(Unreadable) as refused:
        read(as_csv(rows), own=own)
    said = str(refused.value)
    assert said.endswith("nearest is row 1, which lacks the words Tiền ra or Nợ of Sao Mai")
    with pytest.raises(Unreadable) as refused:
        read(as_csv([["a", "b", "c"]]), own=own)
    words = "Ngày, Tiền ra or Nợ, Tiền vào, Diễn giải"
    assert str(refused.value).endswith(f"header row is not known: no row has the words {words} of Sao Mai")


@pytest.mark.parametrize("data", [b"one,two\n", b"\x01,\x02,\x03,4\n", b"words, and no more\n"])
def test_bytes_that_are_no_table_are_not_called_one(data):
    with pytest.raises(Unreadable, match=r"got text of another kind$"):
        read(data)
