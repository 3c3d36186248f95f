"""Remarks on questions: kept with their author, sealed where they are files, and a question that rests comes back."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from reconciliation import ageing, case_links, mismatches, remarks
from reconciliation.remarks import NotRemarked
from tests.reconciliation.books import Books

PDF = b"%PDF-1.7 a receipt"


@pytest.fixture
def asked(books: Books) -> int:
    made: int = books.run(lambda s: mismatches.ask_one(s, code="M12", subject="payment:1", minor=5, now=books.now))
    return made


def attach(books: Books, asked: int, body: bytes, name: str = "r.pdf") -> Any:
    return books.run(lambda s: remarks.attach(s, asked, name, body, "", sealer=books.sealer, by="lan", now=books.now))


def rests(books: Books) -> Any:
    return books.one("SELECT rests_until FROM mismatches")


def test_evidence_is_sealed_kept_once_and_opens_to_what_was_given(books: Books, asked: int) -> None:
    kept = attach(books, asked, PDF, "../\u202eBiên lai.pdf\n")
    assert (kept.media_type, kept.name, kept.size) == ("application/pdf", "../Biên lai.pdf", len(PDF))
    assert PDF not in kept.body
    assert books.run(lambda s: remarks.opened(s, kept, books.sealer)) == PDF
    assert attach(books, asked, PDF).id == kept.id
    with pytest.raises(DBAPIError):
        books.run(lambda s: s.execute(text("UPDATE remarks SET text = 'x'")))


@pytest.mark.parametrize(
    ("name", "body"),
    [("b.XLSX", b"PK\x03\x04x"), ("b.zip", b"PK\x03\x04x"), ("b.csv", b"a;b"), ("b.eml", "Tên: a".encode("cp1258"))],
)
def test_documents_of_other_kinds_are_evidence_too(books: Books, asked: int, name: str, body: bytes) -> None:
    assert attach(books, asked, body, name).name == name


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("r.pdf", b"", "empty"),
        ("r.pdf", b"%PDF-" + bytes(remarks.MOST_BYTES), "too_large"),
        ("r.pdf", b"MZ\x90\0", "other_kind"),
        ("r.txt", b"a\0b", "other_kind"),
        ("r.csv", b"MZ of a program", "other_kind"),
        ("r.exe", b"MZ of a program", "no_kind"),
        ("r.pdf.exe", b"%PDF-1.7", "no_kind"),
        ("r.html", b"<script>", "no_kind"),
        ("pdf", b"%PDF-1.7", "no_kind"),
    ],
)
def test_a_file_that_is_no_evidence_is_refused(
    books: Books, asked: int, name: str, body: bytes, reason: str
) -> None:  # fmt: skip
    with pytest.raises(NotRemarked) as refused:
        attach(books, asked, body, name)
    assert refused.value.reason == reason
    assert books.one("SELECT count(*) FROM remarks") == 0


def test_a_trace_request_rests_until_the_bank_must_have_answered(books: Books, asked: int) -> None:
    with pytest.raises(NotRemarked, match="expected a trace request to answer"):
        books.run(lambda s: remarks.answer_trace(s, asked, "no money", by="lan", now=books.now))
    made = books.run(lambda s: remarks.trace(s, asked, "where is T1?", by="lan", now=books.now))
    assert made.until == date(2026, 11, 23), "three business days after Wednesday the 18th"
    assert rests(books) is not None
    books.run(lambda s: remarks.answer_trace(s, asked, "it never came", by="lan", now=books.now))
    assert rests(books) is None
    assert [row[0] for row in books.rows("SELECT kind FROM remarks ORDER BY id")] == ["trace", "trace_answer"]


def test_what_is_expected_until_a_day_is_no_exception_before_it_has_passed(books: Books, asked: int) -> None:
    until = date(2026, 11, 30)
    books.run(lambda s: remarks.expect(s, asked, until, "the bank settles monthly", by="lan", now=books.now))

    def count() -> int:
        return sum(one.questions for one in books.run(lambda s: ageing.aged(s, now=books.now)))

    assert count() == 0
    books.now += timedelta(days=13)
    assert count() == 1
    for day in (books.now.date() - timedelta(days=2), books.now.date() + timedelta(days=99)):
        with pytest.raises(NotRemarked, match="expected a day from"):
            books.run(lambda s, day=day: remarks.expect(s, asked, day, "why", by="lan", now=books.now))


def test_words_are_needed_and_a_settled_question_takes_comments_only(books: Books, asked: int) -> None:
    with pytest.raises(NotRemarked, match="expected words"):
        books.run(lambda s: remarks.comment(s, asked, "  ", by="lan", now=books.now))
    books.run(lambda s: mismatches.resolve(s, [asked], by="lan", resolution="done", now=books.now))
    books.run(lambda s: remarks.comment(s, asked, "for the record", by="lan", now=books.now))
    with pytest.raises(NotRemarked, match="expected a question that is not settled"):
        books.run(lambda s: remarks.trace(s, asked, "where?", by="lan", now=books.now))
    with pytest.raises(NotRemarked, match="expected the number of a question"):
        books.run(lambda s: remarks.comment(s, asked + 1, "x", by="lan", now=books.now))


def withdraw(books: Books, asked: int, remark: int, by: str = "lan") -> Any:
    return books.run(lambda s: remarks.withdraw(s, asked, remark, "another case was meant", by=by, now=books.now))


def test_evidence_taken_back_is_handed_to_nobody_and_may_be_attached_again(books: Books, asked: int) -> None:
    kept = attach(books, asked, PDF)
    gone = withdraw(books, asked, kept.id)
    assert (gone.kind, gone.withdraws, gone.text) == ("withdrawn", kept.id, "another case was meant")
    with pytest.raises(NotRemarked, match="is taken back"):
        books.run(lambda s: remarks.opened(s, kept, books.sealer))
    again = attach(books, asked, PDF)
    assert again.id > gone.id
    assert attach(books, asked, PDF).id == again.id
    assert books.run(lambda s: remarks.opened(s, again, books.sealer)) == PDF
    facts = books.rows("SELECT facts->>'kind', facts->>'remark' FROM audit WHERE action = 'remarked' ORDER BY id")
    assert facts[1] == ("withdrawn", str(kept.id))


def test_what_is_taken_back_is_ones_own_and_once(books: Books, asked: int) -> None:
    said = books.run(lambda s: remarks.comment(s, asked, "wrong", by="lan", now=books.now))
    rest = books.run(lambda s: remarks.trace(s, asked, "to the bank", by="lan", now=books.now))
    for who, number, reason in (("hoa", said.id, "not_own"), ("lan", rest.id, "no_remark"), ("lan", 0, "no_remark")):
        with pytest.raises(NotRemarked) as told:
            withdraw(books, asked, number, by=who)
        assert told.value.reason == reason
    withdraw(books, asked, said.id)
    with pytest.raises(NotRemarked, match="is taken back already"):
        withdraw(books, asked, said.id)


def test_evidence_stays_while_an_answer_may_rest_on_it_but_a_comment_may_go(books: Books, asked: int) -> None:
    kept = attach(books, asked, PDF)
    said = books.run(lambda s: remarks.comment(s, asked, "wrong", by="lan", now=books.now))
    books.as_owner("UPDATE mismatches SET state = 'proposed'")
    with pytest.raises(NotRemarked, match="no answer may rest on"):
        withdraw(books, asked, kept.id)
    assert withdraw(books, asked, said.id).withdraws == said.id
    books.as_owner("UPDATE mismatches SET state = 'resolved'")
    with pytest.raises(NotRemarked, match="no answer may rest on"):
        withdraw(books, asked, kept.id)
    again = books.run(lambda s: mismatches.ask_one(s, code="M12", subject="payment:1", minor=5, now=books.now))
    books.run(lambda s: case_links.link(s, asked, again, case_links.AGAIN, by="lan", now=books.now))
    assert withdraw(books, asked, kept.id).withdraws == kept.id
