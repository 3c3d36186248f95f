"""Reports as files: complete, in the language that was asked for, in memory that does not grow with them."""

import io

import openpyxl
import pytest
from sqlalchemy import text

from gateway import languages, reports
from gateway.admin import report_words
from gateway.database import transaction
from reconciliation.reports import OF_ONE, REPORTS
from tests import memory

ROWS = 12_000


def in_words(name: str, language: str = "vi") -> reports.Written:
    with languages.speaking(language):
        return reports.in_words(name)


@pytest.fixture
def suspense(wiring):
    """Many payments that are matched to nothing."""
    with transaction(wiring.engine) as session:
        session.execute(
            text(
                "INSERT INTO payments (source, source_reference, minor, currency, business_date, origin, narrative,"
                " created_at) SELECT 'standard', 'T' || n, 1000 + n, 'VND', '2026-11-18', 'callback',"
                " repeat('x', 200), now() FROM generate_series(1, :rows) n"
            ),
            {"rows": ROWS},
        )


def test_every_report_has_its_words_in_both_languages():
    known = {**REPORTS, **OF_ONE}
    assert set(report_words.TITLES) == set(report_words.MEANINGS) == set(known)
    for name, report in known.items():
        vi, en = in_words(name), in_words(name, "en")
        assert len(vi.headers) == len(set(vi.headers)) == len(report.columns)
        assert vi.headers != en.headers
    assert in_words("suspense").headers[:2] == ["Ngân hàng", "Tham chiếu"]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_report_is_whole_and_memory_stays_flat(wiring, suspense, tmp_path, form):
    written = in_words("suspense", "en")
    with (tmp_path / "warm").open("wb") as file:
        reports.write(wiring, written, form, file, bank="nobody")
    path = tmp_path / f"report.{form}"
    before = memory.forget_peak()
    with path.open("wb") as file:
        assert reports.write(wiring, written, form, file) == ROWS
    # Held at once, the rows alone would take some 15 MB.
    assert memory.peak() - before < 6_000
    if form == "csv":
        lines = path.read_text("utf-8-sig").splitlines()
        assert len(lines) == ROWS + 1
        assert sum(int(line.split(",")[7]) for line in lines[1:]) == sum(1000 + n for n in range(1, ROWS + 1))
    else:
        [sheet] = openpyxl.load_workbook(io.BytesIO(path.read_bytes()), read_only=True).worksheets
        assert sum(1 for _ in sheet.iter_rows()) == ROWS + 1


def test_codes_are_said_in_words_and_foreign_money_in_its_own_places(wiring, one):
    with transaction(wiring.engine) as session:
        session.execute(
            text(
                "INSERT INTO mismatches (code, subject, source, minor, currency, owner, opened_at, due_at)"
                " VALUES ('M13', '=file', 'standard', 1250, 'USD', 'liaison', :now, '2026-12-08T17:00:00Z')"
            ),
            {"now": wiring.clock()},
        )
    file = io.BytesIO()
    assert reports.write(wiring, in_words("mismatches", "en"), "csv", file) == 1
    _, row = file.getvalue().decode("utf-8-sig").splitlines()
    assert "M13,File missing,Ngân hàng Sao Mai,'=file," in row
    assert row.endswith(",standard,'=file,"), "codes for programs"
    assert ",USD,12.50,open question,Bank liaison," in row
    assert ",2026-12-08," in row, "the day by whose end it is due"
