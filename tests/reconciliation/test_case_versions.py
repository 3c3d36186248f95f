"""Two people on one case: what changed meanwhile is told, and of two answers at once one holds, whoever checks."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from reconciliation import case_versions, case_visits, remarks, settlements
from reconciliation.case_versions import Changed, Version
from reconciliation.mismatches import Mismatch, NotSettled
from tests.reconciliation.books import Books, a_bill, a_notice


@pytest.fixture
def deposit(sound_books: Books) -> Iterator[Books]:
    sound_books.issue(a_bill())
    sound_books.hear(a_notice(code="", narrative="tien dien"))
    return sound_books


def case(books: Books) -> int:
    return int(books.one("SELECT id FROM mismatches WHERE code = 'M12'"))


def read(books: Books) -> Version:
    found: Version = books.run(lambda s: case_versions.version(s, s.get_one(Mismatch, case(books))))
    return found


def settle(session: Session, books: Books, by: str) -> Any:
    bill = session.scalar(text("SELECT id FROM bills"))
    return settlements.propose(session, case(books), settles={bill: 100_000}, why="receipt", by=by, now=books.now)


def test_a_version_is_read_back_as_it_was_written(deposit: Books) -> None:
    made = read(deposit)
    assert Version.of(str(made)) == made
    assert [Version.of(one) for one in ("", "1-2", "a-1-x", "1-²-x", "1-2-3-4")] == [None] * 5


def test_a_case_that_has_not_changed_is_held(deposit: Books) -> None:
    known = read(deposit)
    deposit.run(lambda s: case_versions.hold(s, case(deposit), known))


def test_who_did_what_meanwhile_is_told(deposit: Books) -> None:
    known, asked = read(deposit), case(deposit)
    deposit.run(lambda s: remarks.comment(s, asked, "the payer calls at noon", by="hoa", now=deposit.now))
    deposit.now += timedelta(minutes=1)
    deposit.run(lambda s: settle(s, deposit, "hoa"))
    with pytest.raises(Changed) as refused:
        deposit.run(lambda s: case_versions.hold(s, asked, known))
    assert [(one.by, one.kind, one.what) for one in refused.value.meanwhile] == [
        ("hoa", "comment", "comment"), ("hoa", "move", "proposed"), ("hoa", "move", "resolved"),
    ]  # fmt: skip


def test_what_was_found_about_the_money_changes_the_case_too(deposit: Books) -> None:
    known = read(deposit)
    deposit.run(lambda s: s.execute(text("UPDATE mismatches SET minor = minor - 1")))
    with pytest.raises(Changed) as refused:
        deposit.run(lambda s: case_versions.hold(s, case(deposit), known))
    assert list(refused.value.meanwhile) == []
    deposit.run(lambda s: s.execute(text("UPDATE mismatches SET minor = minor + 1")))


def test_of_two_people_who_answer_at_once_over_two_connections_one_wins(deposit: Books) -> None:
    known, together, outcomes = read(deposit), threading.Barrier(2), []

    def answer(by: str) -> None:
        with Session(deposit.engine) as session, session.begin():
            together.wait()
            try:
                case_versions.hold(session, case(deposit), known)
                settle(session, deposit, by)
                outcomes.append("won")
            except NotSettled as refused:
                session.rollback()
                outcomes.append(refused.reason)

    people = [threading.Thread(target=answer, args=(name,)) for name in ("lan", "hoa")]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sorted(outcomes) == ["changed", "won"]
    assert deposit.rows("SELECT count(*) FROM settlements") == [(1,)]


def test_a_form_sent_twice_notes_one_trace_of_a_case_without_a_payment(deposit: Books) -> None:
    asked = int(deposit.one(
        "INSERT INTO mismatches (code, subject, source, opened_at) VALUES ('M11', 'file:1', 'standard', now())"
        " RETURNING id"
    ))  # fmt: skip
    known = deposit.run(lambda s: case_versions.version(s, s.get_one(Mismatch, asked)))
    together, outcomes = threading.Barrier(2), []

    def press() -> None:
        with Session(deposit.engine) as session, session.begin():
            session.get_one(Mismatch, asked)
            together.wait()
            try:
                case_versions.hold(session, asked, known)
                remarks.trace(session, asked, "where is it", by="lan", now=deposit.now)
                outcomes.append("noted")
            except NotSettled as refused:
                session.rollback()
                outcomes.append(refused.reason)

    presses = [threading.Thread(target=press) for _press in range(2)]
    for one in presses:
        one.start()
    for one in presses:
        one.join()
    assert sorted(outcomes) == ["changed", "noted"]
    assert deposit.rows("SELECT kind FROM remarks") == [("trace",)]


def test_the_database_itself_keeps_a_second_answer_out(deposit: Books) -> None:
    asked = case(deposit)
    insert = text(
        "INSERT INTO settlements (mismatch_id, payment_id, bills, minors, minor, why, maker, made_at)"
        " SELECT m.id, m.payment_id, ARRAY[b.id], ARRAY[1\\:\\:bigint], 0, 'why', :by, now()"
        " FROM mismatches m, bills b WHERE m.id = :asked"
    )
    deposit.run(lambda s: settle(s, deposit, "lan"))
    with pytest.raises(IntegrityError, match="uq_settlements_holding"):
        deposit.run(lambda s: s.execute(insert, {"by": "hoa", "asked": asked}))


def test_who_looks_at_a_case_is_seen_for_a_minute_and_by_others_only(deposit: Books) -> None:
    asked, start = case(deposit), deposit.now
    deposit.run(lambda s: s.execute(text(
        "INSERT INTO staff (username, name, role, password_hash, created_at)"
        " VALUES ('lan', 'Lan', 'accountant', '', now()), ('hoa', 'Hoa', 'accountant', '', now())")))  # fmt: skip

    def look(by: str, after: int) -> list[tuple[str, Any]]:
        now = start + timedelta(seconds=after)
        deposit.run(lambda s: case_visits.note(s, asked, by=by, now=now))
        found: list[tuple[str, Any]] = deposit.run(lambda s: case_visits.others(s, asked, by=by, now=now))
        return found

    assert look("lan", 0) == []
    assert look("hoa", 10) == [("Lan", start)]
    assert look("lan", 50) == [("Hoa", start + timedelta(seconds=10))]
    assert look("hoa", 60) == [("Lan", start)], "since when stays while somebody goes on looking"
    assert look("hoa", 111) == []
    assert look("lan", 115) == [("Hoa", start + timedelta(seconds=10))]
    assert look("hoa", 116) == [("Lan", start + timedelta(seconds=115))], "who comes back begins anew"
