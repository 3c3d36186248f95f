"""Reports: every row, its age in the span finance reports by, and sums that are the ledger's."""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from reconciliation import ageing, ledger, mismatches, remarks, reports, settlements
from reconciliation.placements import Place
from tests.reconciliation.books import CODE, Books, a_bill, a_line, a_notice


def rows(books: Books, name: str, days: int = 0, bank: str = "") -> list[dict[str, Any]]:
    def act(session: Session) -> list[dict[str, Any]]:
        found = reports.rows(session, reports.REPORTS[name], bank=bank, now=books.now + timedelta(days=days))
        return [dict(row._mapping) for row in found]

    made: list[dict[str, Any]] = books.run(act)
    for one in made:
        assert list(one) == list(reports.REPORTS[name].columns)
    return made


def fill(books: Books) -> None:
    books.issue(a_bill())
    books.hear(a_notice("T1", 130_000), a_notice("T2", 50_000, code=""))
    books.hear(a_notice("T3", 70_000, code=""), source="other")
    books.read(a_line(20_000, narrative=CODE), id="S9", bank="other")


def test_suspense_sums_to_the_ledgers_suspense(sound_books: Books) -> None:
    fill(sound_books)
    found = rows(sound_books, "suspense")
    assert [(row["reference"], row["left"], row["code"]) for row in found[:3]] == [
        ("T1", 50_000, "M03"), ("T2", 50_000, "M12"), ("T3", 70_000, "M12"),
    ]  # fmt: skip
    assert -sum(row["left"] for row in found) == sound_books.balances()["suspense"]
    assert {row["bank"] for row in rows(sound_books, "suspense", bank="other")} == {"other"}


def test_ageing_says_what_the_page_says_in_each_span(sound_books: Books) -> None:
    fill(sound_books)
    for days, span in ((0, "0-1"), (1, "0-1"), (2, "2-3"), (7, "4-7"), (8, "8-"), (400, "8-")):
        found = rows(sound_books, "ageing", days)
        assert {row["span"] for row in found} == {span}
        now = sound_books.now + timedelta(days=days)
        paged = {one.span: one for one in sound_books.run(lambda session, now=now: ageing.aged(session, now=now))}
        assert sum(row["questions"] for row in found) == paged[span].questions
        assert sum(row["amount"] for row in found) == paged[span].minor
        # M03 is due in three business days, M12 in five, one of which is a holiday.
        assert sum(row["overdue"] for row in found) == {0: 0, 1: 0, 2: 0, 7: 1, 8: 1}.get(days, paged[span].questions)


def test_ageing_counts_what_rests_and_says_how_much_it_is(sound_books: Books) -> None:
    fill(sound_books)
    asked = sound_books.one("SELECT id FROM mismatches WHERE code = 'M03'")
    until = sound_books.now.date() + timedelta(days=9)
    sound_books.run(lambda s: remarks.expect(s, asked, until, "it comes monthly", by="lan", now=sound_books.now))

    def said(days: int) -> list[tuple[int, int, int, int]]:
        names = ("questions", "resting", "amount", "resting_amount")
        return [tuple(row[name] for name in names) for row in rows(sound_books, "ageing", days) if row["code"] == "M03"]

    [(questions, resting, minor, of_resting)] = said(0)
    assert (questions, resting, of_resting) == (1, 1, minor)
    paged = sound_books.run(lambda session: ageing.aged(session, now=sound_books.now))
    found = rows(sound_books, "ageing")
    assert sum(row["questions"] - row["resting"] for row in found) == sum(one.questions for one in paged)
    assert sum(row["amount"] - row["resting_amount"] for row in found) == sum(one.minor for one in paged)
    assert said(12) == [(1, 0, minor, 0)]


def test_every_question_is_listed_also_when_it_is_settled(books: Books) -> None:
    fill(books)
    first = books.one("SELECT min(id) FROM mismatches")
    later = books.now + timedelta(days=3)
    books.as_owner("UPDATE mismatches SET opened_at = opened_at - interval '1 hour'")
    books.run(lambda session: mismatches.resolve(session, [first], by="lan", resolution="=cmd()", now=later))
    found = rows(books, "mismatches", days=10)
    assert len(found) == books.one("SELECT count(*) FROM mismatches")
    by_id = {row["id"]: row for row in found}
    settled = by_id.pop(first)
    assert (settled["state"], settled["days"], settled["span"], settled["resolution"]) == (
        "resolved", 3, "2-3", "=cmd()",
    )  # fmt: skip
    assert {row["days"] for row in by_id.values()} == {10}
    assert {row["owner"] for row in found} <= {"accountant", "liaison"}


def test_fees_sum_to_the_ledgers_accounts_of_fees(sound_books: Books) -> None:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice("T1", 99_000))
    bill, asked = sound_books.one("SELECT id FROM bills"), sound_books.one("SELECT id FROM mismatches")
    place = Place("difference", 1_000, "expense:bank-fees", bill_id=bill)
    sound_books.run(
        lambda session: settlements.propose(
            session, asked, places=[place], why="kept by the bank", by="lan", now=sound_books.now
        )
    )
    [row] = rows(sound_books, "fees")
    assert (row["account"], row["amount"], row["bank"]) == ("expense:bank-fees", 1_000, "")
    assert row["amount"] == sound_books.balances()["expense:bank-fees"]
    assert rows(sound_books, "fees", bank="standard") == []


def test_a_fee_stands_with_the_bank_that_took_it(books: Books) -> None:
    wanted = """
        SELECT 'fee:1' AS key, 'other' AS bank, CAST('2026-11-18' AS date) AS business_date, 'netted' AS memo,
            'input-vat' AS debit, 'bank:other\\:outgoing' AS credit, 100 AS minor, 'VND' AS currency,
            CAST(:now AS timestamptz) AS at
    """
    books.run(lambda session: ledger.post(session, wanted, {"now": books.now}))
    [row] = rows(books, "fees", bank="other")
    assert (row["bank"], row["amount"]) == ("other", 100)
